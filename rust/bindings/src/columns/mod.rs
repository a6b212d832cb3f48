//! The door for columns: tables of other libraries and mappings of arrays, read without making an
//! object a row. Nothing is written back.
//!
//! ```text
//! mapping of arrays ─► array ──┐
//! Arrow table ─► arrow::import ┴► source (named columns of chunks) ─► read ─► Columns
//! ```
//!
//! The rule for everything an allocation then shows: it is what the same call over `MemoryItem`s of
//! the same values would show.

mod array;
pub mod chunk;
mod fault;
mod ranked;
mod read;
mod source;
pub mod span;
pub mod text;
mod text_column;
mod tiers;

use std::borrow::Cow;
use std::sync::Arc;

use memory_budget_core::columns::{ColumnPlan, ColumnTuning, Columns, Doubts};
use memory_budget_core::decay::NO_TIME;
use memory_budget_core::memory::LastAccess;
use memory_budget_core::ranking::{RankedPlan, RankingOptions};
use memory_budget_core::tier::Tier;
use memory_budget_core::token_cell::Counter;
use memory_budget_core::tokens::MAX_COUNT;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use crate::allocation::Holder;
use crate::call::{Among, Call, Outcome};
use crate::counting::Counting;
use crate::datetime;
use crate::errors::{ArgumentValueError, Owner};
use crate::gateway;
use crate::item::{Field, Links, MemoryItem, preview_of};
use crate::ranking::{Known, needs_links, needs_texts};
use crate::receipts::{self, Kept};
use crate::record::{Created, Entry, Record};
use crate::rendering::Described;
use fault::Column;
use ranked::RankedColumns;
use read::Floats;
pub use source::are_columns;
use source::{Content, Source};
use text_column::TextColumn;

/// A table, checked and converted as far as it had to be.
struct Table<'a, 'py> {
    tier: Cow<'a, [u8]>,
    relevance: Floats<'a>,
    importance: Floats<'a>,
    timestamp_us: Option<Cow<'a, [i64]>>,
    tokens: Cow<'a, [u64]>,
    access_count: Option<Cow<'a, [u64]>>,
    memory_id: Option<TextColumn<'a, 'py>>,
    text: Option<TextColumn<'a, 'py>>,
    user_id: Option<TextColumn<'a, 'py>>,
    /// Rows whose tokens were estimated; empty for none.
    estimated: Vec<bool>,
    /// Rows of pinned memories.
    pinned: Vec<u32>,
    /// Rows that do not decay, and times as the score sees them; empty for none.
    evergreen: Vec<bool>,
    decays_from: Vec<i64>,
    session_id: Option<TextColumn<'a, 'py>>,
    position: Option<Cow<'a, [u64]>>,
    supersedes: Option<TextColumn<'a, 'py>>,
}

impl<'a, 'py> Table<'a, 'py> {
    fn read(py: Python<'py>, source: &'a Source<'py>, counting: &Counting) -> PyResult<Self> {
        let rows = source.rows();
        let texts = |field, nulls_allowed| {
            let (content, column) = source.get(field);
            content.map(|content| TextColumn::of(content, column, nulls_allowed)).transpose()
        };
        let column = |field| match source.get(field) {
            (Some(content), column) => Some((content, column)),
            (None, _) => None,
        };
        let relevance = match column(Field::RelevanceScore) {
            Some((content, column)) => read::floats(content, column)?,
            None => Floats::All(0.0),
        };
        let tokens = match column(Field::TokenCount) {
            Some((content, column)) => read::counts(content, column)?,
            None => Cow::Owned(vec![0; rows]),
        };
        let tier = match column(Field::Tier) {
            Some((content, column)) => tiers::tiers(content, column)?,
            None => Cow::Owned(vec![Tier::Working as u8; rows]),
        };
        let times = column(Field::Timestamp).map(|(content, column)| read::times(content, column));
        let importance = match column(Field::ImportanceScore) {
            Some((content, column)) => read::floats(content, column)?,
            None => Floats::All(DEFAULT_IMPORTANCE),
        };
        let access_count = column(Field::AccessCount).map(|(content, column)| {
            read::check_counts(content, column)?;
            read::counts(content, column)
        });
        let times = times.transpose()?;
        let flags = |field| match column(field) {
            Some((content, column)) => read::flags(content, column),
            None => Ok(Vec::new()),
        };
        let pinned = (0..).zip(flags(Field::Pinned)?).filter(|(_, is_set)| *is_set);
        let evergreen = flags(Field::Evergreen)?;
        let decays_from = times.iter().flat_map(|times| times.iter().zip(&evergreen));
        let decays_from = decays_from.map(|(time, fresh)| if *fresh { NO_TIME } else { *time });
        let decays_from = decays_from.collect();
        let mut table = Self {
            tier,
            relevance,
            importance,
            timestamp_us: times,
            tokens,
            access_count: access_count.transpose()?,
            memory_id: texts(Field::MemoryId, false)?,
            text: texts(Field::Text, false)?,
            user_id: texts(Field::UserId, true)?,
            estimated: Vec::new(),
            pinned: pinned.map(|(row, _)| row).collect(),
            decays_from,
            evergreen,
            session_id: texts(Field::SessionId, true)?,
            position: column(Field::Position)
                .map(|(content, column)| {
                    read::check_counts(content, column)?;
                    read::counts(content, column)
                })
                .transpose()?,
            supersedes: texts(Field::Supersedes, true)?,
        };
        table.count_tokens(py, counting)?;
        Ok(table)
    }

