//! Finding keywords in a query.
//!
//! A match begins where no word character stands before it. ASCII letters match in both cases. A
//! gap in a keyword (spaces, hyphens) stands for a run of white space or for one hyphen. A keyword of
//! five letters and more matches as a prefix, unless its last word is short ("what if"); all others
//! end at a word's end. A long keyword in -e is also found in -ing, -ion and -ation, and one in -ize
//! or -yze in British spelling.
//!
//! All of this works on bytes: every byte of a character beyond ASCII is a word character's, so no
//! match can begin or end inside one.

use std::collections::HashSet;

use super::rules::{Rules, is_gap, spellings};
use super::text;
use super::{Source, text::is_word};

/// Stands for a gap in a pattern; no byte of UTF-8 has this value.
const GAP: u8 = 0xff;

/// Letters from which a keyword matches as a prefix.
const PREFIX_LETTERS: usize = 5;

/// Letters below which a last word must end where it matches.
const LAST_WORD_LETTERS: usize = 3;

/// What a long keyword's final -e can turn into.
const E_ENDINGS: [&[u8]; 4] = [b"e", b"ing", b"ion", b"ation"];

/// One way to write a keyword.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pattern {
    /// Lower-case bytes with [`GAP`]s, without the final -e if `inflected`.
    bytes: Box<[u8]>,
    /// One of [`E_ENDINGS`] must follow.
    inflected: bool,
    /// No word character may follow.
    whole: bool,
}

impl Pattern {
    /// The patterns of one spelling: itself, and its British form if it has one.
    fn of(spelling: &str) -> Vec<Self> {
        let words: Vec<&str> = spelling.split(is_gap).filter(|word| !word.is_empty()).collect();
        let letters: usize = words.iter().map(|word| word.chars().count()).sum();
        let last_word_letters = words.last().map_or(0, |word| word.chars().count());
        let long = letters >= PREFIX_LETTERS;
        let whole = !long || last_word_letters < LAST_WORD_LETTERS;

        let words: Vec<&[u8]> = words.into_iter().map(str::as_bytes).collect();
        let american = words.join(&GAP).to_ascii_lowercase();
        let mut forms = vec![american];
        if long && (forms[0].ends_with(b"ize") || forms[0].ends_with(b"yze")) {
            let mut british = forms[0].clone();
            let z = british.len() - 2;
            british[z] = b's';
            forms.push(british);
        }
        let pattern = |mut bytes: Vec<u8>| {
            let inflected = long && bytes.last() == Some(&b'e');
            if inflected {
                bytes.pop();
            }
            Self { bytes: bytes.into(), inflected, whole }
        };
        forms.into_iter().map(pattern).collect()
    }

    /// Whether the text begins with it.
    fn begins(&self, mut text: &[u8]) -> bool {
        for &expected in &self.bytes {
            if expected == GAP {
                let length = gap_length(text);
                if length == 0 {
                    return false;
                }
                text = &text[length..];
            } else {
                match text.split_first() {
                    Some((byte, rest)) if byte.to_ascii_lowercase() == expected => text = rest,
                    _ => return false,
                }
            }
        }
        if self.inflected {
            E_ENDINGS.iter().any(|ending| {
                text.split_at_checked(ending.len()).is_some_and(|(start, rest)| {
                    start.eq_ignore_ascii_case(ending) && self.may_end(rest)
                })
            })
        } else {
            self.may_end(text)
        }
    }

    fn may_end(&self, rest: &[u8]) -> bool {
        !self.whole || rest.first().is_none_or(|byte| !is_word(*byte))
    }
}

/// Bytes of the gap that `text` begins with: one hyphen or all white space; 0 if there is none.
fn gap_length(text: &[u8]) -> usize {
    if text.first() == Some(&b'-') {
        return 1;
    }
    let mut length = 0;
    loop {
        match text::white_space_length(&text[length..]) {
            0 => return length,
            step => length += step,
        }
    }
}

/// A listed keyword: where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keyword {
    /// Its list.
    pub source: Source,
    /// Its place in that list.
    pub position: usize,
}

/// What one pass over a query gathers.
pub(super) struct Scan {
    /// Words as `str.split` counts them.
    pub word_count: u64,
    /// Keywords that occur.
    pub found: Found,
}

/// Set of keywords by number. The default lists fit the part that needs no allocation.
#[derive(Default)]
pub(super) struct Found {
    first: u128,
    rest: Vec<u128>,
}

impl Found {
    const BITS: usize = u128::BITS as usize;

