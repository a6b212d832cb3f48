//! `TokenCounter`: a way to count tokens, and its name.

use std::thread;

use memory_budget_core::token_cell::Counter;
use memory_budget_core::tokens::counter::{Exactness, TokenCounter as Native};
use memory_budget_core::tokens::upper_bound::UpperBound;
use memory_budget_core::tokens::vocabularies::{CL100K_BASE, O200K_BASE};
use pyo3::exceptions::PyException;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyTuple};

use crate::errors::{
    ArgumentTypeError, ArgumentValueError, Fault, Owner, caused_by, item_error, shown,
    shown_with_type,
};
use crate::{counter, fields, gateway};

/// The name of the default, which is no object.
const ESTIMATE: &str = "estimate";
static BUILT_IN: [&dyn Native; 3] = [&UpperBound, &O200K_BASE, &CL100K_BASE];
static MADE: [PyOnceLock<Py<TokenCounter>>; BUILT_IN.len()] =
    [const { PyOnceLock::new() }; BUILT_IN.len()];

enum How {
    Native(&'static dyn Native),
    Callable(Py<PyAny>),
}

/// Counts the tokens of texts.
#[pyclass(frozen, module = "memory_budget_allocator._core")]
pub struct TokenCounter {
    /// How it is called, also where others are called so.
    name: String,
    /// The mark of counts made this way.
    pub mark: Counter,
    how: How,
}

/// Why a text was not counted, and which one.
pub struct Uncounted {
    pub position: usize,
    fault: Fault,
    message: String,
    cause: Option<PyErr>,
}

impl Uncounted {
    pub fn for_argument(self, py: Python<'_>) -> PyErr {
        let error = match self.fault {
            Fault::Type => ArgumentTypeError::new_err(self.message),
            Fault::Value => ArgumentValueError::new_err(self.message),
        };
        caused_by(py, error, self.cause)
    }

    pub fn for_item(self, py: Python<'_>, owner: &Owner<'_, '_>) -> PyErr {
        let error = item_error(self.fault, format!("{owner}: {}", self.message));
        caused_by(py, error, self.cause)
    }
}

#[pymethods]
impl TokenCounter {
    /// `count(text)` returns the tokens of a text, an int from 0 to 2**53 - 1.
    ///
    /// Args:
    ///     name: how results and errors call it; not the name of a counter that comes with the library.
    ///     count: any callable.
    ///     identity: a text that, with the name, stands for this way of counting in every process, such as
    ///         the digest of a vocabulary: then the counts of counters that have both in common, and those
    ///         of pickled memories, are known again. None: they are known to this counter alone.
    #[new]
    #[pyo3(signature = (name, count, *, identity = None))]
    fn new(
        name: &Bound<'_, PyAny>,
        count: &Bound<'_, PyAny>,
        identity: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = name.py();
        let name = utf8(name, "name")?;
        if name == ESTIMATE || BUILT_IN.iter().any(|native| native.name() == name) {
            return Err(ArgumentValueError::new_err(format!(
                "name {name:?} is that of a counter that comes with the library; choose another one"
            )));
        }
        if !count.is_callable() {
            return Err(ArgumentTypeError::new_err(format!(
                "count must be a callable, got {}",
                shown_with_type(count)
            )));
        }
        let identity = match identity {
            Some(identity) => utf8(identity, "identity")?,
            None => py
                .import(intern!(py, "uuid"))?
                .call_method0(intern!(py, "uuid4"))?
                .getattr(intern!(py, "hex"))?
                .extract()?,
        };
        // The length tells where the name ends, whatever it has in it.
        let mark = counter::named(&format!("{}:{name}#{identity}", name.len()));
        Ok(Self { name, mark, how: How::Callable(count.clone().unbind()) })
    }

    /// The counter of that name that comes with the library: `upper_bound`, `o200k_base` or
    /// `cl100k_base`; None for any other name.
    #[staticmethod]
    #[pyo3(name = "built_in")]
    fn of_name(name: &Bound<'_, PyAny>) -> PyResult<Option<Py<Self>>> {
        let text = text_to("name a counter", name)?;
        text.to_str().map_or(Ok(None), |text| Self::built_in(name.py(), text))
    }

    /// Its name.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// `exact`, `upper_bound`, or `custom` for a callable of somebody else's.
    #[getter]
    fn kind(&self) -> &'static str {
        match self.how {
            How::Native(native) => match native.exactness() {
                Exactness::Exact => "exact",
                Exactness::UpperBound => "upper_bound",
            },
            How::Callable(_) => "custom",
        }
    }

