//! Signals of different scales made comparable, per call.
//!
//! A cosine lies between .1 and .6, BM25 between 0 and 30: a sum of the two means nothing. Statistics
//! are those of all candidates of the call. NaN stands for a value that is not known; it counts as the
//! mean of those that are, so that it neither helps nor harms. Infinite values are as good as unknown.

use super::sums::{Extremes, sum_of};

/// How a signal is made comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalisation {
    /// As it is.
    None,
    /// Distance from the mean in standard deviations (of the population).
    Z,
    /// 0 for the least, 1 for the greatest value.
    MinMax,
    /// -1 for the least, 1 for the greatest, in equal steps; equal values share theirs.
    Rank,
}

/// Values that differ by less than this part of the largest magnitude are taken as equal: what they
/// differ by is rounding.
const EQUAL: f64 = 1e-9;

/// What one column is normalised by.
#[derive(Clone, Debug)]
pub(super) struct Normaliser {
    map: Map,
    /// What stands for a value that is not known; none where all are.
    unknown: Option<f64>,
}

#[derive(Clone, Debug)]
enum Map {
    Identity,
    /// All values are equal.
    Zero,
    Unit(Unit),
    Z {
        unit: Unit,
        mean: f64,
        factor: f64,
    },
    /// By row.
    Ranks(Vec<f64>),
}

impl Normaliser {
    pub(super) fn of(kind: Normalisation, values: &[f64]) -> Self {
        Self::of_seen(kind, values, &Extremes::of(values))
    }

    /// As [`Self::of`], given the extremes of the values.
    pub(super) fn of_seen(kind: Normalisation, values: &[f64], extremes: &Extremes) -> Self {
        if extremes.are_finite() {
            return Self::of_known(kind, values, extremes);
        }
        let known: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let mut normaliser = Self::of_known(kind, &known, &Extremes::of(&known));
        normaliser.unknown = Some(match &mut normaliser.map {
            Map::Zero | Map::Z { .. } => 0.0,
            Map::Identity => mean(&known, |value| value),
            Map::Unit(unit) => mean(&known, |value| unit.of(value)),
            Map::Ranks(ranks) => {
                // Back to the rows of all values.
                let mut known = std::mem::take(ranks).into_iter();
                *ranks = values
                    .iter()
                    .map(|value| if value.is_finite() { known.next().unwrap_or(0.0) } else { 0.0 })
                    .collect();
                0.0
            }
        });
        normaliser
    }

    /// Without NaN and infinities.
    fn of_known(kind: Normalisation, values: &[f64], extremes: &Extremes) -> Self {
        let map = match kind {
            Normalisation::None => Map::Identity,
            Normalisation::Rank => Map::Ranks(ranks(values)),
            Normalisation::MinMax => Unit::between(extremes).map_or(Map::Zero, Map::Unit),
            // By way of 0..=1, where nothing overflows and shift and scale no longer matter.
            Normalisation::Z => Unit::between(extremes).map_or(Map::Zero, |unit| {
                let count = values.len() as f64;
                let mean = sum_of(values, |value| unit.of(value)) / count;
                let square = |value: f64| (value - mean) * (value - mean);
                let squares = sum_of(values, |value| square(unit.of(value)));
                Map::Z { unit, mean, factor: 1.0 / (squares / count).sqrt() }
            }),
        };
        Self { map, unknown: None }
    }

    /// Normalises, in their places, values of the column it was made of, from row `first` on.
    pub(super) fn apply(&self, first: usize, values: &mut [f64]) {
        // One loop for each kind, so that each is as simple as it can be.
        fn all(values: &mut [f64], unknown: Option<f64>, map: impl Fn(usize, f64) -> f64) {
            let values = values.iter_mut().enumerate();
            match unknown {
                None => values.for_each(|(place, value)| *value = map(place, *value)),
                Some(unknown) => values.for_each(|(place, value)| {
                    *value = if value.is_finite() { map(place, *value) } else { unknown };
                }),
            }
        }
        match &self.map {
            Map::Identity => all(values, self.unknown, |_, value| value),
            Map::Zero => all(values, self.unknown, |_, _| 0.0),
            Map::Ranks(ranks) => {
                let ranks = &ranks[first..first + values.len()];
                all(values, self.unknown, |place, _| ranks[place]);
            }
            Map::Unit(unit) => all(values, self.unknown, |_, value| unit.of(value)),
            Map::Z { unit, mean, factor } => {
                all(values, self.unknown, |_, value| (unit.of(value) - mean) * factor);
            }
        }
    }

    /// The normalised value of one row.
    pub(super) fn one(&self, row: usize, value: f64) -> f64 {
        if let Some(unknown) = self.unknown.filter(|_| !value.is_finite()) {
            return unknown;
        }
        match &self.map {
            Map::Identity => value,
            Map::Zero => 0.0,
            Map::Ranks(ranks) => ranks[row],
            Map::Unit(unit) => unit.of(value),
            Map::Z { unit, mean, factor } => (unit.of(value) - mean) * factor,
        }
    }
}

