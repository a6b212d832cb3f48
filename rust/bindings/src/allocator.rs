//! One allocation from a list of memories: read, decide, write.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use memory_budget_core::decay::{self, NO_TIME};
use memory_budget_core::plan::{Plan, plan};
use memory_budget_core::score::{Scores, combined, finite_or_zero};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::allocation::{Allocation, Holder};
use crate::complexity::{ComplexityScanner, query_text, signals};
use crate::datetime;
use crate::door::{
    self, Classes, ForeignReader, ForeignWriter, PendingCount, Snapshot, Source, TokenEstimate,
};
use crate::errors::ArgumentValueError;
use crate::fields;
use crate::gateway;
use crate::item::{Field, LastAccess, MemoryItem, preview_of};
use crate::record::{Created, Entry, Record};
use crate::token_mark::{Counter, TokenWord};
use crate::workspace;

/// Allocates token budgets over `memories` for `query`.
///
/// `config` is read and checked once; `config_scope` says where it came from; `now_us` is the time
/// of the call in microseconds since 1970 UTC. Everything is read before anything is written; on
/// an error nothing has changed.
#[pyfunction]
#[expect(clippy::too_many_arguments)]
pub fn allocate<'py>(
    query: &Bound<'py, PyAny>,
    memories: &Bound<'py, PyAny>,
    config: &Bound<'py, PyAny>,
    scanner: &Bound<'py, ComplexityScanner>,
    context: Option<&Bound<'py, PyAny>>,
    workspace_id: &Bound<'py, PyString>,
    project_id: Option<&Bound<'py, PyString>>,
    config_scope: &Bound<'py, PyString>,
    now_us: i64,
) -> PyResult<Allocation> {
    let py = query.py();
    let query = query_text(query)?;
    let level = scanner.get().level(query, &signals(context)?);
    let settings = workspace::settings(config)?;
    let estimate = TokenEstimate::new(settings.tokens_per_char);
    let memories = door::copied(memories, "available_memories")?;
    if u32::try_from(memories.len()).is_err() {
        return Err(ArgumentValueError::new_err("available_memories has more than 2^32 - 1 items"));
    }
    let snapshot = Snapshot::read(&memories, estimate)?;
    let columns =
        snapshot.columns().map_err(|error| ArgumentValueError::new_err(error.to_string()))?;
    let (plan, scores) =
        gateway::run(py, memories.len(), || plan(&columns, &settings, level, now_us));
    py.check_signals()?;
    // Everything a result shows is read before the first write: a failure changes nothing.
    let (mut entries, texts) = describe(py, &snapshot, &plan)?;
    let foreign_accesses = write(py, &snapshot, &plan, &scores, now_us, estimate.counter())?;
    for (entry, selected) in entries.iter_mut().zip(&plan.selected) {
        entry.access_count = match snapshot.sources[selected.index as usize] {
            Source::Own(item) => item.accesses(),
            Source::Foreign(place) => {
                foreign_accesses[&(snapshot.foreign[place].object.as_ptr() as usize)]
            }
        };
    }
    let non_finite = scores.non_finite.map(|found| {
        let memory_id = match &snapshot.sources[found.first_index] {
            Source::Own(item) => item.id(py),
            Source::Foreign(place) => snapshot.foreign[*place].memory_id.clone(),
        };
        (found.count, memory_id.unbind(), found.first_field)
    });
    let record = Record {
        plan,
        entries,
        query: query.clone().unbind(),
        workspace_id: workspace_id.clone().unbind(),
        project_id: project_id.map(|id| id.clone().unbind()),
        config_scope: config_scope.clone().unbind(),
        now_us,
        processing_ns: AtomicU64::new(0),
    };
    drop(snapshot);
    let holder = Holder::Items { memories: memories.unbind(), texts };
    let counter = estimate.counter();
    Ok(Allocation { record: Arc::new(record), holder, counter, non_finite })
}

