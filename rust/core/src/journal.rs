//! The log of what happened: bounded or unlimited, written by any number of threads without a lock,
//! read without being drained.
//!
//! Every push draws a ticket, and the ticket names its slot: `ticket % limit` in a bounded journal,
//! the ticket itself in an unlimited one. Among entries, a slot only goes from an older ticket to a
//! newer one, so a writer that was overtaken by a whole round finds its entry out of date already
//! and leaves it out. [`Journal::clear`] raises a mark below which tickets count for nothing, sweeps
//! their slots, then raises a second mark that spares readers the swept part. Slots live in segments
//! that double in size and are made at first use; only making one can make another writer wait.
//!
//! Whoever finds that an entry's time is over (it is pushed out, cleared, or overtaken) notes its
//! stamp before acting on that. A reader that misses an entry therefore also sees the note, which
//! is what makes [`Journal::complete_since`] reliable after [`Journal::snapshot`].

use std::sync::Arc;

use crossbeam_utils::CachePadded;

use crate::sync::{AcqRel, Acquire, AtomicI64, AtomicU64, OnceLock, Relaxed, SMALL, Slot};

/// Slots of the first segment; each further one has twice as many as the one before. Small in
/// models, so that they cross from one segment to the next.
const FIRST_SEGMENT: u64 = if SMALL { 1 } else { 32 };

/// Enough segments for every ticket that can be drawn.
const SEGMENTS: usize = 64 - FIRST_SEGMENT.ilog2() as usize;

/// Stands for "nothing has left yet".
const NOTHING_LEFT: i64 = i64::MIN;

/// Something with a time, in microseconds since 1970-01-01 UTC.
pub trait Stamped {
    /// When it happened.
    fn stamp(&self) -> i64;
}

struct Entry<T> {
    ticket: u64,
    value: Arc<T>,
}

type Segment<T> = Box<[Slot<Entry<T>>]>;

/// See the [module's documentation](self).
pub struct Journal<T> {
    limit: u64,
    tickets: CachePadded<Tickets>,
    /// Largest stamp of all that left; stamps rise, so it seldom changes except on eviction.
    latest_left: CachePadded<AtomicI64>,
    segments: [OnceLock<Segment<T>>; SEGMENTS],
}

struct Tickets {
    /// The next ticket. Never wraps: at one push a nanosecond that takes 584 years.
    next: AtomicU64,
    /// Tickets below it count for nothing.
    cleared: AtomicU64,
    /// Tickets below it are noted and their slots are free, or will be by their own late writer.
    /// Never above `cleared`.
    swept: AtomicU64,
}

impl<T: Stamped> Journal<T> {
    /// An empty journal that keeps the last `limit` entries, or all of them if it is 0.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self {
            limit,
            tickets: CachePadded::new(Tickets {
                next: AtomicU64::new(0),
                cleared: AtomicU64::new(0),
                swept: AtomicU64::new(0),
            }),
            latest_left: CachePadded::new(AtomicI64::new(NOTHING_LEFT)),
            segments: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    /// How many entries it keeps; 0 = all.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How many entries were ever pushed.
    #[must_use]
    pub fn pushed(&self) -> u64 {
        self.tickets.next.load(Acquire)
    }

    /// How many of the pushed entries are still to be had. An entry counts from the moment its push
    /// begins.
    #[must_use]
    pub fn len(&self) -> u64 {
        let next = self.pushed();
        next - self.oldest(next, &self.tickets.cleared)
    }

    /// Whether nothing is to be had.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends an entry and returns the one that left for it. (That is the given one itself if other
    /// threads filled the whole journal in the meantime.)
    pub fn push(&self, value: Arc<T>) -> Option<Arc<T>> {
        // AcqRel: a reader that sees this ticket sees every entry whose push had ended before it.
        let ticket = self.tickets.next.fetch_add(1, AcqRel);
        let slot = self.slot(ticket);
        let entry = Arc::new(Entry { ticket, value });
        let left = loop {
            let held = slot.load();
            match &*held {
                Some(newer) if newer.ticket > ticket => {
                    self.note(&entry);
                    return Some(Arc::clone(&entry.value));
                }
                Some(older) => self.note(older),
                None => {}
            }
            if slot.exchange(&held, Some(Arc::clone(&entry))) {
                break held.as_ref().map(|older| Arc::clone(&older.value));
            }
        };
        // A clear that began after the ticket was drawn may have passed this slot already. Both
        // sides change `cleared` (this one by nothing): whichever change comes second sees the
        // other's past, so either the sweep meets the entry or this writer learns of the clear.
        if ticket < self.tickets.cleared.fetch_add(0, AcqRel) {
            self.free(slot, ticket + 1);
        }
        left
    }

