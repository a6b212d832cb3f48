//! The next version of a pool, while it is being made.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashTable;

use super::Key;
use super::access::{Access, Cells, MovedGroup};
use super::chunk::{CHUNK, Chunk, Row};
use super::snapshot::Snapshot;

/// A new or changed row with everything that belongs to it.
pub struct Entry<P, E> {
    /// Its numbers.
    pub row: Row,
    /// Its payload.
    pub payload: P,
    /// Its extra payload, if it has one.
    pub extra: Option<E>,
    /// What its shared cells become.
    pub cells: Cells,
}

/// Changes that become visible together. Chunks are copied when they are changed first.
pub struct Draft<'a, P, E> {
    pub(super) snapshot: Snapshot<P, E>,
    index: &'a mut HashTable<u32>,
    changed: BTreeMap<usize, Vec<usize>>,
    /// What was replaced: dropped by whoever publishes, when no lock is held any more.
    pub(super) retired: Vec<(Option<P>, Option<E>)>,
}

impl<'a, P: Key, E: Clone> Draft<'a, P, E> {
    pub(super) fn new(snapshot: Snapshot<P, E>, index: &'a mut HashTable<u32>) -> Self {
        Self { snapshot, index, changed: BTreeMap::new(), retired: Vec::new() }
    }

    /// The rows as they are so far.
    #[must_use]
    pub fn rows(&self) -> &Snapshot<P, E> {
        &self.snapshot
    }

    /// The row whose payload `is_it`, among those whose keys hash to `hash`.
    pub fn find(&self, hash: u64, is_it: impl Fn(&P) -> bool) -> Option<u32> {
        find(self.index, &self.snapshot, hash, is_it)
    }

    /// The row of a key.
    pub fn find_key(&self, key: &P) -> Option<u32> {
        self.find(key.hash(), |payload| payload.is_same(key))
    }

    /// Room for that many more rows in the index.
    pub fn reserve(&mut self, rows: usize) {
        let Self { snapshot, index, .. } = self;
        index.reserve(rows, |row| hash_of(snapshot, *row));
    }

    /// Adds a row, or replaces the one with the same key. Gives its number, which it keeps until
    /// [`super::Pool::compact`].
    ///
    /// # Panics
    /// With more than 2^32 - 1 rows.
    pub fn put(&mut self, entry: Entry<P, E>) -> u32 {
        match self.find_key(&entry.payload) {
            Some(row) => {
                self.replace(row, entry);
                row
            }
            None => self.push(entry),
        }
    }

    fn push(&mut self, entry: Entry<P, E>) -> u32 {
        let (number, at) = (self.snapshot.rows, self.snapshot.rows % CHUNK);
        let row = u32::try_from(number).ok().filter(|row| *row != u32::MAX);
        let row = row.expect("at most 2^32 - 1 rows");
        if at == 0 {
            self.snapshot.chunks.push(Arc::new(Chunk::new()));
        }
        let hash = entry.payload.hash();
        let chunk = self.chunk(row);
        chunk.push(&entry.row, entry.payload, entry.extra);
        chunk.access().set(at, &entry.cells);
        self.snapshot.rows += 1;
        let Self { snapshot, index, .. } = self;
        index.insert_unique(hash, row, |row| hash_of(snapshot, *row));
        row
    }

    /// The chunk of a row, to be changed.
    fn chunk(&mut self, row: u32) -> &mut Chunk<P, E> {
        let row = row as usize;
        self.changed.entry(row / CHUNK).or_default().push(row % CHUNK);
        Arc::make_mut(&mut self.snapshot.chunks[row / CHUNK])
    }

    /// Replaces a row that exists. The key stays the same.
    pub fn replace(&mut self, row: u32, entry: Entry<P, E>) {
        let at = row as usize % CHUNK;
        let chunk = self.chunk(row);
        chunk.set(at, &entry.row);
        chunk.access().set(at, &entry.cells);
        let before = chunk.set_payload(at, Some(entry.payload), entry.extra);
        self.retired.push(before);
    }

    /// Changes the numbers of a row that exists.
    pub fn set_row(&mut self, number: u32, row: &Row) {
        self.chunk(number).set(number as usize % CHUNK, row);
    }

    /// Removes everything; row numbers start anew.
    pub(super) fn clear(&mut self) {
        let version = self.snapshot.version;
        let generation = self.snapshot.generation + 1;
        self.snapshot = Snapshot { version, generation, ..Snapshot::empty() };
        self.changed.clear();
        self.index.clear();
    }

    /// Removes a row that exists and leaves a hole.
    pub fn remove(&mut self, row: u32) {
        let Some(payload) = self.snapshot.payload(row) else { return };
        if let Ok(entry) = self.index.find_entry(payload.hash(), |it| *it == row) {
            entry.remove();
        }
        let before = self.chunk(row).remove(row as usize % CHUNK);
        self.retired.push(before);
    }

    pub(super) fn compact(&mut self) -> Vec<u32> {
        let rows = u32::try_from(self.snapshot.rows).unwrap_or(u32::MAX);
        let old = std::mem::replace(&mut self.snapshot, Snapshot::empty());
        self.snapshot.version = old.version;
        self.snapshot.generation = old.generation + 1;
        self.changed.clear();
        self.index.clear();
        self.index.shrink_to(old.len(), |row| u64::from(*row));
        let moved = MovedGroup::new();
        let mut former = Vec::with_capacity(old.len());
        for number in 0..rows {
            let (chunk, at) = old.place(number);
            let cells = chunk.access();
            cells.abandon_untouched(at, &moved);
            let untouched = cells.is_abandoned(at, &moved);
            let access = if untouched { Access::NONE } else { cells.take(at) };
            let (Some(row), Some(payload)) = (chunk.row(at), chunk.payload(at)) else { continue };
            let payload = payload.clone();
            let extra = chunk.extra(at).cloned();
            let cells = Cells {
                count: Some(access.count),
                last_us: Some(access.last_us),
                promotion: Some(cells.promotion(at)),
            };
            self.push(Entry { row, payload, extra, cells });
            former.push(number);
        }
        former
    }

    /// Brings up to date what is derived from rows.
    pub(super) fn finish(&mut self) {
        for (chunk, changed) in std::mem::take(&mut self.changed) {
            Arc::make_mut(&mut self.snapshot.chunks[chunk]).refresh(&changed);
        }
    }
}

pub(super) fn find<P: Key, E: Clone>(
    index: &HashTable<u32>,
    snapshot: &Snapshot<P, E>,
    hash: u64,
    is_it: impl Fn(&P) -> bool,
) -> Option<u32> {
    index.find(hash, |row| snapshot.payload(*row).is_some_and(&is_it)).copied()
}

fn hash_of<P: Key, E: Clone>(snapshot: &Snapshot<P, E>, row: u32) -> u64 {
    snapshot.payload(row).map_or(0, Key::hash)
}