/// Entries of the selected memories, access counts still to come, and their full texts.
fn describe(
    py: Python<'_>,
    snapshot: &Snapshot<'_, '_>,
    plan: &Plan,
) -> PyResult<(Vec<Entry>, Vec<Py<PyString>>)> {
    let mut entries = Vec::with_capacity(plan.selected.len());
    let mut texts = Vec::with_capacity(plan.selected.len());
    for selected in &plan.selected {
        let microseconds = snapshot.timestamp_us(selected.index);
        let (memory_id, text, preview, timestamp) = match snapshot.sources[selected.index as usize]
        {
            Source::Own(item) => {
                let shown = item.shown(py)?;
                (shown.memory_id, shown.text, shown.preview, shown.timestamp)
            }
            Source::Foreign(place) => {
                let foreign = &snapshot.foreign[place];
                let timestamp = foreign.timestamp.as_ref().map(|it| it.clone().unbind());
                let preview = preview_of(&foreign.text)?.unbind();
                let id = foreign.memory_id.clone().unbind();
                (id, foreign.text.clone().unbind(), preview, timestamp)
            }
        };
        let created = match timestamp {
            _ if microseconds == NO_TIME => Created::Unknown,
            Some(timestamp) if !datetime::is_representable(microseconds) => {
                Created::Own(timestamp.call_method0(py, "isoformat")?.extract(py)?)
            }
            _ => Created::Utc(microseconds),
        };
        let has_more = !preview.is(&text)
            && text.bind(py).code_point_len()? > preview.bind(py).code_point_len()?;
        entries.push(Entry { memory_id, preview, has_more, created, access_count: 0 });
        texts.push(text);
    }
    Ok((entries, texts))
}

/// Access counts of selected foreign objects after the call, by object address.
type ForeignAccesses = HashMap<usize, u64>;

/// What an own item was before this call wrote it; kept only where foreign objects come after.
struct OwnUndo {
    row: u32,
    freshness: f64,
    combined: f64,
    last_access: LastAccess,
    counted_accesses: u32,
    tokens: Option<TokenWord>,
}

/// Writes all effects: own items first, which cannot fail, then foreign objects. If one of those
/// raises, everything already written gets its old value back in reverse order.
fn write(
    py: Python<'_>,
    snapshot: &Snapshot<'_, '_>,
    plan: &Plan,
    scores: &Scores,
    now_us: i64,
    counter: Counter,
) -> PyResult<ForeignAccesses> {
    let access = LastAccess::written(now_us);
    let keep_undo = !snapshot.foreign.is_empty();
    let mut undo = if keep_undo { remember(snapshot) } else { Vec::new() };
    for (row, source) in snapshot.sources.iter().enumerate() {
        if let Source::Own(item) = source {
            item.freshness.store(scores.freshness[row]);
            item.combined.store(scores.combined[row]);
        }
    }
    for pending in &snapshot.pending_counts {
        if let Source::Own(item) = snapshot.sources[pending.row as usize] {
            let replaced = write_count(item, pending, snapshot.tokens(pending.row), counter);
            if keep_undo && replaced {
                undo[pending.row as usize].tokens = Some(pending.seen);
            }
        }
    }
    for selected in &plan.selected {
        if let Source::Own(item) = snapshot.sources[selected.index as usize] {
            let had_room = item.count_access();
            item.set_last_access(access);
            if keep_undo && had_room {
                undo[selected.index as usize].counted_accesses += 1;
            }
        }
    }
    if !keep_undo {
        return Ok(ForeignAccesses::new());
    }
    let mut writer = ForeignWriter::default();
    let written = write_foreign(py, snapshot, plan, scores, now_us, &mut writer);
    if written.is_err() {
        writer.undo();
        for step in undo.into_iter().rev() {
            let Source::Own(item) = snapshot.sources[step.row as usize] else { continue };
            take_back(item, &step, snapshot, scores, access, counter);
        }
    }
    written
}

fn remember(snapshot: &Snapshot<'_, '_>) -> Vec<OwnUndo> {
    let step = |(row, source): (usize, &Source<'_>)| {
        let blank = OwnUndo {
            row: u32::try_from(row).unwrap_or(u32::MAX),
            freshness: 0.0,
            combined: 0.0,
            last_access: LastAccess::NEVER,
            counted_accesses: 0,
            tokens: None,
        };
        match source {
            Source::Own(item) => OwnUndo {
                freshness: item.freshness.load(),
                combined: item.combined.load(),
                last_access: item.last_access(),
                ..blank
            },
            Source::Foreign(_) => blank,
        }
    };
    snapshot.sources.iter().enumerate().map(step).collect()
}

