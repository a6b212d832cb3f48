//! The relevance of a pool's rows to a query, as a caller gives it.

use memory_budget_core::pool::{Missing, Relevance};
use pyo3::buffer::{Element, PyBuffer};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyMapping, PyString};

use crate::errors::{ArgumentTypeError, ArgumentValueError, shown, shown_with_type};
use crate::fields;
use crate::pool::{MemoryPool, PoolSnapshot};
use crate::pool_row::{self, View};

/// Unknown ids that a message lists.
const LISTED: usize = 3;

/// A pool or a snapshot of one, as an argument.
pub enum Resident<'a, 'py> {
    Live(&'a Bound<'py, MemoryPool>),
    Fixed(&'a Bound<'py, PoolSnapshot>),
}

impl<'a, 'py> Resident<'a, 'py> {
    /// None if it is neither.
    pub fn of(argument: &'a Bound<'py, PyAny>) -> Option<Self> {
        let pool = argument.cast::<MemoryPool>().ok().map(Self::Live);
        pool.or_else(|| argument.cast::<PoolSnapshot>().ok().map(Self::Fixed))
    }
}

/// A relevance that keeps what it was read from.
pub enum Given {
    Stored,
    Single(PyBuffer<f32>),
    Double(PyBuffer<f64>),
    Rows(Vec<(u32, f64)>, Missing),
}

/// Takes the rows of a pool and the relevance to them, which must belong together.
pub fn read(
    resident: &Resident<'_, '_>,
    relevance: Option<&Bound<'_, PyAny>>,
    version: Option<u64>,
    missing: Missing,
) -> PyResult<(View, Given)> {
    let mut view = match resident {
        Resident::Live(pool) => pool.get().view(),
        Resident::Fixed(snapshot) => snapshot.get().view().clone(),
    };
    let given = match relevance {
        None => Given::Stored,
        Some(relevance) => {
            if let Some(given) = buffer(relevance)? {
                given
            } else {
                let scores = scores(relevance)?;
                let (rows, found) = find(resident, view, &scores)?;
                view = found;
                Given::Rows(rows, missing)
            }
        }
    };
    if let Some(version) = version.filter(|version| *version != view.rows.version()) {
        return Err(ArgumentValueError::new_err(format!(
            "relevance_version is {version}, the pool is at version {}: its rows have changed",
            view.rows.version()
        )));
    }
    let length = match &given {
        Given::Single(buffer) => Some(buffer.item_count()),
        Given::Double(buffer) => Some(buffer.item_count()),
        Given::Stored | Given::Rows(..) => None,
    };
    if let Some(length) = length.filter(|length| *length != view.rows.rows()) {
        return Err(ArgumentValueError::new_err(format!(
            "relevance has {length} values, the pool has {} rows",
            view.rows.rows()
        )));
    }
    Ok((view, given))
}

