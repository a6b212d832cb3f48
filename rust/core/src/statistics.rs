//! Exact running totals of allocations.
//!
//! Everything is a sum of integers, so the order in which threads add cannot change a result.
//! Writers add to one of a few shards, each on cache lines of its own; readers sum the shards.
//! The same [`Sums`] adds up single observations, for statistics over a window of the journal.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crossbeam_utils::CachePadded;

use crate::complexity::Level;
use crate::sync::{Acquire, AtomicU64, Relaxed, Release, SMALL, Slot};
use crate::tier::Tier;

/// What one tier got in one allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierObservation {
    /// Tokens of its selection.
    pub tokens_used: u64,
    /// Memories selected.
    pub memories_selected: u64,
    /// Used tokens in hundredths of a percent of its budget.
    pub utilization_hundredths: u64,
}

/// One allocation, as statistics see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The query's level.
    pub level: Level,
    /// How long the call took.
    pub processing_nanoseconds: u64,
    /// What each tier got, in [`Tier::ALL`] order.
    pub tiers: [TierObservation; Tier::COUNT],
}

/// Sums over one tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierSums {
    /// Tokens of its selections.
    pub tokens_used: u128,
    /// Memories selected.
    pub memories_selected: u128,
    /// Hundredths of a percent of its budgets.
    pub utilization_hundredths: u128,
}

/// Sums over any number of allocations. Averages of nothing are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Allocations per level, in [`Level::ALL`] order.
    pub levels: [u64; Level::COUNT],
    /// Time all calls took together.
    pub processing_nanoseconds: u128,
    /// What the tiers got, in [`Tier::ALL`] order.
    pub tiers: [TierSums; Tier::COUNT],
}

impl Sums {
    /// Adds one allocation.
    pub fn add(&mut self, observation: &Observation) {
        self.levels[observation.level.index()] += 1;
        self.processing_nanoseconds += u128::from(observation.processing_nanoseconds);
        for (sums, tier) in self.tiers.iter_mut().zip(&observation.tiers) {
            sums.tokens_used += u128::from(tier.tokens_used);
            sums.memories_selected += u128::from(tier.memories_selected);
            sums.utilization_hundredths += u128::from(tier.utilization_hundredths);
        }
    }

    /// Number of allocations.
    #[must_use]
    pub fn allocations(&self) -> u64 {
        self.levels.iter().sum()
    }

    /// Tokens allocated, over all tiers.
    #[must_use]
    pub fn tokens(&self) -> u128 {
        self.tiers.iter().map(|tier| tier.tokens_used).sum()
    }

    /// Memories selected, over all tiers.
    #[must_use]
    pub fn memories(&self) -> u128 {
        self.tiers.iter().map(|tier| tier.memories_selected).sum()
    }

    /// Tokens per allocation.
    #[must_use]
    pub fn average_tokens(&self) -> f64 {
        quotient(self.tokens(), self.allocations())
    }

    /// Memories per allocation.
    #[must_use]
    pub fn average_memories(&self) -> f64 {
        quotient(self.memories(), self.allocations())
    }

    /// Milliseconds per allocation.
    #[must_use]
    pub fn average_processing_milliseconds(&self) -> f64 {
        quotient(self.processing_nanoseconds, self.allocations()) / 1e6
    }

    /// Tokens per allocation in one tier.
    #[must_use]
    pub fn average_tier_tokens(&self, tier: Tier) -> f64 {
        quotient(self.tiers[tier.index()].tokens_used, self.allocations())
    }

    /// Memories per allocation in one tier.
    #[must_use]
    pub fn average_tier_memories(&self, tier: Tier) -> f64 {
        quotient(self.tiers[tier.index()].memories_selected, self.allocations())
    }

    /// Average utilization of one tier, in percent: the sum of the percentages over the number of
    /// allocations.
    #[must_use]
    pub fn average_tier_utilization(&self, tier: Tier) -> f64 {
        let percent = quotient(self.tiers[tier.index()].utilization_hundredths, 100);
        match self.allocations() {
            0 => 0.0,
            allocations => percent / allocations as f64,
        }
    }
}

/// The double nearest to the exact quotient, like Python's division of integers; 0.0 for a divisor
/// of 0.
fn quotient(sum: u128, divisor: u64) -> f64 {
    if sum == 0 || divisor == 0 {
        return 0.0;
    }
    // Shifted up, the integer quotient has at least 64 bits. With the remainder folded into its
    // lowest bit, the one rounding to the 53 bits of a double sees on which side of a tie it is.
    let shift = sum.leading_zeros();
    let (shifted, divisor) = (sum << shift, u128::from(divisor));
    let sticky = u128::from(shifted % divisor != 0);
    let rounded = ((shifted / divisor) | sticky) as f64;
    // An exact power of two: the scaling does not round.
    rounded * (-f64::from(shift)).exp2()
}

