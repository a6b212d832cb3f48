//! The candidates of one call as it saw them.

use crate::candidates::Candidates;
use crate::error::Error;
use crate::score::Scores;
use crate::tier::Tier;

/// Columns of candidates with their scores. A *place* is a position in them; the last `filtered` ones
/// were no candidates, because the call asked for others.
#[derive(Clone, Debug, Default)]
pub struct Considered {
    /// See [`Candidates`].
    pub tier: Vec<Tier>,
    /// As given.
    pub relevance: Vec<f64>,
    /// As given.
    pub importance: Vec<f64>,
    /// As the score sees it.
    pub timestamp_us: Vec<i64>,
    /// Cost.
    pub tokens: Vec<u64>,
    /// Places of pinned candidates, ascending.
    pub pinned: Vec<u32>,
    /// Scores at the time of the call.
    pub scores: Scores,
    /// The row of each place, ascending within the candidates and within what was filtered; empty
    /// where place and row are the same.
    pub rows: Vec<u32>,
    /// How many of the last places were filtered.
    pub filtered: usize,
}

impl Considered {
    /// How many places there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tier.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tier.is_empty()
    }

    /// How many of the places are candidates; they come first.
    #[must_use]
    pub fn eligible(&self) -> usize {
        self.len() - self.filtered
    }

    /// The candidates, by place.
    ///
    /// # Errors
    /// [`Error::ColumnLength`] where columns differ in length.
    pub fn candidates(&self) -> Result<Candidates<'_>, Error> {
        let end = self.eligible();
        let [relevance, importance] = [&self.relevance, &self.importance].map(|it| &it[..end]);
        let (times, tokens) = (&self.timestamp_us[..end], &self.tokens[..end]);
        Candidates::new(&self.tier[..end], relevance, importance, times, tokens)
            .map(|candidates| candidates.with_pinned(&self.pinned))
    }

    /// The row of a place, as plans name it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation)] // no more rows than a u32 counts
    pub fn row(&self, place: usize) -> u32 {
        self.rows.get(place).copied().unwrap_or(place as u32)
    }

    /// The place of a candidate's row.
    #[must_use]
    pub fn place(&self, row: u32) -> Option<usize> {
        if self.rows.is_empty() {
            return ((row as usize) < self.eligible()).then_some(row as usize);
        }
        self.rows[..self.eligible()].binary_search(&row).ok()
    }

    /// Whether a place holds a pinned candidate.
    #[must_use]
    pub fn is_pinned(&self, place: u32) -> bool {
        self.pinned.binary_search(&place).is_ok()
    }
}
