//! What a field accepts, and what it becomes.

use memory_budget_core::tokens::MAX_COUNT;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PySlice, PyString};

use crate::errors::{Fault, Refusal};

const NUMBER: &str = "a number";
const FLOAT_RANGE: &str = "a number that a 64-bit float can hold";
const COUNT: &str = "an integer from 0 to 9007199254740991";
const TEXT: &str = "a str";
const FLAG: &str = "a bool";

fn refused(value: &Bound<'_, PyAny>, accepted: &'static str, error: PyErr) -> Refusal {
    let py = value.py();
    if error.is_instance_of::<PyTypeError>(py) {
        return Refusal::of_type(accepted);
    }
    let expected =
        error.is_instance_of::<PyValueError>(py) || error.is_instance_of::<PyOverflowError>(py);
    Refusal { fault: Fault::Value, accepted, cause: (!expected).then_some(error) }
}

/// A float, an int or anything with `__float__` or `__index__` (NumPy scalars); no bool, no str.
pub fn number(value: &Bound<'_, PyAny>) -> Result<f64, Refusal> {
    if let Ok(float) = value.cast_exact::<PyFloat>() {
        return Ok(float.value());
    }
    if value.is_instance_of::<PyBool>() {
        return Err(Refusal::of_type(NUMBER));
    }
    value.extract::<f64>().map_err(|error| {
        if error.is_instance_of::<PyOverflowError>(value.py()) {
            return Refusal::of_value(FLOAT_RANGE);
        }
        refused(value, NUMBER, error)
    })
}

/// An int from 0 to 2^53 - 1, or anything with `__index__` (NumPy integers); no bool, no float.
pub fn count(value: &Bound<'_, PyAny>) -> Result<u64, Refusal> {
    if value.is_instance_of::<PyBool>() {
        return Err(Refusal::of_type(COUNT));
    }
    let integer = match value.cast::<PyInt>() {
        Ok(integer) => integer.clone(),
        Err(_) => value
            .call_method0(intern!(value.py(), "__index__"))
            .and_then(|index| Ok(index.cast_into::<PyInt>()?))
            .map_err(|error| {
                if error.is_instance_of::<pyo3::exceptions::PyAttributeError>(value.py()) {
                    Refusal::of_type(COUNT)
                } else {
                    refused(value, COUNT, error)
                }
            })?,
    };
    match integer.extract::<u64>() {
        Ok(count) if count <= MAX_COUNT => Ok(count),
        _ => Err(Refusal::of_value(COUNT)),
    }
}

/// True or False, of Python or of NumPy; no other number.
pub fn flag(value: &Bound<'_, PyAny>) -> Result<bool, Refusal> {
    value.extract().map_err(|_| Refusal::of_type(FLAG))
}

/// A str or None.
pub fn optional_text<'py>(
    value: &Bound<'py, PyAny>,
) -> Result<Option<Bound<'py, PyString>>, Refusal> {
    if value.is_none() {
        return Ok(None);
    }
    let text = value.cast::<PyString>().map_err(|_| Refusal::of_type("a str or None"))?;
    Ok(Some(text.clone()))
}

/// A count or None.
pub fn optional_count(value: &Bound<'_, PyAny>) -> Result<Option<u64>, Refusal> {
    const ACCEPTED: &str = "an integer from 0 to 9007199254740991 or None";
    if value.is_none() {
        return Ok(None);
    }
    count(value).map(Some).map_err(|refusal| Refusal { accepted: ACCEPTED, ..refusal })
}

/// A str, subclasses included.
pub fn text<'a, 'py>(value: &'a Bound<'py, PyAny>) -> Result<&'a Bound<'py, PyString>, Refusal> {
    value.cast::<PyString>().map_err(|_| Refusal::of_type(TEXT))
}

/// The text as a plain str: a subclass may carry attributes and code of its own, which results and
/// the log must not keep alive or run.
pub fn plain<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
    if text.is_exact_instance_of::<PyString>() { Ok(text.clone()) } else { copied(text) }
}

/// As [`plain`], without touching the reference count of a text that is plain already.
#[inline]
pub fn into_plain(py: Python<'_>, text: Py<PyString>) -> PyResult<Py<PyString>> {
    let bound = text.bind(py);
    if bound.is_exact_instance_of::<PyString>() { Ok(text) } else { Ok(copied(bound)?.unbind()) }
}

#[cold]
fn copied<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
    let copy = intern!(text.py(), "__str__");
    let plain = text.py().get_type::<PyString>().call_method1(copy, (text,))?;
    Ok(plain.cast_into::<PyString>()?)
}

/// The first `length` code points of a text, as a plain str.
pub fn prefix<'py>(text: &Bound<'py, PyString>, length: usize) -> PyResult<Bound<'py, PyString>> {
    let end = isize::try_from(length).unwrap_or(isize::MAX);
    let slice = PySlice::new(text.py(), 0, end, 1);
    let start = if text.is_exact_instance_of::<PyString>() {
        text.get_item(slice)?
    } else {
        // str's own indexing: a subclass may have redefined it.
        let index = intern!(text.py(), "__getitem__");
        text.py().get_type::<PyString>().call_method1(index, (text, slice))?
    };
    Ok(start.cast_into::<PyString>()?)
}
