//! What has no model in loom, made of what has, with the orderings the real ones promise and no more.
//! The std parts inside are invisible to the checkers: they hold values, they order nothing.

use std::ops::Deref;
use std::sync::{self, Arc, PoisonError};

use super::{AcqRel, Acquire, Relaxed};
#[cfg(loom)]
use loom::sync::atomic::{self, AtomicUsize, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(shuttle)]
use shuttle::sync::atomic::{self, AtomicUsize, Ordering};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard};

/// Makes loom try accesses to one cell in every order.
///
/// Of a cell, loom remembers the last access only. Where a thread loads and then stores, its own
/// load has replaced those of other threads by then, and the store is never tried before them.
/// A change (by nothing) ahead of every access is not forgotten that way. It is relaxed and of a
/// cell of its own: it orders nothing, and loads may still read old values.
#[derive(Default)]
struct Turn(AtomicUsize);

impl Turn {
    fn take(&self) {
        if cfg!(loom) {
            self.0.fetch_add(0, Relaxed);
        }
    }
}

macro_rules! integer_cell {
    ($name:ident, $integer:ty) => {
        #[derive(Default)]
        pub(crate) struct $name {
            turn: Turn,
            value: atomic::$name,
        }

        // Each method is used by one of them at least.
        #[allow(dead_code)]
        impl $name {
            pub(crate) fn new(value: $integer) -> Self {
                Self { turn: Turn::default(), value: atomic::$name::new(value) }
            }

            pub(crate) fn load(&self, ordering: Ordering) -> $integer {
                self.turn.take();
                self.value.load(ordering)
            }

            pub(crate) fn store(&self, value: $integer, ordering: Ordering) {
                self.turn.take();
                self.value.store(value, ordering);
            }

            pub(crate) fn swap(&self, value: $integer, ordering: Ordering) -> $integer {
                self.turn.take();
                self.value.swap(value, ordering)
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $integer,
                new: $integer,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$integer, $integer> {
                self.turn.take();
                self.value.compare_exchange(current, new, success, failure)
            }

            pub(crate) fn fetch_add(&self, value: $integer, ordering: Ordering) -> $integer {
                self.turn.take();
                self.value.fetch_add(value, ordering)
            }

            pub(crate) fn fetch_max(&self, value: $integer, ordering: Ordering) -> $integer {
                self.turn.take();
                self.value.fetch_max(value, ordering)
            }

            /// As std's: a load, then exchanges until one succeeds; where `change` gives
            /// nothing, only loads.
            pub(crate) fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                mut change: impl FnMut($integer) -> Option<$integer>,
            ) -> Result<$integer, $integer> {
                let mut before = self.load(failure);
                while let Some(after) = change(before) {
                    match self.compare_exchange(before, after, success, failure) {
                        Ok(before) => return Ok(before),
                        Err(other) => before = other,
                    }
                }
                Err(before)
            }
        }
    };
}

integer_cell!(AtomicI64, i64);
integer_cell!(AtomicU8, u8);
integer_cell!(AtomicU32, u32);
integer_cell!(AtomicU64, u64);

/// Every value a place ever held, and which of them it holds now.
struct Versions<V> {
    turn: Turn,
    current: AtomicUsize,
    values: sync::Mutex<Vec<V>>,
}

/// One of the values, with its number.
pub struct Held<V> {
    version: usize,
    value: V,
}

impl<V> Deref for Held<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}

impl<V: Clone> Versions<V> {
    fn new(value: V) -> Self {
        Self {
            turn: Turn::default(),
            current: AtomicUsize::new(0),
            values: sync::Mutex::new(vec![value]),
        }
    }

    fn values(&self) -> sync::MutexGuard<'_, Vec<V>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, value: V) -> usize {
        let mut values = self.values();
        values.push(value);
        values.len() - 1
    }

    fn load(&self) -> Held<V> {
        self.turn.take();
        let version = self.current.load(Acquire);
        Held { version, value: self.values()[version].clone() }
    }

    fn exchange(&self, loaded: &Held<V>, new: V) -> bool {
        let version = self.keep(new);
        self.turn.take();
        self.current.compare_exchange(loaded.version, version, AcqRel, Acquire).is_ok()
    }

    fn store(&self, value: V) {
        let version = self.keep(value);
        self.turn.take();
        self.current.swap(version, AcqRel);
    }
}

pub(crate) struct Slot<T>(Versions<Option<Arc<T>>>);

impl<T> Slot<T> {
    pub(crate) fn empty() -> Self {
        Self(Versions::new(None))
    }

    pub(crate) fn load(&self) -> Held<Option<Arc<T>>> {
        self.0.load()
    }

    pub(crate) fn exchange(&self, loaded: &Held<Option<Arc<T>>>, new: Option<Arc<T>>) -> bool {
        self.0.exchange(loaded, new)
    }
}

/// The present version of something that is replaced as a whole.
pub struct Current<T>(Versions<Arc<T>>);

impl<T> Current<T> {
    /// Holds `value`.
    #[must_use]
    pub fn new(value: Arc<T>) -> Self {
        Self(Versions::new(value))
    }

    /// The present version.
    #[must_use]
    pub fn load(&self) -> Held<Arc<T>> {
        self.0.load()
    }

    /// The present version, to keep.
    #[must_use]
    pub fn load_full(&self) -> Arc<T> {
        self.load().value
    }

    /// Replaces it.
    pub fn store(&self, value: Arc<T>) {
        self.0.store(value);
    }
}
