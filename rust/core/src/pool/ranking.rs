//! A snapshot's rows as a ranking: approximate scores in passes, exact ones on demand.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use super::chunk::{CHUNK, Chunk};
use super::cost::CostLimit;
use super::counts::CountColumn;
use super::forward_decay::{self, DecayColumn};
use super::query::Query;
use super::snapshot::Snapshot;
use crate::approximation::{Formula, Reach, guess_reach};
use crate::decay;
use crate::pack::{NOT_A_CANDIDATE, Ranking};
use crate::score::{combined, finite_or_zero};
use crate::settings::Settings;
use crate::tier::Tier;

/// Where a call's relevance comes from.
pub(super) trait Column {
    /// Shows `work` the nearest `f32` of each row's relevance; NaN or infinite where there is none.
    /// The rows, [`PIECE`] at most, lie within one chunk.
    fn near<R>(&self, rows: Range<usize>, work: impl FnOnce(&[f32]) -> R) -> R;

    /// The relevance as given.
    fn exact(&self, row: usize) -> f64;

    /// Appends the relevance of all rows of a chunk, as given.
    fn append_to(&self, rows: Range<usize>, values: &mut Vec<f64>);
}

/// Rows that are scored together.
const PIECE: usize = 1024;

impl Column for &[f32] {
    fn near<R>(&self, rows: Range<usize>, work: impl FnOnce(&[f32]) -> R) -> R {
        work(&self[rows])
    }

    fn exact(&self, row: usize) -> f64 {
        self[row].into()
    }

    fn append_to(&self, rows: Range<usize>, values: &mut Vec<f64>) {
        values.extend(self[rows].iter().map(|&value| f64::from(value)));
    }
}

impl Column for &[f64] {
    #[expect(clippy::cast_possible_truncation)] // rounding is accounted for
    fn near<R>(&self, rows: Range<usize>, work: impl FnOnce(&[f32]) -> R) -> R {
        let mut near = [0.0; PIECE];
        let near = &mut near[..rows.len()];
        for (near, &exact) in near.iter_mut().zip(&self[rows]) {
            *near = exact as f32;
        }
        work(near)
    }

    fn exact(&self, row: usize) -> f64 {
        self[row]
    }

    fn append_to(&self, rows: Range<usize>, values: &mut Vec<f64>) {
        values.extend_from_slice(&self[rows]);
    }
}

/// The relevance stored with the rows.
pub(super) struct Stored<'a, P, E>(pub &'a Snapshot<P, E>);

impl<P, E> Column for Stored<'_, P, E> {
    fn near<R>(&self, rows: Range<usize>, work: impl FnOnce(&[f32]) -> R) -> R {
        let (chunk, at) = (&self.0.chunks[rows.start / CHUNK], rows.start % CHUNK);
        match chunk.relevance() {
            Some(relevance) => work(&relevance.near()[at..at + rows.len()]),
            None => work(&[0.0; PIECE][..rows.len()]),
        }
    }

    fn exact(&self, row: usize) -> f64 {
        let relevance = self.0.chunks[row / CHUNK].relevance();
        relevance.map_or(0.0, |relevance| relevance.get(row % CHUNK))
    }

    fn append_to(&self, rows: Range<usize>, values: &mut Vec<f64>) {
        match self.0.chunks[rows.start / CHUNK].relevance() {
            Some(relevance) => relevance.append_to(values),
            None => values.resize(values.len() + rows.len(), 0.0),
        }
    }
}

/// A chunk with what the call computes once for it.
struct Prepared<'a, P, E> {
    chunk: &'a Chunk<P, E>,
    /// The decay of its rows and the call's factor; none where rows are scored exactly.
    decay: Option<(Arc<DecayColumn>, f32)>,
    /// The counts of its texts; none where they are estimated.
    counted: Option<&'a CountColumn>,
}

/// The rows of a snapshot that a query may take.
pub(super) struct PoolRanking<'a, P, E, C> {
    rows: usize,
    prepared: Vec<Prepared<'a, P, E>>,
    relevance: C,
    settings: &'a Settings,
    now_us: i64,
    user: Option<u32>,
    tiers: [bool; Tier::COUNT],
    formula: Formula,
    /// Whether a relevance was out of reach: it may have been NaN or infinite.
    seen_beyond: Cell<bool>,
}

/// Rows that are asked for their relevance to guess its range.
const SAMPLE: usize = 256;

