//! What the core refuses.

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
    /// A promotion ladder is too short or names a tier twice.
    #[error("a tier order needs two to four different tiers")]
    Ladder,
}
