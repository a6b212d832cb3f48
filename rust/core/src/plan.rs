//! The plan: what one allocation decided.

use std::ops::Range;

use crate::budget::tier_budgets;
use crate::candidates::Candidates;
use crate::complexity::Level;
use crate::pack::score_order;
use crate::rounding::round_decimals;
use crate::score::{Scores, finite_or_zero};
use crate::settings::Settings;
use crate::statistics::{Observation, TierObservation};
use crate::tier::Tier;

/// A candidate that was taken, with the numbers it was taken for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selected {
    /// Its row in the candidates.
    pub index: u32,
    /// Its tier.
    pub tier: Tier,
    /// Its cost.
    pub tokens: u64,
    /// Its relevance, 0.0 where it was not finite.
    pub relevance: f64,
    /// Its importance, 0.0 where it was not finite.
    pub importance: f64,
    /// Its freshness at the time of the call.
    pub freshness: f64,
    /// Its combined score.
    pub combined: f64,
}

/// What one tier got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierPlan {
    /// Tokens it may use.
    pub budget: u64,
    /// Tokens its selection uses; never above `budget`.
    pub used: u64,
    /// Candidates it had.
    pub available: usize,
    /// Its part of [`Plan::selected`].
    pub range: Range<usize>,
}

impl TierPlan {
    /// How many candidates were taken.
    #[must_use]
    pub fn selected(&self) -> usize {
        self.range.len()
    }

    /// Used tokens in percent of the budget, two decimals; 0.0 for a budget of zero.
    #[must_use]
    pub fn utilization_pct(&self) -> f64 {
        if self.budget == 0 {
            return 0.0;
        }
        round_decimals(self.used as f64 / self.budget as f64 * 100.0, 2)
    }
}

/// The outcome of one allocation over one set of candidates.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The query's level.
    pub level: Level,
    /// The base budget the tiers were cut from.
    pub max_total_tokens: u64,
    /// Share per tier.
    pub shares: [f64; Tier::COUNT],
    /// The level's multiplier.
    pub multiplier: f64,
    /// What each tier got, in [`Tier::ALL`] order.
    pub tiers: [TierPlan; Tier::COUNT],
    /// Everything taken: by tier, then by score.
    pub selected: Vec<Selected>,
}

impl Plan {
    /// Tokens of everything taken.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.tiers.iter().map(|tier| tier.used).sum()
    }

    /// What the statistics count of this plan, made in that many nanoseconds.
    #[must_use]
    pub fn observation(&self, processing_nanoseconds: u64) -> Observation {
        // Two decimals of a percentage are an integer number of hundredths.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let tiers = self.tiers.each_ref().map(|tier| TierObservation {
            tokens_used: tier.used,
            memories_selected: tier.selected() as u64,
            utilization_hundredths: (tier.utilization_pct() * 100.0).round() as u64,
        });
        Observation { level: self.level, processing_nanoseconds, tiers }
    }
}

/// Scores the candidates at `now_us` and packs every tier within its budget for a query of `level`.
///
/// # Panics
/// With more than 2^32 candidates.
#[must_use]
pub fn plan(
    candidates: &Candidates<'_>,
    settings: &Settings,
    level: Level,
    now_us: i64,
) -> (Plan, Scores) {
    let scores = Scores::of(candidates, settings, now_us);
    let mut members: [Vec<u32>; Tier::COUNT] = Default::default();
    for (index, tier) in candidates.tier().iter().enumerate() {
        let index = u32::try_from(index).expect("at most 2^32 candidates");
        members[tier.index()].push(index);
    }
    let budgets = tier_budgets(settings, level);
    let mut selected = Vec::new();
    let tiers = Tier::ALL.map(|tier| {
        let members = &members[tier.index()];
        let budget = budgets[tier.index()];
        let (taken, used) = score_order(members, &scores.combined, candidates.tokens(), budget);
        let start = selected.len();
        selected.extend(taken.into_iter().map(|index| {
            let row = index as usize;
            Selected {
                index,
                tier,
                tokens: candidates.tokens()[row],
                relevance: finite_or_zero(candidates.relevance()[row]),
                importance: finite_or_zero(candidates.importance()[row]),
                freshness: scores.freshness[row],
                combined: scores.combined[row],
            }
        }));
        TierPlan { budget, used, available: members.len(), range: start..selected.len() }
    });
    let plan = Plan {
        level,
        max_total_tokens: settings.max_total_tokens,
        shares: settings.shares,
        multiplier: settings.multiplier(level),
        tiers,
        selected,
    };
    (plan, scores)
}
