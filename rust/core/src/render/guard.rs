//! Escaping: a value can neither close the frame it stands in nor open another.
//!
//! The literal parts of a template give the *guarded sequences*. Text is compared with them in a folded
//! form ([`super::fold`]): ASCII letters without case, other forms of a character as the character, and
//! neither white space nor invisible characters at all. `< / MEMORY >` is as good a closing tag as
//! `</memory>` to a model, so both are.
//!
//! Line breaks depend on the sequence. One that begins with a line break is guarded at the beginning of a
//! line. Any other is looked for with the line breaks of the value passed over, as other white space is;
//! those of the template part what stands on their sides.
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

use super::fold::{BREAK_OF_VALUE, fold, folded, of_value};

/// What may stand directly before or behind a value, as it is compared: literals and other values. Several
/// where that depends on the neighbours.
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
    /// Those that begin with a line break.
    of_lines: Sequences,
    /// Those that have none.
    anywhere: Sequences,
    mark: char,
}

impl Guards {
    /// Guards against `sequences`; none of the template's `literals` has the mark. A sequence has at
    /// least two characters, and no line break but at its beginning.
    pub(super) fn new(mut sequences: Vec<Vec<char>>, literals: &[&str]) -> Self {
        sequences.sort_unstable();
        sequences.dedup();
        let (of_lines, anywhere) = sequences.into_iter().partition(|it| it[0] == '\n');
        let literals: Vec<_> = literals.iter().map(|literal| folded(literal)).collect();
        let is_free = |mark: &char| !literals.iter().any(|literal| literal.contains(mark));
        let usual = ['\\', '^', '~', '`', '|', '_'].into_iter();
        // Private use: a template would have to have all 6,400 of them.
        let mark = usual.chain('\u{e000}'..='\u{f8ff}').find(is_free).unwrap_or('\\');
        let [of_lines, anywhere] = [(of_lines, false), (anywhere, true)]
            .map(|(all, is_over_breaks)| Sequences::new(all, is_over_breaks, mark));
        Self { of_lines, anywhere, mark }
    }

    /// The character that breaks a guarded sequence.
    #[must_use]
    pub fn mark(&self) -> char {
        self.mark
    }

    fn all(&self) -> impl Iterator<Item = &Vec<char>> {
        self.of_lines.all.iter().chain(&self.anywhere.all)
    }

    /// The sequences as they are compared, in their order.
    pub fn sequences(&self) -> impl Iterator<Item = String> + '_ {
        self.all().map(|sequence| sequence.iter().collect())
    }

    /// How often a text spells one of the sequences, as they are compared and without line breaks inside.
    #[must_use]
    pub fn spelled(&self, text: &str) -> usize {
        let text = folded(text);
        let count =
            |wanted: &Vec<char>| text.windows(wanted.len()).filter(|it| it == wanted).count();
        self.all().map(count).sum()
    }

    /// How much of what stands next to a value can matter.
    pub(super) fn reach(&self) -> usize {
        // Every second character may be a line break of a value that is passed over.
        2 * self.all().map(Vec::len).max().unwrap_or(0)
    }

    /// Whether one of the sequences has `run` inside, with something before and something after it.
    pub(super) fn enclose(&self, run: &[char]) -> bool {
        self.all().any(|sequence| {
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
        let mut gaps = Vec::new();
        self.of_lines.gaps(value, before, behind, &mut gaps);
        self.anywhere.gaps(value, before, behind, &mut gaps);
        gaps.sort_unstable();
        gaps.dedup();
        gaps
    }
}

/// Sequences that are looked for in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sequences {
    /// Folded, of at least two characters each.
    all: Vec<Vec<char>>,
    longest: usize,
    /// Their first characters: ASCII ones by their bits, and the others.
    ascii_starts: u128,
    other_starts: Vec<char>,
    /// The characters of ASCII that are compared as one of them.
    begin_with: Vec<u8>,
    /// Whether line breaks of values are passed over.
    is_over_breaks: bool,
    mark: char,
}

