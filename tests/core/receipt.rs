//! What receipts say is what happened, and what a budget they name would do is what it does.

#![expect(clippy::cast_possible_truncation)] // small numbers

use memory_budget_core::budget::{Bounds, tier_budgets_within};
use memory_budget_core::complexity::Level;
use memory_budget_core::limits::{Amount, Limits, SpillOver};
use memory_budget_core::plan::{Plan, plan_within};
use memory_budget_core::ranking::duplicates::DuplicateRule;
use memory_budget_core::ranking::lexical::{QueryWords, bm25};
use memory_budget_core::ranking::text::Terms;
use memory_budget_core::ranking::{RankedPlan, RankingOptions, Signals, plan_ranked};
use memory_budget_core::receipt::fits::{Fit, fits_at};
use memory_budget_core::receipt::{Considered, Judged, KnownTexts, Reason, Texts};
use memory_budget_core::score::Scores;
use memory_budget_core::settings::{Settings, Weights};
use memory_budget_core::tier::Tier;
use proptest::collection::vec;
use proptest::prelude::*;

/// Tier, score, tokens and whether it is pinned.
type Row = (Tier, f64, u64, bool);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let tier = prop_oneof![3 => Just(Tier::Working), 1 => Just(Tier::Rag)];
    let score = prop_oneof![4 => 0.0..=1.0f64, 1 => Just(0.5)];
    let tokens = prop_oneof![6 => 1u64..25, 1 => Just(0), 1 => 25u64..150];
    vec((tier, score, tokens, prop::bool::weighted(0.05)), 0..40)
}

fn limits() -> impl Strategy<Value = Limits> {
    let order = prop_oneof![2 => Just(None), 1 => Just(Some(SpillOver::ByScore)), 1 => Just(Some(SpillOver::ByTier))];
    let minimum = prop_oneof![2 => Just(0.0), 1 => 0.0..=1.0f64];
    let cap =
        prop_oneof![2 => Just(None), 1 => (0u64..200).prop_map(|it| Some(Amount::Tokens(it)))];
    (order, minimum, prop::array::uniform4(cap)).prop_map(|(spill_over, minimum_score, caps)| {
        Limits { spill_over, minimum_score, caps, ..Limits::NONE }
    })
}

fn considered(rows: &[Row], settings: &Settings) -> Considered {
    let mut considered = Considered {
        tier: rows.iter().map(|row| row.0).collect(),
        relevance: rows.iter().map(|row| row.1).collect(),
        importance: vec![0.0; rows.len()],
        timestamp_us: vec![0; rows.len()],
        tokens: rows.iter().map(|row| row.2).collect(),
        pinned: (0..).zip(rows).filter(|(_, row)| row.3).map(|(at, _)| at).collect(),
        ..Considered::default()
    };
    considered.scores = Scores::of(&considered.candidates().unwrap(), settings, 0);
    considered
}

/// Tiers with exactly these budgets, and scores that are the relevance.
fn settings(budgets: [u64; 4]) -> Settings {
    let sum = budgets.iter().sum::<u64>().max(1);
    Settings {
        max_total_tokens: sum,
        shares: budgets.map(|budget| budget as f64 / sum as f64),
        weights: Weights { relevance: 1.0, importance: 0.0, freshness: 0.0 },
        ..Settings::default()
    }
}

/// None where pinned rows do not fit.
fn run(considered: &Considered, budgets: [u64; 4], limits: &Limits) -> Option<Plan> {
    let settings = settings(budgets);
    let candidates = considered.candidates().unwrap();
    plan_within(&candidates, &settings, limits, Level::Medium, 0).ok().map(|(plan, _)| plan)
}

/// A ranking over rows with few different texts.
struct ByRanking<'a> {
    considered: &'a Considered,
    terms: Vec<Terms>,
    options: RankingOptions,
}

const TEXTS: [&str; 4] = ["red tea", "Red tea!", "a blue train at nine", ""];

impl ByRanking<'_> {
    fn run(&self, budgets: [u64; 4], limits: &Limits) -> Option<RankedPlan> {
        let (settings, query) = (settings(budgets), QueryWords::of("tea at nine"));
        let lexical = bm25(&query, self.terms.iter());
        let signals = Signals { lexical: Some(&lexical), ..Signals::default() };
        let candidates = self.considered.candidates().unwrap();
        let terms = |place: u32| self.terms.get(place as usize);
        let (level, options) = (Level::Medium, &self.options);
        plan_ranked(&candidates, &settings, limits, level, &signals, options, 0, terms).ok()
    }
}

impl KnownTexts for ByRanking<'_> {
    fn terms(&self, place: u32) -> Option<&Terms> {
        self.terms.get(place as usize)
    }
}

fn takes(plan: &Plan, place: u32) -> bool {
    plan.selected.iter().any(|selected| selected.index == place)
}