/// A sum that cannot wrap. Single values go up to 2^64, so the halves are summed apart: either
/// wraps only after 2^32 values, were they all of the largest kind, and the upper one is
/// touched only by values from 2^32 on.
#[derive(Default)]
struct Sum {
    lower: AtomicU64,
    upper: AtomicU64,
}

impl Sum {
    fn add(&self, value: u64) {
        const LOWER: u64 = u32::MAX as u64;
        // Zeros are frequent (tiers without memories) and a skipped addition is free.
        if value & LOWER != 0 {
            self.lower.fetch_add(value & LOWER, Relaxed);
        }
        if value > LOWER {
            self.upper.fetch_add(value >> 32, Relaxed);
        }
    }

    fn load(&self) -> u128 {
        u128::from(self.lower.load(Relaxed)) + (u128::from(self.upper.load(Relaxed)) << 32)
    }
}

#[derive(Default)]
struct TierShard {
    tokens_used: Sum,
    memories_selected: Sum,
    utilization_hundredths: Sum,
}

#[derive(Default)]
struct Shard {
    levels: [AtomicU64; Level::COUNT],
    processing_nanoseconds: Sum,
    tiers: [TierShard; Tier::COUNT],
}

impl Shard {
    fn record(&self, observation: &Observation) {
        self.processing_nanoseconds.add(observation.processing_nanoseconds);
        for (shard, tier) in self.tiers.iter().zip(&observation.tiers) {
            shard.tokens_used.add(tier.tokens_used);
            shard.memories_selected.add(tier.memories_selected);
            shard.utilization_hundredths.add(tier.utilization_hundredths);
        }
        // Last, and released: whoever counts this allocation sees all of its amounts.
        self.levels[observation.level.index()].fetch_add(1, Release);
    }

    fn add_to(&self, sums: &mut Sums) {
        for (sum, level) in sums.levels.iter_mut().zip(&self.levels) {
            *sum += level.load(Acquire);
        }
        sums.processing_nanoseconds += self.processing_nanoseconds.load();
        for (sum, tier) in sums.tiers.iter_mut().zip(&self.tiers) {
            sum.tokens_used += tier.tokens_used.load();
            sum.memories_selected += tier.memories_selected.load();
            sum.utilization_hundredths += tier.utilization_hundredths.load();
        }
    }
}

/// Running totals, written by any number of threads at once.
pub struct Totals {
    shards: Box<[CachePadded<Shard>]>,
}

impl Totals {
    /// Totals of nothing, in so many shards (at least one). A shard takes about 250 bytes; more of
    /// them only help when as many threads write at the same time.
    #[must_use]
    pub fn new(shards: usize) -> Self {
        Self { shards: (0..shards.max(1)).map(|_| CachePadded::default()).collect() }
    }

    /// Adds one allocation.
    pub fn record(&self, observation: &Observation) {
        self.shards[seat() % self.shards.len()].record(observation);
    }

    /// The sums so far. Exact when nobody is recording; otherwise every allocation that is counted
    /// is counted with all its amounts, and amounts of one not yet counted may be in.
    #[must_use]
    pub fn read(&self) -> Sums {
        let mut sums = Sums::default();
        self.shards.iter().for_each(|shard| shard.add_to(&mut sums));
        sums
    }
}

/// The calling thread's number, given out in turn so that threads spread evenly over shards.
fn seat() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SEAT: Cell<Option<usize>> = const { Cell::new(None) };
    }
    SEAT.get().unwrap_or_else(|| {
        let seat = NEXT.fetch_add(1, Relaxed);
        SEAT.set(Some(seat));
        seat
    })
}

// One in models: each further one multiplies the interleavings.
const SHARDS_OF_ALL: usize = if SMALL { 1 } else { 8 };
const SHARDS_OF_ONE: usize = if SMALL { 1 } else { 2 };
const BUCKETS: usize = if SMALL { 1 } else { 64 };

type ById = HashMap<Arc<str>, Arc<Totals>>;

/// Running totals over everything and for each workspace.
///
/// Recording takes no lock: a workspace's totals are found in an immutable map. A new workspace
/// copies the map of its bucket; that is rare, and with ids spread over the buckets it stays
/// cheap (a few microseconds) even for tens of thousands of them. Totals are never dropped.
pub struct WorkspaceTotals {
    all: Totals,
    buckets: [Slot<ById>; BUCKETS],
    hasher: RandomState,
}

impl Default for WorkspaceTotals {
    fn default() -> Self {
        Self::new()
    }
}

