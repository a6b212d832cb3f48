//! `MemoryPool` and `PoolSnapshot`: memories that stay.

use std::sync::{Arc, OnceLock};

use memory_budget_core::pool::{Cells, Draft, SnapshotIndex};
use memory_budget_core::tier::Tier;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyType};
use pyo3::{PyTraverseError, PyVisit};

use crate::classes::Classes;
use crate::door;
use crate::errors::{ArgumentTypeError, ArgumentValueError, Refusal, UnknownMemoryError, shown};
use crate::fields;
use crate::gateway;
use crate::item::{Field, MemoryItem};
use crate::pool_columns;
use crate::pool_row::{self, Extra, MemoryRows, Payload, PoolEntry, Rows, Users, View};
use crate::pool_words::PoolWords;
use crate::vocabulary;

/// Rows between two looks for Ctrl-C while a load is read.
pub const INTERRUPT_EVERY: usize = 1 << 16;

/// Rows a pool has room for.
const MOST_ROWS: usize = u32::MAX as usize;

/// Resident memories: columns that stay, so that a query reads numbers alone.
///
/// Ids are unique. A memory keeps its row number (from 0, in the order of arrival) until `compact()`;
/// removing one leaves a hole. What comes out are copies: only `add`, `update`, `remove` and
/// `apply_tier_changes` change a pool, and an allocation the access count and the time of last access
/// of what it selects. Thread-safe: an allocation sees one version of the rows and never waits.
#[pyclass(frozen, weakref, module = "memory_budget_allocator")]
pub struct MemoryPool {
    pool: Arc<MemoryRows>,
    users: Arc<Users>,
    words: Arc<PoolWords>,
}

impl MemoryPool {
    pub fn view(&self) -> View {
        View {
            pool: Arc::clone(&self.pool),
            rows: self.pool.snapshot(),
            users: Arc::clone(&self.users),
            words: Arc::clone(&self.words),
        }
    }

    /// Makes read entries visible as one step. Gives their row numbers.
    fn load(&self, entries: Vec<PoolEntry>) -> PyResult<Vec<u32>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        self.pool.change(|draft| {
            if draft.rows().rows() + entries.len() > MOST_ROWS {
                return Err(ArgumentValueError::new_err("a pool has room for 2^32 - 1 rows"));
            }
            draft.reserve(entries.len());
            Ok(entries.into_iter().map(|entry| draft.put(entry)).collect())
        })
    }

    fn find(&self, memory_id: &Bound<'_, PyAny>) -> PyResult<Option<(View, u32)>> {
        let id = pool_row::exact(id_argument(memory_id)?)?;
        let found = self.pool.look_up(|rows| {
            let row = rows.find(pool_row::hash(&id), |payload| pool_row::same(payload, &id))?;
            Some((Arc::clone(rows.snapshot()), row))
        });
        let view = self.view();
        Ok(found.map(|(rows, row)| (View { rows, ..view }, row)))
    }
}

