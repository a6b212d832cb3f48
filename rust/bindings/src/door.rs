//! The door for lists of memories: objects are read into columns once.
//!
//! `MemoryItem`s are read through their atomics, which is quick; what [`Classes`] does not know as ours
//! comes through the slower protocol of [`crate::foreign`].

use memory_budget_core::candidates::Candidates;
use memory_budget_core::decay::NO_TIME;
use memory_budget_core::error::Error;
use memory_budget_core::receipt::Considered;
use memory_budget_core::score::Scores;
use memory_budget_core::tier::Tier;
use memory_budget_core::token_cell::{Counter, TokenWord};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};

use crate::classes::Classes;
use crate::counting::Counting;
use crate::datetime;
use crate::errors::{ArgumentTypeError, Owner, caused_by, shown_with_type};
use crate::fields;
use crate::foreign::{Foreign, ForeignReader};
use crate::gateway;
use crate::item::{Field, MemoryItem};
use crate::vocabulary;

/// Rows between two looks for Ctrl-C while reading.
const INTERRUPT_EVERY: usize = 1 << 16;

/// A count made in this call, still to be written to its own item.
#[derive(Clone, Copy)]
pub struct PendingCount {
    pub row: u32,
    pub seen: TokenWord,
    pub text_version: u32,
}

/// Where a row came from.
pub enum Source<'a> {
    Own(&'a MemoryItem),
    /// Position in [`Snapshot::foreign`].
    Foreign(usize),
}

/// Everything one call knows of its candidates, read before anything is decided.
pub struct Snapshot<'a, 'py> {
    pub sources: Vec<Source<'a>>,
    pub foreign: Vec<Foreign<'py>>,
    pub pending_counts: Vec<PendingCount>,
    /// Rows of pinned memories.
    pinned: Vec<u32>,
    /// Rows of evergreen memories that have a time, with it: to the score they have none.
    evergreen: Vec<(u32, i64)>,
    tier: Vec<Tier>,
    relevance: Vec<f64>,
    importance: Vec<f64>,
    timestamp_us: Vec<i64>,
    tokens: Vec<u64>,
    /// Rows whose tokens are not known from the length of their texts.
    uncounted: Vec<u32>,
}

impl<'a, 'py> Snapshot<'a, 'py> {
    /// Reads and checks all memories.
    pub fn read(
        memories: &'a Bound<'py, PyTuple>,
        counting: &Counting,
        with_links: bool,
    ) -> PyResult<Self> {
        let length = memories.len();
        let mut snapshot = Self {
            sources: Vec::with_capacity(length),
            foreign: Vec::new(),
            pending_counts: Vec::new(),
            pinned: Vec::new(),
            evergreen: Vec::new(),
            tier: Vec::with_capacity(length),
            relevance: Vec::with_capacity(length),
            importance: Vec::with_capacity(length),
            timestamp_us: Vec::with_capacity(length),
            tokens: Vec::with_capacity(length),
            uncounted: Vec::new(),
        };
        let counter = counting.counter();
        let mut classes = Classes::default();
        for (position, memory) in memories.iter_borrowed().enumerate() {
            if position % INTERRUPT_EVERY == INTERRUPT_EVERY - 1 {
                memories.py().check_signals()?;
            }
            match classes.own(memory)? {
                Some(item) => snapshot.push_own(item, counting, counter),
                None => snapshot.push_foreign(&memory, position, counting, with_links)?,
            }
        }
        snapshot.count(memories.py(), counting)?;
        Ok(snapshot)
    }

    /// Counts what [`Self::push_own`] and [`Self::push_foreign`] left uncounted, as one batch.
    fn count(&mut self, py: Python<'py>, counting: &Counting) -> PyResult<()> {
        if self.uncounted.is_empty() {
            return Ok(());
        }
        let text = |row: &u32| match self.sources[*row as usize] {
            Source::Own(item) => item.text_object(py),
            Source::Foreign(place) => self.foreign[place].text.clone(),
        };
        let texts: Vec<_> = self.uncounted.iter().map(text).collect();
        let counts = counting.count(py, &texts).map_err(|failed| {
            let id = self.memory_id(py, self.uncounted[failed.position] as usize);
            failed.for_item(py, &Owner::Id(id.as_borrowed()))
        })?;
        for (row, count) in self.uncounted.drain(..).zip(counts) {
            self.tokens[row as usize] = count;
        }
        Ok(())
    }

