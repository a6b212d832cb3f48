//! `ComplexityScanner`: compiled complexity rules, and how a context dict is read.

use memory_budget_core::complexity::{Analysis, ContextSignals, Level, Rules, Scanner};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyList, PyMapping, PyString};

use crate::errors::{ConfigurationTypeError, Fault, Refusal, configuration_error, shown};
use crate::{fields, vocabulary};

const SUBJECT: &str = "complexity rules";
const POINTS: &str = "an integer from 0 to 1000000";
const LENGTH: &str = "a number of at least 0 or a sequence";

/// Keys of a context dict that mean the same, the canonical one first.
const HISTORY_KEYS: [&str; 4] =
    ["history_length", "conversation_history", "history", "conversation_length"];
const TURN_KEYS: [&str; 3] = ["turn_count", "turns", "multi_turn"];
const RETRIEVAL_KEYS: [&str; 2] = ["requires_retrieval", "needs_retrieval"];

/// Complexity rules, compiled once and then only read.
#[pyclass(frozen, module = "memory_budget_allocator._core")]
pub struct ComplexityScanner {
    scanner: Scanner,
}

impl ComplexityScanner {
    /// The level of a query.
    pub fn level(&self, query: &Bound<'_, PyString>, signals: &ContextSignals) -> Level {
        // A lone surrogate has no UTF-8; it is scanned as U+FFFD, which is a word character too.
        let query = query.to_string_lossy();
        self.scanner.level(self.scanner.points(&query, signals))
    }
}

#[pymethods]
impl ComplexityScanner {
    /// Compiles a `ComplexityRules`; raises `ConfigurationError` for rules that cannot be.
    #[new]
    fn new(rules: &Bound<'_, PyAny>) -> PyResult<Self> {
        scanner(rules).map(|scanner| Self { scanner })
    }

    /// The query's `QueryComplexity`.
    fn estimate(
        &self,
        query: &Bound<'_, PyAny>,
        context: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let level = self.level(query_text(query)?, &signals(context)?);
        vocabulary::level_member(query.py(), level)
    }

    /// Level, points and where each point comes from, as a dict.
    fn analyze<'py>(
        &self,
        query: &Bound<'py, PyAny>,
        context: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let text = query_text(query)?.to_string_lossy();
        let signals = signals(context)?;
        analysis_dict(query.py(), &self.scanner.analyze(&text, &signals))
    }
}

fn analysis_dict<'py>(py: Python<'py>, analysis: &Analysis<'_>) -> PyResult<Bound<'py, PyDict>> {
    let contributions = PyList::empty(py);
    for reason in &analysis.contributions {
        let contribution = PyDict::new(py);
        contribution.set_item(intern!(py, "source"), reason.source.name())?;
        contribution.set_item(intern!(py, "detail"), &*reason.detail)?;
        contribution.set_item(intern!(py, "points"), reason.points)?;
        contributions.append(contribution)?;
    }
    let result = PyDict::new(py);
    result.set_item(intern!(py, "complexity"), analysis.level.name())?;
    result.set_item(intern!(py, "points"), analysis.points)?;
    result.set_item(intern!(py, "word_count"), analysis.word_count)?;
    result.set_item(intern!(py, "contributions"), contributions)?;
    Ok(result)
}

