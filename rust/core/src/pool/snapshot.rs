//! An immutable view of a pool.

use std::sync::Arc;

use hashbrown::HashTable;

use super::Key;
use super::access::{Access, Moved};
use super::chunk::{CHUNK, Chunk, Row};
use crate::tier::Tier;

/// The rows of a pool at one version. Chunks that did not change are shared with other versions;
/// access counts, times of last access and promotion scores are shared by all of them.
pub struct Snapshot<P, E> {
    pub(super) chunks: Vec<Arc<Chunk<P, E>>>,
    pub(super) rows: usize,
    pub(super) version: u64,
    pub(super) generation: u64,
}

impl<P, E> Clone for Snapshot<P, E> {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), ..*self }
    }
}

impl<P: Clone, E: Clone> Snapshot<P, E> {
    pub(super) fn empty() -> Self {
        Self { chunks: Vec::new(), rows: 0, version: 0, generation: 0 }
    }

    /// How many row numbers there are, holes included.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Grows with every change of rows.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Grows whenever rows get new numbers.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Bytes of all columns as allocated, without what payloads point to.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let pointers = self.chunks.capacity() * size_of::<Arc<Chunk<P, E>>>();
        pointers + self.chunks.iter().map(|chunk| chunk.heap_bytes()).sum::<usize>()
    }

    /// How many rows each tier has, holes left out.
    #[must_use]
    pub fn members(&self) -> [usize; Tier::COUNT] {
        let mut members = [0; Tier::COUNT];
        for chunk in &self.chunks {
            for (sum, more) in members.iter_mut().zip(chunk.summary().members) {
                *sum += more;
            }
        }
        members
    }

    /// How many rows there are, holes left out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members().iter().sum()
    }

    /// Whether there is no row but holes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn place(&self, row: u32) -> (&Arc<Chunk<P, E>>, usize) {
        let row = row as usize;
        (&self.chunks[row / CHUNK], row % CHUNK)
    }

    fn existing(&self, row: u32) -> Option<(&Arc<Chunk<P, E>>, usize)> {
        ((row as usize) < self.rows).then(|| self.place(row))
    }

    /// The numbers of a row; none for a hole, or beyond the last row.
    #[must_use]
    pub fn row(&self, row: u32) -> Option<Row> {
        let (chunk, at) = self.existing(row)?;
        chunk.row(at)
    }

    /// Creation time of a row in microseconds, or [`crate::decay::NO_TIME`].
    ///
    /// # Panics
    /// Beyond the last row.
    #[must_use]
    pub fn timestamp_us(&self, row: u32) -> i64 {
        let (chunk, at) = self.place(row);
        chunk.timestamp_us(at)
    }

    /// The payload of a row; none for a hole, or beyond the last row.
    #[must_use]
    pub fn payload(&self, row: u32) -> Option<&P> {
        let (chunk, at) = self.existing(row)?;
        chunk.payload(at)
    }

    /// The extra payload of a row, where it has one.
    #[must_use]
    pub fn extra(&self, row: u32) -> Option<&E> {
        let (chunk, at) = self.existing(row)?;
        chunk.extra(at)
    }

    /// The accesses of a row as they are now.
    ///
    /// # Errors
    /// [`Moved`] after a compaction: the row has another number in the pool.
    ///
    /// # Panics
    /// Beyond the last row, as the other methods on a row's cells.
    pub fn access(&self, row: u32) -> Result<Access, Moved> {
        let (chunk, at) = self.place(row);
        chunk.access().read(at)
    }

    /// Counts a selection of the row at `now_us` and gives the new count.
    ///
    /// # Errors
    /// [`Moved`] after a compaction: nothing was counted. [`super::Pool::count_moved`] does it.
    pub fn count_access(&self, row: u32, now_us: i64) -> Result<u64, Moved> {
        let (chunk, at) = self.place(row);
        chunk.access().count(at, now_us)
    }

    /// The row's promotion score as last evaluated, else as given.
    #[must_use]
    pub fn promotion(&self, row: u32) -> f64 {
        let (chunk, at) = self.place(row);
        chunk.access().promotion(at)
    }

    /// Writes the row's promotion score.
    pub fn set_promotion(&self, row: u32, score: f64) {
        let (chunk, at) = self.place(row);
        chunk.access().set_promotion(at, score);
    }

    pub(super) fn own_extras(&self) -> impl Iterator<Item = &E> {
        self.chunks.iter().flat_map(Chunk::own_extras)
    }
}

/// Row numbers of one snapshot by key.
pub struct SnapshotIndex(HashTable<u32>);

impl SnapshotIndex {
    /// Of all rows.
    #[must_use]
    pub fn new<P: Key, E: Clone>(snapshot: &Snapshot<P, E>) -> Self {
        let mut index = HashTable::with_capacity(snapshot.len());
        let hash = |row: &u32| snapshot.payload(*row).map_or(0, Key::hash);
        for row in (0..).take(snapshot.rows()) {
            if let Some(payload) = snapshot.payload(row) {
                index.insert_unique(payload.hash(), row, hash);
            }
        }
        Self(index)
    }

    /// The row whose payload `is_it`, among those whose keys hash to `hash`. The snapshot must be
    /// the one the index was made of.
    pub fn find<P: Key, E: Clone>(
        &self,
        snapshot: &Snapshot<P, E>,
        hash: u64,
        is_it: impl Fn(&P) -> bool,
    ) -> Option<u32> {
        super::draft::find(&self.0, snapshot, hash, is_it)
    }
}
