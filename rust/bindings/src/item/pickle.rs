//! Copying and pickling of `MemoryItem`, subclasses included.
//!
//! The state is `(format, field values, counter name or None, subclass state or None)`. The counter
//! is the one that made `token_count`, where the library did. What a subclass says of its own state
//! (`__getstate__`, `__setstate__`, `__getnewargs__`) is respected: it speaks of the subclass part,
//! the fields are kept here.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use super::{Field, MemoryItem};
use crate::counter;
use crate::errors::ItemValueError;

/// Format of the state; grows when the state changes. Formats 1 to 3 differ in how many field values
/// there are: fields that came later keep their defaults.
const FORMAT: u32 = 3;

fn field_count(format: u32) -> Option<usize> {
    match format {
        1 => Some(14),
        2 => Some(16),
        FORMAT => Some(Field::ALL.len()),
        _ => None,
    }
}

/// A new object without `__init__`, then the state.
pub fn reduce<'py>(item: &Bound<'py, MemoryItem>) -> PyResult<Bound<'py, PyTuple>> {
    let py = item.py();
    let class = item.get_type();
    let counter = item.get().tokens.load().counter().and_then(counter::name);
    let subclass = subclass_state(item)?;
    if overrides(&class, "__setstate__")? {
        // The subclass restores its own part; the fields must be there before. (As arguments, they
        // are copied before the copy exists: metadata that leads back to its own item cannot be
        // deep-copied in such a class.)
        let restore = py.import("memory_budget_allocator._core")?.getattr("restore_item")?;
        let fields = (FORMAT, item.get().values(py)?, counter);
        return (restore, (class, fields), subclass).into_pyobject(py);
    }
    let new_object = py.import("copyreg")?.getattr("__newobj__")?;
    let state = (FORMAT, item.get().values(py)?, counter, subclass);
    (new_object, new_arguments(item)?, state).into_pyobject(py)
}

/// The class, and what its `__new__` asks for.
fn new_arguments<'py>(item: &Bound<'py, MemoryItem>) -> PyResult<Bound<'py, PyTuple>> {
    let py = item.py();
    let class = PyTuple::new(py, [item.get_type()])?;
    match item.getattr_opt(intern!(py, "__getnewargs__"))? {
        Some(arguments) => Ok(class.add(arguments.call0()?)?.cast_into()?),
        None => Ok(class),
    }
}

/// Whether a subclass defines that method itself.
fn overrides(class: &Bound<'_, PyType>, method: &str) -> PyResult<bool> {
    let py = class.py();
    let ours = py.get_type::<MemoryItem>().getattr(method)?;
    Ok(!class.getattr(method)?.is(&ours))
}

/// What a subclass added: what its `__getstate__` says, else its instance dict and slots.
fn subclass_state<'py>(item: &Bound<'py, MemoryItem>) -> PyResult<Bound<'py, PyAny>> {
    let py = item.py();
    let state = item.call_method0(intern!(py, "__getstate__"))?;
    if overrides(&item.get_type(), "__getstate__")? {
        return Ok(state);
    }
    let Ok((dict, slots)) = state.extract::<(Bound<'py, PyAny>, Bound<'py, PyDict>)>() else {
        return Ok(state);
    };
    // Our own fields are announced as slots, but they are in the field values already; what a
    // subclass computes is no state. Only a real slot that a subclass laid over a field is.
    let real_slot = py.import("types")?.getattr("MemberDescriptorType")?;
    let own = slots.copy()?;
    for field in Field::ALL {
        let holder = item.get_type().getattr(field.name())?;
        if !holder.is_instance(&real_slot)? && own.contains(field.name())? {
            own.del_item(field.name())?;
        }
    }
    (dict, own).into_pyobject(py).map(Bound::into_any)
}

fn damaged() -> PyErr {
    ItemValueError::new_err("the pickled state of a MemoryItem is damaged")
}

/// Takes over what [`reduce`] gave.
pub fn set_state(item: &Bound<'_, MemoryItem>, state: &Bound<'_, PyAny>) -> PyResult<()> {
    let parts = state.cast::<PyTuple>().map_err(|_| damaged())?;
    if parts.len() != 4 {
        return Err(damaged());
    }
    set_fields(item.get(), &parts.get_slice(0, 3))?;
    restore_subclass(item, &parts.get_item(3)?)
}

/// `(format, field values, counter name or None)`.
fn set_fields(item: &MemoryItem, parts: &Bound<'_, PyTuple>) -> PyResult<()> {
    let format: u32 = parts.get_item(0).and_then(|it| it.extract()).map_err(|_| damaged())?;
    let count = field_count(format).ok_or_else(|| {
        ItemValueError::new_err(format!(
            "the pickled MemoryItem has format {format}; this version reads up to format {FORMAT}"
        ))
    })?;
    let (_, values, counter): (u32, Bound<'_, PyTuple>, Option<Bound<'_, PyString>>) =
        parts.extract().map_err(|_| damaged())?;
    if values.len() != count {
        return Err(damaged());
    }
    for (field, value) in Field::ALL.into_iter().zip(values.iter_borrowed()) {
        item.assign(field, &value)?;
    }
    if let Some(counter) = counter {
        let counter = counter::named(&counter.to_string_lossy());
        item.tokens.set_counted(item.tokens.load().count(), counter);
    }
    Ok(())
}

fn restore_subclass(item: &Bound<'_, MemoryItem>, extra: &Bound<'_, PyAny>) -> PyResult<()> {
    let (dict, slots) = match extra.extract::<(Bound<'_, PyAny>, Bound<'_, PyDict>)>() {
        Ok((dict, slots)) => (dict, Some(slots)),
        Err(_) => (extra.clone(), None),
    };
    if !dict.is_none() {
        item.getattr(intern!(item.py(), "__dict__"))?.call_method1("update", (dict,))?;
    }
    // A copy of the pairs: assigning may run code of the subclass.
    if let Some(slots) = slots {
        for pair in slots.items() {
            let (name, value): (Bound<'_, PyString>, Bound<'_, PyAny>) = pair.extract()?;
            item.setattr(name, value)?;
        }
    }
    Ok(())
}

/// An item of a class with a `__setstate__` of its own, with the fields filled in; called by pickle.
#[pyfunction]
pub fn restore_item<'py>(
    item_class: &Bound<'py, PyType>,
    fields: &Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, MemoryItem>> {
    let item = item_class.call_method1(intern!(item_class.py(), "__new__"), (item_class,))?;
    let item = item.cast_into::<MemoryItem>()?;
    if fields.len() != 3 {
        return Err(damaged());
    }
    set_fields(item.get(), fields)?;
    Ok(item)
}
