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
//! A tier that is then below its floor, and has a left-out memory that the rest of its floor would cover, was
//! overtaken by others: such memories become part of its floor, and all of it is done again, at most
//! [`FLOOR_ROUNDS`] times.

use std::cmp::Ordering;

use super::apart::Apart;
use super::assemble::{Framed, Prompt};
use super::template::Template;
use crate::tier::Tier;

/// Batches of left-out memories that are tried once the text fits.
pub const REFILLS: u32 = 3;

/// How often memories are raised into the floors of their tiers.
pub const FLOOR_ROUNDS: u32 = 3;

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

/// The most often that [`fit`] counts a whole text among so many candidates.
#[must_use]
pub fn most_recounts(candidates: usize, has_floors: bool) -> u32 {
    let levels = (candidates as u64 + 1).next_power_of_two().ilog2();
    let rounds = if has_floors { 1 + FLOOR_ROUNDS } else { 1 };
    rounds * (1 + 2 * levels + REFILLS * (1 + levels))
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
    let pinned = claims.iter().filter(|claim| claim.hold == Hold::Pinned).count();
    let holds = claims.iter().map(|claim| claim.hold).collect();
    let costs = Costs { count, parts: vec![None; memories.len()], fixed: Fixed::default() };
    let (priority, recounts) = (Vec::new(), 0);
    let mut fitting = Fitting {
        start,
        template,
        memories,
        claims,
        apart,
        bounds,
        costs,
        holds,
        priority,
        pinned,
        recounts,
    };
    fitting.costs.fixed = fitting.fixed()?;
    let mut fitted = fitting.once()?;
    let mut in_vain = Vec::new();
    for _ in 0..FLOOR_ROUNDS {
        let raised = fitting.raise(&fitted, &in_vain)?;
        if raised.is_empty() {
            break;
        }
        let again = fitting.once()?;
        let (are_in, are_not): (Vec<_>, Vec<_>) =
            raised.into_iter().partition(|row| again.rows.contains(row));
        if !are_in.is_empty() {
            fitted = again;
        }
        in_vain.extend(are_not); // not even then is there room for them
    }
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

/// Tokens of parts, and of what joins them.
#[derive(Clone, Copy, Default)]
struct Sum {
    tokens: u64,
    count: usize,
    has_heading: [bool; Tier::COUNT],
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
    /// How firmly each holds its place by now.
    holds: Vec<Hold>,
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

    /// Evicts and refills, with the present holds.
    fn once(&mut self) -> Result<Counted, E> {
        let mut priority: Vec<usize> = (0..self.memories.len()).collect();
        priority.sort_by(|&a, &b| self.holds[a].cmp(&self.holds[b]).then(self.by_score(a, b)));
        self.priority = priority;
        let (rows, refused) = self.shrink()?;
        match refused {
            None if rows.tokens > self.bounds.ceiling => Ok(rows), // the pinned ones alone
            refused => self.refill(rows, refused),
        }
    }

    /// Best score first.
    fn by_score(&self, a: usize, b: usize) -> Ordering {
        let [a, b] = [a, b].map(|row| self.memories[row].key.score);
        b.partial_cmp(&a).unwrap_or(Ordering::Equal)
    }

    /// Raises what covers the floors into them: first the memories of a text, then left-out ones that fit into
    /// what their tiers have not used of them and, by the sum of the parts, beside all that is raised. Gives
    /// the left-out ones. Best score first.
    fn raise(&mut self, text: &Counted, in_vain: &[usize]) -> Result<Vec<usize>, E> {
        if !self.fits(text) || self.bounds.floors == [0; Tier::COUNT] {
            return Ok(Vec::new());
        }
        let mut is_in = vec![false; self.memories.len()];
        text.rows.iter().for_each(|&row| is_in[row] = true);
        let (inside, outside): (Vec<_>, Vec<_>) =
            self.priority.clone().into_iter().partition(|&row| is_in[row]);
        let floors = self.bounds.floors;
        let (mut used, mut rests) = ([0u64; Tier::COUNT], floors);
        let mut holds = self.holds.clone();
        let mut sum = Sum { tokens: self.costs.fixed.ends, ..Sum::default() };
        for row in inside {
            let (tier, tokens) = (self.memories[row].key.tier.index(), self.claims[row].tokens);
            used[tier] = used[tier].saturating_add(tokens);
            if holds[row] <= Hold::Floor || 0 < rests[tier] && tokens <= rests[tier] {
                rests[tier] = rests[tier].saturating_sub(tokens);
                holds[row] = holds[row].min(Hold::Floor);
                sum = self.grown(sum, row)?;
            }
        }
        let mut outside: Vec<_> =
            outside.into_iter().filter(|row| !in_vain.contains(row)).collect();
        outside.sort_by(|&a, &b| self.by_score(a, b).then(a.cmp(&b)));
        let mut raised = Vec::new();
        for row in outside {
            let tier = self.memories[row].key.tier.index();
            let charged = used[tier].saturating_add(self.claims[row].tokens);
            let floor = floors[tier].min(self.bounds.budgets[tier]);
            if charged == 0 || charged > floor || self.apart.keeps_out(row, &is_in) {
                continue;
            }
            let grown = self.grown(sum, row)?;
            if grown.tokens <= self.limit(grown.count) {
                (sum, used[tier], is_in[row]) = (grown, charged, true);
                holds[row] = Hold::Floor;
                raised.push(row);
            }
        }
        if !raised.is_empty() {
            self.holds = holds;
        }
        Ok(raised)
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
        let mut used = [0u64; Tier::COUNT];
        let mut sum = Sum { count: whole.rows.len(), ..Sum::default() };
        for &row in &whole.rows {
            let tier = self.memories[row].key.tier.index();
            (is_in[row], sum.has_heading[tier]) = (true, true);
            used[tier] = used[tier].saturating_add(self.claims[row].tokens);
        }
        sum.tokens = if whole.rows.is_empty() { self.costs.fixed.ends } else { whole.tokens };
        let (mut taken, mut in_vain) = (Vec::new(), 0);
        for position in 0..self.priority.len() {
            let row = self.priority[position];
            if is_in[row] || refused.contains(&row) {
                continue;
            }
            let tier = self.memories[row].key.tier.index();
            let charged = used[tier].saturating_add(self.claims[row].tokens);
            let is_pinned = self.holds[row] == Hold::Pinned;
            let is_kept_out =
                charged > self.bounds.budgets[tier] || self.apart.keeps_out(row, &is_in);
            if is_kept_out && !is_pinned {
                continue;
            }
            let grown = self.grown(sum, row)?;
            if grown.tokens > self.limit(grown.count) && !is_pinned {
                in_vain += 1;
                if in_vain == PATIENCE {
                    break;
                }
                continue;
            }
            (sum, in_vain, used[tier], is_in[row]) = (grown, 0, charged, true);
            taken.push(row);
        }
        Ok(taken)
    }

    /// A sum of parts with one memory more.
    fn grown(&mut self, sum: Sum, row: usize) -> Result<Sum, E> {
        let tier = self.memories[row].key.tier.index();
        let mut grown = sum;
        grown.tokens = sum.tokens.saturating_add(self.part(row)?);
        if sum.count > 0 {
            grown.tokens = grown.tokens.saturating_add(self.costs.fixed.between);
        }
        if !sum.has_heading[tier] {
            grown.tokens = grown.tokens.saturating_add(self.costs.fixed.headings[tier]);
        }
        grown.count += 1;
        grown.has_heading[tier] = true;
        Ok(grown)
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
