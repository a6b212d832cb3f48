//! Candidates for the benchmarks: the same every time, tiers mixed, as long texts cost.

use memory_budget_core::candidates::Candidates;
use memory_budget_core::tier::Tier;

/// The time of all calls, in microseconds since 1970 UTC.
pub const NOW_US: i64 = 1_773_489_600_000_000;

const OLDEST_US: u64 = 90 * 86_400 * 1_000_000;

/// Columns that own their values.
pub struct Columns {
    tier: Vec<Tier>,
    relevance: Vec<f64>,
    importance: Vec<f64>,
    timestamp_us: Vec<i64>,
    tokens: Vec<u64>,
}

impl Columns {
    /// So many rows of pseudo-random values.
    pub fn new(rows: usize) -> Self {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state >> 11
        };
        let mut columns = Self {
            tier: Vec::with_capacity(rows),
            relevance: Vec::with_capacity(rows),
            importance: Vec::with_capacity(rows),
            timestamp_us: Vec::with_capacity(rows),
            tokens: Vec::with_capacity(rows),
        };
        let unit = |bits: u64| bits as f64 / (1_u64 << 53) as f64;
        for _ in 0..rows {
            columns.tier.push(Tier::ALL[(next() % 4) as usize]);
            columns.relevance.push(unit(next()));
            columns.importance.push(unit(next()));
            columns.timestamp_us.push(NOW_US - (next() % OLDEST_US).cast_signed());
            columns.tokens.push(42 + next() % 24);
        }
        columns
    }

    /// As the core takes them.
    pub fn candidates(&self) -> Candidates<'_> {
        Candidates::new(
            &self.tier,
            &self.relevance,
            &self.importance,
            &self.timestamp_us,
            &self.tokens,
        )
        .expect("columns are filled alike")
    }
}
