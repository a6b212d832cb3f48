//! From what the caller gives to named columns.

use pyo3::exceptions::PyImportError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMapping, PyString, PyTuple};

use super::array;
use super::chunk::Chunk;
use super::fault::Column;
use crate::allocation::Allocation;
use crate::arrow::import::{self, Arrays};
use crate::errors::{ArgumentTypeError, ArgumentValueError, caused_by, shown_with_type};
use crate::item::Field;

/// What errors call the table as a whole.
const TABLE: &str = "columns";

/// Columns that are read, the two required ones first.
const READ: [Field; 14] = [
    Field::RelevanceScore,
    Field::TokenCount,
    Field::Text,
    Field::MemoryId,
    Field::Tier,
    Field::Timestamp,
    Field::ImportanceScore,
    Field::UserId,
    Field::AccessCount,
    Field::Pinned,
    Field::Evergreen,
    Field::SessionId,
    Field::Position,
    Field::Supersedes,
];

/// The values of a column, wherever they are.
pub enum Content<'py> {
    /// In memory, piece by piece.
    Chunks(Vec<Chunk>),
    /// In Python objects.
    Objects(Bound<'py, PyTuple>),
}

impl Content<'_> {
    pub fn len(&self) -> usize {
        match self {
            Self::Chunks(chunks) => chunks.iter().map(Chunk::len).sum(),
            Self::Objects(objects) => objects.len(),
        }
    }
}

/// The columns of one table that are read, of equal length.
pub struct Source<'py> {
    contents: [Option<Content<'py>>; READ.len()],
    rows: usize,
}

/// Whether memories are given as columns.
pub fn are_columns(memories: &Bound<'_, PyAny>) -> PyResult<bool> {
    if memories.is_exact_instance_of::<PyList>() || memories.is_exact_instance_of::<PyTuple>() {
        return Ok(false);
    }
    // An allocation is a table as well, but first of all the memories that it selected.
    if memories.is_instance_of::<Allocation>() {
        return Ok(false);
    }
    Ok(memories.is_instance_of::<PyDict>()
        || import::is_offered(memories)?
        || memories.cast::<PyMapping>().is_ok())
}

impl<'py> Source<'py> {
    pub fn of(columns: &Bound<'py, PyAny>) -> PyResult<Self> {
        let mut source = Self { contents: [const { None }; READ.len()], rows: 0 };
        if !columns.is_instance_of::<PyDict>() && import::is_offered(columns)? {
            source.add_table(columns)?;
        } else {
            source.add_mapping(columns)?;
        }
        source.check()
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// A column, and its name for errors.
    pub fn get(&self, field: Field) -> (Option<&Content<'py>>, Column<'static>) {
        let place = READ.iter().position(|&read| read == field);
        let content = place.and_then(|place| self.contents[place].as_ref());
        (content, Column(field.name()))
    }

    fn add_table(&mut self, table: &Bound<'py, PyAny>) -> PyResult<()> {
        let Some(columns) = Arrays::of(table, TABLE)?.table(TABLE)? else {
            return Err(ArgumentTypeError::new_err(
                "columns must be a table (an Arrow struct), not a single Arrow array",
            ));
        };
        for (name, chunks) in columns {
            if let Some(place) = place(&name)? {
                if self.contents[place].is_some() {
                    return Err(Column(READ[place].name()).wrong_value("appears twice"));
                }
                self.contents[place] = Some(Content::Chunks(chunks));
            }
        }
        Ok(())
    }

    fn add_mapping(&mut self, mapping: &Bound<'py, PyAny>) -> PyResult<()> {
        for entry in mapping.cast::<PyMapping>()?.items()? {
            let (name, values): (Bound<'py, PyAny>, Bound<'py, PyAny>) = entry.extract()?;
            let name = name.cast::<PyString>().map_err(|_| {
                let shown = shown_with_type(&name);
                ArgumentTypeError::new_err(format!("names of columns must be str, got {shown}"))
            })?;
            if let Some(place) = place(&name.to_string_lossy())? {
                let column = Column(READ[place].name());
                self.contents[place] = Some(content(&values, column)?);
            }
        }
        Ok(())
    }

    /// The required columns are there, and all have as many values as the first.
    fn check(mut self) -> PyResult<Self> {
        let [relevance, tokens, text, ..] = &self.contents;
        let Some(relevance) = relevance else {
            return Err(ArgumentValueError::new_err("columns lack relevance_score"));
        };
        if tokens.is_none() && text.is_none() {
            return Err(ArgumentValueError::new_err(
                "columns lack token_count, or text to estimate it from",
            ));
        }
        self.rows = relevance.len();
        for (content, field) in self.contents.iter().zip(READ) {
            if let Some(content) = content
                && content.len() != self.rows
            {
                let (length, rows) = (content.len(), self.rows);
                return Err(Column(field.name())
                    .wrong_value(&format!("has {length} values, relevance_score has {rows}")));
            }
        }
        if u32::try_from(self.rows).is_err() {
            return Err(ArgumentValueError::new_err("columns have more than 2^32 - 1 rows"));
        }
        Ok(self)
    }
}

/// Where a column of that name belongs; None for the fields that a call does not read.
fn place(name: &str) -> PyResult<Option<usize>> {
    let Some(field) = Field::ALL.into_iter().find(|field| field.name() == name) else {
        let mut known: Vec<&str> = READ.iter().map(|field| field.name()).collect();
        known.sort_unstable();
        let shown: String = name.chars().take(60).collect();
        return Err(ArgumentValueError::new_err(format!(
            "unknown column {shown:?}; columns are named as the fields of MemoryItem: {}",
            known.join(", ")
        )));
    };
    Ok(READ.iter().position(|&read| read == field))
}

/// The values of one column of a mapping.
fn content<'py>(values: &Bound<'py, PyAny>, column: Column<'_>) -> PyResult<Content<'py>> {
    let py = values.py();
    if let Ok(list) = values.cast::<PyList>() {
        return Ok(Content::Objects(list.to_tuple()));
    }
    if let Ok(tuple) = values.cast::<PyTuple>() {
        return Ok(Content::Objects(tuple.clone()));
    }
    if array::is_numpy(values)? {
        return array::numpy(values, column);
    }
    if import::is_offered(values)? {
        let what = format!("column {}", column.0);
        match Arrays::of(values, &what) {
            Ok(arrays) => return arrays.column(&what).map(Content::Chunks),
            // A pandas Series without pyarrow offers what it cannot give; it is an array as well.
            Err(error) if !is_import_error(py, &error) => return Err(error),
            Err(_) => {}
        }
    }
    if values.hasattr(intern!(py, "__array__"))? {
        let array = values.call_method0(intern!(py, "__array__")).map_err(|error| {
            let refused = column.wrong_type(&format!("cannot become an array: {error}"));
            caused_by(py, refused, Some(error))
        })?;
        if !array::is_numpy(&array)? {
            return Err(column.wrong_type("has an __array__ that gives no NumPy array"));
        }
        return array::numpy(&array, column);
    }
    array::buffer(values, column).map(|numbers| Content::Chunks(vec![Chunk::Numbers(numbers)]))
}

fn is_import_error(py: Python<'_>, error: &PyErr) -> bool {
    error.cause(py).is_some_and(|cause| cause.is_instance_of::<PyImportError>(py))
}
