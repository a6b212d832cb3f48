//! The smallest tier budget at which a candidate that was left out would have been taken.
//!
//! While all decisions of a pass stay the same, what is left before each candidate grows by one with
//! each token of budget. So the next budget at which any decision changes lies above the present one by
//! the least that a skipped candidate lacks. The search goes from one such event to the next; in the plain
//! score order it decides again only from the candidate whose decision changed.
//!
//! A candidate that is taken at one budget may be left out at a larger one, because a better one then
//! takes its place. That is why nothing shorter, a bisection say, finds the smallest.

use std::cmp::Reverse;

use super::Considered;
use crate::budget::Bounds;
use crate::limits::{Limits, SpillOver};
use crate::tier::Tier;

/// What the search for a budget came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// With that budget it is taken, with no smaller one from the present one on.
    At(u64),
    /// No budget takes it.
    Never,
    /// It was not found out.
    Unknown,
}

/// Decisions after which a search is given up: a fraction of a second. Reached only with candidates
/// by the thousand, or whose costs are as far apart as powers of two.
pub const PATIENCE: u64 = 1 << 26;

/// The smallest budget of `tier`, at or above what `bounds` give it, at which each of the `wanted`
/// places is taken, all else equal: other tiers' budgets, floors and caps in tokens. All of them are candidates
/// of the tier that were left out.
///
/// Where an amount is available to all tiers, budgets above it are scaled down again, all of them: what
/// comes of that is [`Fit::Unknown`].
#[must_use]
pub fn fits_at(
    considered: &Considered,
    bounds: &Bounds,
    limits: &Limits,
    tier: Tier,
    wanted: &[u32],
) -> Vec<Fit> {
    let others: u64 =
        Tier::ALL.iter().filter(|it| **it != tier).map(|it| bounds.budgets[it.index()]).sum();
    let most = bounds.available.map_or(u64::MAX, |available| available.saturating_sub(others));
    let cap = bounds.caps[tier.index()];
    let worthy = |place: u32| considered.scores.combined[place as usize] >= limits.minimum_score;
    let found = if limits.available == Some(0) {
        vec![Fit::Unknown; wanted.len()]
    } else {
        let mut search = Search::new(considered, bounds, limits, tier);
        search.most = most.min(cap);
        match limits.spill_over {
            None => search.strict(wanted),
            Some(order) => search.with_spill_over(order, wanted),
        }
    };
    let found = found.into_iter().zip(wanted).map(|(fit, &place)| match fit {
        _ if !worthy(place) => Fit::Never,
        Fit::Never if most < cap => Fit::Unknown,
        fit => fit,
    });
    found.collect()
}

struct Search<'a> {
    considered: &'a Considered,
    bounds: &'a Bounds,
    tier: Tier,
    /// Per tier what has a turn after the pinned ones, in order.
    lanes: [Vec<u32>; Tier::COUNT],
    /// Per tier tokens of its pinned candidates.
    pinned: [u64; Tier::COUNT],
    /// The largest budget there can be.
    most: u64,
}

impl<'a> Search<'a> {
    fn new(considered: &'a Considered, bounds: &'a Bounds, limits: &Limits, tier: Tier) -> Self {
        let mut pinned = [0; Tier::COUNT];
        for &place in &considered.pinned {
            pinned[considered.tier[place as usize].index()] += considered.tokens[place as usize];
        }
        let is_worthy = |place: u32| {
            !considered.is_pinned(place)
                && considered.scores.combined[place as usize] >= limits.minimum_score
        };
        let lanes = considered
            .turns()
            .map(|turns| turns.into_iter().filter(|&place| is_worthy(place)).collect());
        Self { considered, bounds, tier, lanes, pinned, most: u64::MAX }
    }

    fn cost(&self, place: u32) -> u64 {
        self.considered.tokens[place as usize]
    }

    /// Without spill-over a tier's own candidates and budget are all that counts.
    fn strict(&self, wanted: &[u32]) -> Vec<Fit> {
        let at = self.tier.index();
        let costs: Vec<u64> = self.lanes[at].iter().map(|&place| self.cost(place)).collect();
        let position = |place: &u32| self.lanes[at].iter().position(|it| it == place);
        let (present, pinned) = (self.bounds.budgets[at], self.pinned[at]);
        let positions: Vec<Option<usize>> = wanted.iter().map(position).collect();
        let mut lane = Lane::new(&costs, &positions);
        lane.search(present - pinned, self.most.saturating_sub(pinned));
        lane.fits
            .into_iter()
            .map(|fit| match fit {
                Fit::At(rest) => Fit::At(rest + pinned),
                fit => fit,
            })
            .collect()
    }

