//! Columns on their way into a pool.

use memory_budget_core::decay::NO_TIME;
use memory_budget_core::pool::{Cells, Row};
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::MAX_COUNT;
use pyo3::buffer::{Element, PyBuffer};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PyString, PyTuple};

use crate::datetime;
use crate::errors::{
    ArgumentTypeError, ArgumentValueError, Fault, Refusal, shown, shown_with_type,
};
use crate::fields;
use crate::gateway;
use crate::item::{Field, Links, Parts};
use crate::pool::INTERRUPT_EVERY;
use crate::pool_row::{self, PoolEntry, Users};
use crate::vocabulary;

const COUNT: &str = "an integer from 0 to 9007199254740991";

/// Reads a mapping of columns: lists or other sequences of the fields' values, or one-dimensional
/// buffers of numbers. Times also as datetime64, or as integer microseconds since 1970 UTC.
pub fn read(columns: &Bound<'_, PyAny>, users: &Users) -> PyResult<Vec<PoolEntry>> {
    let py = columns.py();
    let columns = Columns::new(columns)?;
    let ids = columns
        .objects(Field::MemoryId)?
        .ok_or_else(|| ArgumentValueError::new_err("columns must have memory_id"))?;
    let texts = columns.objects(Field::Text)?;
    let tokens = columns.counts(Field::TokenCount)?;
    if texts.is_none() && tokens.is_none() {
        return Err(ArgumentValueError::new_err("columns must have token_count or text"));
    }
    let rows = ids.len();
    let tiers = columns.tiers()?;
    let relevance = columns.numbers(Field::RelevanceScore)?;
    let importance = columns.numbers(Field::ImportanceScore)?;
    let promotion = columns.numbers(Field::PromotionScore)?;
    let accesses = columns.counts(Field::AccessCount)?;
    let (created, last) = (columns.times(Field::Timestamp)?, columns.times(Field::LastAccessed)?);
    let (pinned, evergreen) = (columns.flags(Field::Pinned)?, columns.flags(Field::Evergreen)?);
    let user_ids = columns.objects(Field::UserId)?;
    let sessions = columns.objects(Field::SessionId)?;
    let positions = columns.objects(Field::Position)?;
    let superseded = columns.objects(Field::Supersedes)?;
    let metadata = columns.objects(Field::Metadata)?;
    let lengths = [
        (Field::Text, texts.as_ref().map(PyTupleMethods::len)),
        (Field::Tier, tiers.as_ref().map(Vec::len)),
        (Field::Timestamp, created.as_ref().map(|it| it.microseconds.len())),
        (Field::UserId, user_ids.as_ref().map(PyTupleMethods::len)),
        (Field::Metadata, metadata.as_ref().map(PyTupleMethods::len)),
        (Field::RelevanceScore, relevance.as_ref().map(Vec::len)),
        (Field::ImportanceScore, importance.as_ref().map(Vec::len)),
        (Field::TokenCount, tokens.as_ref().map(Vec::len)),
        (Field::AccessCount, accesses.as_ref().map(Vec::len)),
        (Field::LastAccessed, last.as_ref().map(|it| it.microseconds.len())),
        (Field::PromotionScore, promotion.as_ref().map(Vec::len)),
        (Field::Pinned, pinned.as_ref().map(Vec::len)),
        (Field::Evergreen, evergreen.as_ref().map(Vec::len)),
        (Field::SessionId, sessions.as_ref().map(PyTupleMethods::len)),
        (Field::Position, positions.as_ref().map(PyTupleMethods::len)),
        (Field::Supersedes, superseded.as_ref().map(PyTupleMethods::len)),
    ];
    for (field, length) in lengths {
        if let Some(length) = length.filter(|length| *length != rows) {
            return Err(ArgumentValueError::new_err(format!(
                "column {} has {length} values, memory_id has {rows}",
                field.name()
            )));
        }
    }
    let mut entries = Vec::with_capacity(rows);
    for row in 0..rows {
        if row % INTERRUPT_EVERY == INTERRUPT_EVERY - 1 {
            gateway::pause(py)?;
        }
        let text = match &texts {
            Some(texts) => Some(str_at(texts, Field::Text, row)?),
            None => None,
        };
        let length = text.as_ref().map(PyStringMethods::code_point_len).transpose()?.unwrap_or(0);
        let given = tokens.as_ref().map_or(0, |tokens| tokens[row]);
        let numbers = Row {
            tier: tiers.as_ref().map_or(Tier::Working, |tiers| tiers[row]),
            relevance: relevance.as_ref().map_or(0.0, |column| column[row]),
            importance: importance.as_ref().map_or(0.5, |column| column[row]),
            timestamp_us: created.as_ref().map_or(NO_TIME, |times| times.microseconds[row]),
            cost: pool_row::cost(given, length as u64),
            user: 0,
            pinned: pinned.as_ref().is_some_and(|column| column[row]),
            evergreen: evergreen.as_ref().is_some_and(|column| column[row]),
            mark: false,
        };
        let cells = Cells {
            count: accesses.as_ref().map(|counts| counts[row]),
            last_us: last.as_ref().map(|times| times.microseconds[row]),
            promotion: promotion.as_ref().map(|column| column[row]),
        };
        let links = Links {
            session_id: optional(sessions.as_ref(), Field::SessionId, row)?.map(Bound::unbind),
            position: optional_count(positions.as_ref(), Field::Position, row)?,
            supersedes: optional(superseded.as_ref(), Field::Supersedes, row)?.map(Bound::unbind),
        };
        let parts = Parts {
            memory_id: Some(str_at(&ids, Field::MemoryId, row)?),
            text,
            timestamp: created.as_ref().and_then(|times| times.given(row)),
            user_id: optional(user_ids.as_ref(), Field::UserId, row)?,
            metadata: dict(metadata.as_ref(), row)?,
            links: (!links.is_empty()).then(|| Box::new(links)),
        };
        entries.push(pool_row::entry(py, numbers, cells, parts, users)?);
    }
    Ok(entries)
}

