//! What the core refuses.

use crate::tier::Tier;

/// An input that no result can be computed from.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    /// A workspace setting is impossible.
    #[error("{field} must be {accepted}, got {value}")]
    Setting {
        /// Name of the setting, as in the configuration's public field.
        field: &'static str,
        /// The refused value.
        value: f64,
        /// What would have been accepted.
        accepted: &'static str,
    },
    /// The columns of one table have different lengths.
    #[error("column {column} has {length} values, expected {expected}")]
    ColumnLength {
        /// Name of the column.
        column: &'static str,
        /// Its length.
        length: usize,
        /// The length of the first column.
        expected: usize,
    },
    /// A tier is promised more than it may have.
    #[error("the {} tier has a floor of {floor} tokens above its cap of {cap}", tier.name())]
    FloorAboveCap {
        /// The tier.
        tier: Tier,
        /// Its floor in tokens.
        floor: u64,
        /// Its cap in tokens.
        cap: u64,
    },
    /// The floors together are more than there is.
    #[error("the tier floors sum to {floors} tokens, but only {available} are available")]
    FloorsAboveAvailable {
        /// The sum of the floors in tokens.
        floors: u64,
        /// What is available in tokens.
        available: u64,
    },
    /// Pinned candidates do not fit their tier.
    #[error(
        "pinned memories of the {} tier need {needed} tokens, its budget is {budget}",
        tier.name()
    )]
    PinnedOverflow {
        /// The tier.
        tier: Tier,
        /// Tokens of all its pinned candidates.
        needed: u64,
        /// What the tier may use.
        budget: u64,
    },
    /// A promotion ladder is too short or names a tier twice.
    #[error("a tier order needs two to four different tiers")]
    Ladder,
}
