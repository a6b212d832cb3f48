//! The formula in `f32`.

use crate::settings::{Settings, Weights};

/// Largest weight and component that are approximated.
pub(crate) const LARGEST: f64 = 1e6;

/// Whether a half-life can be approximated at all: far from where exponents overflow.
fn is_regular(half_life_hours: f64) -> bool {
    (1e-6..=1e12).contains(&half_life_hours)
}

/// A power of two well above the magnitudes in a sample of components: 2 for the usual scores.
pub(crate) fn guess_reach(sample: impl Iterator<Item = f64>) -> f32 {
    let finite = sample.map(f64::abs).filter(|it| it.is_finite());
    let largest = finite.fold(1.0, f64::max).min(LARGEST);
    let mut reach = 1.0;
    while f64::from(reach) <= largest {
        reach *= 2.0;
    }
    reach
}

/// The largest magnitudes of components that a call approximates; others, NaN among them, are scored
/// exactly.
#[derive(Clone, Copy)]
pub(crate) struct Reach {
    pub relevance: f32,
    pub importance: f32,
}

/// The formula's weights as a scan uses them.
#[derive(Clone, Copy)]
pub(crate) struct Formula {
    relevance: f32,
    importance: f32,
    freshness: f32,
    pub reach: Reach,
    exact: Weights,
}

impl Formula {
    #[expect(clippy::cast_possible_truncation)] // rounding is accounted for
    pub fn new(weights: Weights, reach: Reach) -> Self {
        Self {
            relevance: weights.relevance as f32,
            importance: weights.importance as f32,
            freshness: weights.freshness as f32,
            reach,
            exact: weights,
        }
    }

    /// For rows that are all scored exactly and rounded to `f32`.
    pub fn rounding() -> Self {
        let weights = Weights { relevance: 0.0, importance: 0.0, freshness: 1.0 };
        Self::new(weights, Reach { relevance: 0.0, importance: 0.0 })
    }

    /// Whether these settings are approximated at all.
    pub fn suits(settings: &Settings) -> bool {
        let Weights { relevance, importance, freshness } = settings.weights;
        [relevance, importance, freshness].into_iter().all(|weight| weight <= LARGEST)
            && is_regular(settings.freshness_half_life_hours)
    }

    /// The module's documentation proves it.
    pub fn error_bound(&self) -> f64 {
        let Reach { relevance, importance } = self.reach;
        let scale = self.exact.relevance * f64::from(relevance)
            + self.exact.importance * f64::from(importance)
            + self.exact.freshness;
        (16.0 * scale + 1.0) * f64::from(f32::EPSILON) / 2.0
    }

    /// The approximate score of components within reach, the freshness in 0..=1.
    #[inline]
    pub fn score(&self, relevance: f32, importance: f32, freshness: f32) -> f32 {
        let sum =
            relevance * self.relevance + importance * self.importance + freshness * self.freshness;
        // Not f32::min, which asks about NaN first; there is none. Clamped as the score is, so that
        // what ties there is seen to tie here.
        let sum = if sum < 1.0 { sum } else { 1.0 };
        if sum > 0.0 { sum } else { 0.0 }
    }
}
