//! A column of `f64` in eight bytes a value, of which a scan reads four.

use std::collections::BTreeMap;

use super::chunk::with_room;

/// In place of a correction: the value stands in the exceptions.
const EXCEPTION: i32 = i32::MIN;

/// Each value as the nearest `f32` and the distance from there, counted in `f64` steps: exact, as
/// the 29 bits that an `f32` lacks always fit 32. What has no normal `f32` near it (NaN, infinities,
/// beyond 3.4e38, below 1.2e-38) is kept as it is beside the column.
#[derive(Default)]
pub(super) struct Numbers {
    near: Vec<f32>,
    correction: Vec<i32>,
    exceptions: BTreeMap<usize, f64>,
}

impl Clone for Numbers {
    fn clone(&self) -> Self {
        Self {
            near: with_room(&self.near),
            correction: with_room(&self.correction),
            exceptions: self.exceptions.clone(),
        }
    }
}

impl Numbers {
    /// A column of that many zeros.
    pub fn zeros(rows: usize, capacity: usize) -> Self {
        let mut column = Self {
            near: Vec::with_capacity(capacity),
            correction: Vec::with_capacity(capacity),
            exceptions: BTreeMap::new(),
        };
        column.near.resize(rows, 0.0);
        column.correction.resize(rows, 0);
        column
    }

    pub fn push(&mut self, value: f64) {
        self.near.push(0.0);
        self.correction.push(0);
        self.set(self.near.len() - 1, value);
    }

    #[expect(clippy::cast_possible_truncation)] // rounding is what is wanted
    pub fn set(&mut self, row: usize, value: f64) {
        let near = value as f32;
        let steps =
            value.to_bits().cast_signed().wrapping_sub(f64::from(near).to_bits().cast_signed());
        let exact = near.is_normal() || value.to_bits() == 0;
        let correction = i32::try_from(steps).ok().filter(|it| exact && *it != EXCEPTION);
        self.near[row] = near;
        self.correction[row] = correction.unwrap_or(EXCEPTION);
        if correction.is_none() {
            self.exceptions.insert(row, value);
        } else if !self.exceptions.is_empty() {
            self.exceptions.remove(&row);
        }
    }

    /// The value, to the bit.
    pub fn get(&self, row: usize) -> f64 {
        let correction = self.correction[row];
        if correction == EXCEPTION {
            return self.exceptions[&row];
        }
        moved(self.near[row], correction)
    }

    /// Appends all values, to the bit.
    pub fn append_to(&self, values: &mut Vec<f64>) {
        let start = values.len();
        let steps = self.near.iter().zip(&self.correction);
        values.extend(steps.map(|(&near, &correction)| moved(near, correction)));
        for (&row, &value) in &self.exceptions {
            values[start + row] = value;
        }
    }

    pub fn heap_bytes(&self) -> usize {
        self.near.capacity() * size_of::<f32>() + self.correction.capacity() * size_of::<i32>()
    }

    /// The nearest `f32` of each value; NaN and infinite where the value is, or where no `f32` is
    /// that large.
    pub fn near(&self) -> &[f32] {
        &self.near
    }
}

/// The value that lies so many `f64` steps from an `f32`.
#[inline]
fn moved(near: f32, steps: i32) -> f64 {
    let near = f64::from(near).to_bits().cast_signed();
    f64::from_bits(near.wrapping_add(i64::from(steps)).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_value_reads_back_to_the_bit(
            first in any::<u64>().prop_map(f64::from_bits),
            second in prop_oneof![-1.0..=1.0f64, any::<f64>()],
        ) {
            let mut column = Numbers::default();
            column.push(first);
            column.push(second);
            prop_assert_eq!(column.get(0).to_bits(), first.to_bits());
            prop_assert_eq!(column.get(1).to_bits(), second.to_bits());
            column.set(0, second);
            prop_assert_eq!(column.get(0).to_bits(), second.to_bits());
        }

        #[test]
        fn all_values_are_what_they_are_one_by_one(
            bits in prop::collection::vec(prop_oneof![Just(0), any::<u64>()], 0..20),
        ) {
            let mut column = Numbers::default();
            for &bits in &bits {
                column.push(f64::from_bits(bits));
            }
            let mut values = vec![1.0];
            column.append_to(&mut values);
            let found: Vec<u64> = values[1..].iter().map(|value| value.to_bits()).collect();
            prop_assert_eq!(found, bits);
        }
    }

    #[test]
    fn special_values_read_back_to_the_bit() {
        let special = [0.0, -0.0, 5e-324, f64::MIN_POSITIVE, f64::MAX, f64::NAN, f64::INFINITY];
        let edges = [f64::from(f32::MAX), 3.402_823_6e38, f64::from(f32::MIN_POSITIVE), 1e-38];
        let mut column = Numbers::zeros(1, 1);
        assert_eq!(column.get(0), 0.0);
        for value in special.into_iter().chain(edges).flat_map(|it| [it, -it]) {
            column.set(0, value);
            assert_eq!(column.get(0).to_bits(), value.to_bits());
            assert!(column.near()[0].is_finite() || !value.is_finite() || value.abs() > 3.4e38);
        }
    }
}
