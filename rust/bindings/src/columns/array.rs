//! NumPy arrays and everything else with the buffer protocol, without NumPy.

use std::ffi::CStr;
use std::rc::Rc;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyString};

use super::chunk::{Chunk, Kind, Numbers, TimeUnit};
use super::fault::Column;
use super::source::Content;
use super::span::Span;
use crate::errors::{caused_by, shown_with_type};

const ACCEPTED: &str = "a NumPy array, a buffer, an Arrow array, a list or a tuple";

/// Reads a NumPy array.
pub fn numpy<'py>(array: &Bound<'py, PyAny>, column: Column<'_>) -> PyResult<Content<'py>> {
    let py = array.py();
    let dtype = array.getattr(intern!(py, "dtype"))?;
    let kind = dtype.getattr(intern!(py, "kind"))?;
    if is_masked(array)? {
        return Err(column.wrong_type("is a masked array; fill it first"));
    }
    let dimensions: usize = array.getattr(intern!(py, "ndim"))?.extract()?;
    if dimensions != 1 {
        return Err(wrong_dimensions(column, dimensions));
    }
    match kind.cast::<PyString>()?.to_str()? {
        "i" | "u" | "f" => Ok(Content::Chunks(vec![Chunk::Numbers(buffer(array, column)?)])),
        "b" => {
            let list = array.call_method0(intern!(py, "tolist"))?.cast_into::<PyList>()?;
            let flags = list.iter().map(|flag| flag.extract()).collect::<PyResult<_>>()?;
            Ok(Content::Chunks(vec![Chunk::Flags(flags, None)]))
        }
        "M" => Ok(Content::Chunks(vec![times(array, &dtype, column)?])),
        // Texts of a fixed width, of variable width, and objects.
        "U" | "T" | "O" => {
            let list = array.call_method0(intern!(py, "tolist"))?.cast_into::<PyList>()?;
            Ok(Content::Objects(list.to_tuple()))
        }
        _ => {
            let length = array.len()?;
            let name = dtype.str()?.to_string_lossy().into_owned();
            Ok(Content::Chunks(vec![Chunk::Other { length, name }]))
        }
    }
}

fn wrong_dimensions(column: Column<'_>, dimensions: usize) -> PyErr {
    column.wrong_value(&format!("must have one dimension, not {dimensions}"))
}

/// Whether the array is of a class below NumPy's own that hides some of its values.
fn is_masked(array: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = array.py();
    let is_plain = ndarray(py)?.is_some_and(|class| array.get_type().is(class));
    Ok(!is_plain && array.hasattr(intern!(py, "mask"))?)
}

/// datetime64 of any unit. Its numbers cannot be had through the buffer protocol as they are, but
/// through a view of them as integers.
fn times(
    array: &Bound<'_, PyAny>,
    dtype: &Bound<'_, PyAny>,
    column: Column<'_>,
) -> PyResult<Chunk> {
    let py = array.py();
    let name: String = dtype.getattr(intern!(py, "str"))?.extract()?;
    let refused =
        || column.wrong_type(&format!("must be timestamps with a unit, not {name} (NumPy)"));
    // "<M8[25s]": order of the bytes, type, count and unit.
    let (order, unit) = name.split_once("M8[").ok_or_else(refused)?;
    let unit = unit.strip_suffix(']').ok_or_else(refused)?;
    let digits = unit.len() - unit.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    let count = if digits == 0 { Ok(1) } else { unit[..digits].parse() };
    let unit = count.ok().and_then(|count| TimeUnit::named(&unit[digits..], count));
    let view = array.call_method1(intern!(py, "view"), (format!("{order}i8"),))?;
    Ok(Chunk::Times(buffer(&view, column)?, unit.ok_or_else(refused)?))
}

/// Numbers behind the buffer protocol, any stride and byte order.
pub fn buffer(object: &Bound<'_, PyAny>, column: Column<'_>) -> PyResult<Numbers> {
    let buffer = PyUntypedBuffer::get(object).map_err(|error| {
        let (accepted, got) = (ACCEPTED, shown_with_type(object));
        let refused = column.wrong_type(&format!("must be {accepted}, got {got}"));
        caused_by(object.py(), refused, Some(error))
    })?;
    if buffer.dimensions() != 1 || buffer.suboffsets().is_some() {
        return Err(wrong_dimensions(column, buffer.dimensions()));
    }
    let format = buffer.format();
    let Some((kind, swapped)) = kind(format, buffer.item_size()) else {
        let format = format.to_string_lossy();
        return Err(column.wrong_type(&format!("must be numbers, not a buffer of '{format}'")));
    };
    let (start, length, stride) = (buffer.buf_ptr(), buffer.shape()[0], buffer.strides()[0]);
    // SAFETY: the buffer protocol promises `length` elements of that size and stride until the
    // buffer is released, which dropping its last reference does.
    let span = unsafe { Span::new(start.cast(), length, stride, kind.size(), Rc::new(buffer)) };
    Ok(Numbers { span, kind, swapped, nulls: None })
}

/// The number type of a format in the notation of Python's struct module, and whether its bytes
/// are in the order of another machine.
fn kind(format: &CStr, size: usize) -> Option<(Kind, bool)> {
    let (order, letter) = match format.to_bytes() {
        [letter] => (b'@', *letter),
        [order @ (b'@' | b'=' | b'<' | b'>' | b'!'), letter] => (*order, *letter),
        _ => return None,
    };
    let signed = match letter {
        b'b' | b'h' | b'i' | b'l' | b'q' | b'n' => Some(true),
        b'B' | b'H' | b'I' | b'L' | b'Q' | b'N' => Some(false),
        b'e' | b'f' | b'd' => None,
        _ => return None,
    };
    let kind = match (signed, size) {
        (Some(true), 1) => Kind::Int8,
        (Some(true), 2) => Kind::Int16,
        (Some(true), 4) => Kind::Int32,
        (Some(true), 8) => Kind::Int64,
        (Some(false), 1) => Kind::UInt8,
        (Some(false), 2) => Kind::UInt16,
        (Some(false), 4) => Kind::UInt32,
        (Some(false), 8) => Kind::UInt64,
        (None, 2) => Kind::Float16,
        (None, 4) => Kind::Float32,
        (None, 8) => Kind::Float64,
        _ => return None,
    };
    let big = matches!(order, b'>' | b'!');
    let little = order == b'<';
    let swapped = if cfg!(target_endian = "big") { little } else { big };
    Some((kind, swapped && size > 1))
}

/// Whether an object is a NumPy array.
pub fn is_numpy(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let Some(class) = ndarray(object.py())? else { return Ok(false) };
    object.is_instance(class)
}

/// NumPy's class of arrays. Without having been imported by somebody else, it has no instances.
fn ndarray(py: Python<'_>) -> PyResult<Option<&Bound<'_, PyAny>>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if let Some(class) = CLASS.get(py) {
        return Ok(Some(class.bind(py)));
    }
    let modules = py.import("sys")?.getattr("modules")?;
    let Ok(module) = modules.get_item("numpy") else { return Ok(None) };
    let Ok(class) = module.getattr("ndarray") else { return Ok(None) };
    Ok(Some(CLASS.get_or_init(py, || class.unbind()).bind(py)))
}
