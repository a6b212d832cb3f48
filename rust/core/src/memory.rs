//! The numbers of one memory, as threads share them.
//!
//! Every number is a cell of its own: whole at every moment, the last writer wins, and no cell guards
//! another, with one exception. A token count that the library makes belongs to a text, and
//! [`MemoryCells::write_count`] and [`MemoryCells::set_text_length`] see to it that no count
//! survives its text.

use crate::decay::NO_TIME;
use crate::place::PlaceCell;
use crate::sync::{AcqRel, Acquire, AtomicF64, AtomicI64, AtomicU32, AtomicU64, Relaxed, Release};
use crate::tier::Tier;
use crate::token_cell::{Counter, TokenCell, TokenWord};
use crate::tokens::MAX_COUNT;

/// When a memory was last selected, and who says so, in one word: microseconds shifted left by one,
/// the low bit telling whether the library wrote it or the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastAccess(i64);

impl LastAccess {
    /// Not yet.
    pub const NEVER: Self = Self(NO_TIME);

    /// As the caller says.
    #[must_use]
    pub fn given(microseconds: i64) -> Self {
        Self(microseconds << 1)
    }

    /// As the library found.
    #[must_use]
    pub fn written(microseconds: i64) -> Self {
        Self(microseconds << 1 | 1)
    }

    /// The time, or [`NO_TIME`].
    #[must_use]
    pub fn microseconds(self) -> i64 {
        if self == Self::NEVER { NO_TIME } else { self.0 >> 1 }
    }

    /// Whether the library wrote it.
    #[must_use]
    pub fn is_written(self) -> bool {
        self != Self::NEVER && self.0 & 1 == 1
    }
}

/// See the [module's documentation](self).
pub struct MemoryCells {
    /// Similarity to the query.
    pub relevance: AtomicF64,
    /// Intrinsic importance.
    pub importance: AtomicF64,
    /// Freshness as last computed.
    pub freshness: AtomicF64,
    /// Combined score as last computed.
    pub combined: AtomicF64,
    /// Promotion score as last computed.
    pub promotion: AtomicF64,
    /// What the text costs.
    pub tokens: TokenCell,
    access_count: AtomicU64,
    timestamp_us: AtomicI64,
    last_access: AtomicI64,
    text_length: AtomicU64,
    /// Grows with every assignment of the text, so that a count made of an older one is noticed.
    text_version: AtomicU32,
    /// The tier it lives in, and its flags.
    pub place: PlaceCell,
}

impl Default for MemoryCells {
    fn default() -> Self {
        Self::new(Tier::Working, NO_TIME, 0)
    }
}

impl MemoryCells {
    /// A new memory, with a text of that many code points.
    #[must_use]
    pub fn new(tier: Tier, timestamp_us: i64, code_points: u64) -> Self {
        Self {
            relevance: AtomicF64::new(0.0),
            importance: AtomicF64::new(0.5),
            freshness: AtomicF64::new(1.0),
            combined: AtomicF64::new(0.0),
            promotion: AtomicF64::new(0.0),
            tokens: TokenCell::default(),
            access_count: AtomicU64::new(0),
            timestamp_us: AtomicI64::new(timestamp_us),
            last_access: AtomicI64::new(NO_TIME),
            text_length: AtomicU64::new(code_points),
            text_version: AtomicU32::new(0),
            place: PlaceCell::new(tier),
        }
    }

    /// Every number as a new memory has it.
    pub fn reset(&self) {
        self.relevance.store(0.0);
        self.importance.store(0.5);
        self.freshness.store(1.0);
        self.combined.store(0.0);
        self.promotion.store(0.0);
        self.set_accesses(0);
        self.place.reset();
        self.set_timestamp_us(NO_TIME);
        self.set_last_access(LastAccess::NEVER);
        self.text_length.store(0, Release);
        self.text_version.fetch_add(1, AcqRel);
        self.tokens.clear();
    }

