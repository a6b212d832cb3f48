//! One allocation: a door is chosen; the one for lists of memories reads, decides and writes here.

use std::collections::HashMap;

use memory_budget_core::complexity::Level;
use memory_budget_core::decay::{self, NO_TIME};
use memory_budget_core::memory::LastAccess;
use memory_budget_core::plan::{Plan, plan};
use memory_budget_core::score::{Scores, combined, finite_or_zero};
use memory_budget_core::settings::Settings;
use memory_budget_core::token_cell::{Counter, TokenWord};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::allocation::{Allocation, Holder};
use crate::call::{Call, Outcome};
use crate::columns;
use crate::complexity::ComplexityScanner;
use crate::datetime;
use crate::door::{
    self, Classes, ForeignReader, ForeignWriter, Snapshot, Source, TokenEstimate,
};
use crate::errors::ArgumentValueError;
use crate::fields;
use crate::gateway;
use crate::item::{Field, MemoryItem, Shown, preview_of};
use crate::journal::Journal;
use crate::record::{Created, Entry};
use crate::workspace;

/// Allocates token budgets over `memories` for `query`.
///
/// `config` is read and checked once; `config_scope` says where it came from; `now_us` is the time
/// of the call in microseconds since 1970 UTC. Everything is read before anything is written; on
/// an error nothing has changed. The allocation is noted in `journal` before the interpreter can run
/// anything else, with the time that `clock_ns()` says has passed since `started_ns`.
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
    journal: &Bound<'py, Journal>,
    clock_ns: &Bound<'py, PyAny>,
    started_ns: u64,
) -> PyResult<Allocation> {
    let call = Call::read(
        query,
        config,
        scanner,
        context,
        workspace_id,
        project_id,
        config_scope,
        now_us,
        journal,
        clock_ns,
        started_ns,
    )?;
    let (settings, estimate, level) = (&call.settings, call.estimate, call.level);
    let outcome = if columns::are_columns(memories)? {
        columns::allocate(memories, settings, estimate, level, now_us)?
    } else {
        allocate_items(memories, settings, estimate, level, now_us)?
    };
    Ok(call.conclude(outcome))
}

fn allocate_items(
    memories: &Bound<'_, PyAny>,
    settings: &Settings,
    estimate: TokenEstimate,
    level: Level,
    now_us: i64,
) -> PyResult<Outcome> {
    let py = memories.py();
    let memories = door::copied(memories, "available_memories")?;
    if u32::try_from(memories.len()).is_err() {
        return Err(ArgumentValueError::new_err("available_memories has more than 2^32 - 1 items"));
    }
    let snapshot = Snapshot::read(&memories, estimate)?;
    let columns =
        snapshot.columns().map_err(|error| ArgumentValueError::new_err(error.to_string()))?;
    let (plan, scores) =
        gateway::run(py, memories.len(), || plan(&columns, settings, level, now_us));
    // Everything a result shows is read before the first write: a failure changes nothing.
    let (mut entries, texts) = describe(py, &snapshot, &plan)?;
    // The last chance for Ctrl-C: from here to the end no signal handler runs.
    py.check_signals()?;
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
    drop(snapshot);
    let holder = Holder::Items { memories: memories.unbind(), texts };
    Ok(Outcome { plan, entries, holder, non_finite })
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
        let source = &snapshot.sources[selected.index as usize];
        let microseconds = snapshot.timestamp_us(selected.index);
        let created = if microseconds == NO_TIME {
            Created::Unknown
        } else if datetime::is_representable(microseconds) {
            Created::Utc(microseconds)
        } else {
            own_isoformat(py, snapshot, source)?
        };
        let shown = match source {
            Source::Own(item) => item.shown(py)?,
            Source::Foreign(place) => {
                let foreign = &snapshot.foreign[*place];
                Shown {
                    memory_id: fields::plain(&foreign.memory_id)?.unbind(),
                    text: fields::plain(&foreign.text)?.unbind(),
                    preview: preview_of(&foreign.text)?.unbind(),
                }
            }
        };
        let Shown { memory_id, text, preview } = shown;
        entries.push(Entry { memory_id, preview, created, access_count: 0 });
        texts.push(text);
    }
    Ok((entries, texts))
}

/// For a time that UTC cannot write within the years 1 to 9999: what the datetime itself writes.
fn own_isoformat(
    py: Python<'_>,
    snapshot: &Snapshot<'_, '_>,
    source: &Source<'_>,
) -> PyResult<Created> {
    let timestamp = match source {
        Source::Own(item) => item.timestamp_object(py),
        Source::Foreign(place) => snapshot.foreign[*place].timestamp.clone().map(Bound::unbind),
    };
    // Another thread may just have removed it.
    let Some(timestamp) = timestamp else { return Ok(Created::Unknown) };
    let text = timestamp.bind(py).call_method0("isoformat")?;
    Ok(Created::Own(fields::plain(&text.cast_into::<PyString>()?)?.unbind()))
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
            let tokens = snapshot.tokens(pending.row);
            let written = item.write_count(pending.seen, pending.text_version, tokens, counter);
            if keep_undo && written {
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

/// Id of a memory and the field of it that was not finite.
type ZeroedComponent<'py> = (Bound<'py, PyString>, &'static str);

/// Scores one memory at `now_us` and writes `freshness_score` and `combined_score` to it.
///
/// Returns the combined score and, where a component was NaN or infinite and counted as 0.0, the
/// memory's id and the field.
#[pyfunction]
pub fn calculate_score<'py>(
    item: &Bound<'py, PyAny>,
    config: &Bound<'py, PyAny>,
    now_us: i64,
) -> PyResult<(f64, Option<ZeroedComponent<'py>>)> {
    let py = item.py();
    let settings = workspace::scoring(config)?;
    let score = |timestamp_us, relevance: f64, importance: f64| {
        let half_life = settings.freshness_half_life_hours;
        let freshness = decay::freshness(timestamp_us, now_us, half_life);
        let zeroed = [(relevance, "relevance_score"), (importance, "importance_score")]
            .into_iter()
            .find_map(|(component, field)| (!component.is_finite()).then_some(field));
        let (relevance, importance) = (finite_or_zero(relevance), finite_or_zero(importance));
        (freshness, combined(relevance, importance, freshness, settings.weights), zeroed)
    };
    if let Some(own) = Classes::default().own(item.as_borrowed())? {
        let (freshness, combined, zeroed) =
            score(own.timestamp_us(), own.relevance.load(), own.importance.load());
        own.freshness.store(freshness);
        own.combined.store(combined);
        return Ok((combined, zeroed.map(|field| (own.id(py), field))));
    }
    let reader = ForeignReader::new(item, 0)?;
    let (freshness, combined, zeroed) = score(
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
    written.map(|()| (combined, zeroed.map(|field| (reader.memory_id.clone(), field))))
}
