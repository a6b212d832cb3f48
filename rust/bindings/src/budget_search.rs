//! The budget at which a candidate that was left out would be taken.

use std::collections::HashMap;

use memory_budget_core::budget::tier_budgets_within;
use memory_budget_core::limits::{Amount, Limits};
use memory_budget_core::receipt::Reason;
use memory_budget_core::receipt::fits::{Fit, fits_at};
use memory_budget_core::receipt::replay::Replayed;
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::MAX_COUNT;
use pyo3::prelude::*;

use crate::allocation::Allocation;
use crate::call::Call;
use crate::decider::Decider;
use crate::limits::Ceiling;
use crate::receipts::Kept;
use crate::rerun::{AMPLE, Part, Rerun};

/// Work after which the searches of one question are given up, and budgets that need no rerun: a second or so.
/// A unit is a byte that is counted, up to ten nanoseconds.
const MOST_WORK: u64 = 130_000_000;
const MOST_BUDGETS: usize = 1 << 22;

/// Work after which other threads have their turn, and Ctrl-C is looked for: some 20 milliseconds. Not less
/// than the interpreter's switch interval, 5 of them: who waits asks for a turn only after one in which nobody let go.
const UNINTERRUPTED: u64 = 2_500_000;

/// What a rerun takes whatever there is to choose from.
const RERUN: u64 = 1_000;

/// How budgets are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// Not at all.
    None,
    /// Replaying calls where that is known to be the same.
    Replaying,
    /// Making each call anew, as a check of that.
    Anew,
}

/// At which budget each of the wanted places would be taken: of its tier, or the whole prompt's where
/// the ceiling left it out.
pub fn fits(
    py: Python<'_>,
    allocation: &Allocation,
    kept: &Kept,
    decider: &Decider<'_>,
    reasons: &[Reason],
    wanted: &[usize],
    search: Search,
) -> PyResult<Vec<Fit>> {
    let judged = decider.judged();
    let mut rerun = Rerun::new(py, allocation, kept, decider);
    if search == Search::Replaying {
        rerun = rerun.replaying(py, &judged);
    }
    let mut fits = vec![Fit::Never; wanted.len()];
    let mut of_ceiling = Vec::new();
    let mut of_tier: [Vec<usize>; Tier::COUNT] = Default::default();
    for (at, &place) in wanted.iter().enumerate() {
        match reasons[place] {
            Reason::OverCeiling | Reason::NoRoomBehindHeld => of_ceiling.push(at),
            reason => {
                let is_of_budget = matches!(
                    reason,
                    Reason::OverTierBudget | Reason::Oversized | Reason::Duplicate
                );
                if is_of_budget || rerun.may_be_held(place) {
                    of_tier[kept.considered.tier[place].index()].push(at);
                }
            }
        }
    }
    let mut note = |at: Vec<usize>, found: Vec<Fit>| {
        for (at, fit) in at.into_iter().zip(found) {
            fits[at] = fit;
        }
    };
    for (tier, at) in Tier::ALL.into_iter().zip(of_tier) {
        let places: Vec<usize> = at.iter().map(|&at| wanted[at]).collect();
        if !places.is_empty() {
            note(at, rerun.with_tier_budgets(py, tier, &places)?);
        }
    }
    if !of_ceiling.is_empty() {
        let places: Vec<usize> = of_ceiling.iter().map(|&at| wanted[at]).collect();
        note(of_ceiling, rerun.with_ceilings(py, &places)?);
    }
    Ok(fits)
}

/// What a search tries.
#[derive(Clone, Copy)]
enum Varied {
    TierBudget,
    Ceiling,
}

impl Varied {
    /// How much of a memory has to be taken: of a tier's budget, all.
    fn part(self) -> Part {
        match self {
            Self::TierBudget => Part::Whole,
            Self::Ceiling => Part::Any,
        }
    }
}

