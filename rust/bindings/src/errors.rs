//! The Python exception tree, and how a refused value is described.

use memory_budget_core::error::Error;
use memory_budget_core::tier::Tier;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyString};
use pyo3::{Borrowed, import_exception};

import_exception!(memory_budget_allocator.errors, ItemTypeError);
import_exception!(memory_budget_allocator.errors, ItemValueError);
import_exception!(memory_budget_allocator.errors, ArgumentTypeError);
import_exception!(memory_budget_allocator.errors, ArgumentValueError);
import_exception!(memory_budget_allocator.errors, ConfigurationError);
import_exception!(memory_budget_allocator.errors, ConfigurationTypeError);
import_exception!(memory_budget_allocator.errors, PinnedOverflowError);
import_exception!(memory_budget_allocator.errors, UnknownMemoryError);

use crate::limits::Ceiling;
use crate::vocabulary;

/// Characters of a refused value that an error message shows.
const SHOWN_CHARACTERS: usize = 60;

/// Whether the type of a value is wrong or the value itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Type,
    Value,
}

/// Why a value was refused.
pub struct Refusal {
    pub fault: Fault,
    /// What would have been accepted, to follow "must be".
    pub accepted: &'static str,
    /// An exception raised by the value's own code.
    pub cause: Option<PyErr>,
}

impl Refusal {
    pub fn of_type(accepted: &'static str) -> Self {
        Self { fault: Fault::Type, accepted, cause: None }
    }

    pub fn of_value(accepted: &'static str) -> Self {
        Self { fault: Fault::Value, accepted, cause: None }
    }

    /// Says what was refused: "must be a number, got 'high' (str)".
    fn describe(&self, value: &Bound<'_, PyAny>) -> String {
        format!("must be {}, got {}", self.accepted, shown_with_type(value))
    }

    pub fn for_argument(self, py: Python<'_>, name: &str, value: &Bound<'_, PyAny>) -> PyErr {
        let message = format!("{name} {}", self.describe(value));
        let error = match self.fault {
            Fault::Type => ArgumentTypeError::new_err(message),
            Fault::Value => ArgumentValueError::new_err(message),
        };
        caused_by(py, error, self.cause)
    }

    pub fn for_item(
        self,
        py: Python<'_>,
        owner: &Owner<'_, '_>,
        field: &str,
        value: &Bound<'_, PyAny>,
    ) -> PyErr {
        let message = format!("{owner}: {field} {}", self.describe(value));
        let error = item_error(self.fault, message);
        caused_by(py, error, self.cause)
    }

    pub fn for_configuration(
        self,
        py: Python<'_>,
        subject: &str,
        field: &str,
        value: &Bound<'_, PyAny>,
    ) -> PyErr {
        let message = format!("{subject}: {field} {}", self.describe(value));
        let error = configuration_error(py, self.fault, &message, field, value);
        caused_by(py, error, self.cause)
    }
}

pub fn item_error(fault: Fault, message: String) -> PyErr {
    match fault {
        Fault::Type => ItemTypeError::new_err(message),
        Fault::Value => ItemValueError::new_err(message),
    }
}

/// A `ConfigurationError` that carries the field and the value.
pub fn configuration_error(
    py: Python<'_>,
    fault: Fault,
    message: &str,
    field: &str,
    value: &Bound<'_, PyAny>,
) -> PyErr {
    let class = match fault {
        Fault::Type => py.get_type::<ConfigurationTypeError>(),
        Fault::Value => py.get_type::<ConfigurationError>(),
    };
    let build = || {
        let details = PyDict::new(py);
        details.set_item("field", field)?;
        details.set_item("value", value)?;
        class.call((message,), Some(&details))
    };
    build().map_or_else(|error| error, PyErr::from_value)
}

/// What the core refuses of a call's memories: a `PinnedOverflowError` that carries the numbers, else an
/// `ArgumentValueError`. The message ends with `why`.
pub fn refused_by_core(py: Python<'_>, error: &Error, why: &str) -> PyErr {
    let message = format!("{error}{why}");
    let Error::PinnedOverflow { tier, needed, budget } = error else {
        return ArgumentValueError::new_err(message);
    };
    pinned_overflow_error(py, message, Some(*tier), *needed, *budget)
}

/// Pinned memories that fit their tiers, but not the text under a ceiling; `framing` is what of it goes to
/// the message around the text.
pub fn pinned_overflow(
    py: Python<'_>,
    needed: u64,
    available: u64,
    ceiling: Option<&Ceiling>,
    framing: u64,
) -> PyErr {
    let under = ceiling.map(|it| format!(" under {}", it.described(framing))).unwrap_or_default();
    let message = format!(
        "pinned memories need {needed} tokens in the rendered text, only {available} are available{under}"
    );
    pinned_overflow_error(py, message, None, needed, available)
}

fn pinned_overflow_error(
    py: Python<'_>,
    message: String,
    tier: Option<Tier>,
    needed: u64,
    budget: u64,
) -> PyErr {
    let build = || {
        let details = PyDict::new(py);
        let tier = tier.map(|tier| vocabulary::tier_member(py, tier)).transpose()?;
        details.set_item("tier", tier)?;
        details.set_item("needed", needed)?;
        details.set_item("budget", budget)?;
        py.get_type::<PinnedOverflowError>().call((message,), Some(&details))
    };
    build().map_or_else(|error| error, PyErr::from_value)
}

/// Chains `cause` under `error`, unless the cause is no ordinary exception (Ctrl-C, exit): that one
/// goes through as it is.
pub fn caused_by(py: Python<'_>, error: PyErr, cause: Option<PyErr>) -> PyErr {
    match cause {
        Some(cause) if !cause.is_instance_of::<pyo3::exceptions::PyException>(py) => cause,
        cause => {
            error.set_cause(py, cause);
            error
        }
    }
}

/// Whom an error message is about.
pub enum Owner<'a, 'py> {
    Id(Borrowed<'a, 'py, PyString>),
    Position(usize),
    /// An item under construction that has no id yet.
    Unnamed,
}

impl std::fmt::Display for Owner<'_, '_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(formatter, "memory {}", shown(id.as_any())),
            Self::Unnamed => formatter.write_str("MemoryItem"),
            Self::Position(position) => write!(formatter, "memory at position {position}"),
        }
    }
}

/// `repr(value)`, shortened and on one line.
pub fn shown(value: &Bound<'_, PyAny>) -> String {
    let repr = match value.cast::<PyString>() {
        // A long text is cut before its repr is made: 10 MB of repr help nobody.
        Ok(text) => crate::fields::prefix(text, SHOWN_CHARACTERS + 1).and_then(|it| it.repr()),
        Err(_) => value.repr(),
    };
    let Ok(repr) = repr else {
        // Python refuses to print whole numbers of thousands of digits.
        let is_number = value.is_instance_of::<PyInt>();
        let what =
            if is_number { "a number of very many digits" } else { "a value whose repr fails" };
        return what.to_owned();
    };
    let repr = repr.to_string_lossy();
    let mut shown = String::new();
    for (position, character) in repr.chars().enumerate() {
        if position > SHOWN_CHARACTERS {
            shown.push_str("...");
            break;
        }
        // A repr of foreign making may hold anything, but a message is one line.
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

pub fn shown_with_type(value: &Bound<'_, PyAny>) -> String {
    if value.is_none() {
        return "None".to_owned();
    }
    let class = value.get_type();
    let name = class.name().map_or_else(|_| "?".to_owned(), |name| name.to_string_lossy().into());
    format!("{} ({name})", shown(value))
}
