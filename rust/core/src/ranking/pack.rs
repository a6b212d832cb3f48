//! A ranking put to use: which candidates are taken.

use super::diversity::diversified;
use super::duplicates::Taken;
use super::knapsack::{SEARCH_LIMIT, Solution, knapsack};
use super::take::{Keyed, Room, by_key};
use super::text::Terms;
use super::{Ranked, RankingOptions, Verdict};
use crate::budget::Bounds;
use crate::candidates::Candidates;
use crate::error::Error;
use crate::limits::SpillOver;
use crate::pack::granted;
use crate::tier::Tier;

/// How a tier is filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Packer {
    /// Greatest key first, skipping what does not fit. With a cost exponent of 0 the score order, with 1
    /// the density.
    #[default]
    Greedy,
    /// The largest sum of `exp(score)` within each tier's own budget, with a certificate. Duplicates and
    /// diversity do not count. What is left over is shared out by key.
    Knapsack,
}

/// What was taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packed {
    /// Rows per tier: pinned ones in input order, then greatest key first.
    pub taken: [Vec<u32>; Tier::COUNT],
    /// Each tier's budget: its own, plus what it took of others, less what others took of it.
    pub budgets: [u64; Tier::COUNT],
    /// Rows that would have been taken if they did not repeat what was, and what they repeat.
    pub duplicates: Vec<(u32, u32)>,
    /// The proof per tier, from [`Packer::Knapsack`], of what its own budget went to.
    pub certificates: Option<[Solution; Tier::COUNT]>,
}

/// From how many budgets of tokens a diverse choice is made.
const BREADTH: u64 = 3;
/// Candidates that are compared with each other for diversity, at most.
const MOST_DIVERSE: usize = 512;

/// Fills each tier within its budget, then shares out what is left where `spill_over` says so.
///
/// Pinned candidates are taken before all others, whatever their verdicts. `terms` gives what is known of
/// a candidate's text; none where texts are not known, which then are nobody's duplicates and unlike
/// everything. Duplicates are passed over across tiers: what has the greater key stays.
///
/// # Errors
/// [`Error::PinnedOverflow`] for the first tier whose pinned candidates exceed its budget.
pub fn pack<'a>(
    candidates: &Candidates<'_>,
    ranked: &Ranked,
    options: &RankingOptions,
    bounds: &Bounds,
    spill_over: Option<SpillOver>,
    terms: impl Fn(u32) -> Option<&'a Terms>,
) -> Result<Packed, Error> {
    let keyed = Keyed { tiers: candidates.tier(), keys: &ranked.keys, tokens: candidates.tokens() };
    let mut filling = Filling {
        keyed,
        is_out: ranked.verdicts().iter().map(|&verdict| verdict != Verdict::Kept).collect(),
        known: Taken::new(options.duplicates),
        watches: !options.duplicates.is_off(),
        terms,
        packed: Packed::default(),
    };
    filling.is_out.resize(candidates.len(), false);
    let mut rooms = filling.pin(candidates.pinned(), bounds.budgets)?;
    if bounds.available == Some(0) {
        return Ok(Packed { budgets: bounds.budgets, ..filling.packed });
    }
    if options.packer == Packer::Knapsack {
        filling.exactly(ranked, &mut rooms);
    } else {
        if let Some(lambda) = options.diversity {
            filling.diversely(lambda, &mut rooms);
        }
        filling.by_key(&mut rooms);
    }
    let mut packed = filling.packed_within(bounds, spill_over);
    for rows in &mut packed.taken {
        let is_pinned = |row: &u32| candidates.pinned().binary_search(row).is_ok();
        let first = rows.iter().take_while(|row| is_pinned(row)).count();
        let key = |row: u32| ranked.keys[row as usize] + 0.0;
        // Diversity has an order of its own, which is not the order of the keys.
        if options.diversity.is_none() {
            rows[first..].sort_by(|&one, &two| key(two).total_cmp(&key(one)).then(one.cmp(&two)));
        }
    }
    Ok(packed)
}

/// Tiers on their way to being full.
struct Filling<'c, T> {
    keyed: Keyed<'c>,
    /// Who is not tried, or no longer.
    is_out: Vec<bool>,
    known: Taken,
    watches: bool,
    terms: T,
    packed: Packed,
}

