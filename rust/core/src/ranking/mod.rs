//! Rankings: in which order candidates are tried.
//!
//! ```text
//! relevance ─► normalise ─┐
//! words ─► BM25 ─► normalise ─► fuse ─► score ─► smooth ─► key ─► pack
//! importance, freshness ────────────────┘
//! ```
//!
//! * [`words`] and [`text`] read a text once; [`lexical`] compares it with the query;
//! * [`normalise`] makes signals comparable within a call;
//! * [`smooth`] lets messages share in the scores of those around them;
//! * [`value`] sets a score against the cost: the order key;
//! * [`supersede`], gate and minimum leave candidates out; [`duplicates`] passes repetitions over;
//! * [`pack`] takes: by key ([`take`]), by true values ([`knapsack`]), or rather what differs
//!   ([`diversity`]).
//!
//! [`rank`] is the composition. With [`RankingOptions::weighted`] it is the documented formula, to the bit;
//! with [`RankingOptions::evidence`] it keeps more of what answers the query. All sums are in a fixed
//! order: the same input gives the same bits.

pub mod diversity;
pub mod duplicates;
mod explain;
pub mod knapsack;
pub mod lexical;
pub mod near;
pub mod normalise;
mod options;
pub mod pack;
mod plan;
pub mod smooth;
mod sums;
pub mod supersede;
pub mod take;
pub mod text;
pub mod value;
pub mod words;

pub use explain::{Explained, Term};
pub use options::{Kind, RankingOptions};
pub use plan::{RankedPlan, plan_ranked, plan_rated, rate};

use std::borrow::Cow;
use std::ops::Range;

use crate::candidates::Candidates;
use crate::error::Error;
use crate::score::{self, finite_or_zero};
use crate::settings::Weights;
use normalise::{Normalisation, Normaliser};
use smooth::{NONE, Neighbours, Sharing};
use sums::{Extremes, LANES, are_finite};
use value::Cost;

/// What is known of the candidates beyond their columns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signals<'a> {
    /// BM25 per candidate ([`lexical`]), or none where texts are not to count.
    pub lexical: Option<&'a [f64]>,
    /// Who stands next to whom, or none where nothing is in sequence.
    pub neighbours: Option<&'a Neighbours>,
    /// By whom each is replaced ([`supersede::superseded`]), or none.
    pub superseded: Option<&'a [u32]>,
}

/// Whether a candidate is tried at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Kept,
    /// Another candidate replaces it.
    Superseded,
    /// Its relevance lies below the gate.
    BelowGate,
    /// Its score lies below the minimum of the ranking.
    BelowMinimum,
    /// Its documented score lies below the minimum of the workspace.
    BelowCombined,
}

/// All candidates, rated.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// Score per candidate: any finite value, or 0..=1 for the documented formula.
    pub scores: Vec<f64>,
    /// Order key per candidate, greatest first; never NaN.
    pub keys: Vec<f64>,
    matching: Matching,
    /// Empty where everybody is tried.
    verdicts: Vec<Verdict>,
}

/// How relevance and words are put together.
#[derive(Clone, Debug)]
struct Matching {
    relevance: Normaliser,
    /// None where texts do not count.
    lexical: Option<Normaliser>,
    fused: Normaliser,
}

/// A relevance that a formula can add up.
fn given_relevance<'a>(candidates: &Candidates<'a>, options: &RankingOptions) -> Cow<'a, [f64]> {
    let relevance = candidates.relevance();
    match options.kind {
        Kind::Weighted(_) if !are_finite(relevance) => {
            Cow::Owned(relevance.iter().copied().map(finite_or_zero).collect())
        }
        _ => Cow::Borrowed(relevance),
    }
}

/// Rows that go through some steps together: what one writes is in the nearest cache for the next.
const TILE: usize = 64 * LANES;

fn tiles(rows: usize) -> impl Iterator<Item = Range<usize>> {
    (0..rows).step_by(TILE).map(move |first| first..rows.min(first + TILE))
}