    fn insert(&mut self, index: usize) {
        let bit = 1 << (index % Self::BITS);
        match index / Self::BITS {
            0 => self.first |= bit,
            block => {
                if self.rest.len() < block {
                    self.rest.resize(block, 0);
                }
                self.rest[block - 1] |= bit;
            }
        }
    }

    fn contains(&self, index: usize) -> bool {
        let block = match index / Self::BITS {
            0 => self.first,
            block => self.rest.get(block - 1).copied().unwrap_or(0),
        };
        block & (1 << (index % Self::BITS)) != 0
    }

    /// The members, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let blocks = std::iter::once(self.first).chain(self.rest.iter().copied());
        blocks.enumerate().flat_map(|(block, mut bits)| {
            std::iter::from_fn(move || {
                let bit = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
                bits &= bits - 1;
                Some(block * Self::BITS + bit)
            })
        })
    }
}

// What a byte can be; one table look-up answers all of it.
const WORD: u8 = 1;
const WHITE_SPACE: u8 = 2;
const WIDE_WHITE_SPACE: u8 = 4;
const BEGINS_KEYWORD: u8 = 8;

/// A pattern in the table.
#[derive(Clone, Debug)]
struct Entry {
    /// Second byte of the pattern, beside it so that most candidates fall without a look inside;
    /// [`GAP`] where it is a gap or there is none.
    second: u8,
    /// Number of its keyword.
    keyword: usize,
    pattern: Pattern,
}

/// All keywords, ready to be found. Its size is that of the lists; a query's scan takes time
/// proportional to the query's length.
#[derive(Clone, Debug)]
pub(super) struct KeywordTable {
    keywords: Vec<Keyword>,
    /// Sorted by first byte.
    patterns: Vec<Entry>,
    /// For each (lower-case) first byte, where its patterns begin; they end where the next begin.
    starts: Box<[usize; 257]>,
    kinds: Box<[u8; 256]>,
}

impl KeywordTable {
    /// Compiles checked rules. A keyword that a list repeats is one keyword.
    pub(super) fn new(rules: &Rules) -> Self {
        let mut keywords = Vec::new();
        let mut patterns: Vec<Entry> = Vec::new();
        for source in [Source::ExpertKeyword, Source::ComplexKeyword, Source::DomainKeyword] {
            let mut seen = HashSet::new();
            for (position, listed) in rules.keywords(source).iter().enumerate() {
                let own: Vec<Pattern> = spellings(listed).flat_map(Pattern::of).collect();
                if seen.insert(own.clone()) {
                    patterns.extend(own.into_iter().map(|pattern| Entry {
                        second: pattern.bytes.get(1).copied().unwrap_or(GAP),
                        keyword: keywords.len(),
                        pattern,
                    }));
                    keywords.push(Keyword { source, position });
                }
            }
        }
        let first_byte = |entry: &Entry| usize::from(entry.pattern.bytes[0]);
        patterns.sort_by_key(first_byte);

        let mut starts = Box::new([0; 257]);
        for (byte, start) in starts.iter_mut().enumerate() {
            *start = patterns.partition_point(|entry| first_byte(entry) < byte);
        }
        let mut kinds = Box::new([0; 256]);
        for (byte, kind) in (0_u8..=255).zip(kinds.iter_mut()) {
            let lower = usize::from(byte.to_ascii_lowercase());
            for (flag, holds) in [
                (WORD, is_word(byte)),
                (WHITE_SPACE, text::is_ascii_white_space(byte)),
                (WIDE_WHITE_SPACE, text::begins_wide_white_space(byte)),
                (BEGINS_KEYWORD, starts[lower] < starts[lower + 1]),
            ] {
                *kind |= if holds { flag } else { 0 };
            }
        }
        Self { keywords, patterns, starts, kinds }
    }

    /// The keyword of that number.
    pub(super) fn keyword(&self, index: usize) -> Keyword {
        self.keywords[index]
    }

