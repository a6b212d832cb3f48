//! One tier's way through its candidates, best first, while most of them are still out of sight.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::without_sorting::Ranking;

/// A candidate whose exact score nobody has asked for yet: its approximate score and its row in one
/// word, whose order is that of the scores, and the smaller row first among equals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting(u64);

const SIGN: u32 = 1 << 31;

/// Bits whose order is that of the numbers, for all but NaN.
fn ordered(approximate: f32) -> u32 {
    let bits = approximate.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

impl Waiting {
    fn new(approximate: f32, row: u32) -> Self {
        Self(u64::from(ordered(approximate)) << 32 | u64::from(!row))
    }

    /// Not above any candidate with that approximate score.
    fn least(approximate: f32) -> Self {
        Self(u64::from(ordered(approximate)) << 32)
    }

    #[expect(clippy::cast_possible_truncation)] // the two halves
    fn row(self) -> u32 {
        !(self.0 as u32)
    }

    fn approximate(self) -> f32 {
        let bits = (self.0 >> 32) as u32;
        f32::from_bits(if bits & SIGN == 0 { !bits } else { bits & !SIGN })
    }
}

/// Score bits, then row (the smaller first), then tokens. Scores are in 0.0..=1.0 and never -0.0,
/// so the order of the bits is that of the values.
type Scored = (u64, Reverse<u32>, u64);

/// Candidates asked for in vain, one by one, after which the rest of the tie is asked for at once; twice
/// as many the next time.
const PATIENCE: u32 = 64;
/// Candidates that room is made for ahead of a pass.
const MOST_ROOM: usize = 4096;
/// Misfits in a row after which everything that no longer fits is thrown out.
const MISFITS: u32 = 16;

/// Invariants, for the candidates of one tier that fit the rest of its budget:
///
/// * with an approximation at or above the ceiling they were taken, or they are in `scored`;
/// * from the floor up to the ceiling they are in `waiting` or `scored`, once a pass has ended;
/// * what lies below the floor scores `upper(floor)` at most.
///
/// So the best of `scored` is next in the exact order as soon as its score is above what anything
/// else can reach. Above, not equal: among equals the smaller row goes first, and that one may not
/// have been asked yet.
pub(super) struct Lane {
    rest: u64,
    least_tokens: u64,
    error_bound: f64,
    floor: f32,
    ceiling: f32,
    /// How many candidates a pass should leave above the floor, and with how many it is raised.
    keep: usize,
    limit: usize,
    waiting: Vec<Waiting>,
    scored: BinaryHeap<Scored>,
    taken: Vec<(u32, f64)>,
    finished: bool,
}

impl Lane {
    pub fn new(budget: u64, least_tokens: u64, error_bound: f64) -> Self {
        let mut lane = Self {
            rest: budget,
            least_tokens,
            error_bound,
            floor: f32::NEG_INFINITY,
            ceiling: f32::INFINITY,
            keep: 1,
            limit: 2,
            waiting: Vec::new(),
            scored: BinaryHeap::new(),
            taken: Vec::new(),
            finished: false,
        };
        lane.finish_if_full();
        lane
    }

    /// Prepares the first pass.
    pub fn start(&mut self, keep: usize, floor: f32) {
        if !self.finished {
            self.keep = keep;
            self.limit = keep.saturating_mul(3);
            self.floor = floor;
            self.waiting.reserve(keep.saturating_mul(2).min(MOST_ROOM));
        }
    }

    pub fn is_finished(&self) -> bool {
        self.finished
    }

    pub fn rest(&self) -> u64 {
        self.rest
    }

    pub fn floor(&self) -> f32 {
        self.floor
    }

    pub fn ceiling(&self) -> f32 {
        self.ceiling
    }

    pub fn into_taken(self) -> Vec<(u32, f64)> {
        self.taken
    }

    /// Takes in a candidate of the pass; raises the floor when there are far more than needed.
    pub fn push(&mut self, approximate: f32, row: u32) {
        if approximate < self.floor {
            return; // the floor rose since the block was looked at
        }
        self.waiting.push(Waiting::new(approximate, row));
        if self.waiting.len() >= self.limit {
            self.raise();
        }
    }

    fn raise(&mut self) {
        let drop = self.waiting.len() - self.keep;
        let (_, last, _) = self.waiting.select_nth_unstable(drop);
        // Two bounds lower: then everything from `last` upward can be decided without a look at
        // what lies below the floor.
        let floor = below(f64::from(last.approximate()) - 2.0 * self.error_bound);
        if floor > self.floor {
            self.floor = floor;
            let lowest = Waiting::least(floor);
            self.waiting.retain(|candidate| *candidate >= lowest);
        }
        // Ties stay together, however many they are.
        self.limit = self.limit.max(self.waiting.len().saturating_mul(2));
    }

    /// What a candidate can score at most.
    fn upper(&self, approximate: f32) -> f64 {
        (f64::from(approximate) + self.error_bound).clamp(0.0, 1.0)
    }

    /// Takes note that no candidate costs less.
    pub fn learn(&mut self, least_tokens: u64) {
        self.least_tokens = least_tokens;
        self.finish_if_full();
    }

    fn finish_if_full(&mut self) {
        if self.rest < self.least_tokens {
            self.finish();
        }
    }

    fn finish(&mut self) {
        self.finished = true;
        self.floor = f32::INFINITY;
        self.waiting = Vec::new();
        self.scored = BinaryHeap::new();
    }

    /// After a pass: takes whatever is certain to be next, until the budget is used up or the next
    /// one may lie below the floor.
    pub fn take<R: Ranking>(&mut self, ranking: &R) {
        if self.finished {
            return;
        }
        if R::EXACT_IS_KNOWN {
            let waiting = std::mem::take(&mut self.waiting);
            self.ask(ranking, waiting);
        }
        let unseen = (self.floor > f32::NEG_INFINITY).then(|| self.upper(self.floor));
        let mut waiting = BinaryHeap::from(std::mem::take(&mut self.waiting));
        let (mut in_vain, mut patience, mut misfits) = (0, PATIENCE, 0);
        while !self.finished {
            let next = waiting.peek().map(|candidate| self.upper(candidate.approximate()));
            let reachable = next.max_by_value(unseen);
            if let Some(&(bits, Reverse(row), tokens)) = self.scored.peek()
                && reachable.is_none_or(|reachable| f64::from_bits(bits) > reachable)
            {
                self.scored.pop();
                in_vain = 0;
                if ranking.fits(row, tokens, self.rest) {
                    self.rest -= tokens;
                    self.taken.push((row, f64::from_bits(bits)));
                    ranking.took(row, tokens);
                    misfits = 0;
                    self.finish_if_full();
                } else {
                    misfits += 1;
                }
            } else if let Some(candidate) = waiting.pop() {
                let tokens = ranking.tokens(candidate.row());
                if ranking.fits(candidate.row(), tokens, self.rest) {
                    in_vain += 1;
                    self.scored.push(scored(ranking, candidate, tokens));
                } else {
                    misfits += 1;
                }
            } else {
                break;
            }
            if misfits > MISFITS {
                misfits = 0;
                let rest = self.rest;
                waiting.retain(|candidate| {
                    ranking.fits(candidate.row(), ranking.tokens(candidate.row()), rest)
                });
                self.scored.retain(|&(_, Reverse(row), tokens)| ranking.fits(row, tokens, rest));
            }
            if in_vain > patience {
                in_vain = 0;
                patience = patience.saturating_mul(2);
                waiting = self.ask_ties(ranking, waiting);
            }
        }
        if !self.finished && unseen.is_none() {
            self.finish();
        }
    }

    /// Asks all at once for the exact scores of those that cannot be told from the best waiting.
    fn ask_ties(
        &mut self,
        ranking: &impl Ranking,
        waiting: BinaryHeap<Waiting>,
    ) -> BinaryHeap<Waiting> {
        let Some(best) = waiting.peek() else { return waiting };
        let band = Waiting::least(below(f64::from(best.approximate()) - 4.0 * self.error_bound));
        let is_tied = |candidate: &Waiting| *candidate >= band;
        let (tied, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_tied);
        self.ask(ranking, tied);
        BinaryHeap::from(rest)
    }

    /// Asks candidates for their exact scores and costs.
    fn ask(&mut self, ranking: &impl Ranking, candidates: Vec<Waiting>) {
        let all = candidates.into_iter();
        let with_tokens = all.map(|candidate| (candidate, ranking.tokens(candidate.row())));
        let fitting = with_tokens.filter(|(it, tokens)| ranking.fits(it.row(), *tokens, self.rest));
        let scored = fitting.map(|(candidate, tokens)| scored(ranking, candidate, tokens));
        self.scored.extend(scored);
    }

    /// Prepares a further pass over what lies below, with more room.
    pub fn widen(&mut self, factor: usize) {
        if !self.finished {
            self.ceiling = self.floor;
            self.floor = f32::NEG_INFINITY;
            self.keep = self.keep.saturating_mul(factor);
            self.limit = self.keep.saturating_mul(3);
        }
    }
}

/// The larger of two bounds, of which either may be absent.
trait MaxByValue {
    fn max_by_value(self, other: Self) -> Self;
}

impl MaxByValue for Option<f64> {
    fn max_by_value(self, other: Self) -> Self {
        match (self, other) {
            (Some(one), Some(another)) => Some(one.max(another)),
            (one, another) => one.or(another),
        }
    }
}

fn scored(ranking: &impl Ranking, candidate: Waiting, tokens: u64) -> Scored {
    (ranking.exact(candidate.row()).to_bits(), Reverse(candidate.row()), tokens)
}

/// A float that is surely not above `value`.
#[expect(clippy::cast_possible_truncation)]
fn below(value: f64) -> f32 {
    (value as f32).next_down()
}
