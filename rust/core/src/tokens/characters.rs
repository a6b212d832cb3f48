//! The classes of characters that tell pieces of text apart.

use std::sync::LazyLock;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// What a character is to the patterns that cut texts into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    /// Uppercase and titlecase letters: Lu, Lt.
    Upper,
    /// Lowercase letters: Ll.
    Lower,
    /// Letters without case: Lm, Lo.
    Letter,
    /// Marks: M. No letter, but part of a word to `o200k_base`.
    Mark,
    /// Numbers: N.
    Number,
    /// Carriage return and line feed.
    Newline,
    /// All other white space.
    Space,
    /// Everything else.
    Other,
}

impl Class {
    /// Whether `\p{L}` matches.
    #[inline]
    #[must_use]
    pub fn is_letter(self) -> bool {
        matches!(self, Self::Upper | Self::Lower | Self::Letter)
    }

    /// Whether `\s` matches.
    #[inline]
    #[must_use]
    pub fn is_space(self) -> bool {
        matches!(self, Self::Newline | Self::Space)
    }

    /// Whether `[^\s\p{L}\p{N}]` matches.
    #[inline]
    #[must_use]
    pub fn is_symbol(self) -> bool {
        matches!(self, Self::Other | Self::Mark)
    }

    /// Whether `[^\r\n\p{L}\p{N}]` matches: what may lead a word.
    #[inline]
    #[must_use]
    pub fn leads(self) -> bool {
        matches!(self, Self::Other | Self::Mark | Self::Space)
    }
}

/// The classes of the code points below 2^16, where nearly all text is: filled once, in a few milliseconds.
static BASIC_PLANE: LazyLock<Box<[Class]>> = LazyLock::new(|| {
    (0..=u32::from(u16::MAX))
        .map(|code| char::from_u32(code).map_or(Class::Other, look_up))
        .collect()
});

static ASCII: [Class; 128] = {
    let mut classes = [Class::Other; 128];
    let mut code = 0;
    while code < 128 {
        classes[code as usize] = match code {
            b'A'..=b'Z' => Class::Upper,
            b'a'..=b'z' => Class::Lower,
            b'0'..=b'9' => Class::Number,
            b'\r' | b'\n' => Class::Newline,
            b' ' | b'\t' | 0x0b | 0x0c => Class::Space,
            _ => Class::Other,
        };
        code += 1;
    }
    classes
};

fn look_up(character: char) -> Class {
    match character.general_category() {
        GeneralCategory::UppercaseLetter | GeneralCategory::TitlecaseLetter => Class::Upper,
        GeneralCategory::LowercaseLetter => Class::Lower,
        GeneralCategory::ModifierLetter | GeneralCategory::OtherLetter => Class::Letter,
        GeneralCategory::NonspacingMark
        | GeneralCategory::SpacingMark
        | GeneralCategory::EnclosingMark => Class::Mark,
        GeneralCategory::DecimalNumber
        | GeneralCategory::LetterNumber
        | GeneralCategory::OtherNumber => Class::Number,
        _ if matches!(character, '\r' | '\n') => Class::Newline,
        _ if character.is_whitespace() => Class::Space,
        _ => Class::Other,
    }
}

/// The class of a character.
#[must_use]
pub fn class(character: char) -> Class {
    let code = character as usize;
    match ASCII.get(code) {
        Some(class) => *class,
        None => BASIC_PLANE.get(code).copied().unwrap_or_else(|| look_up(character)),
    }
}

/// The class of the character that starts at byte `at`, and where the next one starts; None at the end.
#[inline]
pub(super) fn class_at(text: &str, at: usize) -> Option<(Class, usize)> {
    let byte = *text.as_bytes().get(at)?;
    if let Some(class) = ASCII.get(usize::from(byte)) {
        return Some((*class, at + 1));
    }
    let character = text.get(at..)?.chars().next()?;
    Some((class(character), at + character.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_is_what_unicode_says() {
        for code in 0..128_u8 {
            assert_eq!(ASCII[usize::from(code)], look_up(char::from(code)), "{code}");
        }
    }
}
