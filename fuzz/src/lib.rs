//! What the targets share: numbers of any bits, and the policy written down as plainly as possible.

use arbitrary::Arbitrary;
use memory_budget_core::budget::tier_budgets;
use memory_budget_core::complexity::Level;
use memory_budget_core::decay::{NO_TIME, freshness};
use memory_budget_core::plan::Plan;
use memory_budget_core::score::{combined, finite_or_zero};
use memory_budget_core::settings::{Settings, Weights};
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::MAX_COUNT;

/// A configuration with any bits, or one near the usual ones.
#[derive(Arbitrary, Debug)]
pub struct AnySettings {
    total: u64,
    numbers: [f64; 15],
    is_usual: bool,
}

impl AnySettings {
    /// The configuration; whether it can be used is another question.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let it = &self.numbers;
        let number = |at: usize, usual: f64, most: f64| {
            if self.is_usual { usual_number(it[at], usual, most) } else { it[at] }
        };
        Settings {
            max_total_tokens: if self.is_usual { self.total % 4096 } else { self.total },
            shares: [0, 1, 2, 3].map(|at| number(at, 0.25, 1.0)),
            multipliers: [4, 5, 6, 7].map(|at| number(at, 1.0, 3.0)),
            weights: Weights {
                relevance: number(8, 0.5, 1.0),
                importance: number(9, 0.3, 1.0),
                freshness: number(10, 0.2, 1.0),
            },
            freshness_half_life_hours: number(11, 168.0, 1e4),
            promotion_threshold: number(12, 0.8, 1.0),
            demotion_threshold: number(13, 0.3, 1.0),
            promotion_access_threshold: self.total >> 40,
            tokens_per_char: number(14, 0.25, 2.0),
        }
    }
}

fn usual_number(any: f64, usual: f64, most: f64) -> f64 {
    if any.is_finite() && any.abs() < most && any != 0.0 { any.abs() } else { usual }
}

/// A time within the years 1 to 9999, or none.
#[must_use]
pub fn time(any: i64) -> i64 {
    const FIRST: i64 = -62_135_596_800_000_000;
    const LAST: i64 = 253_402_300_799_999_999;
    if any == NO_TIME { any } else { any.clamp(FIRST, LAST) }
}

/// A count within its range; small ones often.
#[must_use]
pub fn count(any: u64) -> u64 {
    if any & 1 == 0 { any >> 1 & 0xFF } else { (any >> 1).min(MAX_COUNT) }
}

/// One candidate, as the policy sees it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub row: u32,
    pub tier: Tier,
    pub relevance: f64,
    pub importance: f64,
    pub timestamp_us: i64,
    pub tokens: u64,
}

/// Compares a plan with the documented policy: the formula, a stable sort, and whatever fits.
///
/// # Panics
/// If they differ.
pub fn compare(
    plan: &Plan,
    candidates: &[Candidate],
    settings: &Settings,
    level: Level,
    now_us: i64,
) {
    let budgets = tier_budgets(settings, level);
    let mut expected = Vec::new();
    for tier in Tier::ALL {
        let mut scored: Vec<_> = candidates
            .iter()
            .filter(|it| it.tier == tier)
            .map(|it| {
                let half_life = settings.freshness_half_life_hours;
                let freshness = freshness(it.timestamp_us, now_us, half_life);
                let parts = [it.relevance, it.importance].map(finite_or_zero);
                (combined(parts[0], parts[1], freshness, settings.weights), it)
            })
            .collect();
        assert!(scored.iter().all(|it| (0.0..=1.0).contains(&it.0)));
        assert_eq!(plan.tiers[tier.index()].available, scored.len());
        scored.sort_by(|left, right| right.0.total_cmp(&left.0));
        let mut used = 0;
        for (score, it) in scored {
            if u128::from(used) + u128::from(it.tokens) <= u128::from(budgets[tier.index()]) {
                used += it.tokens;
                expected.push((it.row, tier, it.tokens, score.to_bits()));
            }
        }
        let planned = &plan.tiers[tier.index()];
        assert_eq!((planned.budget, planned.used), (budgets[tier.index()], used));
        assert!(used <= budgets[tier.index()] && budgets[tier.index()] <= MAX_COUNT);
    }
    let selected = plan.selected.iter();
    let selected = selected.map(|it| (it.index, it.tier, it.tokens, it.combined.to_bits()));
    assert!(selected.eq(expected.iter().copied()), "{:?}\n{expected:?}", plan.selected);
}
