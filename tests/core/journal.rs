//! The journal against a plain queue, and under many threads.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;

use memory_budget_core::journal::{Journal, Stamped};
use proptest::prelude::*;

/// Something that happened: who did it, and the number-th time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    writer: usize,
    number: i64,
}

impl Stamped for Event {
    fn stamp(&self) -> i64 {
        self.number
    }
}

fn event(writer: usize, number: i64) -> Arc<Event> {
    Arc::new(Event { writer, number })
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push(i64),
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![20 => (0..50_i64).prop_map(Step::Push), 1 => Just(Step::Clear)];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn one_thread_sees_a_bounded_queue(limit in 0..100_u64, steps in steps()) {
        let journal = Journal::new(limit);
        let mut queue = VecDeque::new();
        let mut latest_left = None;
        let mut pushed = 0;
        for step in steps {
            match step {
                Step::Push(number) => {
                    pushed += 1;
                    queue.push_back(number);
                    let full = limit != 0 && queue.len() as u64 > limit;
                    let expected = if full { queue.pop_front() } else { None };
                    latest_left = latest_left.max(expected);
                    let left = journal.push(event(0, number));
                    prop_assert_eq!(left.map(|event| event.number), expected);
                }
                Step::Clear => {
                    latest_left = latest_left.max(queue.drain(..).max());
                    journal.clear();
                }
            }
            prop_assert_eq!(journal.len(), queue.len() as u64);
            prop_assert_eq!(journal.is_empty(), queue.is_empty());
        }
        let kept: Vec<i64> = journal.snapshot().iter().map(|event| event.number).collect();
        prop_assert_eq!(kept, Vec::from(queue));
        prop_assert_eq!(journal.pushed(), pushed);
        for since in -1..52 {
            let complete = latest_left.is_none_or(|latest| latest < since);
            prop_assert_eq!(journal.complete_since(since), complete);
        }
    }
}

const WRITERS: usize = 4;
const EVENTS: i64 = 20_000;

/// Proves: under contention for few slots every pushed entry leaves exactly once or stays.
#[test]
fn nothing_is_lost_or_doubled_when_writers_wrap_around() {
    for limit in [1, 2, 7, 1000] {
        let journal = Journal::new(limit);
        let left: Vec<Event> = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| {
                    let journal = &journal;
                    scope.spawn(move || {
                        (0..EVENTS)
                            .filter_map(|number| journal.push(event(writer, number)))
                            .map(|event| *event)
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
        });
        let kept = journal.snapshot();
        assert_eq!(kept.len() as u64, limit);
        let pushed = usize::try_from(EVENTS).unwrap() * WRITERS;
        assert_eq!(left.len() + kept.len(), pushed);
        let all: BTreeSet<Event> =
            left.into_iter().chain(kept.iter().map(|event| **event)).collect();
        assert_eq!(all.len(), pushed);
    }
}

/// Proves: an unlimited journal loses nothing while its segments are being made.
#[test]
fn an_unlimited_journal_keeps_every_push_of_every_thread() {
    let journal = Journal::new(0);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let journal = &journal;
            scope.spawn(move || {
                for number in 0..EVENTS {
                    assert!(journal.push(event(writer, number)).is_none());
                }
            });
        }
    });
    let kept = journal.snapshot();
    for writer in 0..WRITERS {
        let own = kept.iter().filter(|event| event.writer == writer).map(|event| event.number);
        assert!(own.eq(0..EVENTS), "writer {writer}");
    }
}

/// Proves: what a reader sees is in order, and when the journal calls itself complete, every entry
/// whose push had ended is there, evictions and clearings at any moment notwithstanding.
#[test]
fn readers_see_order_and_can_trust_completeness() {
    let journal: Journal<Event> = Journal::new(512);
    let ended: [AtomicI64; WRITERS] = std::array::from_fn(|_| AtomicI64::new(-1));
    let running = AtomicBool::new(true);
    let trusted = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut trusted = 0_u64;
            while running.load(Ordering::Relaxed) {
                let ended = ended.each_ref().map(|number| number.load(Ordering::Acquire));
                let seen = journal.snapshot();
                assert!(seen.len() <= 512);
                for since in ended.map(|number| number - 20) {
                    let complete = journal.complete_since(since);
                    for (writer, ended) in ended.into_iter().enumerate() {
                        let own = seen.iter().filter(|event| event.writer == writer);
                        let own: Vec<i64> = own.map(|event| event.number).collect();
                        assert!(own.is_sorted_by(|earlier, later| earlier < later), "{own:?}");
                        if complete {
                            let missing =
                                (since.max(0)..=ended).find(|n| own.binary_search(n).is_err());
                            assert_eq!(missing, None, "writer {writer} since {since}");
                        }
                    }
                    trusted += u64::from(complete);
                }
            }
            trusted
        });
        let cleaner = scope.spawn(|| {
            while running.load(Ordering::Relaxed) {
                journal.clear();
                thread::sleep(std::time::Duration::from_micros(300));
            }
        });
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (journal, ended) = (&journal, &ended);
                scope.spawn(move || {
                    for number in 0..EVENTS {
                        journal.push(event(writer, number));
                        ended[writer].store(number, Ordering::Release);
                        // Keeps the writers' numbers near each other, so that windows overlap.
                        while ended.iter().any(|other| other.load(Ordering::Relaxed) + 10 < number)
                        {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        running.store(false, Ordering::Relaxed);
        cleaner.join().unwrap();
        reader.join().unwrap()
    });
    assert!(trusted > 0, "not one snapshot called itself complete: nothing was checked");
}

/// Proves: clearing drops what it clears, also what is being pushed meanwhile.
#[test]
fn nothing_cleared_is_kept_alive() {
    let journal = Journal::new(64);
    let value = event(0, 1);
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| (0..EVENTS).for_each(|_| drop(journal.push(Arc::clone(&value)))));
        }
        scope.spawn(|| (0..1000).for_each(|_| journal.clear()));
    });
    let kept = journal.snapshot().len();
    assert_eq!(Arc::strong_count(&value), 1 + kept);
    journal.clear();
    assert_eq!(Arc::strong_count(&value), 1);
    assert!(journal.is_empty());
}