    /// The tier it lives in.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.place.load().tier()
    }

    /// Puts it into a tier.
    pub fn move_to(&self, tier: Tier) {
        self.place.move_to(tier);
    }

    /// Creation time in microseconds, or [`NO_TIME`].
    #[must_use]
    pub fn timestamp_us(&self) -> i64 {
        self.timestamp_us.load(Relaxed)
    }

    /// When its freshness begins to fall: never for what is evergreen.
    #[must_use]
    pub fn decays_from(&self) -> i64 {
        if self.place.load().is_evergreen() { NO_TIME } else { self.timestamp_us() }
    }

    /// Sets the creation time in microseconds, or [`NO_TIME`].
    pub fn set_timestamp_us(&self, microseconds: i64) {
        self.timestamp_us.store(microseconds, Relaxed);
    }

    /// When it was last selected.
    #[must_use]
    pub fn last_access(&self) -> LastAccess {
        LastAccess(self.last_access.load(Relaxed))
    }

    /// Sets when it was last selected.
    pub fn set_last_access(&self, access: LastAccess) {
        self.last_access.store(access.0, Relaxed);
    }

    /// Puts an earlier access back, unless somebody wrote since.
    pub fn undo_last_access(&self, written: LastAccess, earlier: LastAccess) {
        let _ = self.last_access.compare_exchange(written.0, earlier.0, Relaxed, Relaxed);
    }

    /// How often it was selected.
    #[must_use]
    pub fn accesses(&self) -> u64 {
        self.access_count.load(Relaxed)
    }

    /// Sets how often it was selected.
    pub fn set_accesses(&self, count: u64) {
        self.access_count.store(count, Relaxed);
    }

    /// Counts one more selection, up to [`MAX_COUNT`]; false where it was full.
    pub fn count_access(&self) -> bool {
        let more = |count: u64| (count < MAX_COUNT).then_some(count + 1);
        self.access_count.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// Takes back one counted selection.
    pub fn uncount_access(&self) {
        let less = |count: u64| count.checked_sub(1);
        let _ = self.access_count.fetch_update(Relaxed, Relaxed, less);
    }

    /// Code points of the text, and the version of the text they belong to (or a later length).
    #[must_use]
    pub fn text_length(&self) -> (u64, u32) {
        let version = self.text_version.load(Acquire);
        (self.text_length.load(Acquire), version)
    }

    /// Notes that the text is another one, of that many code points. A count that the library made
    /// of the earlier text is forgotten, one of the caller's own stays. Who assigns texts must
    /// exclude others who do.
    pub fn set_text_length(&self, code_points: u64) {
        self.text_length.store(code_points, Release);
        self.text_version.fetch_add(1, AcqRel);
        // After the version, so that a writer of a count either sees the new version or has its
        // count forgotten here.
        self.tokens.forget_counted();
    }

    /// Stores a count that `counter` made of the text of a version, unless that text or the word
    /// `seen` has changed since; says whether it did.
    pub fn write_count(
        &self,
        seen: TokenWord,
        text_version: u32,
        count: u64,
        counter: Counter,
    ) -> bool {
        if !self.tokens.replace(seen, count, counter) {
            return false;
        }
        let current = self.text_version.load(Acquire) == text_version;
        if !current {
            self.tokens.undo(count, counter, TokenWord::default());
        }
        current
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_count_belongs_to_the_text_it_was_made_of() {
        let (memory, counter) = (MemoryCells::default(), Counter::new(1));
        memory.set_text_length(8);
        let (length, version) = memory.text_length();
        assert!(memory.write_count(memory.tokens.load(), version, length / 4, counter));
        memory.set_text_length(12);
        assert_eq!(memory.tokens.load().count(), 0, "forgotten with its text");
        let seen = memory.tokens.load();
        assert!(!memory.write_count(seen, version, 2, counter), "made of the earlier text");
        assert_eq!(memory.tokens.load(), seen);
    }

    #[test]
    fn accesses_stop_at_the_largest_count() {
        let memory = MemoryCells::default();
        memory.set_accesses(MAX_COUNT - 1);
        assert!(memory.count_access() && !memory.count_access());
        memory.uncount_access();
        assert_eq!(memory.accesses(), MAX_COUNT - 1);
        memory.reset();
        memory.uncount_access();
        assert_eq!(memory.accesses(), 0);
    }

    #[test]
    fn a_last_access_knows_who_wrote_it() {
        for microseconds in [-62_135_596_800_000_000, -1, 0, 1, 253_402_300_799_999_999] {
            let (given, written) =
                (LastAccess::given(microseconds), LastAccess::written(microseconds));
            assert_eq!([given, written].map(LastAccess::microseconds), [microseconds; 2]);
            assert_eq!([given, written].map(LastAccess::is_written), [false, true]);
        }
        assert_eq!(LastAccess::NEVER.microseconds(), NO_TIME);
    }
}
