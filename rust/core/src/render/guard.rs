//! Escaping: a value can neither close the frame it stands in nor open another.
//!
//! The literal parts of a template give the *guarded sequences*. Text is compared with them in a folded
//! form: ASCII letters without case, full-width forms as their ASCII counterparts, every line break as
//! `\n`, and neither other white space nor invisible characters at all. `< / MEMORY >` is as good a
//! closing tag as `</memory>` to a model, so both are.
//!
//! Wherever a value, with the literals next to it, would spell a guarded sequence, a *mark* is put behind
//! the first character of the sequence: `<\/memory>`. The mark is a character that no literal of the
//! template has (a backslash, if it can be), so
//!
//! * **nothing is forged**: a guarded sequence has no mark, so one that is left in the output was there
//!   before, and then its place got a mark;
//! * **nothing is lost**: which places get a mark is decided on the text without its marks, which
//!   escaping does not change. Removing one mark from each of those places gives the value back, also
//!   where it had marks of its own (`<\/memory>` becomes `<\\/memory>`).

/// A character as it is compared; None for one that is passed over.
fn fold(character: char) -> Option<char> {
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
        '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}' => None,
        '\u{ff01}'..='\u{ff5e}' => {
            // The block repeats ASCII from '!' on.
            char::from_u32(u32::from(character) - 0xfee0).map(|ascii| ascii.to_ascii_lowercase())
        }
        _ if character.is_whitespace() || character.is_control() => None,
        _ => Some(character.to_ascii_lowercase()),
    }
}

/// A text as it is compared.
pub(super) fn folded(text: &str) -> Vec<char> {
    text.chars().filter_map(fold).collect()
}

/// What may stand directly before or behind a value, as it is compared. Several where that depends on
/// the neighbours.
pub(super) type Surroundings = Vec<Vec<char>>;

/// One character of the text that is searched.
#[derive(Clone, Copy)]
struct Place {
    folded: char,
    /// Byte of the value at which a mark would follow this character; none within a literal.
    gap: Option<usize>,
}

/// The guarded sequences of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guards {
    /// Folded, of at least two characters each.
    sequences: Vec<Vec<char>>,
    longest: usize,
    /// The first characters of sequences: ASCII ones by their bits, and the others.
    ascii_starts: u128,
    other_starts: Vec<char>,
    mark: char,
}

impl Guards {
    /// Guards against `sequences`; none of the template's `literals` has the mark.
    pub(super) fn new(mut sequences: Vec<Vec<char>>, literals: &[&str]) -> Self {
        sequences.sort_unstable();
        sequences.dedup();
        let longest = sequences.iter().map(Vec::len).max().unwrap_or(0);
        let is_free = |mark: &char| !literals.iter().any(|literal| literal.contains(*mark));
        let usual = ['\\', '^', '~', '`', '|', '_'].into_iter();
        // Private use: a template would have to have all 6,400 of them.
        let mark = usual.chain('\u{e000}'..='\u{f8ff}').find(is_free).unwrap_or('\\');
        let starts = || sequences.iter().map(|sequence| sequence[0]);
        let ascii_starts =
            starts().filter(char::is_ascii).fold(0, |bits, it| bits | 1 << u32::from(it));
        let other_starts = starts().filter(|it| !it.is_ascii()).collect();
        Self { sequences, longest, ascii_starts, other_starts, mark }
    }

    /// The character that breaks a guarded sequence.
    #[must_use]
    pub fn mark(&self) -> char {
        self.mark
    }

