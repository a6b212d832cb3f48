//! Who has a turn when the greatest keys are taken, and what budgets take of them.

use std::collections::{HashMap, HashSet};

use super::{Considered, Judged};
use crate::budget::Bounds;
use crate::limits::SpillOver;
use crate::ranking::Verdict;
use crate::ranking::duplicates::Taken;
use crate::tier::Tier;

/// Texts of which every two are compared, at most: some ten milliseconds.
const MOST_COMPARED: usize = 4096;

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

    /// Places that repeat each other, in pairs; none where too many would have to be compared.
    pub fn repetitions(&self) -> Option<Vec<(u32, u32)>> {
        let near = self.judged.texts.filter(|texts| texts.rule.near.is_some());
        let mut groups: HashMap<Option<u64>, Vec<u32>> = HashMap::new();
        let mut pairs = Vec::new();
        for (place, fingerprint) in self.fingerprints() {
            let group = groups.entry(near.is_none().then_some(fingerprint)).or_default();
            if near.is_some() && group.len() == MOST_COMPARED {
                return None;
            }
            let is_same = |other: &&u32| {
                near.is_none_or(|texts| {
                    let [one, other] = [place, **other].map(|it| texts.known.terms(it));
                    one.zip(other).is_some_and(|(one, other)| texts.rule.is_same(one, other))
                })
            };
            pairs.extend(group.iter().filter(is_same).map(|&other| (other, place)));
            group.push(place);
        }
        Some(pairs)
    }

    fn fingerprints(&self) -> impl Iterator<Item = (u32, u64)> {
        let texts = self.judged.texts;
        let tried = self.lanes.iter().flatten().chain(&self.considered.pinned);
        tried.filter_map(move |&place| Some((place, texts?.known.terms(place)?.fingerprint()?)))
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
