//! A pool: memories that stay, as columns, so that a query has nothing to read but numbers.
//!
//! ```text
//! Pool ──► Snapshot (immutable, shared) ──► chunks of 4,096 rows ──► columns
//!   └─ Draft: the next snapshot; copies the chunks it changes, then takes the old one's place
//! ```
//!
//! * Whoever allocates takes the current [`Snapshot`] and never waits; whoever changes rows makes a
//!   new one. Writers wait for each other, and so does who looks a key up.
//! * A row keeps its number for life; removing it leaves a hole, until [`Pool::compact`].
//! * Access counts, times of last access and promotion scores are atomic cells that all snapshots
//!   share: allocating copies nothing.
//! * [`Query`] plans an allocation over a snapshot. Rows are rejected by approximate scores whose
//!   error is bounded (forward decay, `f32`); who is not rejected is scored by the one formula.
//!
//! The pool knows nothing of what a row is about: `P` is a row's payload and carries its key, `E` is
//! what only few rows have. Bytes a row, without payloads: 25 (tier 1, importance 8, creation time
//! 8, cost 4, decay 4 for each half-life in use), 6 to 12 for the index, and only where there is any:
//! 8 for a stored relevance, 4 for a user; 16 for each row of a group of 64 of which one was
//! selected, 8 for promotion scores.

mod access;
mod chunk;
mod cost;
mod counts;
mod draft;
mod forward_decay;
mod gather;
mod number;
mod query;
mod ranking;
mod snapshot;

use std::sync::{Arc, PoisonError};

use hashbrown::HashTable;

pub use access::{Access, Cells, Moved};
pub use chunk::Row;
pub use cost::Cost;
pub use counts::Counts;
pub use draft::{Draft, Entry};
pub use gather::Gathered;
pub use query::{Evaluation, Missing, PoolPlan, Query, Relevance};
pub use snapshot::{Snapshot, SnapshotIndex};

use crate::sync::{Current, Mutex, MutexGuard};

/// A payload that carries its row's key.
///
/// Both methods run while writers are locked out: they must neither wait nor come back to the pool.
pub trait Key: Clone {
    /// Hash of the key, the same whenever asked.
    fn hash(&self) -> u64;

    /// Whether the keys are equal.
    fn is_same(&self, other: &Self) -> bool;
}

/// Resident memories with unique keys.
pub struct Pool<P, E> {
    published: Current<Snapshot<P, E>>,
    /// Row numbers by key, of the published snapshot.
    index: Mutex<HashTable<u32>>,
}

impl<P: Key, E: Clone> Default for Pool<P, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Key, E: Clone> Pool<P, E> {
    /// An empty pool.
    #[must_use]
    pub fn new() -> Self {
        Self {
            published: Current::new(Arc::new(Snapshot::empty())),
            index: Mutex::new(HashTable::new()),
        }
    }

    /// The current rows. Never waits.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot<P, E>> {
        self.published.load_full()
    }

    fn index(&self) -> MutexGuard<'_, HashTable<u32>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks rows up: `work` gets the current snapshot and finds rows by hash and key in it.
    pub fn look_up<R>(&self, work: impl FnOnce(&LookUp<'_, P, E>) -> R) -> R {
        let (result, snapshot) = {
            let index = self.index();
            let snapshot = self.published.load_full();
            (work(&LookUp { index: &index, snapshot: &snapshot }), snapshot)
        };
        drop(snapshot); // perhaps the last owner of payloads: not under the lock
        result
    }

    /// Changes rows. `work` must not wait nor come back to the pool; what it did becomes visible as
    /// one step, with the next version.
    pub fn change<R>(&self, work: impl FnOnce(&mut Draft<'_, P, E>) -> R) -> R {
        let index = self.index();
        self.change_locked(index, work)
    }

    /// As [`Self::change`], if the current rows still are as `wanted`; else nothing changes.
    pub fn change_if<R>(
        &self,
        wanted: impl FnOnce(&Snapshot<P, E>) -> bool,
        work: impl FnOnce(&mut Draft<'_, P, E>) -> R,
    ) -> Option<R> {
        let index = self.index();
        if !wanted(&self.published.load()) {
            return None;
        }
        Some(self.change_locked(index, work))
    }

    fn change_locked<R>(
        &self,
        mut index: MutexGuard<'_, HashTable<u32>>,
        work: impl FnOnce(&mut Draft<'_, P, E>) -> R,
    ) -> R {
        let before = self.published.load_full();
        let mut draft = Draft::new((*before).clone(), &mut index);
        let result = work(&mut draft);
        draft.finish();
        draft.snapshot.version += 1;
        let Draft { snapshot, retired, .. } = draft;
        self.published.store(Arc::new(snapshot));
        drop(index);
        // Payloads run foreign code when they are dropped: not under the lock.
        drop((retired, before));
        result
    }

    /// Closes the holes: rows get new numbers, in the same order. Gives the former number of each.
    #[expect(clippy::redundant_closure_for_method_calls)] // the method alone has one lifetime too few
    pub fn compact(&self) -> Vec<u32> {
        self.change(|draft| draft.compact())
    }

    /// Removes everything.
    pub fn clear(&self) {
        self.change(|draft| {
            draft.clear();
        });
    }

    /// Bytes of the current rows and the index, without what payloads point to and without older
    /// snapshots.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let index = self.index().allocation_size();
        index + self.snapshot().heap_bytes()
    }

    /// Visits extra payloads that nobody else shares, where that is certain. Takes no lock.
    ///
    /// # Errors
    /// The first one of `visit`.
    pub fn visit_own_extras<B>(&self, mut visit: impl FnMut(&E) -> Result<(), B>) -> Result<(), B> {
        let snapshot = self.published.load();
        if Arc::strong_count(&snapshot) == 1 {
            snapshot.own_extras().try_for_each(&mut visit)?;
        }
        Ok(())
    }

    /// Counts a selection of the row with that key, wherever it is now; none if it was removed.
    pub fn count_moved(&self, hash: u64, is_it: impl Fn(&P) -> bool, now_us: i64) -> Option<u64> {
        self.look_up(|rows| {
            let row = rows.find(hash, is_it)?;
            rows.snapshot().count_access(row, now_us).ok()
        })
    }
}

/// Finds rows by their keys; nobody changes the pool meanwhile.
pub struct LookUp<'a, P, E> {
    index: &'a HashTable<u32>,
    snapshot: &'a Arc<Snapshot<P, E>>,
}

impl<P: Key, E: Clone> LookUp<'_, P, E> {
    /// The current rows.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot<P, E>> {
        self.snapshot
    }

    /// The row whose payload `is_it`, among those whose keys hash to `hash`.
    pub fn find(&self, hash: u64, is_it: impl Fn(&P) -> bool) -> Option<u32> {
        draft::find(self.index, self.snapshot, hash, is_it)
    }
}
