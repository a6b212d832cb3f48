//! Templates: what stands around the memories, and one memory in its frame.

use std::borrow::Cow;

use super::fold::{folded, folded_value};
use super::guard::{Guards, Surroundings};
use super::order::Order;
use super::slot::{Part, Piece, Slot, TemplateError, parse};
use crate::tier::Tier;

/// A template as it is written; see [`Template::parse`].
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Before everything.
    pub prologue: &'a str,
    /// Before the memories of each tier, in [`Tier::ALL`] order; "" for none.
    pub headings: [&'a str; Tier::COUNT],
    /// One memory, with its slots.
    pub item: &'a str,
    /// Between two memories.
    pub between: &'a str,
    /// After everything.
    pub epilogue: &'a str,
    /// How the memories are ordered.
    pub order: Order,
}

impl Default for Source<'_> {
    /// One tag a memory, best score first.
    fn default() -> Self {
        Self {
            prologue: "<memories>\n",
            headings: [""; Tier::COUNT],
            item: "<memory>{text}</memory>",
            between: "\n",
            epilogue: "\n</memories>",
            order: Order::Score,
        }
    }
}

/// What a template may show of a memory.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Its tier.
    pub tier: Tier,
    /// Its combined score.
    pub score: f64,
    /// When it was created, as it is shown.
    pub timestamp: &'a str,
    /// Its token count.
    pub tokens: u64,
}

/// A template that was read and can be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub(super) prologue: String,
    pub(super) headings: [String; Tier::COUNT],
    pub(super) between: String,
    pub(super) epilogue: String,
    pub(super) order: Order,
    item: Vec<Piece>,
    /// The last of its slots that shows anything at all.
    last_foreign: usize,
    /// What may stand before the first value of an item, and behind the item.
    before: Surroundings,
    behind: Surroundings,
    /// What may stand behind the last such slot, where that is the same for all memories.
    behind_last: Option<Surroundings>,
    guards: Guards,
    /// For what stands within the frame's own lines: the same, and its other literals.
    line_guards: Guards,
}

impl Default for Template {
    fn default() -> Self {
        Self::parse(&Source::default()).expect("the default template is one")
    }
}

impl Template {
    /// Reads a template.
    ///
    /// `{name}` is a slot, `{{` and `}}` are braces. `item` needs the slot `{text}`, once. If there is any
    /// heading, memories are grouped by tier.
    ///
    /// # Errors
    /// The first thing that makes it unusable; see [`TemplateError`].
    pub fn parse(source: &Source<'_>) -> Result<Self, TemplateError> {
        let plain = |part, text| Ok(text_of(&parse(part, text)?, part));
        let prologue = plain(Part::Prologue, source.prologue)?;
        let mut headings = [const { String::new() }; Tier::COUNT];
        for (tier, heading) in Tier::ALL.into_iter().zip(&mut headings) {
            *heading = plain(Part::Heading(tier), source.headings[tier.index()])?;
        }
        let item = parse(Part::Item, source.item)?;
        let between = plain(Part::Between, source.between)?;
        let epilogue = plain(Part::Epilogue, source.epilogue)?;
        check_text(&item)?;
        let edge = |piece: Option<&Piece>| match piece {
            Some(Piece::Literal(literal)) => literal.clone(),
            _ => String::new(),
        };
        let (leading, trailing) = (edge(item.first()), edge(item.last()));
        let end = check_end(&item)?;
        let outer = [&prologue, &leading, &between, &epilogue];
        let outer: Vec<_> = outer.into_iter().chain(&headings).map(String::as_str).collect();
        let of_item = item.iter().filter_map(|piece| match piece {
            Piece::Literal(literal) => Some(literal.as_str()),
            Piece::Slot(..) => None,
        });
        let literals: Vec<_> = outer.iter().copied().chain(of_item.clone()).collect();
        let mut sequences = Vec::new();
        for literal in outer {
            guard_lines(literal, true, &mut sequences);
        }
        for literal in [end, &trailing] {
            guard_lines(literal, false, &mut sequences);
        }
        let guards = Guards::new(sequences.clone(), &literals);
        for literal in of_item {
            guard_lines(literal, false, &mut sequences);
        }
        let line_guards = Guards::new(sequences, &literals);
        let mut before = Surroundings::new();
        let mut behind = vec![folded(&format!("{epilogue}\n"))];
        for heading in [""].into_iter().chain(headings.iter().map(String::as_str)) {
            let next = format!("{between}{heading}{leading}");
            let run = format!("{trailing}{next}");
            if line_guards.enclose(&folded(&run)) {
                return Err(TemplateError::WeakSeparator { run });
            }
            // The beginning of the prompt is the beginning of a line.
            before.push(folded(&format!("\n{prologue}{heading}{leading}")));
            before.push(folded(&run));
            behind.push(folded(&next));
        }
        for surroundings in [&mut before, &mut behind] {
            surroundings.sort_unstable();
            surroundings.dedup();
        }
        let order = source.order;
        let is_foreign = |piece: &Piece| matches!(piece, Piece::Slot(slot, _) if slot.is_foreign());
        let last_foreign = item.iter().rposition(is_foreign).unwrap_or_default();
        let following: Option<String> =
            item[last_foreign + 1..].iter().map(Piece::literal).collect();
        let behind_last = following.map(|following| behind_of(&folded(&following), &behind));
        Ok(Self {
            prologue,
            headings,
            between,
            epilogue,
            order,
            item,
            last_foreign,
            before,
            behind,
            behind_last,
            guards,
            line_guards,
        })
    }

