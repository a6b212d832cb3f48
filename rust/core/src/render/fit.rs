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

use super::apart::Apart;
use super::assemble::{Framed, Prompt};
use super::template::Template;
use crate::tier::Tier;

/// Batches of left-out memories that are tried once the text fits.
pub const REFILLS: u32 = 3;

/// Candidates that are looked at in vain, one after another, before a pass gives up.
const PATIENCE: u32 = 64;

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

/// The most often that [`fit`] counts a whole text among so many candidates.
#[must_use]
pub fn most_recounts(candidates: usize) -> u32 {
    let levels = (candidates as u64 + 1).next_power_of_two().ilog2();
    1 + 2 * levels + REFILLS * (1 + levels)
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
    let mut priority: Vec<usize> = (0..memories.len()).collect();
    priority.sort_by(|&a, &b| {
        let by_score = memories[b].key.score.partial_cmp(&memories[a].key.score);
        claims[a].hold.cmp(&claims[b].hold).then(by_score.unwrap_or(std::cmp::Ordering::Equal))
    });
    let pinned = claims.iter().filter(|claim| claim.hold == Hold::Pinned).count();
    let costs = Costs { count, parts: vec![None; memories.len()], fixed: Fixed::default() };
    let mut fitting = Fitting {
        start,
        template,
        memories,
        claims,
        apart,
        bounds,
        costs,
        priority,
        pinned,
        recounts: 0,
    };
    fitting.costs.fixed = fitting.fixed()?;
    let (rows, refused) = fitting.shrink()?;
    let fitted = match refused {
        None if rows.tokens > bounds.ceiling => rows, // the pinned ones alone
        refused => fitting.refill(rows, refused)?,
    };
    Ok(Fitted { prompt: fitted.prompt, tokens: fitted.tokens, recounts: fitting.recounts })
}

/// Tokens of the parts of a text.
struct Costs<F> {
    count: F,
    parts: Vec<Option<u64>>,
    fixed: Fixed,
}

#[derive(Default)]
struct Fixed {
    ends: u64,
    between: u64,
    headings: [u64; Tier::COUNT],
}

/// Memories whose text was counted.
#[derive(Clone, Default)]
struct Counted {
    /// In the order of priority.
    rows: Vec<usize>,
    prompt: Prompt,
    tokens: u64,
}

struct Fitting<'a, F> {
    start: Start,
    template: &'a Template,
    memories: &'a [Framed],
    claims: &'a [Claim],
    apart: &'a Apart,
    bounds: &'a Bounds,
    costs: Costs<F>,
    /// All candidates, firmest hold and best score first.
    priority: Vec<usize>,
    /// How many of them are pinned; they come first.
    pinned: usize,
    recounts: u32,
}

