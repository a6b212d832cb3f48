//! Sums whose bits do not depend on how they are compiled, and extremes as fast.

/// Partial sums that are added up side by side.
const LANES: usize = 8;

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

/// The least of `map(value)`, infinite for no values; none is NaN.
pub(super) fn least_of(values: &[f64], map: impl Fn(f64) -> f64) -> f64 {
    // Unlike `f64::min`, one instruction.
    let lesser = |one: f64, other: f64| if other < one { other } else { one };
    let mut lanes = [f64::INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = lesser(*lane, map(value));
        }
    }
    lanes.into_iter().chain(rest.iter().map(|&value| map(value))).fold(f64::INFINITY, lesser)
}

/// Whether all are numbers and none is infinite.
pub(super) fn are_finite(values: &[f64]) -> bool {
    // To the end even if one is not: that goes several at a time.
    values.iter().fold(true, |are, value| are & value.is_finite())
}
