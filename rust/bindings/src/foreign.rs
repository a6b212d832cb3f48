//! The protocol for memories of other classes: their attributes are read and written one by one, each by
//! code that may be anybody's.

use memory_budget_core::tokens::MAX_COUNT;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::datetime;
use crate::errors::{Fault, Owner, Refusal, caused_by, item_error, shown_with_type};
use crate::fields;
use crate::gateway;
use crate::item::{Field, Links};

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
        self.field(field, |value| datetime::optional(value).map(|(_, microseconds)| microseconds))
    }
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

fn accesses<'py>(foreign: &Bound<'py, PyAny>, owner: &Owner<'_, 'py>) -> PyResult<u64> {
    let value = attribute(foreign, Field::AccessCount, owner)?;
    fields::count(&value)
        .map_err(|refusal| refusal.for_item(foreign.py(), owner, Field::AccessCount.name(), &value))
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
