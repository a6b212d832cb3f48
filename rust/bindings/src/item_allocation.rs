//! Allocating over a list of memories: everything is read, then decided, then written.

use std::collections::HashMap;
use std::sync::Arc;

use memory_budget_core::decay::NO_TIME;
use memory_budget_core::memory::LastAccess;
use memory_budget_core::plan::{Plan, plan_within};
use memory_budget_core::ranking::RankingOptions;
use memory_budget_core::receipt::KnownTexts;
use memory_budget_core::score::Scores;
use memory_budget_core::token_cell::{Counter, TokenWord};
use memory_budget_core::tokens::MAX_COUNT;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::allocation::Holder;
use crate::call::{Among, Call, Outcome};
use crate::datetime;
use crate::door::{self, Snapshot, Source};
use crate::errors::ArgumentValueError;
use crate::fields;
use crate::foreign::ForeignWriter;
use crate::gateway;
use crate::item::{Field, MemoryItem, Shown, preview_of};
use crate::ranking::{Known, needs_links, needs_texts, terms_of};
use crate::receipts::Kept;
use crate::record::{Created, Entry};
use crate::rendering::Described;

/// Decides over a list of memories and writes the effects back.
pub fn allocate(memories: &Bound<'_, PyAny>, call: &Call<'_>) -> PyResult<Outcome> {
    let &Call { ref settings, ref limits, level, now_us, .. } = call;
    let counting = call.counting();
    let py = memories.py();
    let memories = door::copied(memories, "available_memories")?;
    if u32::try_from(memories.len()).is_err() {
        return Err(ArgumentValueError::new_err("available_memories has more than 2^32 - 1 items"));
    }
    let with_links = call.ranking.as_ref().is_some_and(|it| needs_links(&it.options));
    let snapshot = Snapshot::read(&memories, counting, with_links)?;
    let columns =
        snapshot.columns().map_err(|error| ArgumentValueError::new_err(error.to_string()))?;
    let by_ranking = match &call.ranking {
        None => None,
        Some(ranking) => Some((ranking, known(py, &snapshot, &ranking.options)?)),
    };
    let decide = |settings: &_, limits: &_, among| match &by_ranking {
        None => plan_within(&columns, settings, limits, level, now_us),
        Some((ranking, known)) => {
            let planned = known.plan(&columns, settings, limits, level, ranking, among, now_us)?;
            Ok((planned.plan, Scores::of(&columns, settings, now_us)))
        }
    };
    let planned = gateway::run(py, memories.len(), || decide(settings, limits, Among::Admitted));
    let (plan, scores) = planned.map_err(|error| call.refused(py, &error))?;
    // Everything a result shows is read before the first write: a failure changes nothing.
    let described = call.rendering.describe(
        py,
        plan,
        call,
        |settings, limits, among| decide(settings, limits, among).map(|(plan, _)| plan),
        |selected, entries| describe(py, &snapshot, selected.index, entries),
        true,
        |text| text,
        |row| by_ranking.as_ref().and_then(|(_, known)| known.terms(row)),
    )?;
    let Described { plan, mut entries, kept: texts, cut } = described;
    let ids = call.receipts.then(|| ids(py, &snapshot)).transpose()?;
    let shown = if call.shows_all() {
        let rows = 0..u32::try_from(memories.len()).unwrap_or(u32::MAX);
        let mut entries = Vec::with_capacity(memories.len());
        let texts = rows.map(|row| describe(py, &snapshot, row, &mut entries));
        let texts = texts.collect::<PyResult<Vec<_>>>()?;
        Some(entries.into_iter().zip(texts).collect())
    } else {
        None
    };
    // The last chance for Ctrl-C: from here to the end no signal handler runs.
    py.check_signals()?;
    if call.dry_run {
        count_in_thought(&snapshot, &plan, &mut entries)?;
    } else {
        let foreign_accesses = write(py, &snapshot, &plan, &scores, now_us, counting.counter())?;
        for (entry, selected) in entries.iter_mut().zip(&plan.selected) {
            entry.access_count = match snapshot.sources[selected.index as usize] {
                Source::Own(item) => item.accesses(),
                Source::Foreign(place) => {
                    foreign_accesses[&(snapshot.foreign[place].object.as_ptr() as usize)]
                }
            };
        }
    }
    let non_finite = scores.non_finite.map(|found| {
        let memory_id = snapshot.memory_id(py, found.first_index);
        (found.count, memory_id.unbind(), found.first_field)
    });
    let known = by_ranking.map(|(_, known)| known);
    let kept = Kept { considered: snapshot.into_considered(scores), known, ids, shown };
    let holder = Holder::Items { memories: memories.unbind(), texts };
    Ok(Outcome { plan, entries, holder, kept: Some(kept), cut, non_finite })
}

fn ids(py: Python<'_>, snapshot: &Snapshot<'_, '_>) -> PyResult<Vec<Py<PyString>>> {
    let id = |row| fields::plain(&snapshot.memory_id(py, row)).map(Bound::unbind);
    (0..snapshot.sources.len()).map(id).collect()
}

/// The access counts that the call would have left, had it written any.
fn count_in_thought(
    snapshot: &Snapshot<'_, '_>,
    plan: &Plan,
    entries: &mut [Entry],
) -> PyResult<()> {
    let mut counts = HashMap::new();
    let object = |index: u32| match snapshot.sources[index as usize] {
        Source::Own(item) => std::ptr::from_ref(item) as usize,
        Source::Foreign(place) => snapshot.foreign[place].object.as_ptr() as usize,
    };
    for selected in &plan.selected {
        let count = match snapshot.sources[selected.index as usize] {
            Source::Own(item) => item.accesses(),
            Source::Foreign(place) => snapshot.foreign[place].accesses()?,
        };
        let after = counts.entry(object(selected.index)).or_insert(count);
        *after = (*after + 1).min(MAX_COUNT);
    }
    for (entry, selected) in entries.iter_mut().zip(&plan.selected) {
        entry.access_count = counts[&object(selected.index)];
    }
    Ok(())
}

/// What a ranking needs beyond the columns.
fn known(py: Python<'_>, snapshot: &Snapshot<'_, '_>, options: &RankingOptions) -> PyResult<Known> {
    let mut terms = Vec::new();
    if needs_texts(options) {
        terms = snapshot
            .sources
            .iter()
            .map(|source| match source {
                Source::Own(item) => item.terms(py),
                Source::Foreign(place) => Arc::new(terms_of(&snapshot.foreign[*place].text)),
            })
            .collect();
    }
    let mut links = Vec::new();
    if needs_links(options) {
        links = snapshot
            .sources
            .iter()
            .map(|source| match source {
                Source::Own(item) => item.links(py),
                Source::Foreign(place) => {
                    snapshot.foreign[*place].links.as_ref().map(|links| links.clone_ref(py))
                }
            })
            .collect();
    }
    Known::new(terms, &links, py, |row| Ok(snapshot.memory_id(py, row)))
}

/// Adds the entry of a memory, access count still to come; its full text.
fn describe(
    py: Python<'_>,
    snapshot: &Snapshot<'_, '_>,
    row: u32,
    entries: &mut Vec<Entry>,
) -> PyResult<Py<PyString>> {
    let source = &snapshot.sources[row as usize];
    let microseconds = snapshot.timestamp_us(row);
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
    let memory_id = Some(memory_id);
    entries.push(Entry { memory_id, preview, created, access_count: 0, is_cut: false });
    Ok(text)
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
