//! The hall behind every door: candidates as equal-length columns.

use crate::error::Error;
use crate::tier::Tier;

/// The columns a selection is decided from. Row `i` of each column is candidate `i`, in the
/// caller's order.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    tier: &'a [Tier],
    relevance: &'a [f64],
    importance: &'a [f64],
    timestamp_us: &'a [i64],
    tokens: &'a [u64],
    pinned: &'a [u32],
}

impl<'a> Candidates<'a> {
    /// Puts columns together.
    ///
    /// * `relevance`, `importance`: any `f64`; NaN and infinities count as 0.0.
    /// * `timestamp_us`: microseconds since 1970 UTC; [`crate::decay::NO_TIME`] for an unknown time
    ///   and for what does not decay.
    /// * `tokens`: what the candidate costs, at most [`crate::tokens::MAX_COUNT`].
    ///
    /// # Errors
    /// [`Error::ColumnLength`] names the first column whose length differs from that of `tier`.
    pub fn new(
        tier: &'a [Tier],
        relevance: &'a [f64],
        importance: &'a [f64],
        timestamp_us: &'a [i64],
        tokens: &'a [u64],
    ) -> Result<Self, Error> {
        let expected = tier.len();
        let lengths = [
            ("relevance_score", relevance.len()),
            ("importance_score", importance.len()),
            ("timestamp", timestamp_us.len()),
            ("token_count", tokens.len()),
        ];
        for (column, length) in lengths {
            if length != expected {
                return Err(Error::ColumnLength { column, length, expected });
            }
        }
        Ok(Self { tier, relevance, importance, timestamp_us, tokens, pinned: &[] })
    }

    /// The same candidates, of which those rows, ascending and each once, are taken before all
    /// others and whatever their scores.
    #[must_use]
    pub fn with_pinned(self, pinned: &'a [u32]) -> Self {
        debug_assert!(pinned.is_sorted_by(|one, other| one < other));
        Self { pinned, ..self }
    }

    /// How many candidates there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tier.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tier.is_empty()
    }

    /// Tier per candidate.
    #[must_use]
    pub fn tier(&self) -> &'a [Tier] {
        self.tier
    }

    /// Relevance per candidate, as given.
    #[must_use]
    pub fn relevance(&self) -> &'a [f64] {
        self.relevance
    }

    /// Importance per candidate, as given.
    #[must_use]
    pub fn importance(&self) -> &'a [f64] {
        self.importance
    }

    /// Creation time per candidate.
    #[must_use]
    pub fn timestamp_us(&self) -> &'a [i64] {
        self.timestamp_us
    }

    /// Cost per candidate in tokens.
    #[must_use]
    pub fn tokens(&self) -> &'a [u64] {
        self.tokens
    }

    /// Rows of pinned candidates, ascending.
    #[must_use]
    pub fn pinned(&self) -> &'a [u32] {
        self.pinned
    }
}
