//! `MemoryItem`: a Rust object that is a dataclass to every observer.
//!
//! Numbers are atomics, so that any thread reads and writes them without a lock. The object fields
//! share one small mutex: taken only while attached to the interpreter, never held while Python
//! code can run (values are cloned or swapped out under it and dropped after it), and never taken
//! by a scan, which needs only the atomics.

mod class;
mod field;
mod links;
pub mod pickle;

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memory_budget_core::decay::NO_TIME;
use memory_budget_core::memory::{LastAccess, MemoryCells};
use memory_budget_core::ranking::text::Terms;
use memory_budget_core::sync::AtomicF64;
use memory_budget_core::tier::Tier;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{IntoPyObjectExt, intern};

use crate::datetime;
use crate::errors::{Owner, Refusal};
use crate::fields;
use crate::vocabulary;

pub use field::Field;
pub use links::Links;

/// Code points of a text that results and log entries show.
const PREVIEW_CHARACTERS: usize = 100;

/// The fields that are Python objects. An absent id or text is the empty string.
#[derive(Default)]
pub(crate) struct Objects {
    memory_id: Option<Py<PyString>>,
    text: Option<Py<PyString>>,
    /// First characters of a long text, made when the item is first selected.
    preview: Option<Py<PyString>>,
    timestamp: Option<Py<PyAny>>,
    user_id: Option<Py<PyString>>,
    metadata: Option<Py<PyDict>>,
    last_accessed: Option<Py<PyAny>>,
    links: Option<Box<Links>>,
    /// What a ranking knows of the text, made when it is first asked for.
    terms: Option<Arc<Terms>>,
}

/// One memory with its scoring metadata; a dataclass in everything but implementation.
#[pyclass(frozen, subclass, weakref, module = "memory_budget_allocator")]
pub struct MemoryItem {
    cells: MemoryCells,
    objects: Mutex<Objects>,
}

/// An item's numbers are reached as the item's own.
impl Deref for MemoryItem {
    type Target = MemoryCells;

    fn deref(&self) -> &MemoryCells {
        &self.cells
    }
}

/// What a selection shows of an item.
pub struct Shown {
    pub memory_id: Py<PyString>,
    pub text: Py<PyString>,
    /// The first 100 characters and "..."; the text itself where it has no more.
    pub preview: Py<PyString>,
}

/// The object fields of an item, as they are handed over to and by a pool.
#[derive(Default)]
pub struct Parts<'py> {
    pub memory_id: Option<Bound<'py, PyString>>,
    pub text: Option<Bound<'py, PyString>>,
    pub timestamp: Option<Bound<'py, PyAny>>,
    pub user_id: Option<Bound<'py, PyString>>,
    pub metadata: Option<Bound<'py, PyDict>>,
    pub links: Option<Box<Links>>,
}