    /// What is kept from being spelled by memories.
    #[must_use]
    pub fn guards(&self) -> &Guards {
        &self.guards
    }

    /// Whether a memory's frame has a slot.
    #[must_use]
    pub fn shows(&self, slot: Slot) -> bool {
        self.item.iter().any(|piece| matches!(piece, Piece::Slot(shown, _) if *shown == slot))
    }

    /// Whether memories are grouped by tier.
    #[must_use]
    pub fn is_grouped(&self) -> bool {
        self.order == Order::Tier || self.headings.iter().any(|heading| !heading.is_empty())
    }

    /// The character that every memory begins with; none where that is a value.
    pub(super) fn first_of_item(&self) -> Option<char> {
        match self.item.first()? {
            Piece::Literal(literal) => literal.chars().next(),
            Piece::Slot(..) => None,
        }
    }

    /// The byte that every memory ends with; none where that is a value.
    pub(super) fn last_of_item(&self) -> Option<u8> {
        match self.item.last()? {
            Piece::Literal(literal) => literal.bytes().next_back(),
            Piece::Slot(..) => None,
        }
    }

    /// One memory in its frame.
    #[must_use]
    pub fn item(&self, memory: &Memory<'_>) -> String {
        let mut out = String::with_capacity(memory.text.len() + 64);
        let mut before = Cow::Borrowed(&self.before);
        for (position, piece) in self.item.iter().enumerate() {
            let start = out.len();
            let mut fold: fn(&str) -> Vec<char> = folded;
            match piece {
                Piece::Literal(literal) => {
                    out.push_str(literal);
                    if position == 0 {
                        continue; // it is in `before`
                    }
                }
                Piece::Slot(slot, _) => match value(*slot, memory) {
                    Value::Trusted(value) => out.push_str(&value),
                    Value::Foreign(value, own_line) => {
                        let guards = if own_line { &self.line_guards } else { &self.guards };
                        let behind = self.behind(position, memory);
                        guards.escape(&value, &before, &behind, &mut out);
                        fold = folded_value;
                    }
                },
            }
            if position < self.last_foreign {
                extend(before.to_mut(), &out[start..], fold, self.line_guards.reach());
            }
        }
        out
    }

    /// What stands behind the value at `position`, up to one that will look back by itself.
    fn behind(&self, position: usize, memory: &Memory<'_>) -> Cow<'_, Surroundings> {
        if let (Some(behind), true) = (&self.behind_last, position == self.last_foreign) {
            return Cow::Borrowed(behind);
        }
        let mut following = String::new();
        for piece in &self.item[position + 1..] {
            match piece {
                Piece::Literal(literal) => following.push_str(literal),
                Piece::Slot(slot, _) => match value(*slot, memory) {
                    Value::Trusted(value) => following.push_str(&value),
                    Value::Foreign(..) => return Cow::Owned(vec![folded(&following)]),
                },
            }
        }
        Cow::Owned(behind_of(&folded(&following), &self.behind))
    }
}

/// What may stand behind the rest of an item, and that rest before it.
fn behind_of(rest: &[char], behind: &Surroundings) -> Surroundings {
    behind.iter().map(|behind| [rest, behind].concat()).collect()
}

/// What a slot shows.
enum Value<'a> {
    /// Of our own making.
    Trusted(Cow<'a, str>),
    /// Anything at all, and whether it has to stay on its line.
    Foreign(Cow<'a, str>, bool),
}

fn value<'a>(slot: Slot, memory: &Memory<'a>) -> Value<'a> {
    match slot {
        Slot::Text => Value::Foreign(Cow::Borrowed(memory.text), false),
        Slot::Id => Value::Foreign(one_line(memory.id), true),
        Slot::Timestamp => Value::Foreign(one_line(memory.timestamp), true),
        Slot::Tier => Value::Trusted(Cow::Borrowed(memory.tier.name())),
        Slot::Score => Value::Trusted(Cow::Owned(format!("{:.4}", memory.score))),
        Slot::Tokens => Value::Trusted(Cow::Owned(memory.tokens.to_string())),
    }
}

