//! Token counts of a pool's texts: kept with the chunk, so that a text is counted once and not by
//! every call.

use std::sync::Arc;

use super::chunk::{CHUNK, Chunk};
use super::cost::Cost;
use super::snapshot::Snapshot;
use crate::token_cell::Counter;

/// No count is as large.
const UNKNOWN: u64 = u64::MAX;

/// What one counter said of the rows of a chunk that have no count of their own.
#[derive(Clone)]
pub(super) struct CountColumn {
    counter: Counter,
    counts: Vec<u64>,
    /// Whether every row that needs a count has one.
    complete: bool,
}

impl CountColumn {
    fn new(counter: Counter) -> Self {
        Self { counter, counts: Vec::new(), complete: false }
    }

    /// Forgets the counts of rows that changed.
    pub fn forget(&mut self, changed: &[usize]) {
        self.complete = false;
        for &at in changed {
            if let Some(count) = self.counts.get_mut(at) {
                *count = UNKNOWN;
            }
        }
    }

    fn knows(&self, at: usize) -> bool {
        self.counts.get(at).is_some_and(|count| *count != UNKNOWN)
    }

    /// What a row costs, given that of its chunk.
    pub fn tokens(&self, at: usize, cost: Cost) -> u64 {
        match cost {
            Cost::Tokens(tokens) => tokens,
            Cost::CodePoints(0) => 0,
            Cost::CodePoints(_) => self.counts[at],
        }
    }

    pub fn heap_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<u64>()
    }
}

/// The counts of one counter for all rows of a snapshot; see [`Snapshot::counts`].
pub struct Counts {
    pub(super) columns: Vec<Arc<CountColumn>>,
}

impl Counts {
    /// What a row costs, given that of its chunk.
    #[must_use]
    pub(crate) fn tokens(&self, row: u32, cost: Cost) -> u64 {
        let row = row as usize;
        self.columns[row / CHUNK].tokens(row % CHUNK, cost)
    }
}

impl<P: Clone, E: Clone> Snapshot<P, E> {
    /// What a counter says of the rows without a count. `count` gets the numbers of rows that it has
    /// not seen yet, of one chunk at a time, and gives one count each. The counts are kept for later
    /// calls with the same counter, until the row changes.
    ///
    /// # Errors
    /// The first that `count` returns; what was counted before stays known.
    pub fn counts<F>(
        &self,
        counter: Counter,
        mut count: impl FnMut(&[u32]) -> Result<Vec<u64>, F>,
    ) -> Result<Counts, F> {
        let mut columns = Vec::with_capacity(self.chunks.len());
        for (number, chunk) in self.chunks.iter().enumerate() {
            let known = chunk
                .counted()
                .filter(|column| column.counter == counter && counter != Counter::UNNAMED);
            columns.push(match known {
                Some(column) if column.complete => column,
                column => complete(number, chunk, column, counter, &mut count)?,
            });
        }
        Ok(Counts { columns })
    }
}

fn complete<P: Clone, E: Clone, F>(
    number: usize,
    chunk: &Chunk<P, E>,
    known: Option<Arc<CountColumn>>,
    counter: Counter,
    count: &mut impl FnMut(&[u32]) -> Result<Vec<u64>, F>,
) -> Result<Arc<CountColumn>, F> {
    let mut column = known.map_or_else(|| CountColumn::new(counter), |known| (*known).clone());
    let needs_count = |at: &usize| {
        let has_text = matches!(chunk.cost(*at), Cost::CodePoints(length) if length > 0);
        has_text && chunk.tier(*at).is_some() && !column.knows(*at)
    };
    let missing: Vec<usize> = (0..chunk.len()).filter(needs_count).collect();
    if !missing.is_empty() {
        #[expect(clippy::cast_possible_truncation)] // no row has a higher number
        let rows: Vec<u32> = missing.iter().map(|at| (number * CHUNK + at) as u32).collect();
        let counts = count(&rows)?;
        assert_eq!(counts.len(), rows.len(), "one count a row");
        for (at, tokens) in missing.into_iter().zip(counts) {
            if column.counts.len() <= at {
                column.counts.resize(chunk.len(), UNKNOWN);
            }
            column.counts[at] = tokens;
        }
    }
    column.complete = true;
    let column = Arc::new(column);
    chunk.keep_counted(&column);
    Ok(column)
}
