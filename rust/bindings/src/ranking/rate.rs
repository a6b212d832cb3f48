//! Rating columns without an allocation: what a ranking makes of candidates, term by term.

use memory_budget_core::budget::Bounds;
use memory_budget_core::candidates::Candidates;
use memory_budget_core::decay::NO_TIME;
use memory_budget_core::error::Error;
use memory_budget_core::ranking::lexical::{QueryWords, bm25};
use memory_budget_core::ranking::pack::pack;
use memory_budget_core::ranking::smooth::{NONE, Neighbours};
use memory_budget_core::ranking::supersede::superseded;
use memory_budget_core::ranking::text::Terms;
use memory_budget_core::ranking::{Explained, Signals, Verdict, rank};
use memory_budget_core::settings::{Settings, Weights};
use memory_budget_core::tier::Tier;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::options::options;
use crate::errors::ArgumentValueError;
use crate::vocabulary;

/// How a rating names what became of a candidate.
fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Kept => "kept",
        Verdict::Superseded => "superseded",
        Verdict::BelowGate => "below_gate",
        Verdict::BelowMinimum | Verdict::BelowCombined => "below_minimum",
    }
}

/// Columns of candidates as Python lists, checked by conversion alone.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Columns<'py> {
    text: Vec<Bound<'py, PyString>>,
    tier: Vec<Bound<'py, PyAny>>,
    relevance_score: Vec<f64>,
    importance_score: Vec<f64>,
    /// Microseconds since 1970 UTC, or None.
    timestamp: Vec<Option<i64>>,
    token_count: Vec<u64>,
    /// Equal numbers for the same session, or None.
    session: Vec<Option<u32>>,
    position: Vec<i64>,
    /// The number of a candidate's own id, and that of the id it replaces, or None.
    identity: Vec<u32>,
    replaces: Vec<Option<u32>>,
}

/// Rates candidates given as columns (a mapping of lists) and packs them, without any effect.
///
/// `weights` are those of the documented formula, `half_life_hours` its half-life; `now_us` is in
/// microseconds since 1970 UTC. Gives lists with a value for each candidate (bm25, terms with their weights
/// and values, cost, scores, keys, verdicts), the rows passed over as duplicates, and the rows taken per tier.
#[pyfunction]
#[expect(clippy::needless_pass_by_value)] // extracted for this call
#[pyo3(signature = (query, columns, ranking, budgets, now_us, weights, half_life_hours, /))]
pub fn rate_candidates<'py>(
    query: &Bound<'py, PyString>,
    columns: Columns<'py>,
    ranking: &Bound<'py, PyAny>,
    budgets: [u64; Tier::COUNT],
    now_us: i64,
    weights: (f64, f64, f64),
    half_life_hours: f64,
) -> PyResult<Bound<'py, PyDict>> {
    let py = query.py();
    let (relevance, importance, freshness) = weights;
    let settings = Settings {
        weights: Weights { relevance, importance, freshness },
        freshness_half_life_hours: half_life_hours,
        ..Settings::default()
    };
    let options = options(ranking, &settings)?
        .map_err(|refusal| refusal.for_argument(py, "ranking", ranking))?;
    let tiers = columns.tier.iter().map(|tier| {
        vocabulary::tier(tier).map_err(|refusal| refusal.for_argument(py, "tier", tier))
    });
    let tiers: Vec<Tier> = tiers.collect::<PyResult<_>>()?;
    let times: Vec<i64> = columns.timestamp.iter().map(|time| time.unwrap_or(NO_TIME)).collect();
    let numbers = |column: &[Option<u32>]| -> Vec<u32> {
        column.iter().map(|number| number.unwrap_or(NONE)).collect()
    };
    let refused = |error: Error| ArgumentValueError::new_err(error.to_string());
    let candidates = Candidates::new(
        &tiers,
        &columns.relevance_score,
        &columns.importance_score,
        &times,
        &columns.token_count,
    )
    .map_err(refused)?;
    let terms: Vec<Terms> =
        columns.text.iter().map(|text| Terms::of(&text.to_string_lossy())).collect();
    let lexical = bm25(&QueryWords::of(&query.to_string_lossy()), terms.iter());
    let neighbours = Neighbours::of(&numbers(&columns.session), &columns.position);
    let replaced = superseded(&columns.identity, &numbers(&columns.replaces));
    let signals = Signals {
        lexical: Some(&lexical),
        neighbours: Some(&neighbours),
        superseded: Some(&replaced),
    };
    let ranked = rank(&candidates, &signals, &options, now_us).map_err(refused)?;
    let bounds = Bounds { budgets, floors: [0; 4], caps: [u64::MAX; 4], available: None };
    let known = |row: u32| terms.get(row as usize);
    let packed = pack(&candidates, &ranked, &options, &bounds, None, known).map_err(refused)?;
    let rows = 0..candidates.len();
    let explain = |row| ranked.explain(row, &candidates, &signals, &options, now_us);
    let explained: Vec<Explained> = rows.clone().map(explain).collect();
    let result = PyDict::new(py);
    result.set_item("bm25", &lexical)?;
    let terms = |it: &Explained| {
        it.terms.iter().map(|term| (term.name, (term.weight, term.value))).collect::<Vec<_>>()
    };
    result.set_item("terms", explained.iter().map(terms).collect::<Vec<_>>())?;
    let cost = |it: &Explained| it.cost.map_or(0.0, |cost| cost.product());
    result.set_item("cost", explained.iter().map(cost).collect::<Vec<f64>>())?;
    result.set_item("scores", &ranked.scores)?;
    result.set_item("keys", &ranked.keys)?;
    let verdicts: Vec<&str> = rows.map(|row| verdict_name(ranked.verdict(row))).collect();
    result.set_item("verdicts", verdicts)?;
    let duplicates: Vec<u32> = packed.duplicates.iter().map(|(row, _)| *row).collect();
    result.set_item("duplicates", duplicates)?;
    result.set_item("taken", packed.taken.to_vec())?;
    Ok(result)
}
