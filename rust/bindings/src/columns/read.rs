//! From pieces of memory to the columns that a selection is decided from.
//!
//! A column that lies in memory as the core wants it is used in place; everything else is
//! converted, by the rules that the fields of `MemoryItem` have.

use std::borrow::Cow;

use memory_budget_core::columns::Numbers as CoreNumbers;
use memory_budget_core::decay::NO_TIME;
use memory_budget_core::tokens::MAX_COUNT;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyTuple};

use super::chunk::{Chunk, Kind, Numbers, OUT_OF_RANGE, TimeUnit};
use super::fault::Column;
use super::source::Content;
use crate::errors::Refusal;
use crate::{datetime, fields};

const NUMBERS: &str = "numbers";
const INTEGERS: &str = "integers";
const FLAGS: &str = "booleans";
const TIMES: &str =
    "timestamps, datetime64 or integers (microseconds since 1970 UTC), unknown ones null";
const TIME: &str = "a time in the years 1 to 9999, or None";
const COUNT: &str = "an integer from 0 to 9007199254740991";

/// Rows between two looks for Ctrl-C among Python objects.
const INTERRUPT_EVERY: usize = 1 << 16;

pub fn wrong(column: Column<'_>, accepted: &str, chunk: &Chunk) -> PyErr {
    column.wrong_type(&format!("must be {accepted}, not {}", chunk.name()))
}

/// Converts a tuple value by value.
pub fn objects<'py, T>(
    objects: &Bound<'py, PyTuple>,
    column: Column<'_>,
    mut convert: impl FnMut(&Bound<'py, PyAny>) -> Result<T, Refusal>,
) -> PyResult<Vec<T>> {
    let mut converted = Vec::with_capacity(objects.len());
    for (row, value) in objects.iter_borrowed().enumerate() {
        if row % INTERRUPT_EVERY == INTERRUPT_EVERY - 1 {
            objects.py().check_signals()?;
        }
        let value =
            convert(&value).map_err(|refusal| column.refused(row, refusal, &value.to_owned()))?;
        converted.push(value);
    }
    Ok(converted)
}

/// The runs of numbers in a column of nothing else, each with its first row.
pub fn runs<'a>(
    chunks: &'a [Chunk],
    column: Column<'_>,
    accepted: &str,
    is_accepted: impl Fn(Kind) -> bool,
) -> PyResult<Vec<(usize, &'a Numbers)>> {
    let mut row = 0;
    let mut runs = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        match chunk {
            Chunk::Numbers(numbers) if is_accepted(numbers.kind) => {
                if let Some(null) = numbers.first_null() {
                    return Err(column.bad_row(row + null, "a value", "null"));
                }
                runs.push((row, numbers));
            }
            Chunk::Nulls(0) => {}
            Chunk::Nulls(_) => return Err(column.bad_row(row, "a value", "null")),
            _ => return Err(wrong(column, accepted, chunk)),
        }
        row += chunk.len();
    }
    Ok(runs)
}

/// A column of scores.
pub enum Floats<'a> {
    Single(&'a [f32]),
    Double(Cow<'a, [f64]>),
    /// The same for every row.
    All(f64),
}

impl Floats<'_> {
    pub fn numbers(&self) -> CoreNumbers<'_> {
        match self {
            Self::Single(column) => CoreNumbers::F32(column),
            Self::Double(column) => CoreNumbers::F64(column),
            Self::All(value) => CoreNumbers::All(*value),
        }
    }
}

/// Scores: any numbers.
pub fn floats<'a>(content: &'a Content<'_>, column: Column<'_>) -> PyResult<Floats<'a>> {
    let chunks = match content {
        Content::Objects(values) => {
            return objects(values, column, fields::number).map(Cow::Owned).map(Floats::Double);
        }
        Content::Chunks(chunks) => chunks,
    };
    let runs = runs(chunks, column, NUMBERS, |_| true)?;
    if let [(_, run)] = runs[..] {
        if let Some(slice) = run.slice_of(Kind::Float64) {
            return Ok(Floats::Double(Cow::Borrowed(slice)));
        }
        if let Some(slice) = run.slice_of(Kind::Float32) {
            return Ok(Floats::Single(slice));
        }
    }
    let mut floats = Vec::with_capacity(content.len());
    for (_, run) in runs {
        run.extend_floats(&mut floats);
    }
    Ok(Floats::Double(Cow::Owned(floats)))
}

/// Counts: integers. Whether they are 0 to 2^53 - 1 remains for [`check_counts`].
pub fn counts<'a>(content: &'a Content<'_>, column: Column<'_>) -> PyResult<Cow<'a, [u64]>> {
    let chunks = match content {
        Content::Objects(values) => return objects(values, column, fields::count).map(Cow::Owned),
        Content::Chunks(chunks) => chunks,
    };
    let runs = runs(chunks, column, INTEGERS, Kind::is_integer)?;
    if let [(_, run)] = runs[..] {
        return Ok(run.integers());
    }
    let mut counts = Vec::with_capacity(content.len());
    for (_, run) in runs {
        run.extend_integers(&mut counts, |count| count);
    }
    Ok(Cow::Owned(counts))
}

