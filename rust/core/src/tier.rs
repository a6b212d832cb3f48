//! The four places a memory can live in.

/// A memory tier. The discriminant is its index in every per-tier array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tier {
    /// The conversation at hand.
    Working,
    /// The current project or task.
    Project,
    /// Facts kept over time.
    LongTerm,
    /// Retrieved documents.
    Rag,
}

impl Tier {
    /// How many tiers there are.
    pub const COUNT: usize = 4;

    /// All tiers in reporting order.
    pub const ALL: [Self; Self::COUNT] = [Self::Working, Self::Project, Self::LongTerm, Self::Rag];

    /// The name used in configurations and results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Project => "project",
            Self::LongTerm => "long_term",
            Self::Rag => "rag",
        }
    }

    /// The tier of that exact name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }

    /// Position in [`Tier::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The tier at that position of [`Tier::ALL`].
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        // Spelled out: over a column of tiers that takes sixteen at a time.
        match index {
            0 => Some(Self::Working),
            1 => Some(Self::Project),
            2 => Some(Self::LongTerm),
            3 => Some(Self::Rag),
            _ => None,
        }
    }
}