fn take_back(
    item: &MemoryItem,
    step: &OwnUndo,
    snapshot: &Snapshot<'_, '_>,
    scores: &Scores,
    access: LastAccess,
    counter: Counter,
) {
    let row = step.row as usize;
    item.freshness.replace(scores.freshness[row], step.freshness);
    item.combined.replace(scores.combined[row], step.combined);
    for _ in 0..step.counted_accesses {
        item.uncount_access();
    }
    if step.counted_accesses > 0 {
        item.undo_last_access(access, step.last_access);
    }
    if let Some(seen) = step.tokens {
        item.tokens.undo(snapshot.tokens(step.row), counter, seen);
    }
}

/// Stores a count made in this call, unless the text or the count changed since it was read.
fn write_count(item: &MemoryItem, pending: &PendingCount, tokens: u64, counter: Counter) -> bool {
    if !item.tokens.replace(pending.seen, tokens, counter) {
        return false;
    }
    let current = item.text_version() == pending.text_version;
    if !current {
        item.tokens.undo(tokens, counter, TokenWord::default());
    }
    current
}

fn write_foreign<'a, 'py>(
    py: Python<'py>,
    snapshot: &'a Snapshot<'_, 'py>,
    plan: &Plan,
    scores: &Scores,
    now_us: i64,
    writer: &mut ForeignWriter<'a, 'py>,
) -> PyResult<ForeignAccesses> {
    for (row, source) in snapshot.sources.iter().enumerate() {
        let Source::Foreign(place) = source else { continue };
        let foreign = &snapshot.foreign[*place];
        let (object, id) = (&foreign.object, &foreign.memory_id);
        if foreign.tokens_estimated {
            let tokens = snapshot.tokens(u32::try_from(row).unwrap_or(u32::MAX));
            writer.set(object, id, Field::TokenCount, tokens)?;
        }
        writer.set(object, id, Field::FreshnessScore, scores.freshness[row])?;
        writer.set(object, id, Field::CombinedScore, scores.combined[row])?;
    }
    let now = datetime::from_microseconds(py, now_us)?;
    let mut accesses = ForeignAccesses::new();
    for selected in &plan.selected {
        let Source::Foreign(place) = snapshot.sources[selected.index as usize] else { continue };
        let foreign = &snapshot.foreign[place];
        let (object, id) = (&foreign.object, &foreign.memory_id);
        // The same object may be selected twice: the last count is the one that stands.
        accesses.insert(object.as_ptr() as usize, writer.count_access(object, id)?);
        writer.set(object, id, Field::LastAccessed, now.clone_ref(py))?;
    }
    Ok(accesses)
}

/// Scores one memory at `now_us` and writes `freshness_score` and `combined_score` to it.
#[pyfunction]
pub fn calculate_score(
    item: &Bound<'_, PyAny>,
    config: &Bound<'_, PyAny>,
    now_us: i64,
) -> PyResult<f64> {
    let settings = workspace::settings(config)?;
    let score = |timestamp_us, relevance, importance| {
        let half_life = settings.freshness_half_life_hours;
        let freshness = decay::freshness(timestamp_us, now_us, half_life);
        let (relevance, importance) = (finite_or_zero(relevance), finite_or_zero(importance));
        (freshness, combined(relevance, importance, freshness, settings.weights))
    };
    if let Some(own) = Classes::default().own(item.as_borrowed())? {
        let (freshness, combined) =
            score(own.timestamp_us(), own.relevance.load(), own.importance.load());
        own.freshness.store(freshness);
        own.combined.store(combined);
        return Ok(combined);
    }
    let reader = ForeignReader::new(item, 0)?;
    let (freshness, combined) = score(
        reader.time(Field::Timestamp)?,
        reader.field(Field::RelevanceScore, fields::number)?,
        reader.field(Field::ImportanceScore, fields::number)?,
    );
    let mut writer = ForeignWriter::default();
    let written = writer
        .set(item, &reader.memory_id, Field::FreshnessScore, freshness)
        .and_then(|()| writer.set(item, &reader.memory_id, Field::CombinedScore, combined));
    if written.is_err() {
        writer.undo();
    }
    written.map(|()| combined)
}
