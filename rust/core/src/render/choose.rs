//! The steps by which memories are chosen for a text under a ceiling: see [`fit`](super::fit).

use std::cmp::Ordering;

use super::apart::Apart;
use super::fit::{Bounds, Claim, FLOOR_ROUNDS, Hold, REFILLS};
use super::order::Key;
use super::span::Span;
use crate::tier::Tier;

/// Candidates that are looked at in vain, one after another, before a pass gives up.
const PATIENCE: u32 = 64;

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

/// Decides what [`fit`](super::fit::fit) puts into its text, of which only the pinned memories and one beside them
/// may use more than the `share` of the ceiling. How far that reaches is known where the share is all of it.
pub(crate) fn choose<M: Material>(
    mut material: M,
    claims: &[Claim],
    apart: &Apart,
    bounds: &Bounds,
    share: u64,
) -> Result<Chosen, M::Error> {
    let pinned = claims.iter().filter(|claim| claim.hold == Hold::Pinned).count();
    let holds = claims.iter().map(|claim| claim.hold).collect();
    let (fixed, parts) = (material.fixed()?, vec![None; claims.len()]);
    let (priority, recounts, span) = (Vec::new(), 0, Span::ALL);
    let mut fitting = Fitting {
        material,
        claims,
        apart,
        bounds,
        fixed,
        parts,
        holds,
        priority,
        pinned,
        share,
        recounts,
        span,
    };
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
    let Counted { rows, tokens } = fitted;
    Ok(Chosen { rows, tokens, recounts: fitting.recounts, span: fitting.span })
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
    /// How firmly each holds its place by now.
    holds: Vec<Hold>,
    /// All candidates, firmest hold and best score first.
    priority: Vec<usize>,
    /// How many of them are pinned; they come first.
    pinned: usize,
    /// Tokens of a text that holds more than one of the others.
    share: u64,
    recounts: u32,
    span: Span,
}

impl<M: Material> Fitting<'_, M> {
    /// Whether a text of so many memories may have so many tokens.
    fn may_have(&mut self, memories: usize, tokens: u64) -> bool {
        let has_more = memories > self.pinned + 1;
        self.span.fits(tokens, if has_more { self.share } else { self.bounds.ceiling })
    }

    fn fits(&mut self, whole: &Counted) -> bool {
        self.may_have(whole.rows.len(), whole.tokens)
    }

    fn tier(&self, row: usize) -> usize {
        self.material.key(row).tier.index()
    }

    /// Evicts and refills, with the present holds.
    fn once(&mut self) -> Result<Counted, M::Error> {
        let mut priority: Vec<usize> = (0..self.claims.len()).collect();
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
        let [a, b] = [a, b].map(|row| self.material.key(row).score);
        b.partial_cmp(&a).unwrap_or(Ordering::Equal)
    }

    /// Raises what covers the floors into them: first the memories of a text, then left-out ones that fit into
    /// what their tiers have not used of them and, by the sum of the parts, beside all that is raised. Gives
    /// the left-out ones. Best score first.
    fn raise(&mut self, text: &Counted, in_vain: &[usize]) -> Result<Vec<usize>, M::Error> {
        if !self.fits(text) || self.bounds.floors == [0; Tier::COUNT] {
            return Ok(Vec::new());
        }
        let mut is_in = vec![false; self.claims.len()];
        text.rows.iter().for_each(|&row| is_in[row] = true);
        let (inside, outside): (Vec<_>, Vec<_>) =
            self.priority.clone().into_iter().partition(|&row| is_in[row]);
        let floors = self.bounds.floors;
        let (mut used, mut rests) = ([0u64; Tier::COUNT], floors);
        let mut holds = self.holds.clone();
        let mut sum = Sum { tokens: self.fixed.ends, ..Sum::default() };
        for row in inside {
            let (tier, tokens) = (self.tier(row), self.claims[row].tokens);
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
            let tier = self.tier(row);
            let charged = used[tier].saturating_add(self.claims[row].tokens);
            let is_covered = charged > 0
                && charged <= floors[tier]
                && self.span.may_charge(tier, charged, self.bounds.budgets[tier]);
            if !is_covered || self.apart.keeps_out(row, &is_in) {
                continue;
            }
            let grown = self.grown(sum, row)?;
            if self.may_have(grown.count, grown.tokens) {
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

    /// What the sum of the parts takes, and then evicted until it fits. Also the first memory that was
    /// evicted in vain, if any was evicted.
    fn shrink(&mut self) -> Result<(Counted, Option<usize>), M::Error> {
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
            let (mut evicted, mut freed) = (0, 0u64);
            while evicted < evictable
                && (evicted < least
                    || !self.may_have(taken.len(), whole.tokens.saturating_sub(freed)))
            {
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
    fn refill(&mut self, mut whole: Counted, refused: Option<usize>) -> Result<Counted, M::Error> {
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
    fn bisect(&mut self, whole: Counted, more: &[usize]) -> Result<(Counted, usize), M::Error> {
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
    fn take(&mut self, whole: &Counted, refused: &[usize]) -> Result<Vec<usize>, M::Error> {
        let mut is_in = vec![false; self.claims.len()];
        let mut used = [0u64; Tier::COUNT];
        let mut sum = Sum { count: whole.rows.len(), ..Sum::default() };
        for &row in &whole.rows {
            let tier = self.tier(row);
            (is_in[row], sum.has_heading[tier]) = (true, true);
            used[tier] = used[tier].saturating_add(self.claims[row].tokens);
        }
        sum.tokens = if whole.rows.is_empty() { self.fixed.ends } else { whole.tokens };
        let (mut taken, mut in_vain) = (Vec::new(), 0);
        for position in 0..self.priority.len() {
            let row = self.priority[position];
            if is_in[row] || refused.contains(&row) {
                continue;
            }
            let tier = self.tier(row);
            let charged = used[tier].saturating_add(self.claims[row].tokens);
            let is_pinned = self.holds[row] == Hold::Pinned;
            let may_stay = is_pinned
                || self.span.may_charge(tier, charged, self.bounds.budgets[tier])
                    && !self.apart.keeps_out(row, &is_in);
            if !may_stay {
                continue;
            }
            let grown = self.grown(sum, row)?;
            if !is_pinned && !self.may_have(grown.count, grown.tokens) {
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
    fn grown(&mut self, sum: Sum, row: usize) -> Result<Sum, M::Error> {
        let tier = self.tier(row);
        let mut grown = sum;
        grown.tokens = sum.tokens.saturating_add(self.part(row)?);
        if sum.count > 0 {
            grown.tokens = grown.tokens.saturating_add(self.fixed.between);
        }
        if !sum.has_heading[tier] {
            grown.tokens = grown.tokens.saturating_add(self.fixed.headings[tier]);
        }
        grown.count += 1;
        grown.has_heading[tier] = true;
        Ok(grown)
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
