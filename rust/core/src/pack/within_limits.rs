//! Pinned candidates first, the score order within each tier's budget, then what is left over for
//! whatever was left out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

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
        let tier = usize::from(ranking.tier(row));
        used[tier] = used[tier].saturating_add(ranking.tokens(row));
        taken[tier].push(row);
    }
    for tier in Tier::ALL {
        let (needed, budget) = (used[tier.index()], bounds.budgets[tier.index()]);
        if needed > budget {
            return Err(Error::PinnedOverflow { tier, needed, budget });
        }
    }
    let rests = Tier::ALL.map(|tier| bounds.budgets[tier.index()] - used[tier.index()]);
    let strict = select(&Without { ranking, rows: pinned }, rests, tuning);
    for ((taken, used), strict) in taken.iter_mut().zip(&mut used).zip(strict) {
        // Best first: what lies below the minimum is the end of it.
        let enough = strict.partition_point(|(_, score)| *score >= limits.minimum_score);
        taken.extend(strict[..enough].iter().map(|(row, _)| *row));
        *used += strict[..enough].iter().map(|(row, _)| ranking.tokens(*row)).sum::<u64>();
    }
    let mut budgets = bounds.budgets;
    if let Some(order) = limits.spill_over {
        let mut share = Share { bounds, order, minimum: limits.minimum_score, taken, used };
        share.out(ranking, pinned);
        Share { taken, used, .. } = share;
        budgets = granted(bounds.budgets, used);
    }
    Ok(Granted { taken, budgets })
}

/// Own budgets with what tiers use beyond them moved there from those that have some left.
fn granted(budgets: [u64; Tier::COUNT], used: [u64; Tier::COUNT]) -> [u64; Tier::COUNT] {
    let over = Tier::ALL.map(|tier| used[tier.index()].saturating_sub(budgets[tier.index()]));
    let left = Tier::ALL.map(|tier| budgets[tier.index()].saturating_sub(used[tier.index()]));
    let given = apportion(over.iter().sum(), left);
    Tier::ALL.map(|tier| budgets[tier.index()] + over[tier.index()] - given[tier.index()])
}

/// Budget that tiers left, on its way to what was left out.
struct Share<'a> {
    bounds: &'a Bounds,
    order: SpillOver,
    minimum: f64,
    taken: [Vec<u32>; Tier::COUNT],
    used: [u64; Tier::COUNT],
}

/// Where a tier stands in the order (the first the largest), its score's bits, its row (the smaller
/// first), its tier, its tokens. Scores are in 0.0..=1.0 and never -0.0.
type Waiting = (u8, u64, Reverse<u32>, u8, u64);

/// Rows that are looked at together.
const BLOCK: usize = 1024;

impl Share<'_> {
    fn rest(&self) -> u64 {
        self.bounds.budgets.iter().sum::<u64>() - self.used.iter().sum::<u64>()
    }

    /// What one more candidate of the tier may cost.
    fn room(&self, tier: usize) -> u64 {
        self.rest().min(self.bounds.caps[tier] - self.used[tier])
    }

    fn out(&mut self, ranking: &impl Ranking, pinned: &[u32]) {
        let before = self.taken.each_ref().map(Vec::len);
        let mut waiting = BinaryHeap::from(self.left_out(ranking));
        let mut misfits = 0;
        while let Some((_, _, Reverse(row), tier, tokens)) = waiting.pop() {
            let tier = usize::from(tier);
            if tokens <= self.room(tier) {
                self.used[tier] += tokens;
                self.taken[tier].push(row);
                misfits = 0;
            } else {
                misfits += 1;
            }
            // Popping costs more than looking through all: now and then everything that no longer
            // fits is thrown out, often enough that few misfits are popped, rarely enough that it
            // costs less than they would.
            if misfits > waiting.len() / 64 {
                misfits = 0;
                let rooms = [0, 1, 2, 3].map(|tier| self.room(tier));
                waiting.retain(|&(.., tier, tokens)| tokens <= rooms[usize::from(tier)]);
            }
        }
        // Behind the pinned ones, what was added takes its place in the order of scores.
        for ((taken, before), tier) in self.taken.iter_mut().zip(before).zip(Tier::ALL) {
            if taken.len() > before {
                let is_tier = |row: &&u32| ranking.tier(**row) == tier as u8;
                let first = pinned.iter().filter(is_tier).count();
                taken[first..]
                    .sort_by_cached_key(|&row| (Reverse(ranking.exact(row).to_bits()), row));
            }
        }
    }

    /// Everything that may be taken yet.
    fn left_out(&self, ranking: &impl Ranking) -> Vec<Waiting> {
        let mut taken = self.taken.concat();
        taken.sort_unstable();
        let mut taken = taken.into_iter().peekable();
        let rooms = [0, 1, 2, 3].map(|tier| self.room(tier));
        let most = rooms.into_iter().max().unwrap_or(0);
        let mut waiting = Vec::new();
        let (mut tiers, mut flags) = ([NOT_A_CANDIDATE; BLOCK], [0; BLOCK]);
        for start in (0..ranking.rows()).step_by(BLOCK) {
            let length = BLOCK.min(ranking.rows() - start);
            ranking.may_cost(start, most, &mut flags[..length]);
            ranking.tiers(start, &mut tiers[..length]);
            for (offset, &tier) in tiers[..length].iter().enumerate() {
                #[expect(clippy::cast_possible_truncation)] // select refuses more than 2^32 rows
                let row = (start + offset) as u32;
                let is_taken = taken.next_if_eq(&row).is_some();
                let Some(&room) = rooms.get(usize::from(tier)) else { continue };
                if is_taken || flags[offset] == 0 {
                    continue;
                }
                let tokens = ranking.tokens(row);
                if tokens > room {
                    continue;
                }
                let score = ranking.exact(row);
                if score >= self.minimum {
                    let place = match self.order {
                        SpillOver::ByScore => 0,
                        SpillOver::ByTier => NOT_A_CANDIDATE - tier,
                    };
                    waiting.push((place, score.to_bits(), Reverse(row), tier, tokens));
                }
            }
        }
        waiting
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
}
