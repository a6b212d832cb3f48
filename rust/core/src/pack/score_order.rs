//! Best score first, skipping what does not fit: by sorting everything.

use std::ops::Range;

use crate::plan::count_equal;
use crate::tier::Tier;

/// What was taken, tier by tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Rows of everything taken: by tier, then best score first.
    pub rows: Vec<u32>,
    /// Each tier's part of `rows`.
    pub taken: [Range<usize>; Tier::COUNT],
    /// How many candidates each tier had.
    pub available: [usize; Tier::COUNT],
}

/// Takes candidates of each tier in descending score, ties in input order; what does not fit into the
/// rest of the tier's budget is skipped and the next one is tried. No budget is ever exceeded.
///
/// * `tiers`, `scores`, `tokens`: one value per candidate; scores are 0.0..=1.0 and never -0.0 or NaN,
///   so that the order of the bits is the order of the values;
/// * `budgets`: tokens per tier.
///
/// The greedy order is within 0.2 % of the optimum when a token is worth its memory's score. It is far
/// from the largest *sum of scores*, whose optimum is a heap of tiny fragments.
#[must_use]
pub fn score_order(
    tiers: &[Tier],
    scores: &[f64],
    tokens: &[u64],
    budgets: [u64; Tier::COUNT],
) -> Packed {
    let available = Tier::ALL.map(|tier| count_equal(tiers, tier));
    // Each tier's keys lie together and are sorted by themselves: shorter sorts are cheaper, and each
    // tier starts where the one before it ends.
    let mut next = [0; Tier::COUNT];
    for tier in 1..Tier::COUNT {
        next[tier] = next[tier - 1] + available[tier - 1];
    }
    // A key is as much of the score as fits beside the row, which makes keys unique, so that the unstable
    // sort gives the stable order. Keys of 64 bits are sorted in two thirds of the time of wider
    // ones, which would hold the whole score.
    let distance = |row: usize| 1f64.to_bits() - scores[row].to_bits();
    let row_bits = usize::BITS - tiers.len().leading_zeros();
    let dropped = row_bits.saturating_sub(1f64.to_bits().leading_zeros());
    let mut keys = vec![0_u64; tiers.len()];
    for (row, tier) in tiers.iter().enumerate() {
        let place = &mut next[tier.index()];
        keys[*place] = distance(row) >> dropped << row_bits | row as u64;
        *place += 1;
    }
    #[expect(clippy::cast_possible_truncation)] // the lower part, which was a usize
    let row_of = |key: u64| (key & ((1 << row_bits) - 1)) as usize;
    let mut rows = Vec::with_capacity(keys.len());
    let mut rest = keys.as_mut_slice();
    let taken = Tier::ALL.map(|tier| {
        let (keys, others) = std::mem::take(&mut rest).split_at_mut(available[tier.index()]);
        rest = others;
        keys.sort_unstable();
        // Scores that differ in no bit of the key may differ in those that were dropped.
        for alike in keys.chunk_by_mut(|a, b| a >> row_bits == b >> row_bits) {
            if alike.len() > 1 && dropped > 0 {
                alike.sort_unstable_by_key(|&key| (distance(row_of(key)), row_of(key)));
            }
        }
        let (start, mut left) = (rows.len(), budgets[tier.index()]);
        for &mut key in keys {
            let row = row_of(key);
            let cost = tokens[row];
            if cost <= left {
                left -= cost;
                #[expect(clippy::cast_possible_truncation)] // there are fewer than 2^32
                rows.push(row as u32);
            }
        }
        start..rows.len()
    });
    Packed { rows, taken, available }
}