impl Sequences {
    fn new(all: Vec<Vec<char>>, is_over_breaks: bool, mark: char) -> Self {
        let longest = all.iter().map(Vec::len).max().unwrap_or(0);
        let starts = || all.iter().map(|sequence| sequence[0]);
        let ascii_starts =
            starts().filter(char::is_ascii).fold(0, |bits, it| bits | 1 << u32::from(it));
        let other_starts = starts().filter(|it| !it.is_ascii()).collect();
        let is_start = |it: &char| {
            fold(*it).is_some_and(|it| it.is_ascii() && ascii_starts >> u32::from(it) & 1 == 1)
        };
        let begin_with = ('\0'..='\x7f').filter(is_start).map(|it| it as u8).collect();
        Self { all, longest, ascii_starts, other_starts, begin_with, is_over_breaks, mark }
    }

    /// Notes the bytes of `value` where marks belong, in any order.
    fn gaps(
        &self,
        value: &str,
        before: &Surroundings,
        behind: &Surroundings,
        gaps: &mut Vec<usize>,
    ) {
        if self.all.is_empty() {
            return;
        }
        let reach = self.longest - 1;
        // Where no sequence begins in the value, one can only come in from before it.
        let begins = self.may_begin(value);
        let places = self.places(value, if begins { usize::MAX } else { 2 * reach + 1 });
        if begins {
            self.search(&places, gaps);
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
            window.extend(self.neighbours(left.iter().rev()).take(reach));
            window.reverse();
            if let Some(last) = window.last_mut() {
                last.gap = Some(0);
            }
            window.extend(head);
            if !tail.is_empty() {
                self.search(&window, gaps);
                continue;
            }
            let length = window.len();
            for right in behind {
                window.truncate(length);
                window.extend(self.neighbours(right.iter()).take(reach));
                self.search(&window, gaps);
            }
        }
        for right in behind.iter().filter(|_| begins && !tail.is_empty()) {
            window.clear();
            window.extend(tail);
            window.extend(self.neighbours(right.iter()).take(reach));
            self.search(&window, gaps);
        }
    }

    /// Whether a sequence may begin with the character, as it is compared.
    fn is_start(&self, folded: char) -> bool {
        if folded.is_ascii() {
            self.ascii_starts >> u32::from(folded) & 1 == 1
        } else {
            self.other_starts.contains(&folded)
        }
    }

    /// Whether a sequence may begin in the value. Most texts have none of the characters, and most of theirs
    /// are of ASCII.
    fn may_begin(&self, value: &str) -> bool {
        let bytes = value.as_bytes();
        self.begin_with.iter().any(|byte| bytes.contains(byte))
            || !value.is_ascii() && {
                let mut others = value.chars().filter(|character| !character.is_ascii());
                others.any(|it| fold(it).is_some_and(|folded| self.is_start(folded)))
            }
    }

    /// How these sequences see a character that stands next to a value or, as [`of_value`], in one.
    fn seen(&self, folded: char) -> Option<char> {
        match folded {
            BREAK_OF_VALUE if self.is_over_breaks => None,
            BREAK_OF_VALUE => Some('\n'),
            _ => Some(folded),
        }
    }

    /// The characters of a value that are compared, up to so many; marks are not.
    fn places(&self, value: &str, most: usize) -> Vec<Place> {
        let mut places = Vec::with_capacity(value.len().min(most));
        for (start, character) in value.char_indices().filter(|(_, it)| *it != self.mark) {
            if let Some(folded) = fold(character).and_then(|it| self.seen(of_value(it))) {
                let gap = Some(start + character.len_utf8());
                places.push(Place { folded, gap });
                if places.len() == most {
                    break;
                }
            }
        }
        places
    }

