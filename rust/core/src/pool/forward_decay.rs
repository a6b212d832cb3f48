//! Approximate scores of resident rows: one `exp` a call instead of one a row.
//!
//! Freshness at `now` is `exp(-c (now - t))`. With a fixed landmark L it is the product of
//! `exp(c (t - L))`, which belongs to the row and is computed when it arrives, and `exp(-c (now - L))`,
//! which belongs to the call (forward decay: Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009). The
//! product is clamped to 1: a time in the future is fresh.
//!
//! # How far freshness is off
//!
//! u = 2^-24 is the relative error of one rounded `f32` operation, and of rounding to `f32`. Freshness
//! carries the rounding of the row's weight, of the call's factor and of the product: 3 u. Both
//! exponentials are computed in `f64`. Where the row's weight is a normal `f32`, its exponent is below
//! 88 in magnitude and that of the call below [`FARTHEST`], and an exponent of at most 120, off by some
//! 5 * 2^-53 of itself, moves `exp` by less than 2^-43. The formula's own rounding is of that size. A
//! row's weight too small for a normal `f32` is off by at most 2^-150 and a weight of zero stands for
//! less than 2^-150, times a factor of at most exp(27) < 2^39. Clamping brings two numbers no further
//! apart. Altogether less than the 8 u that [`Formula`] allows.
//!
//! [`Formula`]: crate::approximation::Formula

use super::chunk::with_room;
use crate::approximation::Formula;
use crate::decay::{HALVING, NO_TIME, age_hours_signed};

/// Largest exponent of the call's factor; beyond it the rows get a new landmark (some 39
/// half-lives). `exp` of it is far from both ends of `f32`.
const FARTHEST: f64 = 27.0;

/// More microseconds than lie between 1970 and the years 1 or 9999.
const LONG_US: i64 = 1 << 58;

/// The row's part of freshness, for one half-life and one landmark.
pub(super) struct DecayColumn {
    half_life_hours: f64,
    landmark_us: i64,
    weights: Vec<f32>,
}

impl Clone for DecayColumn {
    fn clone(&self) -> Self {
        let Self { half_life_hours, landmark_us, .. } = *self;
        Self { half_life_hours, landmark_us, weights: with_room(&self.weights) }
    }
}

fn exponent(from_us: i64, to_us: i64, half_life_hours: f64) -> f64 {
    HALVING * age_hours_signed(from_us, to_us) / half_life_hours
}

impl DecayColumn {
    /// The column of rows with these times. The landmark is the multiple of the half-life before
    /// `now_us`, so that chunks filled at different times usually share it.
    pub fn new(timestamps_us: &[i64], half_life_hours: f64, now_us: i64, capacity: usize) -> Self {
        #[expect(clippy::cast_possible_truncation)] // saturates
        let step = (half_life_hours * 3.6e9).ceil() as i64;
        // Half-lives of millennia have one landmark for all times.
        let landmark_us = if step > LONG_US { 0 } else { now_us - now_us.rem_euclid(step.max(1)) };
        let mut column =
            Self { half_life_hours, landmark_us, weights: Vec::with_capacity(capacity) };
        column.weights.extend(
            timestamps_us.iter().map(|&time| column_weight(time, landmark_us, half_life_hours)),
        );
        column
    }

    /// Whether it serves a call with that half-life at that time.
    pub fn serves(&self, half_life_hours: f64, now_us: i64) -> bool {
        self.is_for(half_life_hours) && self.exponent(now_us).abs() <= FARTHEST
    }

    pub fn is_for(&self, half_life_hours: f64) -> bool {
        self.half_life_hours.to_bits() == half_life_hours.to_bits()
    }

    fn exponent(&self, now_us: i64) -> f64 {
        exponent(self.landmark_us, now_us, self.half_life_hours)
    }

    pub fn landmark_us(&self) -> i64 {
        self.landmark_us
    }

    /// The call's part of freshness.
    #[expect(clippy::cast_possible_truncation)] // rounding is accounted for
    pub fn factor(&self, now_us: i64) -> f32 {
        (-self.exponent(now_us)).exp() as f32
    }

    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.weights.capacity() * size_of::<f32>()
    }

    /// Sets the weight of a row that is new or whose time changed.
    pub fn set(&mut self, row: usize, timestamp_us: i64) {
        if row >= self.weights.len() {
            self.weights.resize(row + 1, 0.0);
        }
        self.weights[row] = column_weight(timestamp_us, self.landmark_us, self.half_life_hours);
    }
}