    /// A count of 0 is one not known yet, as it is for items.
    fn count_tokens(&mut self, py: Python<'py>, counting: &Counting) -> PyResult<()> {
        let Some(text) = &self.text else { return Ok(()) };
        if !self.tokens.contains(&0) {
            return Ok(());
        }
        self.estimated = self.tokens.iter().map(|&count| count == 0).collect();
        let tokens = self.tokens.to_mut();
        let (mut rows, mut texts) = (Vec::new(), Vec::new());
        for (row, count) in tokens.iter_mut().enumerate().filter(|(_, count)| **count == 0) {
            if let Some(estimate) = counting.estimate(text.code_points(row)?) {
                *count = estimate;
            } else {
                texts.extend(text.get(py, row)?);
                rows.push(row);
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let counts = counting.count(py, &texts).map_err(|failed| {
            let owner = Owner::Position(rows[failed.position]);
            failed.for_item(py, &owner)
        })?;
        for (row, count) in rows.into_iter().zip(counts) {
            tokens[row] = count;
        }
        Ok(())
    }

    fn columns(&self) -> Columns<'_> {
        Columns {
            tier: &self.tier,
            relevance: self.relevance.numbers(),
            importance: self.importance.numbers(),
            timestamp_us: if self.evergreen.is_empty() {
                self.timestamp_us.as_deref()
            } else {
                self.timestamp_us.as_ref().map(|_| &*self.decays_from)
            },
            tokens: &self.tokens,
        }
    }

    /// The id of a row; None where there are no ids.
    fn memory_id(&self, py: Python<'py>, row: usize) -> PyResult<Option<Bound<'py, PyString>>> {
        self.memory_id.as_ref().map_or(Ok(None), |ids| ids.get(py, row))
    }

    /// What ties a row to others.
    fn links(&self, py: Python<'py>, row: usize) -> PyResult<Option<Links>> {
        let text = |column: &Option<TextColumn<'a, 'py>>| match column {
            Some(texts) => PyResult::Ok(texts.get(py, row)?.map(Bound::unbind)),
            None => Ok(None),
        };
        let session_id = text(&self.session_id)?;
        // Tables have a position in every row, of which those without a session mean nothing.
        let position = self.position.as_ref().filter(|_| session_id.is_some());
        let links = Links {
            position: position.map(|positions| positions[row]),
            session_id,
            supersedes: text(&self.supersedes)?,
        };
        Ok((!links.is_empty()).then_some(links))
    }

    /// What a ranking needs beyond the columns.
    fn known(&self, py: Python<'py>, options: &RankingOptions) -> PyResult<Known> {
        let rows = self.tier.len();
        let mut terms = Vec::new();
        if let Some(texts) = self.text.as_ref().filter(|_| needs_texts(options)) {
            let of = |row| texts.terms(py, row).map(Arc::new);
            terms = (0..rows).map(of).collect::<PyResult<_>>()?;
        }
        let mut links = Vec::new();
        if needs_links(options) {
            links = (0..rows).map(|row| self.links(py, row)).collect::<PyResult<_>>()?;
        }
        Known::new(terms, &links, py, |row| {
            let number = || PyString::new(py, &row.to_string());
            Ok(self.memory_id(py, row)?.unwrap_or_else(number))
        })
    }

    /// All rows as the call saw them: the columns themselves may change later.
    fn kept(
        &self,
        py: Python<'py>,
        columns: &Columns<'_>,
        known: Option<Known>,
        call: &Call<'_>,
    ) -> PyResult<Kept> {
        let rows = self.tier.len();
        let considered = receipts::of_columns(columns, &self.pinned, call)?;
        let id = |row: usize| match self.memory_id(py, row)? {
            Some(id) => Ok(id.unbind()),
            None => Ok(PyString::new(py, &row.to_string()).unbind()),
        };
        let ids = (0..rows).map(id).collect::<PyResult<_>>()?;
        let mut entries = Vec::new();
        let show = |row: u32| {
            let tokens = self.tokens[row as usize];
            Ok(self.describe(py, row, tokens, &mut entries)?.text)
        };
        let texts = || (0..).take(rows).map(show).collect::<PyResult<Vec<_>>>();
        let shown = (call.shows_all() && self.text.is_some()).then(texts).transpose()?;
        let shown = shown.map(|texts| entries.into_iter().zip(texts).collect());
        Ok(Kept { considered, known, ids: Some(ids), shown })
    }

    fn describe(
        &self,
        py: Python<'py>,
        row: u32,
        tokens: u64,
        entries: &mut Vec<Entry>,
    ) -> PyResult<Original> {
        let row = row as usize;
        let text = match &self.text {
            Some(texts) => texts.get(py, row)?,
            None => None,
        };
        let text = text.unwrap_or_else(|| intern!(py, "").clone());
        let preview = preview_of(&text)?;
        let user_id = match &self.user_id {
            Some(users) => users.get(py, row)?.map(Bound::unbind),
            None => None,
        };
        let timestamp_us = self.timestamp_us.as_ref().map_or(NO_TIME, |times| times[row]);
        let accesses = self.access_count.as_ref().map_or(0, |counts| counts[row]);
        entries.push(Entry {
            memory_id: self.memory_id(py, row)?.map(Bound::unbind),
            preview: preview.unbind(),
            created: created(timestamp_us),
            access_count: (accesses + 1).min(MAX_COUNT),
            is_cut: false,
        });
        Ok(Original {
            text: text.unbind(),
            user_id,
            timestamp_us,
            tokens,
            relevance: self.relevance.numbers().get(row),
            importance: self.importance.numbers().get(row),
            evergreen: self.evergreen.get(row).is_some_and(|&evergreen| evergreen),
            estimated: self.estimated.get(row).is_some_and(|&estimated| estimated),
            links: self.links(py, row)?,
        })
    }
}

/// The importance of a `MemoryItem` that says nothing of it.
const DEFAULT_IMPORTANCE: f64 = 0.5;

fn created(timestamp_us: i64) -> Created {
    if timestamp_us == NO_TIME { Created::Unknown } else { Created::Utc(timestamp_us) }
}

/// Decides over columns.
pub fn allocate(columns: &Bound<'_, PyAny>, call: &Call<'_>) -> PyResult<Outcome> {
    let &Call { ref settings, ref limits, level, now_us, .. } = call;
    let counting = call.counting();
    let py = columns.py();
    let source = Source::of(columns)?;
    let table = Table::read(py, &source, counting)?;
    let (columns, tuning) = (table.columns(), ColumnTuning::default());
    let by_ranking = match &call.ranking {
        None => None,
        Some(ranking) => {
            resolve(&source, Doubts::ALL)?;
            let known = table.known(py, &ranking.options)?;
            Some(RankedColumns::new(&columns, &table.pinned, ranking, known))
        }
    };
    let pinned = &table.pinned;
    let decide = |settings: &_, limits: &_, among| match &by_ranking {
        None => columns.plan_within(settings, limits, pinned, level, now_us, tuning),
        Some(ranked) => {
            let RankedPlan { plan, non_finite, .. } =
                ranked.plan(settings, limits, level, among, now_us)?;
            Ok(ColumnPlan { plan, non_finite, doubts: Doubts::NONE })
        }
    };
    let planned =
        gateway::run_over_rows(py, source.rows(), || decide(settings, limits, Among::Admitted));
    if by_ranking.is_none() {
        // What was refused may be a doubtful value as well; that is the better reason.
        resolve(&source, planned.as_ref().map_or(Doubts::ALL, |planned| planned.doubts))?;
    }
    let planned = planned.map_err(|error| call.refused(py, &error))?;
    let ColumnPlan { plan, non_finite, .. } = planned;
    py.check_signals()?;
    let has_text = table.text.is_some();
    let described = call.rendering.describe(
        py,
        plan,
        call,
        |settings, limits, among| decide(settings, limits, among).map(|planned| planned.plan),
        |selected, entries| table.describe(py, selected.index, selected.tokens, entries),
        has_text,
        |original| &original.text,
        |row| by_ranking.as_ref().and_then(|ranked| ranked.terms(row)),
    )?;
    let Described { plan, entries, kept: originals, cut } = described;
    let non_finite = match non_finite {
        Some(found) => {
            let number = || PyString::new(py, &found.first_index.to_string());
            let memory_id = table.memory_id(py, found.first_index)?.unwrap_or_else(number);
            Some((found.count, memory_id.unbind(), found.first_field))
        }
        None => None,
    };
    let kept = if call.receipts {
        let known = by_ranking.map(RankedColumns::into_known);
        Some(table.kept(py, &columns, known, call)?)
    } else {
        None
    };
    let has_ids = table.memory_id.is_some();
    let rows = Rows { originals, has_ids, has_text, counter: counting.counter() };
    let holder = Holder::Columns(rows);
    Ok(Outcome { plan, entries, holder, kept, cut, non_finite })
}

/// Looks closely at what the pass over the columns found doubtful. Nothing has been written.
fn resolve(source: &Source<'_>, doubts: Doubts) -> PyResult<()> {
    type Check = fn(&Content<'_>, Column<'_>) -> PyResult<()>;
    let look = |is_doubtful, field, check: Check| match source.get(field) {
        (Some(content), column) if is_doubtful => check(content, column),
        _ => Ok(()),
    };
    look(doubts.tokens, Field::TokenCount, read::check_counts)?;
    look(doubts.tiers, Field::Tier, tiers::check)?;
    look(doubts.times, Field::Timestamp, read::check_times)
}

/// What a selected row had beside what plan and entry keep.
struct Original {
    text: Py<PyString>,
    user_id: Option<Py<PyString>>,
    timestamp_us: i64,
    tokens: u64,
    relevance: f64,
    importance: f64,
    evergreen: bool,
    links: Option<Links>,
    estimated: bool,
}

/// The selected rows; the columns themselves are not kept.
pub struct Rows {
    originals: Vec<Original>,
    /// Whether the columns had ids.
    pub has_ids: bool,
    has_text: bool,
    counter: Counter,
}

/// Without texts there is nothing to make a prompt of.
pub fn without_text() -> PyErr {
    ArgumentValueError::new_err("the columns have no text, so there is nothing to render")
}

impl Rows {
    pub fn require_text(&self) -> PyResult<()> {
        if self.has_text { Ok(()) } else { Err(without_text()) }
    }

    pub fn texts(&self, py: Python<'_>) -> Vec<Py<PyString>> {
        self.originals.iter().map(|original| original.text.clone_ref(py)).collect()
    }

    /// `MemoryItem`s as an allocation from a list would have left them, made anew.
    pub fn items<'py>(
        &self,
        py: Python<'py>,
        record: &Record,
        range: std::ops::Range<usize>,
    ) -> PyResult<Bound<'py, PyList>> {
        let items = PyList::empty(py);
        for rank in range {
            items.append(self.item(py, record, rank)?)?;
        }
        Ok(items)
    }

