//! The commonest pieces by far, recognised eight bytes at a time: a blank or none, then a word of ASCII
//! letters whose first alone may be a capital.

/// A piece that every pattern cuts in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlainWord {
    /// Where it ends.
    pub end: usize,
    /// Its bytes, at most fifteen, the first one lowest.
    pub key: u128,
}

/// The same byte eight times.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The high bit of each byte that is a small ASCII letter, and no other bit.
#[inline]
fn small_letters(word: u64) -> u64 {
    let low = word & eight(0x7f);
    let from_a = low + eight(0x80 - b'a');
    let after_z = low + eight(0x7f - b'z');
    (from_a ^ after_z) & !word & eight(0x80)
}

/// The high bit of each byte that is no small ASCII letter.
#[inline]
fn other_bytes(word: u64) -> u64 {
    !small_letters(word) & eight(0x80)
}

/// Eight bytes, the first one lowest; beyond the end zeros.
#[inline]
fn word_at(text: &[u8], at: usize) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    if let Some(eight) = rest.first_chunk() {
        return u64::from_le_bytes(*eight);
    }
    rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// Byte `at` of a word, at most the seventh, the lowest being the zeroth.
#[inline]
fn byte_of(word: u64, at: u32) -> u8 {
    (word >> (8 * at)).to_le_bytes()[0]
}

impl PlainWord {
    /// The one that starts at `start`, a place where a piece begins, if it is followed by what surely
    /// ends it: the end of the text, or something ASCII that is neither a letter nor an apostrophe.
    #[inline]
    pub fn at(text: &[u8], start: usize) -> Option<Self> {
        let word = word_at(text, start);
        let blank = u32::from(word & 0xff == u64::from(b' '));
        let letters = word >> (8 * blank);
        // Bit 5 makes a capital a small letter, and no other byte one.
        let count = other_bytes(letters | 0x20).trailing_zeros() / 8;
        if count == 0 {
            return None;
        }
        let (length, key, following) = if blank + count < 8 {
            let length = blank + count;
            (length, u128::from(word & low_bytes(length)), byte_of(letters, count))
        } else {
            let more = word_at(text, start + 8);
            let count = other_bytes(more).trailing_zeros() / 8;
            if count == 8 {
                return None;
            }
            let key = u128::from(more & low_bytes(count)) << 64 | u128::from(word);
            (8 + count, key, byte_of(more, count))
        };
        let is_closed =
            following.is_ascii() && !following.is_ascii_uppercase() && following != b'\'';
        is_closed.then_some(Self { end: start + length as usize, key })
    }
}

/// A mask of some bytes, at most seven.
#[inline]
fn low_bytes(count: u32) -> u64 {
    !(u64::MAX << (8 * count))
}

/// The tokens of a vocabulary that are plain words: open addressing, 0 for a free place.
pub(super) struct PlainWords {
    table: Box<[u128]>,
    shift: u32,
}

impl PlainWords {
    pub fn new<'a>(tokens: impl Iterator<Item = &'a [u8]>) -> Self {
        let whole = |token: &&[u8]| PlainWord::at(token, 0).filter(|word| word.end == token.len());
        let keys: Vec<u128> =
            tokens.filter_map(|token| whole(&token)).map(|word| word.key).collect();
        let places = (2 * keys.len()).next_power_of_two().max(2);
        let mut words = Self { table: vec![0; places].into(), shift: 64 - places.trailing_zeros() };
        for key in keys {
            let mut place = words.place(key);
            while words.table[place] != 0 {
                place = words.after(place);
            }
            words.table[place] = key;
        }
        words
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation)] // halves, and as many bits as the table has places for
    fn place(&self, key: u128) -> usize {
        let (low, high) = (key as u64, (key >> 64) as u64);
        let mixed =
            (low ^ high.wrapping_mul(0xd1b5_4a32_d192_ed03)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> self.shift) as usize
    }

    #[inline]
    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.table.len() - 1)
    }

    /// Whether the word is a token.
    #[inline]
    pub fn has(&self, word: PlainWord) -> bool {
        let mut place = self.place(word.key);
        loop {
            match self.table[place] {
                0 => return false,
                key if key == word.key => return true,
                _ => place = self.after(place),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pieces::{cl100k, o200k};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_pattern_cuts_a_plain_word_alike(
            text in prop_oneof![
                r"[ a-dXYZ',.\n0é\u{301}中]{1,12}",
                r" ?[A-Za-z]?[a-z]{0,16}(\PC|[\x00-\x7f])?.{0,3}",
                any::<String>(),
            ],
        ) {
            for (start, _) in text.char_indices() {
                let found = PlainWord::at(text.as_bytes(), start);
                if let Some(PlainWord { end, key }) = found {
                    prop_assert_eq!(cl100k(&text, start), end);
                    prop_assert_eq!(o200k(&text, start), end);
                    let mut bytes = [0; 16];
                    bytes[..end - start].copy_from_slice(&text.as_bytes()[start..end]);
                    prop_assert_eq!(key.to_le_bytes(), bytes);
                }
                let rest = &text[start..];
                let letters = rest.strip_prefix(' ').unwrap_or(rest);
                let is_letter = |at: usize, byte: u8| byte.is_ascii_lowercase() || at == 0 && byte.is_ascii_uppercase();
                let length = letters.bytes().enumerate().take_while(|&(at, byte)| is_letter(at, byte)).count();
                let is_closed = letters[length..].bytes().next().is_none_or(|byte| {
                    byte.is_ascii() && !byte.is_ascii_alphabetic() && byte != b'\''
                });
                let bytes = length + rest.len() - letters.len();
                prop_assert_eq!(found.is_some(), length > 0 && bytes < 16 && is_closed);
            }
        }
    }

    #[test]
    fn words_that_are_tokens_are_found() {
        let words = PlainWords::new(
            [&b"tea"[..], b" Tea", b"TEA", b"n't", b"chamomile", b"te"].into_iter(),
        );
        let has = |word: &str| words.has(PlainWord::at(word.as_bytes(), 0).unwrap());
        assert_eq!(
            ["tea", " Tea", "te", " tea", "Tea", "t"].map(has),
            [true, true, true, false, false, false]
        );
    }
}