/// Infinite for an unknown time: its product is clamped to 1 like that of a far future.
#[expect(clippy::cast_possible_truncation)] // rounding is accounted for
fn column_weight(timestamp_us: i64, landmark_us: i64, half_life_hours: f64) -> f32 {
    if timestamp_us == NO_TIME {
        return f32::INFINITY;
    }
    exponent(landmark_us, timestamp_us, half_life_hours).exp() as f32
}

/// Approximate scores of rows from their relevance, importance (which is within reach) and weights of
/// decay; false if a relevance is out of reach, and then they mean nothing.
pub(super) fn approximate(
    formula: &Formula,
    [relevance, importance, weights]: [&[f32]; 3],
    factor: f32,
    scores: &mut [f32],
) -> bool {
    let mut within = true;
    let columns = scores.iter_mut().zip(relevance).zip(importance).zip(weights);
    for (((score, &relevance), &importance), &weight) in columns {
        within &= relevance.abs() <= formula.reach.relevance;
        let freshness = weight * factor;
        let freshness = if freshness < 1.0 { freshness } else { 1.0 };
        *score = formula.score(relevance, importance, freshness);
    }
    within
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approximation::{LARGEST, Reach};
    use crate::decay;
    use crate::score::combined;
    use crate::settings::Weights;
    use proptest::prelude::*;

    fn component() -> impl Strategy<Value = f64> {
        prop_oneof![4 => 0.0..=1.0, 2 => -2.0..=2.0, 1 => Just(0.0), 1 => -1e-40..=1e-40f64]
    }

    fn weight() -> impl Strategy<Value = f64> {
        prop_oneof![6 => 0.0..=1.0, 1 => Just(0.0), 1 => 0.0..=LARGEST, 1 => 0.0..=1e-38, 1 => Just(5e-324)]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4000, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        #[expect(clippy::cast_possible_truncation)]
        fn an_approximation_is_never_off_by_more_than_the_bound(
            components in [component(), component()],
            weights in [weight(), weight(), weight()],
            half_life in prop_oneof![4 => 1.0..1e3f64, 1 => 1e-6..1e12f64, 1 => Just(1e-6), 1 => Just(1e12)],
            // In half-lives: of the row before the landmark's making, and of the call after it.
            age in prop_oneof![-3.0..3.0f64, -60.0..60.0, -400.0..400.0],
            later in -45.0..45.0f64,
            made_us in -62_135_596_800_000_000i64..253_402_300_800_000_000,
        ) {
            let half_life_us = half_life * 3.6e9;
            let limit = 1i64 << 60;
            let time = ((made_us as f64 - age * half_life_us) as i64).clamp(-limit, limit);
            let now_us = ((made_us as f64 + later * half_life_us) as i64).clamp(-limit, limit);
            let made = DecayColumn::new(&[time], half_life, made_us, 1);
            let column = if made.serves(half_life, now_us) {
                made
            } else {
                DecayColumn::new(&[time], half_life, now_us, 1)
            };
            prop_assert!(column.serves(half_life, now_us));
            let weights = Weights {
                relevance: weights[0], importance: weights[1], freshness: weights[2],
            };
            let formula = Formula::new(weights, Reach { relevance: 2.0, importance: 2.0 });
            let mut score = [0.0];
            let columns = [&[components[0] as f32], &[components[1] as f32], column.weights()];
            let within = approximate(&formula, columns, column.factor(now_us), &mut score);
            prop_assert!(within);
            let freshness = decay::freshness(time, now_us, half_life);
            let sum = components[0] * weights.relevance + components[1] * weights.importance
                + freshness * weights.freshness;
            let off = (sum.clamp(0.0, 1.0) - f64::from(score[0])).abs();
            // Without the part for rounded rows, and with room.
            let bound = (formula.error_bound() - f64::from(f32::EPSILON) / 2.0) / 2.0 + 1e-30;
            prop_assert!(off <= bound, "{off} {bound}");
            let exact = combined(components[0], components[1], freshness, weights);
            prop_assert!(exact <= (f64::from(score[0]) + formula.error_bound()).max(0.0));
        }
    }

    #[test]
    fn an_unknown_time_is_fresh_and_distance_gets_a_new_landmark() {
        let day = 86_400_000_000;
        let column = DecayColumn::new(&[NO_TIME, 0], 24.0, 0, 2);
        assert!(column.serves(24.0, 38 * day) && !column.serves(24.0, 40 * day));
        assert!(!column.serves(25.0, 0));
        assert_eq!(column.weights()[0] * column.factor(38 * day), f32::INFINITY);
    }
}