fn refused(refusal: Refusal, field: Field, row: usize, value: &Bound<'_, PyAny>) -> PyErr {
    let name = format!("column {}, row {row}:", field.name());
    refusal.for_argument(value.py(), &name, value)
}

fn str_at<'py>(
    column: &Bound<'py, PyTuple>,
    field: Field,
    row: usize,
) -> PyResult<Bound<'py, PyString>> {
    let value = column.get_item(row)?;
    fields::text(&value).cloned().map_err(|refusal| refused(refusal, field, row, &value))
}

fn optional<'py>(
    column: Option<&Bound<'py, PyTuple>>,
    field: Field,
    row: usize,
) -> PyResult<Option<Bound<'py, PyString>>> {
    let Some(column) = column else { return Ok(None) };
    if column.get_borrowed_item(row)?.is_none() {
        Ok(None)
    } else {
        str_at(column, field, row).map(Some)
    }
}

fn optional_count(
    column: Option<&Bound<'_, PyTuple>>,
    field: Field,
    row: usize,
) -> PyResult<Option<u64>> {
    let Some(column) = column else { return Ok(None) };
    let value = column.get_item(row)?;
    fields::optional_count(&value).map_err(|refusal| refused(refusal, field, row, &value))
}

fn dict<'py>(
    column: Option<&Bound<'py, PyTuple>>,
    row: usize,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let Some(column) = column else { return Ok(None) };
    let value = column.get_item(row)?;
    let dict = value.cast::<PyDict>();
    let dict = dict.map_err(|_| refused(Refusal::of_type("a dict"), Field::Metadata, row, &value));
    dict.cloned().map(Some)
}

/// A column of times.
struct Times<'py> {
    microseconds: Vec<i64>,
    /// The datetimes, where the column has such.
    given: Option<Bound<'py, PyTuple>>,
}

