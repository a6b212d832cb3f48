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
use super::order::Key;
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
    fit_behind(template, memories, 0, claims, apart, bounds, count)
}

/// As [`fit`], but the first so many memories keep their places before all others.
pub(super) fn fit_behind<E>(
    template: &Template,
    memories: &[Framed],
    first: usize,
    claims: &[Claim],
    apart: &Apart,
    bounds: &Bounds,
    count: impl FnMut(&str) -> Result<u64, E>,
) -> Result<Fitted, E> {
    assert_eq!(memories.len(), claims.len(), "one claim a memory");
    let texts = Texts { template, memories, first, count };
    let Chosen { mut rows, tokens, recounts, .. } = choose(texts, claims, apart, bounds)?;
    rows.sort_unstable();
    Ok(Fitted { prompt: template.assemble_behind(memories, first, rows), tokens, recounts })
}

/// What there is to choose from, by row, in the order that decides ties.
pub(crate) trait Material {
    /// Why something cannot be counted.
    type Error;

    /// Where a memory belongs.
    fn key(&self, row: usize) -> Key;

    /// Tokens of what is no memory.
    fn fixed(&mut self) -> Result<Fixed, Self::Error>;

    /// Tokens of a memory in its frame. Each is asked for once.
    fn part(&mut self, row: usize) -> Result<u64, Self::Error>;

    /// Tokens of the whole text of some memories, at least one, in any order.
    fn whole(&mut self, rows: &[usize]) -> Result<u64, Self::Error>;
}

/// Tokens of what stands around memories.
#[derive(Clone, Copy, Default)]
pub(crate) struct Fixed {
    /// Prologue and epilogue.
    pub ends: u64,
    /// Between two memories.
    pub between: u64,
    /// Per tier.
    pub headings: [u64; Tier::COUNT],
}

/// Memories that [`choose`] took, and how far that decision reaches.
pub(crate) struct Chosen {
    /// In the order of priority.
    pub rows: Vec<usize>,
    /// See [`Fitted`].
    pub tokens: u64,
    /// See [`Fitted`].
    pub recounts: u32,
    /// Where the same is chosen.
    pub span: Span,
}

/// The ceilings and budgets with which the same is decided, all else equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The least ceiling above the present one with which it may be something else.
    pub ceiling_below: u64,
    /// Per tier the least budget with which it is the same ...
    pub budgets_from: [u64; Tier::COUNT],
    /// ... and the least above it with which it may not be.
    pub budgets_below: [u64; Tier::COUNT],
}

impl Span {
    /// No bound was met yet.
    pub const ALL: Self = Self {
        ceiling_below: u64::MAX,
        budgets_from: [0; Tier::COUNT],
        budgets_below: [u64::MAX; Tier::COUNT],
    };

    /// Whether a text of that many tokens fits, as the ceiling is.
    fn fits(&mut self, tokens: u64, ceiling: u64) -> bool {
        let fits = tokens <= ceiling;
        if !fits {
            self.ceiling_below = self.ceiling_below.min(tokens);
        }
        fits
    }

    /// Whether a tier may be charged that much, as its budget is.
    pub fn may_charge(&mut self, tier: usize, tokens: u64, budget: u64) -> bool {
        let may = tokens <= budget;
        if may {
            self.budgets_from[tier] = self.budgets_from[tier].max(tokens);
        } else {
            self.budgets_below[tier] = self.budgets_below[tier].min(tokens);
        }
        may
    }

    /// Whether the same is decided with a ceiling that is no lower, and with these budgets.
    pub fn holds_for(&self, ceiling: u64, budgets: &[u64; Tier::COUNT]) -> bool {
        let ends = self.budgets_from.iter().zip(&self.budgets_below);
        let mut ends = budgets.iter().zip(ends);
        ceiling < self.ceiling_below
            && ends.all(|(budget, (from, below))| from <= budget && budget < below)
    }
}

/// Decides what [`fit`] puts into its text.
pub(crate) fn choose<M: Material>(
    mut material: M,
    claims: &[Claim],
    apart: &Apart,
    bounds: &Bounds,
) -> Result<Chosen, M::Error> {
    let mut priority: Vec<usize> = (0..claims.len()).collect();
    priority.sort_by(|&a, &b| {
        let by_score = material.key(b).score.partial_cmp(&material.key(a).score);
        claims[a].hold.cmp(&claims[b].hold).then(by_score.unwrap_or(std::cmp::Ordering::Equal))
    });
    let pinned = claims.iter().filter(|claim| claim.hold == Hold::Pinned).count();
    let (fixed, parts) = (material.fixed()?, vec![None; claims.len()]);
    let (recounts, span) = (0, Span::ALL);
    let mut fitting =
        Fitting { material, claims, apart, bounds, fixed, parts, priority, recounts, span };
    let (rows, refused) = fitting.shrink(pinned)?;
    let Counted { rows, tokens } = match refused {
        None if rows.tokens > bounds.ceiling => rows, // the pinned ones alone
        refused => fitting.refill(rows, refused)?,
    };
    Ok(Chosen { rows, tokens, recounts: fitting.recounts, span: fitting.span })
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

/// Memories whose text was counted.
#[derive(Clone, Default)]
struct Counted {
    /// In the order of priority.
    rows: Vec<usize>,
    tokens: u64,
}

struct Fitting<'a, M> {
    material: M,
    claims: &'a [Claim],
    apart: &'a Apart,
    bounds: &'a Bounds,
    fixed: Fixed,
    /// Tokens of memories in their frames, as far as they are known.
    parts: Vec<Option<u64>>,
    /// All candidates, firmest hold and best score first.
    priority: Vec<usize>,
    recounts: u32,
    span: Span,
}

