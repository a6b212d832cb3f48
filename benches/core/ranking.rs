//! Rankings: reading texts, BM25 over a list and over an index, and whole rankings with packing.
//!
//! Texts have some 215 characters; words are drawn as they are in language (the n-th most frequent 1/n
//! as often as the first). The query has eight words, two of them among the most frequent.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use memory_budget_core::budget::Bounds;
use memory_budget_core::candidates::Candidates;
use memory_budget_core::ranking::lexical::{Index, QueryWords, bm25};
use memory_budget_core::ranking::pack::pack;
use memory_budget_core::ranking::smooth::Neighbours;
use memory_budget_core::ranking::text::Terms;
use memory_budget_core::ranking::{RankingOptions, Signals, rank};
use memory_budget_core::tier::Tier;

const NOW: i64 = 1_700_000_000_000_000;
const CHARACTERS: usize = 215;
const VOCABULARY: u64 = 20_000;
const QUERY: &str = "what w0 is w1 about w37 and w250 w1900 w8000";

/// The same sequence in every run (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn text(&mut self) -> String {
        let mut text = String::with_capacity(CHARACTERS + 12);
        while text.len() < CHARACTERS {
            let rank = (VOCABULARY as f64).powf(self.unit());
            let _ = write!(text, "w{:.0} ", rank - 1.0);
        }
        text
    }
}

struct Columns {
    texts: Vec<String>,
    terms: Vec<Terms>,
    tier: Vec<Tier>,
    relevance: Vec<f64>,
    importance: Vec<f64>,
    timestamp_us: Vec<i64>,
    tokens: Vec<u64>,
    neighbours: Neighbours,
}

impl Columns {
    fn of(rows: usize) -> Self {
        let mut random = Random(7);
        let texts: Vec<String> = (0..rows).map(|_| random.text()).collect();
        let session: Vec<u32> = (0..rows).map(|row| u32::try_from(row / 50).unwrap()).collect();
        let position: Vec<i64> = (0..rows).map(|row| i64::try_from(row % 50).unwrap()).collect();
        Self {
            terms: texts.iter().map(|text| Terms::of(text)).collect(),
            texts,
            tier: (0..rows).map(|_| Tier::ALL[(random.next() % 4) as usize]).collect(),
            relevance: (0..rows).map(|_| random.unit()).collect(),
            importance: (0..rows).map(|_| random.unit()).collect(),
            timestamp_us: (0..rows)
                .map(|_| NOW - (random.next() % (1 << 52)).cast_signed())
                .collect(),
            tokens: (0..rows).map(|_| 40 + random.next() % 30).collect(),
            neighbours: Neighbours::of(&session, &position),
        }
    }

    fn allocate(&self, lexical: &[f64]) -> usize {
        let candidates = Candidates::new(
            &self.tier,
            &self.relevance,
            &self.importance,
            &self.timestamp_us,
            &self.tokens,
        )
        .unwrap();
        let signals = Signals {
            lexical: Some(lexical),
            neighbours: Some(&self.neighbours),
            superseded: None,
        };
        let options = RankingOptions::evidence();
        let ranked = rank(&candidates, &signals, &options, NOW).unwrap();
        let budgets = [1024; Tier::COUNT];
        let bounds = Bounds { budgets, floors: [0; 4], caps: [u64::MAX; 4], available: None };
        let terms = |row: u32| self.terms.get(row as usize);
        let packed = pack(&candidates, &ranked, &options, &bounds, None, terms).unwrap();
        packed.taken.iter().map(Vec::len).sum()
    }
}

fn rankings(criterion: &mut Criterion) {
    let columns = Columns::of(1000);
    let mut group = criterion.benchmark_group("ranking");
    group.bench_function("1,000 texts read", |bencher| {
        bencher.iter(|| columns.texts.iter().map(|text| Terms::of(text)).collect::<Vec<_>>());
    });
    group.bench_function("1,000 by evidence, first time", |bencher| {
        bencher.iter(|| {
            let terms: Vec<Terms> = columns.texts.iter().map(|text| Terms::of(text)).collect();
            columns.allocate(&bm25(&QueryWords::of(black_box(QUERY)), terms.iter()))
        });
    });
    group.bench_function("1,000 by evidence, texts known", |bencher| {
        bencher.iter(|| {
            columns.allocate(&bm25(&QueryWords::of(black_box(QUERY)), columns.terms.iter()))
        });
    });
    let columns = Columns::of(100_000);
    let mut index = Index::default();
    for (row, terms) in (0..).zip(&columns.terms) {
        index.add(row, terms);
    }
    group.sample_size(30);
    group.bench_function("100,000, BM25 of an index", |bencher| {
        bencher.iter(|| index.bm25(&QueryWords::of(black_box(QUERY))));
    });
    group.bench_function("100,000 by evidence, index", |bencher| {
        bencher.iter(|| columns.allocate(&index.bm25(&QueryWords::of(black_box(QUERY)))));
    });
    group.bench_function("index of 1,000 texts", |bencher| {
        bencher.iter_batched(
            Index::default,
            |mut index| {
                for (row, terms) in (0..).zip(&columns.terms[..1000]) {
                    index.add(row, terms);
                }
                index
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, rankings);
criterion_main!(benches);
