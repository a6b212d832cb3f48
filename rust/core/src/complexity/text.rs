//! White space and word characters, as bytes of UTF-8.

/// Whether Python's `str.split()` splits at this character: Unicode's white space and the four
/// ASCII separators U+001C to U+001F, which Rust does not count.
pub(super) fn is_white_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}')
}

/// Whether a byte is, or belongs to, a word character: `[A-Za-z0-9_]` or anything beyond ASCII.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Whether a byte is white space by itself.
pub(super) const fn is_ascii_white_space(byte: u8) -> bool {
    matches!(byte, 0x09..=0x0d | 0x1c..=0x20)
}

/// Whether a longer white-space character can begin with this byte.
pub(super) const fn begins_wide_white_space(byte: u8) -> bool {
    matches!(byte, 0xc2 | 0xe1 | 0xe2 | 0xe3)
}

/// Bytes of the white-space character beyond ASCII that `text` begins with; 0 if there is none.
pub(super) const fn wide_white_space_length(text: &[u8]) -> usize {
    match text {
        // U+0085, U+00A0
        [0xc2, 0x85 | 0xa0, ..] => 2,
        // U+1680; U+2000 to U+200A, U+2028, U+2029, U+202F; U+205F; U+3000
        [0xe1, 0x9a, 0x80, ..]
        | [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..]
        | [0xe2, 0x81, 0x9f, ..]
        | [0xe3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}

/// Bytes of the white-space character that `text` begins with; 0 if there is none.
pub(super) fn white_space_length(text: &[u8]) -> usize {
    match text.first() {
        Some(&byte) if is_ascii_white_space(byte) => 1,
        Some(&byte) if begins_wide_white_space(byte) => wide_white_space_length(text),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_characters_agree_on_white_space() {
        for character in '\0'..=char::MAX {
            let mut buffer = [0; 4];
            let bytes = character.encode_utf8(&mut buffer).as_bytes();
            let expected = if is_white_space(character) { bytes.len() } else { 0 };
            assert_eq!(white_space_length(bytes), expected, "{character:?}");
        }
    }
}