/// The query, which must be a str.
pub fn query_text<'a, 'py>(query: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyString>> {
    fields::text(query).map_err(|refusal| refusal.for_argument(query.py(), "query", query))
}

/// Reads a context: a mapping or None. Unknown keys are ignored, None means absent, and of keys
/// that mean the same the first one given counts.
pub fn signals(context: Option<&Bound<'_, PyAny>>) -> PyResult<ContextSignals> {
    let Some(context) = context.filter(|context| !context.is_none()) else {
        return Ok(ContextSignals::default());
    };
    let mapping = context.cast::<PyMapping>().map_err(|_| {
        Refusal::of_type("a mapping or None").for_argument(context.py(), "context", context)
    })?;
    let mut signals = ContextSignals::default();
    if let Some((key, value)) = first_given(mapping, &HISTORY_KEYS)? {
        signals.history_length = Some(length(key, &value)?);
    }
    if let Some((key, value)) = first_given(mapping, &TURN_KEYS)? {
        match value.cast::<PyBool>() {
            Ok(flag) if key == "multi_turn" => signals.multi_turn = flag.is_true(),
            _ => signals.turn_count = Some(length(key, &value)?),
        }
    }
    if let Some((_, value)) = first_given(mapping, &RETRIEVAL_KEYS)? {
        signals.requires_retrieval = value.is_truthy()?;
    }
    Ok(signals)
}

fn first_given<'py>(
    mapping: &Bound<'py, PyMapping>,
    keys: &[&'static str],
) -> PyResult<Option<(&'static str, Bound<'py, PyAny>)>> {
    for &key in keys {
        let name = PyString::intern(mapping.py(), key);
        let value = match mapping.cast_exact::<PyDict>() {
            Ok(dict) => dict.get_item(name)?,
            Err(_) if mapping.contains(&name)? => Some(mapping.get_item(name)?),
            Err(_) => None,
        };
        if let Some(value) = value.filter(|value| !value.is_none()) {
            return Ok(Some((key, value)));
        }
    }
    Ok(None)
}

/// A number, or the length of a sequence.
fn length(key: &'static str, value: &Bound<'_, PyAny>) -> PyResult<f64> {
    let refused =
        |refusal: Refusal| refusal.for_argument(value.py(), &format!("context[{key:?}]"), value);
    let is_text = value.is_instance_of::<PyString>()
        || value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyByteArray>();
    if is_text {
        return Err(refused(Refusal::of_type(LENGTH)));
    }
    let number = if let Ok(flag) = value.cast::<PyBool>() {
        f64::from(u8::from(flag.is_true()))
    } else if let Ok(length) = value.len() {
        length as f64
    } else {
        fields::number(value).map_err(|refusal| refused(Refusal { accepted: LENGTH, ..refusal }))?
    };
    if number >= 0.0 { Ok(number) } else { Err(refused(Refusal::of_value(LENGTH))) }
}

fn scanner(rules: &Bound<'_, PyAny>) -> PyResult<Scanner> {
    let py = rules.py();
    let rules_read = read_rules(rules)?;
    Scanner::new(rules_read).map_err(|error| {
        let value = rules.getattr(error.field).unwrap_or_else(|_| py.None().into_bound(py));
        let message = format!("{SUBJECT}: {error}");
        configuration_error(py, Fault::Value, &message, error.field, &value)
    })
}

/// Points of one rule, small enough that no sum of them overflows.
fn points(value: &Bound<'_, PyAny>) -> Result<u32, Refusal> {
    const LARGEST: u32 = 1_000_000;
    let count = fields::count(value).map_err(|refusal| Refusal { accepted: POINTS, ..refusal })?;
    let points = u32::try_from(count).ok().filter(|points| *points <= LARGEST);
    points.ok_or(Refusal::of_value(POINTS))
}

fn keyword(value: &Bound<'_, PyAny>) -> Result<String, Refusal> {
    fields::text(value).map(|word| word.to_string_lossy().into_owned())
}

fn read_rules(rules: &Bound<'_, PyAny>) -> PyResult<Rules> {
    let level_thresholds = list(rules, "level_thresholds", points)?.try_into().map_err(|_| {
        refused(rules, "level_thresholds", Refusal::of_value("three numbers of points"))
    })?;
    Ok(Rules {
        expert_keywords: list(rules, "expert_keywords", keyword)?,
        expert_points: one(rules, "expert_points", points)?,
        complex_keywords: list(rules, "complex_keywords", keyword)?,
        complex_points: one(rules, "complex_points", points)?,
        domain_keywords: list(rules, "domain_keywords", keyword)?,
        domain_points: one(rules, "domain_points", points)?,
        domain_points_limit: one(rules, "domain_points_limit", points)?,
        length_steps: list(rules, "length_steps", fields::count)?,
        history_length_above: one(rules, "history_length_above", fields::number)?,
        history_points: one(rules, "history_points", points)?,
        turn_count_above: one(rules, "turn_count_above", fields::number)?,
        turn_points: one(rules, "turn_points", points)?,
        retrieval_points: one(rules, "retrieval_points", points)?,
        level_thresholds,
    })
}

fn rule<'py>(rules: &Bound<'py, PyAny>, field: &str) -> PyResult<Bound<'py, PyAny>> {
    rules.getattr(field).map_err(|error| {
        if error.is_instance_of::<pyo3::exceptions::PyAttributeError>(rules.py()) {
            ConfigurationTypeError::new_err(format!(
                "{SUBJECT} need the attribute {field}; {} has none",
                shown(rules)
            ))
        } else {
            error
        }
    })
}

fn refused(rules: &Bound<'_, PyAny>, field: &str, refusal: Refusal) -> PyErr {
    match rule(rules, field) {
        Ok(value) => refusal.for_configuration(rules.py(), SUBJECT, field, &value),
        Err(error) => error,
    }
}

fn one<'py, T>(
    rules: &Bound<'py, PyAny>,
    field: &'static str,
    convert: impl Fn(&Bound<'py, PyAny>) -> Result<T, Refusal>,
) -> PyResult<T> {
    let value = rule(rules, field)?;
    convert(&value).map_err(|refusal| refusal.for_configuration(rules.py(), SUBJECT, field, &value))
}

fn list<'py, T>(
    rules: &Bound<'py, PyAny>,
    field: &'static str,
    convert: impl Fn(&Bound<'py, PyAny>) -> Result<T, Refusal>,
) -> PyResult<Vec<T>> {
    let values = rule(rules, field)?;
    let py = rules.py();
    // A str is a sequence of one-letter keywords, which nobody means.
    if values.is_instance_of::<PyString>() {
        return Err(refused(rules, field, Refusal::of_type("a list")));
    }
    let entries =
        values.try_iter().map_err(|_| refused(rules, field, Refusal::of_type("a list")))?;
    let entry = |value: PyResult<Bound<'py, PyAny>>| {
        let value = value?;
        convert(&value).map_err(|refusal| {
            let place = format!("an entry of {field}");
            refusal.for_configuration(py, SUBJECT, &place, &value)
        })
    };
    entries.map(entry).collect()
}

/// Checks a `ComplexityRules`; raises `ConfigurationError` or `ConfigurationTypeError`.
#[pyfunction]
pub fn check_complexity_rules(rules: &Bound<'_, PyAny>) -> PyResult<()> {
    scanner(rules).map(|_| ())
}