    /// Counts words and finds keywords in one pass.
    pub(super) fn scan(&self, query: &str) -> Scan {
        let bytes = query.as_bytes();
        let mut found = Found::default();
        let mut word_count = 0_u64;
        let mut in_word = false; // between white space, as `str.split` sees it
        let mut after_word_character = false; // as the keywords see it: punctuation ends a word too
        let mut position = 0;
        while let Some(&byte) = bytes.get(position) {
            let kind = self.kinds[usize::from(byte)];
            if kind & BEGINS_KEYWORD != 0 && !after_word_character {
                self.find_at(&bytes[position..], &mut found);
            }
            if kind & WIDE_WHITE_SPACE != 0 {
                let length = text::wide_white_space_length(&bytes[position..]);
                if length != 0 {
                    in_word = false;
                    after_word_character = true;
                    position += length;
                    continue;
                }
            }
            let white_space = kind & WHITE_SPACE != 0;
            word_count += u64::from(!white_space && !in_word);
            in_word = !white_space;
            after_word_character = kind & WORD != 0;
            position += 1;
        }
        Scan { word_count, found }
    }

    fn find_at(&self, text: &[u8], found: &mut Found) {
        let first = usize::from(text[0].to_ascii_lowercase());
        let second = text.get(1).map_or(GAP, u8::to_ascii_lowercase);
        for entry in &self.patterns[self.starts[first]..self.starts[first + 1]] {
            if (entry.second == second || entry.second == GAP)
                && !found.contains(entry.keyword)
                && entry.pattern.begins(text)
            {
                found.insert(entry.keyword);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(keyword: &str, query: &str) -> bool {
        let rules = Rules {
            expert_keywords: vec![keyword.into()],
            complex_keywords: vec![],
            domain_keywords: vec![],
            ..Rules::default()
        };
        KeywordTable::new(&rules).scan(query).found.iter().eq([0])
    }

    #[test]
    fn long_keywords_match_as_a_prefix_with_their_inflections() {
        for (keyword, query) in [
            ("difference", "DIFFERENCES"),
            ("design", "(designed)"),
            ("analyze", "analyzing"),
            ("analyze", "Analyse"),
            ("analyze", "analysing"),
            ("optimize", "optimization"),
            ("optimize", "optimisation"),
            ("synthesize", "synthesised"),
            ("evaluate", "evaluation"),
            ("café crème", "Café\u{2003}\t crèmes"),
        ] {
            assert!(finds(keyword, query), "{keyword} in {query}");
        }
        for (keyword, query) in [
            ("analyze", "analysis"),
            ("design", "redesign"),
            ("cause", "because"),
            ("optimize", "optimiz"),
        ] {
            assert!(!finds(keyword, query), "{keyword} in {query}");
        }
    }

    #[test]
    fn short_keywords_are_whole_words() {
        for query in ["how", "HOW?", "and-how", "so,how"] {
            assert!(finds("how", query), "{query}");
        }
        for query in
            ["show", "somehow", "however", "how\u{e9}", "\u{a0}how", "how\u{a0}", "_how", "how2"]
        {
            assert!(!finds("how", query), "{query}");
        }
    }

    #[test]
    fn gaps_are_white_space_or_one_hyphen() {
        for query in
            ["event-driven", "event \u{3000}\n driven", "Event Driven", "event\u{1c}driven"]
        {
            assert!(finds("event-driven", query) && finds("event driven", query), "{query}");
        }
        for query in
            ["event--driven", "event -driven", "event- driven", "eventdriven", "event_driven"]
        {
            assert!(!finds("event-driven", query), "{query}");
        }
        assert!(finds("what if", "what-if?"));
        assert!(!finds("what if", "what iffy"));
    }

    #[test]
    fn outer_hyphens_of_a_keyword_do_not_count() {
        assert!(finds("--verbose", "verbosely"));
        assert!(finds(" how- ", "how"));
    }

    #[test]
    fn a_keyword_may_begin_and_end_with_punctuation() {
        assert!(finds("c++", "in C++ or"));
        assert!(finds("#[derive]", "use #[derive] here"));
        assert!(!finds("#tag", "a#tag"));
    }

    #[test]
    fn a_repeated_keyword_is_one_and_lists_may_be_long() {
        let mut expert_keywords: Vec<String> = (0..300).map(|n| format!("word{n}x")).collect();
        expert_keywords.extend(["WORD7x".into(), " word7x ".into()]);
        let rules = Rules { expert_keywords, ..Rules::default() };
        let scan = KeywordTable::new(&rules).scan("word299x word7x word130x word7x");
        assert_eq!(scan.found.iter().collect::<Vec<_>>(), [7, 130, 299]);
    }

    #[test]
    fn words_are_counted_as_python_splits() {
        let count = |query| KeywordTable::new(&Rules::default()).scan(query).word_count;
        assert_eq!(count(""), 0);
        assert_eq!(count(" \u{1f}\u{2028}a\u{85}b\u{a0} c-d\u{200b}e "), 3);
    }
}
