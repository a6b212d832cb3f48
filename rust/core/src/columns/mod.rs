//! Allocating over columns as a caller has them, without scoring every row exactly.
//!
//! A selection over columns writes nothing back, so only what is taken needs its exact score. The rest
//! is told apart by approximate scores ([`crate::approximation`]), made in one pass that also looks
//! whether the columns hold what they may.

mod ranking;

use crate::budget::{tier_budgets, tier_budgets_within};
use crate::complexity::Level;
use crate::decay::FIRST_US;
use crate::error::Error;
use crate::limits::Limits;
use crate::pack::{Packed, Tuning, score_order, select, select_within};
use crate::plan::{Limited, Plan, Selected, assemble, assemble_within, count_equal, oversized};
use crate::score::NonFinite;
use crate::settings::Settings;
use crate::tier::Tier;
use crate::tokens::MAX_COUNT;
use ranking::{ColumnRanking, Seen};

/// A column of scores.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// Widened to `f64` first.
    F32(&'a [f32]),
    /// As they are.
    F64(&'a [f64]),
    /// The same for every row.
    All(f64),
}

impl Numbers<'_> {
    /// The value of a row as it is.
    ///
    /// # Panics
    /// If the column has no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> f64 {
        match self {
            Self::F32(column) => column[row].into(),
            Self::F64(column) => column[row],
            Self::All(value) => *value,
        }
    }

    fn length(&self) -> Option<usize> {
        match self {
            Self::F32(column) => Some(column.len()),
            Self::F64(column) => Some(column.len()),
            Self::All(_) => None,
        }
    }
}

/// Equal-length columns; row `i` of each is candidate `i`.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a> {
    /// The index of each candidate's tier in [`Tier::ALL`].
    pub tier: &'a [u8],
    /// Any numbers; NaN and infinities count as 0.0.
    pub relevance: Numbers<'a>,
    /// As the relevance.
    pub importance: Numbers<'a>,
    /// Microseconds since 1970 UTC, or [`crate::decay::NO_TIME`]; `None` where no time is known.
    pub timestamp_us: Option<&'a [i64]>,
    /// What each candidate costs, at most [`MAX_COUNT`].
    pub tokens: &'a [u64],
}

/// What a pass over columns found that they may not hold. The plan then means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubts {
    /// Some tier is none.
    pub tiers: bool,
    /// Some cost is above [`MAX_COUNT`].
    pub tokens: bool,
    /// Some time may lie outside the years 1 to 9999: look again, at each.
    pub times: bool,
}

impl Doubts {
    /// Everything may be wrong.
    pub const ALL: Self = Self { tiers: true, tokens: true, times: true };

    /// Nothing is.
    pub const NONE: Self = Self { tiers: false, tokens: false, times: false };
}

/// A plan over columns.
#[derive(Clone, Debug)]
pub struct ColumnPlan {
    /// What was decided.
    pub plan: Plan,
    /// What had to be counted as 0.0.
    pub non_finite: Option<NonFinite>,
    /// Whether the columns held what they may.
    pub doubts: Doubts,
}

/// How a plan over columns is made; decides about speed alone.
#[derive(Clone, Copy, Debug)]
pub struct ColumnTuning {
    /// Rows below which everything is scored exactly and sorted.
    pub sort_below: usize,
    /// Sizes of the search.
    pub search: Tuning,
}

impl Default for ColumnTuning {
    fn default() -> Self {
        Self { sort_below: 384, search: Tuning::default() }
    }
}

