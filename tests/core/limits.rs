//! Ceilings, floors, caps, pinned candidates, minimum scores and spill-over keep what they promise,
//! whatever the candidates are.

#![expect(clippy::cast_possible_truncation)] // small numbers

use memory_budget_core::budget::{Bounds, tier_budgets, tier_budgets_within};
use memory_budget_core::candidates::Candidates;
use memory_budget_core::complexity::Level;
use memory_budget_core::error::Error;
use memory_budget_core::limits::{Amount, Limits, SpillOver};
use memory_budget_core::plan::{Plan, plan, plan_within};
use memory_budget_core::settings::{Settings, Weights};
use memory_budget_core::tier::Tier;
use proptest::collection::vec;
use proptest::prelude::*;

/// Tier, score, tokens and whether it is pinned.
type Row = (Tier, f64, u64, bool);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let tier = (0..Tier::COUNT).prop_map(|index| Tier::ALL[index]);
    let score = prop_oneof![4 => 0.0..=1.0f64, 1 => Just(0.5), 1 => Just(0.0), 1 => Just(1.0)];
    let tokens = prop_oneof![6 => 1u64..80, 1 => Just(0), 1 => 80u64..900];
    vec((tier, score, tokens, prop::bool::weighted(0.03)), 0..200)
}

fn amount() -> impl Strategy<Value = Option<Amount>> {
    prop_oneof![
        3 => Just(None),
        1 => (0u64..600).prop_map(|tokens| Some(Amount::Tokens(tokens))),
        1 => (0.0..=1.0f64).prop_map(|share| Some(Amount::Share(share))),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let spill_over =
        prop_oneof![Just(None), Just(Some(SpillOver::ByScore)), Just(Some(SpillOver::ByTier)),];
    let minimum = prop_oneof![2 => Just(0.0), 1 => 0.0..=1.0f64];
    let amounts = || prop::array::uniform4(amount());
    (
        amounts(),
        amounts(),
        prop_oneof![4 => Just(None), 4 => (0u64..2500).prop_map(Some), 1 => Just(Some(0))],
        spill_over,
        minimum,
    )
        .prop_map(|(floors, caps, available, spill_over, minimum_score)| Limits {
            floors,
            caps,
            available,
            spill_over,
            minimum_score,
            cut_oversized: false,
        })
}

/// A workspace in which a candidate's score is its relevance.
fn settings() -> impl Strategy<Value = Settings> {
    (0u64..2000).prop_map(|max_total_tokens| Settings {
        max_total_tokens,
        weights: Weights { relevance: 1.0, importance: 0.0, freshness: 0.0 },
        ..Settings::default()
    })
}

fn level() -> impl Strategy<Value = Level> {
    (0usize..4).prop_map(|index| Level::ALL[index])
}

fn allocate(
    rows: &[Row],
    settings: &Settings,
    limits: &Limits,
    level: Level,
) -> Result<Plan, Error> {
    let tier: Vec<_> = rows.iter().map(|row| row.0).collect();
    let score: Vec<_> = rows.iter().map(|row| row.1).collect();
    let tokens: Vec<_> = rows.iter().map(|row| row.2).collect();
    let pinned: Vec<u32> = (0..).zip(rows).filter(|(_, row)| row.3).map(|(at, _)| at).collect();
    let (zeros, times) = (vec![0.0; rows.len()], vec![0; rows.len()]);
    let columns = Candidates::new(&tier, &score, &zeros, &times, &tokens).unwrap();
    plan_within(&columns.with_pinned(&pinned), settings, limits, level, 0).map(|(plan, _)| plan)
}

/// The rules as a plain loop over sorted rows; what is taken, in order, and the tokens a tier uses.
fn straightforward(rows: &[Row], bounds: &Bounds, limits: &Limits) -> Option<[Vec<u32>; 4]> {
    let mut order: Vec<u32> = (0..rows.len() as u32).collect();
    order.sort_by(|&a, &b| rows[b as usize].1.total_cmp(&rows[a as usize].1));
    let row = |index: u32| &rows[index as usize];
    let mut taken: [Vec<u32>; 4] = Tier::ALL
        .map(|tier| (0..rows.len() as u32).filter(|&it| row(it).0 == tier && row(it).3).collect());
    let used = |taken: &[Vec<u32>; 4], tier: usize| -> u64 {
        taken[tier].iter().map(|&it| row(it).2).sum()
    };
    if (0..4).any(|tier| used(&taken, tier) > bounds.budgets[tier]) {
        return None;
    }
    let eligible = |index: u32| {
        limits.available != Some(0) && !row(index).3 && row(index).1 >= limits.minimum_score
    };
    for &index in order.iter().filter(|it| eligible(**it)) {
        let tier = row(index).0.index();
        if used(&taken, tier) + row(index).2 <= bounds.budgets[tier] {
            taken[tier].push(index);
        }
    }
    if limits.spill_over == Some(SpillOver::ByTier) {
        order.sort_by_key(|&index| row(index).0.index());
    }
    if limits.spill_over.is_some() {
        for &index in order.iter().filter(|it| eligible(**it)) {
            let tier = row(index).0.index();
            let all: u64 = (0..4).map(|tier| used(&taken, tier)).sum();
            let fits = all + row(index).2 <= bounds.budgets.iter().sum()
                && used(&taken, tier) + row(index).2 <= bounds.caps[tier];
            if fits && !taken[tier].contains(&index) {
                taken[tier].push(index);
            }
        }
    }
    for taken in &mut taken {
        taken.sort_by_key(|&index| {
            let (_, score, _, pinned) = row(index);
            (!pinned, std::cmp::Reverse(if *pinned { 0 } else { score.to_bits() }), index)
        });
    }
    Some(taken)
}

fn taken_by_tier(plan: &Plan) -> [Vec<u32>; 4] {
    plan.tiers
        .each_ref()
        .map(|tier| plan.selected[tier.range.clone()].iter().map(|it| it.index).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_plan_within_limits_keeps_every_promise(
        rows in rows(),
        settings in settings(),
        limits in limits(),
        level in level(),
    ) {
        let bounds = match tier_budgets_within(&settings, level, &limits) {
            Ok(bounds) => bounds,
            Err(refused) => {
                prop_assert_eq!(allocate(&rows, &settings, &limits, level), Err(refused));
                return Ok(());
            }
        };
        let expected = straightforward(&rows, &bounds, &limits);
        let plan = match allocate(&rows, &settings, &limits, level) {
            Ok(plan) => plan,
            Err(Error::PinnedOverflow { tier, needed, budget }) => {
                prop_assert_eq!(expected, None);
                prop_assert_eq!(budget, bounds.budgets[tier.index()]);
                let pinned = rows.iter().filter(|row| row.0 == tier && row.3);
                prop_assert_eq!(needed, pinned.map(|row| row.2).sum::<u64>());
                prop_assert!(needed > budget);
                return Ok(());
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        };
        prop_assert_eq!(Some(taken_by_tier(&plan)), expected);
        // The ceiling, and what tiers report.
        let reported: u64 = plan.tiers.iter().map(|tier| tier.budget).sum();
        prop_assert_eq!(reported, bounds.budgets.iter().sum::<u64>());
        prop_assert!(limits.available.is_none_or(|available| reported <= available));
        let mut seen = vec![false; rows.len()];
        for (tier, result) in Tier::ALL.into_iter().zip(&plan.tiers) {
            let selected = &plan.selected[result.range.clone()];
            prop_assert!(result.used <= result.budget);
            prop_assert!(result.used <= bounds.caps[tier.index()]);
            prop_assert_eq!(selected.iter().map(|it| it.tokens).sum::<u64>(), result.used);
            prop_assert_eq!(result.available, rows.iter().filter(|row| row.0 == tier).count());
            for it in selected {
                prop_assert!(!std::mem::replace(&mut seen[it.index as usize], true));
                prop_assert_eq!(rows[it.index as usize].0, tier);
                prop_assert!(it.pinned || it.combined >= limits.minimum_score);
                prop_assert_eq!(it.pinned, rows[it.index as usize].3);
            }
            // A floor: what is left out fits none of what the tier has not used of it.
            let free = bounds.floors[tier.index()].saturating_sub(result.used);
            for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.0 == tier) {
                let eligible = row.1 >= limits.minimum_score && limits.available != Some(0);
                prop_assert!(seen[at] || !eligible || row.2 > free);
            }
        }
        for (at, row) in rows.iter().enumerate() {
            prop_assert!(seen[at] || !row.3, "a pinned candidate is always in");
        }
    }

    #[test]
    fn budgets_within_limits_hold(settings in settings(), limits in limits(), level in level()) {
        let plain = tier_budgets(&settings, level);
        let Ok(bounds) = tier_budgets_within(&settings, level, &limits) else { return Ok(()) };
        for tier in Tier::ALL.map(Tier::index) {
            let budget = bounds.budgets[tier];
            prop_assert!((bounds.floors[tier]..=bounds.caps[tier]).contains(&budget));
            prop_assert!(budget <= plain[tier].max(bounds.floors[tier]));
        }
        let wanted: u64 =
            Tier::ALL.map(Tier::index).map(|it| plain[it].clamp(bounds.floors[it], bounds.caps[it])).iter().sum();
        let sum: u64 = bounds.budgets.iter().sum();
        prop_assert_eq!(sum, wanted.min(limits.available.unwrap_or(u64::MAX)));
    }

    #[test]
    fn spill_over_adds_to_the_strict_result(
        rows in rows(),
        settings in settings(),
        limits in limits(),
        level in level(),
    ) {
        let strict = allocate(&rows, &settings, &Limits { spill_over: None, ..limits }, level);
        let shared = allocate(&rows, &settings, &limits, level);
        let (Ok(strict), Ok(shared)) = (strict, shared) else { return Ok(()) };
        for it in &strict.selected {
            prop_assert!(shared.selected.contains(it));
        }
    }

    #[test]
    fn the_order_of_unequal_scores_does_not_matter(
        rows in rows(),
        settings in settings(),
        limits in limits(),
        level in level(),
        seed in any::<u64>(),
    ) {
        // Unequal scores, and no pins: those are taken in input order.
        let count = rows.len() as f64;
        let rows: Vec<Row> = (0u32..)
            .zip(rows)
            .map(|(at, (tier, _, tokens, _))| (tier, f64::from(at) / count, tokens, false))
            .collect();
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&it| (it as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let shuffled: Vec<Row> = order.iter().map(|&it| rows[it]).collect();
        let plain = allocate(&rows, &settings, &limits, level);
        let other = allocate(&shuffled, &settings, &limits, level);
        let (Ok(plain), Ok(other)) = (plain, other) else { return Ok(()) };
        let taken: Vec<usize> = plain.selected.iter().map(|it| it.index as usize).collect();
        let back: Vec<usize> = other.selected.iter().map(|it| order[it.index as usize]).collect();
        prop_assert_eq!(taken, back);
    }

    #[test]
    fn no_limits_are_the_plain_plan(rows in rows(), settings in settings(), level in level()) {
        let rows: Vec<Row> = rows.into_iter().map(|row| (row.0, row.1, row.2, false)).collect();
        let tier: Vec<_> = rows.iter().map(|row| row.0).collect();
        let score: Vec<_> = rows.iter().map(|row| row.1).collect();
        let tokens: Vec<_> = rows.iter().map(|row| row.2).collect();
        let (zeros, times) = (vec![0.0; rows.len()], vec![0; rows.len()]);
        let columns = Candidates::new(&tier, &score, &zeros, &times, &tokens).unwrap();
        let (plain, _) = plan(&columns, &settings, level, 0);
        prop_assert_eq!(allocate(&rows, &settings, &Limits::NONE, level), Ok(plain.clone()));
        // Limits that bind nothing come to the same through the other packer.
        let idle = Limits { available: Some(1 << 50), ..Limits::NONE };
        let idle = allocate(&rows, &settings, &idle, level).unwrap();
        prop_assert_eq!(idle.selected, plain.selected);
        prop_assert_eq!(idle.tiers, plain.tiers);
    }
}

#[test]
fn spill_over_by_tier_passes_many_candidates_below_the_minimum() {
    let tiers = "PPRRRRRPPPPPPWWPPPWWWPPWRPPPPPPPWPPPPP".bytes();
    let tokens = [
        75, 42, 30, 57, 57, 363, 78, 36, 53, 71, 23, 63, 22, 77, 76, 60, 64, 50, 162, 68, 15, 73,
        48, 19, 70, 13, 64, 22, 17, 59, 19, 71, 6, 65, 30, 61, 36, 60,
    ];
    // Of the rag tier; the others have none.
    let mut scores = [
        0.731_770_067_950_824_4,
        0.885_162_078_535_65,
        1.0,
        1.0,
        0.820_930_183_248_986_3,
        0.681_409_171_340_725_4,
    ]
    .into_iter();
    let rows: Vec<Row> = tiers
        .zip(tokens)
        .map(|(tier, tokens)| match tier {
            b'R' => (Tier::Rag, scores.next().unwrap(), tokens, false),
            b'W' => (Tier::Working, 0.0, tokens, false),
            _ => (Tier::Project, 0.0, tokens, false),
        })
        .collect();
    let settings = Settings {
        max_total_tokens: 1036,
        weights: Weights { relevance: 1.0, importance: 0.0, freshness: 0.0 },
        ..Settings::default()
    };
    let limits = Limits {
        spill_over: Some(SpillOver::ByTier),
        minimum_score: 0.646_420_118_812_617_7,
        ..Limits::NONE
    };
    let bounds = tier_budgets_within(&settings, Level::Simple, &limits).unwrap();
    let plan = allocate(&rows, &settings, &limits, Level::Simple).unwrap();
    assert_eq!(Some(taken_by_tier(&plan)), straightforward(&rows, &bounds, &limits));
}

#[test]
fn many_candidates_are_shared_out_as_few_are() {
    // Beyond what is looked at in one block, with enough misfits to be thrown out in between.
    let rows: Vec<Row> = (0u64..20_000)
        .map(|at| {
            let mixed = at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20;
            let tier = Tier::ALL[(mixed % 3) as usize];
            (tier, (mixed % 1009) as f64 / 1009.0, 1 + mixed % 271, at % 4001 == 7)
        })
        .collect();
    let settings = Settings {
        max_total_tokens: 20_000,
        weights: Weights { relevance: 1.0, importance: 0.0, freshness: 0.0 },
        ..Settings::default()
    };
    for order in [SpillOver::ByScore, SpillOver::ByTier] {
        let limits = Limits {
            caps: [None, None, Some(Amount::Share(0.21)), None],
            spill_over: Some(order),
            minimum_score: 0.3,
            ..Limits::NONE
        };
        let bounds = tier_budgets_within(&settings, Level::Medium, &limits).unwrap();
        let plan = allocate(&rows, &settings, &limits, Level::Medium).unwrap();
        // The rag tier has no candidates: its 5,000 tokens go to the others.
        assert!(plan.total_tokens() > 19_900);
        assert_eq!(Some(taken_by_tier(&plan)), straightforward(&rows, &bounds, &limits));
    }
}
