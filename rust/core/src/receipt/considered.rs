//! The candidates of one call as it saw them.

use std::cmp::Reverse;

use super::Reason;
use crate::candidates::Candidates;
use crate::error::Error;
use crate::limits::Limits;
use crate::plan::{Plan, plan_within};
use crate::score::Scores;
use crate::settings::Settings;
use crate::tier::Tier;

/// Columns of candidates with their scores. A *place* is a position in them; the last `filtered` ones
/// were no candidates, because the call asked for others.
#[derive(Clone, Debug, Default)]
pub struct Considered {
    /// See [`Candidates`].
    pub tier: Vec<Tier>,
    /// As given.
    pub relevance: Vec<f64>,
    /// As given.
    pub importance: Vec<f64>,
    /// As the score sees it.
    pub timestamp_us: Vec<i64>,
    /// Cost.
    pub tokens: Vec<u64>,
    /// Places of pinned candidates, ascending.
    pub pinned: Vec<u32>,
    /// Scores at the time of the call.
    pub scores: Scores,
    /// The row of each place, ascending within the candidates and within what was filtered; empty
    /// where place and row are the same.
    pub rows: Vec<u32>,
    /// How many of the last places were filtered.
    pub filtered: usize,
}

impl Considered {
    /// How many places there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tier.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tier.is_empty()
    }

    /// How many of the places are candidates; they come first.
    #[must_use]
    pub fn eligible(&self) -> usize {
        self.len() - self.filtered
    }

    /// The candidates, by place.
    ///
    /// # Errors
    /// [`Error::ColumnLength`] where columns differ in length.
    pub fn candidates(&self) -> Result<Candidates<'_>, Error> {
        let end = self.eligible();
        let [relevance, importance] = [&self.relevance, &self.importance].map(|it| &it[..end]);
        let (times, tokens) = (&self.timestamp_us[..end], &self.tokens[..end]);
        Candidates::new(&self.tier[..end], relevance, importance, times, tokens)
            .map(|candidates| candidates.with_pinned(&self.pinned))
    }

    /// The row of a place, as plans name it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation)] // no more rows than a u32 counts
    pub fn row(&self, place: usize) -> u32 {
        self.rows.get(place).copied().unwrap_or(place as u32)
    }

    /// The place of a candidate's row.
    #[must_use]
    pub fn place(&self, row: u32) -> Option<usize> {
        if self.rows.is_empty() {
            return ((row as usize) < self.eligible()).then_some(row as usize);
        }
        self.rows[..self.eligible()].binary_search(&row).ok()
    }

    /// The order in which the candidates of each tier had their turn: pinned ones as they came, then by
    /// score, ties as they came.
    #[must_use]
    pub fn turns(&self) -> [Vec<u32>; Tier::COUNT] {
        let mut turns: [Vec<u32>; Tier::COUNT] = Default::default();
        for (place, tier) in (0..).zip(&self.tier[..self.eligible()]) {
            turns[tier.index()].push(place);
        }
        for turns in &mut turns {
            turns.sort_by_cached_key(|&place| {
                let is_pinned = self.is_pinned(place);
                let score = if is_pinned { 0 } else { self.score_bits(place) };
                (!is_pinned, Reverse(score), place)
            });
        }
        turns
    }

    /// The rank of each place in its tier, from 1; none for what was filtered.
    #[must_use]
    pub fn ranks(&self) -> Vec<Option<u32>> {
        let mut ranks = vec![None; self.len()];
        for turns in self.turns() {
            for (rank, place) in (1..).zip(turns) {
                ranks[place as usize] = Some(rank);
            }
        }
        ranks
    }

    /// Whether a place holds a pinned candidate.
    #[must_use]
    pub fn is_pinned(&self, place: u32) -> bool {
        self.pinned.binary_search(&place).is_ok()
    }

    /// Scores are 0.0..=1.0 and never -0.0: the order of the bits is theirs.
    pub(super) fn score_bits(&self, place: u32) -> u64 {
        self.scores.combined[place as usize].to_bits()
    }

    /// Why each place was taken or left out by `plan`, which may have lost to a ceiling some of what its
    /// budgets allow.
    ///
    /// # Errors
    /// What [`plan_within`] refuses; nothing, if the columns are those of the plan.
    pub fn reasons(
        &self,
        plan: &Plan,
        settings: &Settings,
        now_us: i64,
    ) -> Result<Vec<Reason>, Error> {
        let limited = plan.limited.as_deref();
        let limits = limited.map_or(Limits::NONE, |limited| limited.limits);
        let own = plan.tiers.each_ref().map(|tier| tier.budget);
        let own = limited.map_or(own, |limited| limited.bounds.budgets);
        let mut reasons = vec![Reason::Filtered; self.len()];
        for (place, reason) in reasons.iter_mut().enumerate().take(self.eligible()) {
            *reason = if self.scores.combined[place] < limits.minimum_score {
                Reason::BelowMinimum
            } else if self.tokens[place] > own[self.tier[place].index()] {
                Reason::Oversized
            } else {
                Reason::OverTierBudget
            };
        }
        if limits.available.is_some() {
            let limits = Limits { available: None, ..limits };
            let free = plan_within(&self.candidates()?, settings, &limits, plan.level, now_us)?.0;
            let cut = free.limited.iter().flat_map(|it| it.oversized.iter().flatten());
            for selected in free.selected.iter().chain(cut) {
                reasons[selected.index as usize] = Reason::OverCeiling;
            }
        }
        for selected in &plan.selected {
            if let Some(place) = self.place(selected.index) {
                reasons[place] = if selected.pinned { Reason::Pinned } else { Reason::Selected };
            }
        }
        Ok(reasons)
    }
}
