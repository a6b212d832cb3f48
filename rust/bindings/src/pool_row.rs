//! A memory on its way into a pool, and a copy of it on its way out.

use std::sync::{Mutex, PoisonError};

use memory_budget_core::decay::NO_TIME;
use memory_budget_core::pool::{Access, Cells, Cost, Entry, Key, Moved, Pool, Row, Snapshot};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::classes::Classes;
use crate::datetime::{self, Form};
use crate::errors::{Fault, ItemValueError, Owner, Refusal, caused_by, item_error};
use crate::fields;
use crate::foreign::ForeignReader;
use crate::item::{Field, Links, MemoryItem, Parts};
use crate::pool_words::PoolWords;
use crate::vocabulary;

/// What every row carries. The id is an exact `str`: comparing and hashing it runs no foreign code.
pub struct Payload {
    pub memory_id: Py<PyString>,
    pub text: Py<PyString>,
}

impl Clone for Payload {
    fn clone(&self) -> Self {
        Python::attach(|py| Self {
            memory_id: self.memory_id.clone_ref(py),
            text: self.text.clone_ref(py),
        })
    }
}

impl Key for Payload {
    fn hash(&self) -> u64 {
        Python::attach(|py| hash(self.memory_id.bind(py)))
    }

    fn is_same(&self, other: &Self) -> bool {
        Python::attach(|py| same(self, other.memory_id.bind(py)))
    }
}

/// Hash of an exact `str`.
pub fn hash(memory_id: &Bound<'_, PyString>) -> u64 {
    memory_id.hash().map_or(0, |hash| hash.cast_unsigned() as u64)
}

/// Whether that is the row's id, an exact `str`.
pub fn same(payload: &Payload, memory_id: &Bound<'_, PyString>) -> bool {
    let own = payload.memory_id.bind(memory_id.py());
    own.is(memory_id) || own.as_any().eq(memory_id).unwrap_or(false)
}

/// A `str` without a class of its own.
pub fn exact<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
    if text.cast_exact::<PyString>().is_ok() {
        return Ok(text.clone());
    }
    fields::prefix(text, usize::MAX)
}

/// What few rows carry: a dict, the metadata; or a tuple of metadata or None, a datetime that cannot be
/// made from its microseconds or None, and, where there are any, the three links.
pub struct Extra(Py<PyAny>);

impl Clone for Extra {
    fn clone(&self) -> Self {
        Python::attach(|py| Self(self.0.clone_ref(py)))
    }
}

impl Extra {
    fn new(
        py: Python<'_>,
        metadata: Option<Bound<'_, PyDict>>,
        timestamp: Option<Bound<'_, PyAny>>,
        links: Option<Box<Links>>,
    ) -> PyResult<Option<Self>> {
        let tuple = match (metadata, timestamp, links) {
            (None, None, None) => return Ok(None),
            (Some(metadata), None, None) => return Ok(Some(Self(metadata.into_any().unbind()))),
            (metadata, timestamp, None) => (metadata, timestamp).into_pyobject(py)?.into_any(),
            (metadata, timestamp, Some(links)) => {
                let Links { session_id, position, supersedes } = *links;
                let all = (metadata, timestamp, session_id, position, supersedes);
                all.into_pyobject(py)?.into_any()
            }
        };
        Ok(Some(Self(tuple.unbind())))
    }

    fn metadata<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyDict>> {
        let it = self.0.bind(py);
        if let Ok(pair) = it.cast::<PyTuple>() {
            return pair.get_item(0).ok()?.cast_into::<PyDict>().ok();
        }
        it.cast::<PyDict>().ok().cloned()
    }

    /// The datetime as it was given, where it is kept.
    pub fn timestamp<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.0.bind(py).cast::<PyTuple>().ok()?.get_item(1).ok().filter(|it| !it.is_none())
    }

    /// What ties the memory to others.
    pub fn links(&self, py: Python<'_>) -> Option<Links> {
        let tuple = self.0.bind(py).cast::<PyTuple>().ok()?;
        let text = |place| tuple.get_item(place).ok()?.cast_into::<PyString>().ok();
        (tuple.len() > 2).then(|| Links {
            session_id: text(2).map(Bound::unbind),
            position: tuple.get_item(3).ok().and_then(|position| position.extract().ok()),
            supersedes: text(4).map(Bound::unbind),
        })
    }

    /// For the garbage collector.
    pub fn object(&self) -> &Py<PyAny> {
        &self.0
    }
}

pub type Rows = Snapshot<Payload, Extra>;
pub type MemoryRows = Pool<Payload, Extra>;
pub type PoolEntry = Entry<Payload, Extra>;

/// Numbers of user ids, from 1; a number is never given to another user.
pub struct Users {
    numbers: Py<PyDict>,
    names: Py<PyList>,
    /// Held for two calls on containers of plain strings, which run no foreign code.
    lock: Mutex<()>,
}

