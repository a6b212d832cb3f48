//! Allocating and evaluating over a pool.

use memory_budget_core::complexity::Level;
use memory_budget_core::decay::NO_TIME;
use memory_budget_core::error::Error;
use memory_budget_core::limits::Limits;
use memory_budget_core::pool::{Access, Evaluation, Gathered, Missing, Moved, PoolPlan, Query};
use memory_budget_core::promotion::{Ladder, Move};
use memory_budget_core::ranking::{Kind, plan_ranked};
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::MAX_COUNT;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::allocation::Holder;
use crate::call::{Among, Call, Outcome};
use crate::counting::Counting;
use crate::datetime;
use crate::errors::{Owner, Refusal};
use crate::gateway;
use crate::item::preview_of;
use crate::pool::INTERRUPT_EVERY;
use crate::pool_row::{self, View};
use crate::pool_words::Found;
use crate::promotion::{Recommendations, tiers as tier_list};
use crate::ranking::{CallRanking, Known};
use crate::receipts::Kept;
use crate::record::{Created, Entry};
use crate::relevance::{self, Resident};
use crate::rendering::Described;

/// Decides over the rows of a pool. Of the selected memories alone, accesses and the time of the last
/// one are written.
pub fn allocate(py: Python<'_>, pool: &Resident<'_, '_>, call: &Call<'_>) -> PyResult<Outcome> {
    let &Call { ref options, level, now_us, .. } = call;
    let missing = options.missing_relevance.as_ref().map_or(Ok(Missing::Zero), missing)?;
    let version = options.relevance_version.as_ref().map(version).transpose()?;
    let wanted_tiers = wanted_tiers(options.tiers.as_ref())?;
    let (view, given) = relevance::read(pool, options.relevance.as_ref(), version, missing)?;
    let user = options.user_id.as_ref().map(|user| user_number(&view, user)).transpose()?;
    let rows = &*view.rows;
    let counting = call.counting();
    let counts = match counting {
        Counting::Estimate { .. } => None,
        Counting::Texts(_) => {
            let count = |numbers: &[u32]| count(py, &view, counting, numbers);
            Some(rows.counts(counting.counter(), count)?)
        }
    };
    let stored = Query {
        counts: counts.as_ref(),
        user,
        tiers: wanted_tiers,
        limits: call.limits,
        ..Query::new(&call.settings, level, now_us)
    };
    let by_ranking = match &call.ranking {
        None => None,
        Some(ranking) => Some(given.with(|relevance| {
            let mut query = stored;
            query.relevance = relevance;
            RankedRows::new(py, &view, &query, ranking)
        })?),
    };
    let decide = |settings: &_, limits: &_, among| match &by_ranking {
        None => given.with(|relevance| {
            let mut query = stored;
            (query.relevance, query.settings, query.limits) = (relevance, settings, *limits);
            gateway::run_over_rows(py, rows.rows(), || query.plan(rows))
        }),
        Some(ranked) => {
            let plan = || ranked.plan(settings, limits, level, among, now_us);
            gateway::run_over_rows(py, rows.rows(), plan)
        }
    };
    let planned = decide(&call.settings, &call.limits, Among::Admitted);
    let planned = planned.map_err(|error| call.refused(py, &error))?;
    let described = call.rendering.describe(
        py,
        planned.plan,
        call,
        |settings, limits, among| decide(settings, limits, among).map(|wider| wider.plan),
        |selected, entries| describe(py, &view, selected.index, entries),
        true,
        |text| text,
        |row| by_ranking.as_ref().and_then(|ranked| ranked.found.terms[row as usize].as_deref()),
    )?;
    let Described { plan, mut entries, cut, .. } = described;
    let kept = if call.receipts {
        let considered = given.with(|relevance| {
            let mut query = stored;
            query.relevance = relevance;
            let unknown = call.ranking.as_ref().map_or(0.0, |it| unknown_relevance(it));
            gateway::run_over_rows(py, rows.rows(), || query.considered(rows, unknown))
        });
        let all = || {
            let mut entries = Vec::with_capacity(considered.eligible());
            let rows = (0..considered.eligible()).map(|place| considered.row(place));
            let texts = rows.map(|row| describe(py, &view, row, &mut entries));
            let texts = texts.collect::<PyResult<Vec<_>>>()?;
            PyResult::Ok(entries.into_iter().zip(texts).collect())
        };
        let shown = call.shows_all().then(all).transpose()?;
        let known = by_ranking.map(|it| Known::of_pool(it.found, it.gathered.numbers));
        Some(Kept { considered, known, ids: None, shown })
    } else {
        None
    };
    // The last chance for Ctrl-C: from here to the end no signal handler runs.
    py.check_signals()?;
    for (entry, selected) in entries.iter_mut().zip(&plan.selected) {
        if call.dry_run {
            let count = view.access(py, selected.index).count;
            entry.access_count = (count + 1).min(MAX_COUNT);
            continue;
        }
        entry.access_count =
            view.rows.count_access(selected.index, now_us).unwrap_or_else(|Moved| {
                let id = view.id(py, selected.index).into_bound(py);
                let is_it = |payload: &_| pool_row::same(payload, &id);
                let count = view.pool.count_moved(pool_row::hash(&id), is_it, now_us);
                count.unwrap_or(1) // removed meanwhile: this was its last selection
            });
    }
    let non_finite = planned.non_finite.map(|found| {
        let row = u32::try_from(found.first_index).unwrap_or(u32::MAX);
        (found.count, view.id(py, row), found.first_field)
    });
    Ok(Outcome { plan, entries, holder: Holder::Pool(view), kept, cut, non_finite })
}

