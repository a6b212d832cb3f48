//! From pieces of memory to the columns that a selection is decided from.
//!
//! A column that lies in memory as the core wants it is used in place; everything else is
//! converted, by the rules that the fields of `MemoryItem` have.

use std::borrow::Cow;

use memory_budget_core::decay::NO_TIME;
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::MAX_COUNT;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyTuple};

use super::chunk::{Chunk, Kind, Numbers, OUT_OF_RANGE, TimeUnit};
use super::fault::Column;
use super::source::Content;
use super::text::{Layout, Texts};
use super::text_column::malformed;
use crate::errors::Refusal;
use crate::{datetime, fields, vocabulary};

const NUMBERS: &str = "numbers";
const INTEGERS: &str = "integers";
const TIMES: &str =
    "timestamps, datetime64 or integers (microseconds since 1970 UTC), unknown ones null";
const TIERS: &str = "strings, dictionary-encoded strings or integers from 0 to 3";
const TIME: &str = "a time in the years 1 to 9999, or None";
const COUNT: &str = "an integer from 0 to 9007199254740991";
const TIER: &str = "'working', 'project', 'long_term' or 'rag'";
const TIER_INDEX: &str = "an integer from 0 to 3";

/// Rows between two looks for Ctrl-C among Python objects.
const INTERRUPT_EVERY: usize = 1 << 16;

fn wrong(column: Column<'_>, accepted: &str, chunk: &Chunk) -> PyErr {
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
fn runs<'a>(
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

/// Tiers: names, or positions in `MemoryTier`.
pub fn tiers(content: &Content<'_>, column: Column<'_>) -> PyResult<Vec<Tier>> {
    let chunks = match content {
        Content::Objects(values) => return objects(values, column, tier),
        Content::Chunks(chunks) => chunks,
    };
    let mut tiers = Vec::with_capacity(content.len());
    for chunk in chunks {
        let first = tiers.len();
        match chunk {
            Chunk::Texts(texts) => named_tiers(texts, first, column, &mut tiers)?,
            Chunk::Numbers(_) => {
                let runs = runs(std::slice::from_ref(chunk), column, TIERS, Kind::is_integer)?;
                for (_, run) in runs {
                    indexed_tiers(run, first, column, &mut tiers)?;
                }
            }
            Chunk::Nulls(0) => {}
            Chunk::Nulls(_) => return Err(column.bad_row(first, TIER, "null")),
            _ => return Err(wrong(column, TIERS, chunk)),
        }
    }
    Ok(tiers)
}

fn indexed_tiers(
    run: &Numbers,
    first: usize,
    column: Column<'_>,
    tiers: &mut Vec<Tier>,
) -> PyResult<()> {
    let bad = |row: usize| {
        let got = run.shown(run.integer(row));
        column.bad_row(first + row, TIER_INDEX, got)
    };
    if let Some(bytes) = run.slice_of::<u8>(Kind::UInt8) {
        if let Some(row) = bytes.iter().position(|&index| index > 3) {
            return Err(bad(row));
        }
        tiers.extend(bytes.iter().map(|&index| Tier::ALL[usize::from(index & 3)]));
        return Ok(());
    }
    for (row, &index) in run.integers().iter().enumerate() {
        let tier = usize::try_from(index).ok().and_then(Tier::from_index);
        tiers.push(tier.ok_or_else(|| bad(row))?);
    }
    Ok(())
}

fn named_tiers(
    texts: &Texts,
    first: usize,
    column: Column<'_>,
    tiers: &mut Vec<Tier>,
) -> PyResult<()> {
    if texts.first_null().is_none()
        && let Layout::Dictionary { keys, values } = &texts.layout
    {
        // Each name is looked at once.
        let named = |value| values.bytes(value).ok().flatten().and_then(tier_named);
        let named: Vec<Option<Tier>> = (0..values.len()).map(named).collect();
        let of_key = |&key: &u64| usize::try_from(key).ok().and_then(|key| *named.get(key)?);
        let keys = keys.integers();
        tiers.extend(keys.iter().map_while(of_key));
        if tiers.len() - first == keys.len() {
            return Ok(());
        }
        tiers.truncate(first); // and find out below what is wrong
    }
    for row in 0..texts.len() {
        let bytes = texts.bytes(row).map_err(|_| malformed(column, first + row))?;
        let Some(name) = bytes else { return Err(column.bad_row(first + row, TIER, "null")) };
        let Some(tier) = tier_named(name) else {
            let shown: String = String::from_utf8_lossy(name).chars().take(60).collect();
            return Err(column.bad_row(first + row, TIER, format_args!("'{shown}'")));
        };
        tiers.push(tier);
    }
    Ok(())
}

fn tier_named(name: &[u8]) -> Option<Tier> {
    Tier::ALL.into_iter().find(|tier| tier.name().as_bytes() == name)
}

fn tier(value: &Bound<'_, PyAny>) -> Result<Tier, Refusal> {
    let is_index = value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>();
    if !is_index {
        return vocabulary::tier(value);
    }
    let index = value.extract::<usize>().ok();
    index.and_then(Tier::from_index).ok_or(Refusal::of_value(TIER_INDEX))
}
