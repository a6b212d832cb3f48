//! Freshness from a time, for a third of the instructions that `exp` of the C library takes.
//!
//! Freshness is `2^y` with `y = -0.693 log2(e) age / half_life`. The nearest integer n of y goes into
//! the exponent of the result, and a polynomial of degree five gives `2^f` for the rest f = y - n.
//! No step branches, so that a loop over rows takes several at a time.
//!
//! # How far it is off
//!
//! With u = 2^-24, for `y` above [`LOWEST`]:
//!
//! * `y` is computed in `f64` with some five roundings and so is the exponent of the formula; 125 times
//!   ten roundings of 2^-53 move the result by less than 2^-42;
//! * rounding `y` to `f32` moves it by u |y|, and `2^y` by u |y| ln 2 `2^y`, at most u / e;
//! * n and f are exact: both are multiples of the last place of `y`, and |f| <= 1/2;
//! * the polynomial is within 2 u of `2^f`, relatively. Rounding adds less than 4 u: u for the last sum,
//!   at least .7, and a quarter of u for the product before it; what comes earlier is multiplied by |f|;
//! * scaling by `2^n` is exact, for n >= -125 keeps the result a normal number.
//!
//! Altogether less than 7 u. Below [`LOWEST`] freshness is less than 2^-124 and so is the result.

use crate::decay::HALVING;

/// Least exponent that is computed.
const LOWEST: f64 = -125.0;

/// Adding it to a small `f32` leaves the nearest integer in the last places.
const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23

/// `2^f` for |f| <= 1/2 without its first coefficient, which is 1: least largest relative error.
#[expect(clippy::approx_constant)] // near ln 2, but not it: the error is spread over all of f
const POLYNOMIAL: [f32; 5] =
    [0.693_147, 0.240_222_42, 0.055_507_336, 0.009_671_513, 0.001_326_472_7];

/// How memories fade, seen from one moment.
#[derive(Clone, Copy)]
pub(crate) struct Decay {
    now_us: i64,
    per_microsecond: f64,
}

impl Decay {
    /// None for moments before 1970, from which an unknown time could not be told by subtraction.
    pub fn new(now_us: i64, half_life_hours: f64) -> Option<Self> {
        let per_hour = -HALVING * std::f64::consts::LOG2_E / half_life_hours;
        (now_us >= 0).then_some(Self { now_us, per_microsecond: per_hour / 3.6e9 })
    }

    /// The exponent whose [`power_of_two`] is the freshness of what was made at that time; of an unknown
    /// time 0, and of times further than 292,000 years away anything up to 0.
    ///
    /// Apart from the power, so that loops over rows take two at a time here and four at a time there.
    #[inline]
    #[expect(clippy::cast_possible_truncation)] // rounding is accounted for
    pub fn exponent(self, timestamp_us: i64) -> f32 {
        // Wraps for the unknown time, the least of all: then it lies in the future.
        let exponent = as_f64(self.now_us.wrapping_sub(timestamp_us)) * self.per_microsecond;
        let exponent = if exponent < 0.0 { exponent } else { 0.0 };
        (if exponent > LOWEST { exponent } else { LOWEST }) as f32
    }
}

/// The nearest `f64`. As the conversion of the language; this one is vectorised by SSE2.
#[inline]
fn as_f64(integer: i64) -> f64 {
    const LOW: u64 = 0x4330_0000_0000_0000; // 2^52
    const HIGH: u64 = 0x4530_0000_8000_0000; // 2^84 + 2^63
    const BOTH: f64 = 19_342_822_341_709_703_277_445_120.0; // 2^84 + 2^63 + 2^52
    let bits = integer.cast_unsigned();
    // Each half becomes the last places of a large number; the difference is exact, and the sum rounds.
    let low = f64::from_bits(bits & 0xffff_ffff | LOW);
    let high = f64::from_bits(bits >> 32 ^ HIGH);
    (high - BOTH) + low
}

/// `2^exponent`, for exponents from [`LOWEST`] to 0.
#[inline]
pub(crate) fn power_of_two(exponent: f32) -> f32 {
    let shifted = exponent + ROUND;
    let rest = exponent - (shifted - ROUND);
    let [first, second, third, fourth, fifth] = POLYNOMIAL;
    let power = fifth * rest + fourth;
    let power = power * rest + third;
    let power = power * rest + second;
    let power = power * rest + first;
    let power = power * rest + 1.0;
    power * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decay::{NO_TIME, freshness};
    use proptest::prelude::*;

    /// What the module's documentation proves.
    const BOUND: f64 = 7.0 / 16_777_216.0;

    fn off(timestamp_us: i64, now_us: i64, half_life_hours: f64) -> f64 {
        let exact = freshness(timestamp_us, now_us, half_life_hours);
        let decay = Decay::new(now_us, half_life_hours).unwrap();
        (f64::from(power_of_two(decay.exponent(timestamp_us))) - exact).abs()
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 20_000, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        #[expect(clippy::cast_possible_truncation)]
        fn freshness_is_never_off_by_more_than_the_bound(
            now_us in 0i64..253_402_300_800_000_000,
            half_life in prop_oneof![4 => 1.0..1e3f64, 1 => 1e-6..1e12f64, 1 => Just(1e-6), 1 => Just(1e12)],
            half_lives in prop_oneof![4 => 0.0..4.0f64, 2 => -1.0..200.0, 1 => -1e6..1e6],
        ) {
            let age = (half_lives * half_life * 3.6e9).clamp(-2e17, 3e17) as i64;
            let off = off(now_us - age, now_us, half_life);
            prop_assert!(off <= BOUND, "{off}");
        }

        #[test]
        fn the_conversion_is_that_of_the_language(integer in any::<i64>(), shift in 0u32..64) {
            prop_assert_eq!(as_f64(integer >> shift), (integer >> shift) as f64);
        }
    }

    #[test]
    fn every_fraction_of_a_power() {
        // All exponents of three binades, one in 64 of the rest.
        for step in 0..=5_000_000u32 {
            let exponent = -(step as f32) / 32_768.0;
            if f64::from(exponent) < LOWEST {
                break;
            }
            let off = (f64::from(power_of_two(exponent)) - f64::from(exponent).exp2()).abs();
            assert!(off <= 6.0 / 16_777_216.0, "{exponent} {off}");
        }
    }

    #[test]
    fn ends_of_the_scale() {
        let decay = Decay::new(0, 168.0).unwrap();
        for fresh in [0, 1, i64::MAX, NO_TIME] {
            assert_eq!(power_of_two(decay.exponent(fresh)), 1.0);
        }
        assert!(power_of_two(decay.exponent(-i64::MAX)) < 1e-30);
        assert!(Decay::new(-1, 168.0).is_none());
    }
}
