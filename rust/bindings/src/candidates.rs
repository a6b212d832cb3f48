//! Whom a text under a ceiling is chosen from, and how firmly each holds its place.

use std::cmp::Ordering;
use std::collections::HashSet;

use memory_budget_core::complexity::Level;
use memory_budget_core::error::Error;
use memory_budget_core::limits::{Amount, Limits};
use memory_budget_core::plan::{Plan, Selected};
use memory_budget_core::render::fit::{Bounds, Claim, Hold};
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::MAX_COUNT;

use crate::call::{Among, Call};

/// Adds who may move up when others must leave: what the same call would select with twice the tokens, and
/// what each tier would within its floor alone. What such limits refuse is no error of this call.
pub fn add_more(
    candidates: &mut Vec<Selected>,
    plan: &Plan,
    call: &Call<'_>,
    replan: impl Fn(&Settings, &Limits, Among) -> Result<Plan, Error>,
) {
    let doubled = |tokens: u64| tokens.saturating_mul(2).min(MAX_COUNT);
    let max_total_tokens = doubled(call.settings.max_total_tokens);
    let settings = Settings { max_total_tokens, ..call.settings.clone() };
    let available = call.limits.available.map(doubled);
    let limits = Limits { available, cut_oversized: false, ..call.limits };
    let wider = replan(&settings, &limits, Among::Admitted);
    add(candidates, wider.into_iter().flat_map(|wider| wider.selected));
    let floors = floors(plan);
    if floors != [0; Tier::COUNT] {
        let pinned = |tier: Tier| -> u64 {
            let pinned = plan.selected.iter().filter(|it| it.pinned && it.tier == tier);
            pinned.map(|it| it.tokens).sum()
        };
        let budgets = Tier::ALL.map(|tier| floors[tier.index()].max(pinned(tier)));
        let settings = with_budgets(&call.settings, budgets);
        let floors = budgets.map(|budget| Some(Amount::Tokens(budget))); // to the token
        let minimum_score = call.limits.minimum_score;
        let limits = Limits { floors, minimum_score, ..Limits::NONE };
        let covered = replan(&settings, &limits, Among::Admitted);
        add(candidates, covered.into_iter().flat_map(|covered| covered.selected));
    }
}

fn floors(plan: &Plan) -> [u64; Tier::COUNT] {
    plan.limited.as_ref().map_or([0; Tier::COUNT], |limited| limited.bounds.floors)
}

/// A workspace whose tiers have those budgets, whatever the level.
pub fn with_budgets(settings: &Settings, budgets: [u64; Tier::COUNT]) -> Settings {
    let sum = budgets.iter().sum::<u64>();
    let share = |budget: u64| if sum == 0 { 0.0 } else { budget as f64 / sum as f64 };
    Settings {
        max_total_tokens: sum,
        shares: budgets.map(share),
        multipliers: [1.0; Level::COUNT],
        ..settings.clone()
    }
}

/// Adds those who are not there yet, and keeps the order of a plan: by tier; in a tier what is pinned in
/// input order, then the greatest key first.
pub fn add(candidates: &mut Vec<Selected>, more: impl IntoIterator<Item = Selected>) {
    candidates.extend(more);
    candidates.sort_by(|a, b| {
        let by_score = || b.key.partial_cmp(&a.key).unwrap_or(Ordering::Equal);
        let by_rank = if a.pinned && b.pinned { Ordering::Equal } else { by_score() };
        a.tier.cmp(&b.tier).then(b.pinned.cmp(&a.pinned)).then(by_rank).then(a.index.cmp(&b.index))
    });
    candidates.dedup_by_key(|candidate| candidate.index);
}

/// Whom the plan chose for what they are beside others, and did not simply take by the greatest key: they stay
/// before those who would move up. What was spilled over is none of them, so that it goes before what the
/// tiers took for themselves.
pub fn chosen(
    plan: &Plan,
    call: &Call<'_>,
    replan: impl Fn(&Settings, &Limits, Among) -> Result<Plan, Error>,
) -> HashSet<u32> {
    let rows = |plan: &Plan| plan.selected.iter().map(|selected| selected.index).collect();
    if call.limits.spill_over.is_some() {
        let limits = Limits { spill_over: None, cut_oversized: false, ..call.limits };
        return replan(&call.settings, &limits, Among::Admitted)
            .as_ref()
            .map(rows)
            .unwrap_or_default();
    }
    if call.is_by_key() { HashSet::new() } else { rows(plan) }
}

/// What the text of a plan may use.
pub fn bounds(plan: &Plan, ceiling: u64) -> Bounds {
    let budgets = plan.tiers.each_ref().map(|tier| tier.budget);
    Bounds { ceiling, budgets, floors: floors(plan) }
}

/// What each of the candidates, in the order of a plan, claims: the best that the plan selected of a tier are
/// its floor. Others are not, so that a ceiling that is wide enough changes nothing.
pub fn claims(candidates: &[Selected], plan: &Plan, chosen: &HashSet<u32>) -> Vec<Claim> {
    let mut floors = floors(plan);
    let in_plan: HashSet<u32> = plan.selected.iter().map(|selected| selected.index).collect();
    let claim = |candidate: &Selected| {
        let floor = &mut floors[candidate.tier.index()];
        let hold = match floor.checked_sub(candidate.tokens) {
            rest if candidate.pinned => {
                *floor = rest.unwrap_or(0);
                Hold::Pinned
            }
            Some(rest) if *floor > 0 && in_plan.contains(&candidate.index) => {
                *floor = rest;
                Hold::Floor
            }
            _ if chosen.contains(&candidate.index) => Hold::Chosen,
            _ => Hold::Free,
        };
        Claim { tokens: candidate.tokens, hold }
    };
    candidates.iter().map(claim).collect()
}
