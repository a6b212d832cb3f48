//! A ceiling on the assembled text: evict and refill until the whole, counted, fits.
//!
//! Tokens are not additive: where two parts meet, tokens merge or split, so the sum of the parts is a good
//! guess and no proof. So: take by the sum of the parts; assemble and count the whole; while that is too
//! much, evict; with what is then left, refill. The last count of the whole decides, and only texts that
//! were counted and fit are ever returned.
//!
//! Counting the whole is what costs. Evicting takes, in step `k`, what the excess needs, but at least `2^k`
//! memories, and then gives back by bisection; refilling happens in at most [`REFILLS`] batches, each cut by
//! bisection. So at most [`most_recounts`] texts are counted as a whole, for any counter:
//!
//! ```text
//! 1 (first) + L (evicting) + L (giving back) + 3 * (1 + L) (refilling),   L = ceil(log2(candidates + 1))
//! ```
//!
//! With a counter that is additive, or nearly so, it is one or two.
//!
//! Memories that hold their places more firmly ([`Hold`]) have all they can have before others have a turn, so there
//! may be refilling for each way of holding a place.
//!
//! A tier that is then below its floor, and has a left-out memory that the rest of its floor would cover, was
//! overtaken by others. What the floors cover of the text stays, such memories come beside it, by a count of the
//! whole, and others refill it: at most [`FLOOR_ROUNDS`] times.

use super::apart::Apart;
use super::assemble::{Framed, Prompt};
use super::choose::{Chosen, Fixed, Material, choose};
use super::order::Key;
use super::template::Template;
use crate::tier::Tier;

/// Batches of left-out memories that are tried once the text fits.
pub const REFILLS: u32 = 3;

/// How often memories are raised into the floors of their tiers.
pub const FLOOR_ROUNDS: u32 = 3;

/// How firmly a memory holds its place, firmest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// It is never evicted.
    Pinned,
    /// It is part of its tier's floor: evicted after all others.
    Floor,
    /// It was chosen for what it is beside others: evicted after those that would move up.
    Chosen,
    /// It is evicted before those with a better score.
    Free,
}

/// What a candidate claims.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// What it costs its tier's budget; the text counts apart.
    pub tokens: u64,
    /// How firmly it holds its place.
    pub hold: Hold,
}

/// What a text may use.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Tokens of the whole text.
    pub ceiling: u64,
    /// Per tier, the sum of the claims of its memories.
    pub budgets: [u64; Tier::COUNT],
    /// Per tier, tokens of claims that it has before others have more than theirs.
    pub floors: [u64; Tier::COUNT],
}

/// A text under its ceiling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// The text and who is in it.
    pub prompt: Prompt,
    /// Its tokens; 0 for no text, without asking the counter. Above the ceiling only if the pinned memories alone are: then they are
    /// what the text holds, and it must not be used.
    pub tokens: u64,
    /// How often a whole text was counted.
    pub recounts: u32,
}

/// The most often that [`fit`] counts a whole text among so many candidates; `holds` is in how many ways they
/// hold their places, the pinned ones aside.
#[must_use]
pub fn most_recounts(candidates: usize, holds: u32, has_floors: bool) -> u32 {
    let levels = (candidates as u64 + 1).next_power_of_two().ilog2();
    // Floors make a further way to hold a place.
    let (rounds, holds) = if has_floors { (1 + FLOOR_ROUNDS, holds + 1) } else { (1, holds) };
    rounds * (1 + 2 * levels + holds.max(1) * REFILLS * (1 + levels))
}

/// Chooses among `memories`, which come in the order that decides ties, so that the assembled text has at
/// most `bounds.ceiling` tokens by `count`, and each tier at most its budget by the claims.
///
/// Pinned memories are in, whatever the budgets. The others are taken by [`Hold`], then by score, unless
/// `apart` keeps them from one that is in.
///
/// # Errors
/// The first error of `count`.
///
/// # Panics
/// If `claims` has another length than `memories`.
pub fn fit<E>(
    template: &Template,
    memories: &[Framed],
    claims: &[Claim],
    apart: &Apart,
    bounds: &Bounds,
    count: impl FnMut(&str) -> Result<u64, E>,
) -> Result<Fitted, E> {
    let start = Start { kept: 0, share: bounds.ceiling };
    fit_from(start, template, memories, claims, apart, bounds, count)
}

/// How a text of a session starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    /// So many memories, from the first, keep their places before all others.
    pub kept: usize,
    /// Tokens of a text that holds more than one memory that is not pinned; at most the ceiling.
    pub share: u64,
}

/// As [`fit`], from a start.
///
/// Only the pinned memories and the first that is taken beside them may use the whole ceiling. That is the first that
/// [`fit`] takes, unless a text counts more than it would with more memories in it.
pub(super) fn fit_from<E>(
    start: Start,
    template: &Template,
    memories: &[Framed],
    claims: &[Claim],
    apart: &Apart,
    bounds: &Bounds,
    count: impl FnMut(&str) -> Result<u64, E>,
) -> Result<Fitted, E> {
    assert_eq!(memories.len(), claims.len(), "one claim a memory");
    let texts = Texts { template, memories, first: start.kept, count };
    let Chosen { mut rows, tokens, recounts, .. } =
        choose(texts, claims, apart, bounds, start.share)?;
    rows.sort_unstable();
    Ok(Fitted { prompt: template.assemble_behind(memories, start.kept, rows), tokens, recounts })
}

/// Memories in their frames, and how texts are counted.
struct Texts<'a, F> {
    template: &'a Template,
    memories: &'a [Framed],
    /// How many of them keep their places before all others.
    first: usize,
    count: F,
}

impl<F: FnMut(&str) -> Result<u64, E>, E> Texts<'_, F> {
    fn count(&mut self, text: &str) -> Result<u64, E> {
        if text.is_empty() { Ok(0) } else { (self.count)(text) }
    }
}

impl<F: FnMut(&str) -> Result<u64, E>, E> Material for Texts<'_, F> {
    type Error = E;

    fn key(&self, row: usize) -> Key {
        self.memories[row].key
    }

    fn fixed(&mut self) -> Result<Fixed, E> {
        self.template.fixed(|text| self.count(text))
    }

    fn part(&mut self, row: usize) -> Result<u64, E> {
        let memories = self.memories;
        self.count(&memories[row].text)
    }

    fn whole(&mut self, rows: &[usize]) -> Result<u64, E> {
        let mut in_input_order = rows.to_vec();
        in_input_order.sort_unstable();
        let prompt = self.template.assemble_behind(self.memories, self.first, in_input_order);
        self.count(&prompt.text)
    }
}

impl Template {
    /// Tokens of what stands around memories; `count` is asked about nothing empty.
    pub(crate) fn fixed<E>(
        &self,
        mut count: impl FnMut(&str) -> Result<u64, E>,
    ) -> Result<Fixed, E> {
        let mut count = |text: &str| if text.is_empty() { Ok(0) } else { count(text) };
        let ends = count(&self.prologue)?.saturating_add(count(&self.epilogue)?);
        let mut fixed = Fixed { ends, between: count(&self.between)?, ..Fixed::default() };
        for tier in Tier::ALL.into_iter().filter(|_| self.is_grouped()) {
            fixed.headings[tier.index()] = count(self.heading(tier))?;
        }
        Ok(fixed)
    }
}
