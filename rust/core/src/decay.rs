//! Ages, and how value fades with them.

/// In place of a time that is not known.
pub const NO_TIME: i64 = i64::MIN;

/// The beginning of the year 1 UTC, the earliest time there is.
pub const FIRST_US: i64 = -62_135_596_800_000_000;

/// The documented constant of the freshness formula. It stands for ln 2 but is the literal 0.693:
/// with it the score equals the published expression to the bit.
pub(crate) const HALVING: f64 = 0.693;

/// Rate of the recency term, per day.
const RECENCY_RATE: f64 = 0.1;

/// Hours from `then_us` to `now_us` (both microseconds since 1970 UTC), at least 0: what lies in
/// the future is as fresh as can be.
#[must_use]
pub fn age_hours(then_us: i64, now_us: i64) -> f64 {
    age_microseconds(then_us, now_us) / 1e6 / 3600.0
}

/// Hours from `then_us` to `now_us`, below 0 where `now_us` is earlier.
pub(crate) fn age_hours_signed(then_us: i64, now_us: i64) -> f64 {
    now_us.saturating_sub(then_us) as f64 / 1e6 / 3600.0
}

fn age_microseconds(then_us: i64, now_us: i64) -> f64 {
    now_us.saturating_sub(then_us).max(0) as f64
}

/// Freshness in 0..=1: `exp(-0.693 * age_hours / half_life_hours)`, evaluated left to right with
/// the C library's `exp`; 1.0 for [`NO_TIME`].
///
/// Source: the design document's exponential decay. `half_life_hours` is in hours, above 0.
#[must_use]
pub fn freshness(timestamp_us: i64, now_us: i64, half_life_hours: f64) -> f64 {
    if timestamp_us == NO_TIME {
        return 1.0;
    }
    (-HALVING * age_hours(timestamp_us, now_us) / half_life_hours).exp()
}

/// Recency in 0..=1: `exp(-0.1 * days)` with the days since `since_us`, not rounded; 1.0 for
/// [`NO_TIME`].
///
/// Source: the specification of the promotion score.
#[must_use]
pub fn recency(since_us: i64, now_us: i64) -> f64 {
    if since_us == NO_TIME {
        return 1.0;
    }
    (-RECENCY_RATE * (age_microseconds(since_us, now_us) / 1e6 / 86400.0)).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn freshness_halves_and_never_exceeds_one() {
        assert_eq!(freshness(0, 0, 168.0), 1.0);
        assert_eq!(freshness(HOUR, 0, 168.0), 1.0);
        assert_eq!(freshness(NO_TIME, 0, 168.0), 1.0);
        assert!((freshness(0, 168 * HOUR, 168.0) - 0.5).abs() < 1e-4);
    }

    #[test]
    fn extreme_half_lives_stay_in_range() {
        assert_eq!(freshness(0, HOUR, f64::MIN_POSITIVE), 0.0);
        assert_eq!(freshness(0, 0, 5e-324), 1.0);
        assert_eq!(freshness(0, i64::MAX, f64::MAX), 1.0);
    }

    #[test]
    fn recency_is_per_day() {
        assert_eq!(recency(0, 24 * HOUR), (-0.1f64).exp());
        assert_eq!(recency(NO_TIME, 0), 1.0);
    }
}
