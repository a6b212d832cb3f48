//! One score, and the scores of a whole set of candidates.

mod columns;

use std::hint::black_box;

use columns::{Columns, NOW_US};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use memory_budget_core::decay;
use memory_budget_core::score::{Scores, combined};
use memory_budget_core::settings::Settings;

fn single(criterion: &mut Criterion) {
    let settings = Settings::default();
    criterion.bench_function("score/single", |bencher| {
        bencher.iter(|| {
            let half_life = settings.freshness_half_life_hours;
            let created_us = black_box(NOW_US - 86_400_000_000);
            let freshness = decay::freshness(created_us, black_box(NOW_US), half_life);
            combined(black_box(0.7), black_box(0.8), freshness, settings.weights)
        });
    });
}

fn all(criterion: &mut Criterion) {
    let settings = Settings::default();
    let mut group = criterion.benchmark_group("score");
    for rows in [100, 10_000, 1_000_000] {
        let columns = Columns::new(rows);
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_with_input(BenchmarkId::new("all", rows), &columns, |bencher, columns| {
            let candidates = columns.candidates();
            bencher.iter(|| Scores::of(black_box(&candidates), &settings, NOW_US));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = single, all
}
criterion_main!(benches);