impl<M: Material> Fitting<'_, M> {
    /// Whether a text fits under the ceiling.
    fn fits(&mut self, tokens: u64) -> bool {
        self.span.fits(tokens, self.bounds.ceiling)
    }

    /// What the sum of the parts takes, and then evicted until it fits. Also the first memory that was
    /// evicted in vain, if any was evicted.
    fn shrink(&mut self, pinned: usize) -> Result<(Counted, Option<usize>), M::Error> {
        let mut taken = self.take(&Counted::default(), &[])?;
        let mut whole = self.whole(taken.clone())?;
        if self.fits(whole.tokens) {
            return Ok((whole, None));
        }
        let mut least = 1;
        loop {
            let evictable = taken.len() - pinned;
            if evictable == 0 {
                return Ok((whole, None));
            }
            let (mut evicted, mut freed) = (0, 0u64);
            while evicted < evictable
                && (evicted < least || !self.fits(whole.tokens.saturating_sub(freed)))
            {
                evicted += 1;
                freed = freed.saturating_add(self.part(taken[taken.len() - evicted])?);
            }
            let fewer = taken[..taken.len() - evicted].to_vec();
            whole = self.whole(fewer.clone())?;
            if self.fits(whole.tokens) {
                let evicted = taken.split_off(fewer.len());
                let (whole, refused) = self.bisect(whole, &evicted)?;
                return Ok((whole, Some(refused)));
            }
            taken = fewer;
            least *= 2;
        }
    }

    /// Adds as many left-out memories as fit.
    fn refill(&mut self, mut whole: Counted, refused: Option<usize>) -> Result<Counted, M::Error> {
        let mut refused: Vec<usize> = refused.into_iter().collect();
        for _ in 0..REFILLS {
            let batch = self.take(&whole, &refused)?;
            if batch.is_empty() {
                break;
            }
            let more = self.whole([&whole.rows[..], &batch].concat())?;
            if self.fits(more.tokens) {
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
    fn bisect(&mut self, whole: Counted, more: &[usize]) -> Result<(Counted, usize), M::Error> {
        let base = whole.rows.clone();
        let mut fitting = whole;
        let (mut fits, mut too_many) = (0, more.len());
        while too_many - fits > 1 {
            let middle = usize::midpoint(fits, too_many);
            let tried = self.whole([&base[..], &more[..middle]].concat())?;
            if self.fits(tried.tokens) {
                (fits, fitting) = (middle, tried);
            } else {
                too_many = middle;
            }
        }
        Ok((fitting, more[fits]))
    }

    /// What can be added to `whole` by the sum of the parts, in the order of priority.
    fn take(&mut self, whole: &Counted, refused: &[usize]) -> Result<Vec<usize>, M::Error> {
        let mut is_in = vec![false; self.claims.len()];
        let mut has_heading = [false; Tier::COUNT];
        let mut used = [0u64; Tier::COUNT];
        for &row in &whole.rows {
            let tier = self.material.key(row).tier.index();
            (is_in[row], has_heading[tier]) = (true, true);
            used[tier] = used[tier].saturating_add(self.claims[row].tokens);
        }
        let mut sum = if whole.rows.is_empty() { self.fixed.ends } else { whole.tokens };
        let mut count = whole.rows.len();
        let (mut taken, mut in_vain) = (Vec::new(), 0);
        for position in 0..self.priority.len() {
            let row = self.priority[position];
            if is_in[row] || refused.contains(&row) {
                continue;
            }
            let (claim, tier) = (self.claims[row], self.material.key(row).tier.index());
            let charged = used[tier].saturating_add(claim.tokens);
            let is_pinned = claim.hold == Hold::Pinned;
            let budget = self.bounds.budgets[tier];
            let may_stay = is_pinned
                || self.span.may_charge(tier, charged, budget)
                    && !self.apart.keeps_out(row, &is_in);
            if !may_stay {
                continue;
            }
            let mut grown = sum.saturating_add(self.part(row)?);
            if count > 0 {
                grown = grown.saturating_add(self.fixed.between);
            }
            if !has_heading[tier] {
                grown = grown.saturating_add(self.fixed.headings[tier]);
            }
            if !is_pinned && !self.fits(grown) {
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

    fn part(&mut self, row: usize) -> Result<u64, M::Error> {
        if let Some(tokens) = self.parts[row] {
            return Ok(tokens);
        }
        let tokens = self.material.part(row)?;
        self.parts[row] = Some(tokens);
        Ok(tokens)
    }

    fn whole(&mut self, rows: Vec<usize>) -> Result<Counted, M::Error> {
        if rows.is_empty() {
            return Ok(Counted::default());
        }
        self.recounts += 1;
        let tokens = self.material.whole(&rows)?;
        Ok(Counted { rows, tokens })
    }
}
