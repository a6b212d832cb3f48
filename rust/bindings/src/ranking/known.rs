//! What a ranking knows of the candidates beyond their columns: words, neighbours, replacements.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use memory_budget_core::candidates::Candidates;
use memory_budget_core::complexity::Level;
use memory_budget_core::error::Error;
use memory_budget_core::limits::Limits;
use memory_budget_core::ranking::lexical::bm25;
use memory_budget_core::ranking::smooth::{NONE, Neighbours};
use memory_budget_core::ranking::supersede::superseded;
use memory_budget_core::ranking::text::Terms;
use memory_budget_core::ranking::{RankedPlan, Signals, plan_ranked};
use memory_budget_core::receipt::KnownTexts;
use memory_budget_core::settings::Settings;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::CallRanking;
use crate::call::Among;
use crate::item::Links;
use crate::pool_words::Found;

/// What a ranking decides from beside the columns of candidates.
pub struct Known {
    words: Words,
    ties: Arc<Ties>,
}

enum Words {
    /// One per candidate, or nothing where texts do not count.
    Given(Vec<Arc<Terms>>),
    /// Those of a pool, by row; the rows of candidates; BM25 per candidate.
    Resident { terms: Arc<Vec<Option<Arc<Terms>>>>, rows: Vec<u32>, lexical: Vec<f64> },
}

/// What ties candidates to each other.
#[derive(Default)]
pub struct Ties {
    pub neighbours: Option<Neighbours>,
    pub superseded: Option<Vec<u32>>,
}

impl Known {
    /// `links` per candidate, or nothing where nobody is tied to anybody; `id` gives a candidate's id.
    pub fn new<'py>(
        terms: Vec<Arc<Terms>>,
        links: &[Option<Links>],
        py: Python<'py>,
        id: impl Fn(usize) -> PyResult<Bound<'py, PyString>>,
    ) -> PyResult<Self> {
        Ok(Self { words: Words::Given(terms), ties: Arc::new(Ties::of(links, py, id)?) })
    }

    /// What a pool knows of some of its rows.
    pub fn of_pool(found: Found, rows: Vec<u32>) -> Self {
        let Found { terms, lexical, ties } = found;
        Self { words: Words::Resident { terms, rows, lexical }, ties }
    }

    /// BM25 per candidate, unless texts do not count.
    pub fn lexical(&self, ranking: &CallRanking) -> Option<Cow<'_, [f64]>> {
        match &self.words {
            _ if ranking.options.lexical_weight == 0.0 => None,
            Words::Given(terms) if terms.is_empty() => None,
            Words::Given(terms) => {
                Some(Cow::Owned(bm25(&ranking.query, terms.iter().map(|terms| &**terms))))
            }
            Words::Resident { lexical, .. } => Some(Cow::Borrowed(lexical)),
        }
    }

    /// All of it, beside [`Self::lexical`].
    pub fn signals<'a>(&'a self, lexical: Option<&'a [f64]>) -> Signals<'a> {
        self.ties.signals(lexical)
    }

    /// The place of the candidate that replaces another, if one does.
    pub fn replaced_by(&self, place: usize) -> Option<usize> {
        let by = self.ties.superseded.as_ref()?[place];
        (by != NONE).then_some(by as usize)
    }

    /// Decides by a ranking.
    #[expect(clippy::too_many_arguments)] // those of a plan
    pub fn plan(
        &self,
        candidates: &Candidates<'_>,
        settings: &Settings,
        limits: &Limits,
        level: Level,
        ranking: &CallRanking,
        among: Among,
        now_us: i64,
    ) -> Result<RankedPlan, Error> {
        let options = &*ranking.among(among);
        let lexical = self.lexical(ranking);
        let signals = self.signals(lexical.as_deref());
        plan_ranked(candidates, settings, limits, level, &signals, options, now_us, |row| {
            self.terms(row)
        })
    }
}

impl KnownTexts for Known {
    fn terms(&self, place: u32) -> Option<&Terms> {
        let at = place as usize;
        match &self.words {
            Words::Given(terms) => terms.get(at).map(|terms| &**terms),
            Words::Resident { terms, rows, .. } => terms[rows[at] as usize].as_deref(),
        }
    }
}

impl Ties {
    /// With BM25 per candidate, where texts count.
    pub fn signals<'a>(&'a self, lexical: Option<&'a [f64]>) -> Signals<'a> {
        Signals {
            lexical,
            neighbours: self.neighbours.as_ref(),
            superseded: self.superseded.as_deref(),
        }
    }

    fn of<'py>(
        links: &[Option<Links>],
        py: Python<'py>,
        id: impl Fn(usize) -> PyResult<Bound<'py, PyString>>,
    ) -> PyResult<Self> {
        let mut ties = Self::default();
        if links.iter().flatten().any(|it| it.session_id.is_some() && it.position.is_some()) {
            let mut numbers = Numbers::default();
            let mut sessions = vec![NONE; links.len()];
            let mut positions = vec![0; links.len()];
            for (row, links) in links.iter().enumerate() {
                let Some(links) = links else { continue };
                let (Some(session), Some(position)) = (&links.session_id, links.position) else {
                    continue;
                };
                sessions[row] = numbers.of(session.bind(py))?;
                positions[row] = position.cast_signed(); // 2^53 - 1 at most
            }
            ties.neighbours = Some(Neighbours::of(&sessions, &positions));
        }
        if links.iter().flatten().any(|links| links.supersedes.is_some()) {
            let mut numbers = Numbers::default();
            let identity: Vec<u32> =
                (0..links.len()).map(|row| numbers.of(&id(row)?)).collect::<PyResult<_>>()?;
            let mut replaces = vec![NONE; links.len()];
            for (replaces, links) in replaces.iter_mut().zip(links) {
                if let Some(name) = links.as_ref().and_then(|links| links.supersedes.as_ref()) {
                    *replaces = numbers.known(name.bind(py))?.unwrap_or(NONE);
                }
            }
            ties.superseded = Some(superseded(&identity, &replaces));
        }
        Ok(ties)
    }
}

/// Numbers of different texts, in the order of their first appearance.
#[derive(Default)]
pub struct Numbers(HashMap<Vec<u8>, u32>);

impl Numbers {
    pub fn of(&mut self, text: &Bound<'_, PyString>) -> PyResult<u32> {
        let next = u32::try_from(self.0.len()).unwrap_or(NONE);
        Ok(*self.0.entry(bytes(text)?).or_insert(next))
    }

    fn known(&self, text: &Bound<'_, PyString>) -> PyResult<Option<u32>> {
        Ok(self.0.get(&bytes(text)?).copied())
    }
}

/// UTF-8, lone surrogates included: different texts have different bytes.
fn bytes(text: &Bound<'_, PyString>) -> PyResult<Vec<u8>> {
    if let Ok(text) = text.to_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let encode = intern!(text.py(), "encode");
    let class = text.py().get_type::<PyString>();
    class.call_method1(encode, (text, "utf-8", "surrogatepass"))?.extract()
}