    /// The tokens of one text.
    fn count(&self, text: &Bound<'_, PyAny>) -> PyResult<u64> {
        let text = text_to("count", text)?;
        let counts = self.counts(text.py(), std::slice::from_ref(text));
        counts.map(|counts| counts[0]).map_err(|failed| failed.for_argument(text.py()))
    }

    /// The tokens of each text, in order; large batches are counted without the interpreter and on
    /// several threads.
    fn count_all(&self, texts: &Bound<'_, PyAny>) -> PyResult<Vec<u64>> {
        let py = texts.py();
        let refused = |cause| {
            let got = shown_with_type(texts);
            let message = format!("texts to count must be a sequence of str, got {got}");
            caused_by(py, ArgumentTypeError::new_err(message), cause)
        };
        if texts.is_instance_of::<PyString>() {
            return Err(refused(None));
        }
        let texts: Vec<Bound<'_, PyAny>> = texts.extract().map_err(|error| refused(Some(error)))?;
        let texts = texts.iter().map(|text| text_to("count", text).cloned());
        let texts = texts.collect::<PyResult<Vec<_>>>()?;
        self.counts(py, &texts).map_err(|failed| failed.for_argument(py))
    }

    /// The longest prefix found that counts at most `limit` tokens; never one that counts more.
    fn truncate<'py>(
        &self,
        text: &Bound<'py, PyAny>,
        limit: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyString>> {
        let py = text.py();
        let text = text_to("truncate", text)?;
        let limit =
            fields::count(limit).map_err(|refusal| refusal.for_argument(py, "limit", limit))?;
        if let How::Native(native) = self.how
            && let Ok(scanned) = text.to_str()
        {
            let truncate = || native.truncate(scanned, limit);
            let prefix = gateway::run_over_text(py, scanned.len(), truncate);
            return if prefix.len() == scanned.len() {
                fields::plain(text)
            } else {
                Ok(PyString::new(py, prefix))
            };
        }
        // A callable, or a text with surrogates: halving, as if counts grew with the text. Whatever
        // they do, only a prefix that was counted is returned.
        let fits =
            |prefix: &Bound<'py, PyString>| Ok::<_, PyErr>(self.count(prefix.as_any())? <= limit);
        if fits(text)? {
            return fields::plain(text);
        }
        let (mut shortest, mut longest) = (0, text.code_point_len()?);
        let mut best = PyString::new(py, "");
        while longest - shortest > 1 {
            let middle = shortest.midpoint(longest);
            let prefix = fields::prefix(text, middle)?;
            if fits(&prefix)? {
                (shortest, best) = (middle, prefix);
            } else {
                longest = middle;
            }
        }
        Ok(best)
    }

    fn __repr__(&self) -> String {
        format!("<TokenCounter {:?} ({})>", self.name, self.kind())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.how {
            How::Callable(callable) => visit.call(callable),
            How::Native(_) => Ok(()),
        }
    }
}

impl TokenCounter {
    /// As it is called from Python.
    pub fn built_in(py: Python<'_>, name: &str) -> PyResult<Option<Py<Self>>> {
        let mut all = BUILT_IN.into_iter().zip(&MADE);
        let Some((native, place)) = all.find(|(native, _)| native.name() == name) else {
            return Ok(None);
        };
        let (name, mark) = (name.to_owned(), counter::named(name));
        let make = || Py::new(py, Self { name, mark, how: How::Native(native) });
        Ok(Some(place.get_or_try_init(py, make)?.clone_ref(py)))
    }

    pub fn upper_bound() -> Self {
        let name = UpperBound.name();
        Self { name: name.to_owned(), mark: counter::named(name), how: How::Native(&UpperBound) }
    }

