//! The door for lists of memories: objects are read into columns once, and the effects of a plan
//! are written back in one step.
//!
//! `MemoryItem`s are read through their atomics. Objects of other classes come through a slower
//! door, attribute by attribute; so do subclasses of `MemoryItem` that define one of the documented
//! names themselves, because their own attributes are what counts.

use memory_budget_core::candidates::Candidates;
use memory_budget_core::decay::NO_TIME;
use memory_budget_core::error::Error;
use memory_budget_core::receipt::Considered;
use memory_budget_core::score::Scores;
use memory_budget_core::tier::Tier;
use memory_budget_core::token_cell::{Counter, TokenWord};
use memory_budget_core::tokens::MAX_COUNT;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyString, PyTuple, PyType};
use pyo3::{Borrowed, IntoPyObjectExt, intern};

use crate::counting::Counting;
use crate::datetime;
use crate::errors::{
    ArgumentTypeError, Fault, Owner, Refusal, caused_by, item_error, shown_with_type,
};
use crate::fields;
use crate::gateway;
use crate::item::{Field, Links, MemoryItem};
use crate::vocabulary;

/// Rows between two looks for Ctrl-C while reading.
const INTERRUPT_EVERY: usize = 1 << 16;

/// A memory of another class, with the attributes that were read from it.
pub struct Foreign<'py> {
    pub object: Bound<'py, PyAny>,
    pub memory_id: Bound<'py, PyString>,
    pub text: Bound<'py, PyString>,
    pub timestamp: Option<Bound<'py, PyAny>>,
    pub tokens_estimated: bool,
    /// Read where a ranking asks for them.
    pub links: Option<Links>,
}

impl Foreign<'_> {
    /// How often it was selected before.
    pub fn accesses(&self) -> PyResult<u64> {
        let owner = Owner::Id(self.memory_id.as_borrowed());
        accesses(&self.object, &owner)
    }
}

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
            let row = self.uncounted[failed.position];
            let id = match self.sources[row as usize] {
                Source::Own(item) => item.id(py),
                Source::Foreign(place) => self.foreign[place].memory_id.clone(),
            };
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
        let (timestamp, timestamp_us) = reader.field(Field::Timestamp, optional_time)?;
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

fn optional_time<'py>(
    value: &Bound<'py, PyAny>,
) -> Result<(Option<Bound<'py, PyAny>>, i64), Refusal> {
    if value.is_none() {
        return Ok((None, NO_TIME));
    }
    match datetime::microseconds(value) {
        Ok(microseconds) => Ok((Some(value.clone()), microseconds)),
        Err(refusal) if refusal.fault == Fault::Type => {
            Err(Refusal { accepted: "a datetime or None", ..refusal })
        }
        Err(refusal) => Err(refusal),
    }
}

/// Reads the attributes of a foreign memory, naming it in every error.
pub struct ForeignReader<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    pub memory_id: Bound<'py, PyString>,
}

impl<'a, 'py> ForeignReader<'a, 'py> {
    pub fn new(object: &'a Bound<'py, PyAny>, position: usize) -> PyResult<Self> {
        let owner = Owner::Position(position);
        let id = attribute(object, Field::MemoryId, &owner)?;
        let memory_id = fields::text(&id)
            .map_err(|refusal| refusal.for_item(object.py(), &owner, "memory_id", &id))?
            .clone();
        Ok(Self { object, memory_id })
    }