fn left_out(considered: &Considered, plan: &Plan, tier: Tier) -> Vec<u32> {
    let all = 0..considered.len() as u32;
    all.filter(|&it| considered.tier[it as usize] == tier && !takes(plan, it)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn at_that_budget_it_is_taken_and_at_none_before(
        rows in rows(),
        budget in 0u64..120,
        other in 0u64..60,
        limits in limits(),
    ) {
        let budgets = [budget, 0, 0, other];
        let considered = considered(&rows, &settings(budgets));
        let bounds = tier_budgets_within(&settings(budgets), Level::Medium, &limits).unwrap();
        let Some(plan) = run(&considered, budgets, &limits) else { return Ok(()) };
        let wanted = left_out(&considered, &plan, Tier::Working);
        let judged = Judged::by_formula(&considered, limits.minimum_score);
        let fits = fits_at(&judged, &bounds, &limits, Tier::Working, &wanted);
        let total: u64 = rows.iter().map(|row| row.2).sum();
        for budget in bounds.budgets[0]..=bounds.budgets[0].max(total) {
            let plan = run(&considered, [budget, 0, 0, other], &limits).unwrap();
            for (place, fit) in wanted.iter().zip(&fits) {
                match *fit {
                    Fit::At(at) if budget < at => prop_assert!(!takes(&plan, *place), "{budget} of {at}"),
                    Fit::At(at) if budget == at => prop_assert!(takes(&plan, *place), "{at}"),
                    Fit::At(_) => {}
                    Fit::Never => prop_assert!(!takes(&plan, *place)),
                    Fit::Unknown => prop_assert!(false, "nothing was given up"),
                }
            }
        }
        // One at a time comes to the same.
        for (place, fit) in wanted.iter().zip(&fits) {
            prop_assert_eq!(&fits_at(&judged, &bounds, &limits, Tier::Working, &[*place])[0], fit);
        }
    }

    #[test]
    fn so_it_is_with_a_ranking_that_passes_over_what_repeats(
        (rows, texts) in rows().prop_flat_map(|rows| {
            let texts = vec(0..TEXTS.len(), rows.len());
            (Just(rows), texts)
        }),
        budget in 0u64..120,
        other in 0u64..60,
        limits in limits(),
        duplicates in prop::sample::select(vec![
            DuplicateRule::default(),
            DuplicateRule { exact: true, near: None },
            DuplicateRule { exact: false, near: Some(8) },
        ]),
    ) {
        let budgets = [budget, 0, 0, other];
        let considered = considered(&rows, &settings(budgets));
        let terms: Vec<Terms> = texts.iter().map(|&at| Terms::of(TEXTS[at])).collect();
        let options = RankingOptions { duplicates, ..RankingOptions::evidence() };
        let ranking = ByRanking { considered: &considered, terms, options };
        let bounds = tier_budgets_within(&settings(budgets), Level::Medium, &limits).unwrap();
        let Some(planned) = ranking.run(budgets, &limits) else { return Ok(()) };
        let texts = Some(Texts { rule: duplicates, known: &ranking });
        let judged = Judged::by_ranking(&considered, &planned.ranked, &planned.packed, texts);
        let replan = |limits: &Limits| Ok(ranking.run(budgets, limits).unwrap().plan);
        let reasons = judged.reasons(&planned.plan, replan, |_| true);
        for (place, reason) in (0..).zip(&reasons) {
            let mut repeated = judged.duplicates().iter().filter(|(it, _)| *it == place);
            let earlier = repeated.next().map(|&(_, earlier)| earlier);
            prop_assert_eq!(*reason == Reason::Duplicate, earlier.is_some());
            prop_assert!(earlier.is_none_or(|earlier| takes(&planned.plan, earlier)));
        }
        let wanted = left_out(&considered, &planned.plan, Tier::Working);
        let fits = fits_at(&judged, &bounds, &limits, Tier::Working, &wanted);
        let total: u64 = rows.iter().map(|row| row.2).sum();
        for budget in bounds.budgets[0]..=bounds.budgets[0].max(total) {
            let plan = ranking.run([budget, 0, 0, other], &limits).unwrap().plan;
            for (place, fit) in wanted.iter().zip(&fits) {
                match *fit {
                    Fit::At(at) if budget > at => {}
                    Fit::At(at) => prop_assert_eq!(takes(&plan, *place), budget == at, "{} of {}", budget, at),
                    Fit::Never => prop_assert!(!takes(&plan, *place)),
                    Fit::Unknown => prop_assert!(false, "nothing was given up"),
                }
            }
        }
    }

    #[test]
    fn reasons_tell_what_a_plan_did(
        rows in rows(),
        budget in 0u64..120,
        limits in limits(),
        available in prop_oneof![Just(None), (0u64..100).prop_map(Some)],
    ) {
        let limits = Limits { available, ..limits };
        let budgets = [budget, 0, 0, 40];
        let considered = considered(&rows, &settings(budgets));
        let Some(plan) = run(&considered, budgets, &limits) else { return Ok(()) };
        let judged = Judged::by_formula(&considered, limits.minimum_score);
        let replan = |limits: &Limits| Ok(run(&considered, budgets, limits).unwrap());
        let reasons = judged.reasons(&plan, replan, |_| true);
        let free = run(&considered, budgets, &Limits { available: None, ..limits }).unwrap();
        let own = plan.limited.as_ref().map_or(budgets, |limited| limited.bounds.budgets);
        for (place, reason) in (0..).zip(reasons) {
            let (tier, score, tokens, pinned) = rows[place as usize];
            prop_assert_eq!(reason.is_taken(), takes(&plan, place));
            prop_assert_eq!(reason == Reason::Pinned, pinned);
            prop_assert_eq!(reason == Reason::OverCeiling, !takes(&plan, place) && takes(&free, place));
            if reason == Reason::BelowMinimum {
                prop_assert!(score < limits.minimum_score);
            }
            if reason == Reason::Oversized {
                prop_assert!(tokens > own[tier.index()]);
            }
            if reason == Reason::OverTierBudget {
                prop_assert!(tokens <= own[tier.index()] && score >= limits.minimum_score);
            }
        }
        // Ranks are the order of turns: in each tier 1, 2, 3, ...
        let ranks = judged.ranks();
        for tier in Tier::ALL {
            let of_tier = (0..rows.len()).filter(|&it| rows[it].0 == tier);
            let mut of_tier: Vec<usize> = of_tier.collect();
            of_tier.sort_by_key(|&it| ranks[it]);
            for (rank, place) in (1..).zip(&of_tier) {
                prop_assert_eq!(ranks[*place], Some(rank));
            }
            for pair in of_tier.windows(2) {
                let [one, next] = [rows[pair[0]], rows[pair[1]]];
                prop_assert!(one.3 >= next.3);
                prop_assert!(one.3 || one.1 > next.1 || (one.1 == next.1 && pair[0] < pair[1]));
            }
        }
    }
}

fn plain_bounds(budget: u64) -> Bounds {
    Bounds { budgets: [budget, 0, 0, 0], floors: [0; 4], caps: [u64::MAX; 4], available: None }
}

#[test]
fn a_larger_budget_may_take_something_else() {
    // 10 tokens take the last two; 12 the first alone; 15 the first and the last.
    let rows = [(0.9, 12), (0.8, 7), (0.7, 3)];
    let rows = rows.map(|(score, tokens)| (Tier::Working, score, tokens, false));
    let considered = considered(&rows, &settings([10, 0, 0, 0]));
    let judged = Judged::by_formula(&considered, 0.0);
    let fit = |budget, place| {
        fits_at(&judged, &plain_bounds(budget), &Limits::NONE, Tier::Working, &[place])[0]
    };
    assert_eq!(fit(10, 0), Fit::At(12));
    assert_eq!(fit(12, 2), Fit::At(15));
    assert_eq!(fit(12, 1), Fit::At(19));
}

#[test]
fn a_search_that_takes_too_long_is_given_up() {
    // Costs that halve count like a binary number: each token of budget is another selection.
    let rows: Vec<Row> = (0..=50)
        .map(|step| (Tier::Working, 1.0 - f64::from(step) / 100.0, 1u64 << (50 - step), false))
        .chain([(Tier::Working, 0.0, 1, false)])
        .collect();
    let considered = considered(&rows, &settings([0; 4]));
    let judged = Judged::by_formula(&considered, 0.0);
    let fits = fits_at(&judged, &plain_bounds(0), &Limits::NONE, Tier::Working, &[50, 51]);
    assert_eq!(fits, [Fit::At(1), Fit::Unknown]);
}

#[test]
fn below_the_minimum_no_budget_helps_and_under_a_ceiling_none_is_known() {
    let rows = [(Tier::Working, 0.2, 5, false), (Tier::Working, 0.9, 8, false)];
    let considered = considered(&rows, &settings([4, 0, 0, 0]));
    let limits = Limits { minimum_score: 0.5, ..Limits::NONE };
    let judged = Judged::by_formula(&considered, 0.5);
    let fits = fits_at(&judged, &plain_bounds(4), &limits, Tier::Working, &[0, 1]);
    assert_eq!(fits, [Fit::Never, Fit::At(8)]);
    let bounds = Bounds { available: Some(6), ..plain_bounds(4) };
    let fits = fits_at(&judged, &bounds, &limits, Tier::Working, &[0, 1]);
    assert_eq!(fits, [Fit::Never, Fit::Unknown]);
    let bounds = Bounds { caps: [6, 6, 6, 6], ..plain_bounds(4) };
    assert_eq!(fits_at(&judged, &bounds, &limits, Tier::Working, &[1]), [Fit::Never]);
}
