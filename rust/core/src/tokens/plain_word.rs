//! The commonest pieces by far, recognised eight bytes at a time: a blank or none, then a short word of ASCII
//! letters whose first alone may be a capital.

/// A piece that every pattern cuts in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlainWord {
    /// Where it ends.
    pub end: usize,
    /// Its bytes, at most seven, the first one lowest.
    pub key: u64,
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

impl PlainWord {
    /// The one that starts at `start`, a place where a piece begins, if it is followed by what surely
    /// ends it: the end of the text, or something ASCII that is neither a letter nor an apostrophe.
    #[inline]
    pub fn at(text: &[u8], start: usize) -> Option<Self> {
        let rest = &text[start..];
        let word = match rest.first_chunk() {
            Some(eight) => u64::from_le_bytes(*eight),
            None => {
                let mut padded = [0; 8];
                padded[..rest.len()].copy_from_slice(rest);
                u64::from_le_bytes(padded)
            }
        };
        let blank = u32::from(word & 0xff == u64::from(b' '));
        let letters = word >> (8 * blank);
        // Bit 5 makes a capital a small letter, and no other byte one.
        let others = !small_letters(letters | 0x20) & eight(0x80);
        let length = others.trailing_zeros() / 8;
        if length == 0 || blank + length >= 8 {
            return None;
        }
        let following = (letters >> (8 * length)).to_le_bytes()[0];
        if !following.is_ascii() || following.is_ascii_uppercase() || following == b'\'' {
            return None;
        }
        let length = blank + length;
        Some(Self { end: start + length as usize, key: word & !(u64::MAX << (8 * length)) })
    }
}

/// The tokens of a vocabulary that are plain words: open addressing, 0 for a free place.
pub(super) struct PlainWords {
    table: Box<[u64]>,
    shift: u32,
}

impl PlainWords {
    pub fn new<'a>(tokens: impl Iterator<Item = &'a [u8]>) -> Self {
        let whole = |token: &&[u8]| PlainWord::at(token, 0).filter(|word| word.end == token.len());
        let keys: Vec<u64> =
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
    #[expect(clippy::cast_possible_truncation)] // as many bits as the table has places for
    fn place(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
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
                r" ?[A-Za-z]?[a-z]{0,8}(\PC|[\x00-\x7f])?.{0,3}",
                any::<String>(),
            ],
        ) {
            for (start, _) in text.char_indices() {
                let found = PlainWord::at(text.as_bytes(), start);
                if let Some(PlainWord { end, key }) = found {
                    prop_assert_eq!(cl100k(&text, start), end);
                    prop_assert_eq!(o200k(&text, start), end);
                    let mut bytes = [0; 8];
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
                prop_assert_eq!(found.is_some(), length > 0 && bytes < 8 && is_closed);
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