impl Normaliser {
    /// How far the normalised value goes when a value goes by one; none for steps that differ.
    pub(super) fn slope(&self) -> Option<f64> {
        match &self.map {
            Map::Identity => Some(1.0),
            Map::Zero => Some(0.0),
            Map::Ranks(_) => None,
            Map::Unit(unit) => Some(unit.factor * 0.5),
            Map::Z { unit, factor, .. } => Some(unit.factor * 0.5 * factor),
        }
    }
}

impl Normalisation {
    /// Normalises a column. A column without differences becomes 0, but for [`Normalisation::None`],
    /// which leaves it. The result has no NaN.
    #[must_use]
    pub fn of(self, values: &[f64]) -> Vec<f64> {
        let mut normalised = values.to_vec();
        Normaliser::of(self, values).apply(0, &mut normalised);
        normalised
    }
}

/// Where the least value goes to 0 and the greatest to 1.
#[derive(Clone, Copy, Debug)]
struct Unit {
    low: f64,
    factor: f64,
}

impl Unit {
    /// None where all values are equal, or where there is none.
    fn between(extremes: &Extremes) -> Option<Self> {
        let (least, greatest) = (extremes.least(), extremes.greatest());
        // Halves, because the difference of two large values may not be finite.
        let (low, span) = (least * 0.5, greatest * 0.5 - least * 0.5);
        let are_equal = span <= EQUAL * (least.abs().max(greatest.abs()) * 0.5);
        // Multiplied, because a division takes four times as long.
        let factor = 1.0 / span;
        (!are_equal && factor.is_finite()).then_some(Self { low, factor })
    }

    fn of(self, value: f64) -> f64 {
        (value * 0.5 - self.low) * self.factor
    }
}

/// The mean, which does not overflow even where the sum would.
fn mean(values: &[f64], map: impl Fn(f64) -> f64) -> f64 {
    let count = values.len() as f64;
    sum_of(values, |value| map(value) / count)
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&one, &other| values[one].total_cmp(&values[other]));
    let steps = values.len().saturating_sub(1).max(1) as f64;
    let mut ranks = vec![0.0; values.len()];
    for equal in order.chunk_by(|&one, &other| values[one] == values[other]) {
        let below = order.partition_point(|&row| values[row] < values[equal[0]]);
        let above = values.len() - below - equal.len();
        for &row in equal {
            ranks[row] = (below as f64 - above as f64) / steps;
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Normalisation; 4] =
        [Normalisation::None, Normalisation::Z, Normalisation::MinMax, Normalisation::Rank];

    fn normalised(normalisation: Normalisation, values: &[f64]) -> Vec<f64> {
        normalisation.of(values)
    }

    #[test]
    fn each_kind_is_what_it_says() {
        let values = [3.0, 1.0, 2.0, 2.0];
        let root = 0.5f64.sqrt();
        assert_eq!(normalised(Normalisation::None, &values), values);
        assert_eq!(normalised(Normalisation::MinMax, &values), [1.0, 0.0, 0.5, 0.5]);
        assert_eq!(normalised(Normalisation::Rank, &values), [1.0, -1.0, 0.0, 0.0]);
        for (found, expected) in normalised(Normalisation::Z, &values).into_iter().zip([
            1.0 / root,
            -1.0 / root,
            0.0,
            0.0,
        ]) {
            assert!((found - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn no_difference_is_zero_even_by_rounding() {
        for values in
            [&[0.1; 3][..], &[0.1, 0.1 + 1e-17, 0.1], &[5.0], &[], &[-7.0, -7.000_000_000_1]]
        {
            for kind in [Normalisation::Z, Normalisation::MinMax] {
                assert!(normalised(kind, values).iter().all(|&value| value == 0.0), "{values:?}");
            }
        }
        assert_eq!(normalised(Normalisation::Rank, &[5.0, 5.0]), [0.0, 0.0]);
        assert_eq!(normalised(Normalisation::Rank, &[5.0]), [0.0]);
    }

    #[test]
    fn what_is_not_known_is_the_mean() {
        let values = [f64::NAN, 1.0, 3.0, f64::INFINITY, 5.0];
        assert_eq!(normalised(Normalisation::Z, &values)[0], 0.0);
        assert_eq!(normalised(Normalisation::Rank, &values)[3], 0.0);
        assert_eq!(normalised(Normalisation::MinMax, &values), [0.5, 0.0, 0.5, 0.5, 1.0]);
        assert_eq!(normalised(Normalisation::None, &[f64::NAN, 1.0, 3.0])[0], 2.0);
        for kind in ALL {
            assert_eq!(normalised(kind, &[f64::NAN; 2]), [0.0, 0.0]);
        }
    }

    #[test]
    fn the_largest_values_stay_finite() {
        for kind in ALL {
            let found = normalised(kind, &[f64::MAX, f64::MIN, 0.0, f64::NAN]);
            assert!(found.iter().all(|value| value.is_finite()), "{kind:?} {found:?}");
        }
    }
}