/// Candidates of a pool with what another ranking than the documented formula decides from.
struct RankedRows<'a> {
    ranking: &'a CallRanking,
    found: Found,
    gathered: Gathered,
    /// Whether some relevance is one that nobody gave: that is not one that was no number.
    has_unknown: bool,
}

impl<'a> RankedRows<'a> {
    fn new(
        py: Python<'_>,
        view: &View,
        query: &Query<'_>,
        ranking: &'a CallRanking,
    ) -> PyResult<Self> {
        let rows = &*view.rows;
        let unknown = unknown_relevance(ranking);
        let gathered = gateway::run_over_rows(py, rows.rows(), || query.gather(rows, unknown));
        let found = view.words.of(py, view, &gathered, &ranking.query)?;
        Ok(Self { ranking, found, has_unknown: gathered.has_unknown(query), gathered })
    }

    fn plan(
        &self,
        settings: &Settings,
        limits: &Limits,
        level: Level,
        among: Among,
        now_us: i64,
    ) -> Result<PoolPlan, Error> {
        let candidates = self.gathered.candidates();
        let Found { terms, lexical, ties } = &self.found;
        let (signals, options) = (ties.signals(Some(lexical)), &*self.ranking.among(among));
        let terms = |candidate: u32| {
            let row = self.gathered.numbers[candidate as usize];
            terms[row as usize].as_deref()
        };
        let planned =
            plan_ranked(&candidates, settings, limits, level, &signals, options, now_us, terms)?;
        let (mut plan, non_finite) = (planned.plan, planned.non_finite);
        let mut non_finite = non_finite.filter(|_| !self.has_unknown);
        self.gathered.number(&mut plan, &mut non_finite);
        Ok(PoolPlan { plan, non_finite })
    }
}

/// What is not known is the mean to `evidence`, and nothing to the formula.
fn unknown_relevance(ranking: &CallRanking) -> f64 {
    match ranking.options.kind {
        Kind::Evidence(_) => f64::NAN,
        Kind::Weighted(_) => 0.0,
    }
}

/// Counts the texts of rows.
fn count(py: Python<'_>, view: &View, counting: &Counting, rows: &[u32]) -> PyResult<Vec<u64>> {
    py.check_signals()?;
    let empty = || intern!(py, "").clone();
    let text =
        |row: &u32| view.rows.payload(*row).map_or_else(empty, |it| it.text.bind(py).clone());
    let texts: Vec<_> = rows.iter().map(text).collect();
    counting.count(py, &texts).map_err(|failed| {
        let id = view.id(py, rows[failed.position]);
        failed.for_item(py, &Owner::Id(id.bind_borrowed(py)))
    })
}

fn missing(value: &Bound<'_, PyAny>) -> PyResult<Missing> {
    const NAMES: &str = "'zero' or 'exclude'";
    let refused = |refusal: Refusal| refusal.for_argument(value.py(), "missing_relevance", value);
    let name = value.cast::<PyString>().map_err(|_| refused(Refusal::of_type(NAMES)))?;
    match &*name.to_string_lossy() {
        "zero" => Ok(Missing::Zero),
        "exclude" => Ok(Missing::Exclude),
        _ => Err(refused(Refusal::of_value(NAMES))),
    }
}