impl Matching {
    /// Also gives the fused value of every candidate.
    fn of(
        candidates: &Candidates<'_>,
        lexical: Option<&[f64]>,
        options: &RankingOptions,
    ) -> (Self, Vec<f64>) {
        let given = given_relevance(candidates, options);
        let relevance = Normaliser::of(options.normalisation, &given);
        let lexical = lexical.filter(|_| options.lexical_weight > 0.0);
        let lexical = lexical.map(|bm25| (Normaliser::of(options.normalisation, bm25), bm25));
        let mut fused = Vec::with_capacity(given.len());
        let mut extremes = Extremes::NONE;
        let mut matches = [0.0; TILE];
        for rows in tiles(given.len()) {
            let first = rows.start;
            fused.extend_from_slice(&given[rows.clone()]);
            let tile = &mut fused[first..];
            relevance.apply(first, tile);
            if let Some((normaliser, bm25)) = &lexical {
                let matches = &mut matches[..rows.len()];
                matches.copy_from_slice(&bm25[rows]);
                normaliser.apply(first, matches);
                for (value, &matching) in tile.iter_mut().zip(&*matches) {
                    *value += matching * options.lexical_weight;
                }
            }
            extremes.see(tile);
        }
        // Once more: what a step of the score is worth must not depend on how many signals there
        // were or how much they agree.
        let again = match options.kind {
            Kind::Evidence(_) => Normalisation::Z,
            Kind::Weighted(_) => Normalisation::None,
        };
        let lexical = lexical.map(|(normaliser, _)| normaliser);
        let again = Normaliser::of_seen(again, &fused, &extremes);
        (Self { relevance, lexical, fused: again }, fused)
    }
}

/// Rates every candidate at the time `now_us`.
///
/// The statistics are those of all candidates of the call, of all tiers, those included that are not
/// tried. `options` are taken as checked.
///
/// # Errors
/// [`Error::ColumnLength`] if a signal has another length than the candidates.
pub fn rank(
    candidates: &Candidates<'_>,
    signals: &Signals<'_>,
    options: &RankingOptions,
    now_us: i64,
) -> Result<Ranked, Error> {
    signals.check(candidates.len())?;
    // One column throughout: the fused values become scores in their places.
    let (matching, mut scores) = Matching::of(candidates, signals.lexical, options);
    let score = Score { candidates, options, now_us };
    let mut extremes = Extremes::NONE;
    for rows in tiles(candidates.len()) {
        let tile = &mut scores[rows.clone()];
        matching.fused.apply(rows.start, tile);
        score.rate(rows.start, tile);
        extremes.see(tile);
    }
    let cost = Cost::new(options.cost_exponent, options.cost_floor);
    let mut keys = Vec::with_capacity(scores.len());
    if options.smoothing > 0.0 {
        let sharing = Sharing {
            scores: &scores,
            neighbours: signals.neighbours,
            weight: options.smoothing,
            lowest: extremes.least(),
        };
        let mut smoothed = Vec::with_capacity(scores.len());
        for rows in tiles(candidates.len()) {
            sharing.append(rows.clone(), &mut smoothed);
            cost.append(&smoothed[rows.start..], &candidates.tokens()[rows], &mut keys);
        }
        scores = smoothed;
    } else {
        cost.append(&scores, candidates.tokens(), &mut keys);
    }
    let verdicts = verdicts(candidates, signals, options, &scores);
    Ok(Ranked { scores, keys, matching, verdicts })
}

impl Signals<'_> {
    fn check(&self, expected: usize) -> Result<(), Error> {
        let lengths = [
            ("lexical", self.lexical.map(<[f64]>::len)),
            ("position", self.neighbours.map(Neighbours::len)),
            ("supersedes", self.superseded.map(<[u32]>::len)),
        ];
        for (column, length) in lengths {
            if let Some(length) = length
                && length != expected
            {
                return Err(Error::ColumnLength { column, length, expected });
            }
        }
        Ok(())
    }
}

/// The terms of one candidate's score.
struct Score<'a> {
    candidates: &'a Candidates<'a>,
    options: &'a RankingOptions,
    now_us: i64,
}

/// Scores do not go beyond it, so that sums and means of them stay finite.
const LARGEST: f64 = 1e300;

