//! How one call counts tokens: by an estimate, or by a `TokenCounter`.

use memory_budget_core::token_cell::Counter;
use memory_budget_core::tokens;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyTuple};

use crate::token_counter::{TokenCounter, Uncounted};
use crate::workspace::Configuration;
use crate::{counter, gateway};

/// How one call counts the tokens of texts without a count.
pub enum Counting {
    /// From the number of code points.
    Estimate { tokens_per_char: f64, counter: Counter },
    /// From the text.
    Texts(Py<TokenCounter>),
}

fn is_estimate(tokenizer: &Bound<'_, PyAny>) -> bool {
    tokenizer.cast::<PyString>().is_ok_and(|name| name == "estimate")
}

/// The counter that a name stands for by itself: what Python would find, sooner.
fn built_in(tokenizer: &Bound<'_, PyAny>) -> PyResult<Option<Py<TokenCounter>>> {
    match tokenizer.cast_exact::<PyString>().map(|name| name.to_str()) {
        Ok(Ok(name)) => TokenCounter::built_in(tokenizer.py(), name),
        _ => Ok(None),
    }
}

/// Calls a function of `memory_budget_allocator.tokens`.
fn ask<'py, const N: usize>(
    name: &Bound<'py, PyString>,
    arguments: [&Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyAny>> {
    let py = name.py();
    let function = py.import(intern!(py, "memory_budget_allocator.tokens"))?.getattr(name)?;
    let arguments = PyTuple::new(py, arguments)?;
    // It may compare and hash callables of others.
    let call = |(function, arguments): (&Bound<'py, PyAny>, &Bound<'py, PyTuple>)| {
        function.call1(arguments)
    };
    gateway::through_python(call, (&function, &arguments))
}

impl Counting {
    fn estimated(tokens_per_char: f64) -> Self {
        Self::Estimate { tokens_per_char, counter: counter::estimate(tokens_per_char) }
    }

    /// What an option names: "estimate", or whatever `tokens.find_counter` knows.
    pub fn of(tokenizer: &Bound<'_, PyAny>, tokens_per_char: f64) -> PyResult<Self> {
        let py = tokenizer.py();
        if is_estimate(tokenizer) {
            return Ok(Self::estimated(tokens_per_char));
        }
        if let Ok(counter) = tokenizer.cast_exact::<TokenCounter>() {
            return Ok(Self::Texts(counter.clone().unbind()));
        }
        if let Some(counter) = built_in(tokenizer)? {
            return Ok(Self::Texts(counter));
        }
        let counter = ask(intern!(py, "find_counter"), [tokenizer])?;
        Ok(Self::Texts(counter.cast_into::<TokenCounter>()?.unbind()))
    }

    /// What a configuration says.
    pub fn configured(config: &Configuration<'_, '_>, tokens_per_char: f64) -> PyResult<Self> {
        let py = config.py();
        let tokenizer = config.attribute(intern!(py, "tokenizer"))?;
        if is_estimate(&tokenizer) {
            return Ok(Self::estimated(tokens_per_char));
        }
        if let Some(counter) = built_in(&tokenizer)? {
            return Ok(Self::Texts(counter));
        }
        let find = intern!(py, "find_configured_counter");
        let counter = ask(find, [config.object(), &tokenizer])?;
        Ok(Self::Texts(counter.cast_into::<TokenCounter>()?.unbind()))
    }

    /// Refuses a configuration that names no tokenizer. A file is looked for when it is needed.
    pub fn check_configured(config: &Configuration<'_, '_>) -> PyResult<()> {
        let py = config.py();
        let tokenizer = config.attribute(intern!(py, "tokenizer"))?;
        if !is_estimate(&tokenizer) {
            ask(intern!(py, "check_configured_name"), [config.object(), &tokenizer])?;
        }
        Ok(())
    }

    /// How the same call counts what has to stay under a ceiling: an estimate may be too low, so the bound
    /// takes its place.
    pub fn under_ceiling(&self, py: Python<'_>) -> PyResult<Self> {
        static BOUND: PyOnceLock<Py<TokenCounter>> = PyOnceLock::new();
        let counter = match self {
            Self::Texts(counter) => counter,
            Self::Estimate { .. } => {
                BOUND.get_or_try_init(py, || Py::new(py, TokenCounter::upper_bound()))?
            }
        };
        Ok(Self::Texts(counter.clone_ref(py)))
    }

    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            &Self::Estimate { tokens_per_char, counter } => {
                Self::Estimate { tokens_per_char, counter }
            }
            Self::Texts(counter) => Self::Texts(counter.clone_ref(py)),
        }
    }

    /// The counter's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Estimate { .. } => "estimate",
            Self::Texts(counter) => counter.get().shown_name(),
        }
    }

    /// The mark of counts made this way.
    pub fn counter(&self) -> Counter {
        match self {
            Self::Estimate { counter, .. } => *counter,
            Self::Texts(counter) => counter.get().mark,
        }
    }

    /// The count of a text of that length, where the length is enough to know it.
    pub fn estimate(&self, code_points: u64) -> Option<u64> {
        match self {
            Self::Estimate { tokens_per_char, .. } => {
                Some(tokens::estimate(code_points, *tokens_per_char))
            }
            Self::Texts(_) if code_points == 0 => Some(0),
            Self::Texts(_) => None,
        }
    }

    /// Counts texts for which [`Self::estimate`] knew nothing.
    pub fn count(
        &self,
        py: Python<'_>,
        texts: &[Bound<'_, PyString>],
    ) -> Result<Vec<u64>, Uncounted> {
        match self {
            Self::Texts(counter) => counter.get().counts(py, texts),
            Self::Estimate { .. } => unreachable!("an estimate needs lengths alone"),
        }
    }

    /// Counts one text by itself.
    pub fn count_one(&self, text: &Bound<'_, PyString>) -> PyResult<u64> {
        let py = text.py();
        if let Some(tokens) = self.estimate(text.code_point_len()? as u64) {
            return Ok(tokens);
        }
        let counts = self.count(py, std::slice::from_ref(text));
        counts.map(|counts| counts[0]).map_err(|failed| failed.for_argument(py))
    }

    /// Counts a text that is no object of Python's.
    pub fn count_scanned(&self, py: Python<'_>, text: &str) -> PyResult<u64> {
        match self {
            Self::Estimate { tokens_per_char, .. } => {
                Ok(tokens::estimate(text.chars().count() as u64, *tokens_per_char))
            }
            Self::Texts(_) if text.is_empty() => Ok(0),
            Self::Texts(counter) => {
                let tokens = counter.get().count_scanned(py, text);
                tokens.map_err(|failed| failed.for_argument(py))
            }
        }
    }

    /// Whether a text counts as its parts do together where they meet at a wall.
    pub fn adds_up_at_walls(&self) -> bool {
        match self {
            Self::Estimate { .. } => false,
            Self::Texts(counter) => counter.get().adds_up_at_walls(),
        }
    }

    /// How many bytes of a text count at most `limit` tokens; None where only counting can tell.
    pub fn fitting(&self, py: Python<'_>, text: &str, limit: u64) -> Option<usize> {
        match self {
            Self::Estimate { .. } => None,
            Self::Texts(counter) => counter.get().fitting(py, text, limit),
        }
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Estimate { .. } => Ok(()),
            Self::Texts(counter) => visit.call(counter),
        }
    }
}