impl Columns<'_> {
    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.tier.len()
    }

    /// Packs every tier within its budget for a query of `level` at `now_us`. The plan is that of
    /// [`crate::plan::plan`] over the same values.
    ///
    /// # Panics
    /// If the columns differ in length, or have more than 2^32 - 1 rows.
    #[must_use]
    pub fn plan(
        &self,
        settings: &Settings,
        level: Level,
        now_us: i64,
        tuning: ColumnTuning,
    ) -> ColumnPlan {
        let plan = self.plan_within(settings, &Limits::NONE, &[], level, now_us, tuning);
        plan.expect("without limits nothing is refused")
    }

    /// As [`Self::plan`], within limits, and with the rows `pinned`, ascending and each once. The
    /// plan is that of [`crate::plan::plan_within`].
    ///
    /// # Errors
    /// As [`crate::plan::plan_within`]; what the columns may not hold was then not looked for.
    ///
    /// # Panics
    /// As [`Self::plan`].
    pub fn plan_within(
        &self,
        settings: &Settings,
        limits: &Limits,
        pinned: &[u32],
        level: Level,
        now_us: i64,
        tuning: ColumnTuning,
    ) -> Result<ColumnPlan, Error> {
        let rows = self.rows();
        assert!(u32::try_from(rows).is_ok(), "at most 2^32 - 1 rows");
        let scores = [self.relevance.length(), self.importance.length()];
        let lengths = [Some(self.tokens.len()), self.timestamp_us.map(<[i64]>::len)];
        assert!(scores.iter().chain(&lengths).all(|it| it.is_none_or(|it| it == rows)));
        let available = Tier::ALL.map(|tier| count_equal(self.tier, tier as u8));
        let ranking = ColumnRanking::new(self, settings, now_us);
        let plan = if pinned.is_empty() && *limits == Limits::NONE {
            self.strict(&ranking, settings, level, available, tuning)
        } else {
            let bounds = tier_budgets_within(settings, level, limits)?;
            if limits.available == Some(0) {
                ranking.look_at_all(); // nothing else will
            }
            let granted = select_within(&ranking, pinned, &bounds, limits, tuning.search)?;
            let details = |row| self.details(&ranking, row);
            let oversized = oversized(&ranking, &bounds, limits, &granted, details);
            let limited = Box::new(Limited { limits: *limits, bounds, oversized });
            assemble_within(settings, level, limited, available, granted, pinned, details)
        };
        let Seen { beyond_reach, token_bits, time_bits, .. } = ranking.seen();
        Ok(ColumnPlan {
            plan,
            non_finite: beyond_reach.then(|| self.non_finite()).flatten(),
            doubts: Doubts {
                tiers: available.iter().sum::<usize>() != rows,
                tokens: token_bits > MAX_COUNT,
                times: time_bits >> YEARS_BITS != 0,
            },
        })
    }

    /// The plan without limits.
    fn strict(
        &self,
        ranking: &ColumnRanking<'_>,
        settings: &Settings,
        level: Level,
        available: [usize; Tier::COUNT],
        tuning: ColumnTuning,
    ) -> Plan {
        let budgets = tier_budgets(settings, level);
        if self.rows() < tuning.sort_below {
            // Everything is scored and sorted; what is taken was scored here.
            ranking.look_at_all();
            let mut all = Vec::with_capacity(self.rows());
            let rows = (0..).zip(self.tier).filter(|(_, tier)| usize::from(**tier) < Tier::COUNT);
            all.extend(rows.map(|(row, _)| self.details(ranking, row)));
            let tiers: Vec<_> = all.iter().map(|it| it.tier).collect();
            let scores: Vec<_> = all.iter().map(|it| it.combined).collect();
            let tokens: Vec<_> = all.iter().map(|it| it.tokens).collect();
            let Packed { rows, taken, .. } = score_order(&tiers, &scores, &tokens, budgets);
            let taken = taken.map(|range| rows[range].iter().map(|&place| all[place as usize]));
            return assemble(settings, level, budgets, available, taken);
        }
        let taken = select(ranking, budgets, tuning.search);
        let details = |(row, _)| self.details(ranking, row);
        let taken = taken.map(|taken| taken.into_iter().map(details));
        assemble(settings, level, budgets, available, taken)
    }

    fn details(&self, ranking: &ColumnRanking<'_>, row: u32) -> Selected {
        let tier = Tier::from_index(self.tier[row as usize].into()).unwrap_or(Tier::Working);
        Selected::by_score(row, tier, self.tokens[row as usize], ranking.components(row))
    }

    /// Counts the components that are NaN or infinite.
    fn non_finite(&self) -> Option<NonFinite> {
        let mut found: Option<NonFinite> = None;
        for row in 0..self.rows() {
            NonFinite::note(&mut found, row, [self.relevance.get(row), self.importance.get(row)]);
        }
        found
    }
}

/// 2^58 microseconds are 9,133 years: what lies further from the year 1 may be no time.
const YEARS_BITS: u32 = 58;

/// Bits of the distance from the year 1; all of them together tell whether a time lies too far away.
#[inline]
fn distance_bits(timestamp_us: i64) -> u64 {
    timestamp_us.wrapping_sub(FIRST_US).cast_unsigned()
}
