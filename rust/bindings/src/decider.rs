//! What decided about the candidates of an allocation: it can decide again, and say how.

use std::borrow::Cow;
use std::cell::OnceCell;

use memory_budget_core::candidates::Candidates;
use memory_budget_core::complexity::Level;
use memory_budget_core::error::Error;
use memory_budget_core::limits::Limits;
use memory_budget_core::plan::{Plan, plan_within};
use memory_budget_core::ranking::pack::Packed;
use memory_budget_core::ranking::text::Terms;
use memory_budget_core::ranking::{Explained, Ranked, RankingOptions, Term, plan_rated, rate};
use memory_budget_core::receipt::{Considered, Judged, KnownTexts, Texts};
use memory_budget_core::score::finite_or_zero;
use memory_budget_core::settings::{Settings, Weights};
use pyo3::prelude::*;

use crate::allocation::Allocation;
use crate::call::Among;
use crate::errors::refused_by_core;
use crate::ranking::{CallRanking, Known};
use crate::receipts::Kept;

/// The candidates that were kept, and who decides about them.
pub struct Decider<'a> {
    considered: &'a Considered,
    candidates: Candidates<'a>,
    level: Level,
    now_us: i64,
    minimum_score: f64,
    weights: Weights,
    /// None for the documented formula.
    rated: Option<Rated<'a>>,
}

/// By another ranking: how it rated the candidates, which no budget changes, and what it took.
struct Rated<'a> {
    ranking: &'a CallRanking,
    known: &'a Known,
    lexical: Option<Cow<'a, [f64]>>,
    ranked: Ranked,
    /// The same among all, without any minimum.
    all: OnceCell<Ranked>,
    packed: Packed,
}

/// Bytes of text that are counted in the time in which one candidate is planned, roughly; in which two are
/// compared for diversity; and in which one is got ready for that.
const PLANNED: u64 = 8;
const COMPARED: u64 = 12;
const DESCRIBED: u64 = 130;

/// Candidates that are compared with each other for diversity, at most: see `ranking::pack`.
const MOST_DIVERSE: u64 = 512;

impl<'a> Decider<'a> {
    pub fn new(py: Python<'_>, allocation: &'a Allocation, kept: &'a Kept) -> PyResult<Self> {
        let refused = |error: Error| refused_by_core(py, &error, "");
        let (record, considered) = (&allocation.record, &kept.considered);
        let (settings, now_us) = (&allocation.settings, record.now_us);
        let limited = record.plan.limited.as_ref();
        let limits = limited.map_or(Limits::NONE, |limited| limited.limits);
        let mut decider = Self {
            considered,
            candidates: considered.candidates().map_err(refused)?,
            level: record.plan.level,
            now_us,
            minimum_score: limits.minimum_score,
            weights: settings.weights,
            rated: None,
        };
        if let (Some(ranking), Some(known)) = (&allocation.ranking, &kept.known) {
            let lexical = known.lexical(ranking);
            let options = &ranking.options;
            let ranked = decider.rate(options, known, lexical.as_deref(), settings, &limits);
            let mut rated = Rated {
                ranking,
                known,
                ranked: ranked.map_err(refused)?,
                lexical,
                all: OnceCell::new(),
                packed: Packed::default(),
            };
            rated.packed =
                decider.plan_rated(&rated, settings, &limits, Among::Admitted).map_err(refused)?.1;
            decider.rated = Some(rated);
        }
        Ok(decider)
    }

    fn rate(
        &self,
        options: &RankingOptions,
        known: &Known,
        lexical: Option<&[f64]>,
        settings: &Settings,
        limits: &Limits,
    ) -> Result<Ranked, Error> {
        let signals = known.signals(lexical);
        let minimum = limits.minimum_score;
        rate(&self.candidates, settings, minimum, &signals, options, self.now_us)
    }

    fn plan_rated(
        &self,
        rated: &Rated<'_>,
        settings: &Settings,
        limits: &Limits,
        among: Among,
    ) -> Result<(Plan, Packed), Error> {
        let Rated { ranking, known, lexical, ranked, all, .. } = rated;
        let (candidates, options) = (&self.candidates, &*ranking.among(among));
        let ranked = match all.get() {
            _ if among == Among::Admitted => ranked,
            Some(all) => all,
            None => {
                let rated = self.rate(options, known, lexical.as_deref(), settings, limits)?;
                all.get_or_init(|| rated)
            }
        };
        let terms = |place: u32| known.terms(place);
        plan_rated(candidates, settings, limits, self.level, ranked, options, self.now_us, terms)
    }

    /// What other settings and limits take, by place; and how much work it was, in bytes that are counted
    /// meanwhile.
    pub fn plan(
        &self,
        settings: &Settings,
        limits: &Limits,
        among: Among,
    ) -> Result<(Plan, u64), Error> {
        let count = self.candidates.len() as u64;
        let Some(rated) = &self.rated else {
            let (candidates, level, now_us) = (&self.candidates, self.level, self.now_us);
            let planned = plan_within(candidates, settings, limits, level, now_us)?;
            return Ok((planned.0, count * PLANNED));
        };
        let (plan, packed) = self.plan_rated(rated, settings, limits, among)?;
        let compared = count.min(MOST_DIVERSE) * plan.selected.len() as u64 * COMPARED;
        let compared = compared + count * DESCRIBED;
        let diverse = rated.ranking.options.diversity.map_or(0, |_| compared);
        let steps = packed.certificates.iter().flatten().map(|it| it.steps).sum::<u64>();
        Ok((plan, (count + steps) * PLANNED + diverse))
    }

    /// What the ranking knows of a text.
    pub fn terms(&self, place: u32) -> Option<&Terms> {
        self.rated.as_ref()?.known.terms(place)
    }

    /// Whether the greatest keys are taken, and not what is best together.
    pub fn is_by_key(&self) -> bool {
        self.rated.as_ref().is_none_or(|rated| rated.ranking.options.is_by_key())
    }

    pub fn judged(&self) -> Judged<'_> {
        let Some(Rated { ranking, known, ranked, packed, .. }) = &self.rated else {
            return Judged::by_formula(self.considered, self.minimum_score);
        };
        let rule = ranking.options.duplicates;
        let known: &dyn KnownTexts = *known;
        let texts = (!rule.is_off()).then_some(Texts { rule, known });
        Judged::by_ranking(self.considered, ranked, packed, texts)
    }

    /// The place of the candidate that replaces another.
    pub fn replaced_by(&self, place: usize) -> Option<usize> {
        self.rated.as_ref()?.known.replaced_by(place)
    }

    /// How a candidate came to its key. What was filtered has none but the documented score.
    pub fn explain(&self, place: usize) -> Explained {
        let considered = self.considered;
        if let Some(rated) = self.rated.as_ref().filter(|_| place < considered.eligible()) {
            let Rated { ranking, known, lexical, ranked, .. } = rated;
            let signals = known.signals(lexical.as_deref());
            let (candidates, options) = (&self.candidates, &ranking.options);
            return ranked.explain(place, candidates, &signals, options, self.now_us);
        }
        let term = |name, weight, given| {
            let value = finite_or_zero(given);
            Term { name, weight, value, given }
        };
        let score = considered.scores.combined[place];
        let terms = vec![
            term("relevance", self.weights.relevance, considered.relevance[place]),
            term("importance", self.weights.importance, considered.importance[place]),
            term("freshness", self.weights.freshness, considered.scores.freshness[place]),
        ];
        Explained { terms, score, cost: None, key: score }
    }
}