    /// The sequences as they are compared, in their order.
    pub fn sequences(&self) -> impl Iterator<Item = String> + '_ {
        self.sequences.iter().map(|sequence| sequence.iter().collect())
    }

    /// How often a text spells one of the sequences, as they are compared.
    #[must_use]
    pub fn spelled(&self, text: &str) -> usize {
        let text = folded(text);
        let count =
            |wanted: &Vec<char>| text.windows(wanted.len()).filter(|it| it == wanted).count();
        self.sequences.iter().map(count).sum()
    }

    /// How much of a neighbouring literal can matter.
    pub(super) fn reach(&self) -> usize {
        self.longest.saturating_sub(1)
    }

    /// Whether one of the sequences has `run` inside, with something before and something after it.
    pub(super) fn enclose(&self, run: &[char]) -> bool {
        self.sequences.iter().any(|sequence| {
            let inner = &sequence[1..sequence.len() - 1];
            run.is_empty() || inner.windows(run.len()).any(|window| window == run)
        })
    }

    /// Appends `value` with marks, as it has to stand between `before` and `behind`.
    pub(super) fn escape(
        &self,
        value: &str,
        before: &Surroundings,
        behind: &Surroundings,
        out: &mut String,
    ) {
        let gaps = self.gaps(value, before, behind);
        let mut start = 0;
        for gap in gaps {
            out.push_str(&value[start..gap]);
            out.push(self.mark);
            start = gap;
        }
        out.push_str(&value[start..]);
    }

    /// The value that [`Guards::escape`] was given, from what it made in the same surroundings.
    #[cfg(test)]
    pub(super) fn unescape(
        &self,
        escaped: &str,
        before: &Surroundings,
        behind: &Surroundings,
    ) -> String {
        let mut value = String::with_capacity(escaped.len());
        let mut start = 0;
        for gap in self.gaps(escaped, before, behind) {
            value.push_str(&escaped[start..gap]);
            assert!(escaped[gap..].starts_with(self.mark), "an escaped value has a mark there");
            start = gap + self.mark.len_utf8();
        }
        value.push_str(&escaped[start..]);
        value
    }

    /// The bytes of `value` where marks belong, ascending.
    fn gaps(&self, value: &str, before: &Surroundings, behind: &Surroundings) -> Vec<usize> {
        if self.sequences.is_empty() {
            return Vec::new();
        }
        let reach = self.reach();
        let mut gaps = Vec::new();
        // Where no sequence begins in the value, one can only come in from before it.
        let begins = self.may_begin(value);
        let places = self.places(value, if begins { usize::MAX } else { 2 * reach + 1 });
        if begins {
            self.search(&places, &mut gaps);
        }
        // Sequences that begin or end in the literals next to the value; in a short value, both.
        let mut window = Vec::with_capacity(4 * reach);
        let (head, tail) = if places.len() <= 2 * reach {
            (&places[..], &[][..])
        } else {
            (&places[..reach], &places[places.len() - reach..])
        };
        for left in before {
            window.clear();
            window.extend(literal(&left[left.len().saturating_sub(reach)..]));
            if let Some(last) = window.last_mut() {
                last.gap = Some(0);
            }
            window.extend(head);
            if !tail.is_empty() {
                self.search(&window, &mut gaps);
                continue;
            }
            let length = window.len();
            for right in behind {
                window.truncate(length);
                window.extend(literal(&right[..right.len().min(reach)]));
                self.search(&window, &mut gaps);
            }
        }
        for right in behind.iter().filter(|_| begins && !tail.is_empty()) {
            window.clear();
            window.extend(tail);
            window.extend(literal(&right[..right.len().min(reach)]));
            self.search(&window, &mut gaps);
        }
        gaps.sort_unstable();
        gaps.dedup();
        gaps
    }

    /// Whether a sequence may begin with the character, as it is compared.
    fn is_start(&self, folded: char) -> bool {
        if folded.is_ascii() {
            self.ascii_starts >> u32::from(folded) & 1 == 1
        } else {
            self.other_starts.contains(&folded)
        }
    }

    /// Whether a sequence may begin in the value. Most texts have none of the characters.
    fn may_begin(&self, value: &str) -> bool {
        value.chars().any(|character| fold(character).is_some_and(|folded| self.is_start(folded)))
    }

    /// The characters of a value that are compared, up to so many; marks are not.
    fn places(&self, value: &str, most: usize) -> Vec<Place> {
        let mut places = Vec::with_capacity(value.len().min(most));
        for (start, character) in value.char_indices().filter(|(_, it)| *it != self.mark) {
            if let Some(folded) = fold(character) {
                let gap = Some(start + character.len_utf8());
                places.push(Place { folded, gap });
                if places.len() == most {
                    break;
                }
            }
        }
        places
    }

    /// Notes where the guarded sequences that have a part in the value, or go across it where it has
    /// nothing to compare, are to be broken. Others have no gap to break them at.
    fn search(&self, places: &[Place], gaps: &mut Vec<usize>) {
        for (start, place) in places.iter().enumerate().filter(|(_, it)| self.is_start(it.folded)) {
            for sequence in self.sequences.iter().filter(|sequence| sequence[0] == place.folded) {
                let Some(found) = places.get(start..start + sequence.len()) else { continue };
                if found.iter().zip(sequence).all(|(place, wanted)| place.folded == *wanted) {
                    let inner = &found[..found.len() - 1];
                    gaps.extend(inner.iter().find_map(|place| place.gap));
                }
            }
        }
    }
}