impl<'a, T: Fn(u32) -> Option<&'a Terms>> Filling<'_, T> {
    fn tier(&self, row: u32) -> Tier {
        self.keyed.tiers[row as usize]
    }

    /// Takes what is pinned; gives what that leaves of the budgets.
    fn pin(
        &mut self,
        pinned: &[u32],
        budgets: [u64; Tier::COUNT],
    ) -> Result<[u64; Tier::COUNT], Error> {
        let mut used = [0u64; Tier::COUNT];
        for &row in pinned {
            let tier = self.tier(row);
            used[tier.index()] = used[tier.index()].saturating_add(self.keyed.tokens[row as usize]);
            self.is_out[row as usize] = true;
            if let (true, Some(terms)) = (self.watches, (self.terms)(row)) {
                self.known.hold(row, terms);
            }
            self.packed.taken[tier.index()].push(row);
        }
        for tier in Tier::ALL {
            let (needed, budget) = (used[tier.index()], budgets[tier.index()]);
            if needed > budget {
                return Err(Error::PinnedOverflow { tier, needed, budget });
            }
        }
        Ok(Tier::ALL.map(|tier| budgets[tier.index()] - used[tier.index()]))
    }

    /// Whether a row that fits is taken; it is asked once.
    fn admits(&mut self, row: u32) -> bool {
        if std::mem::replace(&mut self.is_out[row as usize], true) {
            return false;
        }
        if self.watches
            && let Some(terms) = (self.terms)(row)
            && let Some(earlier) = self.known.add(row, terms)
        {
            self.packed.duplicates.push((row, earlier));
            return false;
        }
        self.packed.taken[self.keyed.tiers[row as usize].index()].push(row);
        true
    }

    fn by_key(&mut self, room: &mut impl Room) {
        by_key(self.keyed, room, |row| self.admits(row));
    }

    /// Of the first candidates, those that differ rather.
    fn diversely(&mut self, lambda: f64, rooms: &mut [u64; Tier::COUNT]) {
        let mut wide = rooms.map(|room| room.saturating_mul(BREADTH));
        let mut first = by_key(self.keyed, &mut wide, |row| !self.is_out[row as usize]);
        first.truncate(MOST_DIVERSE);
        let order: Vec<(u32, f64)> =
            first.into_iter().map(|row| (row, self.keyed.keys[row as usize])).collect();
        for row in diversified(&order, lambda, &self.terms) {
            let (tier, tokens) = (self.tier(row), self.keyed.tokens[row as usize]);
            if tokens <= rooms.room(tier) && self.admits(row) {
                rooms.charge(tier, tokens);
            }
        }
    }

    /// The largest sum of values in each tier.
    fn exactly(&mut self, ranked: &Ranked, rooms: &mut [u64; Tier::COUNT]) {
        let certificates = Tier::ALL.map(|tier| {
            let rows: Vec<u32> = (0..)
                .zip(self.keyed.tiers)
                .filter(|&(row, &other)| other == tier && !self.is_out[row as usize])
                .map(|(row, _)| row)
                .collect();
            let score = |row: &u32| ranked.scores[*row as usize];
            let greatest = rows.iter().map(score).fold(f64::NEG_INFINITY, f64::max);
            // As parts of the greatest value, so that nothing overflows.
            let values: Vec<f64> = rows.iter().map(|row| (score(row) - greatest).exp()).collect();
            let costs: Vec<u64> = rows.iter().map(|&row| self.keyed.tokens[row as usize]).collect();
            let mut solution = knapsack(&values, &costs, rooms.room(tier), SEARCH_LIMIT);
            for row in &mut solution.rows {
                *row = rows[*row as usize];
                rooms.charge(tier, self.keyed.tokens[*row as usize]);
                self.is_out[*row as usize] = true;
            }
            self.packed.taken[tier.index()].extend(&solution.rows);
            solution
        });
        self.packed.certificates = Some(certificates);
    }

    /// Shares out what is left, and reckons up the budgets.
    fn packed_within(mut self, bounds: &Bounds, spill_over: Option<SpillOver>) -> Packed {
        self.packed.budgets = bounds.budgets;
        let Some(order) = spill_over else { return self.packed };
        let used = self
            .packed
            .taken
            .each_ref()
            .map(|rows| rows.iter().map(|&row| self.keyed.tokens[row as usize]).sum::<u64>());
        let whole: u64 = bounds.budgets.iter().sum();
        let mut shared = Shared {
            rest: whole - used.iter().sum::<u64>(),
            caps: Tier::ALL.map(|tier| bounds.caps[tier.index()] - used[tier.index()]),
            only: None,
        };
        match order {
            SpillOver::ByScore => self.by_key(&mut shared),
            SpillOver::ByTier => {
                for tier in Tier::ALL {
                    shared.only = Some(tier);
                    self.by_key(&mut shared);
                }
            }
        }
        let used = Tier::ALL.map(|tier| {
            let left = shared.caps[tier.index()];
            bounds.caps[tier.index()] - left
        });
        self.packed.budgets = granted(bounds.budgets, used);
        self.packed
    }
}

/// What all tiers left over, for whoever can use it.
struct Shared {
    rest: u64,
    /// What each tier may take yet.
    caps: [u64; Tier::COUNT],
    /// The tier whose turn it is, or any.
    only: Option<Tier>,
}

