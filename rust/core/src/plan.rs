//! The plan: what one allocation decided.

use std::ops::Range;

use crate::budget::{Bounds, tier_budgets, tier_budgets_within};
use crate::candidates::Candidates;
use crate::complexity::Level;
use crate::error::Error;
use crate::limits::Limits;
use crate::pack::{Granted, Ranking, Tuning, best_oversized, score_order, select, select_within};
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
    /// Whether it was taken because it is pinned.
    pub pinned: bool,
    /// What it was ordered by, greatest first: its combined score, or the key of another ranking.
    pub key: f64,
}

impl Selected {
    /// One that is not pinned and was ordered by its combined score. `components` are relevance,
    /// importance, freshness and the combined score.
    #[inline]
    pub(crate) fn by_score(index: u32, tier: Tier, tokens: u64, components: [f64; 4]) -> Self {
        let [relevance, importance, freshness, combined] = components;
        Self {
            index,
            tier,
            tokens,
            relevance,
            importance,
            freshness,
            combined,
            pinned: false,
            key: combined,
        }
    }
}

/// What one tier got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierPlan {
    /// Tokens it may use, what it took over from other tiers included.
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
    /// Everything taken: by tier; in a tier what is pinned in input order, then by score.
    pub selected: Vec<Selected>,
    /// What limited it beyond plain budgets; none without limits and pinned candidates.
    pub limited: Option<Box<Limited>>,
}

/// The limits of a plan, as given and as they came out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limited {
    /// As given.
    pub limits: Limits,
    /// In tokens. The budgets are those before spill-over.
    pub bounds: Bounds,
    /// Per tier the best that is too large for it, where that was asked for. Not selected, but for
    /// what of it can be cut to fit.
    pub oversized: [Option<Selected>; Tier::COUNT],
}

impl Plan {
    /// Tokens of everything taken.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.tiers.iter().map(|tier| tier.used).sum()
    }

    /// The plan with another selection of the same candidates, given by tier.
    #[must_use]
    pub fn with_selection(mut self, selected: Vec<Selected>) -> Self {
        let mut start = 0;
        for (tier, plan) in Tier::ALL.into_iter().zip(&mut self.tiers) {
            let members = selected[start..].iter().take_while(|selected| selected.tier == tier);
            let (count, used) =
                members.fold((0, 0), |(count, used), selected| (count + 1, used + selected.tokens));
            plan.used = used;
            plan.range = start..start + count;
            start += count;
        }
        debug_assert_eq!(start, selected.len(), "the selection is given by tier");
        self.selected = selected;
        self
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

/// From that many candidates on, sorting all of them costs more than looking for the best.
const LARGE: usize = 2_000;

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
    let budgets = tier_budgets(settings, level);
    let details = |row| details(candidates, &scores, row);
    let plan = if candidates.len() < LARGE {
        let packed = score_order(candidates.tier(), &scores.combined, candidates.tokens(), budgets);
        let taken = packed
            .taken
            .each_ref()
            .map(|range| packed.rows[range.clone()].iter().map(|&row| details(row)));
        assemble(settings, level, budgets, packed.available, taken)
    } else {
        let ranked = Ranked::new(candidates, &scores.combined);
        let taken = select(&ranked, budgets, Tuning::default());
        let taken = taken.map(|taken| taken.into_iter().map(|(row, _)| details(row)));
        assemble(settings, level, budgets, ranked.available(), taken)
    };
    (plan, scores)
}

/// As [`plan`], within limits and with pinned candidates.
///
/// # Errors
/// What [`tier_budgets_within`] and [`select_within`] refuse.
///
/// # Panics
/// With more than 2^32 candidates.
pub fn plan_within(
    candidates: &Candidates<'_>,
    settings: &Settings,
    limits: &Limits,
    level: Level,
    now_us: i64,
) -> Result<(Plan, Scores), Error> {
    if candidates.pinned().is_empty() && *limits == Limits::NONE {
        return Ok(plan(candidates, settings, level, now_us));
    }
    let bounds = tier_budgets_within(settings, level, limits)?;
    let scores = Scores::of(candidates, settings, now_us);
    let ranked = Ranked::new(candidates, &scores.combined);
    let pinned = candidates.pinned();
    let granted = select_within(&ranked, pinned, &bounds, limits, Tuning::default())?;
    let details = |row| details(candidates, &scores, row);
    let oversized = oversized(&ranked, &bounds, limits, &granted, details);
    let limited = Box::new(Limited { limits: *limits, bounds, oversized });
    let available = ranked.available();
    let plan = assemble_within(settings, level, limited, available, granted, pinned, details);
    Ok((plan, scores))
}

/// What [`Limited::oversized`] holds.
pub(crate) fn oversized(
    ranking: &impl Ranking,
    bounds: &Bounds,
    limits: &Limits,
    granted: &Granted,
    details: impl Fn(u32) -> Selected,
) -> [Option<Selected>; Tier::COUNT] {
    if !limits.cut_oversized {
        return [None; Tier::COUNT];
    }
    best_oversized(ranking, bounds, limits, granted).map(|row| row.map(&details))
}

