//! Reading a `PromptTemplate`.

use std::sync::LazyLock;

use memory_budget_core::render::{Order, Part, Source, Template, TemplateError};
use memory_budget_core::tier::Tier;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyMapping, PyString, PyType};

use crate::errors::{ArgumentTypeError, Fault, Refusal, configuration_error, shown_with_type};
use crate::vocabulary;
use crate::workspace::Configuration;

const SUBJECT: &str = "PromptTemplate";
const ENCODABLE: &str = "a str without lone surrogates";
const ORDERS: &str = "'score', 'chronological', 'edges' or 'tier'";
const HEADINGS: &str = "a str or a mapping from tiers to str";

/// The template of a call that names none.
pub fn default_template() -> &'static Template {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(Template::default);
    &TEMPLATE
}

/// Reads the argument `template`.
pub fn argument(template: &Bound<'_, PyAny>) -> PyResult<Template> {
    if !is_template(template)? {
        let got = shown_with_type(template);
        return Err(ArgumentTypeError::new_err(format!(
            "template must be a PromptTemplate, got {got}"
        )));
    }
    read(template)
}

/// The template of a workspace, if it names one.
pub fn of_workspace(config: &Configuration<'_, '_>) -> PyResult<Option<Template>> {
    let py = config.py();
    let Some(template) = config.optional(intern!(py, "template"))? else { return Ok(None) };
    if template.is_none() {
        return Ok(None);
    }
    if !is_template(&template)? {
        let refusal = Refusal::of_type("a PromptTemplate or None");
        return Err(config.refused(refusal, "template", &template));
    }
    read(&template).map(Some)
}

/// Checks a template; returns the sequences that memories cannot spell, and the mark that breaks them.
#[pyfunction]
pub fn check_template(template: &Bound<'_, PyAny>) -> PyResult<(Vec<String>, char)> {
    let template = read(template)?;
    let guards = template.guards();
    Ok((guards.sequences().collect(), guards.mark()))
}

fn is_template(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let module = "memory_budget_allocator.prompt_template";
    value.is_instance(CLASS.import(value.py(), module, "PromptTemplate")?)
}

fn read(template: &Bound<'_, PyAny>) -> PyResult<Template> {
    let py = template.py();
    let [prologue, item, between, epilogue] = ["prologue", "item", "between", "epilogue"];
    let text = |field| text(field, &template.getattr(field)?);
    let [prologue, item, between, epilogue] =
        [text(prologue)?, text(item)?, text(between)?, text(epilogue)?];
    let headings = headings(&template.getattr(intern!(py, "headings"))?)?;
    let source = Source {
        prologue: &prologue,
        headings: headings.each_ref().map(String::as_str),
        item: &item,
        between: &between,
        epilogue: &epilogue,
        order: order(&template.getattr(intern!(py, "order"))?)?,
    };
    Template::parse(&source).map_err(|error| refused(py, &error, &source))
}

fn text(field: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let refuse = |refusal: Refusal| refusal.for_configuration(value.py(), SUBJECT, field, value);
    let text = value.cast::<PyString>().map_err(|_| refuse(Refusal::of_type("a str")))?;
    let text = text.to_cow().map_err(|_| refuse(Refusal::of_value(ENCODABLE)))?;
    Ok(text.into_owned())
}

fn order(value: &Bound<'_, PyAny>) -> PyResult<Order> {
    let refuse = |refusal: Refusal| refusal.for_configuration(value.py(), SUBJECT, "order", value);
    let name = value.cast::<PyString>().map_err(|_| refuse(Refusal::of_type(ORDERS)))?;
    Order::from_name(&name.to_string_lossy()).ok_or_else(|| refuse(Refusal::of_value(ORDERS)))
}

/// One text for all tiers, or one each.
fn headings(value: &Bound<'_, PyAny>) -> PyResult<[String; Tier::COUNT]> {
    let py = value.py();
    if value.is_instance_of::<PyString>() {
        let heading = text("headings", value)?;
        return Ok(Tier::ALL.map(|_| heading.clone()));
    }
    let mut headings = [const { String::new() }; Tier::COUNT];
    let mapping = value.cast::<PyMapping>().map_err(|_| {
        Refusal::of_type(HEADINGS).for_configuration(py, SUBJECT, "headings", value)
    })?;
    for entry in mapping.items()? {
        let (key, heading) = entry.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
        let tier = vocabulary::tier(&key).map_err(|refusal| {
            let (accepted, got) = (refusal.accepted, shown_with_type(&key));
            let message = format!("{SUBJECT}: a key of headings must be {accepted}, got {got}");
            configuration_error(py, refusal.fault, &message, "headings", &key)
        })?;
        headings[tier.index()] = text(&Part::Heading(tier).to_string(), &heading)?;
    }
    Ok(headings)
}

fn refused(py: Python<'_>, error: &TemplateError, source: &Source<'_>) -> PyErr {
    let part = error.part();
    let value = match part {
        Part::Prologue => source.prologue,
        Part::Heading(tier) => source.headings[tier.index()],
        Part::Item => source.item,
        Part::Between => source.between,
        Part::Epilogue => source.epilogue,
    };
    let value = PyString::new(py, value).into_any();
    let message = format!("{SUBJECT}: {error}; got {}", shown_with_type(&value));
    configuration_error(py, Fault::Value, &message, &part.to_string(), &value)
}
