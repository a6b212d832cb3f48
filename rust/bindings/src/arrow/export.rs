//! Handing out one table as a stream of one batch.
//!
//! The callbacks touch no Python object, so a consumer may call them from any thread.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use super::{ArrowArray, ArrowArrayStream, ArrowSchema, STREAM_NAME};

/// The values of one column; none is null.
pub enum Values {
    UInt32(Vec<u32>),
    Int64(Vec<i64>),
    Float64(Vec<f64>),
    Texts(TextValues),
}

/// Texts one after the other, and where each begins and ends.
pub struct TextValues {
    offsets: Vec<i64>,
    bytes: Vec<u8>,
}

impl TextValues {
    pub fn with_capacity(count: usize) -> Self {
        let mut offsets = Vec::with_capacity(count + 1);
        offsets.push(0);
        Self { offsets, bytes: Vec::new() }
    }

    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        // A Vec never holds more than i64::MAX bytes.
        self.offsets.push(i64::try_from(self.bytes.len()).unwrap_or(i64::MAX));
    }
}

impl Values {
    fn format(&self) -> &'static CStr {
        match self {
            Self::UInt32(_) => c"I",
            Self::Int64(_) => c"l",
            Self::Float64(_) => c"g",
            Self::Texts(_) => c"U",
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::UInt32(values) => values.len(),
            Self::Int64(values) => values.len(),
            Self::Float64(values) => values.len(),
            Self::Texts(texts) => texts.offsets.len() - 1,
        }
    }

    /// Validity, which is not there, and what the format asks for.
    fn buffers(&self) -> Vec<*const c_void> {
        match self {
            Self::UInt32(values) => vec![ptr::null(), values.as_ptr().cast()],
            Self::Int64(values) => vec![ptr::null(), values.as_ptr().cast()],
            Self::Float64(values) => vec![ptr::null(), values.as_ptr().cast()],
            Self::Texts(texts) => {
                vec![ptr::null(), texts.offsets.as_ptr().cast(), texts.bytes.as_ptr().cast()]
            }
        }
    }
}

/// A capsule with a stream of one table; all columns have `length` values.
pub fn capsule<'py>(
    py: Python<'py>,
    columns: Vec<(&'static CStr, Values)>,
    length: usize,
) -> PyResult<Bound<'py, PyCapsule>> {
    PyCapsule::new_with_value(py, stream(columns, length), STREAM_NAME)
}

