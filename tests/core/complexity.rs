//! The keyword scan against a slow matcher that goes character by character, and its invariants.

use memory_budget_core::complexity::{Analysis, ContextSignals, Rules, Scanner, Source};
use proptest::prelude::*;

/// The matching rules once more, on characters and without any cleverness.
mod naive {
    fn white(character: char) -> bool {
        ('\t'..='\r').contains(&character)
            || ('\u{1c}'..=' ').contains(&character)
            || "\u{85}\u{a0}\u{1680}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}".contains(character)
            || ('\u{2000}'..='\u{200a}').contains(&character)
    }

    fn word(character: Option<&char>) -> bool {
        character.is_some_and(|&c| !c.is_ascii() || c.is_ascii_alphanumeric() || c == '_')
    }

    pub fn words(query: &str) -> u64 {
        query.split(white).filter(|word| !word.is_empty()).count() as u64
    }

    /// Position after `literal`, if it stands at `position`.
    fn after(text: &[char], position: usize, literal: &str) -> Option<usize> {
        let end = position + literal.chars().count();
        let here: String = text.get(position..end)?.iter().collect();
        here.eq_ignore_ascii_case(literal).then_some(end)
    }

    fn after_gap(text: &[char], position: usize) -> Option<usize> {
        if text.get(position) == Some(&'-') {
            return Some(position + 1);
        }
        let length = text[position.min(text.len())..].iter().take_while(|c| white(**c)).count();
        (length > 0).then_some(position + length)
    }

    fn occurs(spelling: &str, text: &[char]) -> bool {
        let spelling = spelling.to_ascii_lowercase();
        let words: Vec<&str> =
            spelling.split(|c| c == '-' || white(c)).filter(|word| !word.is_empty()).collect();
        let letters = words.concat().chars().count();
        let (last, first_words) = words.split_last().unwrap();
        let mut endings = vec![(*last).to_string()];
        if letters >= 5 {
            for (american, british) in [("ize", "ise"), ("yze", "yse")] {
                if let Some(stem) = last.strip_suffix(american) {
                    endings.push(format!("{stem}{british}"));
                }
            }
            for ending in endings.clone() {
                if let Some(stem) = ending.strip_suffix('e') {
                    endings.extend(["ing", "ion", "ation"].map(|suffix| format!("{stem}{suffix}")));
                }
            }
        }
        let prefix = letters >= 5 && last.chars().count() >= 3;
        (0..text.len()).filter(|&start| start == 0 || !word(text.get(start - 1))).any(|start| {
            let mut position = Some(start);
            for first in first_words {
                position = position
                    .and_then(|position| after(text, position, first))
                    .and_then(|position| after_gap(text, position));
            }
            let Some(position) = position else { return false };
            endings
                .iter()
                .filter_map(|ending| after(text, position, ending))
                .any(|end| prefix || !word(text.get(end)))
        })
    }

    pub fn mentions(keyword: &str, query: &str) -> bool {
        let text: Vec<char> = query.chars().collect();
        keyword.split('|').any(|spelling| occurs(spelling, &text))
    }
}

fn naive_keywords<'r>(rules: &'r Rules, query: &str) -> Vec<(Source, &'r str)> {
    [
        (Source::ExpertKeyword, &rules.expert_keywords),
        (Source::ComplexKeyword, &rules.complex_keywords),
        (Source::DomainKeyword, &rules.domain_keywords),
    ]
    .into_iter()
    .flat_map(|(source, list)| list.iter().map(move |keyword| (source, keyword.as_str())))
    .filter(|(_, keyword)| naive::mentions(keyword, query))
    .collect()
}

fn scanned_keywords<'a>(analysis: &'a Analysis<'_>) -> Vec<(Source, &'a str)> {
    let reasons = analysis.contributions.iter();
    reasons
        .map(|reason| (reason.source, &*reason.detail))
        .filter(|(source, _)| !matches!(source, Source::Length | Source::Context))
        .collect()
}

fn all_domain_points() -> Rules {
    Rules { domain_points_limit: u32::MAX, ..Rules::default() }
}

/// White space, separators and things that look like them.
fn separator() -> impl Strategy<Value = String> {
    let spaces = prop::sample::select(vec![
        " ", "  ", "\t", "\n", "\u{1c}", "\u{1f}", "\u{85}", "\u{a0}", "\u{2003}", "\u{3000}",
        "\u{200b}", "-", "--", " - ", "_", ",", ".", "'", "(", "\0", "é", "İ", "\u{301}", "",
    ]);
    prop_oneof![4 => Just(" ".to_string()), 3 => spaces.prop_map(String::from)]
}

