//! What a ranking is made of.

use super::duplicates::DuplicateRule;
use super::normalise::Normalisation;
use super::pack::Packer;
use super::value::{Freshness, Shape};
use crate::error::Error;
use crate::settings::{Settings, Weights};
use crate::tier::Tier;

/// What the terms are put together into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `relevance * w_r + importance * w_i + freshness * w_f`, the documented formula.
    Weighted(Weights),
    /// `z(relevance + lexical) + importance * w_i + freshness * w_f`: in standard deviations of the match,
    /// read as a logarithm. The weights are how many deviations the best importance or freshness is worth;
    /// that of relevance is not looked at.
    Evidence(Weights),
}

/// Options of a ranking. Each part works with either kind.
#[derive(Clone, Debug, PartialEq)]
pub struct RankingOptions {
    /// How the terms become a score.
    pub kind: Kind,
    /// How relevance, and BM25 beside it, are made comparable.
    pub normalisation: Normalisation,
    /// Weight of the normalised BM25 beside the normalised relevance, at least 0; 0: texts are not read.
    pub lexical_weight: f64,
    /// How freshness falls.
    pub freshness: Freshness,
    /// Share of the neighbours in a score, 0 to 1.
    pub smoothing: f64,
    /// Exponent of the cost, at least 0: 0 is the score order, 1 the density.
    pub cost_exponent: f64,
    /// Whatever costs less is taken to cost so many tokens, at least 1.
    pub cost_floor: u64,
    /// Whether a candidate drops the one it names as replaced.
    pub supersession: bool,
    /// The least relevance as given, before it is normalised, or none. In [`Kind::Evidence`] a relevance
    /// that is not known passes.
    pub relevance_gate: Option<f64>,
    /// The least score, or none.
    pub minimum_score: Option<f64>,
    /// Which repetitions are passed over while packing.
    pub duplicates: DuplicateRule,
    /// The lambda of maximal marginal relevance, 0 to 1, or none.
    pub diversity: Option<f64>,
    /// How tiers are filled.
    pub packer: Packer,
}

impl RankingOptions {
    /// The documented formula of a workspace and nothing else.
    #[must_use]
    pub fn weighted(settings: &Settings) -> Self {
        Self {
            kind: Kind::Weighted(settings.weights),
            normalisation: Normalisation::None,
            lexical_weight: 0.0,
            freshness: Freshness {
                shape: Shape::Exponential,
                floor: 0.0,
                half_life_hours: [settings.freshness_half_life_hours; Tier::COUNT],
            },
            smoothing: 0.0,
            cost_exponent: 0.0,
            cost_floor: 32,
            supersession: false,
            relevance_gate: None,
            minimum_score: None,
            duplicates: DuplicateRule::default(),
            diversity: None,
            packer: Packer::Greedy,
        }
    }

    /// What keeps most evidence without having been fitted to any.
    #[must_use]
    pub fn evidence() -> Self {
        Self {
            kind: Kind::Evidence(Weights { relevance: 1.0, importance: 0.25, freshness: 0.0 }),
            normalisation: Normalisation::Z,
            lexical_weight: 0.5,
            freshness: Freshness {
                shape: Shape::Exponential,
                floor: 0.0,
                half_life_hours: [720.0; Tier::COUNT],
            },
            smoothing: 0.3,
            cost_exponent: 1.0,
            cost_floor: 32,
            supersession: true,
            relevance_gate: None,
            minimum_score: None,
            duplicates: DuplicateRule { exact: true, near: None },
            diversity: None,
            packer: Packer::Greedy,
        }
    }

    /// Whether the score is that of the documented formula, and so clamped to 0..=1.
    #[must_use]
    pub fn is_formula(&self) -> bool {
        matches!(self.kind, Kind::Weighted(_))
            && self.normalisation == Normalisation::None
            && self.lexical_weight == 0.0
    }

    /// Whether the greatest keys are taken, and not what is best together.
    #[must_use]
    pub fn is_by_key(&self) -> bool {
        self.packer == Packer::Greedy && self.diversity.is_none()
    }

