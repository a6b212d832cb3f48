//! Real threads over everything the core shares, for as many rounds as the argument says; what they
//! did has to add up. A binary of its own, so that ThreadSanitizer can watch it (`thread-sanitizer`
//! beside it): the real arc-swap and crossbeam take part, where models have stand-ins.
//!
//! `--seeded-race` adds a data race, which the sanitizer must report.
#![cfg_attr(any(loom, shuttle), allow(unused))]

#[cfg(not(any(loom, shuttle)))]
#[path = "../models/world.rs"]
mod world;

#[cfg(any(loom, shuttle))]
fn main() {}

#[cfg(not(any(loom, shuttle)))]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds = arguments.iter().find_map(|it| it.parse().ok()).unwrap_or(20);
    if arguments.iter().any(|it| it == "--seeded-race") {
        stress::race();
    }
    let mut allocations = 0;
    for _ in 0..rounds {
        allocations += stress::everything();
        stress::numbers_of_one_memory();
    }
    println!("made {allocations} allocations in {rounds} rounds of {} threads", stress::THREADS);
}

#[cfg(not(any(loom, shuttle)))]
mod stress {
    use std::cell::UnsafeCell;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::{self, ScopedJoinHandle};

    use memory_budget_core::memory::MemoryCells;
    use memory_budget_core::token_cell::{Counter, FactorTable};
    use memory_budget_core::tokens::estimate;

    use crate::world::{Done, World};

    const ALLOCATORS: i64 = 4;
    const CALLS: i64 = 50;
    const HOUR: i64 = 3_600_000_000;
    /// Allocators and those who get in their way.
    pub const THREADS: usize = 8;

    /// Allocations among changes, compactions, configurations and statistics, all starting at once
    /// and going on until the last allocator is done.
    pub fn everything() -> u64 {
        let world = &World::new(40, 16);
        let (start, over) = (&Barrier::new(THREADS), &AtomicBool::new(false));
        let done = thread::scope(|scope| {
            let allocators: Vec<_> = (0..ALLOCATORS)
                .map(|number| {
                    scope.spawn(move || {
                        start.wait();
                        let mut done = Done::default();
                        for call in 0..CALLS {
                            done.add(world.allocate((40 + number * CALLS + call) * HOUR));
                        }
                        done
                    })
                })
                .collect();
            let others: [fn(&World, u32); THREADS - 4] = [
                |world, turn| world.rewrite(turn % 7),
                |world, turn| {
                    world.remove_or_add();
                    if turn % 2 == 0 {
                        world.compact();
                    }
                },
                |world, turn| world.configure(turn % 7),
                |world, _| world.observe(),
            ];
            let others = others.map(|work| {
                scope.spawn(move || {
                    start.wait();
                    let mut turn = 0;
                    while !over.load(Ordering::Acquire) {
                        work(world, turn);
                        turn += 1;
                        thread::yield_now();
                    }
                })
            });
            let mut sum = Done::default();
            for allocator in allocators {
                sum.add(allocator.join().expect("no allocation panics"));
            }
            over.store(true, Ordering::Release);
            join(others);
            sum
        });
        world.settle(&done);
        done.allocations
    }

    /// Accesses, texts and token counts of one memory.
    pub fn numbers_of_one_memory() {
        static FACTORS: FactorTable<16> = FactorTable::new();
        const TURNS: u64 = 2_000;
        let memory = &MemoryCells::default();
        let start = &Barrier::new(THREADS);
        thread::scope(|scope| {
            let assigning = scope.spawn(move || {
                start.wait();
                (0..=TURNS).for_each(|turn| memory.set_text_length(4 * turn));
            });
            let counting = (1..THREADS as u64).map(|number| {
                scope.spawn(move || {
                    start.wait();
                    for turn in 0..TURNS {
                        memory.count_access();
                        let counter = Counter::new(number);
                        let (seen, (length, version)) =
                            (memory.tokens.load(), memory.text_length());
                        if !seen.holds_for(counter) {
                            memory.write_count(seen, version, estimate(length, 0.25), counter);
                        }
                        memory.combined.store(turn as f64);
                        let factor = (turn % 16) as f64;
                        let place = FACTORS.place(factor).expect("it has room for all");
                        assert_eq!(FACTORS.factor(place), factor);
                    }
                })
            });
            join(counting.collect::<Vec<_>>());
            join([assigning]);
        });
        assert_eq!(memory.accesses(), TURNS * (THREADS as u64 - 1));
        let left = memory.tokens.load().count();
        assert!(left == 0 || left == TURNS, "{left} tokens of a text that has {TURNS}");
    }

    /// Not left to the scope: how that waits is hidden from the sanitizer in std.
    fn join<'scope>(threads: impl IntoIterator<Item = ScopedJoinHandle<'scope, ()>>) {
        for thread in threads {
            thread.join().expect("no thread panics");
        }
    }

    struct Racy(UnsafeCell<u64>);

    // SAFETY: none. It is wrong on purpose, and never called but to see that it is reported.
    unsafe impl Sync for Racy {}

    /// Two threads that write one number without any order.
    pub fn race() {
        static RACY: Racy = Racy(UnsafeCell::new(0));
        let writing = || {
            for _ in 0..1_000 {
                // SAFETY: none, see above.
                unsafe { *RACY.0.get() += 1 };
                thread::yield_now();
            }
        };
        thread::scope(|scope| {
            join([scope.spawn(writing), scope.spawn(writing)]);
        });
        // SAFETY: the threads have ended.
        println!("{} of 2000 additions arrived", unsafe { *RACY.0.get() });
    }
}
