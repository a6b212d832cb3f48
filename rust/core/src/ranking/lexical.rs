//! How well the words of a text match those of a query: BM25.
//!
//! ```text
//! bm25(text) = sum over the query's words of idf(word) * (count * (k1 + 1)) / (count + k1 * (1 - b + b * length / average))
//! ```
//!
//! with `k1` = 1.5 and `b` = .75. Statistics are those of the call's candidates and nothing else. Words are
//! added up in the order in which the query first has them, so a list and an index give the same bits.
//!
//! Source: Robertson and Zaragoza, The probabilistic relevance framework: BM25 and beyond (2009).

use std::collections::HashMap;

use super::text::Terms;
use super::words::{Word, for_each_word};

/// How soon further occurrences of a word stop counting.
pub const K1: f64 = 1.5;
/// How much longer texts are discounted, 0 to 1.
pub const B: f64 = 0.75;

/// The different words of a query, in the order of their first appearance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryWords(Vec<Word>);

impl QueryWords {
    /// Reads a query.
    #[must_use]
    pub fn of(query: &str) -> Self {
        let mut words = Vec::new();
        for_each_word(query, |word| words.push(word));
        let mut order: Vec<usize> = (0..words.len()).collect();
        order.sort_unstable_by_key(|&at| (words[at], at));
        order.dedup_by_key(|at| words[*at]);
        order.sort_unstable();
        Self(order.into_iter().map(|at| words[at]).collect())
    }

    /// Whether there is no word.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a word is worth that `containing` of `candidates` texts have: the logarithm of how much rarer
/// it is than a word that half of them have.
///
/// 0 for a word of more than half of them: it says how long a text is, not what it is about. (The
/// weight BM25 was published with is negative there. The usual repair, adding 1 inside the logarithm,
/// gives such words weight.)
fn inverse_frequency(candidates: usize, containing: usize) -> f64 {
    if 2 * containing > candidates {
        return 0.0;
    }
    ((candidates as f64 + 2.0) / (2.0 * containing as f64 + 1.0)).ln()
}

/// `k1 * (1 - b + b * length / average)`.
fn damping(length: u32, average: f64) -> f64 {
    K1 * (1.0 - B + B * f64::from(length) / average)
}

fn saturation(count: u8, damping: f64) -> f64 {
    let count = f64::from(count);
    count * (K1 + 1.0) / (count + damping)
}

fn average(length: u64, candidates: usize) -> f64 {
    length as f64 / candidates as f64
}

/// BM25 of each text, at least 0. All 0 where the query has no word that tells texts apart.
#[must_use]
pub fn bm25<'a>(query: &QueryWords, texts: impl ExactSizeIterator<Item = &'a Terms>) -> Vec<f64> {
    let candidates = texts.len();
    let words = query.0.len();
    if words == 0 {
        return vec![0.0; candidates];
    }
    let mut counts = Vec::with_capacity(candidates * words);
    let mut lengths = Vec::with_capacity(candidates);
    let mut containing = vec![0; words];
    for text in texts {
        lengths.push(text.length());
        for (&word, containing) in query.0.iter().zip(&mut containing) {
            let count = text.count(word);
            *containing += usize::from(count > 0);
            counts.push(count);
        }
    }
    let average = average(lengths.iter().map(|&length| u64::from(length)).sum(), candidates);
    let worth: Vec<f64> = containing
        .into_iter()
        .map(|containing| inverse_frequency(candidates, containing))
        .collect();
    counts
        .chunks_exact(words)
        .zip(lengths)
        .map(|(counts, length)| {
            let damping = damping(length, average);
            let mut sum = 0.0;
            for (&count, &worth) in counts.iter().zip(&worth) {
                if count > 0 {
                    sum += worth * saturation(count, damping);
                }
            }
            sum
        })
        .collect()
}

/// Where a word occurs.
#[derive(Clone, Debug, Default)]
struct Postings {
    /// Ascending.
    rows: Vec<u32>,
    counts: Vec<u8>,
}

/// The words of many texts that stay, by word: BM25 without looking at texts that have none of them.
///
/// Five bytes for each different word of a text, and four a row. Rows are numbers the caller gives.
#[derive(Clone, Debug, Default)]
pub struct Index {
    postings: HashMap<Word, Postings>,
    /// Per row; `None` where there is no text.
    lengths: Vec<Option<u32>>,
    /// Sum of all lengths.
    length: u64,
    texts: usize,
}

