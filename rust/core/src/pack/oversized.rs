//! What no selection can take whole: candidates larger than the whole budget of their tier.

use super::within_limits::Granted;
use super::without_sorting::Ranking;
use crate::budget::Bounds;
use crate::limits::Limits;
use crate::tier::Tier;

/// Per tier the best candidate, at or above the minimum score, that costs more than the tier's own
/// budget and was not taken all the same; ties go to the earlier row. None for a tier without budget.
pub fn best_oversized(
    ranking: &impl Ranking,
    bounds: &Bounds,
    limits: &Limits,
    granted: &Granted,
) -> [Option<u32>; Tier::COUNT] {
    let mut best = [None; Tier::COUNT];
    #[expect(clippy::cast_possible_truncation)] // more rows are refused before
    let rows = 0..ranking.rows() as u32;
    for row in rows {
        let tier = usize::from(ranking.tier(row));
        let Some(&budget) = bounds.budgets.get(tier) else { continue };
        if budget == 0 || ranking.tokens(row) <= budget {
            continue;
        }
        let score = ranking.exact(row);
        if score >= limits.minimum_score
            && best[tier].is_none_or(|(_, best)| score > best)
            && !granted.taken[tier].contains(&row)
        {
            best[tier] = Some((row, score));
        }
    }
    best.map(|best| best.map(|(row, _)| row))
}