impl<F: FnMut(&str) -> Result<u64, E>, E> Fitting<'_, F> {
    fn fixed(&mut self) -> Result<Fixed, E> {
        let template = self.template;
        let ends = self.count(&template.prologue)?.saturating_add(self.count(&template.epilogue)?);
        let mut fixed = Fixed { ends, between: self.count(&template.between)?, ..Fixed::default() };
        for tier in Tier::ALL.into_iter().filter(|_| template.is_grouped()) {
            fixed.headings[tier.index()] = self.count(template.heading(tier))?;
        }
        Ok(fixed)
    }

    /// Tokens that a text of so many memories may have.
    fn limit(&self, memories: usize) -> u64 {
        if memories > self.pinned + 1 { self.start.share } else { self.bounds.ceiling }
    }

    fn fits(&self, whole: &Counted) -> bool {
        whole.tokens <= self.limit(whole.rows.len())
    }

    /// What the sum of the parts takes, and then evicted until it fits. Also the first memory that was
    /// evicted in vain, if any was evicted.
    fn shrink(&mut self) -> Result<(Counted, Option<usize>), E> {
        let mut taken = self.take(&Counted::default(), &[])?;
        let mut whole = self.whole(taken.clone())?;
        if self.fits(&whole) {
            return Ok((whole, None));
        }
        let mut least = 1;
        loop {
            let evictable = taken.len() - self.pinned;
            if evictable == 0 {
                return Ok((whole, None));
            }
            let excess = whole.tokens - self.limit(taken.len());
            let (mut evicted, mut freed) = (0, 0u64);
            while evicted < evictable && (evicted < least || freed < excess) {
                evicted += 1;
                freed = freed.saturating_add(self.part(taken[taken.len() - evicted])?);
            }
            let fewer = taken[..taken.len() - evicted].to_vec();
            whole = self.whole(fewer.clone())?;
            if self.fits(&whole) {
                let evicted = taken.split_off(fewer.len());
                let (whole, refused) = self.bisect(whole, &evicted)?;
                return Ok((whole, Some(refused)));
            }
            taken = fewer;
            least *= 2;
        }
    }

    /// Adds as many left-out memories as fit.
    fn refill(&mut self, mut whole: Counted, refused: Option<usize>) -> Result<Counted, E> {
        let mut refused: Vec<usize> = refused.into_iter().collect();
        for _ in 0..REFILLS {
            let batch = self.take(&whole, &refused)?;
            if batch.is_empty() {
                break;
            }
            let more = self.whole([&whole.rows[..], &batch].concat())?;
            if self.fits(&more) {
                whole = more;
                continue;
            }
            let (fitting, in_vain) = self.bisect(whole, &batch)?;
            whole = fitting;
            refused.push(in_vain);
        }
        Ok(whole)
    }

    /// The longest beginning of `more` that fits beside `whole`, which fits, while all of `more` does not;
    /// and the memory behind it.
    fn bisect(&mut self, whole: Counted, more: &[usize]) -> Result<(Counted, usize), E> {
        let base = whole.rows.clone();
        let mut fitting = whole;
        let (mut fits, mut too_many) = (0, more.len());
        while too_many - fits > 1 {
            let middle = usize::midpoint(fits, too_many);
            let tried = self.whole([&base[..], &more[..middle]].concat())?;
            if self.fits(&tried) {
                (fits, fitting) = (middle, tried);
            } else {
                too_many = middle;
            }
        }
        Ok((fitting, more[fits]))
    }

    /// What can be added to `whole` by the sum of the parts, in the order of priority.
    fn take(&mut self, whole: &Counted, refused: &[usize]) -> Result<Vec<usize>, E> {
        let mut is_in = vec![false; self.memories.len()];
        let mut has_heading = [false; Tier::COUNT];
        let mut used = [0u64; Tier::COUNT];
        for &row in &whole.rows {
            let tier = self.memories[row].key.tier.index();
            (is_in[row], has_heading[tier]) = (true, true);
            used[tier] = used[tier].saturating_add(self.claims[row].tokens);
        }
        let mut sum = if whole.rows.is_empty() { self.costs.fixed.ends } else { whole.tokens };
        let mut count = whole.rows.len();
        let (mut taken, mut in_vain) = (Vec::new(), 0);
        for position in 0..self.priority.len() {
            let row = self.priority[position];
            if is_in[row] || refused.contains(&row) {
                continue;
            }
            let (claim, tier) = (self.claims[row], self.memories[row].key.tier.index());
            let charged = used[tier].saturating_add(claim.tokens);
            let is_pinned = claim.hold == Hold::Pinned;
            let is_kept_out =
                charged > self.bounds.budgets[tier] || self.apart.keeps_out(row, &is_in);
            if is_kept_out && !is_pinned {
                continue;
            }
            let mut grown = sum.saturating_add(self.part(row)?);
            if count > 0 {
                grown = grown.saturating_add(self.costs.fixed.between);
            }
            if !has_heading[tier] {
                grown = grown.saturating_add(self.costs.fixed.headings[tier]);
            }
            if grown > self.limit(count + 1) && !is_pinned {
                in_vain += 1;
                if in_vain == PATIENCE {
                    break;
                }
                continue;
            }
            (sum, in_vain) = (grown, 0);
            (used[tier], has_heading[tier]) = (charged, true);
            count += 1;
            is_in[row] = true;
            taken.push(row);
        }
        Ok(taken)
    }

    fn count(&mut self, text: &str) -> Result<u64, E> {
        if text.is_empty() { Ok(0) } else { (self.costs.count)(text) }
    }

    fn part(&mut self, row: usize) -> Result<u64, E> {
        if let Some(tokens) = self.costs.parts[row] {
            return Ok(tokens);
        }
        let memories = self.memories;
        let tokens = self.count(&memories[row].text)?;
        self.costs.parts[row] = Some(tokens);
        Ok(tokens)
    }

    fn whole(&mut self, rows: Vec<usize>) -> Result<Counted, E> {
        if rows.is_empty() {
            return Ok(Counted::default());
        }
        let mut in_input_order = rows.clone();
        in_input_order.sort_unstable();
        let prompt = self.template.assemble_behind(self.memories, self.start.kept, in_input_order);
        self.recounts += 1;
        let tokens = self.count(&prompt.text)?;
        Ok(Counted { rows, prompt, tokens })
    }
}
