//! Errors about columns: about a column as a whole they are errors of the argument, about the value
//! in one row errors of that memory.

use std::fmt::Display;

use pyo3::prelude::*;

use crate::errors::{
    ArgumentTypeError, ArgumentValueError, Fault, Refusal, caused_by, item_error, shown_with_type,
};

/// The name of a column, for errors.
#[derive(Clone, Copy)]
pub struct Column<'a>(pub &'a str);

impl Column<'_> {
    pub fn wrong_type(self, what: &str) -> PyErr {
        ArgumentTypeError::new_err(format!("column {} {what}", self.0))
    }

    pub fn wrong_value(self, what: &str) -> PyErr {
        ArgumentValueError::new_err(format!("column {} {what}", self.0))
    }

    /// The value of a row cannot be.
    pub fn bad_row(self, row: usize, accepted: &str, got: impl Display) -> PyErr {
        let message = format!("column {}, row {row}: must be {accepted}, got {got}", self.0);
        item_error(Fault::Value, message)
    }

    /// The Python value of a row was refused.
    pub fn refused(self, row: usize, refusal: Refusal, value: &Bound<'_, PyAny>) -> PyErr {
        let got = shown_with_type(value);
        let accepted = refusal.accepted;
        let message = format!("column {}, row {row}: must be {accepted}, got {got}", self.0);
        caused_by(value.py(), item_error(refusal.fault, message), refusal.cause)
    }
}