impl WorkspaceTotals {
    /// Totals of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            all: Totals::new(SHARDS_OF_ALL),
            buckets: std::array::from_fn(|_| Slot::empty()),
            hasher: RandomState::new(),
        }
    }

    /// Adds one allocation to a workspace's totals and to those of all.
    pub fn record(&self, workspace_id: &str, observation: &Observation) {
        self.record_one(workspace_id, observation);
        self.all.record(observation);
    }

    /// The sums over everything.
    #[must_use]
    pub fn read_all(&self) -> Sums {
        self.all.read()
    }

    /// The sums of one workspace; zeros for one that nothing was recorded for.
    #[must_use]
    pub fn read(&self, workspace_id: &str) -> Sums {
        let map = self.bucket(workspace_id).load();
        let totals = map.as_ref().and_then(|map| map.get(workspace_id));
        totals.map_or_else(Sums::default, |totals| totals.read())
    }

    fn bucket(&self, workspace_id: &str) -> &Slot<ById> {
        let hash = self.hasher.hash_one(workspace_id);
        // The remainder is below BUCKETS, so it fits.
        &self.buckets[usize::try_from(hash % BUCKETS as u64).unwrap_or_default()]
    }

    fn record_one(&self, workspace_id: &str, observation: &Observation) {
        let bucket = self.bucket(workspace_id);
        loop {
            let map = bucket.load();
            if let Some(totals) = map.as_ref().and_then(|map| map.get(workspace_id)) {
                return totals.record(observation);
            }
            let mut extended = map.as_ref().map_or_else(ById::default, |map| ById::clone(map));
            extended.insert(workspace_id.into(), Arc::new(Totals::new(SHARDS_OF_ONE)));
            // Whether this one or another thread's got in: the next round finds what there is.
            bucket.exchange(&map, Some(Arc::new(extended)));
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn observation(tokens_used: u64) -> Observation {
        let mut tiers = [TierObservation::default(); Tier::COUNT];
        tiers[Tier::Rag.index()] =
            TierObservation { tokens_used, memories_selected: 3, utilization_hundredths: 1250 };
        Observation { level: Level::Complex, processing_nanoseconds: 1_500_000, tiers }
    }

    #[test]
    fn averages_of_nothing_are_zero() {
        let sums = Totals::new(8).read();
        assert_eq!(sums, Sums::default());
        assert_eq!(sums.average_tokens(), 0.0);
        assert_eq!(sums.average_tier_utilization(Tier::Working), 0.0);
    }

    #[test]
    fn averages_are_per_allocation() {
        let totals = Totals::new(0);
        totals.record(&observation(10));
        totals.record(&observation(15));
        let sums = totals.read();
        assert_eq!((sums.allocations(), sums.levels), (2, [0, 0, 2, 0]));
        assert_eq!((sums.tokens(), sums.memories()), (25, 6));
        assert_eq!((sums.average_tokens(), sums.average_memories()), (12.5, 3.0));
        assert_eq!(sums.average_processing_milliseconds(), 1.5);
        assert_eq!(sums.average_tier_tokens(Tier::Rag), 12.5);
        assert_eq!(sums.average_tier_memories(Tier::Rag), 3.0);
        assert_eq!(sums.average_tier_utilization(Tier::Rag), 12.5);
        assert_eq!(sums.average_tier_tokens(Tier::Working), 0.0);
    }

    #[test]
    fn the_largest_amounts_do_not_wrap() {
        let totals = Totals::new(1);
        for _ in 0..5000 {
            totals.record(&observation(u64::MAX));
        }
        assert_eq!(totals.read().tokens(), 5000 * u128::from(u64::MAX));
    }

    #[test]
    fn quotients_are_rounded_once() {
        // 2^53 + 1 lies on a tie and goes to even; a third more goes up.
        let tie = (1_u128 << 53) + 1;
        assert_eq!(quotient(tie, 1), 9_007_199_254_740_992.0);
        assert_eq!(quotient(tie * 3 + 1, 3), 9_007_199_254_740_994.0);
        assert_eq!(quotient(1, 3), 1.0 / 3.0);
        assert_eq!(quotient(u128::MAX, 1), 2_f64.powi(128));
        assert_eq!(quotient(1, u64::MAX), 1.0 / u64::MAX as f64);
    }

    #[test]
    fn workspaces_are_summed_apart_and_together() {
        let totals = WorkspaceTotals::new();
        for id in ["a", "b", "a"] {
            totals.record(id, &observation(4));
        }
        assert_eq!(totals.read("a").tokens(), 8);
        assert_eq!(totals.read("b").tokens(), 4);
        assert_eq!(totals.read_all().tokens(), 12);
        assert_eq!(totals.read("unknown"), Sums::default());
    }
}