impl Index {
    /// How many texts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts == 0
    }

    /// Adds a text as a row that has none yet. Cheapest where rows are added in ascending order.
    ///
    /// # Panics
    /// If the row has a text.
    pub fn add(&mut self, row: u32, terms: &Terms) {
        let at = row as usize;
        if self.lengths.len() <= at {
            self.lengths.resize(at + 1, None);
        }
        assert!(self.lengths[at].is_none(), "row {row} is in the index");
        self.lengths[at] = Some(terms.length());
        self.length += u64::from(terms.length());
        self.texts += 1;
        for (word, count) in terms.counted() {
            let postings = self.postings.entry(word).or_default();
            let place = match postings.rows.last() {
                Some(&last) if last > row => postings.rows.partition_point(|&other| other < row),
                _ => postings.rows.len(),
            };
            postings.rows.insert(place, row);
            postings.counts.insert(place, count);
        }
    }

    /// Takes out the text of a row; the terms are those it was added with.
    ///
    /// # Panics
    /// If the row has no text.
    pub fn remove(&mut self, row: u32, terms: &Terms) {
        let length = self.lengths.get_mut(row as usize).and_then(Option::take);
        let length = length.unwrap_or_else(|| panic!("row {row} is not in the index"));
        self.length -= u64::from(length);
        self.texts -= 1;
        for (word, _) in terms.counted() {
            let Some(postings) = self.postings.get_mut(&word) else { continue };
            if let Ok(place) = postings.rows.binary_search(&row) {
                postings.rows.remove(place);
                postings.counts.remove(place);
            }
            if postings.rows.is_empty() {
                self.postings.remove(&word);
            }
        }
    }

    /// BM25 per row, with every text a candidate; 0 where there is no text. Equals [`bm25`] over the
    /// same texts to the bit.
    #[must_use]
    pub fn bm25(&self, query: &QueryWords) -> Vec<f64> {
        self.scores(query, self.texts, self.length, |_| true)
    }

    /// BM25 per row, with the flagged rows that have a text as the candidates; 0 elsewhere.
    ///
    /// `is_candidate`: per row of the index; rows beyond its end are no candidates.
    #[must_use]
    pub fn bm25_among(&self, query: &QueryWords, is_candidate: &[bool]) -> Vec<f64> {
        // Without a branch on each row: nobody could foretell them.
        let (mut texts, mut length) = (0, 0);
        for (row_length, &is) in self.lengths.iter().zip(is_candidate) {
            texts += usize::from(is & row_length.is_some());
            length += u64::from(row_length.unwrap_or(0)) * u64::from(is);
        }
        self.scores(query, texts, length, |row| {
            is_candidate.get(row as usize).copied().unwrap_or(false)
        })
    }

    fn scores(
        &self,
        query: &QueryWords,
        candidates: usize,
        length: u64,
        is_candidate: impl Fn(u32) -> bool,
    ) -> Vec<f64> {
        let mut scores = vec![0.0; self.lengths.len()];
        let average = average(length, candidates);
        for word in &query.0 {
            let Some(postings) = self.postings.get(word) else { continue };
            let containing = postings.rows.iter().map(|&row| usize::from(is_candidate(row))).sum();
            let worth = inverse_frequency(candidates, containing);
            if worth == 0.0 {
                continue;
            }
            for (&row, &count) in postings.rows.iter().zip(&postings.counts) {
                let at = row as usize;
                if is_candidate(row)
                    && let Some(length) = self.lengths[at]
                {
                    scores[at] += worth * saturation(count, damping(length, average));
                }
            }
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(query: &str, texts: &[&str]) -> Vec<f64> {
        let terms: Vec<Terms> = texts.iter().map(|text| Terms::of(text)).collect();
        bm25(&QueryWords::of(query), terms.iter())
    }

    #[test]
    fn rare_words_count_and_words_of_the_majority_do_not() {
        let texts = ["the database index", "the tea", "the train", "the database"];
        let found = scores("the database index", &texts);
        assert!(found[0] > found[3] && found[3] > 0.0, "{found:?}");
        assert_eq!(found[1], 0.0);
        assert_eq!(scores("the", &texts), [0.0; 4]);
        assert!(scores("tea", &["tea", "train"])[0] > 0.0);
    }

    #[test]
    fn nothing_to_compare_is_zero() {
        assert_eq!(scores("", &["tea", "train"]), [0.0; 2]);
        assert_eq!(scores("?!", &["tea", ""]), [0.0; 2]);
        assert_eq!(scores("tea", &["", ""]), [0.0; 2]);
        assert_eq!(scores("tea", &[]), [0.0; 0]);
        assert_eq!(scores("tea tea", &["tea", "train"]), scores("tea", &["tea", "train"]));
    }

    #[test]
    fn removing_is_the_opposite_of_adding() {
        let texts = ["tea", "tea train", "", "train", "coffee"].map(Terms::of);
        let query = QueryWords::of("train tea");
        let mut index = Index::default();
        for (row, terms) in (0..).zip(&texts) {
            index.add(row, terms);
        }
        let before = index.bm25(&query);
        index.remove(1, &texts[1]);
        assert_eq!(index.len(), 4);
        assert_eq!(index.bm25(&query)[1], 0.0);
        index.add(1, &texts[1]);
        assert_eq!(index.bm25(&query), before);
        assert_eq!(before, bm25(&query, texts.iter()));
    }
}
