//! What every token counter can do.

use std::thread;

/// What a counter's numbers are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exactness {
    /// The number of tokens that the model's own tokenizer makes.
    Exact,
    /// Never less than that.
    UpperBound,
}

/// Bytes of text below which a second thread costs more than it saves: some 200 µs of counting.
const BYTES_A_THREAD: usize = 1 << 15;

/// Counts the tokens of texts.
pub trait TokenCounter: Sync {
    /// Its name, which says in every process how it counts.
    fn name(&self) -> &'static str;

    /// What its numbers are worth.
    fn exactness(&self) -> Exactness;

    /// The tokens of one text. What looks like a special token counts as plain text.
    fn count(&self, text: &str) -> u64;

    /// Whether a text counts as its parts do together where they meet at a [wall](super::walls::is_wall).
    fn adds_up_at_walls(&self) -> bool {
        false
    }

    /// The longest prefix found, of whole characters, that counts at most `limit` tokens.
    fn truncate<'text>(&self, text: &'text str, limit: u64) -> &'text str;

    /// The tokens of each text, in order, on up to `threads` threads.
    fn count_all(&self, texts: &[&str], threads: usize) -> Vec<u64> {
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let threads = threads.min(bytes / BYTES_A_THREAD).clamp(1, texts.len().max(1));
        let mut counts = vec![0; texts.len()];
        let count = |texts: &[&str], counts: &mut [u64]| {
            for (text, count) in texts.iter().zip(counts) {
                *count = self.count(text);
            }
        };
        if threads == 1 {
            count(texts, &mut counts);
            return counts;
        }
        thread::scope(|scope| {
            let share = bytes.div_ceil(threads);
            let (mut texts, mut counts) = (texts, &mut counts[..]);
            while !texts.is_empty() {
                let mut taken = 0;
                let part = texts
                    .iter()
                    .take_while(|text| {
                        let starts_within = taken < share;
                        taken += text.len();
                        starts_within
                    })
                    .count()
                    .max(1);
                let (now, later) = texts.split_at(part);
                let (now_counts, later_counts) = counts.split_at_mut(part);
                (texts, counts) = (later, later_counts);
                if texts.is_empty() {
                    count(now, now_counts);
                } else {
                    scope.spawn(move || count(now, now_counts));
                }
            }
        });
        counts
    }
}
