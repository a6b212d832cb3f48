//! Counters of tokens: batches, prefixes and the bound, for texts of any kind.

use memory_budget_core::tokens::counter::{Exactness, TokenCounter};
use memory_budget_core::tokens::upper_bound::UpperBound;
use memory_budget_core::tokens::vocabularies::{CL100K_BASE, O200K_BASE};
use proptest::prelude::*;

const ALL: [&dyn TokenCounter; 3] = [&O200K_BASE, &CL100K_BASE, &UpperBound];

/// Any characters, and those that decide where pieces end.
fn texts() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        any::<String>(),
        "[ \n\r\t]{1,9}",
        "[a-zA-Z']{1,12}",
        "[0-9]{1,7}",
        "['’sStTrReEvVmMlLdDſK]{1,6}",
        "[ǅʰ\u{301}Ⅻ½ªß中한あ😀\u{200d}\u{fe0f}]{1,6}",
        "[-/.!<|>]{1,6}",
    ];
    prop::collection::vec(pieces, 0..8).prop_map(|pieces| pieces.concat())
}

#[test]
fn counters_say_what_they_are() {
    assert_eq!(ALL.map(TokenCounter::name), ["o200k_base", "cl100k_base", "upper_bound"]);
    assert_eq!(O200K_BASE.exactness(), Exactness::Exact);
    assert_eq!(UpperBound.exactness(), Exactness::UpperBound);
}

/// As tiktoken counts them.
#[test]
fn known_counts() {
    for (text, o200k, cl100k) in [
        ("", 0, 0),
        ("hello world", 2, 2),
        ("<|endoftext|>", 7, 7),
        ("don't DON'T donſt", 5, 8),
        ("    indented\n\n  \n", 4, 5),
    ] {
        let counts = [O200K_BASE.count(text), CL100K_BASE.count(text)];
        assert_eq!(counts, [o200k, cl100k], "{text:?}");
    }
}

/// Ten million characters of one kind take seconds, not hours, because time grows with the text alone.
#[test]
fn long_pieces_are_counted_in_linear_time() {
    for unit in ["a", " ", "\u{301}", "中"] {
        let (short, long) = (unit.repeat(20_000), unit.repeat(200_000));
        for counter in ALL {
            let ratio = counter.count(&long) as f64 / counter.count(&short) as f64;
            assert!((9.9..10.1).contains(&ratio), "{} {unit:?}: {ratio}", counter.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_batch_counts_as_its_texts_do(texts in prop::collection::vec(texts(), 0..20), repeat in 1_usize..400) {
        let texts: Vec<String> = texts.into_iter().map(|text| text.repeat(repeat)).collect();
        let borrowed: Vec<&str> = texts.iter().map(String::as_str).collect();
        for counter in ALL {
            let singles: Vec<u64> = borrowed.iter().map(|text| counter.count(text)).collect();
            prop_assert_eq!(&counter.count_all(&borrowed, 1), &singles);
            prop_assert_eq!(&counter.count_all(&borrowed, 5), &singles);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_prefix_fits_and_is_one(text in texts(), limit in 0_u64..40) {
        for counter in ALL {
            let prefix = counter.truncate(&text, limit);
            prop_assert!(text.starts_with(prefix));
            prop_assert!(counter.count(prefix) <= limit);
            if counter.count(&text) <= limit {
                prop_assert_eq!(prefix, &text);
            }
        }
    }

    #[test]
    fn no_text_has_more_tokens_than_bytes_and_only_an_empty_one_has_none(text in texts()) {
        for counter in ALL {
            let tokens = counter.count(&text);
            prop_assert!(counter.exactness() != Exactness::Exact || tokens <= text.len() as u64);
            prop_assert_eq!(tokens == 0, text.is_empty());
        }
    }

    #[test]
    fn the_bound_holds(text in texts()) {
        let bound = UpperBound.count(&text);
        prop_assert!(O200K_BASE.count(&text) <= bound);
        prop_assert!(CL100K_BASE.count(&text) <= bound);
    }
}
