//! Whole allocations, among changes of everything they read.

use std::sync::Arc;

use loom::thread;

use crate::model;
use crate::world::World;

const NOW: i64 = 40 * 3_600_000_000;

/// Runs two sides at once and checks the sums.
fn side_by_side(quick: usize, thorough: usize, change: fn(&World)) {
    model(quick, thorough, move || {
        let world = Arc::new(World::new(1, 1));
        let other = thread::spawn({
            let world = Arc::clone(&world);
            move || change(&world)
        });
        let done = world.allocate(NOW);
        other.join().unwrap();
        world.settle(&done);
    });
}

/// Proves: an allocation gives what the formula gives for one version of the rows, while they change.
#[test]
fn an_allocation_among_changed_rows() {
    side_by_side(2, 4, |world| {
        world.rewrite(1);
        world.remove_or_add();
    });
}

/// Proves: its accesses arrive, though the rows get new numbers meanwhile.
#[test]
fn an_allocation_during_a_compaction() {
    side_by_side(2, 4, World::compact);
}

/// Proves: it uses one configuration from the budget to the log, though another takes its place.
#[test]
fn an_allocation_among_configurations() {
    side_by_side(2, 4, |world| world.configure(1));
}

/// Proves: who reads statistics, the log and the rows meanwhile finds whole entries and whole sums.
#[test]
fn an_allocation_that_is_observed() {
    side_by_side(0, 1, World::observe);
}

/// Proves: two allocations at once, which make the same columns and cells and push each other's
/// entries out of the log, are both right and both counted.
#[test]
fn two_allocations() {
    model(0, 1, || {
        let world = Arc::new(World::new(1, 1));
        let other = thread::spawn({
            let world = Arc::clone(&world);
            move || world.allocate(NOW)
        });
        let mut done = world.allocate(NOW + 1);
        done.add(other.join().unwrap());
        world.settle(&done);
    });
}