impl<'py> Rerun<'_, 'py> {
    fn with_tier_budgets(
        &self,
        py: Python<'py>,
        tier: Tier,
        places: &[usize],
    ) -> PyResult<Vec<Fit>> {
        let mut fits = vec![Fit::At(self.ample(tier)); places.len()];
        // In a session, what the tiers' budgets take is not all that a text may hold.
        let most = if self.decider.is_by_key() && self.step.is_none() {
            #[expect(clippy::cast_possible_truncation)] // no more places than rows
            let wanted: Vec<u32> = places.iter().map(|&place| place as u32).collect();
            let judged = self.decider.judged();
            fits = fits_at(&judged, &self.bounds, &self.limits, tier, &wanted);
            // What the budgets take, the ceiling may not leave: only the whole call can tell.
            let most = fits.iter().filter_map(|fit| match fit {
                Fit::At(budget) => Some(*budget),
                Fit::Never | Fit::Unknown => None,
            });
            let (Some(most), true) = (most.max(), self.has_ceiling_on_text()) else {
                return Ok(fits);
            };
            most
        } else {
            self.ample(tier)
        };
        let caps = self.bounds.caps.map(|cap| (cap < MAX_COUNT).then_some(Amount::Tokens(cap)));
        let limits = Limits {
            floors: self.bounds.floors.map(|it| Some(Amount::Tokens(it))),
            caps,
            ..self.limits
        };
        let mut budgets = self.bounds.budgets;
        let first = budgets[tier.index()];
        let found = self.scan(py, places, first..=most, Varied::TierBudget, |call, budget| {
            budgets[tier.index()] = budget;
            (call.settings, call.limits) = (self.allocation.settings.with_budgets(budgets), limits);
            let fits = |&place: &usize| {
                self.kept.considered.tokens[place] <= budget || self.may_be_held(place)
            };
            self.limits.spill_over.is_some() || places.iter().any(fits)
        })?;
        let may_be_higher =
            self.limits.available.is_some() && most < self.bounds.caps[tier.index()];
        for (fit, found) in fits.iter_mut().zip(found) {
            *fit = match (*fit, found) {
                (Fit::Never | Fit::Unknown, _) => *fit,
                (Fit::At(_), Fit::Never) if may_be_higher => Fit::Unknown,
                (Fit::At(_), found) => found,
            };
        }
        Ok(fits)
    }

    /// A budget of the tier that is as good as any larger one, or the largest that there can be.
    fn ample(&self, tier: Tier) -> u64 {
        let considered = &self.kept.considered;
        let counts = |of: &Tier| *of == tier || self.limits.spill_over.is_some();
        let tokens = considered.tier.iter().zip(&considered.tokens).take(considered.eligible());
        let tokens = tokens.filter(|(of, _)| counts(of)).map(|(_, tokens)| tokens);
        let (at, budgets) = (tier.index(), &self.bounds.budgets);
        let others = budgets.iter().sum::<u64>() - budgets[at];
        let available = self.limits.available.map_or(u64::MAX, |it| it.saturating_sub(others));
        let ample = tokens.fold(0, |sum: u64, tokens| sum.saturating_add(*tokens));
        ample.max(budgets[at]).min(self.bounds.caps[at]).min(available).min(MAX_COUNT)
    }

    fn with_ceilings(&self, py: Python<'_>, places: &[usize]) -> PyResult<Vec<Fit>> {
        let Some(ceiling) = &self.allocation.record.ceiling else {
            return Ok(vec![Fit::Unknown; places.len()]);
        };
        let (present, reserved) = (ceiling.max_prompt_tokens, Ceiling::reserved_sum(ceiling));
        let considered = &self.kept.considered;
        let spills = self.limits.spill_over.is_some();
        let level = self.allocation.record.plan.level;
        // With spill-over, room for everything may still go to others: then there is nothing to look for. What
        // a new text holds under this ceiling, one a little higher may take.
        let was_left_behind = |place: usize| {
            self.step.is_some_and(|step| step.left_behind.contains(&considered.row(place)))
        };
        let at_most =
            self.scan(py, places, AMPLE..=AMPLE, Varied::Ceiling, |call, available| {
                self.with_available(call, available);
                true
            })?;
        let is_sought =
            |place: usize, fit: Fit| matches!(fit, Fit::At(_)) || was_left_behind(place);
        let sought = places.iter().zip(at_most).filter(|(place, fit)| is_sought(**place, *fit));
        let sought: Vec<usize> = sought.map(|(place, _)| *place).collect();
        if sought.is_empty() {
            return Ok(vec![Fit::Unknown; places.len()]);
        }
        let found =
            self.scan(py, &sought, present..=MAX_COUNT, Varied::Ceiling, |call, ceiling| {
                let available = ceiling - reserved;
                self.with_available(call, available);
                // Where no budget is as large as what is looked for, nobody need try.
                let Ok(bounds) = tier_budgets_within(&call.settings, level, &call.limits) else {
                    return false;
                };
                let room =
                    |tier: Tier| if spills { available } else { bounds.budgets[tier.index()] };
                let has_room = |&place: &usize| {
                    considered.tokens[place] <= room(considered.tier[place])
                        || self.may_be_held(place)
                };
                self.limits.cut_oversized || sought.iter().any(has_room)
            })?;
        let found: HashMap<usize, Fit> = sought.into_iter().zip(found).collect();
        let fit = |place| found.get(place).copied().unwrap_or(Fit::Unknown);
        Ok(places.iter().map(fit).collect())
    }

    /// The first of the budgets at which each of the places is taken, or that it is none of them; `change` makes one the
    /// call's, and says whether it is worth a try.
    fn scan(
        &self,
        py: Python<'_>,
        places: &[usize],
        budgets: std::ops::RangeInclusive<u64>,
        varied: Varied,
        mut change: impl FnMut(&mut Call<'_>, u64) -> bool,
    ) -> PyResult<Vec<Fit>> {
        let mut found = vec![Fit::Unknown; places.len()];
        if self.has_ceiling_on_text() && self.kept.shown.is_none() {
            return Ok(found);
        }
        let mut call = self.call(py);
        let (mut open, mut looked): (Vec<usize>, _) = ((0..places.len()).collect(), 0);
        let last = *budgets.end();
        let mut note = |open: &mut Vec<usize>, budget, takes: &dyn Fn(usize) -> bool| {
            open.retain(|&at| {
                let is_taken = takes(places[at]);
                if is_taken {
                    found[at] = Fit::At(budget);
                }
                !is_taken
            });
        };
        let (mut budget, mut tried) = (*budgets.start(), 0);
        while budget <= last {
            let is_worth_it = change(&mut call, budget);
            let mut next = Some(budget + 1);
            let mut replay = self.replay.borrow_mut();
            if is_worth_it || replay.is_some() {
                if self.work() >= looked {
                    py.detach(|| ());
                    py.check_signals()?;
                    looked = self.work() + UNINTERRUPTED;
                }
                if let Some(replay) = &mut *replay {
                    let before = replay.steps();
                    let wanted = open.iter().map(|&at| places[at]);
                    let replayed = replay.replay(&call.settings, &call.limits, wanted);
                    self.worked(replay.steps() - before);
                    if matches!(replayed, Ok(Replayed::Taken)) {
                        note(&mut open, budget, &|place| replay.takes(place));
                    }
                    if let (Varied::Ceiling, Some(available)) = (varied, call.limits.available) {
                        let next_ceiling = replay.next_ceiling(available);
                        next = next_ceiling.map(|ceiling| budget + (ceiling - available));
                    }
                } else {
                    // A budget that is refused takes nothing.
                    let taken = self.taken(py, &call, varied.part()).unwrap_or_default();
                    self.worked(RERUN + places.len() as u64);
                    note(&mut open, budget, &|place| {
                        taken.contains(&self.kept.considered.row(place))
                    });
                }
            }
            let Some(next) = next.filter(|_| !open.is_empty()) else { break };
            if next <= last && (self.work() > MOST_WORK || tried == MOST_BUDGETS) {
                return Ok(found);
            }
            (budget, tried) = (next, tried + 1);
        }
        let never = |fit| if fit == Fit::Unknown { Fit::Never } else { fit };
        Ok(found.into_iter().map(never).collect())
    }
}
