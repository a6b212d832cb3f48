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
        turn: Hold::Free,
        pinned,
        share,
        recounts,
        span,
    };
    let mut fitted = fitting.once()?;
    let mut in_vain = Vec::new();
    for _ in 0..FLOOR_ROUNDS {
        let Some((firm, overtaken)) = fitting.overtaken(&fitted, &in_vain)? else { break };
        let count = firm.rows.len();
        let (raised, refused) = fitting.beside(firm, overtaken)?;
        in_vain.extend(&refused); // not even then is there room for them
        if raised.rows.len() > count {
            for &row in &raised.rows {
                fitting.holds[row] = fitting.holds[row].min(Hold::Floor);
            }
            fitted = fitting.fill(raised, refused)?;
        }
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
    /// Those that have their turn hold their places at least so firmly.
    turn: Hold,
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

    /// Evicts and fills, with the present holds.
    fn once(&mut self) -> Result<Counted, M::Error> {
        self.arrange();
        self.turn = self.turns().into_iter().next().unwrap_or(Hold::Free);
        let (rows, refused) = self.shrink()?;
        match refused {
            None if rows.tokens > self.bounds.ceiling => Ok(rows), // the pinned ones alone
            refused => self.fill(rows, refused.into_iter().collect()),
        }
    }

    /// Refills a text, which fits: those that hold their places more firmly have all they can have before
    /// others have a turn.
    fn fill(&mut self, mut text: Counted, mut refused: Vec<usize>) -> Result<Counted, M::Error> {
        self.arrange();
        for turn in self.turns() {
            self.turn = turn;
            text = self.refill(text, &mut refused)?;
        }
        Ok(text)
    }

    fn arrange(&mut self) {
        let mut priority: Vec<usize> = (0..self.claims.len()).collect();
        priority.sort_by(|&a, &b| self.holds[a].cmp(&self.holds[b]).then(self.by_score(a, b)));
        self.priority = priority;
    }

    /// The holds that there are beside the pinned ones, firmest first.
    fn turns(&self) -> Vec<Hold> {
        let is_one = |hold: &Hold| self.holds.contains(hold);
        [Hold::Floor, Hold::Chosen, Hold::Free].into_iter().filter(is_one).collect()
    }

    /// Best score first.
    fn by_score(&self, a: usize, b: usize) -> Ordering {
        let [a, b] = [a, b].map(|row| self.material.key(row).score);
        b.partial_cmp(&a).unwrap_or(Ordering::Equal)
    }

    /// What of a text the floors cover, counted, and what it leaves out although they cover it as well: all that
    /// fits beside that by the sum of the parts, or the first if none does. None where nobody was overtaken.
    fn overtaken(
        &mut self,
        text: &Counted,
        in_vain: &[usize],
    ) -> Result<Option<(Counted, Vec<usize>)>, M::Error> {
        let floors = self.bounds.floors;
        if !self.fits(text) || floors == [0; Tier::COUNT] {
            return Ok(None);
        }
        let mut is_in = vec![false; self.claims.len()];
        text.rows.iter().for_each(|&row| is_in[row] = true);
        let (inside, mut outside): (Vec<_>, Vec<_>) =
            self.priority.clone().into_iter().partition(|&row| is_in[row]);
        let (mut used, mut rests) = ([0u64; Tier::COUNT], floors);
        let mut firm = Vec::new();
        for row in inside {
            let (tier, tokens) = (self.tier(row), self.claims[row].tokens);
            used[tier] = used[tier].saturating_add(tokens);
            if self.holds[row] <= Hold::Floor || 0 < rests[tier] && tokens <= rests[tier] {
                rests[tier] = rests[tier].saturating_sub(tokens);
                firm.push(row);
            }
        }
        let is_open = |row: &usize| self.holds[*row] > Hold::Pinned && !in_vain.contains(row);
        outside.retain(is_open);
        outside.sort_by(|&a, &b| self.by_score(a, b).then(a.cmp(&b)));
        let covered =
            |fitting: &mut Self, row: usize, used: &[u64; Tier::COUNT], is_in: &[bool]| {
                let tier = fitting.tier(row);
                let charged = used[tier].saturating_add(fitting.claims[row].tokens);
                let is_covered = charged > 0
                    && charged <= floors[tier]
                    && fitting.span.may_charge(tier, charged, fitting.bounds.budgets[tier])
                    && !fitting.apart.keeps_out(row, is_in);
                is_covered.then_some((tier, charged))
            };
        if !outside.iter().any(|&row| covered(self, row, &used, &is_in).is_some()) {
            return Ok(None);
        }
        let firm = self.whole(firm)?;
        if !self.fits(&firm) {
            return Ok(None);
        }
        let mut sum = self.sum(&firm);
        let (mut first, mut overtaken) = (None, Vec::new());
        for row in outside {
            let Some((tier, charged)) = covered(self, row, &used, &is_in) else { continue };
            first = first.or(Some(row));
            let grown = self.grown(sum, row)?;
            if self.may_have(grown.count, grown.tokens) {
                (sum, used[tier], is_in[row]) = (grown, charged, true);
                overtaken.push(row);
            }
        }
        if overtaken.is_empty() {
            overtaken.extend(first);
        }
        Ok(Some((firm, overtaken)))
    }

    /// A text, which fits, with what of `more` fits beside it, and whom it failed for.
    fn beside(
        &mut self,
        mut text: Counted,
        mut more: Vec<usize>,
    ) -> Result<(Counted, Vec<usize>), M::Error> {
        let mut refused = Vec::new();
        for _ in 0..REFILLS {
            let all = self.whole([&text.rows[..], &more].concat())?;
            if self.fits(&all) {
                return Ok((all, refused));
            }
            let failed;
            (text, failed) = self.bisect(text, &more)?;
            refused.push(failed);
            more = more.split_off(1 + more.iter().position(|&row| row == failed).unwrap_or(0));
            if more.is_empty() {
                break;
            }
        }
        Ok((text, refused))
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
    fn refill(
        &mut self,
        mut whole: Counted,
        refused: &mut Vec<usize>,
    ) -> Result<Counted, M::Error> {
        for _ in 0..REFILLS {
            let batch = self.take(&whole, refused)?;
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
        for &row in &whole.rows {
            let tier = self.tier(row);
            is_in[row] = true;
            used[tier] = used[tier].saturating_add(self.claims[row].tokens);
        }
        let mut sum = self.sum(whole);
        let (mut taken, mut in_vain) = (Vec::new(), 0);
        for position in 0..self.priority.len() {
            let row = self.priority[position];
            if self.holds[row] > self.turn {
                break;
            }
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

    /// What a counted text has before anything is added.
    fn sum(&self, whole: &Counted) -> Sum {
        let tokens = if whole.rows.is_empty() { self.fixed.ends } else { whole.tokens };
        let mut sum = Sum { tokens, count: whole.rows.len(), ..Sum::default() };
        for &row in &whole.rows {
            sum.has_heading[self.tier(row)] = true;
        }
        sum
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