impl<'py> Times<'py> {
    fn given(&self, row: usize) -> Option<Bound<'py, PyAny>> {
        let value = self.given.as_ref()?.get_item(row).ok()?;
        (!value.is_none()).then_some(value)
    }
}

struct Columns<'py>(Bound<'py, PyMapping>);

impl<'py> Columns<'py> {
    fn new(columns: &Bound<'py, PyAny>) -> PyResult<Self> {
        let mapping = columns.cast::<PyMapping>().map_err(|_| {
            ArgumentTypeError::new_err(format!(
                "columns must be a mapping of field names to columns, got {}",
                shown_with_type(columns)
            ))
        })?;
        let known = Field::ALL
            .into_iter()
            .filter(|field| !matches!(field, Field::FreshnessScore | Field::CombinedScore));
        let known: Vec<_> = known.map(Field::name).collect();
        for name in mapping.keys()? {
            let is_known =
                name.cast::<PyString>().is_ok_and(|name| known.contains(&&*name.to_string_lossy()));
            if !is_known {
                return Err(ArgumentValueError::new_err(format!(
                    "unknown column {}; the columns of a pool are {}",
                    shown(&name),
                    known.join(", ")
                )));
            }
        }
        Ok(Self(mapping.clone()))
    }

    fn column(&self, field: Field) -> PyResult<Option<Bound<'py, PyAny>>> {
        let name = PyString::intern(self.0.py(), field.name());
        if self.0.contains(&name)? { self.0.get_item(name).map(Some) } else { Ok(None) }
    }

    fn objects(&self, field: Field) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.column(field)?.map(|column| objects(&column, field)).transpose()
    }

    fn numbers(&self, field: Field) -> PyResult<Option<Vec<f64>>> {
        let Some(column) = self.column(field)? else { return Ok(None) };
        if let Some(values) = buffer::<f64>(&column, field)? {
            return Ok(Some(values));
        }
        if let Some(values) = buffer::<f32>(&column, field)? {
            return Ok(Some(values.into_iter().map(f64::from).collect()));
        }
        each(&column, field, fields::number).map(Some)
    }

    fn counts(&self, field: Field) -> PyResult<Option<Vec<u64>>> {
        let Some(column) = self.column(field)? else { return Ok(None) };
        if let Some(values) = integers(&column, field)? {
            let impossible =
                values.iter().position(|it| !(0..=MAX_COUNT.cast_signed()).contains(it));
            if let Some(row) = impossible {
                let value = column.get_item(row)?;
                return Err(refused(Refusal::of_value(COUNT), field, row, &value));
            }
            return Ok(Some(values.into_iter().map(i64::cast_unsigned).collect()));
        }
        each(&column, field, fields::count).map(Some)
    }

    fn flags(&self, field: Field) -> PyResult<Option<Vec<bool>>> {
        // A NumPy array hands out Python's own booleans one by one.
        let Some(column) = self.column(field)? else { return Ok(None) };
        each(&column, field, fields::flag).map(Some)
    }

    /// Tiers by name, by member, or by position in `MemoryTier`.
    fn tiers(&self) -> PyResult<Option<Vec<Tier>>> {
        const INDEX: &str = "a tier: a name or 0 to 3";
        let Some(column) = self.column(Field::Tier)? else { return Ok(None) };
        let tier = |value: &Bound<'_, PyAny>| {
            if value.is_instance_of::<PyString>() {
                return vocabulary::tier(value);
            }
            let index =
                fields::count(value).map_err(|refusal| Refusal { accepted: INDEX, ..refusal })?;
            let tier = usize::try_from(index).ok().and_then(Tier::from_index);
            tier.ok_or(Refusal { fault: Fault::Value, accepted: INDEX, cause: None })
        };
        each(&column, Field::Tier, tier).map(Some)
    }

    fn times(&self, field: Field) -> PyResult<Option<Times<'py>>> {
        const TIME: &str = "a time in the years 1 to 9999";
        let py = self.0.py();
        let Some(mut column) = self.column(field)? else { return Ok(None) };
        // A NumPy array of datetime64 offers no buffer; as integers it does.
        if let Some(dtype) = column.getattr_opt(intern!(py, "dtype"))?
            && dtype
                .getattr_opt(intern!(py, "kind"))?
                .is_some_and(|kind| kind.eq("M").unwrap_or(false))
        {
            let micro = column.call_method1(intern!(py, "astype"), ("datetime64[us]",))?;
            column = micro.call_method1(intern!(py, "view"), ("int64",))?;
        }
        if let Some(microseconds) = integers(&column, field)? {
            let known = |it: &i64| *it == NO_TIME || datetime::is_representable(*it);
            if let Some(row) = microseconds.iter().position(|it| !known(it)) {
                let value = column.get_item(row)?;
                return Err(refused(Refusal::of_value(TIME), field, row, &value));
            }
            return Ok(Some(Times { microseconds, given: None }));
        }
        let given = objects(&column, field)?;
        let microseconds = each(given.as_any(), field, |value| {
            if value.is_none() { Ok(NO_TIME) } else { datetime::microseconds(value) }
        })?;
        Ok(Some(Times { microseconds, given: Some(given) }))
    }
}

