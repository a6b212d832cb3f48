//! How a candidate came to its key, term by term.

use super::value::Cost;
use super::{Kind, Ranked, RankingOptions, Score, Signals};
use crate::candidates::Candidates;
use crate::score::finite_or_zero;

/// A part of a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term {
    /// What it stands for.
    pub name: &'static str,
    /// How much a step of the value is worth.
    pub weight: f64,
    /// As it counts: normalised, where a ranking normalises it.
    pub value: f64,
    /// Before it was normalised; not finite where nothing is known.
    pub given: f64,
}

impl Term {
    /// What it adds.
    #[must_use]
    pub fn product(&self) -> f64 {
        self.weight * self.value
    }
}

/// How one candidate came to its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// The parts of the score: `relevance` and `bm25`, with the weights that they have once the two are
    /// standardised together; `mean`, the mean of the two over all candidates, where it is not 0;
    /// `importance` and `freshness`; `clamp`, what the limits of a score take from it or add; `neighbours`,
    /// what those around it are better by. What has no weight is left out. They sum to the score, but for
    /// rounding.
    pub terms: Vec<Term>,
    /// The score.
    pub score: f64,
    /// What the cost adds to the score; none where costs do not count.
    pub cost: Option<Term>,
    /// What candidates are ordered by: the score, and what the cost adds.
    pub key: f64,
}

/// Parts of less than this share of a score are rounding.
const ROUNDING: f64 = 1e-9;

impl Ranked {
    /// How a candidate came to its key; the arguments are those of [`super::rank`].
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn explain(
        &self,
        row: usize,
        candidates: &Candidates<'_>,
        signals: &Signals<'_>,
        options: &RankingOptions,
        now_us: i64,
    ) -> Explained {
        let rules = Score { candidates, options, now_us };
        let (Kind::Weighted(weights) | Kind::Evidence(weights)) = options.kind;
        let given = candidates.relevance()[row];
        let (relevance, weight) = match options.kind {
            Kind::Weighted(weights) => (finite_or_zero(given), weights.relevance),
            Kind::Evidence(_) => (given, 1.0),
        };
        // Both are standardised together, by a straight line: its slope goes to the weights.
        let step = weight * self.matching.fused.slope().unwrap_or(0.0);
        let value = self.matching.relevance.one(row, relevance);
        let mut terms = vec![Term { name: "relevance", weight: step, value, given }];
        let mut both = value;
        if let (Some(normaliser), Some(bm25)) = (&self.matching.lexical, signals.lexical) {
            let (given, value) = (bm25[row], normaliser.one(row, bm25[row]));
            both += value * options.lexical_weight;
            terms.push(Term { name: "bm25", weight: step * options.lexical_weight, value, given });
        }
        let fused = self.matching.fused.one(row, both);
        let mean = both - weight * fused / step;
        if mean.is_finite() && mean.abs() > ROUNDING {
            terms.push(Term { name: "mean", weight: -step, value: mean, given: mean });
        }
        let [importance, given] = [rules.importance(row), candidates.importance()[row]];
        if weights.importance != 0.0 {
            let weight = weights.importance;
            terms.push(Term { name: "importance", weight, value: importance, given });
        }
        if weights.freshness != 0.0 {
            let (weight, value) = (weights.freshness, rules.freshness(row));
            terms.push(Term { name: "freshness", weight, value, given: value });
        }
        let alone = rules.of(row, fused);
        let sum = terms[1..].iter().fold(terms[0].product(), |sum, term| sum + term.product());
        let clamp = alone - sum;
        if !sum.is_finite() || clamp.abs() > ROUNDING * sum.abs().max(1.0) {
            terms.push(Term { name: "clamp", weight: 1.0, value: clamp, given: clamp });
        }
        if options.smoothing > 0.0 {
            let better_by = (self.scores[row] - alone) / options.smoothing;
            terms.push(Term {
                name: "neighbours",
                weight: options.smoothing,
                value: better_by,
                given: alone + better_by,
            });
        }
        Explained {
            terms,
            score: self.scores[row],
            cost: Cost::new(options.cost_exponent, options.cost_floor)
                .term(candidates.tokens()[row]),
            key: self.keys[row],
        }
    }
}
