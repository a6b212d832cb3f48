//! Taking over what a producer hands out in capsules.

use std::ffi::{CStr, c_int};
use std::rc::Rc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyCapsuleMethods, PyString};

use super::layout::{self, Field};
use super::{ARRAY_NAME, ArrowArray, ArrowArrayStream, ArrowSchema, SCHEMA_NAME, STREAM_NAME};
use crate::columns::chunk::Chunk;
use crate::errors::{ArgumentTypeError, ArgumentValueError, caused_by};

/// Batches taken from a stream between two looks for Ctrl-C.
const INTERRUPT_EVERY: usize = 64;

/// Whether an object offers itself through the interface.
pub fn is_offered(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = object.py();
    Ok(object.hasattr(intern!(py, "__arrow_c_array__"))?
        || object.hasattr(intern!(py, "__arrow_c_stream__"))?)
}

/// Columns by name, each in pieces.
pub type NamedColumns = Vec<(String, Vec<Chunk>)>;

/// A schema with any number of arrays of that schema.
pub struct Arrays {
    schema: ArrowSchema,
    arrays: Vec<Rc<ArrowArray>>,
}

impl Arrays {
    /// Takes everything an object offers; `what` names it in errors.
    pub fn of(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Self> {
        let py = object.py();
        if object.hasattr(intern!(py, "__arrow_c_array__"))? {
            let pair = call(object, intern!(py, "__arrow_c_array__"), what)?;
            let Ok((schema, array)) = pair.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>() else {
                return Err(no_capsule(what, "__arrow_c_array__"));
            };
            let schema: ArrowSchema = take(&schema, SCHEMA_NAME, what, "__arrow_c_array__")?;
            let array: ArrowArray = take(&array, ARRAY_NAME, what, "__arrow_c_array__")?;
            return Ok(Self { schema, arrays: vec![Rc::new(array)] });
        }
        let capsule = call(object, intern!(py, "__arrow_c_stream__"), what)?;
        let stream = take(&capsule, STREAM_NAME, what, "__arrow_c_stream__")?;
        Self::drain(py, stream, what)
    }

    fn drain(py: Python<'_>, stream: ArrowArrayStream, what: &str) -> PyResult<Self> {
        let mut stream = Box::new(stream);
        // Detached: a producer may run a query on threads that need the interpreter themselves.
        let schema = py.detach(|| next_schema(&mut stream));
        let schema = schema.map_err(|failure| failure.into_error(py, what))?;
        let mut arrays = Vec::new();
        loop {
            let taken = py.detach(|| next_arrays(&mut stream));
            let taken = taken.map_err(|failure| failure.into_error(py, what))?;
            let at_end = taken.len() < INTERRUPT_EVERY;
            arrays.extend(taken.into_iter().map(Rc::new));
            py.check_signals()?;
            if at_end {
                return Ok(Self { schema, arrays });
            }
        }
    }

    /// The columns of a table, each with its pieces; None if this is no table.
    pub fn table(&self, what: &str) -> PyResult<Option<NamedColumns>> {
        let Field::Struct(children) = self.field(what)? else { return Ok(None) };
        let mut columns: NamedColumns =
            children.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
        for array in &self.arrays {
            let pieces = layout::table(array, &children).map_err(|why| unreadable(what, &why))?;
            for ((_, column), piece) in columns.iter_mut().zip(pieces) {
                column.push(piece);
            }
        }
        Ok(Some(columns))
    }

    /// The pieces of a single column.
    pub fn column(&self, what: &str) -> PyResult<Vec<Chunk>> {
        let field = self.field(what)?;
        let piece = |array: &Rc<ArrowArray>| layout::column(array, &field);
        let pieces: Result<_, _> = self.arrays.iter().map(piece).collect();
        pieces.map_err(|why| unreadable(what, &why))
    }

    fn field(&self, what: &str) -> PyResult<Field> {
        // SAFETY: the schema was filled by its producer and is not released before `self`.
        unsafe { Field::of(&self.schema) }.map_err(|why| unreadable(what, &why))
    }
}

fn unreadable(what: &str, why: &str) -> PyErr {
    ArgumentValueError::new_err(format!("{what}: Arrow data that cannot be read: {why}"))
}

fn no_capsule(what: &str, method: &str) -> PyErr {
    ArgumentTypeError::new_err(format!("{what}: {method} did not return what Arrow asks for"))
}

fn call<'py>(
    object: &Bound<'py, PyAny>,
    method: &Bound<'py, PyString>,
    what: &str,
) -> PyResult<Bound<'py, PyAny>> {
    object.call_method0(method).map_err(|error| {
        let py = object.py();
        let message = format!("{what}: {method} failed: {error}");
        caused_by(py, ArgumentTypeError::new_err(message), Some(error))
    })
}