impl Room for Shared {
    fn room(&self, tier: Tier) -> u64 {
        let has_turn = self.only.is_none_or(|only| only == tier);
        if has_turn { self.rest.min(self.caps[tier.index()]) } else { 0 }
    }

    fn charge(&mut self, tier: Tier, tokens: u64) {
        self.rest -= tokens;
        self.caps[tier.index()] -= tokens;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Signals, rank};
    use super::*;
    use crate::decay::NO_TIME;

    fn packed(
        options: &RankingOptions,
        texts: &[&str],
        relevance: &[f64],
        tokens: &[u64],
    ) -> Packed {
        let count = texts.len();
        let tiers: Vec<Tier> = (0..count).map(|row| Tier::ALL[row % 2]).collect();
        let (importance, times) = (vec![0.5; count], vec![NO_TIME; count]);
        let candidates = Candidates::new(&tiers, relevance, &importance, &times, tokens).unwrap();
        let ranked = rank(&candidates, &Signals::default(), options, 0).unwrap();
        let terms: Vec<Terms> = texts.iter().map(|text| Terms::of(text)).collect();
        let terms = |row: u32| terms.get(row as usize);
        pack(&candidates, &ranked, options, &bounds([30; 4]), None, terms).unwrap()
    }

    fn bounds(budgets: [u64; Tier::COUNT]) -> Bounds {
        Bounds { budgets, floors: [0; 4], caps: [u64::MAX; 4], available: None }
    }

    const TEXTS: [&str; 4] = ["red tea", "Red tea!", "red tea", "blue train"];
    const RELEVANCE: [f64; 4] = [0.5, 0.9, 0.8, 0.1];

    #[test]
    fn duplicates_of_any_tier_are_passed_over() {
        let found = packed(&RankingOptions::evidence(), &TEXTS, &RELEVANCE, &[10; 4]);
        assert_eq!(found.taken, [vec![], vec![1, 3], vec![], vec![]]);
        assert_eq!(found.duplicates, [(2, 1), (0, 1)]);
    }

    #[test]
    fn diversity_reorders_and_the_rest_is_filled() {
        let mut options = RankingOptions::evidence();
        options.duplicates = super::super::duplicates::DuplicateRule::default();
        options.diversity = Some(0.1);
        let found = packed(&options, &TEXTS, &RELEVANCE, &[20; 4]);
        assert_eq!(found.taken, [vec![2], vec![1], vec![], vec![]]);
        let found = packed(&options, &TEXTS, &RELEVANCE, &[15; 4]);
        assert_eq!(found.taken, [vec![2, 0], vec![1, 3], vec![], vec![]]);
    }

    #[test]
    fn the_knapsack_fills_each_tier_with_a_certificate() {
        let mut options = RankingOptions::evidence();
        options.packer = Packer::Knapsack;
        let found = packed(&options, &TEXTS, &[0.9, 0.1, 0.5, 0.1], &[16, 5, 15, 31]);
        assert_eq!(found.taken, [vec![0], vec![1], vec![], vec![]]);
        assert!(found.certificates.unwrap().iter().all(|certificate| certificate.is_optimal));
    }
    #[test]
    fn pinned_candidates_come_first_and_the_rest_spills_over() {
        let tiers = [Tier::Working, Tier::Working, Tier::Rag, Tier::Rag];
        let (relevance, importance) = ([0.1, 0.9, 0.8, 0.7], [0.5; 4]);
        let (times, tokens) = ([NO_TIME; 4], [10, 10, 10, 10]);
        let candidates = Candidates::new(&tiers, &relevance, &importance, &times, &tokens).unwrap();
        let candidates = candidates.with_pinned(&[0]);
        let options = RankingOptions::evidence();
        let ranked = rank(&candidates, &Signals::default(), &options, 0).unwrap();
        let packed = |bounds: &Bounds, spill_over| {
            pack(&candidates, &ranked, &options, bounds, spill_over, |_| None)
        };
        let strict = packed(&bounds([15, 0, 5, 10]), None).unwrap();
        assert_eq!(strict.taken, [vec![0], vec![], vec![], vec![2]]);
        for order in [SpillOver::ByScore, SpillOver::ByTier] {
            let shared = packed(&bounds([15, 0, 5, 10]), Some(order)).unwrap();
            assert_eq!(shared.taken, [vec![0, 1], vec![], vec![], vec![2]]);
            assert_eq!(shared.budgets, [20, 0, 0, 10]);
            let capped = Bounds { caps: [10, 99, 99, 99], ..bounds([10, 5, 5, 10]) };
            let shared = packed(&capped, Some(order)).unwrap();
            assert_eq!(shared.taken, [vec![0], vec![], vec![], vec![2, 3]]);
        }
        let overflow = packed(&bounds([9, 0, 0, 0]), None).unwrap_err();
        assert_eq!(overflow, Error::PinnedOverflow { tier: Tier::Working, needed: 10, budget: 9 });
    }
}
