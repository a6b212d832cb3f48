//! Why each candidate was taken or left out, and what would have taken it.
//!
//! A plan holds what was taken. Beside the candidates as the call saw them ([`Considered`]) and how they
//! were rated that is enough to say the rest afterwards, when somebody asks: [`Judged::reasons`] and
//! [`Judged::ranks`]; [`fits`] looks for the budget at which something would have been taken, and where a ceiling decides
//! too, [`replay`] makes the whole call again under one after another.

mod considered;
mod contenders;
mod continued;
pub mod fits;
mod judged;
mod of_pool;
mod replan;
pub mod replay;

pub use considered::Considered;
pub use continued::Continued;
pub use judged::{Judged, KnownTexts, Texts};

/// Why a candidate was taken or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Taken for its score.
    Selected,
    /// Taken because it is pinned.
    Pinned,
    /// In the text of a session since an earlier call.
    Held,
    /// Its tier had too little left when its turn came.
    OverTierBudget,
    /// Without the ceiling it would have been taken.
    OverCeiling,
    /// A new text of the session would hold it; behind what is held it does not fit.
    NoRoomBehindHeld,
    /// Its documented score is below the minimum of the workspace.
    BelowMinimum,
    /// Its score is below the minimum of the ranking.
    BelowRankingMinimum,
    /// Its relevance is below the gate of the ranking.
    BelowGate,
    /// Another candidate replaces it.
    Superseded,
    /// It says what another one says that had its turn before.
    Duplicate,
    /// It costs more than the whole budget of its tier.
    Oversized,
    /// The call asked for other users, tiers or ids.
    Filtered,
}

impl Reason {
    /// As results name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Selected => "selected",
            Self::Pinned => "pinned",
            Self::Held => "held",
            Self::OverTierBudget => "over_tier_budget",
            Self::OverCeiling => "over_ceiling",
            Self::NoRoomBehindHeld => "no_room_behind_held",
            Self::BelowMinimum => "below_minimum",
            Self::BelowRankingMinimum => "below_ranking_minimum",
            Self::BelowGate => "below_gate",
            Self::Superseded => "superseded",
            Self::Duplicate => "duplicate",
            Self::Oversized => "oversized",
            Self::Filtered => "filtered",
        }
    }

    /// Whether the candidate was taken.
    #[must_use]
    pub fn is_taken(self) -> bool {
        matches!(self, Self::Selected | Self::Pinned | Self::Held)
    }
}
