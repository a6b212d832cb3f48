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
