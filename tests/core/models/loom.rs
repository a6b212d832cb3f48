//! Every interleaving of small cases, tried by loom, loads of old values included:
//! `RUSTFLAGS="--cfg loom" cargo test --profile models -p memory-budget-core --test loom`
//!
//! With `MODELS=thorough` threads are interrupted once more often. Without `--cfg loom` this file is
//! empty. `mutations.py` beside it shows that each model can fail.
#![cfg(loom)]

mod allocation;
mod journal;
mod memory;
mod pool;
mod statistics;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loom::model::Builder;

/// Tries every schedule in which threads are interrupted at most so often: `quick` times, or
/// `thorough` times where that is asked for. Bugs that need more than three interruptions are not
/// known to occur, and the number of schedules explodes with it.
fn model(quick: usize, thorough: usize, case: impl Fn() + Sync + Send + 'static) {
    let is_thorough = std::env::var("MODELS").is_ok_and(|models| models == "thorough");
    let preemptions = if is_thorough { thorough } else { quick };
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    let explored = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&explored);
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        case();
    });
    let test = std::thread::current();
    let (name, explored) = (test.name().unwrap_or_default(), explored.load(Ordering::Relaxed));
    println!("explored {explored} interleavings, {preemptions} interruptions: {name}");
}
