//! The words of a text, each as a hash.
//!
//! 1. The text is normalised (NFKC), so that the same text typed in two ways has the same words.
//! 2. A word is a longest run of letters, digits and marks. That is the default word of Unicode (UAX
//!    29), but for joiners (`'`, `.`, `:`, `_`), which part words here: a file, a module or a
//!    possessive is found by its parts.
//! 3. Cases are folded: upper case, then lower case, character by character.
//! 4. Words of ASCII letters lose the common English endings ([`stem`]).
//! 5. Scripts that are written without spaces (and Korean, whose particles stick to words) have no
//!    such words: each pair of neighbouring characters counts as one, as is usual for them.
//!
//! A word is the FNV-1a hash of its UTF-8, mixed and cut to 56 bits: the same in every process and on
//! every machine. Among a million different words two are equal with a probability of 1 in 10^5.

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// A word: 56 bits in the upper seven bytes, the lowest byte is 0.
pub type Word = u64;

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;
const LOWEST_BYTE: u64 = 0xff;

/// Calls `each` with every word of the text, in order.
pub fn for_each_word(text: &str, mut each: impl FnMut(Word)) {
    if text.is_ascii() {
        ascii_words(text.as_bytes(), &mut each);
    } else if is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        words(text.chars(), &mut each);
    } else {
        words(text.nfkc(), &mut each);
    }
}

/// The hash of a folded word, before any ending is taken off.
fn hash(bytes: &[u8]) -> Word {
    let mut hash = FNV_OFFSET;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
    }
    mix(hash) & !LOWEST_BYTE
}

/// Spreads every bit over all bits (the finaliser of `MurmurHash3`).
pub(super) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

/// What is left of a lower-case word of ASCII letters without the endings of English inflection:
/// plural, past and progressive, then a silent `e`. Both sides of a comparison lose the same, so an
/// ending taken off too much costs little.
///
/// Source: step 1 of Porter's algorithm (1980), without its measure.
fn stem(word: &mut Vec<u8>) {
    let has_vowel = |part: &[u8]| part.iter().any(|letter| b"aeiouy".contains(letter));
    let length = word.len();
    if length > 4 && word.ends_with(b"ies") {
        word.truncate(length - 2);
        word[length - 3] = b'y';
    } else if length > 3 && word.ends_with(b"s") && !matches!(word[length - 2], b's' | b'u') {
        word.truncate(length - 1);
    }
    let length = word.len();
    let cut = match word.as_slice() {
        [start @ .., b'i', b'n', b'g'] if length > 5 && has_vowel(start) => 3,
        [start @ .., b'e', b'd'] if length > 4 && has_vowel(start) => 2,
        _ => 0,
    };
    if cut > 0 {
        word.truncate(length - cut);
        if let [.., before, last] = word[..]
            && word.len() > 3
            && before == last
            && !b"aeioulsz".contains(&last)
        {
            word.pop();
        }
    }
    if word.len() > 3 && word.ends_with(b"e") {
        word.pop();
    }
}

fn ascii_words(text: &[u8], each: &mut impl FnMut(Word)) {
    let mut word = Vec::with_capacity(32);
    for run in text.split(|byte| !byte.is_ascii_alphanumeric()) {
        if run.is_empty() {
            continue;
        }
        word.clear();
        word.extend(run.iter().map(u8::to_ascii_lowercase));
        if word.iter().all(u8::is_ascii_lowercase) {
            stem(&mut word);
        }
        each(hash(&word));
    }
}

/// What a character is to a word.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// Of a script with spaces.
    Spaced,
    /// Of a script without.
    Unspaced,
    /// Joins whatever is before it.
    Mark,
    /// As if it were not there.
    Invisible,
    Between,
}

fn part(character: char) -> Part {
    match character {
        '\u{ad}' | '\u{200d}' | '\u{2060}' | '\u{feff}' => Part::Invisible,
        _ if is_unspaced(character) => Part::Unspaced,
        _ if is_combining_mark(character) => Part::Mark,
        _ if character.is_alphanumeric() => Part::Spaced,
        _ => Part::Between,
    }
}