impl Users {
    pub fn new(py: Python<'_>) -> Self {
        let (numbers, names) = (PyDict::new(py).unbind(), PyList::empty(py).unbind());
        Self { numbers, names, lock: Mutex::new(()) }
    }

    /// The number of a user, if any memory ever had it.
    pub fn find(&self, user: &Bound<'_, PyString>) -> PyResult<Option<u32>> {
        let known = self.numbers.bind(user.py()).get_item(exact(user)?)?;
        known.map(|number| number.extract()).transpose()
    }

    fn number(&self, user: &Bound<'_, PyString>) -> PyResult<u32> {
        if let Some(number) = self.find(user)? {
            return Ok(number);
        }
        let user = exact(user)?;
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = self.find(&user)? {
            return Ok(number);
        }
        let names = self.names.bind(user.py());
        let number = u32::try_from(names.len() + 1)
            .map_err(|_| ItemValueError::new_err("a pool has room for 2^32 - 1 users"))?;
        names.append(&user)?;
        self.numbers.bind(user.py()).set_item(user, number)?;
        Ok(number)
    }

    fn name<'py>(&self, py: Python<'py>, number: u32) -> PyResult<Option<Bound<'py, PyString>>> {
        if number == 0 {
            return Ok(None);
        }
        Ok(Some(self.names.bind(py).get_item(number as usize - 1)?.cast_into::<PyString>()?))
    }
}

/// Reads one memory, of any class with the attributes.
pub fn read(
    memory: &Bound<'_, PyAny>,
    position: usize,
    classes: &mut Classes,
    users: &Users,
) -> PyResult<PoolEntry> {
    match classes.own(memory.as_borrowed())? {
        Some(item) => read_own(memory.py(), item, users),
        None => read_foreign(memory, position, users),
    }
}

fn read_own(py: Python<'_>, item: &MemoryItem, users: &Users) -> PyResult<PoolEntry> {
    let (word, place) = (item.tokens.load(), item.place.load());
    let row = Row {
        tier: place.tier(),
        relevance: item.relevance.load(),
        importance: item.importance.load(),
        timestamp_us: item.timestamp_us(),
        cost: cost(if word.counter().is_some() { 0 } else { word.count() }, item.text_length().0),
        user: 0,
        pinned: place.is_pinned(),
        evergreen: place.is_evergreen(),
        mark: false,
    };
    let cells = Cells {
        count: Some(item.accesses()),
        last_us: Some(item.last_access().microseconds()),
        promotion: Some(item.promotion.load()),
    };
    entry(py, row, cells, item.parts(py), users)
}

fn read_foreign(memory: &Bound<'_, PyAny>, position: usize, users: &Users) -> PyResult<PoolEntry> {
    let py = memory.py();
    let reader = ForeignReader::new(memory, position)?;
    let text = reader.field(Field::Text, |value| fields::text(value).cloned())?;
    let timestamp = reader.field(Field::Timestamp, |value| Ok(value.clone()))?;
    let [pinned, evergreen] = reader.flags()?;
    let row = Row {
        tier: reader.field(Field::Tier, vocabulary::tier)?,
        relevance: reader.field(Field::RelevanceScore, fields::number)?,
        importance: reader.field(Field::ImportanceScore, fields::number)?,
        timestamp_us: reader.time(Field::Timestamp)?,
        cost: cost(reader.field(Field::TokenCount, fields::count)?, text.code_point_len()? as u64),
        user: 0,
        pinned,
        evergreen,
        mark: false,
    };
    let cells = Cells {
        count: Some(reader.field(Field::AccessCount, fields::count)?),
        last_us: Some(reader.time(Field::LastAccessed)?),
        promotion: Some(reader.field(Field::PromotionScore, fields::number)?),
    };
    let optional = |field: Field| memory.getattr_opt(PyString::intern(py, field.name()));
    let user_id = match optional(Field::UserId)? {
        Some(user) if !user.is_none() => Some(reader.field(Field::UserId, |value| {
            value.cast::<PyString>().cloned().map_err(|_| Refusal::of_type("a str or None"))
        })?),
        _ => None,
    };
    let metadata = match optional(Field::Metadata)? {
        Some(_) => Some(reader.field(Field::Metadata, |value| {
            value.cast::<PyDict>().cloned().map_err(|_| Refusal::of_type("a dict"))
        })?),
        None => None,
    };
    let parts = Parts {
        memory_id: Some(reader.memory_id.clone()),
        text: Some(text),
        timestamp: (!timestamp.is_none()).then_some(timestamp),
        user_id,
        metadata,
        links: reader.links()?.map(Box::new),
    };
    entry(py, row, cells, parts, users)
}

