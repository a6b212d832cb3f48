//! Text as a reader takes it: the form in which it is compared with what is guarded.

use unicode_normalization::char::decompose_compatible;

/// A line break of a value, as it is compared; the template's own are `\n`. No folded text has the
/// character otherwise.
pub(super) const BREAK_OF_VALUE: char = '\u{b}';

/// A character as it is compared; None for one that is passed over.
pub(super) fn fold(character: char) -> Option<char> {
    match character {
        '!'..='~' => Some(character.to_ascii_lowercase()),
        '\n'
        | '\r'
        | '\u{b}'
        | '\u{c}'
        | '\u{1c}'..='\u{1e}'
        | '\u{85}'
        | '\u{2028}'
        | '\u{2029}' => Some('\n'),
        // Default_Ignorable_Code_Point, interlinear annotation, and a Braille cell without dots.
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}' => None,
        _ if character.is_whitespace() || character.is_control() => None,
        _ => Some(plain_form(character).to_ascii_lowercase()),
    }
}

/// What a character is a form of, if that is a single one: full width, small, bold, circled, raised.
fn plain_form(character: char) -> char {
    let (mut plain, mut count) = (character, 0);
    decompose_compatible(character, |part| (plain, count) = (part, count + 1));
    if count == 1 { plain } else { character }
}

/// A literal of the template as it is compared.
pub(super) fn folded(literal: &str) -> Vec<char> {
    literal.chars().filter_map(fold).collect()
}

/// A value as it is compared; several line breaks are one.
pub(super) fn folded_value(value: &str) -> Vec<char> {
    let mut folded: Vec<char> = value.chars().filter_map(fold).map(of_value).collect();
    folded.dedup_by(|next, one| *one == BREAK_OF_VALUE && *next == BREAK_OF_VALUE);
    folded
}

/// A compared character, where it stands in a value.
pub(super) fn of_value(folded: char) -> char {
    if folded == '\n' { BREAK_OF_VALUE } else { folded }
}

#[cfg(test)]
mod tests {
    use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

    use super::*;

    #[test]
    fn forms_of_a_character_are_compared_as_the_character() {
        let compared = |text: &str| folded(text).into_iter().collect::<String>();
        for (text, expected) in [
            ("< / MEMORY >", "</memory>"),
            ("＜／ｍemory＞", "</memory>"),
            ("﹤/memory﹥", "</memory>"),
            ("<\u{200b}/me\u{ad}mory>", "</memory>"),
            ("</𝐦𝖾𝓶ⓞᵣʸ>", "</memory>"),
            ("a\r\nb\u{2028}c", "a\n\nb\nc"),
            // More than one character, or none of ASCII's: as they are.
            ("é ﬁ ж 記", "éﬁж記"),
        ] {
            assert_eq!(compared(text), expected, "{text:?}");
        }
        let value: String = folded_value("a\r\n\nb").into_iter().collect();
        assert_eq!(value, "a\u{b}b");
    }

    #[test]
    fn invisible_characters_are_passed_over() {
        for hidden in "\u{115f}\u{17b4}\u{2800}\u{3164}\u{ffa0}\u{fffb}\u{e0041}".chars() {
            assert_eq!(fold(hidden), None, "{hidden:?}");
        }
        // Signs that are written around numbers or between hieroglyphs have a format's category and a shape.
        let is_shown = |it: char| {
            matches!(u32::from(it), 0x600..=0x605 | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2)
                || matches!(u32::from(it), 0x110bd | 0x110cd | 0x13430..=0x1343f)
        };
        let is_format = |it: &char| it.general_category() == GeneralCategory::Format;
        let formats: Vec<char> = ('\0'..=char::MAX).filter(is_format).collect();
        assert!(formats.len() > 150);
        for format in formats {
            assert_eq!(fold(format).is_some(), is_shown(format), "{format:?}");
        }
    }
}