/// Letters of Thai, Lao, Burmese and Khmer (with their marks), Hangul, kana and Han.
fn is_unspaced(character: char) -> bool {
    matches!(
        character,
        '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' | '\u{e81}'..='\u{ece}'
            | '\u{1000}'..='\u{103f}' | '\u{1050}'..='\u{108f}' | '\u{1780}'..='\u{17d3}'
            | '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{3096}' | '\u{309d}'..='\u{309f}'
            | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{323af}'
    )
}

/// The word or run that is being read.
#[derive(Default)]
struct Reading {
    word: Vec<u8>,
    /// The last character of an unspaced run, and whether a pair ended with it.
    last: Option<(char, bool)>,
}

impl Reading {
    fn end(&mut self, each: &mut impl FnMut(Word)) {
        if let Some((alone, false)) = self.last.take() {
            each(hash(alone.encode_utf8(&mut [0; 4]).as_bytes()));
        }
        if !self.word.is_empty() {
            if self.word.iter().all(u8::is_ascii_lowercase) {
                stem(&mut self.word);
            }
            each(hash(&self.word));
            self.word.clear();
        }
    }

    fn push(&mut self, character: char) {
        let mut bytes = [0; 4];
        for folded in character.to_uppercase().flat_map(char::to_lowercase) {
            self.word.extend_from_slice(folded.encode_utf8(&mut bytes).as_bytes());
        }
    }

    fn pair(&mut self, character: char, each: &mut impl FnMut(Word)) {
        if let Some((before, _)) = self.last {
            let mut bytes = [0; 8];
            let first = before.encode_utf8(&mut bytes).len();
            let second = character.encode_utf8(&mut bytes[first..]).len();
            each(hash(&bytes[..first + second]));
            self.last = Some((character, true));
        } else {
            self.last = Some((character, false));
        }
    }
}

fn words(characters: impl Iterator<Item = char>, each: &mut impl FnMut(Word)) {
    let mut reading = Reading::default();
    for character in characters {
        match part(character) {
            Part::Invisible => {}
            Part::Spaced => {
                if reading.last.is_some() {
                    reading.end(each);
                }
                reading.push(character);
            }
            Part::Unspaced => {
                if !reading.word.is_empty() {
                    reading.end(each);
                }
                reading.pair(character, each);
            }
            // A mark after nothing is no word.
            Part::Mark => {
                if !reading.word.is_empty() {
                    reading.push(character);
                }
            }
            Part::Between => reading.end(each),
        }
    }
    reading.end(each);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(text: &str) -> Vec<Word> {
        let mut found = Vec::new();
        for_each_word(text, |word| found.push(word));
        found
    }

    #[test]
    fn inflections_of_a_word_are_one_word() {
        for (one, other) in [
            ("query", "queries"),
            ("index", "INDEX"),
            ("plan", "planning"),
            ("change", "changed"),
            ("move", "moving"),
            ("cache", "caches"),
            ("café", "CAFE\u{301}"),
            ("straße", "STRASSE"),
            ("ΣΟΦΟΣ", "σοφος"),
            ("Ａ１", "a1"),
            ("co\u{ad}operate", "cooperate"),
            ("हिन्दी", "हिन्दी"),
        ] {
            assert_eq!(words_of(one), words_of(other), "{one} {other}");
            assert_eq!(words_of(one).len(), 1, "{one}");
        }
        assert_ne!(words_of("string"), words_of("str"));
        assert_ne!(words_of("bus"), words_of("bu"));
    }

    #[test]
    fn joiners_part_words() {
        assert_eq!(words_of("pool.rs"), words_of("pool RS"));
        assert_eq!(words_of("max_total"), words_of("max total"));
        assert_eq!(words_of(" - … \n"), []);
    }

    #[test]
    fn scripts_without_spaces_count_by_pairs() {
        assert_eq!(words_of("数据库").len(), 2);
        assert_eq!(words_of("数"), words_of("数。"));
        assert_eq!(words_of("数").len(), 1);
        assert_eq!(words_of("iPhone手机").len(), 2);
        assert!(words_of("我用数据库").contains(&words_of("数据")[0]));
    }

    #[test]
    fn a_hash_is_the_same_for_ever() {
        assert_eq!(words_of("Databases"), [0x87ac_2dae_ba76_3a00]);
        assert!(words_of("a b c").iter().all(|word| word & LOWEST_BYTE == 0));
    }
}
