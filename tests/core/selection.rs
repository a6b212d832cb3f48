//! Invariants of scoring, packing and promotion over arbitrary columns.

#![expect(clippy::cast_possible_truncation)] // a few hundred rows

use memory_budget_core::candidates::Candidates;
use memory_budget_core::complexity::Level;
use memory_budget_core::decay::{NO_TIME, freshness, recency};
use memory_budget_core::pack::score_order;
use memory_budget_core::plan::{Plan, plan};
use memory_budget_core::promotion::{Ladder, Move, Record, promotion_score, recommend};
use memory_budget_core::score::{Scores, combined};
use memory_budget_core::settings::{Settings, Weights};
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::MAX_COUNT;
use proptest::collection::vec;
use proptest::prelude::*;

/// Microseconds within the years 1 to 9999.
fn instant() -> impl Strategy<Value = i64> {
    -62_135_596_800_000_000i64..253_402_300_800_000_000
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![1 => Just(NO_TIME), 3 => instant()]
}

/// Any bits at all, with the values that matter drawn often.
fn component() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..=1.0,
        1 => prop_oneof![Just(0.0), Just(-0.0), Just(0.5), Just(1.0), Just(f64::MAX)],
        1 => any::<f64>(),
        1 => any::<u64>().prop_map(f64::from_bits),
    ]
}

/// Often the same, or next to each other: 300 neighbours differ in their last nine bits.
fn score() -> impl Strategy<Value = f64> {
    let neighbour = (0u64..300).prop_map(|below| f64::from_bits(0.75f64.to_bits() - below));
    prop_oneof![0.0..=1.0, Just(0.0), Just(0.25), Just(1.0), neighbour]
}

fn tokens() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0u64..300, 1 => 0..=MAX_COUNT, 1 => Just(MAX_COUNT)]
}

fn tier() -> impl Strategy<Value = Tier> {
    (0..Tier::COUNT).prop_map(|index| Tier::ALL[index])
}

fn level() -> impl Strategy<Value = Level> {
    (0..Level::ALL.len()).prop_map(|index| Level::ALL[index])
}

type Row = (Tier, f64, f64, i64, u64);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    vec((tier(), component(), component(), time(), tokens()), 0..120)
}

fn settings() -> impl Strategy<Value = Settings> {
    let share = || prop_oneof![Just(0.0), 0.0..2.0, Just(1e300)];
    let weight = || prop_oneof![4 => 0.0..1.0, 1 => Just(0.0), 1 => Just(1e300)];
    let total = prop_oneof![4 => 0u64..4000, 1 => 0..=MAX_COUNT];
    let half_life = prop_oneof![1e-3..1e5, Just(f64::MIN_POSITIVE), Just(f64::MAX)];
    (total, [share(), share(), share(), share()], [weight(), weight(), weight()], half_life)
        .prop_map(|(max_total_tokens, shares, [relevance, importance, freshness], half_life)| {
            Settings {
                max_total_tokens,
                shares,
                weights: Weights { relevance, importance, freshness },
                freshness_half_life_hours: half_life,
                ..Settings::default()
            }
        })
}

fn allocate(rows: &[Row], settings: &Settings, level: Level, now_us: i64) -> (Plan, Scores) {
    let tier: Vec<_> = rows.iter().map(|row| row.0).collect();
    let relevance: Vec<_> = rows.iter().map(|row| row.1).collect();
    let importance: Vec<_> = rows.iter().map(|row| row.2).collect();
    let timestamp: Vec<_> = rows.iter().map(|row| row.3).collect();
    let tokens: Vec<_> = rows.iter().map(|row| row.4).collect();
    let columns = Candidates::new(&tier, &relevance, &importance, &timestamp, &tokens).unwrap();
    plan(&columns, settings, level, now_us)
}

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