/// A struct that becomes empty when it is taken over.
trait Moved: Sized {
    fn is_released(&self) -> bool;
    fn forget(&mut self);
}

macro_rules! moved {
    ($($name:ty),*) => {
        $(
            impl Moved for $name {
                fn is_released(&self) -> bool {
                    self.release.is_none()
                }

                fn forget(&mut self) {
                    self.release = None;
                }
            }
        )*
    };
}

moved!(ArrowSchema, ArrowArray, ArrowArrayStream);

/// Moves the struct out of a capsule, which is then no longer responsible for it.
fn take<T: Moved>(
    capsule: &Bound<'_, PyAny>,
    name: &CStr,
    what: &str,
    method: &str,
) -> PyResult<T> {
    let capsule = capsule.cast::<PyCapsule>().map_err(|_| no_capsule(what, method))?;
    let pointer = capsule.pointer_checked(Some(name)).map_err(|_| no_capsule(what, method))?;
    let mut pointer = pointer.cast::<T>();
    // SAFETY: a capsule of that name holds a struct of that type. It was made for this call and we
    // are attached, so nobody else looks at it.
    let inside = unsafe { pointer.as_mut() };
    if inside.is_released() {
        let message = format!("{what}: {method} returned something already used up");
        return Err(ArgumentValueError::new_err(message));
    }
    // SAFETY: moving by copying the bytes and marking the source released is what the interface
    // prescribes.
    let moved = unsafe { std::ptr::read(inside) };
    inside.forget();
    Ok(moved)
}

/// Why a stream did not go on.
pub(super) struct Failure(String);

impl Failure {
    fn of(stream: &mut ArrowArrayStream, code: c_int) -> Self {
        // SAFETY: the stream is filled; the text, if there is one, lives until its next call.
        let text = stream.get_last_error.and_then(|last_error| unsafe {
            let text = last_error(stream);
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        });
        Self(text.unwrap_or_else(|| format!("error {code}")))
    }

    fn into_error(self, py: Python<'_>, what: &str) -> PyErr {
        // A producer in Python may leave its exception, Ctrl-C for one.
        let cause = PyErr::take(py);
        let error =
            ArgumentValueError::new_err(format!("{what}: the Arrow stream failed: {}", self.0));
        caused_by(py, error, cause)
    }
}

pub(super) fn next_schema(stream: &mut ArrowArrayStream) -> Result<ArrowSchema, Failure> {
    let Some(get_schema) = stream.get_schema else { return Err(Failure("no schema".into())) };
    let mut schema = ArrowSchema::empty();
    // SAFETY: the stream is filled and `schema` is a struct to be filled.
    let code = unsafe { get_schema(stream, &raw mut schema) };
    if code != 0 {
        schema.release = None; // not filled, whatever it holds
        return Err(Failure::of(stream, code));
    }
    Ok(schema)
}

/// The next batches; fewer than [`INTERRUPT_EVERY`] at the end.
pub(super) fn next_arrays(stream: &mut ArrowArrayStream) -> Result<Vec<ArrowArray>, Failure> {
    let Some(get_next) = stream.get_next else { return Err(Failure("no arrays".into())) };
    let mut arrays = Vec::new();
    while arrays.len() < INTERRUPT_EVERY {
        let mut array = ArrowArray::empty();
        // SAFETY: the stream is filled and `array` is a struct to be filled.
        let code = unsafe { get_next(stream, &raw mut array) };
        if code != 0 {
            array.release = None;
            return Err(Failure::of(stream, code));
        }
        if array.release.is_none() {
            break;
        }
        arrays.push(array);
    }
    Ok(arrays)
}
