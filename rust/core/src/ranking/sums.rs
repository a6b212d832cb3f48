//! Sums whose bits do not depend on how they are compiled, and extremes as fast.

/// Partial sums that are added up side by side.
pub(super) const LANES: usize = 8;

/// The sum of `map(value)` in a fixed order: value `i` goes to partial sum `i % 8`, and the eight partial
/// sums are added one after the other. Processors add several of them at once.
pub(super) fn sum_of(values: &[f64], map: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += map(value);
        }
    }
    for (lane, &value) in lanes.iter_mut().zip(rest) {
        *lane += map(value);
    }
    lanes[1..].iter().fold(lanes[0], |sum, lane| sum + lane)
}

/// The least and the greatest of some values, and whether all are numbers and none is infinite.
#[derive(Clone, Debug)]
pub(super) struct Extremes {
    least: [f64; LANES],
    greatest: [f64; LANES],
    /// Zeros until a value is not finite.
    finite: [f64; LANES],
}

impl Extremes {
    /// Of no values.
    pub(super) const NONE: Self = Self {
        least: [f64::INFINITY; LANES],
        greatest: [f64::NEG_INFINITY; LANES],
        finite: [0.0; LANES],
    };

    pub(super) fn of(values: &[f64]) -> Self {
        let mut extremes = Self::NONE;
        extremes.see(values);
        extremes
    }

    /// Takes more values in.
    pub(super) fn see(&mut self, values: &[f64]) {
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            self.see_side_by_side(chunk);
        }
        self.see_side_by_side(rest);
    }

    #[inline]
    fn see_side_by_side(&mut self, values: &[f64]) {
        let lanes = self.least.iter_mut().zip(&mut self.greatest).zip(&mut self.finite);
        for (((least, greatest), finite), &value) in lanes.zip(values) {
            // Unlike `f64::min`, one instruction.
            *least = if value < *least { value } else { *least };
            *greatest = if value > *greatest { value } else { *greatest };
            *finite += value * 0.0;
        }
    }

    /// The least value, infinite for no values; without meaning where one is not finite.
    pub(super) fn least(&self) -> f64 {
        self.least.into_iter().fold(f64::INFINITY, f64::min)
    }

    /// The greatest value, as [`Self::least`].
    pub(super) fn greatest(&self) -> f64 {
        self.greatest.into_iter().fold(f64::NEG_INFINITY, f64::max)
    }

    /// Whether all are numbers and none is infinite.
    pub(super) fn are_finite(&self) -> bool {
        self.finite.iter().all(|&lane| lane == 0.0)
    }
}

/// Whether all are numbers and none is infinite.
pub(super) fn are_finite(values: &[f64]) -> bool {
    // To the end even if one is not: that goes several at a time.
    values.iter().fold(true, |are, value| are & value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn extremes_are_those_of_all_values(
            values in prop::collection::vec(any::<f64>(), 0..40),
            at in any::<prop::sample::Index>(),
        ) {
            let (first, second) = values.split_at(at.index(values.len() + 1) / LANES * LANES);
            let mut extremes = Extremes::of(first);
            extremes.see(second);
            prop_assert_eq!(extremes.are_finite(), values.iter().all(|value| value.is_finite()));
            if extremes.are_finite() {
                prop_assert_eq!(extremes.least(), values.iter().copied().fold(f64::INFINITY, f64::min));
                prop_assert_eq!(
                    extremes.greatest(),
                    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
                );
            }
        }
    }
}