impl Score<'_> {
    fn freshness(&self, row: usize) -> f64 {
        let candidates = self.candidates;
        self.options.freshness.at(
            candidates.tier()[row],
            candidates.timestamp_us()[row],
            self.now_us,
        )
    }

    fn importance(&self, row: usize) -> f64 {
        let importance = self.candidates.importance()[row];
        match self.options.kind {
            Kind::Weighted(_) => finite_or_zero(importance),
            Kind::Evidence(_) => unit_importance(importance),
        }
    }

    fn of(&self, row: usize, fused: f64) -> f64 {
        let sum = match self.options.kind {
            Kind::Weighted(weights) if self.options.is_formula() => {
                return score::combined(fused, self.importance(row), self.freshness(row), weights);
            }
            Kind::Weighted(weights) => {
                fused * weights.relevance
                    + self.importance(row) * weights.importance
                    + self.freshness(row) * weights.freshness
            }
            Kind::Evidence(weights) => {
                let sum = fused + self.importance(row) * weights.importance;
                if weights.freshness == 0.0 {
                    sum
                } else {
                    sum + self.freshness(row) * weights.freshness
                }
            }
        };
        bounded(sum)
    }

    /// [`Self::of`] the fused values from row `first` on, in their places.
    fn rate(&self, first: usize, values: &mut [f64]) {
        match self.options.kind {
            // What `of` comes to there, in a loop that takes several rows at a time.
            Kind::Evidence(Weights { importance: weight, freshness: 0.0, .. }) => {
                let importance = &self.candidates.importance()[first..];
                for (value, &importance) in values.iter_mut().zip(importance) {
                    *value = bounded(*value + unit_importance(importance) * weight);
                }
            }
            _ => {
                for (row, value) in (first..).zip(values) {
                    *value = self.of(row, *value);
                }
            }
        }
    }
}

/// Importance where its weight says how much it can change, whatever scale somebody uses.
fn unit_importance(importance: f64) -> f64 {
    finite_or_zero(importance).clamp(0.0, 1.0)
}

fn bounded(sum: f64) -> f64 {
    if sum.is_nan() { 0.0 } else { sum.clamp(-LARGEST, LARGEST) }
}

fn verdicts(
    candidates: &Candidates<'_>,
    signals: &Signals<'_>,
    options: &RankingOptions,
    scores: &[f64],
) -> Vec<Verdict> {
    let superseded = signals.superseded.filter(|_| options.supersession);
    if superseded.is_none() && options.relevance_gate.is_none() && options.minimum_score.is_none() {
        return Vec::new();
    }
    let is_below_gate = |relevance: f64, gate: f64| match options.kind {
        Kind::Weighted(_) => finite_or_zero(relevance) < gate,
        Kind::Evidence(_) => relevance.is_finite() && relevance < gate,
    };
    scores
        .iter()
        .zip(candidates.relevance())
        .enumerate()
        .map(|(row, (&score, &relevance))| {
            if superseded.is_some_and(|by| by[row] != NONE) {
                Verdict::Superseded
            } else if options.relevance_gate.is_some_and(|gate| is_below_gate(relevance, gate)) {
                Verdict::BelowGate
            } else if options.minimum_score.is_some_and(|minimum| score < minimum) {
                Verdict::BelowMinimum
            } else {
                Verdict::Kept
            }
        })
        .collect()
}

impl Ranked {
    /// Whether a candidate is tried.
    #[must_use]
    pub fn verdict(&self, row: usize) -> Verdict {
        self.verdicts.get(row).copied().unwrap_or(Verdict::Kept)
    }

    /// Leaves out whose documented score lies below a minimum.
    fn leave_out_below(&mut self, minimum: f64, combined: &[f64]) {
        self.verdicts.resize(combined.len(), Verdict::Kept);
        for (verdict, &score) in self.verdicts.iter_mut().zip(combined) {
            if *verdict == Verdict::Kept && score < minimum {
                *verdict = Verdict::BelowCombined;
            }
        }
    }

    /// Per candidate, or nothing where all are tried.
    pub(crate) fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}
