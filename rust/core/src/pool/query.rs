//! An allocation over a snapshot.

use super::access::Access;
use super::chunk::CHUNK;
use super::counts::Counts;
use super::gather::Gathered;
use super::ranking::{Column, PoolRanking, Stored};
use super::snapshot::Snapshot;
use crate::budget::{tier_budgets, tier_budgets_within};
use crate::complexity::Level;
use crate::error::Error;
use crate::limits::Limits;
use crate::pack::{Ranking, Tuning, select, select_within};
use crate::plan::{Limited, Plan, Selected, assemble, assemble_within, oversized, plan_within};
use crate::promotion::{Ladder, Move, Record, promotion_score, recommend};
use crate::score::NonFinite;
use crate::settings::Settings;
use crate::tier::Tier;

/// What rows without a relevance of their own get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A relevance of 0.0.
    Zero,
    /// They are no candidates.
    Exclude,
}

/// The relevance of the rows to a query.
#[derive(Clone, Copy, Debug)]
pub enum Relevance<'a> {
    /// What is stored with the rows.
    Stored,
    /// One value a row, holes included; widened to `f64` first.
    F32(&'a [f32]),
    /// One value a row, holes included.
    F64(&'a [f64]),
    /// Of some rows, ascending and each once.
    Rows(&'a [(u32, f64)], Missing),
}

/// What is asked of a snapshot.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// The workspace.
    pub settings: &'a Settings,
    /// The query's level.
    pub level: Level,
    /// The time of the call.
    pub now_us: i64,
    /// The relevance to the query.
    pub relevance: Relevance<'a>,
    /// Counts of the texts without a count; they are estimated without.
    pub counts: Option<&'a Counts>,
    /// Only rows of that user.
    pub user: Option<u32>,
    /// Only rows of these tiers, in [`Tier::ALL`] order.
    pub tiers: [bool; Tier::COUNT],
    /// What limits the selection beyond the budgets.
    pub limits: Limits,
    /// Rows from which on not everything is sorted; lowered by tests.
    pub sort_below: usize,
    /// Sizes that decide about speed alone.
    pub tuning: Tuning,
}

impl<'a> Query<'a> {
    /// A query over all rows by their stored relevance.
    #[must_use]
    pub fn new(settings: &'a Settings, level: Level, now_us: i64) -> Self {
        Self {
            settings,
            level,
            now_us,
            relevance: Relevance::Stored,
            counts: None,
            user: None,
            tiers: [true; Tier::COUNT],
            limits: Limits::NONE,
            sort_below: 512,
            tuning: Tuning::default(),
        }
    }
}

/// A plan whose indices are row numbers.
pub struct PoolPlan {
    /// What was decided.
    pub plan: Plan,
    /// What had to be counted as 0.0; the index is a row number.
    pub non_finite: Option<NonFinite>,
}

/// A row's promotion score and what it recommends.
pub struct Evaluation {
    /// The row.
    pub row: u32,
    /// What was looked at, with the combined score at the time of the call.
    pub record: Record,
    /// The promotion score.
    pub score: f64,
    /// The recommendation.
    pub step: Move,
}

impl Query<'_> {
    /// Allocates over the rows of a snapshot.
    ///
    /// # Errors
    /// As [`plan_within`].
    ///
    /// # Panics
    /// If a relevance slice has not exactly one value a row.
    pub fn plan<P: Clone, E: Clone>(&self, snapshot: &Snapshot<P, E>) -> Result<PoolPlan, Error> {
        match self.relevance {
            Relevance::Stored => self.plan_by(snapshot, Stored(snapshot)),
            Relevance::F32(column) => self.plan_by(snapshot, one_a_row(column, snapshot)),
            Relevance::F64(column) => self.plan_by(snapshot, one_a_row(column, snapshot)),
            Relevance::Rows(rows, Missing::Zero) => {
                let column = spread(rows, snapshot.rows(), 0.0);
                self.plan_by(snapshot, column.as_slice())
            }
            Relevance::Rows(rows, Missing::Exclude) => {
                let column = spread(rows, snapshot.rows(), 0.0);
                let ranking = PoolRanking::new(snapshot, self, column.as_slice());
                self.plan_few(&Gathered::some(snapshot, &ranking, rows.iter().map(|(row, _)| *row)))
            }
        }
    }

    fn plan_by<P: Clone, E: Clone, C: Column>(
        &self,
        snapshot: &Snapshot<P, E>,
        relevance: C,
    ) -> Result<PoolPlan, Error> {
        let ranking = PoolRanking::new(snapshot, self, relevance);
        if snapshot.rows() < self.sort_below {
            return self.plan_few(&Gathered::all(snapshot, &ranking));
        }
        let (settings, level) = (self.settings, self.level);
        let details = |row| selected(&ranking, row);
        let available = ranking.available();
        let pinned = ranking.pinned();
        let plan = if pinned.is_empty() && self.limits == Limits::NONE {
            let budgets = tier_budgets(settings, level);
            let taken = select(&ranking, budgets, self.tuning);
            let taken = taken.map(|taken| taken.into_iter().map(|(row, _)| details(row)));
            assemble(settings, level, budgets, available, taken)
        } else {
            let bounds = tier_budgets_within(settings, level, &self.limits)?;
            let granted = select_within(&ranking, &pinned, &bounds, &self.limits, self.tuning)?;
            let oversized = oversized(&ranking, &bounds, &self.limits, &granted, details);
            let limited = Box::new(Limited { limits: self.limits, bounds, oversized });
            assemble_within(settings, level, limited, available, granted, &pinned, details)
        };
        let non_finite = ranking.may_have_non_finite().then(|| non_finite(snapshot, &ranking));
        Ok(PoolPlan { plan, non_finite: non_finite.flatten() })
    }

    /// Plans over rows as columns.
    fn plan_few(&self, gathered: &Gathered) -> Result<PoolPlan, Error> {
        let candidates = gathered.candidates();
        let (mut plan, scores) =
            plan_within(&candidates, self.settings, &self.limits, self.level, self.now_us)?;
        let mut non_finite = scores.non_finite;
        gathered.number(&mut plan, &mut non_finite);
        Ok(PoolPlan { plan, non_finite })
    }

    /// Scores all rows, computes their promotion scores, and says which should change tier. `access`
    /// gives a row's accesses, `visit` gets every row.
    ///
    /// # Panics
    /// As [`Self::plan`].
    pub fn evaluate<P: Clone, E: Clone>(
        &self,
        snapshot: &Snapshot<P, E>,
        ladder: Ladder,
        access: impl Fn(u32) -> Access,
        visit: impl FnMut(Evaluation),
    ) {
        match self.relevance {
            Relevance::Stored => {
                self.evaluate_by(snapshot, Stored(snapshot), ladder, access, visit);
            }
            Relevance::F32(column) => {
                self.evaluate_by(snapshot, one_a_row(column, snapshot), ladder, access, visit);
            }
            Relevance::F64(column) => {
                self.evaluate_by(snapshot, one_a_row(column, snapshot), ladder, access, visit);
            }
            Relevance::Rows(rows, _) => {
                let column = spread(rows, snapshot.rows(), 0.0);
                self.evaluate_by(snapshot, column.as_slice(), ladder, access, visit);
            }
        }
    }

    fn evaluate_by<P: Clone, E: Clone, C: Column>(
        &self,
        snapshot: &Snapshot<P, E>,
        relevance: C,
        ladder: Ladder,
        access: impl Fn(u32) -> Access,
        mut visit: impl FnMut(Evaluation),
    ) {
        let ranking = PoolRanking::new(snapshot, self, relevance);
        let threshold = self.settings.promotion_access_threshold;
        for row in 0..row_number(snapshot.rows()) {
            let (chunk, at) = snapshot.place(row);
            let Some(tier) = chunk.tier(at) else { continue };
            let access = access(row);
            let record = Record {
                tier,
                combined: ranking.components(row)[3],
                access_count: access.count,
                timestamp_us: chunk.timestamp_us(at),
                last_accessed_us: access.last_us,
            };
            let score = promotion_score(&record, threshold, self.now_us);
            let step = recommend(&record, score, self.settings, ladder);
            visit(Evaluation { row, record, score, step });
        }
    }
}