/// A count the caller set; else the length of the text, to be estimated by every call anew.
pub fn cost(tokens: u64, code_points: u64) -> Cost {
    if tokens == 0 { Cost::CodePoints(code_points) } else { Cost::Tokens(tokens) }
}

/// Puts a row together. The metadata is copied: a pool's memories are its own.
pub fn entry<'py>(
    py: Python<'py>,
    mut row: Row,
    cells: Cells,
    parts: Parts<'py>,
    users: &Users,
) -> PyResult<PoolEntry> {
    let empty = || intern!(py, "").clone();
    if let Some(user) = &parts.user_id {
        row.user = users.number(user)?;
    }
    let mut kept = None;
    if let Some(timestamp) = parts.timestamp {
        let form = datetime::form(&timestamp)?;
        row.mark = form == Form::Naive;
        kept = (form == Form::Other).then_some(timestamp);
    }
    let metadata = parts.metadata.filter(|metadata| !metadata.is_empty());
    let memory_id = parts.memory_id.unwrap_or_else(empty);
    let metadata = metadata.map(|it| it.copy()).transpose().map_err(|error| {
        let owner = Owner::Id(memory_id.as_borrowed());
        let message = format!("{owner}: copying metadata failed: {error}");
        caused_by(py, item_error(Fault::Value, message), Some(error))
    })?;
    let extra = Extra::new(py, metadata, kept, parts.links)?;
    let memory_id = exact(&memory_id)?.unbind();
    let payload = Payload { memory_id, text: parts.text.unwrap_or_else(empty).unbind() };
    Ok(Entry { row, payload, extra, cells })
}

/// A snapshot with what is needed to show its rows.
#[derive(Clone)]
pub struct View {
    pub pool: std::sync::Arc<MemoryRows>,
    pub rows: std::sync::Arc<Rows>,
    pub users: std::sync::Arc<Users>,
    pub words: std::sync::Arc<PoolWords>,
}

impl View {
    /// The accesses of a row, wherever its cells are now.
    pub fn access(&self, py: Python<'_>, number: u32) -> Access {
        self.rows.access(number).unwrap_or_else(|Moved| {
            let Some(payload) = self.rows.payload(number) else { return Access::NONE };
            let id = payload.memory_id.bind(py);
            self.pool.look_up(|found| {
                let row = found.find(hash(id), |payload| same(payload, id));
                row.and_then(|row| found.snapshot().access(row).ok()).unwrap_or(Access::NONE)
            })
        })
    }

    /// When a row was created, as it was given.
    fn timestamp<'py>(
        &self,
        py: Python<'py>,
        number: u32,
        row: &Row,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if row.timestamp_us == NO_TIME {
            return Ok(None);
        }
        if let Some(kept) = self.rows.extra(number).and_then(|extra| extra.timestamp(py)) {
            return Ok(Some(kept));
        }
        let made = if row.mark {
            datetime::naive_from_microseconds(py, row.timestamp_us)?
        } else {
            datetime::from_microseconds(py, row.timestamp_us)?
        };
        Ok(Some(made.into_bound(py)))
    }

    /// A copy of a row as an item of its own.
    pub fn item(&self, py: Python<'_>, number: u32, access: Access) -> PyResult<MemoryItem> {
        let gone = || ItemValueError::new_err("the row is a hole");
        let row = self.rows.row(number).ok_or_else(gone)?;
        let payload = self.rows.payload(number).ok_or_else(gone)?;
        let metadata = self.rows.extra(number).and_then(|extra| extra.metadata(py));
        let parts = Parts {
            memory_id: Some(payload.memory_id.bind(py).clone()),
            text: Some(payload.text.bind(py).clone()),
            timestamp: self.timestamp(py, number, &row)?,
            user_id: self.users.name(py, row.user)?,
            metadata: metadata.map(|metadata| metadata.copy()).transpose()?,
            links: self.links(py, number).map(Box::new),
        };
        let item = MemoryItem::from_parts(parts, row.tier, row.timestamp_us)?;
        item.relevance.store(row.relevance);
        item.importance.store(row.importance);
        item.place.set_pinned(row.pinned);
        item.place.set_evergreen(row.evergreen);
        item.promotion.store(self.rows.promotion(number));
        if let Cost::Tokens(tokens) = row.cost {
            item.tokens.set_own(tokens);
        }
        item.take_over_accesses(access.count, access.last_us);
        Ok(item)
    }

    /// What ties a row to others.
    pub fn links(&self, py: Python<'_>, number: u32) -> Option<Links> {
        self.rows.extra(number).and_then(|extra| extra.links(py))
    }

    /// The id of a row that exists.
    pub fn id(&self, py: Python<'_>, number: u32) -> Py<PyString> {
        let payload = self.rows.payload(number);
        payload.map_or_else(
            || intern!(py, "").clone().unbind(),
            |payload| payload.memory_id.clone_ref(py),
        )
    }
}