impl<'a, P: Clone, E: Clone, C: Column> PoolRanking<'a, P, E, C> {
    pub fn new(snapshot: &'a Snapshot<P, E>, query: &Query<'a>, relevance: C) -> Self {
        let settings = query.settings;
        let step = (snapshot.rows / SAMPLE).max(1);
        let sample = (0..snapshot.rows).step_by(step).map(|row| relevance.exact(row));
        let mut reach = Reach { relevance: guess_reach(sample), importance: 0.0 };
        let (suits, half_life) = (Formula::suits(settings), settings.freshness_half_life_hours);
        let mut last = (0, 0.0);
        let mut prepared = Vec::with_capacity(snapshot.chunks.len());
        for (number, chunk) in snapshot.chunks.iter().enumerate() {
            let counted = query.counts.map(|counts| &*counts.columns[number]);
            let importance = chunk.summary().importance;
            let decay = (suits && importance.is_finite()).then(|| {
                let column = chunk.decay(half_life, query.now_us);
                // Chunks usually share the landmark, and then the factor.
                if last.1 == 0.0 || last.0 != column.landmark_us() {
                    last = (column.landmark_us(), column.factor(query.now_us));
                }
                reach.importance = reach.importance.max(importance);
                (column, last.1)
            });
            prepared.push(Prepared { chunk, decay, counted });
        }
        let formula = if suits {
            Formula::new(settings.weights, reach)
        } else {
            // Exact scores, rounded: a formula of weight one that has nothing to do but to round.
            Formula::rounding()
        };
        Self {
            rows: snapshot.rows,
            prepared,
            relevance,
            settings,
            now_us: query.now_us,
            user: query.user,
            tiers: query.tiers,
            formula,
            seen_beyond: Cell::new(false),
        }
    }

    /// Whether a component of some row may be NaN or infinite.
    pub fn may_have_non_finite(&self) -> bool {
        self.seen_beyond.get() || self.prepared.iter().any(|prepared| prepared.decay.is_none())
    }

    /// Relevance, importance, freshness and combined score of a row.
    pub fn components(&self, row: u32) -> [f64; 4] {
        let row = row as usize;
        let (chunk, at) = (self.prepared[row / CHUNK].chunk, row % CHUNK);
        let half_life = self.settings.freshness_half_life_hours;
        let relevance = finite_or_zero(self.relevance.exact(row));
        let importance = finite_or_zero(chunk.importance().get(at));
        let freshness = decay::freshness(chunk.decays_from(at), self.now_us, half_life);
        let score = combined(relevance, importance, freshness, self.settings.weights);
        [relevance, importance, freshness, score]
    }

    /// Relevance and importance of a row as given.
    pub fn raw(&self, row: usize) -> [f64; 2] {
        let importance = self.prepared[row / CHUNK].chunk.importance().get(row % CHUNK);
        [self.relevance.exact(row), importance]
    }

    /// Appends the relevance of all rows of a chunk, as given.
    pub fn append_relevance(&self, number: usize, values: &mut Vec<f64>) {
        let first = number * CHUNK;
        self.relevance.append_to(first..first + self.prepared[number].chunk.len(), values);
    }

    /// Appends what each row of a chunk costs, holes included.
    pub fn append_tokens(&self, number: usize, tokens: &mut Vec<u64>) {
        let Prepared { chunk, counted, .. } = &self.prepared[number];
        chunk.append_tokens(*counted, self.settings.tokens_per_char, tokens);
    }

    /// How many candidates each tier has.
    pub fn available(&self) -> [usize; Tier::COUNT] {
        let mut available = [0; Tier::COUNT];
        for (number, prepared) in self.prepared.iter().enumerate() {
            let members = if self.user.is_none() {
                prepared.chunk.summary().members
            } else {
                let mut tiers = [NOT_A_CANDIDATE; CHUNK];
                let tiers = &mut tiers[..prepared.chunk.len()];
                self.tiers_within(number, 0, tiers);
                Tier::ALL.map(|tier| crate::plan::count_equal(tiers, tier as u8))
            };
            for tier in Tier::ALL.into_iter().filter(|tier| self.tiers[tier.index()]) {
                available[tier.index()] += members[tier.index()];
            }
        }
        available
    }

    fn is_candidate(&self, row: u32) -> bool {
        self.tier(row) != NOT_A_CANDIDATE
    }

    /// Rows of pinned candidates, ascending.
    pub fn pinned(&self) -> Vec<u32> {
        let mut pinned = Vec::new();
        for (number, prepared) in self.prepared.iter().enumerate() {
            let chunk = prepared.chunk;
            if chunk.summary().has_pinned {
                let first = number * CHUNK;
                #[expect(clippy::cast_possible_truncation)] // no row has a higher number
                let rows = first as u32..(first + chunk.len()) as u32;
                let is_pinned = |row: &u32| chunk.is_pinned(*row as usize % CHUNK);
                pinned.extend(rows.filter(is_pinned).filter(|&row| self.is_candidate(row)));
            }
        }
        pinned
    }

