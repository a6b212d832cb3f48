//! Selecting without sorting equals the stable sort, whatever is guessed and however rough the
//! approximations are.

#![expect(clippy::cast_possible_truncation)] // small numbers, and rounding is what is wanted

use memory_budget_core::candidates::Candidates;
use memory_budget_core::complexity::Level;
use memory_budget_core::pack::{NOT_A_CANDIDATE, Ranking, Tuning, score_order, select};
use memory_budget_core::plan::plan;
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::MAX_COUNT;
use proptest::collection::vec;
use proptest::prelude::*;

/// What the documented policy takes of one tier's members, and the tokens that uses.
fn packed(members: &[u32], scores: &[f64], tokens: &[u64], budget: u64) -> (Vec<u32>, u64) {
    let mut tiers = vec![Tier::Working; scores.len()];
    for &member in members {
        tiers[member as usize] = Tier::Rag;
    }
    let packed = score_order(&tiers, scores, tokens, [0, 0, 0, budget]);
    let rows = packed.rows[packed.taken[Tier::Rag.index()].clone()].to_vec();
    let used = rows.iter().map(|&row| tokens[row as usize]).sum();
    (rows, used)
}

/// Columns with an error added to every approximate score.
#[derive(Debug)]
struct Rough {
    tier: Vec<u8>,
    score: Vec<f64>,
    tokens: Vec<u64>,
    approximate: Vec<f32>,
    bound: f64,
    knows_least: bool,
}

impl Ranking for Rough {
    fn rows(&self) -> usize {
        self.tier.len()
    }

    fn approximate(&self, start: usize, scores: &mut [f32]) {
        scores.copy_from_slice(&self.approximate[start..start + scores.len()]);
    }

    fn tiers(&self, start: usize, tiers: &mut [u8]) {
        tiers.copy_from_slice(&self.tier[start..start + tiers.len()]);
    }

    fn tier(&self, row: u32) -> u8 {
        self.tier[row as usize]
    }

    fn error_bound(&self) -> f64 {
        self.bound
    }

    fn exact(&self, row: u32) -> f64 {
        self.score[row as usize]
    }

    fn tokens(&self, row: u32) -> u64 {
        self.tokens[row as usize]
    }

    fn may_cost(&self, start: usize, most: u64, flags: &mut [u8]) {
        for (row, flag) in (start..).zip(flags) {
            // Some that cost more are flagged, too.
            *flag = u8::from(self.tokens[row] <= most || row.is_multiple_of(5));
        }
    }

    fn least_tokens(&self, tier: Tier) -> u64 {
        let members = self.tier.iter().zip(&self.tokens);
        let of_tier = members.filter(|(it, _)| **it == tier as u8).map(|(_, tokens)| *tokens);
        if self.knows_least { of_tier.min().unwrap_or(0) } else { 0 }
    }
}

impl Rough {
    /// By a stable sort of each tier.
    fn expected(&self, budgets: [u64; Tier::COUNT]) -> [Vec<(u32, f64)>; Tier::COUNT] {
        Tier::ALL.map(|tier| {
            let rows = 0..u32::try_from(self.tier.len()).unwrap();
            let members: Vec<u32> =
                rows.filter(|row| self.tier[*row as usize] == tier as u8).collect();
            let budget = budgets[tier.index()];
            let (taken, _) = packed(&members, &self.score, &self.tokens, budget);
            taken.into_iter().map(|row| (row, self.score[row as usize])).collect()
        })
    }
}

/// Distributions that guesses go wrong on: all equal, two values, saturated, spread, tiny steps.
fn score() -> impl Strategy<Value = Vec<f64>> {
    let rows = 0usize..700;
    prop_oneof![
        (rows.clone(), 0.0..=1.0f64).prop_map(|(rows, value)| vec![value; rows]),
        vec(prop_oneof![Just(0.25), Just(0.75)], rows.clone()),
        vec(prop_oneof![Just(0.0), Just(1.0)], rows.clone()),
        vec(0.0..=1.0f64, rows.clone()),
        vec((0u32..50).prop_map(|step| 0.5 + f64::from(step) * 1e-12), rows.clone()),
        vec(prop_oneof![20 => Just(0.5), 1 => 0.0..=1.0f64], rows.clone()),
        vec(0.0..=1.0f64, rows.clone()).prop_map(|mut scores| {
            scores.sort_by(f64::total_cmp);
            scores
        }),
        vec(0.0..=1.0f64, rows).prop_map(|mut scores| {
            scores.sort_by(|a, b| b.total_cmp(a));
            scores
        }),
    ]
}