    /// With spill-over a larger budget also leaves more for others, who may then be first.
    fn with_spill_over(&self, order: SpillOver, wanted: &[u32]) -> Vec<Fit> {
        let at = self.tier.index();
        let mut offered: Vec<u32> = self.lanes.concat();
        if order == SpillOver::ByScore {
            offered
                .sort_by_cached_key(|&place| (Reverse(self.considered.score_bits(place)), place));
        }
        let mut fits = vec![Fit::Never; wanted.len()];
        let mut is_open = vec![true; wanted.len()];
        let mut taken = vec![false; self.considered.eligible()];
        let mut used = self.pinned;
        for tier in Tier::ALL.into_iter().filter(|tier| *tier != self.tier) {
            let budget = self.bounds.budgets[tier.index()];
            used[tier.index()] = self.pass(tier, budget, &mut taken).0;
        }
        let others: u64 =
            (0..Tier::COUNT).filter(|it| *it != at).map(|it| self.bounds.budgets[it]).sum();
        let (mut budget, mut work) = (self.bounds.budgets[at], 0);
        loop {
            let (mut taken, mut used) = (taken.clone(), used);
            let (own, mut lacks) = self.pass(self.tier, budget, &mut taken);
            used[at] = own;
            let mut rest = others + budget - used.iter().sum::<u64>();
            for &place in &offered {
                let (tier, cost) = (self.considered.tier[place as usize].index(), self.cost(place));
                if taken[place as usize] || cost > self.bounds.caps[tier] - used[tier] {
                    continue;
                }
                if cost <= rest {
                    taken[place as usize] = true;
                    used[tier] += cost;
                    rest -= cost;
                } else {
                    lacks = lacks.min(cost - rest);
                }
            }
            for ((fit, is_open), &place) in fits.iter_mut().zip(&mut is_open).zip(wanted) {
                if *is_open && taken[place as usize] {
                    (*fit, *is_open) = (Fit::At(budget), false);
                }
            }
            work += offered.len() as u64 + 1;
            let next = budget.saturating_add(lacks);
            if !is_open.contains(&true) || next > self.most || next == u64::MAX {
                return fits;
            }
            if work > PATIENCE {
                let unknown = |(fit, is_open)| if is_open { Fit::Unknown } else { fit };
                return fits.into_iter().zip(is_open).map(unknown).collect();
            }
            budget = next;
        }
    }

    /// Marks what a tier's own budget takes. The tokens it then uses, and the least that a skipped
    /// candidate lacked.
    fn pass(&self, tier: Tier, budget: u64, taken: &mut [bool]) -> (u64, u64) {
        let (mut used, mut lacks) = (self.pinned[tier.index()], u64::MAX);
        for &place in &self.lanes[tier.index()] {
            let (cost, rest) = (self.cost(place), budget - used);
            if cost <= rest {
                taken[place as usize] = true;
                used += cost;
            } else {
                lacks = lacks.min(cost - rest);
            }
        }
        (used, lacks)
    }
}

/// One tier's candidates, in order, at one budget after another.
struct Lane<'a> {
    costs: &'a [u64],
    /// Positions that are looked for and what was found; open ones by position.
    fits: Vec<Fit>,
    open: Vec<(usize, usize)>,
    /// Per position tokens that are taken before it.
    before: Vec<u64>,
    /// Per position the smallest budget that takes something skipped so far, itself included.
    nearest: Vec<u64>,
}

impl<'a> Lane<'a> {
    fn new(costs: &'a [u64], wanted: &[Option<usize>]) -> Self {
        let mut open: Vec<(usize, usize)> = (0..)
            .zip(wanted)
            .filter_map(|(number, position)| position.map(|position| (position, number)))
            .collect();
        open.sort_unstable();
        Self {
            costs,
            fits: vec![Fit::Never; wanted.len()],
            open,
            before: vec![0; costs.len() + 1],
            nearest: vec![u64::MAX; costs.len()],
        }
    }

    fn search(&mut self, budget: u64, most: u64) {
        let (mut budget, mut first, mut work) = (budget, 0, 0);
        while let Some(&(last, _)) = self.open.last() {
            self.decide(budget, first, last);
            let (before, costs, fits) = (&self.before, self.costs, &mut self.fits);
            self.open.retain(|&(position, number)| {
                let is_taken = before[position].saturating_add(costs[position]) <= budget;
                if is_taken {
                    fits[number] = Fit::At(budget);
                }
                !is_taken
            });
            let Some(&(last, _)) = self.open.last() else { return };
            work += (last - first.min(last)) as u64 + 1;
            let next = self.nearest[last];
            if next > most {
                return;
            }
            if work > PATIENCE {
                for &(_, number) in &self.open {
                    self.fits[number] = Fit::Unknown;
                }
                return;
            }
            first = self.nearest[..=last].partition_point(|&nearest| nearest > next);
            budget = next;
        }
    }

    /// Decides about the positions from `first` to `last`; what lies before stays as it is.
    fn decide(&mut self, budget: u64, first: usize, last: usize) {
        let mut nearest = first.checked_sub(1).map_or(u64::MAX, |before| self.nearest[before]);
        let mut used = self.before[first];
        for position in first..=last {
            self.before[position] = used;
            let with = used.saturating_add(self.costs[position]);
            if with <= budget {
                used = with;
            } else {
                nearest = nearest.min(with);
            }
            self.nearest[position] = nearest;
        }
        self.before[last + 1] = used;
    }
}
