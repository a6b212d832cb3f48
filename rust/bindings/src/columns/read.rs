//! From pieces of memory to the columns that a selection is decided from.
//!
//! A column that lies in memory as the core wants it is used in place; everything else is
//! converted, by the rules that the fields of `MemoryItem` have.

use std::borrow::Cow;

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

/// Scores: any numbers.
pub fn floats<'a>(content: &'a Content<'_>, column: Column<'_>) -> PyResult<Cow<'a, [f64]>> {
    let chunks = match content {
        Content::Objects(values) => return objects(values, column, fields::number).map(Cow::Owned),
        Content::Chunks(chunks) => chunks,
    };
    let runs = runs(chunks, column, NUMBERS, |_| true)?;
    if let [(_, run)] = runs[..]
        && let Some(slice) = run.slice_of(Kind::Float64)
    {
        return Ok(Cow::Borrowed(slice));
    }
    let mut floats = Vec::with_capacity(content.len());
    for (_, run) in runs {
        run.extend_floats(&mut floats);
    }
    Ok(Cow::Owned(floats))
}

/// Counts: integers from 0 to 2^53 - 1.
pub fn counts<'a>(content: &'a Content<'_>, column: Column<'_>) -> PyResult<Cow<'a, [u64]>> {
    let chunks = match content {
        Content::Objects(values) => return objects(values, column, fields::count).map(Cow::Owned),
        Content::Chunks(chunks) => chunks,
    };
    let runs = runs(chunks, column, INTEGERS, Kind::is_integer)?;
    let mut counts = if runs.len() == 1 { Vec::new() } else { Vec::with_capacity(content.len()) };
    for (first, run) in &runs {
        let integers = run.integers();
        // The largest count is all ones, so one test of all bits together finds what is above it.
        if integers.iter().fold(0, |bits, count| bits | count) > MAX_COUNT
            && let Some(row) = integers.iter().position(|&count| count > MAX_COUNT)
        {
            return Err(column.bad_row(first + row, COUNT, run.shown(integers[row])));
        }
        if runs.len() == 1 {
            return Ok(integers);
        }
        counts.extend_from_slice(&integers);
    }
    Ok(Cow::Owned(counts))
}

/// Times in microseconds since 1970 UTC, [`NO_TIME`] where unknown.
pub fn times<'a>(content: &'a Content<'_>, column: Column<'_>) -> PyResult<Cow<'a, [i64]>> {
    let chunks = match content {
        Content::Objects(values) => return objects(values, column, time).map(Cow::Owned),
        Content::Chunks(chunks) => chunks,
    };
    if let [chunk] = &chunks[..]
        && let Some(slice) = microseconds_in_place(chunk)
        && are_times(slice)
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
        if let Some(row) = times[first..].iter().position(|&time| !is_time(time)) {
            let ticks = numbers.shown(ticks[row]);
            let unit = if matches!(chunk, Chunk::Times(..)) { " ticks of its unit" } else { "" };
            return Err(column.bad_row(first + row, TIME, format_args!("{ticks}{unit}")));
        }
    }
    Ok(Cow::Owned(times))
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

fn are_times(times: &[i64]) -> bool {
    // 2^58 microseconds are 9,133 years: one test of all bits together finds what is not within so
    // many from the year 1. It may refuse too much, and then every time is looked at.
    let start = datetime::REPRESENTABLE.start;
    let bits = times.iter().fold(0, |bits, time| bits | time.wrapping_sub(start).cast_unsigned());
    bits < 1 << 58 || times.iter().all(|&time| is_time(time))
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
