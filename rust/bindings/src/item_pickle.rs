//! Copying and pickling of `MemoryItem`, subclasses included.
//!
//! The state is `(format, field values, counter name or None, subclass state or None)`. The counter
//! is the one that made `token_count`, where the library did.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::errors::ItemValueError;
use crate::item::{Field, MemoryItem};
use crate::token_mark::Counter;

/// Format of the state; grows when the state changes.
const FORMAT: u32 = 1;

/// `(copyreg.__newobj__, (class,), state)`: a new object without `__init__`, then the state.
pub fn reduce<'py>(item: &Bound<'py, MemoryItem>) -> PyResult<Bound<'py, PyTuple>> {
    let py = item.py();
    let counter = item.get().tokens.load().counter().and_then(Counter::name);
    let state = (FORMAT, item.get().values(py)?, counter, subclass_state(item)?);
    let new_object = py.import("copyreg")?.getattr("__newobj__")?;
    (new_object, (item.get_type(),), state).into_pyobject(py)
}

/// What a subclass added: its instance dict and slots, as `object.__getstate__` gives them.
fn subclass_state<'py>(item: &Bound<'py, MemoryItem>) -> PyResult<Bound<'py, PyAny>> {
    let py = item.py();
    let object = py.import("builtins")?.getattr("object")?;
    let state = object.call_method1("__getstate__", (item,))?;
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

/// Takes over what [`reduce`] gave.
pub fn set_state(item: &Bound<'_, MemoryItem>, state: &Bound<'_, PyAny>) -> PyResult<()> {
    let unusable = || ItemValueError::new_err("the pickled state of a MemoryItem is damaged");
    let parts = state.cast::<PyTuple>().map_err(|_| unusable())?;
    let format: u32 = parts.get_item(0).and_then(|it| it.extract()).map_err(|_| unusable())?;
    if format != FORMAT {
        return Err(ItemValueError::new_err(format!(
            "the pickled MemoryItem has format {format}; this version reads format {FORMAT}"
        )));
    }
    let (_, values, counter, extra): (
        u32,
        Bound<'_, PyTuple>,
        Option<Bound<'_, PyString>>,
        Bound<'_, PyAny>,
    ) = parts.extract().map_err(|_| unusable())?;
    if values.len() != Field::ALL.len() {
        return Err(unusable());
    }
    let own = item.get();
    for (field, value) in Field::ALL.into_iter().zip(values.iter_borrowed()) {
        own.assign(field, &value)?;
    }
    if let Some(counter) = counter {
        let counter = Counter::named(&counter.to_string_lossy());
        own.tokens.set_counted(own.tokens.load().count(), counter);
    }
    restore_subclass(item, &extra)
}

fn restore_subclass(item: &Bound<'_, MemoryItem>, extra: &Bound<'_, PyAny>) -> PyResult<()> {
    let (dict, slots) = match extra.extract::<(Bound<'_, PyAny>, Bound<'_, PyDict>)>() {
        Ok((dict, slots)) => (dict, Some(slots)),
        Err(_) => (extra.clone(), None),
    };
    if !dict.is_none() {
        item.getattr(intern!(item.py(), "__dict__"))?.call_method1("update", (dict,))?;
    }
    for (name, value) in slots.into_iter().flatten() {
        item.setattr(name.cast::<PyString>()?, value)?;
    }
    Ok(())
}
