//! What a candidate is worth for what it costs.
//!
//! A score is read as a logarithm: `value = exp(s)`. Candidates are tried in the order of
//! `value / max(tokens, floor) ^ exponent`, whose logarithm is the order key. Nothing is exponentiated
//! for it, so nothing overflows.

use std::sync::LazyLock;

use super::explain::Term;
use crate::decay;
use crate::tier::Tier;

/// What costs do to a score.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    exponent: f64,
    floor: u64,
    logarithms: &'static [f64],
}

/// Costs whose logarithms are at hand.
const AT_HAND: usize = 4096;
static LOGARITHMS: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..AT_HAND).map(|tokens| (tokens as f64).ln()).collect());

impl Cost {
    /// Exponent 1 is the density, value for each token; exponent 0 the score order. The floor, at least 1,
    /// keeps tiny candidates, whose cost is in their frame and not in their words, from looking like
    /// bargains.
    #[must_use]
    pub fn new(exponent: f64, floor: u64) -> Self {
        Self { exponent, floor, logarithms: &LOGARITHMS }
    }

    /// `score - exponent * ln(max(tokens, floor))`: greatest first.
    #[must_use]
    pub fn key(&self, score: f64, tokens: u64) -> f64 {
        if self.exponent == 0.0 {
            return score;
        }
        score - self.exponent * self.logarithm(tokens)
    }

    fn logarithm(&self, tokens: u64) -> f64 {
        let tokens = tokens.max(self.floor);
        let known = usize::try_from(tokens).ok().and_then(|tokens| self.logarithms.get(tokens));
        known.copied().unwrap_or_else(|| (tokens as f64).ln())
    }

    /// What a cost adds to a score, none where costs do not count: the sum is the key.
    #[must_use]
    pub fn term(&self, tokens: u64) -> Option<Term> {
        let given = tokens.max(self.floor) as f64;
        let value = self.logarithm(tokens);
        (self.exponent != 0.0).then_some(Term {
            name: "cost",
            weight: -self.exponent,
            value,
            given,
        })
    }

    /// Appends the [`Self::key`] of each score with its cost.
    pub(super) fn append(&self, scores: &[f64], tokens: &[u64], keys: &mut Vec<f64>) {
        if self.exponent == 0.0 {
            keys.extend_from_slice(scores);
        } else {
            let pairs = scores.iter().zip(tokens);
            keys.extend(pairs.map(|(&score, &tokens)| self.key(score, tokens)));
        }
    }
}

/// How freshness falls with age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `exp(-0.693 * age / half_life)`, the documented one.
    Exponential,
    /// `1 / sqrt(1 + 3 * age / half_life)`: as fast at first, slower later, one half at the half-life.
    ///
    /// Source: the forgetting curve of the Free Spaced Repetition Scheduler 4.5, which has the same form
    /// with 19/81 in place of 3 and counts from nine tenths instead of one half.
    PowerLaw,
    /// Always 1.
    None,
}

/// Freshness of a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Freshness {
    /// How it falls.
    pub shape: Shape,
    /// The least it can be, 0 to 1.
    pub floor: f64,
    /// Hours until one half, above 0, in [`Tier::ALL`] order.
    pub half_life_hours: [f64; Tier::COUNT],
}

impl Freshness {
    /// Freshness in 0..=1 at the time `now_us`; 1 for [`decay::NO_TIME`].
    #[must_use]
    pub fn at(&self, tier: Tier, timestamp_us: i64, now_us: i64) -> f64 {
        let half_life = self.half_life_hours[tier.index()];
        let freshness = match self.shape {
            Shape::Exponential => decay::freshness(timestamp_us, now_us, half_life),
            Shape::PowerLaw if timestamp_us != decay::NO_TIME => {
                1.0 / (1.0 + 3.0 * decay::age_hours(timestamp_us, now_us) / half_life).sqrt()
            }
            Shape::PowerLaw | Shape::None => 1.0,
        };
        if freshness < self.floor { self.floor } else { freshness }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_value_for_cost() {
        assert_eq!(Cost::new(0.0, 32).key(2.0, 100), 2.0);
        assert_eq!(Cost::new(1.0, 32).key(2.0, 5), 2.0 - 32f64.ln());
        assert_eq!(Cost::new(0.5, 32).key(2.0, 100_000), 2.0 - 0.5 * 100_000f64.ln());
        assert!(Cost::new(1.0, 1).key(1e300, u64::MAX).is_finite());
        assert_eq!(Cost::new(0.0, 32).term(100), None);
        let term = Cost::new(0.5, 32).term(5).unwrap();
        assert_eq!((2.0 + term.product(), term.given), (Cost::new(0.5, 32).key(2.0, 5), 32.0));
    }

    #[test]
    fn both_shapes_halve() {
        let mut freshness = Freshness {
            shape: Shape::Exponential,
            floor: 0.0,
            half_life_hours: [1.0, 2.0, 4.0, 8.0],
        };
        let hour = 3_600_000_000;
        assert!((freshness.at(Tier::Project, 0, 2 * hour) - 0.5).abs() < 1e-4);
        freshness.shape = Shape::PowerLaw;
        assert_eq!(freshness.at(Tier::Rag, 0, 8 * hour), 0.5);
        assert_eq!(freshness.at(Tier::Rag, decay::NO_TIME, 8 * hour), 1.0);
        freshness.floor = 0.75;
        assert_eq!(freshness.at(Tier::Rag, 0, 8 * hour), 0.75);
        freshness.shape = Shape::None;
        assert_eq!(freshness.at(Tier::Rag, 0, 800 * hour), 1.0);
    }
}