    fn item(&self, py: Python<'_>, record: &Record, rank: usize) -> PyResult<MemoryItem> {
        let original = &self.originals[rank];
        let (selected, entry) = (&record.plan.selected[rank], &record.entries[rank]);
        let item = MemoryItem::blank();
        item.assign(Field::MemoryId, &record.memory_id(py, rank))?;
        item.assign(Field::Text, original.text.bind(py))?;
        item.move_to(selected.tier);
        if original.timestamp_us != NO_TIME {
            let timestamp = datetime::from_microseconds(py, original.timestamp_us)?;
            item.assign(Field::Timestamp, timestamp.bind(py))?;
        }
        if let Some(user_id) = &original.user_id {
            item.assign(Field::UserId, user_id.bind(py))?;
        }
        item.relevance.store(original.relevance);
        item.importance.store(original.importance);
        item.place.set_pinned(selected.pinned);
        item.place.set_evergreen(original.evergreen);
        if let Some(links) = &original.links {
            item.link(links.clone_ref(py));
        }
        item.freshness.store(selected.freshness);
        item.combined.store(selected.combined);
        if original.estimated {
            item.tokens.set_counted(original.tokens, self.counter);
        } else {
            item.tokens.set_own(original.tokens);
        }
        item.set_accesses(entry.access_count);
        item.set_last_access(LastAccess::written(record.now_us));
        Ok(item)
    }
}
