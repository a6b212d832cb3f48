//! Columns by another ranking than the documented formula.

use std::borrow::Cow;

use memory_budget_core::candidates::Candidates;
use memory_budget_core::columns::{Columns, Numbers};
use memory_budget_core::complexity::Level;
use memory_budget_core::decay::NO_TIME;
use memory_budget_core::error::Error;
use memory_budget_core::limits::Limits;
use memory_budget_core::ranking::RankedPlan;
use memory_budget_core::ranking::text::Terms;
use memory_budget_core::receipt::KnownTexts;
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;

use crate::call::Among;
use crate::ranking::{CallRanking, Known};

/// Checked columns with what a ranking decides from beside them.
pub struct RankedColumns<'a> {
    ranking: &'a CallRanking,
    known: Known,
    tiers: Vec<Tier>,
    relevance: Vec<f64>,
    importance: Vec<f64>,
    timestamp_us: Cow<'a, [i64]>,
    tokens: &'a [u64],
    pinned: &'a [u32],
}

impl<'a> RankedColumns<'a> {
    pub fn new(
        columns: &Columns<'a>,
        pinned: &'a [u32],
        ranking: &'a CallRanking,
        known: Known,
    ) -> Self {
        let rows = columns.rows();
        let tier = |&index: &u8| Tier::from_index(index.into()).unwrap_or(Tier::Working);
        let numbers = |column: Numbers<'_>| (0..rows).map(|row| column.get(row)).collect();
        Self {
            ranking,
            known,
            tiers: columns.tier.iter().map(tier).collect(),
            relevance: numbers(columns.relevance),
            importance: numbers(columns.importance),
            timestamp_us: columns
                .timestamp_us
                .map_or_else(|| Cow::Owned(vec![NO_TIME; rows]), Cow::Borrowed),
            tokens: columns.tokens,
            pinned,
        }
    }

    pub fn terms(&self, row: u32) -> Option<&Terms> {
        self.known.terms(row)
    }

    pub fn into_known(self) -> Known {
        self.known
    }

    pub fn plan(
        &self,
        settings: &Settings,
        limits: &Limits,
        level: Level,
        among: Among,
        now_us: i64,
    ) -> Result<RankedPlan, Error> {
        let Self { tiers, relevance, importance, timestamp_us, tokens, .. } = self;
        let candidates = Candidates::new(tiers, relevance, importance, timestamp_us, tokens)?;
        let candidates = candidates.with_pinned(self.pinned);
        self.known.plan(&candidates, settings, limits, level, self.ranking, among, now_us)
    }
}