pub(super) fn stream(columns: Vec<(&'static CStr, Values)>, length: usize) -> ArrowArrayStream {
    debug_assert!(columns.iter().all(|(_, values)| values.len() == length));
    let fields = columns.iter().map(|(name, values)| (*name, values.format())).collect();
    let children = columns.into_iter().map(|(_, values)| {
        let (length, buffers) = (values.len(), values.buffers());
        array(length, ArrayState { buffers, children: Vec::new(), _values: Some(values) })
    });
    let children = children.map(|child| Box::into_raw(Box::new(child))).collect();
    let table = ArrayState { buffers: vec![ptr::null()], children, _values: None };
    let state = StreamState { fields, batch: Some(array(length, table)) };
    ArrowArrayStream {
        get_schema: Some(get_schema),
        get_next: Some(get_next),
        get_last_error: Some(get_last_error),
        release: Some(release_stream),
        private_data: Box::into_raw(Box::new(state)).cast(),
    }
}

fn count<T>(of: &[T]) -> i64 {
    i64::try_from(of.len()).unwrap_or(i64::MAX)
}

/// What an array keeps until it is released.
struct ArrayState {
    buffers: Vec<*const c_void>,
    children: Vec<*mut ArrowArray>,
    _values: Option<Values>,
}

impl Drop for ArrayState {
    fn drop(&mut self) {
        for &child in &self.children {
            // SAFETY: each was made by Box::into_raw and is given back once. A consumer may have
            // moved what is inside out, and marked it released.
            drop(unsafe { Box::from_raw(child) });
        }
    }
}

fn array(length: usize, state: ArrayState) -> ArrowArray {
    let state = Box::into_raw(Box::new(state));
    // SAFETY: just made; the addresses below stay where they are as long as the box does.
    let inside = unsafe { &mut *state };
    ArrowArray {
        length: i64::try_from(length).unwrap_or(i64::MAX),
        null_count: 0,
        offset: 0,
        n_buffers: count(&inside.buffers),
        buffers: inside.buffers.as_mut_ptr(),
        n_children: count(&inside.children),
        children: inside.children.as_mut_ptr(),
        dictionary: ptr::null_mut(),
        release: Some(release_array),
        private_data: state.cast(),
    }
}

/// # Safety
/// Takes an array made by `array` that was not released before.
unsafe extern "C" fn release_array(array: *mut ArrowArray) {
    // SAFETY: a consumer passes an array made by `array`, once: it is marked released here.
    unsafe {
        drop(Box::from_raw((*array).private_data.cast::<ArrayState>()));
        (*array).release = None;
    }
}

/// What a schema keeps until it is released; nothing for a column's, whose texts are static.
struct SchemaState {
    children: Vec<*mut ArrowSchema>,
}

impl Drop for SchemaState {
    fn drop(&mut self) {
        for &child in &self.children {
            // SAFETY: as in ArrayState.
            drop(unsafe { Box::from_raw(child) });
        }
    }
}

fn schema(name: &'static CStr, format: &'static CStr, state: SchemaState) -> ArrowSchema {
    let state = Box::into_raw(Box::new(state));
    // SAFETY: as in `array`.
    let inside = unsafe { &mut *state };
    ArrowSchema {
        format: format.as_ptr(),
        name: name.as_ptr(),
        metadata: ptr::null(),
        flags: 0, // no column has nulls
        n_children: count(&inside.children),
        children: inside.children.as_mut_ptr(),
        dictionary: ptr::null_mut(),
        release: Some(release_schema),
        private_data: state.cast(),
    }
}

/// # Safety
/// Takes a schema made by `schema` that was not released before.
unsafe extern "C" fn release_schema(schema: *mut ArrowSchema) {
    // SAFETY: a consumer passes a schema made by `schema`, once: it is marked released here.
    unsafe {
        drop(Box::from_raw((*schema).private_data.cast::<SchemaState>()));
        (*schema).release = None;
    }
}

/// What a stream keeps until it is released.
struct StreamState {
    /// Name and format of each column.
    fields: Vec<(&'static CStr, &'static CStr)>,
    /// The batch, until it is taken.
    batch: Option<ArrowArray>,
}

/// # Safety
/// Takes a stream made by `stream` that was not released, and no struct that holds anything.
unsafe extern "C" fn get_schema(stream: *mut ArrowArrayStream, out: *mut ArrowSchema) -> c_int {
    // SAFETY: a consumer passes a stream made by `stream` and not released.
    let state = unsafe { &*(*stream).private_data.cast::<StreamState>() };
    let child = |(name, format): &(&'static CStr, &'static CStr)| {
        let child = schema(name, format, SchemaState { children: Vec::new() });
        Box::into_raw(Box::new(child))
    };
    let children = state.fields.iter().map(child).collect();
    // SAFETY: `out` is a struct to be filled; whatever it holds is not ours to release.
    unsafe { out.write(schema(c"", c"+s", SchemaState { children })) };
    0
}

/// # Safety
/// Takes a stream made by `stream` that was not released, and no struct that holds anything.
unsafe extern "C" fn get_next(stream: *mut ArrowArrayStream, out: *mut ArrowArray) -> c_int {
    // SAFETY: as in `get_schema`; streams are used by one thread at a time.
    let state = unsafe { &mut *(*stream).private_data.cast::<StreamState>() };
    let batch = state.batch.take().unwrap_or(ArrowArray::empty());
    // SAFETY: as in `get_schema`.
    unsafe { out.write(batch) };
    0
}

/// # Safety
/// Takes a stream made by `stream` that was not released.
unsafe extern "C" fn get_last_error(_stream: *mut ArrowArrayStream) -> *const c_char {
    ptr::null() // nothing ever fails
}

/// # Safety
/// Takes a stream made by `stream` that was not released before.
unsafe extern "C" fn release_stream(stream: *mut ArrowArrayStream) {
    // SAFETY: a consumer passes a stream made by `stream`, once: it is marked released here.
    unsafe {
        drop(Box::from_raw((*stream).private_data.cast::<StreamState>()));
        (*stream).release = None;
    }
}