/// The documented selection by a stable sort of everything.
fn sorted_selection(members: &[u32], scores: &[f64], tokens: &[u64], budget: u64) -> Vec<u32> {
    let mut order = members.to_vec();
    order.sort_by(|&a, &b| scores[b as usize].partial_cmp(&scores[a as usize]).unwrap());
    let mut used = 0u128;
    order.retain(|&index| {
        let fits = used + u128::from(tokens[index as usize]) <= u128::from(budget);
        used += if fits { u128::from(tokens[index as usize]) } else { 0 };
        fits
    });
    order
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_plan_keeps_every_promise(
        rows in rows(),
        settings in settings(),
        level in level(),
        now_us in instant(),
    ) {
        let (plan, scores) = allocate(&rows, &settings, level, now_us);
        prop_assert_eq!(scores.combined.len(), rows.len());
        prop_assert!(scores.combined.iter().all(|score| (0.0..=1.0).contains(score)));
        prop_assert!(scores.freshness.iter().all(|score| (0.0..=1.0).contains(score)));
        let mut seen = vec![false; rows.len()];
        for tier in Tier::ALL {
            let result = &plan.tiers[tier.index()];
            let selected = &plan.selected[result.range.clone()];
            // Never over budget, and what is counted is what is there.
            prop_assert!(result.used <= result.budget);
            prop_assert_eq!(selected.iter().map(|it| it.tokens).sum::<u64>(), result.used);
            prop_assert_eq!(result.available, rows.iter().filter(|row| row.0 == tier).count());
            prop_assert!((0.0..=100.0).contains(&result.utilization_pct()));
            // Descending; ties in input order; nothing twice; everything in its own tier.
            for pair in selected.windows(2) {
                prop_assert!(
                    pair[0].combined > pair[1].combined
                        || (pair[0].combined == pair[1].combined && pair[0].index < pair[1].index)
                );
            }
            for entry in selected {
                prop_assert_eq!(rows[entry.index as usize].0, tier);
                prop_assert!(!std::mem::replace(&mut seen[entry.index as usize], true));
                prop_assert!(entry.relevance.is_finite() && entry.importance.is_finite());
            }
        }
        // What was skipped did not fit when its turn came.
        for (index, row) in rows.iter().enumerate().filter(|(index, _)| !seen[*index]) {
            let result = &plan.tiers[row.0.index()];
            let before: u64 = plan.selected[result.range.clone()]
                .iter()
                .filter(|it| {
                    it.combined > scores.combined[index]
                        || (it.combined == scores.combined[index] && (it.index as usize) < index)
                })
                .map(|it| it.tokens)
                .sum();
            prop_assert!(row.4 > result.budget - before);
        }
    }

    /// One token more changes nothing, or fills the budget to the last token. Proof, over the memories
    /// in their order: as long as both have used the same, only a memory that fits budget + 1 exactly
    /// is taken by one and not by the other; from then on the larger budget is full.
    #[test]
    fn one_more_token_changes_nothing_or_fills_up(
        candidates in vec((0.0..=1.0, prop_oneof![4 => 0u64..20, 1 => tokens()]), 0..200),
        near in 0usize..200,
        offset in 0u64..3,
    ) {
        let scores: Vec<f64> = candidates.iter().map(|it| it.0).collect();
        let tokens: Vec<u64> = candidates.iter().map(|it| it.1).collect();
        let members: Vec<u32> = (0..scores.len() as u32).collect();
        // Around sums that just fit is where it matters.
        let exact: u64 = tokens.iter().take(near).fold(0, |sum, it| sum.saturating_add(*it));
        let budget = exact.saturating_sub(1).saturating_add(offset).min(MAX_COUNT - 1);
        let (_, less) = packed(&members, &scores, &tokens, budget);
        let (_, more) = packed(&members, &scores, &tokens, budget + 1);
        prop_assert!(more == less || more == budget + 1);
    }

    #[test]
    fn the_packer_equals_a_stable_sort(
        candidates in vec((score(), tokens()), 0..200),
        budget in prop_oneof![0u64..3000, 0..=MAX_COUNT],
        every in 1usize..4,
    ) {
        let (scores, tokens): (Vec<_>, Vec<_>) = candidates.into_iter().unzip();
        let members: Vec<u32> = (0..scores.len()).step_by(every).map(|it| it as u32).collect();
        let (taken, used) = packed(&members, &scores, &tokens, budget);
        prop_assert_eq!(&taken, &sorted_selection(&members, &scores, &tokens, budget));
        prop_assert_eq!(used, taken.iter().map(|&it| tokens[it as usize]).sum::<u64>());
    }

    #[test]
    fn the_order_of_unequal_scores_does_not_matter(
        tokens in vec(0u64..300, 1..60),
        budget in 0u64..2000,
        seed in any::<u64>(),
    ) {
        let length = tokens.len();
        let scores: Vec<f64> = (0..length).map(|rank| rank as f64 / length as f64).collect();
        // A permutation from the seed: sort by a hash of the position.
        let mut order: Vec<usize> = (0..length).collect();
        order.sort_by_key(|&it| (it as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let members: Vec<u32> = (0..length as u32).collect();
        let shuffled_scores: Vec<f64> = order.iter().map(|&it| scores[it]).collect();
        let shuffled_tokens: Vec<u64> = order.iter().map(|&it| tokens[it]).collect();
        let (taken, used) = packed(&members, &scores, &tokens, budget);
        let (shuffled, shuffled_used) =
            packed(&members, &shuffled_scores, &shuffled_tokens, budget);
        let back: Vec<u32> = shuffled.iter().map(|&it| order[it as usize] as u32).collect();
        prop_assert_eq!(taken, back);
        prop_assert_eq!(used, shuffled_used);
    }

    #[test]
    fn decay_is_monotone(
        first in instant(), second in instant(), now_us in instant(), half_life in 1e-3..1e6f64,
    ) {
        let (older, newer) = (first.min(second), first.max(second));
        prop_assert!(freshness(older, now_us, half_life) <= freshness(newer, now_us, half_life));
        prop_assert!(recency(older, now_us) <= recency(newer, now_us));
        let earlier = freshness(older, now_us, half_life);
        prop_assert!(freshness(older, now_us.saturating_add(1), half_life) <= earlier);
    }

    #[test]
    fn a_score_rises_with_each_component(
        parts in [0.0..=1.0f64, 0.0..=1.0, 0.0..=1.0],
        more in 0.0..=1.0f64,
        weights in [0.0..1.0f64, 0.0..1.0, 0.0..1.0],
        which in 0usize..3,
    ) {
        let weights = Weights { relevance: weights[0], importance: weights[1], freshness: weights[2] };
        let mut raised = parts;
        raised[which] += more;
        let score = |[relevance, importance, freshness]: [f64; 3]| {
            combined(relevance, importance, freshness, weights)
        };
        prop_assert!(score(raised) >= score(parts));
    }

    #[test]
    fn recommendations_are_single_steps_that_exist(
        tier in tier(),
        score in component(),
        access_count in prop_oneof![0u64..6, 0..=MAX_COUNT],
        times in [time(), time()],
        now_us in instant(),
    ) {
        let settings = Settings::default();
        let order = [Tier::LongTerm, Tier::Rag, Tier::Project, Tier::Working];
        let record = Record {
            tier, combined: score, access_count, timestamp_us: times[0], last_accessed_us: times[1],
        };
        let result = promotion_score(&record, settings.promotion_access_threshold, now_us);
        prop_assert!(result.is_finite());
        let place = order.iter().position(|it| *it == tier).unwrap();
        match recommend(&record, result, &settings, Ladder::default()) {
            Move::Promote(target) => {
                prop_assert_eq!(Some(&target), order.get(place + 1));
                prop_assert!(result >= 0.8 && access_count >= 3);
            }
            Move::Demote(target) => {
                prop_assert_eq!(target, order[place - 1]);
                prop_assert!(result < 0.3);
            }
            Move::Stay => {}
        }
    }
}