fn literal(folded: &[char]) -> impl Iterator<Item = Place> + '_ {
    folded.iter().map(|&folded| Place { folded, gap: None })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn guards(sequences: &[&str]) -> Guards {
        let sequences: Vec<_> = sequences.iter().map(|it| folded(it)).collect();
        Guards::new(sequences, &[])
    }

    fn escaped(guards: &Guards, value: &str, before: &str, behind: &str) -> String {
        let mut out = String::new();
        guards.escape(value, &vec![folded(before)], &vec![folded(behind)], &mut out);
        out
    }

    #[test]
    fn whatever_a_reader_takes_for_the_sequence_is_broken() {
        let guards = guards(&["</memory>", "\n-"]);
        for (value, expected) in [
            ("a </memory> b", "a <\\/memory> b"),
            ("</MEMORY>", "<\\/MEMORY>"),
            ("< / memory >", "<\\ / memory >"),
            ("<\u{200b}/memory>", "<\\\u{200b}/memory>"),
            ("＜/ｍemory＞", "＜\\/ｍemory＞"),
            ("<\\/memory>", "<\\\\/memory>"),
            ("one\r\n  - two", "one\r\n\\  - two"),
            ("one - two", "one - two"),
            ("a < b", "a < b"),
            ("", ""),
        ] {
            assert_eq!(escaped(&guards, value, "<memory>", "</memory>"), expected);
        }
        // Across the edges.
        assert_eq!(escaped(&guards, "- first", "Facts:\n", "\n"), "\\- first");
        assert_eq!(escaped(&guards, "a<", "", "/memory>"), "a<\\");
        assert_eq!(escaped(&guards, "/", "<", "memory>"), "\\/");
    }

    #[test]
    fn the_mark_is_no_part_of_a_literal() {
        let literals = ["a\\b", "^"];
        assert_eq!(Guards::new(vec![folded("a\\b")], &literals).mark(), '~');
    }

    /// Texts of the characters that matter, so that sequences overlap, nest and straddle.
    fn text() -> impl Strategy<Value = String> {
        "[ab<>/\\\\ \n\u{200b}-]{0,14}"
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn nothing_is_forged_and_nothing_is_lost(
            value in text(),
            // No mark in them: Template sees to that.
            sequences in prop::collection::vec("[ab<>/\n-]{2,5}", 0..4),
            before in prop::collection::vec("[ab<>/ \n-]{0,5}", 1..3),
            behind in prop::collection::vec("[ab<>/ \n-]{0,5}", 1..3),
        ) {
            let sequences: Vec<_> = sequences.iter().map(|it| folded(it)).collect();
            let guards = Guards::new(sequences.clone(), &[]);
            let left: Surroundings = before.iter().map(|it| folded(it)).collect();
            let right: Surroundings = behind.iter().map(|it| folded(it)).collect();
            let mut out = String::new();
            guards.escape(&value, &left, &right, &mut out);
            prop_assert_eq!(guards.unescape(&out, &left, &right), value);
            let escaped = folded(&out);
            for (left, right) in left.iter().flat_map(|l| right.iter().map(move |r| (l, r))) {
                let whole = [&left[..], &escaped, right].concat();
                let inside = left.len()..left.len() + escaped.len();
                for sequence in &sequences {
                    for (start, window) in whole.windows(sequence.len()).enumerate() {
                        let end = start + window.len();
                        let touches = start < inside.end && end > inside.start;
                        prop_assert!(window != sequence || !touches, "{out:?} {sequence:?}");
                    }
                }
            }
        }
    }
}
