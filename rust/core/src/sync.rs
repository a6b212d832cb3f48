//! Everything shared between threads is built from these: std's primitives, or loom's when the
//! crate is compiled with `--cfg loom` to have every interleaving tried.
//!
//! Orderings are Acquire, Release and Relaxed only; loom models nothing stronger faithfully.

use std::fmt;
#[cfg(not(loom))]
use std::sync::Arc;

pub(crate) use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

#[cfg(loom)]
pub(crate) use modelled::{AtomicI64, AtomicU64, OnceLock, Slot};
#[cfg(not(loom))]
pub(crate) use std::sync::{
    OnceLock,
    atomic::{AtomicI64, AtomicU64},
};

/// An `f64` that threads may load and store, as its bits. Each access is whole; accesses to
/// different cells are not ordered among each other.
pub struct AtomicF64(AtomicU64);

impl AtomicF64 {
    /// A cell that holds `value`.
    #[must_use]
    pub fn new(value: f64) -> Self {
        Self(AtomicU64::new(value.to_bits()))
    }

    /// The value, to the bit.
    #[must_use]
    pub fn load(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    /// Replaces the value.
    pub fn store(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    /// Replaces the value if it still is `expected`, to the bit; leaves anything newer alone.
    pub fn replace(&self, expected: f64, value: f64) {
        let _ = self.0.compare_exchange(expected.to_bits(), value.to_bits(), Relaxed, Relaxed);
    }
}

impl Default for AtomicF64 {
    fn default() -> Self {
        Self::new(0.0)
    }
}

impl fmt::Debug for AtomicF64 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.load(), formatter)
    }
}

/// A place for one shared value, empty at first. Loading acquires what the exchange that put the
/// value there released.
#[cfg(not(loom))]
pub(crate) struct Slot<T>(arc_swap::ArcSwapOption<T>);

/// What a slot held when it was loaded; keeps it alive.
#[cfg(not(loom))]
pub(crate) type Held<T> = arc_swap::Guard<Option<Arc<T>>>;

#[cfg(not(loom))]
impl<T> Slot<T> {
    /// An empty slot.
    pub(crate) fn empty() -> Self {
        Self(arc_swap::ArcSwapOption::empty())
    }

    /// What it holds now. For one value's reading, not for keeping.
    pub(crate) fn load(&self) -> Held<T> {
        self.0.load()
    }

    /// Puts `new` there if the slot still holds what was loaded; says whether it did.
    pub(crate) fn exchange(&self, loaded: &Held<T>, new: Option<Arc<T>>) -> bool {
        let before = self.0.compare_and_swap(loaded, new);
        match (&*before, &**loaded) {
            (None, None) => true,
            (Some(before), Some(loaded)) => Arc::ptr_eq(before, loaded),
            _ => false,
        }
    }
}

/// What has no model in loom, made of what has, with the orderings the real ones promise and no more.
/// The std parts inside are invisible to loom: they hold values, they order nothing.
#[cfg(loom)]
mod modelled {
    use std::ops::Deref;
    use std::sync::{self, Arc, PoisonError};

    use super::{AcqRel, Acquire, Relaxed, Release};
    use loom::sync::Mutex;
    use loom::sync::atomic::{self, AtomicBool, AtomicUsize, Ordering};

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
            self.0.fetch_add(0, Relaxed);
        }
    }

    macro_rules! integer_cell {
        ($name:ident, $integer:ty) => {
            #[derive(Default)]
            pub(crate) struct $name {
                turn: Turn,
                value: atomic::$name,
            }

            // Each method is used by one of the two at least.
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
            }
        };
    }

    integer_cell!(AtomicI64, i64);
    integer_cell!(AtomicU64, u64);

    /// Every value a slot ever held, and which of them it holds now.
    pub(crate) struct Slot<T> {
        turn: Turn,
        current: AtomicUsize,
        versions: sync::Mutex<Vec<Option<Arc<T>>>>,
    }

    pub(crate) struct Held<T> {
        version: usize,
        value: Option<Arc<T>>,
    }

    impl<T> Deref for Held<T> {
        type Target = Option<Arc<T>>;

        fn deref(&self) -> &Self::Target {
            &self.value
        }
    }

    impl<T> Slot<T> {
        pub(crate) fn empty() -> Self {
            Self {
                turn: Turn::default(),
                current: AtomicUsize::new(0),
                versions: sync::Mutex::new(vec![None]),
            }
        }

        fn versions(&self) -> sync::MutexGuard<'_, Vec<Option<Arc<T>>>> {
            self.versions.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn load(&self) -> Held<T> {
            self.turn.take();
            let version = self.current.load(Acquire);
            Held { version, value: self.versions()[version].clone() }
        }

        pub(crate) fn exchange(&self, loaded: &Held<T>, new: Option<Arc<T>>) -> bool {
            let version = {
                let mut versions = self.versions();
                versions.push(new);
                versions.len() - 1
            };
            self.turn.take();
            self.current.compare_exchange(loaded.version, version, AcqRel, Acquire).is_ok()
        }
    }

    pub(crate) struct OnceLock<T> {
        ready: AtomicBool,
        turn: Mutex<()>,
        value: sync::OnceLock<T>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self {
                ready: AtomicBool::new(false),
                turn: Mutex::new(()),
                value: sync::OnceLock::new(),
            }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            if self.ready.load(Acquire) { self.value.get() } else { None }
        }

        pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            if let Some(value) = self.get() {
                return value;
            }
            let _turn = self.turn.lock().expect("no maker panics");
            let value = self.value.get_or_init(make);
            self.ready.store(true, Release);
            value
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_float_keeps_its_bits() {
        for value in [0.0, -0.0, 0.1, f64::NAN, f64::MIN_POSITIVE / 8.0, f64::NEG_INFINITY] {
            let cell = AtomicF64::default();
            cell.store(value);
            assert_eq!(cell.load().to_bits(), value.to_bits());
        }
        assert_eq!(format!("{:?}", AtomicF64::new(0.5)), "0.5");
    }

    #[test]
    fn an_exchange_needs_what_was_loaded() {
        let slot = Slot::empty();
        let empty = slot.load();
        assert!(slot.exchange(&empty, Some(Arc::new(1))));
        assert!(!slot.exchange(&empty, Some(Arc::new(2))));
        let first = slot.load();
        assert!(slot.exchange(&first, Some(Arc::new(1))));
        assert!(!slot.exchange(&first, None), "an equal value in another place is not the same");
        assert_eq!(slot.load().as_deref(), Some(&1));
    }
}