impl MemoryItem {
    /// The object fields in one visit.
    pub fn parts<'py>(&self, py: Python<'py>) -> Parts<'py> {
        let objects = self.objects();
        let own = |object: &Option<Py<PyString>>| object.as_ref().map(|it| it.bind(py).clone());
        Parts {
            memory_id: own(&objects.memory_id),
            text: own(&objects.text),
            timestamp: objects.timestamp.as_ref().map(|it| it.bind(py).clone()),
            user_id: own(&objects.user_id),
            metadata: objects.metadata.as_ref().map(|it| it.bind(py).clone()),
            links: objects.links.as_ref().map(|links| Box::new(links.clone_ref(py))),
        }
    }

    /// An item of its own with these fields, all others as new; `timestamp_us` is that of
    /// `timestamp`.
    pub fn from_parts(parts: Parts<'_>, tier: Tier, timestamp_us: i64) -> PyResult<Self> {
        let code_points = parts.text.as_ref().map_or(Ok(0), PyStringMethods::code_point_len)?;
        let cells = MemoryCells::new(tier, timestamp_us, code_points as u64);
        let item = Self { cells, objects: Mutex::default() };
        {
            let mut objects = item.objects();
            objects.memory_id = parts.memory_id.map(Bound::unbind);
            objects.text = parts.text.map(Bound::unbind);
            objects.timestamp = parts.timestamp.map(Bound::unbind);
            objects.user_id = parts.user_id.map(Bound::unbind);
            objects.metadata = parts.metadata.map(Bound::unbind);
            objects.links = parts.links;
        }
        Ok(item)
    }

    /// Sets what a pool counts, as the library writes it.
    pub fn take_over_accesses(&self, count: u64, last_us: i64) {
        self.set_accesses(count);
        if last_us != NO_TIME {
            self.set_last_access(LastAccess::written(last_us));
        }
    }

    /// An item as it is before its fields are assigned.
    pub fn blank() -> Self {
        Self { cells: MemoryCells::default(), objects: Mutex::default() }
    }

    /// Every field as a new object has it.
    fn reset(&self) {
        let mut objects = self.objects();
        self.cells.reset();
        let old = std::mem::take(&mut *objects);
        drop(objects);
        drop(old);
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let id = self.objects().memory_id.as_ref().map(|id| id.clone_ref(py));
        id.map_or_else(|| intern!(py, "").clone(), |id| id.into_bound(py))
    }

    pub fn text_object<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let text = self.objects().text.as_ref().map(|text| text.clone_ref(py));
        text.map_or_else(|| intern!(py, "").clone(), |text| text.into_bound(py))
    }

    /// The objects a result needs, in one visit.
    pub fn shown(&self, py: Python<'_>) -> PyResult<Shown> {
        let empty = || intern!(py, "").clone().unbind();
        let (memory_id, text, preview, length) = {
            let objects = self.objects();
            let own = |object: &Option<Py<PyString>>| object.as_ref().map(|it| it.clone_ref(py));
            // Text and length change together, under the lock.
            let (length, _) = self.text_length();
            (own(&objects.memory_id), own(&objects.text), own(&objects.preview), length)
        };
        let memory_id = fields::into_plain(py, memory_id.unwrap_or_else(empty))?;
        let text = fields::into_plain(py, text.unwrap_or_else(empty))?;
        let preview = match preview {
            _ if length <= PREVIEW_CHARACTERS as u64 => text.clone_ref(py),
            Some(preview) => preview,
            None => self.make_preview(&text, py)?,
        };
        Ok(Shown { memory_id, text, preview })
    }

    /// The timestamp as it was assigned.
    pub fn timestamp_object(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.objects().timestamp.as_ref().map(|it| it.clone_ref(py))
    }

    /// Cuts the preview once per text and keeps it: log entries share it.
    fn make_preview(&self, text: &Py<PyString>, py: Python<'_>) -> PyResult<Py<PyString>> {
        let preview = preview_of(text.bind(py))?.unbind();
        let mut objects = self.objects();
        if objects.text.as_ref().is_some_and(|current| current.is(text)) {
            let old = objects.preview.replace(preview.clone_ref(py));
            drop(objects);
            drop(old);
        }
        Ok(preview)
    }

    fn owner_error(
        &self,
        py: Python<'_>,
        field: Field,
        value: &Bound<'_, PyAny>,
        refusal: Refusal,
    ) -> PyErr {
        let known = self.objects().memory_id.is_some();
        let id = self.id(py);
        let owner = if known { Owner::Id(id.as_borrowed()) } else { Owner::Unnamed };
        refusal.for_item(py, &owner, field.name(), value)
    }

    fn set_number(&self, cell: &AtomicF64, field: Field, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let number = fields::number(value)
            .map_err(|refusal| self.owner_error(value.py(), field, value, refusal))?;
        cell.store(number);
        Ok(())
    }

    /// Checks and assigns one field.
    pub fn assign(&self, field: Field, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = value.py();
        let refused = |refusal| self.owner_error(py, field, value, refusal);
        match field {
            Field::MemoryId => {
                let id = fields::text(value).map_err(refused)?.clone().unbind();
                let old = self.objects().memory_id.replace(id);
                drop(old);
            }
            Field::Text => self.assign_text(fields::text(value).map_err(refused)?)?,
            Field::Tier => {
                self.move_to(vocabulary::tier(value).map_err(refused)?);
            }
            Field::Timestamp => {
                let (given, microseconds) = datetime::optional(value).map_err(refused)?;
                let given = given.map(Bound::unbind);
                let mut objects = self.objects();
                self.set_timestamp_us(microseconds);
                let old = std::mem::replace(&mut objects.timestamp, given);
                drop(objects);
                drop(old);
            }
            Field::UserId => {
                let user = if value.is_none() {
                    None
                } else {
                    let user = value.cast::<PyString>();
                    Some(user.map_err(|_| refused(Refusal::of_type("a str or None")))?.clone())
                };
                let old = std::mem::replace(&mut self.objects().user_id, user.map(Bound::unbind));
                drop(old);
            }
            Field::Metadata => {
                let metadata = value.cast::<PyDict>();
                let metadata = metadata.map_err(|_| refused(Refusal::of_type("a dict")))?.clone();
                let old = self.objects().metadata.replace(metadata.unbind());
                drop(old);
            }
            Field::RelevanceScore => self.set_number(&self.relevance, field, value)?,
            Field::ImportanceScore => self.set_number(&self.importance, field, value)?,
            Field::FreshnessScore => self.set_number(&self.freshness, field, value)?,
            Field::CombinedScore => self.set_number(&self.combined, field, value)?,
            Field::PromotionScore => self.set_number(&self.promotion, field, value)?,
            Field::Pinned => self.place.set_pinned(fields::flag(value).map_err(refused)?),
            Field::Evergreen => self.place.set_evergreen(fields::flag(value).map_err(refused)?),
            Field::SessionId => {
                let given = fields::optional_text(value).map_err(refused)?.map(Bound::unbind);
                self.relink(|links| std::mem::replace(&mut links.session_id, given));
            }
            Field::Supersedes => {
                let given = fields::optional_text(value).map_err(refused)?.map(Bound::unbind);
                self.relink(|links| std::mem::replace(&mut links.supersedes, given));
            }
            Field::Position => {
                let given = fields::optional_count(value).map_err(refused)?;
                self.relink(|links| links.position = given);
            }
            Field::TokenCount => self.tokens.set_own(fields::count(value).map_err(refused)?),
            Field::AccessCount => {
                self.set_accesses(fields::count(value).map_err(refused)?);
            }
            Field::LastAccessed => {
                let (given, microseconds) = datetime::optional(value).map_err(refused)?;
                let given = given.map(Bound::unbind);
                let access = if given.is_none() {
                    LastAccess::NEVER
                } else {
                    LastAccess::given(microseconds)
                };
                let mut objects = self.objects();
                self.set_last_access(access);
                let old = std::mem::replace(&mut objects.last_accessed, given);
                drop(objects);
                drop(old);
            }
        }
        Ok(())
    }

    /// Changes the links; what was there before is dropped outside of the lock.
    fn relink<T>(&self, change: impl FnOnce(&mut Links) -> T) {
        let mut objects = self.objects();
        let mut links = objects.links.take().unwrap_or_default();
        let old = change(&mut links);
        objects.links = (!links.is_empty()).then_some(links);
        drop(objects);
        drop(old);
    }

    /// Ties a memory to others.
    pub fn link(&self, links: Links) {
        self.relink(|own| std::mem::replace(own, links));
    }

    /// What ties the memory to others, if anything does.
    pub fn links(&self, py: Python<'_>) -> Option<Links> {
        self.objects().links.as_ref().map(|links| links.clone_ref(py))
    }

    /// The words of the text, which are kept until it changes.
    pub fn terms(&self, py: Python<'_>) -> Arc<Terms> {
        let (known, text) = {
            let objects = self.objects();
            (objects.terms.clone(), objects.text.as_ref().map(|text| text.clone_ref(py)))
        };
        if let Some(terms) = known {
            return terms;
        }
        let Some(text) = text else { return Arc::default() };
        let terms = Arc::new(Terms::of(&text.bind(py).to_string_lossy()));
        let mut objects = self.objects();
        if objects.text.as_ref().is_some_and(|current| current.is(&text)) {
            objects.terms = Some(Arc::clone(&terms));
        }
        drop(objects);
        terms
    }

    fn assign_text(&self, text: &Bound<'_, PyString>) -> PyResult<()> {
        let length = text.code_point_len()? as u64;
        let mut objects = self.objects();
        let old = (objects.text.replace(text.clone().unbind()), objects.preview.take());
        let old_terms = objects.terms.take();
        self.set_text_length(length);
        drop(objects);
        drop((old, old_terms));
        Ok(())
    }

    /// The value of one field.
    pub fn value(&self, py: Python<'_>, field: Field) -> PyResult<Py<PyAny>> {
        match field {
            Field::MemoryId => Ok(self.id(py).into_any().unbind()),
            Field::Text => Ok(self.text_object(py).into_any().unbind()),
            Field::Tier => vocabulary::tier_member(py, self.tier()),
            Field::Timestamp => {
                self.objects().timestamp.as_ref().map(|it| it.clone_ref(py)).into_py_any(py)
            }
            Field::UserId => {
                self.objects().user_id.as_ref().map(|it| it.clone_ref(py)).into_py_any(py)
            }
            Field::Metadata => self.metadata(py).into_py_any(py),
            Field::RelevanceScore => self.relevance.load().into_py_any(py),
            Field::ImportanceScore => self.importance.load().into_py_any(py),
            Field::FreshnessScore => self.freshness.load().into_py_any(py),
            Field::CombinedScore => self.combined.load().into_py_any(py),
            Field::PromotionScore => self.promotion.load().into_py_any(py),
            Field::TokenCount => self.tokens.load().count().into_py_any(py),
            Field::AccessCount => self.accesses().into_py_any(py),
            Field::LastAccessed => self.last_accessed(py),
            Field::Pinned => self.place.load().is_pinned().into_py_any(py),
            Field::Evergreen => self.place.load().is_evergreen().into_py_any(py),
            Field::SessionId => self.links(py).and_then(|links| links.session_id).into_py_any(py),
            Field::Position => self.links(py).and_then(|links| links.position).into_py_any(py),
            Field::Supersedes => self.links(py).and_then(|links| links.supersedes).into_py_any(py),
        }
    }

    /// The metadata, made on first use. The dict is created before the lock is taken: making one
    /// may start a garbage collection, and that runs foreign code.
    fn metadata(&self, py: Python<'_>) -> Py<PyDict> {
        let existing = self.objects().metadata.as_ref().map(|it| it.clone_ref(py));
        existing.unwrap_or_else(|| {
            let empty = PyDict::new(py).unbind();
            let mut objects = self.objects();
            objects.metadata.get_or_insert(empty).clone_ref(py)
        })
    }

    fn last_accessed(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let (access, given) = {
            let objects = self.objects();
            (self.last_access(), objects.last_accessed.as_ref().map(|it| it.clone_ref(py)))
        };
        if access.is_written() {
            datetime::from_microseconds(py, access.microseconds())
        } else {
            given.into_py_any(py)
        }
    }

    /// All field values, in their order.
    pub fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let values: Vec<_> =
            Field::ALL.into_iter().map(|field| self.value(py, field)).collect::<PyResult<_>>()?;
        PyTuple::new(py, values)
    }
}

/// The first 100 characters of a text, and "..." where it goes on.
pub fn preview_of<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
    if text.code_point_len()? <= PREVIEW_CHARACTERS {
        return fields::plain(text);
    }
    let start = fields::prefix(text, PREVIEW_CHARACTERS)?;
    Ok(start.add(intern!(text.py(), "..."))?.cast_into()?)
}