fn version(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    let refused = |refusal: Refusal| refusal.for_argument(value.py(), "relevance_version", value);
    crate::fields::count(value).map_err(refused)
}

fn wanted_tiers(tiers: Option<&Bound<'_, PyAny>>) -> PyResult<[bool; Tier::COUNT]> {
    let Some(tiers) = tiers else { return Ok([true; Tier::COUNT]) };
    let mut wanted = [false; Tier::COUNT];
    for tier in tier_list(tiers, "tiers")? {
        wanted[tier.index()] = true;
    }
    Ok(wanted)
}

/// The number of a user; that of nobody for one who has no memory.
fn user_number(view: &View, user: &Bound<'_, PyAny>) -> PyResult<u32> {
    let refused = |_| Refusal::of_type("a str or None").for_argument(user.py(), "user_id", user);
    let known = view.users.find(user.cast::<PyString>().map_err(refused)?)?;
    Ok(known.unwrap_or(u32::MAX))
}

/// Adds what the record shows of a row, access count still to come; its text.
fn describe(
    py: Python<'_>,
    view: &View,
    number: u32,
    entries: &mut Vec<Entry>,
) -> PyResult<Py<PyString>> {
    let Some(payload) = view.rows.payload(number) else { unreachable!("a hole is never selected") };
    let timestamp_us = view.rows.timestamp_us(number);
    let text = payload.text.bind(py);
    let preview = preview_of(text)?;
    let created = if timestamp_us == NO_TIME {
        Created::Unknown
    } else if datetime::is_representable(timestamp_us) {
        Created::Utc(timestamp_us)
    } else {
        let kept = view.rows.extra(number).and_then(|extra| extra.timestamp(py));
        match kept {
            Some(kept) => Created::Own(kept.call_method0("isoformat")?.extract()?),
            None => Created::Unknown,
        }
    };
    let memory_id = Some(payload.memory_id.clone_ref(py));
    let preview = preview.unbind();
    entries.push(Entry { memory_id, preview, created, access_count: 0, is_cut: false });
    Ok(payload.text.clone_ref(py))
}

/// Scores the memories of a pool, computes and writes their promotion scores, and recommends moves.
pub fn evaluate_promotions<'py>(
    py: Python<'py>,
    pool: &Resident<'_, 'py>,
    settings: &Settings,
    ladder: Ladder,
    now_us: i64,
    relevance: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let (view, given) = relevance::read(pool, relevance, None, Missing::Zero)?;
    let rows = &*view.rows;
    let evaluate = |access: &(dyn Fn(u32) -> Access + Sync)| {
        let (mut scores, mut moves) = (Vec::with_capacity(rows.len()), Vec::new());
        let visit = |evaluation: Evaluation| {
            scores.push((evaluation.row, evaluation.score));
            if evaluation.step != Move::Stay {
                moves.push(evaluation);
            }
        };
        given.with(|relevance| {
            let query = Query { relevance, ..Query::new(settings, Level::Medium, now_us) };
            query.evaluate(rows, ladder, access, visit);
        });
        (scores, moves)
    };
    let is_current = || view.pool.snapshot().generation() == rows.generation();
    let mut evaluated = None;
    if is_current() {
        let in_place = |row| rows.access(row).unwrap_or(Access::NONE);
        let found = gateway::run_over_rows(py, rows.rows(), || evaluate(&in_place));
        // Rows may have got new numbers meanwhile; then their cells are looked for.
        evaluated = is_current().then_some(found);
    }
    let (scores, moves) = match evaluated {
        Some(evaluated) => evaluated,
        None => evaluate(&|row| Python::attach(|py| view.access(py, row))),
    };
    py.check_signals()?;
    let mut recommendations = Recommendations::new(py, settings)?;
    for (position, Evaluation { row, record, score, step }) in moves.iter().enumerate() {
        if position % INTERRUPT_EVERY == INTERRUPT_EVERY - 1 {
            gateway::pause(py)?;
        }
        recommendations.add(view.id(py, *row).bind(py), record, *score, *step)?;
    }
    let result = recommendations.finish(scores.len(), now_us)?;
    for (row, score) in scores {
        rows.set_promotion(row, score);
    }
    Ok(result)
}
