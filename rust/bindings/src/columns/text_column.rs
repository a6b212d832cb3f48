//! Columns of texts, which are looked at row by row and only where a result needs them.

use memory_budget_core::ranking::text::Terms;
use pyo3::exceptions::PyUnicodeDecodeError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::chunk::Chunk;
use super::fault::Column;
use super::source::Content;
use super::text::{Texts, code_points};
use crate::errors::{ArgumentValueError, Refusal, caused_by};
use crate::fields;
use crate::ranking::terms_of;

/// The producer's positions lead out of its data.
pub fn malformed(column: Column<'_>, row: usize) -> PyErr {
    let name = column.0;
    let message =
        format!("column {name}, row {row}: malformed Arrow data, an offset out of bounds");
    ArgumentValueError::new_err(message)
}

enum Values<'a, 'py> {
    Objects(&'a Bound<'py, PyTuple>),
    /// Runs with their first rows; None is a run of nulls.
    Runs(Vec<(usize, Option<&'a Texts>)>),
}

/// A column of strings that has been checked: of the type, and without nulls where none may be.
pub struct TextColumn<'a, 'py> {
    values: Values<'a, 'py>,
    column: Column<'a>,
}

impl<'a, 'py> TextColumn<'a, 'py> {
    pub fn of(
        content: &'a Content<'py>,
        column: Column<'a>,
        nulls_allowed: bool,
    ) -> PyResult<Self> {
        let chunks = match content {
            Content::Objects(values) => {
                super::read::objects(values, column, |value| {
                    if nulls_allowed && value.is_none() {
                        return Ok(());
                    }
                    let accepted = if nulls_allowed { "a str or None" } else { "a str" };
                    fields::text(value).map(|_| ()).map_err(|_| Refusal::of_type(accepted))
                })?;
                return Ok(Self { values: Values::Objects(values), column });
            }
            Content::Chunks(chunks) => chunks,
        };
        let mut runs = Vec::with_capacity(chunks.len());
        let mut row = 0;
        for chunk in chunks {
            let texts = match chunk {
                Chunk::Texts(texts) => Some(texts),
                Chunk::Nulls(_) => None,
                _ => {
                    let name = chunk.name();
                    return Err(column.wrong_type(&format!("must be strings, not {name}")));
                }
            };
            let null = match texts {
                Some(texts) => texts.first_null(),
                None => (chunk.len() > 0).then_some(0),
            };
            if let Some(null) = null.filter(|_| !nulls_allowed) {
                return Err(column.bad_row(row + null, "a string", "null"));
            }
            if chunk.len() > 0 {
                runs.push((row, texts));
            }
            row += chunk.len();
        }
        Ok(Self { values: Values::Runs(runs), column })
    }

    fn bytes(&self, runs: &[(usize, Option<&'a Texts>)], row: usize) -> PyResult<Option<&'a [u8]>> {
        let (first, texts) = runs[runs.partition_point(|(first, _)| *first <= row) - 1];
        let Some(texts) = texts else { return Ok(None) };
        texts.bytes(row - first).map_err(|_| malformed(self.column, row))
    }

    /// The text of a row; None for a null.
    pub fn get(&self, py: Python<'py>, row: usize) -> PyResult<Option<Bound<'py, PyString>>> {
        match &self.values {
            Values::Objects(values) => {
                let value = values.get_item(row)?;
                if value.is_none() { Ok(None) } else { Ok(Some(value.cast_into::<PyString>()?)) }
            }
            Values::Runs(runs) => {
                let Some(bytes) = self.bytes(runs, row)? else { return Ok(None) };
                let text = std::str::from_utf8(bytes).map_err(|error| {
                    let name = self.column.0;
                    let message =
                        format!("column {name}, row {row}: malformed Arrow data, no UTF-8");
                    let cause = PyUnicodeDecodeError::new_utf8(py, bytes, error);
                    let cause = cause
                        .map_or_else(|error| error, |cause| PyErr::from_value(cause.into_any()));
                    caused_by(py, ArgumentValueError::new_err(message), Some(cause))
                })?;
                Ok(Some(PyString::new(py, text)))
            }
        }
    }

    /// The words of the text of a row; none for a null.
    pub fn terms(&self, py: Python<'py>, row: usize) -> PyResult<Terms> {
        match &self.values {
            Values::Objects(_) => {
                Ok(self.get(py, row)?.map_or_else(Terms::default, |text| terms_of(&text)))
            }
            Values::Runs(runs) => {
                let bytes = self.bytes(runs, row)?.unwrap_or_default();
                Ok(Terms::of(&String::from_utf8_lossy(bytes)))
            }
        }
    }

    /// Code points of the text of a row.
    pub fn code_points(&self, row: usize) -> PyResult<u64> {
        match &self.values {
            Values::Objects(values) => {
                let value = values.get_borrowed_item(row)?;
                Ok(value.cast::<PyString>()?.code_point_len()? as u64)
            }
            Values::Runs(runs) => Ok(self.bytes(runs, row)?.map_or(0, code_points)),
        }
    }
}