fn objects<'py>(column: &Bound<'py, PyAny>, field: Field) -> PyResult<Bound<'py, PyTuple>> {
    if let Ok(list) = column.cast::<PyList>() {
        return Ok(list.to_tuple());
    }
    let refused = || {
        ArgumentTypeError::new_err(format!(
            "column {} must be a sequence, got {}",
            field.name(),
            shown_with_type(column)
        ))
    };
    if column.is_instance_of::<PyString>() || column.is_instance_of::<PyDict>() {
        return Err(refused());
    }
    let iterator = column.try_iter().map_err(|_| refused())?;
    Ok(column.py().get_type::<PyTuple>().call1((iterator,))?.cast_into::<PyTuple>()?)
}

fn each<'py, T>(
    column: &Bound<'py, PyAny>,
    field: Field,
    convert: impl Fn(&Bound<'py, PyAny>) -> Result<T, Refusal>,
) -> PyResult<Vec<T>> {
    let values = objects(column, field)?;
    let mut converted = Vec::with_capacity(values.len());
    for (row, value) in values.iter().enumerate() {
        converted.push(convert(&value).map_err(|refusal| refused(refusal, field, row, &value))?);
    }
    Ok(converted)
}

/// The values of a buffer of that type, copied; None if it is no such buffer.
fn buffer<T: Element>(column: &Bound<'_, PyAny>, field: Field) -> PyResult<Option<Vec<T>>> {
    let Ok(buffer) = PyBuffer::<T>::get(column) else { return Ok(None) };
    if buffer.dimensions() != 1 {
        return Err(ArgumentValueError::new_err(format!(
            "column {} must have one dimension, it has {}",
            field.name(),
            buffer.dimensions()
        )));
    }
    buffer.to_vec(column.py()).map(Some)
}

fn integers(column: &Bound<'_, PyAny>, field: Field) -> PyResult<Option<Vec<i64>>> {
    if let Some(values) = buffer::<i64>(column, field)? {
        return Ok(Some(values));
    }
    if let Some(values) = buffer::<i32>(column, field)? {
        return Ok(Some(values.into_iter().map(i64::from).collect()));
    }
    if let Some(values) = buffer::<u32>(column, field)? {
        return Ok(Some(values.into_iter().map(i64::from).collect()));
    }
    if let Some(values) = buffer::<u64>(column, field)? {
        // What is too large for both is refused as negative.
        return Ok(Some(values.into_iter().map(|it| i64::try_from(it).unwrap_or(-1)).collect()));
    }
    Ok(None)
}
