//! One workspace's configuration as plain numbers, read once per call.

use crate::complexity::Level;
use crate::error::Error;
use crate::tier::Tier;
use crate::tokens::MAX_COUNT;

/// Weights of the score's three terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weights {
    /// Weight of the relevance to the query.
    pub relevance: f64,
    /// Weight of the intrinsic importance.
    pub importance: f64,
    /// Weight of the freshness.
    pub freshness: f64,
}

/// A workspace's configuration. [`Settings::check`] says whether it can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Base token budget over all tiers; a complexity multiplier scales it.
    pub max_total_tokens: u64,
    /// Share of the budget per tier, 1.0 = all of it, in [`Tier::ALL`] order.
    pub shares: [f64; Tier::COUNT],
    /// Budget multiplier per level, in [`Level::ALL`] order.
    pub multipliers: [f64; 4],
    /// Weights of the combined score.
    pub weights: Weights,
    /// Age in hours at which freshness has fallen to one half (to the precision of 0.693 for ln 2).
    pub freshness_half_life_hours: f64,
    /// Least promotion score that promotes.
    pub promotion_threshold: f64,
    /// Promotion score below which a memory is demoted.
    pub demotion_threshold: f64,
    /// Least number of accesses that promotes.
    pub promotion_access_threshold: u64,
    /// Estimated tokens per code point of text.
    pub tokens_per_char: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_total_tokens: 8192,
            shares: [0.30, 0.25, 0.20, 0.25],
            multipliers: [0.5, 1.0, 1.5, 2.0],
            weights: Weights { relevance: 0.5, importance: 0.3, freshness: 0.2 },
            freshness_half_life_hours: 168.0,
            promotion_threshold: 0.8,
            demotion_threshold: 0.3,
            promotion_access_threshold: 3,
            tokens_per_char: 0.25,
        }
    }
}

const NON_NEGATIVE: &str = "a finite number of at least 0";
const POSITIVE: &str = "a finite number above 0";
const COUNT: &str = "0 to 9007199254740991";

impl Settings {
    /// The same with those budgets for the tiers, whatever the level.
    #[must_use]
    pub fn with_budgets(&self, budgets: [u64; Tier::COUNT]) -> Self {
        let sum = budgets.iter().sum::<u64>();
        let share = |budget: u64| if sum == 0 { 0.0 } else { budget as f64 / sum as f64 };
        Self {
            max_total_tokens: sum,
            shares: budgets.map(share),
            multipliers: [1.0; Level::COUNT],
            ..self.clone()
        }
    }

    /// The multiplier of one level.
    #[must_use]
    pub fn multiplier(&self, level: Level) -> f64 {
        self.multipliers[level.index()]
    }

    /// Refuses what no allocation can be computed from.
    ///
    /// Shares and weights need not sum to 1: a workspace may over-commit on purpose.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first number that is NaN, infinite, negative or, for the
    /// half-life, zero.
    pub fn check(&self) -> Result<(), Error> {
        let counts = [
            ("max_total_tokens", self.max_total_tokens),
            ("promotion_access_threshold", self.promotion_access_threshold),
        ];
        for (field, value) in counts {
            if value > MAX_COUNT {
                return Err(Error::Setting { field, value: value as f64, accepted: COUNT });
            }
        }
        let [working, project, long_term, rag] = self.shares;
        let [simple, medium, complex, expert] = self.multipliers;
        let numbers = [
            ("working_memory_pct", working),
            ("project_memory_pct", project),
            ("long_term_memory_pct", long_term),
            ("rag_memory_pct", rag),
            ("complexity_multipliers[simple]", simple),
            ("complexity_multipliers[medium]", medium),
            ("complexity_multipliers[complex]", complex),
            ("complexity_multipliers[expert]", expert),
            ("promotion_threshold", self.promotion_threshold),
            ("demotion_threshold", self.demotion_threshold),
            ("tokens_per_char", self.tokens_per_char),
        ];
        not_negative(&numbers)?;
        self.check_scoring()
    }

    /// The part of [`Settings::check`] that concerns the score of a memory.
    ///
    /// # Errors
    /// As [`Settings::check`].
    pub fn check_scoring(&self) -> Result<(), Error> {
        not_negative(&[
            ("relevance_weight", self.weights.relevance),
            ("importance_weight", self.weights.importance),
            ("freshness_weight", self.weights.freshness),
        ])?;
        let half_life = self.freshness_half_life_hours;
        if !(half_life.is_finite() && half_life > 0.0) {
            return Err(Error::Setting {
                field: "freshness_half_life_hours",
                value: half_life,
                accepted: POSITIVE,
            });
        }
        Ok(())
    }
}

fn not_negative(numbers: &[(&'static str, f64)]) -> Result<(), Error> {
    for &(field, value) in numbers {
        if !(value.is_finite() && value >= 0.0) {
            return Err(Error::Setting { field, value, accepted: NON_NEGATIVE });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_can_be_used() {
        assert_eq!(Settings::default().check(), Ok(()));
    }

    #[test]
    fn impossible_numbers_are_named() {
        for bad in [f64::NAN, f64::INFINITY, -0.1] {
            let settings = Settings { tokens_per_char: bad, ..Settings::default() };
            let message = settings.check().unwrap_err().to_string();
            assert!(message.starts_with("tokens_per_char must be"), "{message}");
        }
        let settings = Settings { freshness_half_life_hours: 0.0, ..Settings::default() };
        assert!(settings.check().is_err());
    }
}