    pub fn columns(&self) -> Result<Candidates<'_>, Error> {
        Candidates::new(
            &self.tier,
            &self.relevance,
            &self.importance,
            &self.timestamp_us,
            &self.tokens,
        )
        .map(|columns| columns.with_pinned(&self.pinned))
    }

    pub fn memory_id(&self, py: Python<'py>, row: usize) -> Bound<'py, PyString> {
        match self.sources[row] {
            Source::Own(item) => item.id(py),
            Source::Foreign(place) => self.foreign[place].memory_id.clone(),
        }
    }

    pub fn tokens(&self, row: u32) -> u64 {
        self.tokens[row as usize]
    }

    /// The columns, with the scores that came of them.
    pub fn into_considered(self, scores: Scores) -> Considered {
        Considered {
            tier: self.tier,
            relevance: self.relevance,
            importance: self.importance,
            timestamp_us: self.timestamp_us,
            tokens: self.tokens,
            pinned: self.pinned,
            scores,
            ..Considered::default()
        }
    }

    /// When a memory was created, or `NO_TIME`.
    pub fn timestamp_us(&self, row: u32) -> i64 {
        match self.evergreen.binary_search_by_key(&row, |(row, _)| *row) {
            Ok(place) => self.evergreen[place].1,
            Err(_) => self.timestamp_us[row as usize],
        }
    }

    /// Notes the flags of the row that comes next and gives its time as the score sees it.
    #[expect(clippy::cast_possible_truncation)] // the plan refuses more than 2^32 rows
    fn flagged(&mut self, is_pinned: bool, is_evergreen: bool, timestamp_us: i64) -> i64 {
        let row = self.sources.len() as u32;
        if is_pinned {
            self.pinned.push(row);
        }
        if !is_evergreen {
            return timestamp_us;
        }
        self.evergreen.push((row, timestamp_us));
        NO_TIME
    }

    #[expect(clippy::cast_possible_truncation)] // the plan refuses more than 2^32 rows
    fn push_own(&mut self, item: &'a MemoryItem, counting: &Counting, counter: Counter) {
        let seen = item.tokens.load();
        let tokens = if seen.holds_for(counter) {
            seen.count()
        } else {
            let (code_points, text_version) = item.text_length();
            let row = self.sources.len() as u32;
            self.pending_counts.push(PendingCount { row, seen, text_version });
            self.known_or_uncounted(row, counting.estimate(code_points))
        };
        let (place, mut timestamp_us) = (item.place.load(), item.timestamp_us());
        if !place.has_no_flags() {
            timestamp_us = self.flagged(place.is_pinned(), place.is_evergreen(), timestamp_us);
        }
        self.tier.push(place.tier());
        self.relevance.push(item.relevance.load());
        self.importance.push(item.importance.load());
        self.timestamp_us.push(timestamp_us);
        self.tokens.push(tokens);
        self.sources.push(Source::Own(item));
    }

    fn known_or_uncounted(&mut self, row: u32, tokens: Option<u64>) -> u64 {
        tokens.unwrap_or_else(|| {
            self.uncounted.push(row);
            0
        })
    }

    #[expect(clippy::cast_possible_truncation)] // as above
    fn push_foreign(
        &mut self,
        object: &Bound<'py, PyAny>,
        position: usize,
        counting: &Counting,
        with_links: bool,
    ) -> PyResult<()> {
        let reader = ForeignReader::new(object, position)?;
        let text = reader.field(Field::Text, |value| fields::text(value).cloned())?;
        let tier = reader.field(Field::Tier, vocabulary::tier)?;
        let (timestamp, timestamp_us) = reader.field(Field::Timestamp, datetime::optional)?;
        let relevance = reader.field(Field::RelevanceScore, fields::number)?;
        let importance = reader.field(Field::ImportanceScore, fields::number)?;
        let given = reader.field(Field::TokenCount, fields::count)?;
        reader.field(Field::AccessCount, fields::count)?;
        let [is_pinned, is_evergreen] = reader.flags()?;
        for written in [Field::FreshnessScore, Field::CombinedScore, Field::LastAccessed] {
            reader.field(written, |_| Ok(()))?;
        }
        let links = if with_links { reader.links()? } else { None };
        self.tier.push(tier);
        self.relevance.push(relevance);
        self.importance.push(importance);
        let timestamp_us = self.flagged(is_pinned, is_evergreen, timestamp_us);
        self.timestamp_us.push(timestamp_us);
        let code_points = text.code_point_len()? as u64;
        let tokens = if given == 0 {
            self.known_or_uncounted(self.sources.len() as u32, counting.estimate(code_points))
        } else {
            given
        };
        self.tokens.push(tokens);
        self.sources.push(Source::Foreign(self.foreign.len()));
        self.foreign.push(Foreign {
            object: object.clone(),
            memory_id: reader.memory_id,
            text,
            timestamp,
            tokens_estimated: given == 0 && code_points != 0,
            links,
        });
        Ok(())
    }
}

/// The caller's memories as a tuple, so that nothing that runs later can change them.
pub fn copied<'py>(memories: &Bound<'py, PyAny>, argument: &str) -> PyResult<Bound<'py, PyTuple>> {
    let py = memories.py();
    if let Ok(list) = memories.cast_exact::<PyList>() {
        return Ok(list.to_tuple());
    }
    if memories.is_instance_of::<PyString>() || memories.is_instance_of::<PyDict>() {
        return Err(not_memories(argument, memories));
    }
    let iterator = memories.try_iter().map_err(|error| {
        if error.is_instance_of::<pyo3::exceptions::PyTypeError>(py) {
            caused_by(py, not_memories(argument, memories), Some(error))
        } else {
            error
        }
    })?;
    let class = py.get_type::<PyTuple>();
    let arguments = PyTuple::new(py, [iterator])?;
    let copy =
        |(class, arguments): (&Bound<'py, PyType>, &Bound<'py, PyTuple>)| class.call1(arguments);
    Ok(gateway::through_python(copy, (&class, &arguments))?.cast_into::<PyTuple>()?)
}

fn not_memories(argument: &str, value: &Bound<'_, PyAny>) -> PyErr {
    ArgumentTypeError::new_err(format!(
        "{argument} must be an iterable of memories, got {}",
        shown_with_type(value)
    ))
}