/// What now stands before the next value.
fn extend(before: &mut Surroundings, text: &str, fold: fn(&str) -> Vec<char>, reach: usize) {
    // Only the end matters, and most characters are compared.
    let start = text.char_indices().rev().nth(4 * reach).map_or(0, |(start, _)| start);
    let mut end = fold(&text[start..]);
    if end.len() < reach {
        end = fold(text);
    }
    for one in before {
        one.extend(&end);
        one.drain(..one.len().saturating_sub(reach));
    }
}

/// A part without values as text.
fn text_of(pieces: &[Piece], part: Part) -> String {
    let mut text = String::new();
    for piece in pieces {
        match (piece, part) {
            (Piece::Literal(literal), _) => text.push_str(literal),
            (Piece::Slot(..), Part::Heading(tier)) => text.push_str(tier.name()),
            (Piece::Slot(..), _) => unreachable!("no slot is allowed there"),
        }
    }
    text
}

/// An item shows its text once.
fn check_text(item: &[Piece]) -> Result<(), TemplateError> {
    let mut places = item.iter().filter_map(|piece| match piece {
        Piece::Slot(Slot::Text, place) => Some(*place),
        _ => None,
    });
    let first = places.next().ok_or(TemplateError::NoText)?;
    match places.next() {
        Some(second) => Err(TemplateError::TextTwice { first, second }),
        None => Ok(()),
    }
}

/// Whether a line can be recognised wherever it stands: two characters, and not only of a word.
fn is_distinct(line: &[char]) -> bool {
    line.len() >= 2 && line.iter().any(|character| !character.is_alphanumeric())
}

/// The literal behind the text, which ends its frame: distinct, or on the next line. Before a further
/// slot, words and opening brackets are fine: they begin something and end nothing.
fn check_end(item: &[Piece]) -> Result<&str, TemplateError> {
    let is_text = |piece: &Piece| matches!(piece, Piece::Slot(Slot::Text, _));
    let mut following = item.iter().skip_while(|piece| !is_text(piece)).skip(1);
    let Some(Piece::Literal(end)) = following.next() else { return Ok("") };
    let is_last = following.next().is_none();
    let characters = folded(end);
    let line = characters.split(|character| *character == '\n').next().unwrap_or_default();
    let is_weak = match line {
        [] => false,
        _ if is_last => !is_distinct(line),
        [alone] => !alone.is_alphanumeric() && !"([{<".contains(*alone),
        _ => false,
    };
    if is_weak { Err(TemplateError::WeakEnd { end: end.trim().to_owned() }) } else { Ok(end) }
}

/// What has to be kept from memories of one literal: each of its lines, where it is distinct; else the
/// line at the beginning of a line. `at_start`: whether the literal may stand there itself.
fn guard_lines(literal: &str, at_start: bool, sequences: &mut Vec<Vec<char>>) {
    let folded = folded(literal);
    for (position, line) in folded.split(|character| *character == '\n').enumerate() {
        if is_distinct(line) {
            sequences.push(line.to_vec());
        } else if !line.is_empty() && (at_start || position > 0) {
            sequences.push([&['\n'][..], line].concat());
        }
    }
}

/// A value that has to stay on its line.
fn one_line(value: &str) -> Cow<'_, str> {
    let breaks = |it: char| it.is_control() || matches!(it, '\u{2028}' | '\u{2029}');
    if !value.contains(breaks) {
        return Cow::Borrowed(value);
    }
    let mut line = String::with_capacity(value.len() + 8);
    for character in value.chars() {
        if breaks(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    Cow::Owned(line)
}
