//! The parts of a template as they are written: literal text with `{slots}`.

use std::fmt;

/// What a template can show of a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Its text, escaped.
    Text,
    /// Its id, escaped and on one line.
    Id,
    /// The name of its tier.
    Tier,
    /// Its combined score, four decimals.
    Score,
    /// When it was created, in ISO form; nothing where that is not known.
    Timestamp,
    /// Its token count.
    Tokens,
}

impl Slot {
    /// All slots.
    pub const ALL: [Self; 6] =
        [Self::Text, Self::Id, Self::Tier, Self::Score, Self::Timestamp, Self::Tokens];

    /// Whether what it shows may be anything at all, and is escaped.
    pub(super) const fn is_foreign(self) -> bool {
        matches!(self, Self::Text | Self::Id | Self::Timestamp)
    }

    /// The name that stands between the braces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Id => "id",
            Self::Tier => "tier",
            Self::Score => "score",
            Self::Timestamp => "timestamp",
            Self::Tokens => "tokens",
        }
    }
}

/// A field of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Before everything.
    Prologue,
    /// Before the memories of a tier.
    Heading(crate::tier::Tier),
    /// One memory.
    Item,
    /// Between two memories.
    Between,
    /// After everything.
    Epilogue,
}

impl Part {
    const fn allows(self, slot: Slot) -> bool {
        match self {
            Self::Item => true,
            Self::Heading(_) => matches!(slot, Slot::Tier),
            Self::Prologue | Self::Between | Self::Epilogue => false,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prologue => formatter.write_str("prologue"),
            Self::Heading(tier) => write!(formatter, "headings[{}]", tier.name()),
            Self::Item => formatter.write_str("item"),
            Self::Between => formatter.write_str("between"),
            Self::Epilogue => formatter.write_str("epilogue"),
        }
    }
}

/// Why a template cannot be used. Places count characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// An opening brace without its counterpart.
    #[error(
        "{part}: the slot that begins at character {place} is not closed; write {{{{ for a brace"
    )]
    Unclosed {
        /// Where.
        part: Part,
        /// The character of the brace.
        place: usize,
    },
    /// A closing brace without its counterpart.
    #[error("{part}: the brace at character {place} closes no slot; write }}}} for a brace")]
    Unopened {
        /// Where.
        part: Part,
        /// The character of the brace.
        place: usize,
    },
    /// A slot that does not exist.
    #[error(
        "{part}: unknown slot {{{}}} at character {place}; there are {{text}}, {{id}}, {{tier}}, {{score}}, {{timestamp}} and {{tokens}}",
        name.escape_debug()
    )]
    UnknownSlot {
        /// Where.
        part: Part,
        /// What stands between the braces.
        name: String,
        /// The character of its brace.
        place: usize,
    },
    /// A slot that means nothing here.
    #[error("{part}: slot {{{}}} at character {place} has no value here: {}", slot.name(),
        if matches!(part, Part::Heading(_)) { "a heading knows {tier} alone" }
        else { "slots belong into item" })]
    Misplaced {
        /// Where.
        part: Part,
        /// The slot.
        slot: Slot,
        /// The character of its brace.
        place: usize,
    },
    /// No `{text}`.
    #[error("item: slot {{text}} is missing")]
    NoText,
    /// `{text}` twice.
    #[error("item: slot {{text}} stands at character {first} and again at character {second}")]
    TextTwice {
        /// The character of the first brace.
        first: usize,
        /// The character of the second.
        second: usize,
    },
    /// A frame whose end any text may contain.
    #[error(
        "item: slot {{text}} ends at {end:?}, which any text may contain, so that a memory could close its own \
         frame; put two or more characters there that are not all letters, or a line break first"
    )]
    WeakEnd {
        /// What follows the text.
        end: String,
    },
    /// Memories that run into each other.
    #[error(
        "between: {run:?} between two memories also stands within another literal, so that two memories \
         together could spell that; use a line break or another sequence"
    )]
    WeakSeparator {
        /// Everything between the values of two memories.
        run: String,
    },
}

impl TemplateError {
    /// The field it is about.
    #[must_use]
    pub fn part(&self) -> Part {
        match self {
            Self::Unclosed { part, .. }
            | Self::Unopened { part, .. }
            | Self::UnknownSlot { part, .. }
            | Self::Misplaced { part, .. } => *part,
            Self::NoText | Self::TextTwice { .. } | Self::WeakEnd { .. } => Part::Item,
            Self::WeakSeparator { .. } => Part::Between,
        }
    }
}

/// A literal, or a slot and the character at which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Slot(Slot, usize),
}

impl Piece {
    /// Its text, unless it shows a value.
    pub(super) fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(literal) => Some(literal),
            Self::Slot(..) => None,
        }
    }
}

/// Reads a part. Literals and slots may follow each other in any order; two literals never do.
pub(super) fn parse(part: Part, source: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut characters = (1..).zip(source.chars()).peekable();
    while let Some((place, character)) = characters.next() {
        let is_brace = matches!(character, '{' | '}');
        let doubled = is_brace && characters.next_if(|(_, next)| *next == character).is_some();
        match character {
            '{' if !doubled => {
                let mut name = String::new();
                loop {
                    match characters.next() {
                        Some((_, '}')) => break,
                        Some((_, inner)) if inner != '{' => name.push(inner),
                        _ => return Err(TemplateError::Unclosed { part, place }),
                    }
                }
                let Some(slot) = Slot::ALL.into_iter().find(|slot| slot.name() == name) else {
                    return Err(TemplateError::UnknownSlot { part, name, place });
                };
                if !part.allows(slot) {
                    return Err(TemplateError::Misplaced { part, slot, place });
                }
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Slot(slot, place));
            }
            '}' if !doubled => return Err(TemplateError::Unopened { part, place }),
            _ => literal.push(character),
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_doubled_and_slots_are_found() {
        let pieces = parse(Part::Item, "{{a}} -- {text}{id}}}").unwrap();
        let expected = [
            Piece::Literal("{a} -- ".into()),
            Piece::Slot(Slot::Text, 10),
            Piece::Slot(Slot::Id, 16),
            Piece::Literal("}".into()),
        ];
        assert_eq!(pieces, expected);
        assert_eq!(parse(Part::Between, ""), Ok(vec![]));
    }

    #[test]
    fn errors_name_the_part_the_slot_and_the_place() {
        let tier = crate::tier::Tier::Rag;
        for (part, source, message) in [
            (
                Part::Item,
                "ab{text",
                "item: the slot that begins at character 3 is not closed; write {{ for a brace",
            ),
            (
                Part::Item,
                "{te{xt}",
                "item: the slot that begins at character 1 is not closed; write {{ for a brace",
            ),
            (
                Part::Epilogue,
                "é}",
                "epilogue: the brace at character 2 closes no slot; write }} for a brace",
            ),
            (
                Part::Item,
                " {txt}",
                "item: unknown slot {txt} at character 2; there are {text}, {id}, {tier}, {score}, {timestamp} and {tokens}",
            ),
            (
                Part::Heading(tier),
                "{text}",
                "headings[rag]: slot {text} at character 1 has no value here: a heading knows {tier} alone",
            ),
            (
                Part::Prologue,
                "{tier}",
                "prologue: slot {tier} at character 1 has no value here: slots belong into item",
            ),
        ] {
            assert_eq!(parse(part, source).unwrap_err().to_string(), message);
        }
    }
}