    /// The entries, oldest first, in the order of their tickets.
    ///
    /// Entries whose push has not ended may be missing, entries that leave meanwhile too; every one
    /// that is returned was in the journal at the same moment as far as clearing is concerned: all
    /// are from before a concurrent [`clear`](Self::clear) or all are from after it.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Arc<T>> {
        let next = self.pushed();
        let mut entries: Vec<(u64, Arc<T>)> = Vec::new();
        for ticket in self.oldest(next, &self.tickets.swept)..next {
            let Some(slot) = self.slot_if_made(ticket) else { continue };
            match &*slot.load() {
                Some(entry) if entry.ticket == ticket => {
                    entries.push((ticket, Arc::clone(&entry.value)));
                }
                // Its successor holds a ticket but has not arrived: the entry's time is over.
                Some(entry) if entry.ticket < ticket => self.note(entry),
                _ => {}
            }
        }
        let cleared = self.tickets.cleared.load(Acquire);
        let (gone, kept) =
            entries.split_at(entries.partition_point(|(ticket, _)| *ticket < cleared));
        for (_, value) in gone {
            self.note_stamp(value.stamp());
        }
        kept.iter().map(|(_, value)| Arc::clone(value)).collect()
    }

    /// Removes every entry pushed so far. A push in progress ends up removed or is kept, whole.
    pub fn clear(&self) {
        let end = self.pushed();
        // Not from `cleared` on: another clear may still be sweeping there, and when this one ends,
        // everything below `end` has to be done.
        let start = self.oldest(end, &self.tickets.swept);
        self.tickets.cleared.fetch_max(end, AcqRel);
        for ticket in start..end {
            if let Some(slot) = self.slot_if_made(ticket) {
                self.free(slot, end);
            }
        }
        self.tickets.swept.fetch_max(end, AcqRel);
    }

    /// Whether nothing stamped `since` or later has left, by eviction or clearing. Ask after taking the
    /// snapshot it is about: what leaves in between then only makes the answer more careful.
    #[must_use]
    pub fn complete_since(&self, since: i64) -> bool {
        let latest = self.latest_left.load(Acquire);
        latest == NOTHING_LEFT || latest < since
    }

    /// The oldest ticket that is neither below the mark nor a whole round behind `next`.
    fn oldest(&self, next: u64, mark: &AtomicU64) -> u64 {
        let bound = if self.limit == 0 { 0 } else { next.saturating_sub(self.limit) };
        // Never above `next`: a clear may have seen later tickets.
        bound.max(mark.load(Acquire)).min(next)
    }

    /// Empties a slot unless it holds a ticket of `end` or later.
    fn free(&self, slot: &Slot<Entry<T>>, end: u64) {
        loop {
            let held = slot.load();
            match &*held {
                Some(entry) if entry.ticket < end => self.note(entry),
                _ => return,
            }
            if slot.exchange(&held, None) {
                return;
            }
        }
    }

    fn note(&self, entry: &Entry<T>) {
        self.note_stamp(entry.value.stamp());
    }

    fn note_stamp(&self, stamp: i64) {
        let stamp = stamp.max(NOTHING_LEFT + 1);
        // It only rises, so having seen it high enough is as good as having raised it.
        if self.latest_left.load(Relaxed) < stamp {
            self.latest_left.fetch_max(stamp, AcqRel);
        }
    }

    /// The ticket's slot, made if need be.
    fn slot(&self, ticket: u64) -> &Slot<Entry<T>> {
        let (segment, offset) = self.place(ticket);
        let slots = self.segments[segment].get_or_init(|| {
            let start = segment_start(segment);
            let full = FIRST_SEGMENT << segment;
            let length = if self.limit == 0 { full } else { full.min(self.limit - start) };
            (0..length).map(|_| Slot::empty()).collect()
        });
        &slots[offset]
    }

    /// The ticket's slot if its segment was ever used.
    fn slot_if_made(&self, ticket: u64) -> Option<&Slot<Entry<T>>> {
        let (segment, offset) = self.place(ticket);
        self.segments[segment].get().map(|slots| &slots[offset])
    }

    /// The segment of a ticket's slot, and its offset there.
    fn place(&self, ticket: u64) -> (usize, usize) {
        let index = if self.limit == 0 { ticket } else { ticket % self.limit };
        // Segment s holds FIRST_SEGMENT * 2^s slots from FIRST_SEGMENT * (2^s - 1) on.
        let segment = (index / FIRST_SEGMENT + 1).ilog2() as usize;
        let offset = index - segment_start(segment);
        (segment, usize::try_from(offset).expect("a segment that is in memory has usize offsets"))
    }
}

