//! What the greatest keys take, under one set of budgets after another, without sorting them again.

use super::contenders::{Contenders, Together};
use crate::budget::Bounds;
use crate::limits::SpillOver;
use crate::pack::granted;
use crate::tier::Tier;

/// What some bounds take, and how far that reaches.
#[derive(Default)]
pub(super) struct Planned {
    /// Per tier positions in its lane, ascending; the pinned ones come before.
    pub taken: [Vec<u32>; Tier::COUNT],
    /// Budgets, with what tiers took over from others.
    pub budgets: [u64; Tier::COUNT],
    /// Whether there is a plan: pinned candidates may be too many for any.
    pub is_some: bool,
    /// Of which bounds it is; none where it is empty whatever they are.
    bounds: Option<Bounds>,
    /// Per tier the least budget with which it takes the same, and the least above it with which it may not.
    ends: [(u64, u64); Tier::COUNT],
}

impl Planned {
    /// Whether a position is among what is taken.
    pub fn takes(&self, tier: Tier, position: u32) -> bool {
        self.taken[tier.index()].binary_search(&position).is_ok()
    }

    /// Nothing is taken, and nothing planned.
    pub fn refuse(&mut self) {
        (self.is_some, self.bounds) = (false, None);
        self.taken.iter_mut().for_each(Vec::clear);
    }
}

/// Plans again and again.
pub(super) struct Planner<'s, 'a> {
    pub contenders: Contenders<'s, 'a>,
    /// Costs by position, and the least from each position on.
    costs: [Vec<u64>; Tier::COUNT],
    least_from: [Vec<u64>; Tier::COUNT],
    /// Where tiers do not decide by themselves: for what repeats others, and for what tiers leave.
    repeating: Option<Together>,
    sharing: Option<Together>,
    /// Positions and the like that were looked at.
    pub steps: u64,
}

impl<'s, 'a> Planner<'s, 'a> {
    pub fn new(contenders: Contenders<'s, 'a>, spill_over: Option<SpillOver>) -> Self {
        let cost = |&place: &u32| contenders.cost(place);
        let costs = contenders.lanes.each_ref().map(|lane| lane.iter().map(cost).collect());
        let least_from = costs.each_ref().map(|costs: &Vec<u64>| {
            let mut least: Vec<u64> = costs
                .iter()
                .rev()
                .scan(u64::MAX, |least, &cost| {
                    *least = cost.min(*least);
                    Some(*least)
                })
                .collect();
            least.reverse();
            least
        });
        let repeating = contenders.has_repetitions().then(|| contenders.together(None));
        let sharing = spill_over.map(|order| contenders.together(Some(order)));
        Self { contenders, costs, least_from, repeating, sharing, steps: 0 }
    }

    /// Whether what tiers leave goes to others.
    pub fn shares(&self) -> bool {
        self.sharing.is_some()
    }

    /// Makes it what these bounds take, unless it is; says whether it was. What is pinned is taken in any
    /// case, or all of it is refused. What tiers leave goes to others where the call shares it, unless the
    /// plan is `strict`.
    pub fn replan(&mut self, planned: &mut Planned, bounds: &Bounds, strict: bool) -> bool {
        let mut pinned = self.contenders.pinned.iter().zip(&bounds.budgets);
        if pinned.any(|(pinned, budget)| pinned > budget) {
            planned.refuse();
            return false;
        }
        if bounds.available == Some(0) {
            planned.refuse(); // but for the pinned ones
            (planned.is_some, planned.budgets) = (true, bounds.budgets);
            return false;
        }
        let bounds = Bounds { available: None, ..*bounds };
        let shared = self.sharing.as_ref().filter(|_| !strict);
        let is_same = match shared.or(self.repeating.as_ref()) {
            None => self.replan_tiers(planned, &bounds),
            Some(_) if planned.bounds == Some(bounds) => true,
            Some(together) => {
                self.steps += 4 * together.turns();
                self.plan_together(together, planned, &bounds, shared.is_some());
                false
            }
        };
        (planned.is_some, planned.bounds) = (true, Some(bounds));
        is_same
    }

    fn replan_tiers(&mut self, planned: &mut Planned, bounds: &Bounds) -> bool {
        let mut is_same = planned.bounds.is_some();
        for at in 0..Tier::COUNT {
            let budget = bounds.budgets[at];
            let (from, below) = planned.ends[at];
            if planned.bounds.is_some() && (from..below).contains(&budget) {
                continue;
            }
            is_same = false;
            let pinned = self.contenders.pinned[at];
            let (mut rest, mut lacks) = (budget - pinned, u64::MAX);
            let taken = &mut planned.taken[at];
            taken.clear();
            for ((position, &cost), &least) in (0..).zip(&self.costs[at]).zip(&self.least_from[at])
            {
                self.steps += 1;
                if least > rest {
                    lacks = lacks.min(least - rest);
                    break;
                }
                if cost <= rest {
                    rest -= cost;
                    taken.push(position);
                } else {
                    lacks = lacks.min(cost - rest);
                }
            }
            planned.ends[at] = (budget - rest, budget.saturating_add(lacks));
        }
        planned.budgets = bounds.budgets;
        is_same
    }

    fn plan_together(
        &self,
        together: &Together,
        planned: &mut Planned,
        bounds: &Bounds,
        shares: bool,
    ) {
        let found = self.contenders.taken(together, bounds, Tier::Working);
        for (taken, lane) in planned.taken.iter_mut().zip(&self.contenders.lanes) {
            let is_taken = |(_, place): &(u32, &u32)| found.is_taken[**place as usize];
            taken.clear();
            taken.extend((0..).zip(lane).filter(is_taken).map(|(position, _)| position));
        }
        planned.budgets = if shares { granted(bounds.budgets, found.used) } else { bounds.budgets };
    }
}
