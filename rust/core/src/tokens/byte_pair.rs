//! Exact counts of byte-pair vocabularies.

use std::sync::OnceLock;

use super::counter::{Exactness, TokenCounter};
use super::merging::merge;
use super::pieces::PieceEnd;
use super::plain_word::PlainWord;
use super::vocabulary::Vocabulary;

/// Counts as one vocabulary does, token for token. The vocabulary is read at the first count.
pub struct BytePairCounter {
    name: &'static str,
    data: &'static [u8],
    piece_end: PieceEnd,
    vocabulary: OnceLock<Vocabulary>,
}

impl BytePairCounter {
    pub(super) const fn new(name: &'static str, data: &'static [u8], piece_end: PieceEnd) -> Self {
        Self { name, data, piece_end, vocabulary: OnceLock::new() }
    }

    pub(super) fn vocabulary(&self) -> &Vocabulary {
        self.vocabulary.get_or_init(|| Vocabulary::new(self.data))
    }
}

impl TokenCounter for BytePairCounter {
    fn name(&self) -> &'static str {
        self.name
    }

    fn exactness(&self) -> Exactness {
        Exactness::Exact
    }

    fn count(&self, text: &str) -> u64 {
        let vocabulary = self.vocabulary();
        let (mut tokens, mut start) = (0, 0);
        while start < text.len() {
            let word = PlainWord::at(text.as_bytes(), start);
            if let Some(word) = word
                && vocabulary.words().has(word)
            {
                tokens += 1;
                start = word.end;
                continue;
            }
            let end = word.map_or_else(|| (self.piece_end)(text, start), |word| word.end);
            merge(vocabulary, &text.as_bytes()[start..end], |_| tokens += 1);
            start = end;
        }
        tokens
    }

    fn adds_up_at_walls(&self) -> bool {
        true
    }

    fn truncate<'text>(&self, text: &'text str, limit: u64) -> &'text str {
        let vocabulary = self.vocabulary();
        let (mut tokens, mut start, mut cut) = (0, 0, 0);
        while start < text.len() && tokens <= limit {
            let end = (self.piece_end)(text, start);
            merge(vocabulary, &text.as_bytes()[start..end], |token_end| {
                tokens += 1;
                if tokens <= limit {
                    cut = start + token_end;
                }
            });
            start = end;
        }
        // A token can end within a character, and what follows the cut can have changed how the text
        // before it is cut into pieces.
        loop {
            let prefix = &text[..character_start(text, cut)];
            let excess = if prefix.len() == text.len() {
                0
            } else {
                self.count(prefix).saturating_sub(limit)
            };
            if excess == 0 {
                return prefix;
            }
            cut = prefix.len().saturating_sub(usize::try_from(excess).unwrap_or(usize::MAX));
        }
    }
}

/// The start of the character that byte `at` belongs to.
fn character_start(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