/// Refuses the first count that is none.
pub fn check_counts(content: &Content<'_>, column: Column<'_>) -> PyResult<()> {
    let Content::Chunks(chunks) = content else { return Ok(()) };
    for (first, run) in runs(chunks, column, INTEGERS, Kind::is_integer)? {
        let integers = run.integers();
        if let Some(row) = integers.iter().position(|&count| count > MAX_COUNT) {
            return Err(column.bad_row(first + row, COUNT, run.shown(integers[row])));
        }
    }
    Ok(())
}

/// True or false.
pub fn flags(content: &Content<'_>, column: Column<'_>) -> PyResult<Vec<bool>> {
    let chunks = match content {
        Content::Objects(values) => return objects(values, column, fields::flag),
        Content::Chunks(chunks) => chunks,
    };
    let mut flags = Vec::with_capacity(content.len());
    for chunk in chunks {
        let null = match chunk {
            Chunk::Flags(_, null) => *null,
            Chunk::Nulls(length) => (*length > 0).then_some(0),
            _ => return Err(wrong(column, FLAGS, chunk)),
        };
        if let Some(null) = null {
            return Err(column.bad_row(flags.len() + null, "a value", "null"));
        }
        if let Chunk::Flags(values, _) = chunk {
            flags.extend_from_slice(values);
        }
    }
    Ok(flags)
}

/// Times in microseconds since 1970 UTC, [`NO_TIME`] where unknown. Where they are borrowed, it
/// remains for [`check_times`] whether the calendar has them.
pub fn times<'a>(content: &'a Content<'_>, column: Column<'_>) -> PyResult<Cow<'a, [i64]>> {
    let chunks = match content {
        Content::Objects(values) => return objects(values, column, time).map(Cow::Owned),
        Content::Chunks(chunks) => chunks,
    };
    if let [chunk] = &chunks[..]
        && let Some(slice) = microseconds_in_place(chunk)
    {
        return Ok(Cow::Borrowed(slice));
    }
    let mut times = Vec::with_capacity(content.len());
    for chunk in chunks {
        let (numbers, unit) = match chunk {
            Chunk::Numbers(numbers) if numbers.kind.is_integer() => {
                (numbers, TimeUnit::MICROSECOND)
            }
            Chunk::Times(numbers, unit) => (numbers, *unit),
            Chunk::Nulls(length) => {
                times.extend(std::iter::repeat_n(NO_TIME, *length));
                continue;
            }
            _ => return Err(wrong(column, TIMES, chunk)),
        };
        let first = times.len();
        if numbers.kind == Kind::UInt64
            && let Some(row) = numbers.integers().iter().position(|&ticks| ticks >> 63 == 1)
        {
            return Err(column.bad_row(first + row, TIME, numbers.shown(numbers.integer(row))));
        }
        let ticks = numbers.integers();
        times.extend(ticks.iter().map(|ticks| unit.microseconds(ticks.cast_signed())));
        if numbers.nulls.is_some() {
            let nulls = times[first..].iter_mut().enumerate();
            nulls.filter(|(row, _)| numbers.is_null(*row)).for_each(|(_, time)| *time = NO_TIME);
        }
        check_piece(chunk, column, first, &times[first..])?;
    }
    Ok(Cow::Owned(times))
}

/// Refuses the first time that the calendar does not have.
pub fn check_times(content: &Content<'_>, column: Column<'_>) -> PyResult<()> {
    let Content::Chunks(chunks) = content else { return Ok(()) };
    let [chunk] = &chunks[..] else { return Ok(()) };
    microseconds_in_place(chunk).map_or(Ok(()), |times| check_piece(chunk, column, 0, times))
}

fn check_piece(chunk: &Chunk, column: Column<'_>, first: usize, times: &[i64]) -> PyResult<()> {
    let Some(row) = times.iter().position(|&time| !is_time(time)) else { return Ok(()) };
    let (numbers, unit) = match chunk {
        Chunk::Times(numbers, _) => (numbers, " ticks of its unit"),
        Chunk::Numbers(numbers) => (numbers, ""),
        _ => return Err(wrong(column, TIMES, chunk)),
    };
    let ticks = numbers.shown(numbers.integer(row));
    Err(column.bad_row(first + row, TIME, format_args!("{ticks}{unit}")))
}

fn microseconds_in_place(chunk: &Chunk) -> Option<&[i64]> {
    match chunk {
        Chunk::Numbers(numbers) | Chunk::Times(numbers, TimeUnit::MICROSECOND) => {
            if numbers.first_null().is_some() {
                return None;
            }
            numbers.slice_of(Kind::Int64)
        }
        _ => None,
    }
}

fn is_time(microseconds: i64) -> bool {
    microseconds == NO_TIME
        || (microseconds != OUT_OF_RANGE && datetime::is_representable(microseconds))
}

/// A datetime, None, or an integer in microseconds.
fn time(value: &Bound<'_, PyAny>) -> Result<i64, Refusal> {
    if value.is_none() {
        return Ok(NO_TIME);
    }
    let microseconds = if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        value.extract::<i64>().unwrap_or(OUT_OF_RANGE)
    } else {
        datetime::microseconds(value).map_err(|refusal| match refusal.cause {
            None => Refusal { accepted: "a datetime, an int (microseconds) or None", ..refusal },
            Some(_) => refusal,
        })?
    };
    // A datetime whose UTC time leaves the calendar is one all the same, as it is for items.
    let is_time = !value.is_instance_of::<PyInt>() || is_time(microseconds);
    if is_time { Ok(microseconds) } else { Err(Refusal::of_value(TIME)) }
}
