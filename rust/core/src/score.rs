//! The combined score: a weighted sum of relevance, importance and freshness.

use crate::candidates::Candidates;
use crate::decay;
use crate::settings::{Settings, Weights};

/// What a component counts as: itself, or 0.0 when it is NaN or infinite.
#[must_use]
#[inline]
pub fn finite_or_zero(component: f64) -> f64 {
    if component.is_finite() { component } else { 0.0 }
}

/// `relevance * w_r + importance * w_i + freshness * w_f`, in that order and without fused
/// multiply-add, so that it equals the Python expression to the bit; then clamped to 0..=1.
///
/// The components are taken as they are (see [`finite_or_zero`]). A sum that overflows to +inf is
/// 1.0; -inf and NaN (+inf plus -inf) are 0.0. The result is never -0.0, so the order of scores is
/// the order of their bits.
///
/// Source: the Mem0-style formula of the design document (weights .5, .3, .2 by default).
#[must_use]
#[inline]
pub fn combined(relevance: f64, importance: f64, freshness: f64, weights: Weights) -> f64 {
    let sum = relevance * weights.relevance
        + importance * weights.importance
        + freshness * weights.freshness;
    if sum > 0.0 { sum.min(1.0) } else { 0.0 }
}

/// Where a component was NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonFinite {
    /// How many components of all candidates.
    pub count: usize,
    /// Index of the first candidate concerned.
    pub first_index: usize,
    /// The field of that candidate, `relevance_score` or `importance_score`.
    pub first_field: &'static str,
}

impl NonFinite {
    /// Adds those of relevance and importance of one row that are NaN or infinite; rows come ascending.
    #[inline]
    pub(crate) fn note(found: &mut Option<Self>, row: usize, components: [f64; 2]) {
        let fields = components.into_iter().zip(["relevance_score", "importance_score"]);
        for (_, field) in fields.filter(|(value, _)| !value.is_finite()) {
            let first = Self { count: 0, first_index: row, first_field: field };
            found.get_or_insert(first).count += 1;
        }
    }
}

/// Scores of all candidates, aligned with them.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// Freshness per candidate, 0..=1.
    pub freshness: Vec<f64>,
    /// Combined score per candidate, 0..=1.
    pub combined: Vec<f64>,
    /// What had to be counted as 0.0.
    pub non_finite: Option<NonFinite>,
}

impl Scores {
    /// Scores every candidate at the time `now_us`.
    #[must_use]
    pub fn of(candidates: &Candidates<'_>, settings: &Settings, now_us: i64) -> Self {
        let half_life = settings.freshness_half_life_hours;
        let freshness: Vec<f64> = candidates
            .timestamp_us()
            .iter()
            .map(|&timestamp_us| decay::freshness(timestamp_us, now_us, half_life))
            .collect();
        let mut all_finite = true;
        let combined = candidates
            .relevance()
            .iter()
            .zip(candidates.importance())
            .zip(&freshness)
            .map(|((&relevance, &importance), &freshness)| {
                all_finite &= relevance.is_finite() & importance.is_finite();
                combined(
                    finite_or_zero(relevance),
                    finite_or_zero(importance),
                    freshness,
                    settings.weights,
                )
            })
            .collect();
        let non_finite = if all_finite { None } else { non_finite(candidates) };
        Self { freshness, combined, non_finite }
    }
}

/// Where components of candidates are NaN or infinite.
pub(crate) fn non_finite(candidates: &Candidates<'_>) -> Option<NonFinite> {
    let bad = |column: &[f64]| column.iter().filter(|value| !value.is_finite()).count();
    let count = bad(candidates.relevance()) + bad(candidates.importance());
    if count == 0 {
        return None;
    }
    let position = |column: &[f64]| column.iter().position(|value| !value.is_finite());
    let relevance = position(candidates.relevance()).unwrap_or(usize::MAX);
    let importance = position(candidates.importance()).unwrap_or(usize::MAX);
    let (first_index, first_field) = if relevance <= importance {
        (relevance, "relevance_score")
    } else {
        (importance, "importance_score")
    };
    Some(NonFinite { count, first_index, first_field })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_values_of_the_documented_weights() {
        let settings = Settings::default();
        let hour = 3_600_000_000;
        let score = |relevance, importance, hours: i64| {
            let freshness = decay::freshness(0, hours * hour, settings.freshness_half_life_hours);
            combined(relevance, importance, freshness, settings.weights)
        };
        assert!((score(0.9, 0.8, 1) - 0.889_177).abs() < 5e-7);
        assert!((score(0.7, 0.8, 24) - 0.771_149).abs() < 5e-7);
    }

    #[test]
    fn overflow_and_cancellation_are_defined() {
        let weights = Weights { relevance: 1e300, importance: 1e300, freshness: 0.0 };
        assert_eq!(combined(1e300, 0.0, 1.0, weights), 1.0);
        assert_eq!(combined(-1e300, 0.0, 1.0, weights), 0.0);
        assert_eq!(combined(1e300, -1e300, 1.0, weights), 0.0);
        assert_eq!(combined(-0.0, -0.0, 0.0, weights).to_bits(), 0);
    }
}
