//! Texts that begin alike from call to call, so that a provider's prompt cache can reuse them.
//!
//! An *epoch* is a run of texts each of which is the one before, epilogue aside, with more behind it. It
//! begins with what fits into a share of the ceiling; later calls keep what is held, in its place, and append
//! what they want and is not there. It ends when it holds too little of what a call wants.
//!
//! Where the share has room for none but the pinned memories, these and the first of the others, in the order in
//! which a ceiling lets them stay, may use the whole ceiling: so an epoch is empty only where nothing fits under the
//! ceiling either. It does not give up what fits into the share for one that does not.

use std::collections::HashSet;

use super::apart::Apart;
use super::assemble::{Framed, Prompt};
use super::fit::{Bounds, Claim, Fitted, Hold, Start, fit_from};
use super::template::Template;
use crate::tier::Tier;

/// How an epoch begins and when it ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Share of the ceiling that a new epoch fills, 0.0..=1.0. Its pinned memories may need more, and so may
    /// one beside them, where no other has room in the share.
    pub fill: f64,
    /// Least share of the value that a new epoch would have, 0.0..=1.0.
    pub rebuild_share: f64,
}

impl Policy {
    /// What a new epoch fills of a ceiling.
    fn aim(&self, ceiling: u64) -> u64 {
        // A share of a count below 2^53 is one.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let aim = (ceiling as f64 * self.fill) as u64;
        aim.min(ceiling)
    }
}

/// Why a text does not go on with the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuilt {
    /// Nothing was held.
    First,
    /// A memory that was held is gone or has changed.
    Changed,
    /// A pinned memory, or the best of the others, does not fit behind what is held.
    Full,
    /// What is held is worth too little.
    Value,
}

impl Rebuilt {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Changed => "changed",
            Self::Full => "full",
            Self::Value => "value",
        }
    }
}

/// A memory that is in the text already.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its frame as it stands in the text.
    pub framed: Framed,
    /// Its tokens.
    pub tokens: u64,
    /// Its present score, at least 0.
    pub score: f64,
    /// Its place among the candidates of this call, if it is one.
    pub candidate: Option<usize>,
    /// Places of candidates that say what it says: they are not appended, unless they are pinned.
    pub repeated_by: Vec<usize>,
}

/// The candidates of one call, in the order that decides ties, and what they may use.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// In their frames.
    pub memories: &'a [Framed],
    /// One for each.
    pub claims: &'a [Claim],
    /// What each is worth a token, at least 0; the key of a frame only says who goes first.
    pub scores: &'a [f64],
    /// Who does not stand beside whom.
    pub apart: &'a Apart,
    /// The budgets are for what a new epoch takes, the ceiling is for any text.
    pub bounds: Bounds,
}

/// The next text.
#[derive(Clone, Debug)]
pub struct Step {
    /// All of it.
    pub text: String,
    /// Its tokens. Above the ceiling only if the pinned candidates alone are: then it must not be used.
    pub tokens: u64,
    /// How many of the held memories it begins with, in their order.
    pub kept: usize,
    /// The candidates behind them, in their order.
    pub appended: Vec<usize>,
    /// Why the text does not go on with the whole one before; none if it does.
    pub rebuilt: Option<Rebuilt>,
    /// The candidates that a new text would hold, and that do not fit behind what was kept, in the order
    /// that decides ties.
    pub left_behind: Vec<usize>,
    /// Tokens in which a new text has no room for what it leaves out: the share, or the whole ceiling where
    /// it holds nothing but pinned memories.
    pub room: u64,
}

