//! What came of the candidates of a call: in which order they had their turns, and why each was taken or
//! left out. The same for the documented formula and any other ranking.

use std::borrow::Cow;

use super::{Considered, Reason};
use crate::error::Error;
use crate::limits::Limits;
use crate::plan::Plan;
use crate::ranking::duplicates::DuplicateRule;
use crate::ranking::pack::Packed;
use crate::ranking::text::Terms;
use crate::ranking::{Ranked, Verdict};
use crate::tier::Tier;

/// Candidates with their order keys and verdicts.
#[derive(Clone)]
pub struct Judged<'a> {
    /// The candidates.
    pub considered: &'a Considered,
    /// Order key per candidate, greatest first; never NaN.
    pub keys: &'a [f64],
    /// Who is tried, per candidate; empty where all are.
    verdicts: Cow<'a, [Verdict]>,
    duplicates: &'a [(u32, u32)],
    pub(super) texts: Option<Texts<'a>>,
}

/// Texts that may repeat each other.
#[derive(Clone, Copy)]
pub struct Texts<'a> {
    /// Which repetitions are passed over.
    pub rule: DuplicateRule,
    /// What is known of them.
    pub known: &'a dyn KnownTexts,
}

/// Gives what is known of a candidate's text, if anything is.
pub trait KnownTexts {
    /// By place.
    fn terms(&self, place: u32) -> Option<&Terms>;
}

impl<'a> Judged<'a> {
    /// By the documented formula: the scores are the keys.
    #[must_use]
    pub fn by_formula(considered: &'a Considered, minimum_score: f64) -> Self {
        let keys = &considered.scores.combined[..];
        let verdict = |&score: &f64| {
            if score < minimum_score { Verdict::BelowCombined } else { Verdict::Kept }
        };
        let verdicts =
            if minimum_score > 0.0 { keys.iter().map(verdict).collect() } else { vec![] };
        Self { considered, keys, verdicts: verdicts.into(), duplicates: &[], texts: None }
    }

    /// By a ranking, as `packed` took them; `texts` where it passes over what repeats others.
    #[must_use]
    pub fn by_ranking(
        considered: &'a Considered,
        ranked: &'a Ranked,
        packed: &'a Packed,
        texts: Option<Texts<'a>>,
    ) -> Self {
        let (keys, verdicts) = (&ranked.keys[..], ranked.verdicts().into());
        Self { considered, keys, verdicts, duplicates: &packed.duplicates, texts }
    }

    pub(super) fn verdict(&self, place: u32) -> Verdict {
        self.verdicts.get(place as usize).copied().unwrap_or(Verdict::Kept)
    }

    /// Puts places in the order of their keys, ties as they came.
    pub(super) fn sort(&self, places: &mut [u32]) {
        let key = |place: u32| self.keys[place as usize] + 0.0; // of zeros the sign does not count
        places.sort_by(|&one, &two| key(two).total_cmp(&key(one)).then(one.cmp(&two)));
    }

    /// The order in which the candidates of each tier had their turn: pinned ones as they came, then by
    /// key, ties as they came.
    #[must_use]
    pub fn turns(&self) -> [Vec<u32>; Tier::COUNT] {
        let mut turns: [Vec<u32>; Tier::COUNT] = Default::default();
        let tiers = &self.considered.tier[..self.considered.eligible()];
        for &place in &self.considered.pinned {
            turns[tiers[place as usize].index()].push(place);
        }
        let pinned = turns.each_ref().map(Vec::len);
        for (place, tier) in (0..).zip(tiers) {
            if !self.considered.is_pinned(place) {
                turns[tier.index()].push(place);
            }
        }
        for (turns, pinned) in turns.iter_mut().zip(pinned) {
            self.sort(&mut turns[pinned..]);
        }
        turns
    }

    /// The rank of each place in its tier, from 1; none for what was filtered.
    #[must_use]
    pub fn ranks(&self) -> Vec<Option<u32>> {
        let mut ranks = vec![None; self.considered.len()];
        for turns in self.turns() {
            for (rank, place) in (1..).zip(turns) {
                ranks[place as usize] = Some(rank);
            }
        }
        ranks
    }

    /// The places that were passed over for what they repeat, each with that.
    #[must_use]
    pub fn duplicates(&self) -> &'a [(u32, u32)] {
        self.duplicates
    }

    /// Why each place was taken or left out by `plan`, which may have lost to a ceiling some of what its
    /// budgets allow. `replan` plans the same candidates within other limits, or refuses them: then nothing
    /// would be taken. `is_cut` says whether anything of an oversized candidate would be taken without a ceiling.
    pub fn reasons(
        &self,
        plan: &Plan,
        replan: impl FnOnce(&Limits) -> Result<Plan, Error>,
        mut is_cut: impl FnMut(u32) -> bool,
    ) -> Vec<Reason> {
        let considered = self.considered;
        let limited = plan.limited.as_deref();
        let limits = limited.map_or(Limits::NONE, |limited| limited.limits);
        let own = plan.tiers.each_ref().map(|tier| tier.budget);
        let own = limited.map_or(own, |limited| limited.bounds.budgets);
        let mut reasons = vec![Reason::Filtered; considered.len()];
        for (place, reason) in (0..).zip(&mut reasons).take(considered.eligible()) {
            let (tier, tokens) =
                (considered.tier[place as usize], considered.tokens[place as usize]);
            *reason = match self.verdict(place) {
                Verdict::Superseded => Reason::Superseded,
                Verdict::BelowGate => Reason::BelowGate,
                Verdict::BelowMinimum => Reason::BelowRankingMinimum,
                Verdict::BelowCombined => Reason::BelowMinimum,
                Verdict::Kept if tokens > own[tier.index()] => Reason::Oversized,
                Verdict::Kept => Reason::OverTierBudget,
            };
        }
        for &(place, _) in self.duplicates {
            reasons[place as usize] = Reason::Duplicate;
        }
        if limits.available.is_some()
            && let Ok(free) = replan(&Limits { available: None, ..limits })
        {
            let oversized = free.limited.iter().flat_map(|it| it.oversized.iter().flatten());
            let cut = oversized.filter(|selected| is_cut(selected.index));
            for selected in free.selected.iter().chain(cut) {
                reasons[selected.index as usize] = Reason::OverCeiling;
            }
        }
        for selected in &plan.selected {
            if let Some(place) = considered.place(selected.index) {
                reasons[place] = if selected.pinned { Reason::Pinned } else { Reason::Selected };
            }
        }
        reasons
    }
}
