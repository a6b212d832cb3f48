//! Columns of any lengths and any bits: refused if the lengths differ, else the documented policy.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memory_budget_core::candidates::Candidates;
use memory_budget_core::columns::{ColumnTuning, Columns, Numbers};
use memory_budget_core::complexity::Level;
use memory_budget_core::plan::plan;
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::MAX_COUNT;
use memory_budget_fuzz::{Candidate, compare, count, time};

#[derive(Arbitrary, Debug)]
struct Case {
    total: u16,
    now_us: i64,
    cut: bool,
    narrow: bool,
    tier: Vec<u8>,
    relevance: Vec<u64>,
    importance: Vec<u64>,
    timestamp: Vec<i64>,
    tokens: Vec<u64>,
}

fuzz_target!(|case: Case| {
    let mut tier: Vec<_> = case.tier.iter().map(|it| Tier::ALL[usize::from(*it) % 4]).collect();
    let mut relevance: Vec<_> = case.relevance.into_iter().map(f64::from_bits).collect();
    let mut importance: Vec<_> = case.importance.into_iter().map(f64::from_bits).collect();
    let mut times: Vec<_> = case.timestamp.iter().copied().map(time).collect();
    let mut tokens: Vec<_> = case.tokens.iter().copied().map(count).collect();
    // A column of `f32` counts as what it widens to.
    #[expect(clippy::cast_possible_truncation)] // any of them will do
    let mut narrow: Vec<f32> = relevance.iter().map(|it| *it as f32).collect();
    if case.narrow {
        relevance = narrow.iter().map(|it| f64::from(*it)).collect();
    }
    let lengths = [tier.len(), relevance.len(), importance.len(), times.len(), tokens.len()];
    if case.cut {
        let least = lengths.into_iter().min().unwrap();
        tier.truncate(least);
        relevance.truncate(least);
        narrow.truncate(least);
        importance.truncate(least);
        times.truncate(least);
        tokens.truncate(least);
    }
    let columns = Candidates::new(&tier, &relevance, &importance, &times, &tokens);
    let equal = case.cut || lengths.iter().all(|it| *it == lengths[0]);
    assert_eq!(columns.is_ok(), equal);
    let Ok(columns) = columns else { return };
    let rows: Vec<_> = (0..u32::try_from(tier.len()).unwrap())
        .map(|row| {
            let at = row as usize;
            Candidate {
                row,
                tier: tier[at],
                relevance: relevance[at],
                importance: importance[at],
                timestamp_us: times[at],
                tokens: tokens[at],
            }
        })
        .collect();
    let settings = Settings { max_total_tokens: case.total.into(), ..Settings::default() };
    let now_us = time(case.now_us);
    let (planned, scores) = plan(&columns, &settings, Level::Medium, now_us);
    compare(&planned, &rows, &settings, Level::Medium, now_us);
    let finite = relevance.iter().chain(&importance).filter(|it| !it.is_finite()).count();
    assert_eq!(scores.non_finite.map_or(0, |it| it.count), finite);

    let places: Vec<u8> = tier.iter().map(|it| *it as u8).collect();
    let columns = Columns {
        tier: &places,
        relevance: if case.narrow { Numbers::F32(&narrow) } else { Numbers::F64(&relevance) },
        importance: Numbers::F64(&importance),
        timestamp_us: Some(&times),
        tokens: &tokens,
    };
    for sort_below in [0, usize::MAX] {
        let tuning = ColumnTuning { sort_below, ..ColumnTuning::default() };
        let found = columns.plan(&settings, Level::Medium, now_us, tuning);
        compare(&found.plan, &rows, &settings, Level::Medium, now_us);
        assert_eq!(found.non_finite.map_or(0, |it| it.count), finite);
        assert!(!found.doubts.tiers && !found.doubts.tokens);
        // Bits of any kind are noticed, and harm nothing.
        let length = rows.len();
        let raw = Columns {
            tier: &case.tier[..length],
            timestamp_us: Some(&case.timestamp[..length]),
            tokens: &case.tokens[..length],
            ..columns
        };
        let doubts = raw.plan(&settings, Level::Medium, now_us, tuning).doubts;
        assert_eq!(doubts.tiers, raw.tier.iter().any(|it| usize::from(*it) >= Tier::COUNT));
        assert_eq!(doubts.tokens, raw.tokens.iter().any(|it| *it > MAX_COUNT));
    }
});
