//! Pinned candidates first, the score order within each tier's budget, then what is left over for
//! whatever was left out.

use std::cell::Cell;
use std::cmp::Reverse;

use super::without_sorting::{NOT_A_CANDIDATE, Ranking, Tuning, select};
use crate::budget::{Bounds, apportion};
use crate::error::Error;
use crate::limits::{Limits, SpillOver};
use crate::tier::Tier;

/// What was taken within limits, and the budgets that came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Granted {
    /// Rows per tier: pinned ones in input order, then best score first.
    pub taken: [Vec<u32>; Tier::COUNT],
    /// Each tier's budget: its own, plus what it took of others, less what others took of it. No
    /// tier uses more, and they sum to what the tiers' own budgets sum to.
    pub budgets: [u64; Tier::COUNT],
}

/// Takes candidates within limits.
///
/// 1. All of `pinned`, ascending rows of candidates: charged to their tiers, whatever their scores.
/// 2. Per tier, what [`super::score_order`] takes of the others in the rest of its budget, down to the
///    minimum score.
/// 3. With spill-over: what all tiers left is offered to what was left out, in the order the limits
///    name; each tier stays within its cap, and what does not fit is skipped. Whatever step 2 took
///    stays taken.
///
/// Limits change nothing of how the score order is found: they say how much of it is used.
///
/// # Errors
/// [`Error::PinnedOverflow`] for the first tier whose pinned candidates exceed its budget.
///
/// # Panics
/// With more than 2^32 rows.
pub fn select_within(
    ranking: &impl Ranking,
    pinned: &[u32],
    bounds: &Bounds,
    limits: &Limits,
    tuning: Tuning,
) -> Result<Granted, Error> {
    let mut taken: [Vec<u32>; Tier::COUNT] = Default::default();
    let mut used = [0u64; Tier::COUNT];
    for &row in pinned {
        let Some(tier) = Tier::from_index(ranking.tier(row).into()) else { continue };
        let used = &mut used[tier.index()];
        *used = used.saturating_add(ranking.tokens(row));
        taken[tier.index()].push(row);
    }
    for tier in Tier::ALL {
        let (needed, budget) = (used[tier.index()], bounds.budgets[tier.index()]);
        if needed > budget {
            return Err(Error::PinnedOverflow { tier, needed, budget });
        }
    }
    let pinned_of_tier = taken.each_ref().map(Vec::len);
    if limits.available == Some(0) {
        return Ok(Granted { taken, budgets: bounds.budgets });
    }
    let rests = Tier::ALL.map(|tier| bounds.budgets[tier.index()] - used[tier.index()]);
    let strict = select(&Without { ranking, rows: pinned }, rests, tuning);
    for ((taken, used), strict) in taken.iter_mut().zip(&mut used).zip(strict) {
        let strict = worthy(strict, limits.minimum_score);
        *used += strict.iter().map(|row| ranking.tokens(*row)).sum::<u64>();
        taken.extend(strict);
    }
    let mut budgets = bounds.budgets;
    if limits.spill_over.is_some() {
        for row in left_over(ranking, &taken, used, bounds, limits, tuning) {
            let tier = usize::from(ranking.tier(row));
            used[tier] += ranking.tokens(row);
            taken[tier].push(row);
        }
        // Behind the pinned ones, what was added takes its place in the order of scores.
        for (taken, pinned) in taken.iter_mut().zip(pinned_of_tier) {
            taken[pinned..].sort_by_cached_key(|&row| (Reverse(ranking.exact(row).to_bits()), row));
        }
        budgets = granted(bounds.budgets, used);
    }
    Ok(Granted { taken, budgets })
}

/// Rows of what was taken, best first, down to the minimum score: what lies below it is the end.
fn worthy(taken: Vec<(u32, f64)>, minimum_score: f64) -> Vec<u32> {
    let enough = taken.partition_point(|(_, score)| *score >= minimum_score);
    taken.into_iter().take(enough).map(|(row, _)| row).collect()
}

/// Own budgets with what tiers use beyond them moved there from those that have some left.
pub(crate) fn granted(budgets: [u64; Tier::COUNT], used: [u64; Tier::COUNT]) -> [u64; Tier::COUNT] {
    let over = Tier::ALL.map(|tier| used[tier.index()].saturating_sub(budgets[tier.index()]));
    let left = Tier::ALL.map(|tier| budgets[tier.index()].saturating_sub(used[tier.index()]));
    let given = apportion(over.iter().sum(), left);
    Tier::ALL.map(|tier| budgets[tier.index()] + over[tier.index()] - given[tier.index()])
}

