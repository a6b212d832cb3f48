//! Who has a turn when the greatest keys are taken, and what budgets take of them.

use std::collections::HashSet;

use super::{Considered, Judged};
use crate::budget::Bounds;
use crate::limits::SpillOver;
use crate::ranking::Verdict;
use crate::ranking::duplicates::Taken;
use crate::tier::Tier;

/// Pairs of repetitions that are kept, at most: some megabytes.
const MOST_PAIRS: usize = 1 << 18;

/// Candidates in the order of their turns, whatever the budgets are.
pub(super) struct Contenders<'s, 'a> {
    judged: &'s Judged<'a>,
    pub considered: &'a Considered,
    /// Per tier what has a turn after the pinned ones, in order.
    pub lanes: [Vec<u32>; Tier::COUNT],
    /// Per tier tokens of its pinned candidates.
    pub pinned: [u64; Tier::COUNT],
}

/// The order in which the lanes have their turns together.
pub(super) struct Together {
    /// By key over all tiers.
    everyone: Vec<u32>,
    /// To whom what tiers leave is offered.
    offered: Vec<u32>,
}

impl Together {
    /// How many turns there are.
    pub fn turns(&self) -> u64 {
        (self.everyone.len() + self.offered.len()) as u64
    }
}

/// What budgets take.
pub(super) struct TakenTogether {
    /// By place.
    pub is_taken: Vec<bool>,
    /// Tokens of each tier.
    pub used: [u64; Tier::COUNT],
    /// The least that a skipped candidate of a tier lacked of what the budget of the tier gives.
    pub lacks: u64,
}

impl<'s, 'a> Contenders<'s, 'a> {
    pub fn new(judged: &'s Judged<'a>) -> Self {
        let considered = judged.considered;
        let mut pinned = [0; Tier::COUNT];
        for &place in &considered.pinned {
            pinned[considered.tier[place as usize].index()] += considered.tokens[place as usize];
        }
        let is_tried =
            |place: u32| !considered.is_pinned(place) && judged.verdict(place) == Verdict::Kept;
        let lanes = judged
            .turns()
            .map(|turns| turns.into_iter().filter(|&place| is_tried(place)).collect());
        Self { judged, considered, lanes, pinned }
    }

    pub fn cost(&self, place: u32) -> u64 {
        self.considered.tokens[place as usize]
    }

    /// Whether near repetitions are passed over.
    fn watches_near(&self) -> bool {
        self.judged.texts.is_some_and(|texts| texts.rule.near.is_some())
    }

    /// Whether some candidate may repeat another: then it matters what other tiers take.
    pub fn has_repetitions(&self) -> bool {
        let mut seen = HashSet::new();
        self.watches_near() || !self.fingerprints().all(|(_, fingerprint)| seen.insert(fingerprint))
    }

    /// Places that repeat each other, in pairs; none where there are too many.
    pub fn repetitions(&self) -> Option<Vec<(usize, usize)>> {
        let Some(texts) = self.judged.texts else { return Some(Vec::new()) };
        let terms = |&place: &u32| Some((place as usize, texts.known.terms(place)?));
        texts.rule.pairs(self.tried().filter_map(terms), MOST_PAIRS)
    }

    /// Whoever may be taken.
    fn tried(&self) -> impl Iterator<Item = &u32> {
        self.lanes.iter().flatten().chain(&self.considered.pinned)
    }

    fn fingerprints(&self) -> impl Iterator<Item = (u32, u64)> {
        let texts = self.judged.texts;
        self.tried()
            .filter_map(move |&place| Some((place, texts?.known.terms(place)?.fingerprint()?)))
    }

    pub fn together(&self, order: Option<SpillOver>) -> Together {
        let by_tier = self.lanes.concat();
        let mut everyone = by_tier.clone();
        self.judged.sort(&mut everyone);
        let offered = match order {
            None => Vec::new(),
            Some(SpillOver::ByScore) => everyone.clone(),
            Some(SpillOver::ByTier) => by_tier,
        };
        Together { everyone, offered }
    }

    /// What bounds take, and what the tier `watched` lacks for more.
    pub fn taken(&self, together: &Together, bounds: &Bounds, watched: Tier) -> TakenTogether {
        let mut known = self.judged.texts.map(|texts| (texts, Taken::new(texts.rule)));
        if let Some((texts, known)) = &mut known {
            for &place in &self.considered.pinned {
                if let Some(terms) = texts.known.terms(place) {
                    known.hold(place, terms);
                }
            }
        }
        let mut is_new = |place: u32| {
            let Some((texts, known)) = &mut known else { return true };
            texts.known.terms(place).is_none_or(|terms| known.add(place, terms).is_none())
        };
        let (mut used, mut lacks) = (self.pinned, u64::MAX);
        let mut is_taken = vec![false; self.considered.eligible()];
        let mut is_out = is_taken.clone();
        for &place in &together.everyone {
            let (tier, cost) = (self.considered.tier[place as usize], self.cost(place));
            let rest = bounds.budgets[tier.index()] - used[tier.index()];
            if cost <= rest {
                is_out[place as usize] = true;
                if is_new(place) {
                    is_taken[place as usize] = true;
                    used[tier.index()] += cost;
                }
            } else if tier == watched {
                lacks = lacks.min(cost - rest);
            }
        }
        let mut rest = bounds.budgets.iter().sum::<u64>() - used.iter().sum::<u64>();
        for &place in &together.offered {
            let (tier, cost) = (self.considered.tier[place as usize].index(), self.cost(place));
            if is_out[place as usize] || cost > bounds.caps[tier] - used[tier] {
                continue;
            }
            if cost > rest {
                lacks = lacks.min(cost - rest);
            } else if is_new(place) {
                is_taken[place as usize] = true;
                used[tier] += cost;
                rest -= cost;
            }
        }
        TakenTogether { is_taken, used, lacks }
    }
}
