//! Texts as messages of a chat, and what a provider adds around each.

/// The shape in which a provider takes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageFormat {
    /// `OpenAI`'s chat completions, and what imitates them.
    OpenAi,
    /// Anthropic's messages.
    Anthropic,
    /// Google's Gemini.
    Gemini,
}

impl MessageFormat {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Anthropic, Self::Gemini];

    /// The name used in calls.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// The format of that exact name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The roles a message may have; the first is the usual one for memories. Anthropic and Gemini take
    /// system instructions apart from the messages.
    #[must_use]
    pub const fn roles(self) -> &'static [&'static str] {
        match self {
            Self::OpenAi => &["system", "developer", "user", "assistant"],
            Self::Anthropic => &["user", "assistant"],
            Self::Gemini => &["user", "model"],
        }
    }

    /// Tokens around the content of one message and once around all, without its role.
    ///
    /// * `OpenAI`: 3 for each message and 3 that prime the answer. Source: the token counting of its
    ///   cookbook; the role's own tokens come on top.
    /// * The others publish no such numbers: 16, an assumption that is meant to be too high.
    #[must_use]
    pub const fn framing(self) -> u64 {
        match self {
            Self::OpenAi => 3 + 3,
            Self::Anthropic | Self::Gemini => 16,
        }
    }
}
