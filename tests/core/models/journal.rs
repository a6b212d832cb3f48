//! The log: nothing lost, nothing torn, order and completeness to be relied on.

use std::sync::Arc;

use loom::sync::atomic::{AtomicI64, Ordering};
use loom::thread;
use memory_budget_core::journal::{Journal, Stamped};

use crate::model;

struct Number(i64);

impl Stamped for Number {
    fn stamp(&self) -> i64 {
        self.0
    }
}

type Log = Arc<Journal<Number>>;

fn push(journal: &Log, number: i64) -> Option<i64> {
    journal.push(Arc::new(Number(number))).map(|left| left.0)
}

fn numbers(journal: &Log) -> Vec<i64> {
    journal.snapshot().iter().map(|entry| entry.0).collect()
}

/// Proves: of two writers that make segments and fill neighbouring slots, none loses its entry.
#[test]
fn no_push_is_lost() {
    model(4, 5, || {
        let journal: Log = Arc::new(Journal::new(0));
        let other = thread::spawn({
            let journal = Arc::clone(&journal);
            move || (push(&journal, 1), push(&journal, 2))
        });
        assert_eq!(push(&journal, 3), None);
        assert_eq!(other.join().unwrap(), (None, None));
        let kept = numbers(&journal);
        assert!(
            [[3, 1, 2], [1, 3, 2], [1, 2, 3]].iter().any(|order| *order == kept[..]),
            "{kept:?}"
        );
        assert!(journal.complete_since(i64::MIN));
    });
}

/// Proves: of two writers a round apart in the same slot the newer stays, whoever comes first, and
/// every other entry leaves exactly once.
#[test]
fn a_slot_keeps_the_newer_of_two_writers() {
    model(4, 5, || {
        let journal: Log = Arc::new(Journal::new(1));
        let other = thread::spawn({
            let journal = Arc::clone(&journal);
            move || [push(&journal, 1), push(&journal, 2)]
        });
        let left = push(&journal, 3);
        let mut all: Vec<i64> = other.join().unwrap().into_iter().chain([left]).flatten().collect();
        let kept = numbers(&journal);
        assert!(kept == [2] || kept == [3], "{kept:?}");
        assert!(!all.contains(&kept[0]));
        all.extend(kept);
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3]);
    });
}

/// Proves: a reader among evictions sees entries in order; when the journal calls itself complete
/// since a time, no entry of that time whose push had ended is missing.
#[test]
fn a_reader_can_trust_order_and_completeness() {
    model(3, 4, || {
        let journal: Log = Arc::new(Journal::new(2));
        let ended = Arc::new(AtomicI64::new(0));
        let writer = thread::spawn({
            let (journal, ended) = (Arc::clone(&journal), Arc::clone(&ended));
            move || {
                for number in 1..=3 {
                    push(&journal, number);
                    ended.store(number, Ordering::Release);
                }
            }
        });
        let ended = ended.load(Ordering::Acquire);
        let seen = numbers(&journal);
        assert!(seen.is_sorted() && seen.len() <= 2, "{seen:?}");
        assert!(seen.contains(&2) || !seen.contains(&3), "{seen:?}: 2 was there before 3");
        for since in 1..=3 {
            if journal.complete_since(since) {
                assert!(
                    (since..=ended).all(|number| seen.contains(&number)),
                    "{seen:?} since {since}"
                );
            }
        }
        writer.join().unwrap();
        assert_eq!(numbers(&journal), [2, 3]);
        assert!(!journal.complete_since(1) && journal.complete_since(2));
    });
}

/// Proves: a push that meets a clear is kept whole or removed whole, and if removed, that is known.
#[test]
fn a_push_is_before_or_after_a_clear() {
    model(4, 5, || {
        let journal: Log = Arc::new(Journal::new(2));
        push(&journal, 1);
        let writer = thread::spawn({
            let journal = Arc::clone(&journal);
            move || push(&journal, 2)
        });
        journal.clear();
        let between = numbers(&journal);
        assert!(between.is_empty() || between == [2], "{between:?}");
        writer.join().unwrap();
        let kept = numbers(&journal);
        assert_eq!(journal.len(), kept.len() as u64);
        if kept.is_empty() {
            assert_eq!(between, [0; 0], "what a reader saw after the clear stays");
            assert!(!journal.complete_since(2));
        } else {
            assert_eq!(kept, [2]);
            assert!(!journal.complete_since(1) && journal.complete_since(2));
        }
    });
}

/// Proves: a reader sees all entries from before a clear or none, and knows if it missed any.
#[test]
fn a_reader_sees_a_clear_as_one_step() {
    model(3, 4, || {
        let journal: Log = Arc::new(Journal::new(2));
        push(&journal, 1);
        push(&journal, 2);
        let cleaner = thread::spawn({
            let journal = Arc::clone(&journal);
            move || journal.clear()
        });
        let seen = numbers(&journal);
        assert!(seen == [1, 2] || (seen.is_empty() && !journal.complete_since(2)), "{seen:?}");
        cleaner.join().unwrap();
        assert_eq!(numbers(&journal), [0; 0]);
    });
}

/// Proves: when two clears overlap, the one that ends first has not left entries of the other
/// unaccounted for.
#[test]
fn overlapping_clears_leave_nothing_unknown() {
    model(3, 4, || {
        let journal: Log = Arc::new(Journal::new(0));
        push(&journal, 2);
        let other = thread::spawn({
            let journal = Arc::clone(&journal);
            move || journal.clear()
        });
        push(&journal, 1);
        journal.clear();
        assert_eq!(numbers(&journal), [0; 0]);
        assert!(!journal.complete_since(2), "the first entry left, whichever clear removed it");
        other.join().unwrap();
        push(&journal, 3);
        assert_eq!(numbers(&journal), [3]);
    });
}

/// Proves: on the third time around a ring, two writers and a reader, order holds, nothing is torn,
/// and every entry is either there or left exactly once.
#[test]
fn a_ring_goes_around() {
    model(2, 3, || {
        let journal: Log = Arc::new(Journal::new(2));
        for number in 1..=3 {
            push(&journal, number);
        }
        let other = thread::spawn({
            let journal = Arc::clone(&journal);
            move || [push(&journal, 10), push(&journal, 11)]
        });
        let mut left = vec![push(&journal, 20)];
        let seen = numbers(&journal);
        let tens: Vec<_> = seen.iter().filter(|it| (10..20).contains(*it)).collect();
        assert!(seen.len() <= 2 && tens.is_sorted(), "{seen:?}");
        left.extend(other.join().unwrap());
        let mut all: Vec<i64> = left.into_iter().flatten().chain(numbers(&journal)).collect();
        all.sort_unstable();
        assert_eq!(all, [2, 3, 10, 11, 20]);
        assert_eq!((journal.len(), journal.pushed()), (2, 6));
    });
}
