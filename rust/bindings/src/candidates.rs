//! Whom a text under a ceiling is chosen from, and how firmly each holds its place.

use std::cmp::Ordering;
use std::collections::HashSet;

use memory_budget_core::error::Error;
use memory_budget_core::limits::Limits;
use memory_budget_core::plan::{Plan, Selected};
use memory_budget_core::render::claims::{self, Claimant};
use memory_budget_core::render::fit::{Bounds, Claim};
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;

use crate::call::{Among, Call};

/// Adds who may move up when others must leave: what the same call would select with twice the tokens, and
/// what each tier would within its floor alone. What such limits refuse is no error of this call.
pub fn add_more(
    candidates: &mut Vec<Selected>,
    plan: &Plan,
    call: &Call<'_>,
    replan: impl Fn(&Settings, &Limits, Among) -> Result<Plan, Error>,
) {
    let (settings, limits) = claims::wider(&call.settings, &call.limits);
    let wider = replan(&settings, &limits, Among::Admitted);
    add(candidates, wider.into_iter().flat_map(|wider| wider.selected));
    let mut pinned = [0; Tier::COUNT];
    for selected in plan.selected.iter().filter(|selected| selected.pinned) {
        pinned[selected.tier.index()] += selected.tokens;
    }
    let covered = claims::covered(&call.settings, &call.limits, floors(plan), pinned);
    if let Some((settings, limits)) = covered {
        let covered = replan(&settings, &limits, Among::Admitted);
        add(candidates, covered.into_iter().flat_map(|covered| covered.selected));
    }
}

fn floors(plan: &Plan) -> [u64; Tier::COUNT] {
    plan.limited.as_ref().map_or([0; Tier::COUNT], |limited| limited.bounds.floors)
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

/// What each of the candidates, in the order of a plan, claims: see [`claims::claims`].
pub fn claims(candidates: &[Selected], plan: &Plan, chosen: &HashSet<u32>) -> Vec<Claim> {
    let in_plan: HashSet<u32> = plan.selected.iter().map(|selected| selected.index).collect();
    let claimants = candidates.iter().map(|candidate| Claimant {
        tier: candidate.tier,
        tokens: candidate.tokens,
        is_pinned: candidate.pinned,
        is_in_plan: in_plan.contains(&candidate.index),
        is_chosen: chosen.contains(&candidate.index),
    });
    claims::claims(claimants, floors(plan))
}