fn id_argument<'a, 'py>(memory_id: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyString>> {
    let refused = |refusal: Refusal| refusal.for_argument(memory_id.py(), "memory_id", memory_id);
    fields::text(memory_id).map_err(refused)
}

fn unknown(memory_id: &Bound<'_, PyAny>) -> PyErr {
    UnknownMemoryError::new_err(format!("the pool has no memory {}", shown(memory_id)))
}

fn find_in(draft: &Draft<'_, Payload, Extra>, id: &Bound<'_, PyString>) -> Option<u32> {
    draft.find(pool_row::hash(id), |payload| pool_row::same(payload, id))
}

#[pymethods]
impl MemoryPool {
    #[new]
    fn new(py: Python<'_>) -> Self {
        let (pool, users) = (Arc::new(MemoryRows::new()), Arc::new(Users::new(py)));
        Self { pool, users, words: Arc::default() }
    }

    /// A pool of memories, in their order. Raises what `add_many` raises.
    #[classmethod]
    fn from_items(class: &Bound<'_, PyType>, items: &Bound<'_, PyAny>) -> PyResult<Self> {
        let pool = Self::new(class.py());
        pool.add_many(items)?;
        Ok(pool)
    }

    /// A pool of columns named as the fields of `MemoryItem`: sequences or one-dimensional buffers.
    ///
    /// `memory_id` and one of `token_count` and `text` are needed; `tier` (a name, or 0 to 3 in the
    /// order of `MemoryTier`) is "working" by default, all else as `MemoryItem` has it. Times are
    /// datetimes, datetime64, or integer microseconds since 1970 UTC.
    ///
    /// Raises `ArgumentTypeError` or `ArgumentValueError` naming the column and the row.
    #[classmethod]
    fn from_columns(class: &Bound<'_, PyType>, columns: &Bound<'_, PyAny>) -> PyResult<Self> {
        let pool = Self::new(class.py());
        pool.load(pool_columns::read(columns, &pool.users)?)?;
        Ok(pool)
    }

    /// Adds a memory, or replaces the one with the same id, and gives its row number.
    ///
    /// Raises `ItemTypeError` or `ItemValueError` for an object that is no memory.
    fn add(&self, item: &Bound<'_, PyAny>) -> PyResult<u32> {
        let entry = pool_row::read(item, 0, &mut Classes::default(), &self.users)?;
        Ok(self.load(vec![entry])?[0])
    }

    /// Adds memories as one step and gives their row numbers. Of an id that comes twice, the last one
    /// stays.
    ///
    /// Raises `ItemTypeError` or `ItemValueError` naming the memory; nothing was added then, nor after
    /// Ctrl-C.
    fn add_many(&self, items: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
        let items = door::copied(items, "items")?;
        let mut entries = Vec::with_capacity(items.len());
        let mut classes = Classes::default();
        for (position, item) in items.iter_borrowed().enumerate() {
            if position % INTERRUPT_EVERY == INTERRUPT_EVERY - 1 {
                gateway::pause(items.py())?;
            }
            entries.push(pool_row::read(&item, position, &mut classes, &self.users)?);
        }
        self.load(entries)
    }

    /// Changes the named fields of a memory: any of `MemoryItem` but the id and the scores that every
    /// call computes.
    ///
    /// Raises `UnknownMemoryError`, which is a `KeyError`; `ArgumentTypeError` for another field;
    /// `ItemTypeError` or `ItemValueError` for a value that cannot be. Nothing has changed then.
    #[pyo3(signature = (memory_id, /, **changes))]
    fn update(
        &self,
        memory_id: &Bound<'_, PyAny>,
        changes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let py = memory_id.py();
        let id = pool_row::exact(id_argument(memory_id)?)?;
        let mut named = Vec::new();
        for (name, value) in changes.into_iter().flatten() {
            named.push((changeable(&name)?, value));
        }
        loop {
            let (view, row) = self.find(&id)?.ok_or_else(|| unknown(memory_id))?;
            let item = view.item(py, row, view.access(py, row))?;
            for (field, value) in &named {
                item.assign(*field, value)?;
            }
            let item = Py::new(py, item)?;
            let item = item.bind(py).as_any();
            let mut entry = pool_row::read(item, 0, &mut Classes::default(), &self.users)?;
            // What is not named stays as it is by then: selections go on counting meanwhile.
            let is_named = |field| named.iter().any(|(name, _)| *name == field);
            entry.cells = Cells {
                count: entry.cells.count.filter(|_| is_named(Field::AccessCount)),
                last_us: entry.cells.last_us.filter(|_| is_named(Field::LastAccessed)),
                promotion: entry.cells.promotion.filter(|_| is_named(Field::PromotionScore)),
            };
            let version = view.rows.version();
            let is_unchanged = |rows: &Rows| rows.version() == version;
            if self.pool.change_if(is_unchanged, |draft| draft.replace(row, entry)).is_some() {
                return Ok(());
            }
        }
    }

    /// Removes a memory; its row becomes a hole. Raises `UnknownMemoryError`, a `KeyError`.
    fn remove(&self, memory_id: &Bound<'_, PyAny>) -> PyResult<()> {
        let id = pool_row::exact(id_argument(memory_id)?)?;
        let known = self.find(&id)?.is_some();
        let removed = known
            && self.pool.change(|draft| {
                let row = find_in(draft, &id);
                row.inspect(|row| draft.remove(*row)).is_some()
            });
        if removed { Ok(()) } else { Err(unknown(memory_id)) }
    }

    /// A copy of a memory, or None where the pool has none of that id.
    fn get(&self, memory_id: &Bound<'_, PyAny>) -> PyResult<Option<MemoryItem>> {
        let py = memory_id.py();
        let found = self.find(memory_id)?;
        found.map(|(view, row)| view.item(py, row, view.access(py, row))).transpose()
    }

    fn __getitem__(&self, memory_id: &Bound<'_, PyAny>) -> PyResult<MemoryItem> {
        self.get(memory_id)?.ok_or_else(|| unknown(memory_id))
    }

    fn __contains__(&self, memory_id: &Bound<'_, PyAny>) -> PyResult<bool> {
        if memory_id.cast::<PyString>().is_err() {
            return Ok(false);
        }
        Ok(self.find(memory_id)?.is_some())
    }

    fn __len__(&self) -> usize {
        self.pool.snapshot().len()
    }

    /// Copies of the memories, in the order of their rows, of one version.
    fn __iter__(&self) -> PoolIterator {
        PoolIterator { view: self.view(), next: std::sync::atomic::AtomicU32::new(0) }
    }

    /// Closes the holes: rows get new numbers in the same order. Gives the former number of each.
    fn compact(&self) -> Vec<u32> {
        self.pool.compact()
    }

    /// An immutable view of the rows as they are now.
    fn snapshot(&self) -> PoolSnapshot {
        PoolSnapshot::new(self.view())
    }

    /// Grows with every change of rows; selections do not change rows.
    #[getter]
    fn version(&self) -> u64 {
        self.pool.snapshot().version()
    }

    /// How many row numbers there are, holes included.
    #[getter]
    fn rows(&self) -> usize {
        self.pool.snapshot().rows()
    }

    /// Ids in the order of rows; None for a hole.
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        ids(py, &self.view())
    }

    /// Bytes the pool takes: its columns and its index, without the ids, texts and metadata.
    #[getter]
    fn nbytes(&self) -> usize {
        self.pool.heap_bytes()
    }

    /// Moves memories to other tiers as one step, where they still are in the tier named first.
    /// Says of each change "moved", "stale" or "unknown".
    fn _change_tiers(&self, changes: &Bound<'_, PyList>) -> PyResult<Vec<&'static str>> {
        let mut known = Vec::with_capacity(changes.len());
        for change in changes.iter() {
            let (id, from, to): (Bound<'_, PyString>, Bound<'_, PyAny>, Bound<'_, PyAny>) =
                change.extract()?;
            let tier = |name: &Bound<'_, PyAny>| {
                vocabulary::tier(name).map_err(|it| it.for_argument(name.py(), "tier", name))
            };
            known.push((pool_row::exact(&id)?, tier(&from)?, tier(&to)?));
        }
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let change = |draft: &mut Draft<'_, Payload, Extra>,
                      (id, from, to): &(Bound<'_, PyString>, Tier, Tier)| {
            let Some(number) = find_in(draft, id) else { return "unknown" };
            match draft.rows().row(number) {
                Some(mut row) if row.tier == *from => {
                    row.tier = *to;
                    draft.set_row(number, &row);
                    "moved"
                }
                _ => "stale",
            }
        };
        Ok(self.pool.change(|draft| known.iter().map(|it| change(draft, it)).collect()))
    }

    fn __repr__(&self) -> String {
        let rows = self.pool.snapshot();
        format!(
            "<MemoryPool memories={} rows={} version={}>",
            rows.len(),
            rows.rows(),
            rows.version()
        )
    }

    /// Only what nobody else shares is shown to the collector: seen too often, it would be taken
    /// for garbage; not seen, it stays.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if Arc::strong_count(&self.pool) > 1 {
            return Ok(());
        }
        self.pool.visit_own_extras(|extra| visit.call(extra.object()))
    }

    fn __clear__(&self) {
        self.pool.clear();
    }
}

