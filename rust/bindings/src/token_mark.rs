//! A token count and whose it is, in one atomic word.
//!
//! The low 53 bits hold the count, the high 11 name the counter that made it: 0 for the caller,
//! else an entry of a process-wide table of counter names. One word, so that no thread ever sees a
//! count with another count's owner.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use memory_budget_core::tokens::MAX_COUNT;

const COUNT_BITS: u32 = 53;
/// Stands for every counter that no longer fits the table; it never matches, so such counts are
/// made again in every call.
const UNNAMED: u64 = (1 << (64 - COUNT_BITS)) - 1;

/// Names of the counters seen so far; the position plus one is the mark.
static NAMES: RwLock<Vec<Box<str>>> = RwLock::new(Vec::new());

/// A token counter, as a mark. [`Counter::named`] gives the same mark for the same name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Counter(u64);

impl Counter {
    pub fn named(name: &str) -> Self {
        let find = |names: &[Box<str>]| names.iter().position(|known| **known == *name);
        let known = find(&NAMES.read().unwrap_or_else(PoisonError::into_inner));
        if let Some(position) = known {
            return Self(position as u64 + 1);
        }
        let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
        let position = find(&names).unwrap_or_else(|| {
            if names.len() as u64 + 1 < UNNAMED {
                names.push(name.into());
            }
            names.len() - 1
        });
        if *names[position] == *name { Self(position as u64 + 1) } else { Self(UNNAMED) }
    }

    /// The characters-times-factor estimate. Another factor is another counter.
    pub fn estimate(tokens_per_char: f64) -> Self {
        Self::named(&format!("estimate:{tokens_per_char}"))
    }

    pub fn name(self) -> Option<String> {
        let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
        let position = usize::try_from(self.0).ok()?.checked_sub(1)?;
        names.get(position).map(std::string::ToString::to_string)
    }
}

/// The word as it was read once.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenWord(u64);

impl TokenWord {
    pub fn count(self) -> u64 {
        self.0 & MAX_COUNT
    }

    /// The counter that made the count; None if it is the caller's own (or not known yet).
    pub fn counter(self) -> Option<Counter> {
        let mark = self.0 >> COUNT_BITS;
        (mark != 0).then_some(Counter(mark))
    }

    /// Whether a call that counts with `counter` takes this count as it is.
    pub fn holds_for(self, counter: Counter) -> bool {
        let mark = self.0 >> COUNT_BITS;
        if mark == 0 { self.count() != 0 } else { mark == counter.0 && mark != UNNAMED }
    }
}

/// An item's token count.
#[derive(Default)]
pub struct TokenCell(AtomicU64);

impl TokenCell {
    pub fn load(&self) -> TokenWord {
        TokenWord(self.0.load(Ordering::Acquire))
    }

    /// The caller's own count.
    pub fn set_own(&self, count: u64) {
        self.0.store(count, Ordering::Release);
    }

    /// A count made by `counter`.
    pub fn set_counted(&self, count: u64, counter: Counter) {
        self.0.store(count | (counter.0 << COUNT_BITS), Ordering::Release);
    }

    /// Replaces `seen` by a count made by `counter`; leaves anything newer alone.
    pub fn replace(&self, seen: TokenWord, count: u64, counter: Counter) -> bool {
        let word = count | (counter.0 << COUNT_BITS);
        self.0.compare_exchange(seen.0, word, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Puts `earlier` back where `replace` wrote, unless somebody wrote since.
    pub fn undo(&self, count: u64, counter: Counter, earlier: TokenWord) {
        let word = count | (counter.0 << COUNT_BITS);
        let _ = self.0.compare_exchange(word, earlier.0, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Forgets a count that the library made: the text it was made of has changed.
    pub fn forget_counted(&self) {
        let forget = |word: u64| (word >> COUNT_BITS != 0).then_some(0);
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, forget);
    }
}