    fn neighbours<'a>(
        &self,
        folded: impl Iterator<Item = &'a char>,
    ) -> impl Iterator<Item = Place> {
        folded.filter_map(|&it| Some(Place { folded: self.seen(it)?, gap: None }))
    }

    /// Notes where the guarded sequences that have a part in the value, or go across it where it has
    /// nothing to compare, are to be broken. Others have no gap to break them at.
    fn search(&self, places: &[Place], gaps: &mut Vec<usize>) {
        for (start, place) in places.iter().enumerate().filter(|(_, it)| self.is_start(it.folded)) {
            for sequence in self.all.iter().filter(|sequence| sequence[0] == place.folded) {
                let Some(found) = places.get(start..start + sequence.len()) else { continue };
                if found.iter().zip(sequence).all(|(place, wanted)| place.folded == *wanted) {
                    let inner = &found[..found.len() - 1];
                    gaps.extend(inner.iter().find_map(|place| place.gap));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fold::folded_value;
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
            ("</memory\n>", "<\\/memory\n>"),
            ("<\r\n/mem\u{2028}ory\u{85}\n>", "<\\\r\n/mem\u{2028}ory\u{85}\n>"),
            ("﹤/𝐦emory>", "﹤\\/𝐦emory>"),
            ("", ""),
        ] {
            assert_eq!(escaped(&guards, value, "<memory>", "</memory>"), expected);
        }
        // Across the edges.
        assert_eq!(escaped(&guards, "- first", "Facts:\n", "\n"), "\\- first");
        assert_eq!(escaped(&guards, "a<", "", "/memory>"), "a<\\");
        assert_eq!(escaped(&guards, "/", "<", "memory>"), "\\/");
        assert_eq!(escaped(&guards, "\n/\n", "<", "memory>"), "\\\n/\n");
        // The template's own line breaks part what stands on their sides.
        assert_eq!(escaped(&guards, "</memory", "", "\n>"), "</memory");
    }

    #[test]
    fn the_mark_is_no_part_of_a_literal() {
        let literals = ["a\\b", "^"];
        assert_eq!(Guards::new(vec![folded("a\\b")], &literals).mark(), '~');
        // Not even in another form.
        assert_eq!(Guards::new(vec![], &["＼"]).mark(), '^');
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
            sequences in prop::collection::vec("\n[ab<>/-]{1,4}|[ab<>/-]{2,5}", 0..4),
            before in prop::collection::vec("[ab<>/ \n-]{0,5}", 1..3),
            behind in prop::collection::vec("[ab<>/ \n-]{0,5}", 1..3),
            // Whether another value stands there, and no literal.
            are_values in prop::array::uniform2(any::<bool>()),
        ) {
            let sequences: Vec<_> = sequences.iter().map(|it| folded(it)).collect();
            let guards = Guards::new(sequences.clone(), &[]);
            let [left, right] = [(before, are_values[0]), (behind, are_values[1])].map(
                |(texts, are_values)| -> Surroundings {
                    let fold = if are_values { folded_value } else { folded };
                    texts.iter().map(|it| fold(it)).collect()
                },
            );
            let mut out = String::new();
            guards.escape(&value, &left, &right, &mut out);
            prop_assert_eq!(guards.unescape(&out, &left, &right), value);
            let compared = |texts: &[char], sequence: &[char]| -> Vec<char> {
                let is_of_line = sequence[0] == '\n';
                let texts = texts.iter().filter(|it| is_of_line || **it != BREAK_OF_VALUE);
                texts.map(|&it| if it == BREAK_OF_VALUE { '\n' } else { it }).collect()
            };
            for (left, right) in left.iter().flat_map(|l| right.iter().map(move |r| (l, r))) {
                for sequence in &sequences {
                    let parts = [left, &folded_value(&out), right];
                    let [left, value, right] = parts.map(|part| compared(part, sequence));
                    let inside = left.len()..left.len() + value.len();
                    let whole = [left, value, right].concat();
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
