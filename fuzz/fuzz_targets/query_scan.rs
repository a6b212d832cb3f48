//! Any text by any rules: no panic, every point has a reason, words are Python's.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memory_budget_core::complexity::{ContextSignals, Level, Rules, Scanner, Source};

#[derive(Arbitrary, Debug)]
struct Keywords {
    expert: Vec<String>,
    complex: Vec<String>,
    domain: Vec<String>,
    points: [u32; 4],
    steps: Vec<u64>,
    thresholds: [u32; 3],
}

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    rules: Option<Keywords>,
    history_length: Option<f64>,
    turn_count: Option<f64>,
    flags: [bool; 2],
    query: &'a [u8],
}

fuzz_target!(|case: Case| {
    let query = String::from_utf8_lossy(case.query);
    let context = ContextSignals {
        history_length: case.history_length,
        turn_count: case.turn_count,
        multi_turn: case.flags[0],
        requires_retrieval: case.flags[1],
    };
    let rules = case.rules.map_or_else(Rules::default, |it| Rules {
        expert_keywords: it.expert,
        complex_keywords: it.complex,
        domain_keywords: it.domain,
        expert_points: it.points[0],
        complex_points: it.points[1],
        domain_points: it.points[2],
        domain_points_limit: it.points[3],
        length_steps: it.steps,
        level_thresholds: it.thresholds,
        ..Rules::default()
    });
    let Ok(scanner) = Scanner::new(rules) else { return };
    let analysis = scanner.analyze(&query, &context);
    assert_eq!(analysis.points, scanner.points(&query, &context));
    assert_eq!(analysis.level, scanner.level(analysis.points));
    let sum: u64 = analysis.contributions.iter().map(|it| u64::from(it.points)).sum();
    assert_eq!(sum, u64::from(analysis.points));
    assert!(analysis.contributions.iter().all(|it| it.points > 0));
    let is_space = |it: char| it.is_whitespace() || ('\x1c'..='\x1f').contains(&it);
    let words = query.split(is_space).filter(|it| !it.is_empty()).count();
    assert_eq!(analysis.word_count, words as u64);
    // More points never make a query simpler.
    let level = |points| Level::ALL.iter().position(|it| *it == scanner.level(points));
    assert!(level(analysis.points) <= level(analysis.points.saturating_add(1)));
    // White space around a query says nothing.
    let padded = format!("\t {query}\n");
    assert_eq!(scanner.analyze(&padded, &context).contributions, analysis.contributions);
    let domain = analysis.contributions.iter().filter(|it| it.source == Source::DomainKeyword);
    let domain: u64 = domain.map(|it| u64::from(it.points)).sum();
    assert!(domain <= u64::from(scanner.rules().domain_points_limit));
});
