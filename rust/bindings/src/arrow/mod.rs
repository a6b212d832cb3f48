//! The Arrow C data interface: three C structs through which libraries hand each other tables
//! without knowing each other.
//!
//! What is needed of it fits here: reading numbers, times and texts of one table, and writing one
//! table. Numbers are not copied. `docs/columns.md` says what the Arrow crates would have cost.
//!
//! Whoever fills the structs promises that the pointers lead to what the format says; there is no
//! way to check that. What can be checked is: missing pointers, wrong counts, negative lengths,
//! and offsets of texts that lead out of their data.
//!
//! Source: <https://arrow.apache.org/docs/format/CDataInterface.html>

pub mod export;
pub mod import;
mod layout;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

pub const SCHEMA_NAME: &CStr = c"arrow_schema";
pub const ARRAY_NAME: &CStr = c"arrow_array";
pub const STREAM_NAME: &CStr = c"arrow_array_stream";

/// `struct ArrowSchema`.
#[repr(C)]
pub struct ArrowSchema {
    pub format: *const c_char,
    pub name: *const c_char,
    pub metadata: *const c_char,
    pub flags: i64,
    pub n_children: i64,
    pub children: *mut *mut ArrowSchema,
    pub dictionary: *mut ArrowSchema,
    pub release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    pub private_data: *mut c_void,
}

/// `struct ArrowArray`.
#[repr(C)]
pub struct ArrowArray {
    pub length: i64,
    pub null_count: i64,
    pub offset: i64,
    pub n_buffers: i64,
    pub n_children: i64,
    pub buffers: *mut *const c_void,
    pub children: *mut *mut ArrowArray,
    pub dictionary: *mut ArrowArray,
    pub release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    pub private_data: *mut c_void,
}

/// `struct ArrowArrayStream`.
#[repr(C)]
pub struct ArrowArrayStream {
    pub get_schema: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowSchema) -> c_int>,
    pub get_next: Option<unsafe extern "C" fn(*mut ArrowArrayStream, *mut ArrowArray) -> c_int>,
    pub get_last_error: Option<unsafe extern "C" fn(*mut ArrowArrayStream) -> *const c_char>,
    pub release: Option<unsafe extern "C" fn(*mut ArrowArrayStream)>,
    pub private_data: *mut c_void,
}

impl ArrowSchema {
    /// A schema that was never filled, or has been released.
    pub const fn empty() -> Self {
        Self {
            format: ptr::null(),
            name: ptr::null(),
            metadata: ptr::null(),
            flags: 0,
            n_children: 0,
            children: ptr::null_mut(),
            dictionary: ptr::null_mut(),
            release: None,
            private_data: ptr::null_mut(),
        }
    }
}

impl ArrowArray {
    /// An array that was never filled, or has been released; the end of a stream.
    pub const fn empty() -> Self {
        Self {
            length: 0,
            null_count: 0,
            offset: 0,
            n_buffers: 0,
            n_children: 0,
            buffers: ptr::null_mut(),
            children: ptr::null_mut(),
            dictionary: ptr::null_mut(),
            release: None,
            private_data: ptr::null_mut(),
        }
    }
}

macro_rules! released_when_dropped {
    ($($name:ty),*) => {
        $(
            impl Drop for $name {
                fn drop(&mut self) {
                    if let Some(release) = self.release {
                        // SAFETY: the struct is filled and not released yet (then there would be no
                        // callback), and nobody uses it after this.
                        unsafe { release(self) };
                    }
                }
            }

            // SAFETY: the interface lets a struct be used and released by any thread, one at a time.
            unsafe impl Send for $name {}
        )*
    };
}

released_when_dropped!(ArrowSchema, ArrowArray, ArrowArrayStream);

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::export::{TextValues, Values, stream};
    use super::import::{next_arrays, next_schema};
    use super::layout::{self, Field};
    use crate::columns::chunk::Chunk;

    fn example() -> super::ArrowArrayStream {
        let mut texts = TextValues::with_capacity(3);
        for text in ["", "añb", "c"] {
            texts.push(text);
        }
        let columns = vec![
            (c"row", Values::UInt32(vec![7, 8, 9])),
            (c"text", Values::Texts(texts)),
            (c"score", Values::Float64(vec![0.5, 1.5, 2.5])),
            (c"count", Values::Int64(vec![-1, 0, i64::MAX])),
        ];
        stream(columns, 3)
    }

    #[test]
    fn what_is_handed_out_can_be_taken_over() {
        let mut stream = example();
        let schema = next_schema(&mut stream).ok().unwrap();
        // SAFETY: just filled.
        let Field::Struct(fields) = (unsafe { Field::of(&schema) }).unwrap() else { panic!() };
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["row", "text", "score", "count"]);
        let arrays = next_arrays(&mut stream).ok().unwrap();
        drop(stream); // what was taken outlives it
        let [array] = <[_; 1]>::try_from(arrays).ok().unwrap();
        let pieces = layout::table(&Rc::new(array), &fields).unwrap();
        drop(schema);
        let [
            Chunk::Numbers(rows),
            Chunk::Texts(texts),
            Chunk::Numbers(scores),
            Chunk::Numbers(counts),
        ] = &pieces[..]
        else {
            panic!()
        };
        assert_eq!(rows.integers()[..], [7, 8, 9]);
        assert_eq!(texts.bytes(1).ok().unwrap(), Some("añb".as_bytes()));
        assert_eq!(texts.bytes(0).ok().unwrap(), Some(&b""[..]));
        assert_eq!(scores.slice_of::<f64>(scores.kind).unwrap(), [0.5, 1.5, 2.5]);
        assert_eq!(counts.integer(0), u64::MAX);
    }

    #[test]
    fn a_stream_may_be_dropped_at_any_point() {
        drop(example());
        let mut stream = example();
        drop(next_schema(&mut stream));
        drop(next_schema(&mut stream));
        drop(stream);
        let mut stream = example();
        assert_eq!(next_arrays(&mut stream).ok().unwrap().len(), 1);
        assert_eq!(next_arrays(&mut stream).ok().unwrap().len(), 0);
    }
}
