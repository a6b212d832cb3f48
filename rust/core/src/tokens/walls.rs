//! Places at which a text can be cut without changing what its tokens are.

/// Whether a counter that [adds up at walls](super::counter::TokenCounter::adds_up_at_walls) counts a text as the two
/// parts of it that meet between these two characters, of which the first is of ASCII.
///
/// No piece of a vocabulary's pattern reaches over such a place, and none before it looks further:
///
/// * a small letter, then white space of ASCII: white space ends a word, and only stands at the beginning of one;
/// * a line break, then neither white space nor a slash: what takes line breaks takes all there are, and of
///   `o200k_base` slashes behind them.
#[must_use]
pub fn is_wall(before: u8, after: char) -> bool {
    match before {
        b'a'..=b'z' => matches!(after, ' ' | '\t' | '\r' | '\n'),
        b'\r' | b'\n' => after != '/' && !after.is_whitespace(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::counter::TokenCounter;
    use super::super::upper_bound::UpperBound;
    use super::super::vocabularies::{CL100K_BASE, O200K_BASE};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_add_up_at_walls(
            text in prop_oneof![
                r"[ a-cXY0-9'.,/<>\r\n\té\u{301}中]{2,40}",
                r"([a-z]{1,9}[ \n]|[</>]{1,3}|\PC|[\r\n]{1,2}){1,20}",
                any::<String>(),
            ],
        ) {
            let counters: [&dyn TokenCounter; 3] = [&CL100K_BASE, &O200K_BASE, &UpperBound];
            for (at, after) in text.char_indices().skip(1) {
                if is_wall(text.as_bytes()[at - 1], after) {
                    for counter in counters {
                        prop_assert!(counter.adds_up_at_walls());
                        let parts = counter.count(&text[..at]) + counter.count(&text[at..]);
                        prop_assert_eq!(counter.count(&text), parts, "{} at {}", counter.name(), at);
                    }
                }
            }
        }
    }

    #[test]
    fn elsewhere_they_need_not() {
        for (before, after) in [('a', 'b'), ('\n', '\n'), ('\n', '/'), (' ', 'a'), ('>', '<')] {
            assert!(!is_wall(before as u8, after), "{before:?} {after:?}");
        }
        assert_eq!(O200K_BASE.count(";\n/"), 1);
        assert_eq!(O200K_BASE.count(";\n") + O200K_BASE.count("/"), 2);
    }
}