impl Given {
    /// Shows the relevance to `work`.
    pub fn with<R>(&self, work: impl FnOnce(Relevance<'_>) -> R) -> R {
        match self {
            Self::Stored => work(Relevance::Stored),
            Self::Single(buffer) => work(Relevance::F32(slice(buffer))),
            Self::Double(buffer) => work(Relevance::F64(slice(buffer))),
            Self::Rows(rows, missing) => work(Relevance::Rows(rows, *missing)),
        }
    }
}

/// The values of a buffer where they are: copying a million of them takes as long as the search.
#[expect(unsafe_code)]
fn slice<T: Element>(buffer: &PyBuffer<T>) -> &[T] {
    if buffer.item_count() == 0 {
        return &[];
    }
    // SAFETY: `checked` made sure of one dimension, contiguity and alignment, pyo3 of the element
    // type; every bit pattern is a float. The export that `buffer` holds keeps the memory in place
    // and at its size. The contents are the caller's to keep still during the call, as documented,
    // as for every NumPy function that gives up the interpreter: a torn or changed value can only
    // lead to another choice, as no place in memory is ever computed from one.
    unsafe { std::slice::from_raw_parts(buffer.buf_ptr().cast::<T>(), buffer.item_count()) }
}

const ACCEPTED: &str =
    "a mapping of ids to numbers, or a one-dimensional contiguous buffer of float32 or float64";

/// A buffer of floats; None if the object offers no buffer at all.
fn buffer(relevance: &Bound<'_, PyAny>) -> PyResult<Option<Given>> {
    if relevance.is_instance_of::<PyDict>() {
        return Ok(None);
    }
    if let Ok(buffer) = PyBuffer::<f32>::get(relevance) {
        return checked(buffer).map(Given::Single).map(Some);
    }
    if let Ok(buffer) = PyBuffer::<f64>::get(relevance) {
        return checked(buffer).map(Given::Double).map(Some);
    }
    Ok(None)
}

fn checked<T: Element>(buffer: PyBuffer<T>) -> PyResult<PyBuffer<T>> {
    let refused =
        |what: &str| ArgumentValueError::new_err(format!("relevance must be {ACCEPTED}; {what}"));
    if buffer.dimensions() != 1 {
        return Err(refused(&format!("it has {} dimensions", buffer.dimensions())));
    }
    if !buffer.is_c_contiguous() {
        return Err(refused("it is not contiguous"));
    }
    if !buffer.buf_ptr().cast::<T>().is_aligned() {
        return Err(refused("it is not aligned"));
    }
    Ok(buffer)
}

type Score<'py> = (Bound<'py, PyString>, f64);

fn scores<'py>(relevance: &Bound<'py, PyAny>) -> PyResult<Vec<Score<'py>>> {
    let py = relevance.py();
    let mapping = relevance.cast::<PyMapping>().map_err(|_| {
        ArgumentTypeError::new_err(format!(
            "relevance must be {ACCEPTED}, got {}",
            shown_with_type(relevance)
        ))
    })?;
    let mut scores = Vec::with_capacity(mapping.len()?);
    for pair in mapping.items()? {
        let (id, score): (Bound<'py, PyAny>, Bound<'py, PyAny>) = pair.extract()?;
        let id = fields::text(&id)
            .map_err(|refusal| refusal.for_argument(py, "an id in relevance", &id))?;
        let score = fields::number(&score).map_err(|refusal| {
            refusal.for_argument(py, &format!("relevance[{}]", shown(id)), &score)
        })?;
        scores.push((pool_row::exact(id)?, score));
    }
    Ok(scores)
}

/// The rows of ids, ascending, and the view they belong to.
fn find(
    resident: &Resident<'_, '_>,
    mut view: View,
    scores: &[Score<'_>],
) -> PyResult<(Vec<(u32, f64)>, View)> {
    let numbers: Vec<Option<u32>> = match resident {
        Resident::Live(_) => {
            let (numbers, rows) = view.pool.look_up(|rows| {
                let find = |id: &Bound<'_, PyString>| {
                    rows.find(pool_row::hash(id), |payload| pool_row::same(payload, id))
                };
                let numbers = scores.iter().map(|(id, _)| find(id)).collect();
                (numbers, rows.snapshot().clone())
            });
            view.rows = rows;
            numbers
        }
        Resident::Fixed(snapshot) => scores.iter().map(|(id, _)| snapshot.get().find(id)).collect(),
    };
    let found = || scores.iter().zip(&numbers);
    let unknown: Vec<_> =
        found().filter(|(_, row)| row.is_none()).map(|((id, _), _)| shown(id)).collect();
    if !unknown.is_empty() {
        let listed = unknown[..unknown.len().min(LISTED)].join(", ");
        let more = match unknown.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        return Err(ArgumentValueError::new_err(format!(
            "relevance names memories that the pool does not have: {listed}{more}"
        )));
    }
    let mut rows: Vec<_> =
        found().filter_map(|((_, score), row)| row.map(|row| (row, *score))).collect();
    rows.sort_unstable_by_key(|(row, _)| *row);
    Ok((rows, view))
}
