//! A token count and whose it is, in one atomic word.
//!
//! The low 53 bits hold the count, the high 11 name the counter that made it: 0 for the caller,
//! else an entry of a process-wide table of counter names. One word, so that no thread ever sees a
//! count with another count's owner.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use memory_budget_core::tokens::MAX_COUNT;

const COUNT_BITS: u32 = 53;
/// Stands for every counter that no longer fits its table; it never matches, so such counts are made
/// again in every call.
const UNNAMED: u64 = (1 << (64 - COUNT_BITS)) - 1;
/// How many different factors of estimates can be told apart.
const ESTIMATES: usize = 1 << 10;
/// Marks from here on are estimates, by their factor.
const FIRST_ESTIMATE: u64 = UNNAMED - ESTIMATES as u64;
const ESTIMATE: &str = "estimate:";

/// Names of the counters other than estimates; the position plus one is the mark.
static NAMES: RwLock<Vec<Box<str>>> = RwLock::new(Vec::new());

/// Factors of the estimates seen so far: complements of their bits, 0 for a free place. Every call
/// looks its factor up, so this table has no lock; entries are only ever added.
static FACTORS: [AtomicU64; ESTIMATES] = [const { AtomicU64::new(0) }; ESTIMATES];

/// A token counter, as a mark. The same name or factor always gives the same mark.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Counter(u64);

impl Counter {
    /// The characters-times-factor estimate. Another factor is another counter.
    pub fn estimate(tokens_per_char: f64) -> Self {
        let wanted = !tokens_per_char.to_bits();
        for (place, mark) in FACTORS.iter().zip(FIRST_ESTIMATE..) {
            let found = match place.load(Ordering::Relaxed) {
                0 => place
                    .compare_exchange(0, wanted, Ordering::Relaxed, Ordering::Relaxed)
                    .map_or_else(|other| other, |_| wanted),
                taken => taken,
            };
            if found == wanted {
                return Self(mark);
            }
        }
        Self(UNNAMED)
    }

    /// The counter of that name, as [`Counter::name`] gave it.
    pub fn named(name: &str) -> Self {
        if let Some(Ok(factor)) = name.strip_prefix(ESTIMATE).map(str::parse::<f64>) {
            return Self::estimate(factor);
        }
        let find = |names: &[Box<str>]| {
            let position = names.iter().position(|known| **known == *name)?;
            Some(Self(position as u64 + 1))
        };
        let known = find(&NAMES.read().unwrap_or_else(PoisonError::into_inner));
        if let Some(counter) = known {
            return counter;
        }
        let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = find(&names) {
            return counter;
        }
        let mark = names.len() as u64 + 1;
        if mark == FIRST_ESTIMATE {
            return Self(UNNAMED);
        }
        names.push(name.into());
        Self(mark)
    }

    /// A name that gives the same counter in any process; None for one that did not fit its table.
    pub fn name(self) -> Option<String> {
        if self.0 == UNNAMED {
            return None;
        }
        if self.0 >= FIRST_ESTIMATE {
            let place = usize::try_from(self.0 - FIRST_ESTIMATE).ok()?;
            let factor = f64::from_bits(!FACTORS[place].load(Ordering::Relaxed));
            return Some(format!("{ESTIMATE}{factor}"));
        }
        let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
        let position = usize::try_from(self.0).ok()?.checked_sub(1)?;
        names.get(position).map(ToString::to_string)
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
