//! Cutting a text that is too long: at the end of a sentence, else of a word, else of a character.

use unicode_segmentation::UnicodeSegmentation;

/// What stands where a text was cut.
pub const MARK: &str = " [...]";

/// Where a text was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// After a sentence (Unicode Standard Annex 29), or a line.
    Sentence,
    /// After a word, within the first sentence.
    Word,
    /// Within the first word.
    Character,
}

/// The beginning of a text, its mark included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncated {
    /// The text that is left, and the mark.
    pub text: String,
    /// Its tokens.
    pub tokens: u64,
    /// Where it was cut.
    pub cut: Cut,
}

/// Characters that are looked at first for each token that is allowed; doubled until that is too much.
const CHARACTERS_A_TOKEN: u64 = 8;

/// Characters that are looked at beyond what fits: the whole of a word may count less than a part of it.
const SPARE_CHARACTERS: usize = 64;

/// The longest beginning of `text`, with `mark` behind it, that has at most `limit` tokens by `count`; None
/// if not one character fits.
///
/// For a text that is longer than allowed; a shorter one is cut all the same. "Longest" is found by
/// bisection, as if a longer beginning never had fewer tokens; that the result fits was counted. Text is
/// counted in pieces of the order of `limit`, however long it is.
///
/// # Errors
/// The first error of `count`.
pub fn truncate<E>(
    text: &str,
    limit: u64,
    mark: &str,
    mut count: impl FnMut(&str) -> Result<u64, E>,
) -> Result<Option<Truncated>, E> {
    // How much of the text can matter at all.
    let mut most = usize::try_from(limit.saturating_mul(CHARACTERS_A_TOKEN)).unwrap_or(usize::MAX);
    let window = loop {
        let Some((end, _)) = text.char_indices().nth(most) else { break text };
        if count(&beginning(text, end, mark))? > limit {
            break &text[..end];
        }
        most = most.saturating_mul(2).max(1);
    };
    search(text, window, limit, mark, count)
}

/// As [`truncate`], for a counter that tells how much of a text counts at most `limit` tokens: `fitting`
/// bytes, which end between two characters.
///
/// # Errors
/// The first error of `count`.
///
/// # Panics
/// If `fitting` lies within a character, or behind the text.
pub fn truncate_within<E>(
    text: &str,
    fitting: usize,
    limit: u64,
    mark: &str,
    count: impl FnMut(&str) -> Result<u64, E>,
) -> Result<Option<Truncated>, E> {
    let more = text[fitting..].char_indices().nth(SPARE_CHARACTERS);
    let window = more.map_or(text, |(end, _)| &text[..fitting + end]);
    search(text, window, limit, mark, count)
}

fn beginning(text: &str, end: usize, mark: &str) -> String {
    [text[..end].trim_end(), mark].concat()
}

/// Searches the ends of sentences, words and characters in a beginning of the text.
fn search<E>(
    text: &str,
    window: &str,
    limit: u64,
    mark: &str,
    mut count: impl FnMut(&str) -> Result<u64, E>,
) -> Result<Option<Truncated>, E> {
    // Where the window cuts a sentence or a word is no end of one.
    let is_whole = window.len() == text.len();
    let ends = |bounds: &mut dyn Iterator<Item = (usize, &str)>| {
        let mut ends: Vec<_> = bounds
            .filter(|(_, piece)| !piece.trim().is_empty())
            .map(|(start, piece)| start + piece.len())
            .collect();
        if is_whole || ends.last() == Some(&window.len()) {
            ends.pop(); // all of it: nothing would be cut
        }
        ends
    };
    let mut longest = |ends: &[usize], cut: Cut| -> Result<Option<Truncated>, E> {
        let (mut best, mut low, mut high) = (None, 0, ends.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let text = beginning(text, ends[middle], mark);
            let tokens = count(&text)?;
            if tokens <= limit {
                best = Some(Truncated { text, tokens, cut });
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(best)
    };
    let sentences = ends(&mut window.split_sentence_bound_indices());
    if let Some(found) = longest(&sentences, Cut::Sentence)? {
        return Ok(Some(found));
    }
    let first = sentences.first().copied().unwrap_or(window.len());
    let words = ends(&mut window[..first].split_word_bound_indices());
    if let Some(found) = longest(&words, Cut::Word)? {
        return Ok(Some(found));
    }
    let first = words.first().copied().unwrap_or(first);
    let characters: Vec<_> =
        window[..first].char_indices().skip(1).map(|(start, _)| start).collect();
    longest(&characters, Cut::Character)
}
