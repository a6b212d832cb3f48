//! The scan of a query: words counted and keywords found in one pass.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use memory_budget_core::complexity::{ContextSignals, Scanner};

const WORDS: [&str; 20] = [
    "please",
    "explain",
    "to",
    "me",
    "how",
    "the",
    "event-driven",
    "services",
    "of",
    "our",
    "scalable",
    "shop",
    "exchange",
    "orders",
    "and",
    "what",
    "if",
    "one",
    "is",
    "down",
];

fn scan(criterion: &mut Criterion) {
    let scanner = Scanner::default();
    let context = ContextSignals::default();
    let mut group = criterion.benchmark_group("complexity");
    for words in [5, 20, 200] {
        let query: Vec<&str> = WORDS.iter().copied().cycle().take(words).collect();
        let query = query.join(" ");
        group.throughput(Throughput::Bytes(query.len() as u64));
        group.bench_with_input(BenchmarkId::new("points", words), &query, |bencher, query| {
            bencher.iter(|| scanner.points(black_box(query), &context));
        });
    }
    group.finish();
}

criterion_group!(benches, scan);
criterion_main!(benches);