    /// Counts texts as one batch; says which one could not be counted, and why.
    pub fn counts(
        &self,
        py: Python<'_>,
        texts: &[Bound<'_, PyString>],
    ) -> Result<Vec<u64>, Uncounted> {
        match &self.how {
            How::Native(native) => {
                native_counts(py, *native, texts).map_err(|(position, error)| {
                    self.failed(position, &texts[position], &error, Some(error.clone_ref(py)))
                })
            }
            How::Callable(callable) => {
                let callable = callable.bind(py);
                let count = |(position, text)| self.call(callable, position, text);
                texts.iter().enumerate().map(count).collect()
            }
        }
    }

    /// Counts a text that is no object of Python's.
    pub fn count_scanned(&self, py: Python<'_>, text: &str) -> Result<u64, Uncounted> {
        match &self.how {
            How::Native(native) => {
                Ok(gateway::run_over_text(py, text.len(), || native.count(text)))
            }
            How::Callable(callable) => self.call(callable.bind(py), 0, &PyString::new(py, text)),
        }
    }

    /// See [`Native::adds_up_at_walls`].
    pub fn adds_up_at_walls(&self) -> bool {
        matches!(self.how, How::Native(native) if native.adds_up_at_walls())
    }

    /// How many bytes of a text count at most `limit` tokens; None where only counting can tell.
    pub fn fitting(&self, py: Python<'_>, text: &str, limit: u64) -> Option<usize> {
        let How::Native(native) = self.how else { return None };
        Some(gateway::run_over_text(py, text.len(), || native.truncate(text, limit).len()))
    }

    fn call(
        &self,
        callable: &Bound<'_, PyAny>,
        position: usize,
        text: &Bound<'_, PyString>,
    ) -> Result<u64, Uncounted> {
        let py = text.py();
        let answer = PyTuple::new(py, [text])
            .and_then(|arguments| gateway::through_python(called, (callable, &arguments)))
            .map_err(|error| self.failed(position, text, &error, Some(error.clone_ref(py))))?;
        fields::count(&answer).map_err(|refusal| Uncounted {
            position,
            fault: refusal.fault,
            message: format!(
                "tokenizer {} must return {}, got {} for the text {}",
                self.shown_name(),
                refusal.accepted,
                shown_with_type(&answer),
                shown(text)
            ),
            cause: refusal.cause,
        })
    }

    fn failed(
        &self,
        position: usize,
        text: &Bound<'_, PyString>,
        error: &PyErr,
        cause: Option<PyErr>,
    ) -> Uncounted {
        let expected = error.is_instance_of::<PyException>(text.py());
        let message =
            format!("tokenizer {} failed on the text {}: {error}", self.shown_name(), shown(text));
        let fault = if expected { Fault::Value } else { Fault::Type };
        Uncounted { position, fault, message, cause }
    }

    /// How results and errors call it.
    pub fn shown_name(&self) -> &str {
        &self.name
    }
}

/// An argument that has to be a text.
fn text_to<'a, 'py>(what: &str, text: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyString>> {
    text.cast::<PyString>().map_err(|_| {
        let got = shown_with_type(text);
        ArgumentTypeError::new_err(format!("a text to {what} must be a str, got {got}"))
    })
}

/// A name, which errors have to be able to print.
fn utf8(value: &Bound<'_, PyAny>, argument: &str) -> PyResult<String> {
    let Ok(text) = value.cast::<PyString>() else {
        let got = shown_with_type(value);
        return Err(ArgumentTypeError::new_err(format!("{argument} must be a str, got {got}")));
    };
    text.to_str().map(ToOwned::to_owned).map_err(|_| {
        let got = shown(value);
        let message = format!("{argument} must be a text without lone surrogates, got {got}");
        ArgumentValueError::new_err(message)
    })
}

fn called<'py>(
    (callable, arguments): (&Bound<'py, PyAny>, &Bound<'py, PyTuple>),
) -> PyResult<Bound<'py, PyAny>> {
    callable.call1(arguments)
}

/// Counts without Python, and where there is much of it without the interpreter.
fn native_counts(
    py: Python<'_>,
    native: &'static dyn Native,
    texts: &[Bound<'_, PyString>],
) -> Result<Vec<u64>, (usize, PyErr)> {
    // Texts that no UTF-8 can hold are replaced; the others are read where they lie.
    let mut replaced = Vec::new();
    for (position, text) in texts.iter().enumerate() {
        if text.to_str().is_err() {
            let text = without_surrogates(text).map_err(|error| (position, error))?;
            replaced.push((position, text));
        }
    }
    let mut scanned = Vec::with_capacity(texts.len());
    for text in texts {
        scanned.push(text.to_str().unwrap_or_default());
    }
    for (position, text) in &replaced {
        scanned[*position] = text.to_str().map_err(|error| (*position, error))?;
    }
    let bytes: usize = scanned.iter().map(|text| text.len()).sum();
    let threads = if gateway::detaches_for_text(bytes) {
        thread::available_parallelism().map_or(1, usize::from)
    } else {
        1
    };
    Ok(gateway::run_over_text(py, bytes, || native.count_all(&scanned, threads)))
}

/// The text with every lone surrogate as U+FFFD and every pair as the character it stands for.
fn without_surrogates<'py>(text: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyString>> {
    let py = text.py();
    let class = py.get_type::<PyString>();
    let encoded = class.call_method1(
        intern!(py, "encode"),
        (text, intern!(py, "utf-16-le"), intern!(py, "surrogatepass")),
    )?;
    let decode = intern!(py, "decode");
    let decoded =
        encoded.call_method1(decode, (intern!(py, "utf-16-le"), intern!(py, "replace")))?;
    Ok(decoded.cast_into::<PyString>()?)
}
