//! The names of a memory's fields.

/// The fields, in their documented order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    MemoryId,
    Text,
    Tier,
    Timestamp,
    UserId,
    Metadata,
    RelevanceScore,
    ImportanceScore,
    FreshnessScore,
    CombinedScore,
    TokenCount,
    AccessCount,
    LastAccessed,
    PromotionScore,
    Pinned,
    Evergreen,
    SessionId,
    Position,
    Supersedes,
}

impl Field {
    pub const ALL: [Self; 19] = [
        Self::MemoryId,
        Self::Text,
        Self::Tier,
        Self::Timestamp,
        Self::UserId,
        Self::Metadata,
        Self::RelevanceScore,
        Self::ImportanceScore,
        Self::FreshnessScore,
        Self::CombinedScore,
        Self::TokenCount,
        Self::AccessCount,
        Self::LastAccessed,
        Self::PromotionScore,
        Self::Pinned,
        Self::Evergreen,
        Self::SessionId,
        Self::Position,
        Self::Supersedes,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::MemoryId => "memory_id",
            Self::Text => "text",
            Self::Tier => "tier",
            Self::Timestamp => "timestamp",
            Self::UserId => "user_id",
            Self::Metadata => "metadata",
            Self::RelevanceScore => "relevance_score",
            Self::ImportanceScore => "importance_score",
            Self::FreshnessScore => "freshness_score",
            Self::CombinedScore => "combined_score",
            Self::TokenCount => "token_count",
            Self::AccessCount => "access_count",
            Self::LastAccessed => "last_accessed",
            Self::PromotionScore => "promotion_score",
            Self::Pinned => "pinned",
            Self::Evergreen => "evergreen",
            Self::SessionId => "session_id",
            Self::Position => "position",
            Self::Supersedes => "supersedes",
        }
    }
}