fn segment_start(segment: usize) -> u64 {
    FIRST_SEGMENT * ((1 << segment) - 1)
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    struct Number(i64);

    impl Stamped for Number {
        fn stamp(&self) -> i64 {
            self.0
        }
    }

    fn filled(limit: u64, numbers: std::ops::Range<i64>) -> Journal<Number> {
        let journal = Journal::new(limit);
        for number in numbers {
            journal.push(Arc::new(Number(number)));
        }
        journal
    }

    fn numbers(journal: &Journal<Number>) -> Vec<i64> {
        journal.snapshot().iter().map(|entry| entry.0).collect()
    }

    #[test]
    fn the_last_entries_are_kept_in_order() {
        let journal = filled(100, 0..250);
        assert_eq!(numbers(&journal), (150..250).collect::<Vec<_>>());
        assert_eq!((journal.len(), journal.pushed(), journal.limit()), (100, 250, 100));
        assert_eq!(journal.push(Arc::new(Number(250))).map(|left| left.0), Some(150));
    }

    #[test]
    fn unlimited_keeps_everything() {
        let journal = filled(0, 0..1000);
        assert_eq!(numbers(&journal), (0..1000).collect::<Vec<_>>());
        assert!(journal.complete_since(i64::MIN));
    }

    #[test]
    fn what_left_is_remembered_by_its_stamp() {
        let journal = filled(10, 0..10);
        assert!(journal.complete_since(0));
        journal.push(Arc::new(Number(10)));
        assert!(!journal.complete_since(0));
        assert!(journal.complete_since(1));
        journal.clear();
        assert!(!journal.complete_since(10));
        assert!(journal.complete_since(11));
    }

    #[test]
    fn clearing_frees_the_entries_and_later_pushes_stay() {
        let journal = Journal::new(4);
        let value = Arc::new(Number(1));
        journal.push(Arc::clone(&value));
        journal.clear();
        assert_eq!(Arc::strong_count(&value), 1);
        assert!(journal.is_empty());
        journal.push(Arc::new(Number(2)));
        assert_eq!(numbers(&journal), [2]);
        assert_eq!((journal.len(), journal.pushed()), (1, 2));
    }

    #[test]
    fn a_writer_overtaken_by_a_round_leaves_its_entry_out() {
        let journal = filled(2, 0..2);
        // What a push of ticket 2 would meet after ticket 4 had arrived.
        let slot = journal.slot(2);
        let newer = Entry { ticket: 4, value: Arc::new(Number(4)) };
        assert!(slot.exchange(&slot.load(), Some(Arc::new(newer))));
        assert_eq!(journal.push(Arc::new(Number(2))).map(|left| left.0), Some(2));
        assert!(!journal.complete_since(2));
    }

    #[test]
    fn segments_cover_every_index_once() {
        let journal = Journal::<Number>::new(0);
        let mut expected = (0, 0);
        for ticket in 0..5000 {
            let place = journal.place(ticket);
            if place != expected {
                assert_eq!(place, (expected.0 + 1, 0));
            }
            expected = (place.0, place.1 + 1);
        }
        assert!(journal.place(u64::MAX - FIRST_SEGMENT).0 < SEGMENTS);
    }
}
