//! The smallest tier budget at which a candidate that was left out would have been taken.
//!
//! While all decisions of a pass stay the same, what is left before each candidate grows by one with
//! each token of budget, and who repeats whom stays as it is. So the next budget at which any decision
//! changes lies above the present one by the least that a skipped candidate lacks. The search goes from one
//! such event to the next; where tiers decide by themselves, it decides again only from the candidate whose
//! decision changed.
//!
//! A candidate that is taken at one budget may be left out at a larger one, because a better one then
//! takes its place. That is why nothing shorter, a bisection say, finds the smallest.

use std::collections::HashMap;

use super::Judged;
use super::contenders::{Contenders, TakenTogether};
use crate::budget::Bounds;
use crate::limits::{Limits, SpillOver};
use crate::ranking::Verdict;
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
const PATIENCE: u64 = 1 << 26;

/// The smallest budget of `tier`, at or above what `bounds` give it, at which each of the `wanted`
/// places is taken, all else equal: other tiers' budgets, floors and caps in tokens. All of them are candidates
/// of the tier that were left out.
///
/// Where an amount is available to all tiers, budgets above it are scaled down again, all of them: what
/// comes of that is [`Fit::Unknown`]. This is about taking the greatest keys: what another packer takes is for
/// it to say.
#[must_use]
pub fn fits_at(
    judged: &Judged<'_>,
    bounds: &Bounds,
    limits: &Limits,
    tier: Tier,
    wanted: &[u32],
) -> Vec<Fit> {
    let others: u64 =
        Tier::ALL.iter().filter(|it| **it != tier).map(|it| bounds.budgets[it.index()]).sum();
    let most = bounds.available.map_or(u64::MAX, |available| available.saturating_sub(others));
    let cap = bounds.caps[tier.index()];
    let found = if limits.available == Some(0) {
        vec![Fit::Unknown; wanted.len()]
    } else {
        let contenders = Contenders::new(judged);
        let search = Search { contenders, bounds, tier, most: most.min(cap) };
        match limits.spill_over {
            None if !search.contenders.has_repetitions() => search.by_itself(wanted),
            order => search.with_all_tiers(order, wanted),
        }
    };
    let found = found.into_iter().zip(wanted).map(|(fit, &place)| match fit {
        _ if judged.verdict(place) != Verdict::Kept => Fit::Never,
        Fit::Never if most < cap => Fit::Unknown,
        fit => fit,
    });
    found.collect()
}

struct Search<'s, 'a> {
    contenders: Contenders<'s, 'a>,
    bounds: &'s Bounds,
    tier: Tier,
    /// The largest budget there can be.
    most: u64,
}

impl Search<'_, '_> {
    /// A tier's own candidates and budget are all that counts.
    fn by_itself(&self, wanted: &[u32]) -> Vec<Fit> {
        let at = self.tier.index();
        let (contenders, lane) = (&self.contenders, &self.contenders.lanes[at]);
        let costs: Vec<u64> = lane.iter().map(|&place| contenders.cost(place)).collect();
        let positions: HashMap<u32, usize> =
            lane.iter().enumerate().map(|(position, &place)| (place, position)).collect();
        let (present, pinned) = (self.bounds.budgets[at], contenders.pinned[at]);
        let positions: Vec<Option<usize>> =
            wanted.iter().map(|place| positions.get(place).copied()).collect();
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

    /// With spill-over a larger budget also leaves more for others, who may then be first; and whom a
    /// candidate repeats may be of any tier.
    fn with_all_tiers(&self, order: Option<SpillOver>, wanted: &[u32]) -> Vec<Fit> {
        let at = self.tier.index();
        let together = self.contenders.together(order);
        let mut fits = vec![Fit::Never; wanted.len()];
        let mut is_open = vec![true; wanted.len()];
        let (mut bounds, mut work) = (*self.bounds, 0);
        loop {
            let budget = bounds.budgets[at];
            let TakenTogether { is_taken, lacks, .. } =
                self.contenders.taken(&together, &bounds, self.tier);
            for ((fit, is_open), &place) in fits.iter_mut().zip(&mut is_open).zip(wanted) {
                if *is_open && is_taken[place as usize] {
                    (*fit, *is_open) = (Fit::At(budget), false);
                }
            }
            work += together.turns() + 1;
            let next = budget.saturating_add(lacks);
            if !is_open.contains(&true) || next > self.most || next == u64::MAX {
                return fits;
            }
            if work > PATIENCE {
                let unknown = |(fit, is_open)| if is_open { Fit::Unknown } else { fit };
                return fits.into_iter().zip(is_open).map(unknown).collect();
            }
            bounds.budgets[at] = next;
        }
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
            // Of what lies before the first change, nothing is taken now.
            let unchanged = self.open.partition_point(|&(position, _)| position < first);
            let mut kept = unchanged;
            for at in unchanged..self.open.len() {
                let (position, number) = self.open[at];
                if before[position].saturating_add(costs[position]) <= budget {
                    fits[number] = Fit::At(budget);
                } else {
                    self.open[kept] = (position, number);
                    kept += 1;
                }
            }
            self.open.truncate(kept);
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