/// What the budget that tiers left takes of everything that was left out.
fn left_over(
    ranking: &impl Ranking,
    taken: &[Vec<u32>; Tier::COUNT],
    used: [u64; Tier::COUNT],
    bounds: &Bounds,
    limits: &Limits,
    tuning: Tuning,
) -> Vec<u32> {
    let mut rest = bounds.budgets.iter().sum::<u64>() - used.iter().sum::<u64>();
    let mut out = taken.concat();
    out.sort_unstable();
    let without = Without { ranking, rows: &out };
    let rooms = Tier::ALL.map(|tier| bounds.caps[tier.index()] - used[tier.index()]);
    let mut left_out = LeftOut { ranking: &without, only: None, rooms: Cell::new(rooms) };
    let mut added = Vec::new();
    let steps = match limits.spill_over {
        Some(SpillOver::ByTier) => &Tier::ALL.map(Some),
        _ => [None].as_slice(),
    };
    for &only in steps {
        left_out.only = only;
        let room = only.map_or(rest, |tier| rest.min(rooms[tier.index()]));
        let [taken, ..] = select(&left_out, [room, 0, 0, 0], tuning);
        let taken = worthy(taken, limits.minimum_score);
        rest -= taken.iter().map(|row| ranking.tokens(*row)).sum::<u64>();
        added.extend(taken);
    }
    added
}

/// Candidates of one tier or of all as if they were of one tier, [`Tier::Working`], of which those of
/// a tier fit while it stays within its cap.
struct LeftOut<'a, R> {
    ranking: &'a R,
    only: Option<Tier>,
    rooms: Cell<[u64; Tier::COUNT]>,
}

impl<R: Ranking> LeftOut<'_, R> {
    fn lane(&self, tier: u8) -> u8 {
        let is_wanted = self.only.map_or(usize::from(tier) < Tier::COUNT, |it| it as u8 == tier);
        if is_wanted { Tier::Working as u8 } else { NOT_A_CANDIDATE }
    }
}

impl<R: Ranking> Ranking for LeftOut<'_, R> {
    const EXACT_IS_KNOWN: bool = R::EXACT_IS_KNOWN;

    fn rows(&self) -> usize {
        self.ranking.rows()
    }

    fn approximate(&self, start: usize, scores: &mut [f32]) {
        self.ranking.approximate(start, scores);
    }

    fn tiers(&self, start: usize, tiers: &mut [u8]) {
        self.ranking.tiers(start, tiers);
        for tier in tiers {
            *tier = self.lane(*tier);
        }
    }

    fn tier(&self, row: u32) -> u8 {
        self.lane(self.ranking.tier(row))
    }

    fn error_bound(&self) -> f64 {
        self.ranking.error_bound()
    }

    fn exact(&self, row: u32) -> f64 {
        self.ranking.exact(row)
    }

    fn tokens(&self, row: u32) -> u64 {
        self.ranking.tokens(row)
    }

    fn may_cost(&self, start: usize, most: u64, flags: &mut [u8]) {
        self.ranking.may_cost(start, most, flags);
    }

    fn fits(&self, row: u32, tokens: u64, rest: u64) -> bool {
        tokens <= rest && tokens <= self.rooms.get()[usize::from(self.ranking.tier(row))]
    }

    fn took(&self, row: u32, tokens: u64) {
        let mut rooms = self.rooms.get();
        rooms[usize::from(self.ranking.tier(row))] -= tokens;
        self.rooms.set(rooms);
    }

    fn least_tokens(&self, _lane: Tier) -> u64 {
        let least = Tier::ALL.map(|tier| self.ranking.least_tokens(tier));
        self.only.map_or(least.into_iter().min().unwrap_or(0), |tier| least[tier.index()])
    }
}

/// A ranking of which some rows, ascending, are no candidates.
struct Without<'a, R> {
    ranking: &'a R,
    rows: &'a [u32],
}

impl<R: Ranking> Ranking for Without<'_, R> {
    const EXACT_IS_KNOWN: bool = R::EXACT_IS_KNOWN;

    fn rows(&self) -> usize {
        self.ranking.rows()
    }

    fn approximate(&self, start: usize, scores: &mut [f32]) {
        self.ranking.approximate(start, scores);
    }

    fn tiers(&self, start: usize, tiers: &mut [u8]) {
        self.ranking.tiers(start, tiers);
        let first = self.rows.partition_point(|&row| (row as usize) < start);
        for &row in &self.rows[first..] {
            let Some(tier) = tiers.get_mut(row as usize - start) else { break };
            *tier = NOT_A_CANDIDATE;
        }
    }

    fn tier(&self, row: u32) -> u8 {
        let is_out = self.rows.binary_search(&row).is_ok();
        if is_out { NOT_A_CANDIDATE } else { self.ranking.tier(row) }
    }

    fn error_bound(&self) -> f64 {
        self.ranking.error_bound()
    }

    fn exact(&self, row: u32) -> f64 {
        self.ranking.exact(row)
    }

    fn tokens(&self, row: u32) -> u64 {
        self.ranking.tokens(row)
    }

    fn may_cost(&self, start: usize, most: u64, flags: &mut [u8]) {
        self.ranking.may_cost(start, most, flags);
    }

    fn least_tokens(&self, tier: Tier) -> u64 {
        self.ranking.least_tokens(tier)
    }

    fn least_tokens_seen(&self, tier: Tier) -> u64 {
        self.ranking.least_tokens_seen(tier)
    }
}
