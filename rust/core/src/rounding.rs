//! Rounding to decimals as Python's `round` does it.

/// `value` rounded to `decimals` places: the double nearest to the decimal that is nearest to the
/// exact binary value, exact ties to the even digit. Equal to Python's `round(value, decimals)`.
///
/// Multiplying by a power of ten is itself rounded, which can only mislead next to a tie; there the
/// exact decimal expansion decides (about 150 ns instead of 2).
#[must_use]
pub fn round_decimals(value: f64, decimals: u8) -> f64 {
    // Powers of ten and integers below 2^52 are exact in f64; their quotient is then correctly
    // rounded, which is what parsing the decimal would give.
    const EXACT: f64 = (1u64 << 52) as f64;
    let power = 10f64.powi(i32::from(decimals));
    let scaled = value * power;
    let nearest = scaled.round_ties_even();
    let from_tie = ((scaled - nearest).abs() - 0.5).abs();
    if scaled.abs() < EXACT && from_tie > scaled.abs() * f64::EPSILON * 2.0 {
        return nearest / power;
    }
    if !value.is_finite() {
        return value;
    }
    format!("{value:.0$}", usize::from(decimals)).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::round_decimals;

    #[test]
    fn ties_follow_the_exact_binary_value() {
        // 2.675 is below the tie in binary, 0.125 and 0.375 are exact ties.
        assert_eq!(round_decimals(2.675, 2), 2.67);
        assert_eq!(round_decimals(0.125, 2), 0.12);
        assert_eq!(round_decimals(0.375, 2), 0.38);
        assert_eq!(round_decimals(0.889_177_4, 4), 0.8892);
        assert_eq!(round_decimals(-0.000_049, 4).to_bits(), (-0.0f64).to_bits());
    }

    #[test]
    fn large_and_special_values_pass_through() {
        assert_eq!(round_decimals(1e300, 4), 1e300);
        assert_eq!(round_decimals(f64::INFINITY, 2), f64::INFINITY);
        assert!(round_decimals(f64::NAN, 2).is_nan());
    }
}
