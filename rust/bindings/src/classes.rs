//! Which objects are read as ours.
//!
//! A subclass of `MemoryItem` that defines one of the documented names itself is not: its own attributes
//! are what counts.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use pyo3::{Borrowed, intern};

use crate::item::{Field, MemoryItem};

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