fn details(candidates: &Candidates<'_>, scores: &Scores, row: u32) -> Selected {
    let index = row as usize;
    let components = [
        finite_or_zero(candidates.relevance()[index]),
        finite_or_zero(candidates.importance()[index]),
        scores.freshness[index],
        scores.combined[index],
    ];
    Selected::by_score(row, candidates.tier()[index], candidates.tokens()[index], components)
}

/// Puts a plan together from what each tier may use, had, and took, best first.
pub(crate) fn assemble(
    settings: &Settings,
    level: Level,
    budgets: [u64; Tier::COUNT],
    available: [usize; Tier::COUNT],
    taken: [impl Iterator<Item = Selected>; Tier::COUNT],
) -> Plan {
    let count = taken.iter().map(|taken| taken.size_hint().0).sum();
    let mut selected = Vec::with_capacity(count);
    let mut tiers = available.into_iter().zip(budgets).zip(taken);
    let tiers = Tier::ALL.map(|_| {
        let ((available, budget), taken) = tiers.next().expect("one of each for every tier");
        let start = selected.len();
        selected.extend(taken);
        let used = selected[start..].iter().map(|taken: &Selected| taken.tokens).sum();
        TierPlan { budget, used, available, range: start..selected.len() }
    });
    Plan {
        level,
        max_total_tokens: settings.max_total_tokens,
        shares: settings.shares,
        multiplier: settings.multiplier(level),
        tiers,
        selected,
        limited: None,
    }
}

/// Puts a plan within limits together; `pinned` are the rows of pinned candidates, ascending.
pub(crate) fn assemble_within(
    settings: &Settings,
    level: Level,
    limited: Box<Limited>,
    available: [usize; Tier::COUNT],
    granted: Granted,
    pinned: &[u32],
    details: impl Fn(u32) -> Selected,
) -> Plan {
    let selected = |row| Selected { pinned: pinned.binary_search(&row).is_ok(), ..details(row) };
    let taken = granted.taken.map(|taken| taken.into_iter().map(selected));
    let plan = assemble(settings, level, granted.budgets, available, taken);
    Plan { limited: Some(limited), ..plan }
}

/// Candidates whose exact scores are all known. Rounding to `f32` makes the approximation.
struct Ranked<'a> {
    candidates: &'a Candidates<'a>,
    combined: &'a [f64],
    least_tokens: u64,
}

impl<'a> Ranked<'a> {
    fn new(candidates: &'a Candidates<'a>, combined: &'a [f64]) -> Self {
        let least_tokens = candidates.tokens().iter().copied().min().unwrap_or(0);
        Self { candidates, combined, least_tokens }
    }

    fn available(&self) -> [usize; Tier::COUNT] {
        Tier::ALL.map(|tier| count_equal(self.candidates.tier(), tier))
    }
}

/// How often a tier occurs. Counted in bytes first: that goes sixteen at a time.
pub(crate) fn count_equal<T: Copy + PartialEq>(column: &[T], wanted: T) -> usize {
    let count = |part: &[T]| part.iter().map(|it| u8::from(*it == wanted)).sum::<u8>();
    column.chunks(255).map(|part| usize::from(count(part))).sum()
}

impl Ranking for Ranked<'_> {
    const EXACT_IS_KNOWN: bool = true;

    fn rows(&self) -> usize {
        self.candidates.len()
    }

    #[expect(clippy::cast_possible_truncation)] // rounding is what is wanted
    fn approximate(&self, start: usize, scores: &mut [f32]) {
        for (rounded, &score) in scores.iter_mut().zip(&self.combined[start..]) {
            *rounded = score as f32;
        }
    }

    fn tiers(&self, start: usize, tiers: &mut [u8]) {
        for (index, &tier) in tiers.iter_mut().zip(&self.candidates.tier()[start..]) {
            *index = tier as u8;
        }
    }

    fn tier(&self, row: u32) -> u8 {
        self.candidates.tier()[row as usize] as u8
    }

    /// Half a unit in the last place of an `f32` below 1.
    fn error_bound(&self) -> f64 {
        f64::from(f32::EPSILON) / 2.0
    }

    fn exact(&self, row: u32) -> f64 {
        self.combined[row as usize]
    }

    fn tokens(&self, row: u32) -> u64 {
        self.candidates.tokens()[row as usize]
    }

    fn may_cost(&self, start: usize, most: u64, flags: &mut [u8]) {
        for (flag, &tokens) in flags.iter_mut().zip(&self.candidates.tokens()[start..]) {
            *flag = u8::from(tokens <= most);
        }
    }

    fn least_tokens(&self, _tier: Tier) -> u64 {
        self.least_tokens
    }
}