fn tokens() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 1u64..60,
        1 => Just(0),
        1 => 5_000u64..9_000,
        1 => prop_oneof![Just(MAX_COUNT), 0..=MAX_COUNT],
    ]
}

fn token_rule() -> impl Strategy<Value = fn(u64) -> u64> {
    prop_oneof![
        Just((|it| it) as fn(u64) -> u64),
        Just((|_| 0) as fn(u64) -> u64),
        Just((|_| 7) as fn(u64) -> u64),
        Just((|it| it.max(40)) as fn(u64) -> u64),
        Just((|it| if it < 59 { 1 } else { 500 }) as fn(u64) -> u64),
    ]
}

fn rough() -> impl Strategy<Value = Rough> {
    score().prop_flat_map(|score| {
        let rows = score.len();
        let tier = prop_oneof![6 => 0u8..4, 1 => Just(NOT_A_CANDIDATE)];
        let few_tiers = prop_oneof![60 => Just(1u8), 1 => 0u8..4];
        (
            Just(score),
            prop_oneof![vec(tier, rows), vec(few_tiers, rows)],
            vec(tokens(), rows),
            token_rule(),
            prop_oneof![Just(0.0), 1e-7..1e-2f64, Just(2.0)],
            vec(-1.0..=1.0f64, rows),
            any::<bool>(),
        )
            .prop_map(|(score, tier, tokens, rule, bound, noise, knows_least)| {
                // Rounding to f32 has its own error; the rest of the bound is noise.
                let approximate = score
                    .iter()
                    .zip(noise)
                    .map(|(score, noise)| (score + noise * bound) as f32)
                    .collect();
                let bound = bound + 1.5e-7 * (1.0 + bound);
                let tokens = tokens.into_iter().map(rule).collect();
                Rough { tier, score, tokens, approximate, bound, knows_least }
            })
    })
}

fn tuning() -> impl Strategy<Value = Tuning> {
    (1usize..200, 1usize..70, 1usize..40, 0usize..40).prop_map(
        |(sample, block, keep_least, more)| Tuning {
            sample,
            block,
            keep_least,
            keep_most: keep_least + more,
        },
    )
}

fn budget() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 6 => 0u64..3_000, 1 => 0u64..60_000, 1 => Just(MAX_COUNT)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn selecting_equals_a_stable_sort(
        rough in rough(),
        budgets in [budget(), budget(), budget(), budget()],
        tuning in tuning(),
    ) {
        prop_assert_eq!(select(&rough, budgets, tuning), rough.expected(budgets));
    }
}

/// Numbers that look random, the same in every run.
fn scrambled(index: u64) -> u64 {
    let mut bits = index.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

fn fraction(index: u64) -> f64 {
    (scrambled(index) >> 11) as f64 / (1u64 << 53) as f64
}

#[test]
fn a_plan_over_many_candidates_equals_a_stable_sort() {
    let hour = 3_600_000_000i64;
    for (case, rows) in [1_999, 2_000, 2_001, 20_000, 60_000].into_iter().enumerate() {
        for distinct in [1.0, 2.0, 50.0, 1e12] {
            let value = |index: u64| (fraction(index) * distinct).floor() / distinct;
            let tier: Vec<_> =
                (0..rows).map(|row| Tier::ALL[scrambled(row) as usize % Tier::COUNT]).collect();
            let relevance: Vec<_> = (0..rows)
                .map(|row| if row % 997 == 3 { f64::NAN } else { value(row + 7_000_000) })
                .collect();
            let importance: Vec<_> = (0..rows).map(|row| value(row + 9_000_000)).collect();
            let timestamp: Vec<_> =
                (0..rows).map(|row| (value(row + 5_000_000) * 1e3) as i64 * hour).collect();
            let tokens: Vec<_> = (0..rows).map(|row| scrambled(row + case as u64) % 200).collect();
            let columns =
                Candidates::new(&tier, &relevance, &importance, &timestamp, &tokens).unwrap();
            let (plan, scores) = plan(&columns, &Settings::default(), Level::Medium, 1_000 * hour);
            let ranked = Rough {
                tier: tier.iter().map(|tier| *tier as u8).collect(),
                score: scores.combined.clone(),
                tokens: tokens.clone(),
                approximate: Vec::new(),
                bound: 0.0,
                knows_least: false,
            };
            let expected = ranked.expected(plan.tiers.each_ref().map(|tier| tier.budget));
            for (taken, tier) in expected.iter().zip(&plan.tiers) {
                let rows: Vec<_> = plan.selected[tier.range.clone()]
                    .iter()
                    .map(|it| (it.index, it.combined))
                    .collect();
                assert_eq!(&rows, taken);
            }
        }
    }
}
