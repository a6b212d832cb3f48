//! A whole plan, from columns to what every tier takes, for sizes on both sides of each threshold.

mod columns;

use std::hint::black_box;

use columns::{Columns, NOW_US};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use memory_budget_core::complexity::Level;
use memory_budget_core::plan::plan;
use memory_budget_core::settings::Settings;

fn plans(criterion: &mut Criterion) {
    let settings = Settings::default();
    let mut group = criterion.benchmark_group("plan");
    for rows in [100, 1_000, 10_000, 100_000, 1_000_000] {
        let columns = Columns::new(rows);
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_with_input(BenchmarkId::from_parameter(rows), &columns, |bencher, columns| {
            let candidates = columns.candidates();
            bencher.iter(|| plan(black_box(&candidates), &settings, Level::Simple, NOW_US));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = plans
}
criterion_main!(benches);