fn changeable(name: &Bound<'_, PyAny>) -> PyResult<Field> {
    let refused = |reason: &str| {
        ArgumentTypeError::new_err(format!("update() cannot change {}: {reason}", shown(name)))
    };
    let known = name.cast::<PyString>()?.to_string_lossy().into_owned();
    match Field::ALL.into_iter().find(|field| field.name() == known) {
        Some(Field::MemoryId) => Err(refused("it is what a memory is found by")),
        Some(Field::FreshnessScore | Field::CombinedScore) => {
            Err(refused("every call computes it anew"))
        }
        Some(field) => Ok(field),
        None => Err(refused("MemoryItem has no such field")),
    }
}

fn ids<'py>(py: Python<'py>, view: &View) -> PyResult<Bound<'py, PyList>> {
    let id = |row| view.rows.payload(row).map(|payload| payload.memory_id.bind(py));
    let ids = PyList::empty(py);
    for row in (0..).take(view.rows.rows()) {
        ids.append(id(row))?;
    }
    Ok(ids)
}

/// An immutable view of a pool's rows.
#[pyclass(frozen, weakref, module = "memory_budget_allocator")]
pub struct PoolSnapshot {
    view: View,
    /// Made when ids are first looked up and the pool has other rows by then.
    index: OnceLock<SnapshotIndex>,
}

impl PoolSnapshot {
    pub fn new(view: View) -> Self {
        Self { view, index: OnceLock::new() }
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    pub fn find(&self, id: &Bound<'_, PyString>) -> Option<u32> {
        let index = self.index.get_or_init(|| SnapshotIndex::new(&self.view.rows));
        index.find(&self.view.rows, pool_row::hash(id), |payload| pool_row::same(payload, id))
    }
}

#[pymethods]
impl PoolSnapshot {
    /// Ids in the order of rows; None for a hole.
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        ids(py, &self.view)
    }

    /// How many row numbers there are, holes included.
    #[getter]
    fn rows(&self) -> usize {
        self.view.rows.rows()
    }

    /// The version of the pool it was taken at.
    #[getter]
    fn version(&self) -> u64 {
        self.view.rows.version()
    }

    fn __len__(&self) -> usize {
        self.view.rows.len()
    }

    fn __repr__(&self) -> String {
        let rows = &self.view.rows;
        format!(
            "<PoolSnapshot memories={} rows={} version={}>",
            rows.len(),
            rows.rows(),
            rows.version()
        )
    }
}

/// Goes over one version of a pool.
#[pyclass(frozen, module = "memory_budget_allocator._core")]
pub struct PoolIterator {
    view: View,
    next: std::sync::atomic::AtomicU32,
}

#[pymethods]
impl PoolIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<MemoryItem>> {
        loop {
            let row = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if row as usize >= self.view.rows.rows() {
                // Never past the end by more than the threads that share the iterator.
                self.next.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
                return Ok(None);
            }
            if self.view.rows.payload(row).is_some() {
                return Ok(Some(self.view.item(py, row, self.view.access(py, row))?));
            }
        }
    }
}
