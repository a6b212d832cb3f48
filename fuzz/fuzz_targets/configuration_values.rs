//! Any numbers in a configuration: refused, or everything computed from them stays in its range.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memory_budget_core::budget::{tier_budget, tier_budgets};
use memory_budget_core::candidates::Candidates;
use memory_budget_core::complexity::Level;
use memory_budget_core::plan::plan;
use memory_budget_core::promotion::{Ladder, Record, promotion_score, recommend};
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::{MAX_COUNT, estimate};
use memory_budget_fuzz::{AnySettings, Candidate, compare, count, time};

#[derive(Arbitrary, Debug)]
struct Case {
    settings: AnySettings,
    level: u8,
    now_us: i64,
    rows: Vec<(u8, f64, f64, i64, u64)>,
    accesses: u64,
    order: Vec<u8>,
}

fuzz_target!(|case: Case| {
    let settings = case.settings.settings();
    let level = Level::ALL[usize::from(case.level) % Level::COUNT];
    let now_us = time(case.now_us);
    if settings.check().is_err() {
        return;
    }
    for (tier, budget) in Tier::ALL.into_iter().zip(tier_budgets(&settings, level)) {
        let share = settings.shares[tier.index()];
        assert_eq!(
            budget,
            tier_budget(settings.max_total_tokens, share, settings.multiplier(level))
        );
        assert!(budget <= MAX_COUNT);
    }
    let rows: Vec<Candidate> = (0..)
        .zip(&case.rows)
        .map(|(row, it)| Candidate {
            row,
            tier: Tier::ALL[usize::from(it.0) % Tier::COUNT],
            relevance: it.1,
            importance: it.2,
            timestamp_us: time(it.3),
            tokens: estimate(count(it.4), settings.tokens_per_char),
        })
        .collect();
    let tier: Vec<_> = rows.iter().map(|it| it.tier).collect();
    let relevance: Vec<_> = rows.iter().map(|it| it.relevance).collect();
    let importance: Vec<_> = rows.iter().map(|it| it.importance).collect();
    let times: Vec<_> = rows.iter().map(|it| it.timestamp_us).collect();
    let tokens: Vec<_> = rows.iter().map(|it| it.tokens).collect();
    let columns = Candidates::new(&tier, &relevance, &importance, &times, &tokens).unwrap();
    let (planned, scores) = plan(&columns, &settings, level, now_us);
    compare(&planned, &rows, &settings, level, now_us);
    let order: Vec<_> = case.order.iter().map(|it| Tier::ALL[usize::from(*it) % 4]).collect();
    let ladder = Ladder::new(&order).unwrap_or_default();
    for (row, combined) in rows.iter().zip(&scores.combined) {
        let record = Record {
            tier: row.tier,
            combined: *combined,
            access_count: count(case.accesses),
            timestamp_us: row.timestamp_us,
            last_accessed_us: time(case.now_us),
        };
        let score = promotion_score(&record, settings.promotion_access_threshold, now_us);
        assert!((0.0..=1.0).contains(&score), "{score}");
        let _ = recommend(&record, score, &settings, ladder);
    }
});
