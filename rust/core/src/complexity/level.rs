//! The four levels of complexity.

/// How demanding a query is. The discriminant is its index in every per-level array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// A greeting, a single fact.
    Simple,
    /// An ordinary question.
    Medium,
    /// A question with several sides.
    Complex,
    /// A deep technical question.
    Expert,
}

impl Level {
    /// How many levels there are.
    pub const COUNT: usize = 4;

    /// All levels, least demanding first.
    pub const ALL: [Self; Self::COUNT] = [Self::Simple, Self::Medium, Self::Complex, Self::Expert];

    /// The name used in configurations and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Medium => "medium",
            Self::Complex => "complex",
            Self::Expert => "expert",
        }
    }

    /// The level of that exact name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// Position in [`Level::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn names_and_positions_lead_back() {
        for (index, level) in Level::ALL.into_iter().enumerate() {
            assert_eq!(level.index(), index);
            assert_eq!(Level::from_name(level.name()), Some(level));
        }
        assert_eq!(Level::from_name("Simple"), None);
    }
}