    pub fn field<T>(
        &self,
        field: Field,
        convert: impl FnOnce(&Bound<'py, PyAny>) -> Result<T, Refusal>,
    ) -> PyResult<T> {
        let owner = Owner::Id(self.memory_id.as_borrowed());
        let value = attribute(self.object, field, &owner)?;
        convert(&value)
            .map_err(|refusal| refusal.for_item(self.object.py(), &owner, field.name(), &value))
    }

    /// Whether it is pinned and whether it is evergreen; an object without the attribute is not.
    pub fn flags(&self) -> PyResult<[bool; 2]> {
        Ok([self.flag(Field::Pinned)?, self.flag(Field::Evergreen)?])
    }

    pub fn flag(&self, field: Field) -> PyResult<bool> {
        Ok(self.optional(field, fields::flag)?.unwrap_or(false))
    }

    /// What ties it to others; an object without the attributes stands alone.
    pub fn links(&self) -> PyResult<Option<Links>> {
        let links = Links {
            session_id: self
                .optional(Field::SessionId, fields::optional_text)?
                .flatten()
                .map(Bound::unbind),
            position: self.optional(Field::Position, fields::optional_count)?.flatten(),
            supersedes: self
                .optional(Field::Supersedes, fields::optional_text)?
                .flatten()
                .map(Bound::unbind),
        };
        Ok((!links.is_empty()).then_some(links))
    }

    /// A field that an object need not have.
    fn optional<T>(
        &self,
        field: Field,
        convert: impl FnOnce(&Bound<'py, PyAny>) -> Result<T, Refusal>,
    ) -> PyResult<Option<T>> {
        let owner = Owner::Id(self.memory_id.as_borrowed());
        let name = PyString::intern(self.object.py(), field.name());
        let value = gateway::through_python(
            |(object, name): (&Bound<'py, PyAny>, &Bound<'py, PyString>)| object.getattr_opt(name),
            (self.object, &name),
        );
        let Some(value) = value.map_err(|error| unreadable(self.object, field, &owner, error))?
        else {
            return Ok(None);
        };
        convert(&value)
            .map(Some)
            .map_err(|refusal| refusal.for_item(self.object.py(), &owner, field.name(), &value))
    }

    /// A time in microseconds, `NO_TIME` for None.
    pub fn time(&self, field: Field) -> PyResult<i64> {
        self.field(field, |value| optional_time(value).map(|(_, microseconds)| microseconds))
    }
}

fn attribute<'py>(
    object: &Bound<'py, PyAny>,
    field: Field,
    owner: &Owner<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    read(object, &PyString::intern(object.py(), field.name()))
        .map_err(|error| unreadable(object, field, owner, error))
}

fn unreadable(
    object: &Bound<'_, PyAny>,
    field: Field,
    owner: &Owner<'_, '_>,
    error: PyErr,
) -> PyErr {
    let (py, name) = (object.py(), field.name());
    if error.is_instance_of::<PyAttributeError>(py) {
        let message = format!(
            "{owner}: {} has no attribute {name}; a memory needs the attributes of MemoryLike",
            shown_with_type(object)
        );
        caused_by(py, item_error(Fault::Type, message), Some(error))
    } else {
        let message = format!("{owner}: reading {name} failed: {error}");
        caused_by(py, item_error(Fault::Value, message), Some(error))
    }
}

/// Reads an attribute of a foreign object.
fn read<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    gateway::through_python(
        |(object, name): (&Bound<'py, PyAny>, &_)| object.getattr(name),
        (object, name),
    )
}

/// Writes an attribute of a foreign object.
fn write<'py>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    value: &Bound<'py, PyAny>,
) -> PyResult<()> {
    gateway::through_python(
        |(object, name, value): (&Bound<'py, PyAny>, &_, &Bound<'py, PyAny>)| {
            object.setattr(name, value)
        },
        (object, name, value),
    )
}

/// Decides, once per class, whether its objects are read through the fast door.
#[derive(Default)]
pub struct Classes {
    last: Option<(usize, bool)>,
}

impl Classes {
    /// The item, if it is one whose fields are all our own.
    #[inline]
    pub fn own<'a>(&mut self, memory: Borrowed<'a, '_, PyAny>) -> PyResult<Option<&'a MemoryItem>> {
        // Nearly always; one comparison where the general question is a call.
        match memory.cast_exact::<MemoryItem>() {
            Ok(item) => Ok(Some(item.get())),
            Err(_) => self.of_subclass(memory),
        }
    }

    #[cold]
    fn of_subclass<'a>(
        &mut self,
        memory: Borrowed<'a, '_, PyAny>,
    ) -> PyResult<Option<&'a MemoryItem>> {
        let Ok(item) = memory.cast::<MemoryItem>() else { return Ok(None) };
        let class = memory.get_type();
        let address = class.as_ptr() as usize;
        let is_own = match self.last {
            Some((last, is_own)) if last == address => is_own,
            _ => {
                let is_own = keeps_our_fields(&class)?;
                self.last = Some((address, is_own));
                is_own
            }
        };
        Ok(is_own.then(|| item.get()))
    }
}

