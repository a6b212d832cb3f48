//! Whole allocations by several threads, in many random schedules, tried by shuttle:
//! `RUSTFLAGS="--cfg shuttle" cargo test --profile models -p memory-budget-core --test shuttle`
//!
//! Loom tries every order of small cases and old values in loads; shuttle knows neither, but can do
//! with larger cases. `SCHEDULES` says how many (2,000 each if it is not set). Without `--cfg shuttle`
//! this file is empty.
#![cfg(shuttle)]

mod world;

use std::sync::Arc;

use memory_budget_core::memory::{LastAccess, MemoryCells};
use memory_budget_core::token_cell::Counter;
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};
use world::{Done, World};

const HOUR: i64 = 3_600_000_000;

fn schedules() -> usize {
    let set = std::env::var("SCHEDULES").ok();
    set.map_or(2_000, |it| it.parse().expect("SCHEDULES is a number"))
}

fn configuration() -> Config {
    let mut configuration = Config::default();
    configuration.stack_size = 1 << 18; // a plan's columns of one block lie on the stack
    configuration.silence_warnings = true; // about orderings, which are loom's part
    configuration
}

/// Tries a case in random schedules: half of them uniform, half of the kind that finds bugs of up
/// to three ill-timed interruptions (probabilistic concurrency testing: Burckhardt et al., ASPLOS
/// 2010).
fn tried(case: impl Fn() + Send + Sync + Clone + 'static) {
    let half = schedules() / 2;
    let random = Runner::new(RandomScheduler::new(half), configuration()).run(case.clone());
    let ill_timed = Runner::new(PctScheduler::new(3, half), configuration()).run(case);
    report(random + ill_timed);
}

fn report(schedules: usize) {
    let test = std::thread::current();
    println!("tried {schedules} schedules: {}", test.name().unwrap_or_default());
}

/// A thread of its own for each of these.
fn among(
    world: &Arc<World>,
    works: impl IntoIterator<Item = fn(&World)>,
) -> Vec<thread::JoinHandle<()>> {
    let start = |work: fn(&World)| {
        let world = Arc::clone(world);
        thread::spawn(move || work(&world))
    };
    works.into_iter().map(start).collect()
}

/// Allocators of so many calls each, while others work; everything adds up in the end.
fn allocators(world: &Arc<World>, threads: i64, calls: i64, others: Vec<thread::JoinHandle<()>>) {
    let start = |number: i64| {
        let world = Arc::clone(world);
        thread::spawn(move || {
            let mut done = Done::default();
            for call in 0..calls {
                done.add(world.allocate((40 + number * calls + call) * HOUR));
            }
            done
        })
    };
    let allocating: Vec<_> = (0..threads).map(start).collect();
    let mut done = Done::default();
    for thread in allocating {
        done.add(thread.join().unwrap());
    }
    for thread in others {
        thread.join().unwrap();
    }
    world.settle(&done);
}

#[test]
fn allocations_among_everything_else() {
    tried(|| {
        let world = Arc::new(World::new(5, 3));
        let others: [fn(&World); 4] = [
            |world| (1..=3).for_each(|revision| world.rewrite(revision)),
            |world| {
                for _ in 0..2 {
                    world.remove_or_add();
                    world.compact();
                }
            },
            |world| (1..=3).for_each(|number| world.configure(number)),
            |world| (0..2).for_each(|_| world.observe()),
        ];
        allocators(&world, 3, 2, among(&world, others));
    });
}

#[test]
fn allocations_among_compactions() {
    tried(|| {
        let world = Arc::new(World::new(6, 1));
        let compacting: fn(&World) = |world| {
            for _ in 0..3 {
                world.remove_or_add();
                world.compact();
            }
        };
        allocators(&world, 3, 3, among(&world, [compacting]));
    });
}

#[test]
fn allocations_with_statistics_being_read() {
    tried(|| {
        let world = Arc::new(World::new(2, 2));
        let observing: fn(&World) = |world| (0..4).for_each(|_| world.observe());
        allocators(&world, 4, 3, among(&world, [observing, observing]));
    });
}

/// Tries all orders of a small case. Loom is of no use for these two: of a store and an exchange
/// that nothing else orders it lets a later load choose, where being exchanged at all orders them.
fn in_all_orders(case: impl Fn() + Send + Sync + 'static) {
    report(Runner::new(DfsScheduler::new(None, false), configuration()).run(case));
}

/// What the caller says of tokens stands, whenever it is said.
#[test]
fn the_callers_own_count_stands() {
    in_all_orders(|| {
        let memory = Arc::new(MemoryCells::default());
        memory.set_text_length(40);
        let counting = thread::spawn({
            let memory = Arc::clone(&memory);
            move || {
                let (seen, (_, version)) = (memory.tokens.load(), memory.text_length());
                let unknown = !seen.holds_for(Counter::new(1));
                unknown && memory.write_count(seen, version, 10, Counter::new(1))
            }
        });
        memory.tokens.set_own(7);
        memory.set_text_length(80);
        counting.join().unwrap();
        let left = memory.tokens.load();
        assert_eq!((left.counter(), left.count()), (None, 7));
    });
}

/// A failed call takes its time of access back, and no time that another one wrote after it.
#[test]
fn a_time_of_access_that_is_taken_back_hides_no_later_one() {
    in_all_orders(|| {
        let memory = Arc::new(MemoryCells::default());
        let failing = thread::spawn({
            let memory = Arc::clone(&memory);
            move || {
                let earlier = memory.last_access();
                memory.set_last_access(LastAccess::written(1));
                memory.undo_last_access(LastAccess::written(1), earlier);
                earlier
            }
        });
        let before = memory.last_access();
        memory.set_last_access(LastAccess::written(2));
        let earlier = failing.join().unwrap();
        let left = memory.last_access();
        assert!(left == LastAccess::written(2) || left == earlier, "{left:?}");
        assert!(before != LastAccess::written(1) || left == LastAccess::written(2), "{left:?}");
    });
}