/// Whole, cut, extended and respelt keywords between other words.
fn token() -> impl Strategy<Value = String> {
    let rules = Rules::default();
    let lists = [rules.expert_keywords, rules.complex_keywords, rules.domain_keywords].concat();
    let spellings: Vec<String> =
        lists.iter().flat_map(|keyword| keyword.split('|').map(String::from)).collect();
    let keyword = prop::sample::select(spellings);
    let suffix = prop::sample::select(vec![
        "", "", "s", "d", "ed", "ing", "ion", "ation", "er", "if", "é", "1", "_",
    ]);
    let respelt = (keyword, suffix, 0..4_usize, any::<bool>(), any::<bool>(), separator())
        .prop_map(|(mut word, suffix, cut, british, upper, gap)| {
            for _ in 0..cut.saturating_sub(1) {
                word.pop();
            }
            if british {
                word = word.replace("iz", "is").replace("yz", "ys");
            }
            word = word.replace('-', &gap);
            word.push_str(suffix);
            if upper { word.to_uppercase() } else { word }
        });
    prop_oneof![5 => respelt, 1 => "\\PC{0,6}", 1 => "[a-z]{1,8}"]
}

fn query() -> impl Strategy<Value = String> {
    prop::collection::vec((token(), separator()), 0..30)
        .prop_map(|parts| parts.into_iter().flat_map(|(word, gap)| [word, gap]).collect())
}

/// Keywords over few letters, so that random text contains them.
fn small_keyword() -> impl Strategy<Value = String> {
    let spelling =
        "[abAé+]([abeizsé +-]{0,8}(e|ize|a))?".prop_map(|s: String| s.trim().to_string());
    prop::collection::vec(spelling, 1..3).prop_map(|spellings| spellings.join("|"))
}

fn small_text() -> impl Strategy<Value = String> {
    "([abeizsAEé+ -]|ing|ion|ation|ise|ize|\u{a0}|\u{2009}|\n){0,40}"
}

proptest! {
    #[test]
    fn default_keywords_are_found_as_the_slow_matcher_finds_them(query in query()) {
        let rules = all_domain_points();
        let scanner = Scanner::new(rules.clone()).unwrap();
        let analysis = scanner.analyze(&query, &ContextSignals::default());
        prop_assert_eq!(scanned_keywords(&analysis), naive_keywords(&rules, &query));
        prop_assert_eq!(analysis.word_count, naive::words(&query));
    }

    #[test]
    fn any_keywords_are_found_as_the_slow_matcher_finds_them(
        keywords in prop::collection::hash_set(small_keyword(), 1..6),
        text in small_text(),
    ) {
        let mut seen = std::collections::HashSet::new();
        // Two writings of one keyword count once; that has a test of its own.
        let keywords: Vec<String> = keywords
            .into_iter()
            .filter(|keyword| seen.insert(keyword.to_ascii_lowercase().replace(['-', ' '], "")))
            .collect();
        let rules = Rules {
            expert_keywords: keywords,
            complex_keywords: vec![],
            domain_keywords: vec![],
            ..Rules::default()
        };
        let scanner = Scanner::new(rules.clone()).unwrap();
        let analysis = scanner.analyze(&text, &ContextSignals::default());
        prop_assert_eq!(scanned_keywords(&analysis), naive_keywords(&rules, &text));
    }

    #[test]
    fn reasons_sum_to_the_points_and_the_points_give_the_level(
        query in query(),
        history_length in prop::option::of(any::<f64>()),
        turn_count in prop::option::of(any::<f64>()),
        multi_turn: bool,
        requires_retrieval: bool,
        points in prop::array::uniform6(prop_oneof![0..4_u32, Just(u32::MAX)]),
    ) {
        let [expert, complex, domain, domain_limit, turn, retrieval] = points;
        let rules = Rules {
            expert_points: expert,
            complex_points: complex,
            domain_points: domain,
            domain_points_limit: domain_limit,
            turn_points: turn,
            retrieval_points: retrieval,
            ..Rules::default()
        };
        let scanner = Scanner::new(rules).unwrap();
        let context = ContextSignals { history_length, turn_count, multi_turn, requires_retrieval };
        let analysis = scanner.analyze(&query, &context);
        let sum: u64 = analysis.contributions.iter().map(|reason| u64::from(reason.points)).sum();
        prop_assert_eq!(sum, u64::from(analysis.points));
        prop_assert!(analysis.contributions.iter().all(|reason| reason.points > 0));
        prop_assert!(analysis.contributions.is_sorted_by_key(|reason| reason.source as u8));
        prop_assert_eq!(scanner.points(&query, &context), analysis.points);
        prop_assert_eq!(scanner.level(analysis.points), analysis.level);
    }

    #[test]
    fn any_text_is_scanned(query in any::<String>()) {
        let scanner = Scanner::default();
        let analysis = scanner.analyze(&query, &ContextSignals::default());
        prop_assert_eq!(analysis.word_count, naive::words(&query));
    }
}

#[test]
fn a_long_query_is_scanned_in_proportion_to_its_length() {
    let scanner = Scanner::default();
    // Gaps of a million spaces after a keyword's first word are the worst that can be.
    let query =
        format!("what{}if event{}driven", " ".repeat(1_000_000), "\u{3000}".repeat(1_000_000));
    let analysis = scanner.analyze(&query, &ContextSignals::default());
    assert_eq!(scanned_keywords(&analysis).len(), 2);
    assert_eq!(analysis.word_count, 4);
}
