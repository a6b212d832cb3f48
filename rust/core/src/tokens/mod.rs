//! Token counts: their range, exact counters, a bound, and the estimate where neither is asked for.
//!
//! * [`counter::TokenCounter`] is what every counter can do;
//! * [`byte_pair::BytePairCounter`] counts exactly, with the vocabularies in [`vocabularies`];
//! * [`upper_bound::UpperBound`] never counts less than those, for models that publish no tokenizer;
//! * [`walls`] are places at which all of them add up;
//! * [`estimate`] needs nothing but a length.

pub mod byte_pair;
pub mod characters;
pub mod counter;
mod merging;
pub mod pieces;
mod plain_word;
pub mod upper_bound;
pub mod vocabularies;
mod vocabulary;
pub mod walls;

/// The largest count an item, a budget or an access counter can hold: 2^53 - 1, exact in `f64` and
/// in every JSON reader.
pub const MAX_COUNT: u64 = (1 << 53) - 1;

/// Estimated tokens of a text: `int(code_points * tokens_per_char)`, at least 1 for a text that is
/// not empty, at most [`MAX_COUNT`].
///
/// `code_points` counts Unicode code points (not bytes); `tokens_per_char` is tokens per code point
/// (0.25 suits English prose).
#[must_use]
pub fn estimate(code_points: u64, tokens_per_char: f64) -> u64 {
    if code_points == 0 {
        return 0;
    }
    // `as` truncates toward zero and saturates, which is Python's int() within the range.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let tokens = (code_points as f64 * tokens_per_char) as u64;
    tokens.clamp(1, MAX_COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_follow_the_formula() {
        assert_eq!(estimate(0, 0.25), 0);
        assert_eq!(estimate(1, 0.25), 1);
        assert_eq!(estimate(43, 0.25), 10);
        assert_eq!(estimate(10, 0.0), 1);
        assert_eq!(estimate(u64::MAX, 1e300), MAX_COUNT);
    }
}