fn accesses<'py>(foreign: &Bound<'py, PyAny>, owner: &Owner<'_, 'py>) -> PyResult<u64> {
    let value = attribute(foreign, Field::AccessCount, owner)?;
    fields::count(&value)
        .map_err(|refusal| refusal.for_item(foreign.py(), owner, Field::AccessCount.name(), &value))
}

/// Whether a subclass leaves all documented names, and attribute access itself, to `MemoryItem`.
fn keeps_our_fields(class: &Bound<'_, PyType>) -> PyResult<bool> {
    static DECISIONS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = class.py();
    let base = py.get_type::<MemoryItem>();
    if class.is(&base) {
        return Ok(true);
    }
    let decisions = DECISIONS.get_or_try_init(py, || {
        let known = py.import("weakref")?.getattr("WeakKeyDictionary")?.call0()?;
        PyResult::Ok(known.unbind())
    })?;
    let decisions = decisions.bind(py);
    // A metaclass may make its classes unhashable; then the decision is made again each time.
    let known = decisions.call_method1(intern!(py, "get"), (class,));
    let remember = known.is_ok();
    if let Ok(known) = known.and_then(|known| known.extract::<bool>()) {
        return Ok(known);
    }
    let names = Field::ALL.map(Field::name);
    let access = ["__getattribute__", "__getattr__", "__setattr__"];
    let mut keeps = true;
    for ancestor in class.mro() {
        if ancestor.is(&base) {
            break;
        }
        let own = ancestor.getattr(intern!(py, "__dict__"))?;
        for name in names.iter().chain(&access) {
            keeps &= !own.contains(name)?;
        }
    }
    if remember {
        decisions.set_item(class, keeps)?;
    }
    Ok(keeps)
}

/// One attribute of a foreign object as it was before it was written.
struct ForeignUndo<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    field: Field,
    value: Bound<'py, PyAny>,
}

/// Writes attributes of foreign objects and can take everything back.
#[derive(Default)]
pub struct ForeignWriter<'a, 'py> {
    written: Vec<ForeignUndo<'a, 'py>>,
}

impl<'a, 'py> ForeignWriter<'a, 'py> {
    pub fn set(
        &mut self,
        foreign: &'a Bound<'py, PyAny>,
        memory_id: &Bound<'py, PyString>,
        field: Field,
        value: impl IntoPyObject<'py>,
    ) -> PyResult<()> {
        let py = foreign.py();
        let name = PyString::intern(py, field.name());
        let exchange = || {
            let value = value.into_bound_py_any(py)?;
            let earlier = read(foreign, &name)?;
            // Noted first: a setter may assign and then raise.
            self.written.push(ForeignUndo { object: foreign, field, value: earlier });
            write(foreign, &name, &value)
        };
        exchange().map_err(|error: PyErr| {
            let fault = if error.is_instance_of::<PyAttributeError>(py) {
                Fault::Type
            } else {
                Fault::Value
            };
            let owner = Owner::Id(memory_id.as_borrowed());
            let message = format!("{owner}: writing {} failed: {error}", field.name());
            caused_by(py, item_error(fault, message), Some(error))
        })
    }

    /// Counts one more access and returns the new count.
    pub fn count_access(
        &mut self,
        foreign: &'a Bound<'py, PyAny>,
        memory_id: &Bound<'py, PyString>,
    ) -> PyResult<u64> {
        let owner = Owner::Id(memory_id.as_borrowed());
        let count = (accesses(foreign, &owner)? + 1).min(MAX_COUNT);
        self.set(foreign, memory_id, Field::AccessCount, count)?;
        Ok(count)
    }

    /// Gives every written attribute its earlier value back, in reverse order. An attribute that
    /// refuses even that keeps its new value: there is nobody left to tell.
    pub fn undo(self) {
        for step in self.written.into_iter().rev() {
            let _ = step.object.setattr(step.field.name(), step.value);
        }
    }
}