    /// Which repetitions no text may hold. A knapsack does not look for any.
    #[must_use]
    pub fn watched(&self) -> DuplicateRule {
        if self.packer == Packer::Knapsack { DuplicateRule::default() } else { self.duplicates }
    }

    /// The same order of all that is not replaced: nobody is left out for what it is worth, for what it
    /// says, or for what is taken with it.
    #[must_use]
    pub fn of_all(&self) -> Self {
        Self {
            relevance_gate: None,
            minimum_score: None,
            duplicates: DuplicateRule::default(),
            diversity: None,
            packer: Packer::Greedy,
            ..self.clone()
        }
    }

    /// Refuses what nothing can be computed from.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first number out of range.
    pub fn check(&self) -> Result<(), Error> {
        const NON_NEGATIVE: &str = "a finite number of at least 0";
        const SHARE: &str = "a number from 0 to 1";
        const POSITIVE: &str = "a finite number above 0";
        let (Kind::Weighted(weights) | Kind::Evidence(weights)) = self.kind;
        let is_share = |value: f64| (0.0..=1.0).contains(&value);
        let is_non_negative = |value: f64| value.is_finite() && value >= 0.0;
        let [working, project, long_term, rag] = self.freshness.half_life_hours;
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let numbers = [
            (
                "importance_weight",
                weights.importance,
                is_non_negative(weights.importance),
                NON_NEGATIVE,
            ),
            (
                "freshness_weight",
                weights.freshness,
                is_non_negative(weights.freshness),
                NON_NEGATIVE,
            ),
            (
                "lexical_weight",
                self.lexical_weight,
                is_non_negative(self.lexical_weight),
                NON_NEGATIVE,
            ),
            ("smoothing", self.smoothing, is_share(self.smoothing), SHARE),
            (
                "cost_exponent",
                self.cost_exponent,
                is_non_negative(self.cost_exponent),
                NON_NEGATIVE,
            ),
            ("cost_floor", self.cost_floor as f64, self.cost_floor >= 1, "at least 1"),
            ("freshness_floor", self.freshness.floor, is_share(self.freshness.floor), SHARE),
            ("freshness_half_life_hours[working]", working, positive(working), POSITIVE),
            ("freshness_half_life_hours[project]", project, positive(project), POSITIVE),
            ("freshness_half_life_hours[long_term]", long_term, positive(long_term), POSITIVE),
            ("freshness_half_life_hours[rag]", rag, positive(rag), POSITIVE),
        ];
        let optional = [
            (
                "relevance_gate",
                self.relevance_gate,
                f64::is_finite as fn(f64) -> bool,
                "a finite number",
            ),
            ("minimum_score", self.minimum_score, f64::is_finite, "a finite number"),
            ("diversity", self.diversity, |value| (0.0..=1.0).contains(&value), SHARE),
        ];
        for (field, value, is_accepted, accepted) in numbers {
            if !is_accepted {
                return Err(Error::Setting { field, value, accepted });
            }
        }
        for (field, value, is_accepted, accepted) in optional {
            if let Some(value) = value
                && !is_accepted(value)
            {
                return Err(Error::Setting { field, value, accepted });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_presets_can_be_used() {
        assert_eq!(RankingOptions::evidence().check(), Ok(()));
        let weighted = RankingOptions::weighted(&Settings::default());
        assert_eq!(weighted.check(), Ok(()));
        assert!(weighted.is_formula() && !RankingOptions::evidence().is_formula());
    }

    #[test]
    fn impossible_numbers_are_named() {
        let evidence = RankingOptions::evidence;
        for (options, field) in [
            (RankingOptions { smoothing: 1.5, ..evidence() }, "smoothing"),
            (RankingOptions { cost_floor: 0, ..evidence() }, "cost_floor"),
            (RankingOptions { lexical_weight: f64::NAN, ..evidence() }, "lexical_weight"),
            (RankingOptions { diversity: Some(-0.1), ..evidence() }, "diversity"),
            (RankingOptions { minimum_score: Some(f64::INFINITY), ..evidence() }, "minimum_score"),
        ] {
            assert!(options.check().unwrap_err().to_string().starts_with(field));
        }
    }
}
