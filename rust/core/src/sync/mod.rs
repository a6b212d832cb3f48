//! Everything shared between threads is built from these: std's primitives and arc-swap's, or
//! stand-ins made of a model checker's when the crate is compiled with `--cfg loom` (every
//! interleaving of small cases, stale loads included) or `--cfg shuttle` (many random ones of
//! larger cases).
//!
//! Orderings are Acquire, Release and Relaxed only; loom models nothing stronger faithfully.

use std::fmt;

pub(crate) use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

#[cfg(any(loom, shuttle))]
pub(crate) use modelled::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Mutex, MutexGuard};
#[cfg(any(loom, shuttle, sanitized))]
pub(crate) use once::OnceLock;
#[cfg(sanitized)]
pub(crate) use seen::Mutex;
#[cfg(not(any(loom, shuttle, sanitized)))]
pub(crate) use std::sync::Mutex;
#[cfg(not(any(loom, shuttle, sanitized)))]
pub(crate) use std::sync::OnceLock;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::sync::{
    MutexGuard,
    atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64},
};

#[cfg(any(loom, shuttle))]
pub(crate) use modelled::Slot;
#[cfg(any(loom, shuttle))]
pub use modelled::{Current, Held};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use swapped::Slot;
#[cfg(not(any(loom, shuttle)))]
pub use swapped::{Current, Held};

/// Whether sizes are as small as they can be: so that a few steps of a model or of a fuzzer reach
/// what otherwise takes thousands of rows.
pub(crate) const SMALL: bool = cfg!(any(loom, shuttle, fuzzing));

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

/// Shared values that are replaced as a whole.
#[cfg(not(any(loom, shuttle)))]
mod swapped {
    use std::sync::Arc;

    use arc_swap::{ArcSwap, ArcSwapOption, Guard};

    /// What a place held when it was loaded; keeps it alive. For one value's reading, not for
    /// keeping.
    pub type Held<V> = Guard<V>;

    /// A place for one shared value, empty at first. Loading acquires what the exchange that put
    /// the value there released.
    pub(crate) struct Slot<T>(ArcSwapOption<T>);

    impl<T> Slot<T> {
        /// An empty slot.
        pub(crate) fn empty() -> Self {
            Self(ArcSwapOption::empty())
        }

        /// What it holds now.
        pub(crate) fn load(&self) -> Held<Option<Arc<T>>> {
            self.0.load()
        }

        /// Puts `new` there if the slot still holds what was loaded; says whether it did.
        pub(crate) fn exchange(&self, loaded: &Held<Option<Arc<T>>>, new: Option<Arc<T>>) -> bool {
            let before = self.0.compare_and_swap(loaded, new);
            match (&*before, &**loaded) {
                (None, None) => true,
                (Some(before), Some(loaded)) => Arc::ptr_eq(before, loaded),
                _ => false,
            }
        }
    }

    /// The present version of something that is replaced as a whole. Loading acquires what the
    /// store released, and never waits.
    pub struct Current<T>(ArcSwap<T>);

    impl<T> Current<T> {
        /// Holds `value`.
        #[must_use]
        pub fn new(value: Arc<T>) -> Self {
            Self(ArcSwap::new(value))
        }

        /// The present version.
        #[must_use]
        pub fn load(&self) -> Held<Arc<T>> {
            self.0.load()
        }

        /// The present version, to keep.
        #[must_use]
        pub fn load_full(&self) -> Arc<T> {
            self.0.load_full()
        }

        /// Replaces it.
        pub fn store(&self, value: Arc<T>) {
            self.0.store(value);
        }
    }
}

#[cfg(any(loom, shuttle))]
mod modelled;

/// std's lock for ThreadSanitizer: taken by trying, because waiting for it was compiled with std, where the
/// sanitizer does not see that it orders.
#[cfg(sanitized)]
mod seen {
    use std::sync::{LockResult, MutexGuard, TryLockError};

    pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
            loop {
                match self.0.try_lock() {
                    Ok(guard) => return Ok(guard),
                    Err(TryLockError::Poisoned(error)) => return Err(error),
                    Err(TryLockError::WouldBlock) => std::thread::yield_now(),
                }
            }
        }
    }
}

#[cfg(any(loom, shuttle, sanitized))]
mod once;

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::sync::Arc;

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

    #[test]
    fn what_is_held_stays_when_it_is_replaced() {
        let current = Current::new(Arc::new(1));
        let held = current.load();
        current.store(Arc::new(2));
        assert_eq!((**held, *current.load_full()), (1, 2));
    }
}
