//! The numbers of one memory: no count lost, no count that outlives its text.

use std::sync::Arc;

use loom::thread;
use memory_budget_core::memory::MemoryCells;
use memory_budget_core::token_cell::{Counter, FactorTable};
use memory_budget_core::tokens::{MAX_COUNT, estimate};

use crate::model;

const FIRST: Counter = Counter::new(1);
const SECOND: Counter = Counter::new(2);

/// What an allocation does about a count that is missing, as far as one memory is concerned.
fn count_tokens(memory: &MemoryCells, counter: Counter, tokens_per_char: f64) -> bool {
    let seen = memory.tokens.load();
    if seen.holds_for(counter) {
        return false;
    }
    let (length, version) = memory.text_length();
    memory.write_count(seen, version, estimate(length, tokens_per_char), counter)
}

fn with_text(code_points: u64) -> Arc<MemoryCells> {
    let memory = MemoryCells::default();
    memory.set_text_length(code_points);
    Arc::new(memory)
}

/// Proves: accesses that threads count and take back add up, and the limit holds.
#[test]
fn no_access_is_lost() {
    model(3, 5, || {
        let memory = Arc::new(MemoryCells::default());
        let counting = thread::spawn({
            let memory = Arc::clone(&memory);
            move || (memory.count_access(), memory.count_access())
        });
        let undone = thread::spawn({
            let memory = Arc::clone(&memory);
            move || {
                memory.count_access();
                memory.uncount_access();
            }
        });
        memory.count_access();
        assert_eq!(counting.join().unwrap(), (true, true));
        undone.join().unwrap();
        assert_eq!(memory.accesses(), 3);
    });
    model(3, 5, || {
        let memory = Arc::new(MemoryCells::default());
        memory.set_accesses(MAX_COUNT - 1);
        let other = thread::spawn({
            let memory = Arc::clone(&memory);
            move || memory.count_access()
        });
        assert!(memory.count_access() != other.join().unwrap(), "one of two found room");
        assert_eq!(memory.accesses(), MAX_COUNT);
    });
}

/// Proves: whoever comes first, the one that assigns a text or the one that counts the old text's
/// tokens, no count of the old text is left.
#[test]
fn no_count_outlives_its_text() {
    model(4, 6, || {
        let memory = with_text(40);
        let counting = thread::spawn({
            let memory = Arc::clone(&memory);
            move || count_tokens(&memory, FIRST, 0.25)
        });
        memory.set_text_length(80);
        counting.join().unwrap();
        let left = memory.tokens.load();
        let counts = [(None, 0), (Some(FIRST), 20)];
        assert!(counts.contains(&(left.counter(), left.count())), "{left:?}");
    });
}

/// Proves: nor is one left of a memory that was emptied.
#[test]
fn no_count_outlives_a_reset() {
    model(4, 6, || {
        let memory = with_text(40);
        let counting = thread::spawn({
            let memory = Arc::clone(&memory);
            move || count_tokens(&memory, FIRST, 0.25)
        });
        memory.reset();
        counting.join().unwrap();
        assert_eq!(memory.tokens.load().count(), 0);
    });
}

/// Proves: two counters may write over each other, but a count is always with its own counter, and
/// what a failed call takes back is its own count alone.
#[test]
fn a_count_is_never_seen_with_another_counter() {
    model(3, 4, || {
        let memory = with_text(40);
        let failing = thread::spawn({
            let memory = Arc::clone(&memory);
            move || {
                let seen = memory.tokens.load();
                if count_tokens(&memory, SECOND, 0.5) {
                    memory.tokens.undo(20, SECOND, seen);
                }
            }
        });
        let written = count_tokens(&memory, FIRST, 0.25);
        let seen = memory.tokens.load();
        let counts = [(None, 0), (Some(FIRST), 10), (Some(SECOND), 20)];
        assert!(counts.contains(&(seen.counter(), seen.count())), "{seen:?}");
        failing.join().unwrap();
        let left = memory.tokens.load();
        assert!(counts[..2].contains(&(left.counter(), left.count())), "{left:?}");
        assert!(written || left.counter().is_none());
    });
}

/// Proves: a factor has one place, and no two have the same.
#[test]
fn a_factor_keeps_its_place() {
    for (first, second) in [(0.25, 0.25), (0.25, 0.5)] {
        model(4, 6, move || {
            let table = Arc::new(FactorTable::<2>::new());
            let other = thread::spawn({
                let table = Arc::clone(&table);
                move || table.place(first).unwrap()
            });
            let place = table.place(second).unwrap();
            let others = other.join().unwrap();
            assert_eq!(place == others, first == second);
            assert_eq!((table.factor(others), table.factor(place)), (first, second));
            assert_eq!((table.place(first), table.place(second)), (Some(others), Some(place)));
        });
    }
}
