//! The pool: a reader sees one version, no writer's work is lost, no access is lost or counted twice.

use std::sync::Arc;

use loom::thread;
use memory_budget_core::decay::NO_TIME;
use memory_budget_core::pool::Cells;

use crate::model;
use crate::world::{Memory, Rows, accesses, check_access, count, entry, pool, revisions};

/// Five rows, of which four fill the first chunk.
const IDS: u32 = 5;

fn rewrite(rows: &Rows, revision: u32) {
    rows.change(|draft| {
        for id in 0..IDS {
            draft.put(entry(id, revision, Cells::default()));
        }
    });
}

/// Proves: a snapshot holds all of a change or nothing of it, over all columns and chunks, and
/// keeps what it holds; looking up finds rows of the very same version.
#[test]
fn a_reader_sees_one_version() {
    model(5, 7, || {
        let rows = Arc::new(pool(IDS, false));
        let writer = thread::spawn({
            let rows = Arc::clone(&rows);
            move || {
                rewrite(&rows, 1);
                rewrite(&rows, 2);
            }
        });
        let snapshot = rows.snapshot();
        let before = revisions(&snapshot);
        assert!(before.iter().all(|it| it.1 == before[0].1), "{before:?}");
        let later = rows.snapshot();
        assert!(later.version() >= snapshot.version(), "time does not run backwards");
        rows.look_up(|found| {
            let version = found.snapshot().version();
            let row = found.find(1 << 60, |it| it.id == 1).expect("it always is there");
            let revision = found.snapshot().payload(row).map(|it| u64::from(it.revision));
            assert_eq!(revision, Some(version - 1));
        });
        writer.join().unwrap();
        assert_eq!(revisions(&snapshot), before, "what was taken stays");
        assert!(revisions(&rows.snapshot()).iter().all(|it| it.1 == 2));
    });
}

/// Proves: of two writers neither loses rows to the other, and the index knows the rows of both.
#[test]
fn writers_lose_nothing_to_each_other() {
    model(5, 7, || {
        let rows = Arc::new(pool(1, false));
        let other = thread::spawn({
            let rows = Arc::clone(&rows);
            move || {
                rows.change(|draft| draft.put(entry(1, 1, Cells::default())));
            }
        });
        rows.change(|draft| draft.put(entry(2, 2, Cells::default())));
        other.join().unwrap();
        assert_eq!(revisions(&rows.snapshot()), [(0, 0), (1, 1), (2, 2)]);
        assert_eq!(rows.snapshot().version(), 3);
        for id in 0..3 {
            let found = rows.look_up(|rows| rows.find(u64::from(id) << 60, |it| it.id == id));
            assert!(found.is_some(), "the index knows {id}");
        }
    });
}

/// Proves: a change that depends on the present rows happens on those or not at all.
#[test]
fn a_conditional_change_meets_the_rows_it_wants() {
    model(5, 7, || {
        let rows = Arc::new(pool(1, false));
        let set = |rows: &Rows, revision| {
            let wanted = |snapshot: &_| revisions(snapshot) == [(0, 0)];
            rows.change_if(wanted, |draft| draft.put(entry(0, revision, Cells::default())))
                .is_some()
        };
        let other = thread::spawn({
            let rows = Arc::clone(&rows);
            move || set(&rows, 1)
        });
        let done = set(&rows, 2);
        assert!(done != other.join().unwrap(), "one of two found what it wanted");
        assert_eq!(revisions(&rows.snapshot()), [(0, if done { 2 } else { 1 })]);
    });
}

/// Proves: two threads that make the same cells at once count both; a reader that sees a count
/// sees its time.
#[test]
fn accesses_add_up_and_come_with_their_time() {
    model(2, 3, || {
        let rows = Arc::new(pool(2, false));
        let other = thread::spawn({
            let rows = Arc::clone(&rows);
            move || count(&rows, &rows.snapshot(), 0, 5)
        });
        let reader = thread::spawn({
            let rows = Arc::clone(&rows);
            move || check_access(rows.snapshot().access(0))
        });
        let snapshot = rows.snapshot();
        let counts = [count(&rows, &snapshot, 0, 6), other.join().unwrap()];
        reader.join().unwrap();
        assert!(counts == [Some(1), Some(2)] || counts == [Some(2), Some(1)], "{counts:?}");
        let access = accesses(&rows, 0);
        assert!(access.count == 2 && [5, 6].contains(&access.last_us), "{access:?}");
        assert_eq!(accesses(&rows, 1).count, 0);
    });
}

/// Proves: while rows get new numbers, each access is counted once, in the old cell or in the new
/// one, and its time with it; cells that nobody had touched are no exception.
#[test]
fn no_access_is_lost_to_a_compaction() {
    for touched in [false, true] {
        model(1, 2, move || {
            let rows = Arc::new(pool(2, true));
            if touched {
                count(&rows, &rows.snapshot(), 1, 1);
            }
            let counting = |rows: &Rows, now_us| {
                let snapshot = rows.snapshot();
                let ids: Vec<_> =
                    (0..).take(snapshot.rows()).map(|it| snapshot.payload(it)).collect();
                let number = ids.iter().position(|it| it.is_some_and(|it: &Memory| it.id == 0));
                count(rows, &snapshot, u32::try_from(number.unwrap()).unwrap(), now_us)
            };
            let compacting = thread::spawn({
                let rows = Arc::clone(&rows);
                move || rows.compact()
            });
            let other = thread::spawn({
                let rows = Arc::clone(&rows);
                move || counting(&rows, 5)
            });
            assert!(counting(&rows, 6).is_some() && other.join().unwrap().is_some());
            assert_eq!(compacting.join().unwrap(), [1, 2]);
            let access = accesses(&rows, 0);
            assert_eq!(access.count, 2 + u64::from(touched));
            assert!([5, 6].contains(&access.last_us), "{access:?}");
            assert_eq!(accesses(&rows, 1).last_us, NO_TIME);
        });
    }
}

/// Proves: a reader of accesses that moved learns it, and never takes the mark for a count.
#[test]
fn a_reader_learns_that_cells_moved() {
    model(5, 7, || {
        let rows = Arc::new(pool(2, true));
        count(&rows, &rows.snapshot(), 1, 1);
        let compacting = thread::spawn({
            let rows = Arc::clone(&rows);
            move || rows.compact()
        });
        let snapshot = rows.snapshot();
        let number = u32::from(snapshot.payload(0).is_none());
        let read = snapshot.access(number).unwrap_or_else(|_| accesses(&rows, 0));
        assert_eq!((read.count, read.last_us), (1, 1));
        compacting.join().unwrap();
    });
}

/// Proves: an access that is counted while its row is replaced or removed harms no other row.
#[test]
fn an_access_meets_a_change_of_its_row() {
    model(5, 7, || {
        let rows = Arc::new(pool(2, false));
        let writer = thread::spawn({
            let rows = Arc::clone(&rows);
            move || {
                rows.change(|draft| draft.put(entry(0, 1, Cells::default())));
                rows.change(|draft| draft.remove(1));
            }
        });
        let snapshot = rows.snapshot();
        assert_eq!(count(&rows, &snapshot, 0, 5), Some(1));
        writer.join().unwrap();
        assert_eq!(accesses(&rows, 0).count, 1, "a replaced row keeps its count");
        assert_eq!(revisions(&rows.snapshot()), [(0, 1)]);
    });
}
