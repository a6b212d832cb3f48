//! Token budgets per tier.

use crate::complexity::Level;
use crate::settings::Settings;
use crate::tier::Tier;
use crate::tokens::MAX_COUNT;

/// `max_total_tokens * share * multiplier` in `f64`, rounded half to even, at most [`MAX_COUNT`].
///
/// A multiplier above 1 exceeds `max_total_tokens` by design: that is a base budget, not a ceiling.
///
/// Source: the token budget calculation of the design document.
#[must_use]
pub fn tier_budget(max_total_tokens: u64, share: f64, multiplier: f64) -> u64 {
    let tokens = (max_total_tokens as f64 * share * multiplier).round_ties_even();
    // `as` saturates, and NaN (an infinite product times zero) becomes 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let tokens = tokens as u64;
    tokens.min(MAX_COUNT)
}

/// The budgets of all tiers for a query of that level, in [`Tier::ALL`] order.
#[must_use]
pub fn tier_budgets(settings: &Settings, level: Level) -> [u64; Tier::COUNT] {
    let multiplier = settings.multiplier(level);
    settings.shares.map(|share| tier_budget(settings.max_total_tokens, share, multiplier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_budgets_come_out() {
        let settings = Settings::default();
        assert_eq!(tier_budgets(&settings, Level::Complex), [3686, 3072, 2458, 3072]);
        assert_eq!(tier_budgets(&settings, Level::Medium), [2458, 2048, 1638, 2048]);
    }

    #[test]
    fn halves_go_to_even_and_extremes_saturate() {
        assert_eq!(tier_budget(5, 0.5, 1.0), 2);
        assert_eq!(tier_budget(7, 0.5, 1.0), 4);
        assert_eq!(tier_budget(1 << 40, 1.0, 2.0), 1 << 41);
        assert_eq!(tier_budget(8192, 1.0, 1e308), MAX_COUNT);
        assert_eq!(tier_budget(MAX_COUNT, f64::MAX, 0.0), 0);
    }
}
