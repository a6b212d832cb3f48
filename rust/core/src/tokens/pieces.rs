//! Cuts texts into the pieces within which tokens are merged, as the patterns of the vocabularies do.
//!
//! Each function says what the regular expression it stands for does at one place, and how far it
//! matches; both read every character a bounded number of times, whatever the text. The patterns are
//! those of tiktoken's `openai_public.py`.

use super::characters::{Class, class_at};

/// Where the piece that starts at byte `start` ends. `start` is a character boundary within the text.
pub type PieceEnd = fn(text: &str, start: usize) -> usize;

/// The end of the run of characters from `at` on whose class is `wanted`.
#[inline]
fn run(text: &str, mut at: usize, wanted: impl Fn(Class) -> bool) -> usize {
    while let Some((class, next)) = class_at(text, at)
        && wanted(class)
    {
        at = next;
    }
    at
}

/// The end of the run of these bytes.
fn run_of(text: &str, at: usize, wanted: &[u8]) -> usize {
    let rest = &text.as_bytes()[at..];
    at + rest.iter().take_while(|byte| wanted.contains(byte)).count()
}

/// `\p{N}{1,3}`, the first number already seen to end at `at`.
fn numbers(text: &str, mut at: usize) -> usize {
    for _ in 0..2 {
        match class_at(text, at) {
            Some((Class::Number, next)) => at = next,
            _ => break,
        }
    }
    at
}

/// The end of `'s|'t|'re|'ve|'m|'ll|'d` at `at`, whatever the case; `at` itself where there is none.
/// U+017F, the long s, is an s to such a comparison.
#[inline]
fn contraction(text: &str, at: usize) -> usize {
    let bytes = &text.as_bytes()[at..];
    let [b'\'', first, ..] = *bytes else { return at };
    match first.to_ascii_lowercase() {
        b's' | b't' | b'm' | b'd' => return at + 2,
        0xc5 if bytes.get(2) == Some(&0xbf) => return at + 3,
        _ => {}
    }
    let second = bytes.get(2).map(u8::to_ascii_lowercase);
    match (first.to_ascii_lowercase(), second) {
        (b'r' | b'v', Some(b'e')) | (b'l', Some(b'l')) => at + 3,
        _ => at,
    }
}

/// A run of white space from `start` to `end`, once no branch for words has taken its start: all of it
/// at the end of the text, else all but its last character, which may lead a word.
fn spaces(text: &str, start: usize, end: usize) -> usize {
    let run = &text[start..end];
    match run.char_indices().next_back() {
        Some((last, _)) if end < text.len() && last > 0 => start + last,
        _ => end,
    }
}

/// The pattern of `cl100k_base`:
///
/// ```text
/// '(?i:[sdmt]|ll|ve|re) | [^\r\n\p{L}\p{N}]?+\p{L}++ | \p{N}{1,3}+ | ?[^\s\p{L}\p{N}]++[\r\n]*+
/// | \s++$ | \s*[\r\n] | \s+(?!\S) | \s
/// ```
#[must_use]
pub fn cl100k(text: &str, start: usize) -> usize {
    let Some((class, next)) = class_at(text, start) else { return start };
    let contraction = contraction(text, start);
    if contraction > start {
        return contraction;
    }
    if class.is_letter() {
        return run(text, next, Class::is_letter);
    }
    let following = class_at(text, next).map(|(class, _)| class);
    if class.leads() && following.is_some_and(Class::is_letter) {
        return run(text, next, Class::is_letter);
    }
    if class == Class::Number {
        return numbers(text, next);
    }
    let blank = text.as_bytes()[start] == b' ';
    if class.is_symbol() || blank && following.is_some_and(Class::is_symbol) {
        return run_of(text, run(text, next, Class::is_symbol), b"\r\n");
    }
    let end = run(text, next, Class::is_space);
    if end == text.len() {
        return end;
    }
    match text[start..end].rfind(['\r', '\n']) {
        Some(newline) => start + newline + 1,
        None => spaces(text, start, end),
    }
}

/// The pattern of `o200k_base`:
///
/// ```text
/// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
/// | [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
/// | \p{N}{1,3} | ?[^\s\p{L}\p{N}]+[\r\n/]* | \s*[\r\n]+ | \s+(?!\S) | \s+
/// ```
#[must_use]
pub fn o200k(text: &str, start: usize) -> usize {
    let Some((class, next)) = class_at(text, start) else { return start };
    let first_letter = if class.leads() { next } else { start };
    let end = match word(text, first_letter) {
        Word::Capitals(end) | Word::Mixed(end) if class != Class::Mark => Some(end),
        Word::Mixed(end) => Some(end),
        // A mark may lead a word, or be one: the first branch takes the mark alone before the second
        // is asked for capitals.
        _ if class == Class::Mark => Some(next),
        _ => None,
    };
    if let Some(end) = end {
        return contraction(text, end);
    }
    if class == Class::Number {
        return numbers(text, next);
    }
    let blank = text.as_bytes()[start] == b' ';
    let following = class_at(text, next).map(|(class, _)| class);
    if class.is_symbol() || blank && following.is_some_and(Class::is_symbol) {
        return run_of(text, run(text, next, Class::is_symbol), b"\r\n/");
    }
    let end = run(text, next, Class::is_space);
    match text[start..end].rfind(['\r', '\n']) {
        Some(newline) => start + newline + 1,
        None => spaces(text, start, end),
    }
}

/// What the branches for words find.
enum Word {
    None,
    /// Capitals alone: only the second branch matches.
    Capitals(usize),
    /// The first branch matches.
    Mixed(usize),
}

fn word(text: &str, start: usize) -> Word {
    // Capitals and caseless characters, as many as there are.
    let mut at = start;
    let mut after_caseless = None;
    while let Some((class, next)) = class_at(text, at) {
        match class {
            Class::Upper => {}
            Class::Letter | Class::Mark => after_caseless = Some(next),
            _ => break,
        }
        at = next;
    }
    let lower_end =
        run(text, at, |class| matches!(class, Class::Lower | Class::Letter | Class::Mark));
    if lower_end > at {
        return Word::Mixed(lower_end);
    }
    // No small letter follows: the last caseless character stands for it.
    match after_caseless {
        Some(end) => Word::Mixed(end),
        None if at > start => Word::Capitals(at),
        None => Word::None,
    }
}
