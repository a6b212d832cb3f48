//! Running totals: every addition there, every counted allocation whole.

use std::sync::Arc;

use loom::thread;
use memory_budget_core::complexity::Level;
use memory_budget_core::statistics::{Observation, TierObservation, Totals, WorkspaceTotals};
use memory_budget_core::tier::Tier;

use crate::model;

fn observation(tokens_used: u64) -> Observation {
    let mut tiers = [TierObservation::default(); Tier::COUNT];
    tiers[Tier::Working.index()] =
        TierObservation { tokens_used, memories_selected: 1, utilization_hundredths: 0 };
    Observation { level: Level::Simple, processing_nanoseconds: 0, tiers }
}

/// Proves: additions of two threads to one shard are all there, and a reader in between finds every
/// counted allocation with all its amounts.
#[test]
fn totals_are_exact() {
    model(3, 4, || {
        let totals = Arc::new(Totals::new(1));
        let other = thread::spawn({
            let totals = Arc::clone(&totals);
            move || totals.record(&observation((3 << 32) | 5))
        });
        totals.record(&observation(7));
        let between = totals.read();
        let expected = if between.allocations() == 2 { (3 << 32) + 12 } else { 7 };
        assert!(
            between.tokens() >= expected && between.memories() >= u128::from(between.allocations())
        );
        other.join().unwrap();
        assert_eq!(totals.read().tokens(), (3 << 32) + 12);
        assert_eq!(totals.read().levels, [2, 0, 0, 0]);
    });
}

/// Proves: two threads that meet a new workspace at once, or two new ones, lose nothing.
#[test]
fn new_workspaces_lose_no_record() {
    for (first, second) in [("a", "a"), ("a", "b")] {
        model(3, 4, move || {
            let totals = Arc::new(WorkspaceTotals::new());
            let other = thread::spawn({
                let totals = Arc::clone(&totals);
                move || totals.record(first, &observation(5))
            });
            totals.record(second, &observation(7));
            other.join().unwrap();
            let expected = if first == second { 12 } else { 7 };
            assert_eq!(totals.read(second).tokens(), expected);
            assert_eq!(totals.read_all().tokens(), 12);
            assert_eq!(totals.read_all().allocations(), 2);
        });
    }
}