pub(super) fn one_a_row<'a, T, P: Clone, E: Clone>(
    column: &'a [T],
    snapshot: &Snapshot<P, E>,
) -> &'a [T] {
    assert_eq!(column.len(), snapshot.rows(), "one relevance a row");
    column
}

/// Scores of some rows as a column with one value for all others.
pub(super) fn spread(rows: &[(u32, f64)], length: usize, others: f64) -> Vec<f64> {
    let mut column = vec![others; length];
    for &(row, relevance) in rows {
        column[row as usize] = relevance;
    }
    column
}

fn selected<P: Clone, E: Clone, C: Column>(
    ranking: &PoolRanking<'_, P, E, C>,
    row: u32,
) -> Selected {
    let tier = Tier::from_index(ranking.tier(row).into()).expect("a candidate has a tier");
    Selected::by_score(row, tier, ranking.tokens(row), ranking.components(row))
}

/// Counts the components of candidates that are NaN or infinite.
fn non_finite<P: Clone, E: Clone, C: Column>(
    snapshot: &Snapshot<P, E>,
    ranking: &PoolRanking<'_, P, E, C>,
) -> Option<NonFinite> {
    let mut found: Option<NonFinite> = None;
    for (number, chunk) in snapshot.chunks.iter().enumerate() {
        let mut tiers = vec![0; chunk.len()];
        ranking.tiers_within(number, 0, &mut tiers);
        let candidates =
            tiers.iter().enumerate().filter(|(_, tier)| usize::from(**tier) < Tier::COUNT);
        for (at, _) in candidates {
            let row = number * CHUNK + at;
            NonFinite::note(&mut found, row, ranking.raw(row));
        }
    }
    found
}

pub(super) fn row_number(rows: usize) -> u32 {
    u32::try_from(rows).expect("at most 2^32 - 1 rows")
}