    /// Tiers of rows of one chunk, with what is filtered out made no candidate.
    pub fn tiers_within(&self, number: usize, at: usize, tiers: &mut [u8]) {
        let chunk = self.prepared[number].chunk;
        chunk.copy_tiers(at, tiers);
        if let Some(user) = self.user {
            match chunk.users() {
                Some(users) => {
                    for (tier, &of) in tiers.iter_mut().zip(&users[at..]) {
                        *tier = if of == user { *tier } else { NOT_A_CANDIDATE };
                    }
                }
                None if user == 0 => {}
                None => tiers.fill(NOT_A_CANDIDATE),
            }
        }
        for excluded in Tier::ALL.into_iter().filter(|tier| !self.tiers[tier.index()]) {
            for tier in tiers.iter_mut() {
                *tier = if *tier == excluded as u8 { NOT_A_CANDIDATE } else { *tier };
            }
        }
    }

    /// Approximate scores of rows of one chunk.
    fn approximate_within(&self, number: usize, at: usize, scores: &mut [f32]) {
        let first = number * CHUNK + at;
        let rows = at..at + scores.len();
        if let Prepared { chunk, decay: Some((decay, factor)), .. } = &self.prepared[number] {
            let importance = &chunk.importance().near()[rows.clone()];
            let weights = &decay.weights()[rows];
            let within = self.relevance.near(first..first + scores.len(), |relevance| {
                forward_decay::approximate(
                    &self.formula,
                    [relevance, importance, weights],
                    *factor,
                    scores,
                )
            });
            if within {
                return;
            }
            self.seen_beyond.set(true);
        }
        #[expect(clippy::cast_possible_truncation)] // no row has a higher number
        for (row, score) in (first as u32..).zip(scores) {
            #[expect(clippy::cast_possible_truncation)] // rounding is within every bound
            let rounded = self.components(row)[3] as f32;
            *score = rounded;
        }
    }
}

/// Visits the parts of `values` that lie within one chunk each, with the chunk's number and the
/// place of the first one in it.
fn pieces<T>(start: usize, mut values: &mut [T], mut visit: impl FnMut(usize, usize, &mut [T])) {
    let mut start = start;
    while !values.is_empty() {
        let at = start % CHUNK;
        let (piece, rest) = values.split_at_mut(values.len().min(CHUNK - at).min(PIECE));
        start += piece.len();
        visit((start - piece.len()) / CHUNK, at, piece);
        values = rest;
    }
}

impl<P: Clone, E: Clone, C: Column> Ranking for PoolRanking<'_, P, E, C> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn approximate(&self, start: usize, scores: &mut [f32]) {
        pieces(start, scores, |number, at, scores| self.approximate_within(number, at, scores));
    }

    fn tiers(&self, start: usize, tiers: &mut [u8]) {
        pieces(start, tiers, |number, at, tiers| self.tiers_within(number, at, tiers));
    }

    fn tier(&self, row: u32) -> u8 {
        let (chunk, at) = (self.prepared[row as usize / CHUNK].chunk, row as usize % CHUNK);
        let wanted = |tier: &Tier| self.tiers[tier.index()];
        let of_user = |user| chunk.users().map_or(0, |users| users[at]) == user;
        match chunk.tier(at).filter(wanted) {
            Some(tier) if self.user.is_none_or(of_user) => tier as u8,
            _ => NOT_A_CANDIDATE,
        }
    }

    fn may_cost(&self, start: usize, most: u64, flags: &mut [u8]) {
        let limit = CostLimit::new(most, self.settings.tokens_per_char);
        pieces(start, flags, |number, at, flags| match &self.prepared[number] {
            Prepared { chunk, counted: None, .. } => chunk.may_cost(at, limit, flags),
            Prepared { chunk, counted: Some(counted), .. } => {
                chunk.may_count(at, most, counted, flags);
            }
        });
    }

    fn error_bound(&self) -> f64 {
        self.formula.error_bound()
    }

    fn exact(&self, row: u32) -> f64 {
        self.components(row)[3]
    }

    fn tokens(&self, row: u32) -> u64 {
        let Prepared { chunk, counted, .. } = &self.prepared[row as usize / CHUNK];
        let at = row as usize % CHUNK;
        match counted {
            Some(counted) => counted.tokens(at, chunk.cost(at)),
            None => chunk.cost(at).tokens(self.settings.tokens_per_char),
        }
    }

    fn least_tokens(&self, tier: Tier) -> u64 {
        let tokens_per_char = self.settings.tokens_per_char;
        let least = |prepared: &Prepared<'_, P, E>| {
            let summary = prepared.chunk.summary();
            match prepared.counted {
                Some(_) => summary.least_given(tier),
                None => summary.least_tokens(tier, tokens_per_char),
            }
        };
        self.prepared.iter().map(least).min().unwrap_or(0)
    }
}