/// Goes on with what is held, or begins anew.
///
/// `is_cut_off`: `held` is only what stands before a memory that is gone or has changed. What is behind it
/// cannot be reused in any case, so the text goes on there as a new epoch would: with what this call wants.
///
/// # Errors
/// The first error of `count`.
pub fn next<E>(
    template: &Template,
    wanted: &Wanted<'_>,
    held: &[Held],
    is_cut_off: bool,
    policy: &Policy,
    mut count: impl FnMut(&str) -> Result<u64, E>,
) -> Result<Step, E> {
    let Wanted { memories, claims, scores, apart, bounds } = *wanted;
    let aim = policy.aim(bounds.ceiling);
    let start = Start { kept: 0, share: aim };
    let within_share = Bounds { ceiling: aim, ..bounds };
    let mut fresh = fit_from(start, template, memories, claims, apart, &within_share, &mut count)?;
    let is_pinned = |row: &usize| claims[*row].hold == Hold::Pinned;
    if fresh.prompt.order.iter().all(is_pinned) && aim < bounds.ceiling {
        fresh = fit_from(start, template, memories, claims, apart, &bounds, &mut count)?;
    }
    let room = if fresh.prompt.order.iter().all(is_pinned) { bounds.ceiling } else { aim };
    let gap = is_cut_off.then_some(Rebuilt::Changed);
    if held.is_empty() {
        return Ok(anew(fresh, room, gap.unwrap_or(Rebuilt::First)));
    }
    let mut present: HashSet<usize> = held.iter().filter_map(|held| held.candidate).collect();
    // What is said already need not be said again.
    let repeated = held.iter().flat_map(|held| &held.repeated_by);
    present.extend(repeated.filter(|row| !is_pinned(row)));
    let mut missing: Vec<usize> =
        fresh.prompt.order.iter().copied().filter(|row| !present.contains(row)).collect();
    missing.sort_unstable(); // the order that decides ties
    // Behind a gap only the share is filled: if the best has no room there, the whole text is new.
    let ceiling = if is_cut_off { aim } else { bounds.ceiling };
    let Fitted { prompt, tokens, .. } =
        append(template, wanted, held, &missing, ceiling, &mut count)?;
    let Prompt { text, order } = prompt;
    let appended: Vec<usize> =
        order[held.len()..].iter().map(|at| missing[at - held.len()]).collect();
    let is_in = |row: &usize| present.contains(row) || appended.contains(row);
    let key = |row: usize| memories[row].key.score;
    // What is pinned is there in any case.
    let others = fresh.prompt.order.iter().copied().filter(|row| !is_pinned(row));
    let best = others.reduce(|best, row| {
        if key(row) > key(best) || (key(row) >= key(best) && row < best) { row } else { best }
    });
    if tokens > bounds.ceiling || !best.is_none_or(|best| is_in(&best)) {
        return Ok(anew(fresh, room, gap.unwrap_or(Rebuilt::Full)));
    }
    let worth = |row: usize| scores[row] * claims[row].tokens as f64;
    let of_fresh = sum(fresh.prompt.order.iter().map(|&row| worth(row)));
    let held_worth = held.iter().map(|held| held.score * held.tokens as f64);
    let of_text = sum(held_worth.chain(appended.iter().map(|&row| worth(row))));
    if of_text < policy.rebuild_share * of_fresh {
        return Ok(anew(fresh, room, gap.unwrap_or(Rebuilt::Value)));
    }
    missing.retain(|row| !appended.contains(row));
    let (kept, left_behind) = (held.len(), missing);
    Ok(Step { text, tokens, kept, appended, rebuilt: gap, left_behind, room })
}

fn anew(fresh: Fitted, room: u64, reason: Rebuilt) -> Step {
    let Fitted { prompt: Prompt { text, order }, tokens, .. } = fresh;
    let (rebuilt, left_behind) = (Some(reason), Vec::new());
    Step { text, tokens, kept: 0, appended: order, rebuilt, left_behind, room }
}

/// What is held, and behind it as many of the missing as fit.
fn append<E>(
    template: &Template,
    wanted: &Wanted<'_>,
    held: &[Held],
    missing: &[usize],
    ceiling: u64,
    count: impl FnMut(&str) -> Result<u64, E>,
) -> Result<Fitted, E> {
    let kept = held.iter().map(|held| held.framed.clone());
    let memories: Vec<_> =
        kept.chain(missing.iter().map(|&row| wanted.memories[row].clone())).collect();
    let kept = held.iter().map(|held| Claim { tokens: held.tokens, hold: Hold::Pinned });
    let claims: Vec<_> = kept.chain(missing.iter().map(|&row| wanted.claims[row])).collect();
    // The missing ones are within the budgets of their tiers; what is held was, when it was appended.
    let (budgets, floors) = ([u64::MAX; Tier::COUNT], [0; Tier::COUNT]);
    let bounds = Bounds { ceiling, budgets, floors };
    // They were taken together, and repeat nothing that is held.
    let start = Start { kept: held.len(), share: ceiling };
    fit_from(start, template, &memories, &claims, &Apart::default(), &bounds, count)
}

/// The same for the same numbers, in whatever order they come.
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values.into_iter().sum()
}
