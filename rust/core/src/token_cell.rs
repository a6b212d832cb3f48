//! A token count and whose it is, in one atomic word.
//!
//! The low 53 bits hold the count, the high 11 name the counter that made it: 0 for the caller, else
//! a mark. One word, so that no thread ever sees a count with another count's owner.

use crate::sync::{AcqRel, Acquire, AtomicU64, Relaxed, Release};
use crate::tokens::MAX_COUNT;

const COUNT_BITS: u32 = 53;

/// The number of a token counter: 1 to 2047.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter(u64);

impl Counter {
    /// Stands for every counter that no longer fits its table; it never matches, so such counts are
    /// made again in every call.
    pub const UNNAMED: Self = Self((1 << (64 - COUNT_BITS)) - 1);

    /// The counter with that number.
    ///
    /// # Panics
    /// If the number is 0 or has more than 11 bits.
    #[must_use]
    pub const fn new(mark: u64) -> Self {
        assert!(mark != 0 && mark <= Self::UNNAMED.0, "a counter's mark has 11 bits");
        Self(mark)
    }

    /// Its number.
    #[must_use]
    pub const fn mark(self) -> u64 {
        self.0
    }
}

/// The word as it was read once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenWord(u64);

impl TokenWord {
    fn counted(count: u64, counter: Counter) -> Self {
        Self(count | (counter.0 << COUNT_BITS))
    }

    /// The count; 0 where none is known.
    #[must_use]
    pub fn count(self) -> u64 {
        self.0 & MAX_COUNT
    }

    /// The counter that made the count; None if it is the caller's own (or not known yet).
    #[must_use]
    pub fn counter(self) -> Option<Counter> {
        let mark = self.0 >> COUNT_BITS;
        (mark != 0).then_some(Counter(mark))
    }

    /// Whether a call that counts with `counter` takes this count as it is.
    #[must_use]
    pub fn holds_for(self, counter: Counter) -> bool {
        match self.counter() {
            None => self.count() != 0,
            Some(made_by) => made_by == counter && made_by != Counter::UNNAMED,
        }
    }
}

/// A memory's token count.
#[derive(Default)]
pub struct TokenCell(AtomicU64);

impl TokenCell {
    /// Count and counter, as they belong together.
    #[must_use]
    pub fn load(&self) -> TokenWord {
        TokenWord(self.0.load(Acquire))
    }

    /// Sets the caller's own count.
    pub fn set_own(&self, count: u64) {
        self.0.store(count, Release);
    }

    /// Sets a count made by `counter`.
    pub fn set_counted(&self, count: u64, counter: Counter) {
        self.0.store(TokenWord::counted(count, counter).0, Release);
    }

    /// Forgets whatever count there is. An exchange: a change that comes after it sees what was
    /// released here.
    pub(crate) fn clear(&self) {
        self.0.swap(0, AcqRel);
    }

    /// Replaces `seen` by a count made by `counter`; leaves anything newer alone.
    pub(crate) fn replace(&self, seen: TokenWord, count: u64, counter: Counter) -> bool {
        let word = TokenWord::counted(count, counter);
        self.0.compare_exchange(seen.0, word.0, AcqRel, Relaxed).is_ok()
    }

    /// Puts `earlier` back where a count made by `counter` was written, unless somebody wrote since.
    pub fn undo(&self, count: u64, counter: Counter, earlier: TokenWord) {
        let word = TokenWord::counted(count, counter);
        let _ = self.0.compare_exchange(word.0, earlier.0, AcqRel, Relaxed);
    }

    /// Forgets a count that the library made: the text it was made of has changed.
    ///
    /// A word that stays is exchanged for itself: a change that comes after this one then sees what
    /// was released here. Only to look would leave both sides of a race with what they knew before.
    pub(crate) fn forget_counted(&self) {
        let forget = |word: u64| Some(if word >> COUNT_BITS == 0 { word } else { 0 });
        let _ = self.0.fetch_update(AcqRel, Acquire, forget);
    }
}

/// Numbers that get a place of their own when they are first asked for, and keep it: a table that
/// only grows and has no lock, as every call looks up the factor of its estimates.
pub struct FactorTable<const PLACES: usize> {
    /// Complements of the numbers' bits, 0 for a free place.
    places: [AtomicU64; PLACES],
}

impl<const PLACES: usize> FactorTable<PLACES> {
    /// An empty table.
    #[must_use]
    #[cfg(not(any(loom, shuttle)))]
    pub const fn new() -> Self {
        Self { places: [const { AtomicU64::new(0) }; PLACES] }
    }

    /// An empty table.
    #[must_use]
    #[cfg(any(loom, shuttle))]
    pub fn new() -> Self {
        Self { places: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// The place of a factor; the same one whenever asked. None if the table is full.
    pub fn place(&self, factor: f64) -> Option<usize> {
        let wanted = !factor.to_bits();
        self.places.iter().position(|place| {
            let found = match place.load(Relaxed) {
                0 => place
                    .compare_exchange(0, wanted, Relaxed, Relaxed)
                    .map_or_else(|other| other, |_| wanted),
                taken => taken,
            };
            found == wanted
        })
    }

    /// The factor at a place that [`Self::place`] gave.
    #[must_use]
    pub fn factor(&self, place: usize) -> f64 {
        f64::from_bits(!self.places[place].load(Relaxed))
    }
}

impl<const PLACES: usize> Default for FactorTable<PLACES> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_count_keeps_its_counter() {
        let (first, second) = (Counter::new(1), Counter::new(2));
        let cell = TokenCell::default();
        assert!(!cell.load().holds_for(first));
        cell.set_counted(MAX_COUNT, first);
        let word = cell.load();
        assert_eq!((word.count(), word.counter()), (MAX_COUNT, Some(first)));
        assert!(word.holds_for(first) && !word.holds_for(second));
        cell.set_own(7);
        assert!(cell.load().holds_for(second) && cell.load().counter().is_none());
        cell.set_counted(7, Counter::UNNAMED);
        assert!(!cell.load().holds_for(Counter::UNNAMED));
    }

    #[test]
    fn a_count_of_the_callers_own_is_never_forgotten() {
        let cell = TokenCell::default();
        cell.set_own(7);
        cell.forget_counted();
        assert_eq!(cell.load().count(), 7);
        cell.set_counted(8, Counter::new(1));
        cell.forget_counted();
        assert_eq!(cell.load(), TokenWord::default());
    }

    #[test]
    fn factors_have_places_of_their_own() {
        static TABLE: FactorTable<2> = FactorTable::new();
        assert_eq!(
            [0.25, 0.3, 0.25, 0.4].map(|it| TABLE.place(it)),
            [Some(0), Some(1), Some(0), None]
        );
        assert_eq!(TABLE.factor(1), 0.3);
    }
}
