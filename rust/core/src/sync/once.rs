//! A `OnceLock` whose ordering a checker sees: loom and shuttle know nothing of std's, and
//! ThreadSanitizer nothing of what was compiled with std.

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
        Self { ready: AtomicBool::new(false), turn: Mutex::new(()), value: sync::OnceLock::new() }
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
