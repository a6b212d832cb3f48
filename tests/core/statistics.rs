//! Running totals against plain sums, in one thread and in many.

use std::collections::HashMap;
use std::thread;

use memory_budget_core::complexity::Level;
use memory_budget_core::statistics::{Observation, Sums, TierObservation, Totals, WorkspaceTotals};
use memory_budget_core::tier::Tier;
use proptest::prelude::*;

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        0..10_000_u64,
        Just(u64::from(u32::MAX)),
        Just((1 << 53) - 1),
        any::<u64>()
    ]
}

fn observation() -> impl Strategy<Value = Observation> {
    let tier = (amount(), amount(), 0..=10_000_u64).prop_map(
        |(tokens_used, memories_selected, utilization_hundredths)| TierObservation {
            tokens_used,
            memories_selected,
            utilization_hundredths,
        },
    );
    (prop::sample::select(&Level::ALL[..]), amount(), prop::array::uniform4(tier)).prop_map(
        |(level, processing_nanoseconds, tiers)| Observation {
            level,
            processing_nanoseconds,
            tiers,
        },
    )
}

/// Everything that [`Sums`] tells, added up the long way.
fn check(sums: &Sums, observations: &[Observation]) -> Result<(), TestCaseError> {
    let total = |amount: &dyn Fn(&Observation) -> u64| -> u128 {
        observations.iter().map(|observation| u128::from(amount(observation))).sum()
    };
    prop_assert_eq!(sums.allocations(), observations.len() as u64);
    for level in Level::ALL {
        let count = observations.iter().filter(|observation| observation.level == level).count();
        prop_assert_eq!(sums.levels[level.index()], count as u64);
    }
    prop_assert_eq!(sums.processing_nanoseconds, total(&|o| o.processing_nanoseconds));
    let mut tokens = 0;
    let mut memories = 0;
    for tier in Tier::ALL {
        let own = sums.tiers[tier.index()];
        prop_assert_eq!(own.tokens_used, total(&|o| o.tiers[tier.index()].tokens_used));
        prop_assert_eq!(own.memories_selected, total(&|o| o.tiers[tier.index()].memories_selected));
        let utilization = total(&|o| o.tiers[tier.index()].utilization_hundredths);
        prop_assert_eq!(own.utilization_hundredths, utilization);
        if !observations.is_empty() {
            let average = utilization as f64 / 100.0 / observations.len() as f64;
            prop_assert_eq!(sums.average_tier_utilization(tier), average);
        }
        tokens += own.tokens_used;
        memories += own.memories_selected;
    }
    prop_assert_eq!((sums.tokens(), sums.memories()), (tokens, memories));
    Ok(())
}

proptest! {
    #[test]
    fn totals_are_the_plain_sums(
        observations in prop::collection::vec(observation(), 0..50),
        shards in 0..10_usize,
    ) {
        let totals = Totals::new(shards);
        let mut sums = Sums::default();
        for observation in &observations {
            totals.record(observation);
            sums.add(observation);
        }
        check(&sums, &observations)?;
        prop_assert_eq!(totals.read(), sums);
    }

    #[test]
    fn averages_of_small_numbers_are_plain_divisions(
        values in prop::collection::vec(0..1_u64 << 40, 1..50),
    ) {
        let mut sums = Sums::default();
        for &value in &values {
            let tier =
                TierObservation { tokens_used: value, memories_selected: 1, ..Default::default() };
            let tiers = [tier; 4];
            sums.add(&Observation { level: Level::Simple, processing_nanoseconds: value, tiers });
        }
        let number = values.len() as f64;
        let sum = values.iter().sum::<u64>();
        prop_assert_eq!(sums.average_tier_tokens(Tier::Rag), sum as f64 / number);
        prop_assert_eq!(sums.average_tokens(), (4 * sum) as f64 / number);
        prop_assert_eq!(sums.average_memories(), 4.0);
        prop_assert_eq!(sums.average_tier_memories(Tier::Project), 1.0);
        prop_assert_eq!(sums.average_processing_milliseconds(), sum as f64 / number / 1e6);
    }

    #[test]
    fn each_workspace_has_its_own_sums(
        recorded in prop::collection::vec(("[a-c]?", observation()), 0..50),
    ) {
        let totals = WorkspaceTotals::new();
        let mut by_id: HashMap<&str, Vec<Observation>> = HashMap::new();
        for (id, observation) in &recorded {
            totals.record(id, observation);
            by_id.entry(id).or_default().push(*observation);
        }
        for id in ["", "a", "b", "c", "unknown"] {
            check(&totals.read(id), by_id.get(id).map_or(&[], |observations| &observations[..]))?;
        }
        let all: Vec<Observation> = recorded.into_iter().map(|(_, observation)| observation).collect();
        check(&totals.read_all(), &all)?;
    }
}

/// Proves: no addition is lost among threads, in known workspaces and in ones that appear meanwhile.
#[test]
fn threads_add_up_exactly() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 5000;
    let totals = WorkspaceTotals::new();
    thread::scope(|scope| {
        for number in 0..THREADS {
            let totals = &totals;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let tier = TierObservation {
                        tokens_used: number << 33 | round,
                        memories_selected: 1,
                        utilization_hundredths: number,
                    };
                    let observation = Observation {
                        level: Level::Expert,
                        processing_nanoseconds: round,
                        tiers: [tier; 4],
                    };
                    totals.record(&format!("workspace {}", round % 500), &observation);
                }
            });
        }
    });
    let rounds = u128::from(ROUNDS * (ROUNDS - 1) / 2 * THREADS);
    let numbers = u128::from(THREADS * (THREADS - 1) / 2 * ROUNDS);
    let all = totals.read_all();
    assert_eq!(all.levels, [0, 0, 0, THREADS * ROUNDS]);
    assert_eq!(all.processing_nanoseconds, rounds);
    assert_eq!(all.tokens(), 4 * ((numbers << 33) + rounds));
    assert_eq!(all.tiers[0].utilization_hundredths, numbers);
    for workspace in 0..500 {
        let sums = totals.read(&format!("workspace {workspace}"));
        assert_eq!(sums.allocations(), THREADS * ROUNDS / 500);
        assert_eq!(sums.memories(), u128::from(4 * THREADS * ROUNDS / 500));
    }
}
