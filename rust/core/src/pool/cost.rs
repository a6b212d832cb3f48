//! What a row costs: given tokens, or the length of a text that every call estimates anew.

use crate::tokens::estimate;

/// The high bit of a cost says that it is a length; all other bits set say that the number is
/// larger and stands beside the column.
pub(super) const LENGTH: u32 = 1 << 31;
pub(super) const LARGER: u32 = LENGTH - 1;

/// What a row costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// That many tokens.
    Tokens(u64),
    /// An estimate from that many code points, made anew for every call.
    CodePoints(u64),
}

impl Cost {
    /// In tokens, with that many tokens a code point.
    #[must_use]
    pub fn tokens(self, tokens_per_char: f64) -> u64 {
        match self {
            Self::Tokens(tokens) => tokens,
            Self::CodePoints(code_points) => estimate(code_points, tokens_per_char),
        }
    }
}

/// A number of tokens as limits of what the column of costs holds.
#[derive(Clone, Copy)]
pub(super) struct CostLimit {
    tokens: u32,
    code_points: u32,
}

impl CostLimit {
    /// Nothing that costs `most` tokens or less lies above it; some of what costs more may not.
    pub fn new(most: u64, tokens_per_char: f64) -> Self {
        let small = |number: u64| u32::try_from(number).unwrap_or(LARGER).min(LARGER);
        // int(length * factor) <= most means length * factor < most + 1 but for rounding; the margin
        // is far larger. A factor of zero has no limit.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
        let code_points = ((most as f64 + 1.0) / tokens_per_char * 1.000_001) as u64;
        let code_points = if most == 0 { 0 } else { code_points.saturating_add(2) };
        Self { tokens: small(most), code_points: LENGTH | small(code_points) }
    }

    /// Whether a row may cost as little; by what the column holds.
    #[inline]
    pub fn admits(self, cost: u32) -> bool {
        cost <= self.tokens || (LENGTH..=self.code_points).contains(&cost)
    }
}
