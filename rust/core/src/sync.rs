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

/// What has no model in loom, made of what has, with the orderings the real ones promise and no more.
/// The std parts inside are invisible to the checkers: they hold values, they order nothing.
#[cfg(any(loom, shuttle))]
mod modelled {
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
}

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

/// A `OnceLock` whose ordering a checker sees: loom and shuttle know nothing of std's, and
/// ThreadSanitizer nothing of what was compiled with std.
#[cfg(any(loom, shuttle, sanitized))]
mod once {
    use std::sync;

    #[cfg(sanitized)]
    use super::seen::Mutex;
    #[cfg(loom)]
    use loom::sync::{Mutex, atomic::AtomicBool};
    #[cfg(shuttle)]
    use shuttle::sync::{Mutex, atomic::AtomicBool};
    #[cfg(sanitized)]
    use std::sync::atomic::AtomicBool;

    use super::{Acquire, Release};

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
            // Another one may have been quicker.
            if let Some(value) = self.get() {
                return value;
            }
            let value = self.value.get_or_init(make);
            self.ready.store(true, Release);
            value
        }

        pub(crate) fn set(&self, value: T) -> Result<(), T> {
            let _turn = self.turn.lock().expect("no maker panics");
            if self.ready.load(Acquire) {
                return Err(value);
            }
            let done = self.value.set(value);
            self.ready.store(true, Release);
            done
        }
    }
}

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
