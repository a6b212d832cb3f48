//! Reading a workspace configuration: any object with the documented attributes, once per call.

use memory_budget_core::budget;
use memory_budget_core::complexity::Level;
use memory_budget_core::error::Error;
use memory_budget_core::settings::{Settings, Weights};
use memory_budget_core::tier::Tier;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyMapping, PyString};
use pyo3::{IntoPyObjectExt, intern};

use crate::errors::{ConfigurationTypeError, Fault, Refusal, configuration_error, shown};
use crate::{fields, vocabulary};

/// How messages call the configuration: "workspace 'research'".
fn subject(config: &Bound<'_, PyAny>) -> String {
    match config.getattr(intern!(config.py(), "workspace_id")) {
        Ok(id) => format!("workspace {}", shown(&id)),
        Err(_) => "workspace configuration".to_owned(),
    }
}

fn attribute<'py>(
    config: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    config.getattr(name).map_err(|error| {
        if error.is_instance_of::<pyo3::exceptions::PyAttributeError>(config.py()) {
            ConfigurationTypeError::new_err(format!(
                "a workspace configuration needs the attribute {name}; {} has none",
                shown(config)
            ))
        } else {
            error
        }
    })
}

fn read<'py, T>(
    config: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
    convert: impl FnOnce(&Bound<'py, PyAny>) -> Result<T, Refusal>,
) -> PyResult<T> {
    let value = attribute(config, name)?;
    convert(&value).map_err(|refusal| {
        let field = name.to_string_lossy();
        refusal.for_configuration(config.py(), &subject(config), &field, &value)
    })
}

fn multipliers(config: &Bound<'_, PyAny>) -> PyResult<[f64; 4]> {
    let py = config.py();
    let name = intern!(py, "complexity_multipliers");
    let mapping = attribute(config, name)?;
    // A level that is missing counts as 1.
    let mut multipliers = [1.0; 4];
    let mut set = |key: Bound<'_, PyAny>, value: Bound<'_, PyAny>| -> PyResult<()> {
        let level = vocabulary::level(&key).map_err(|refusal| {
            refusal.for_configuration(py, &subject(config), "a key of complexity_multipliers", &key)
        })?;
        multipliers[level.index()] = fields::number(&value).map_err(|refusal| {
            let field = format!("complexity_multipliers[{}]", level.name());
            refusal.for_configuration(py, &subject(config), &field, &value)
        })?;
        Ok(())
    };
    if let Ok(mapping) = mapping.cast_exact::<PyDict>()
        && let Some(found) = plain_multipliers(mapping)
    {
        return Ok(found);
    }
    // A copy of the pairs: reading a number may run code that changes the mapping.
    if let Ok(mapping) = mapping.cast::<PyMapping>() {
        for pair in mapping.items()? {
            let (key, value) = pair.extract()?;
            set(key, value)?;
        }
    } else {
        let refusal = Refusal::of_type("a mapping of levels to numbers");
        let field = "complexity_multipliers";
        return Err(refusal.for_configuration(py, &subject(config), field, &mapping));
    }
    Ok(multipliers)
}

/// The multipliers of a dict of nothing but names of levels and floats, which no code can run for.
fn plain_multipliers(mapping: &Bound<'_, PyDict>) -> Option<[f64; 4]> {
    let py = mapping.py();
    let mut multipliers = [1.0; 4];
    let mut found = 0;
    for level in Level::ALL {
        if let Some(value) = mapping.get_item(PyString::intern(py, level.name())).ok()? {
            multipliers[level.index()] = value.cast_exact::<PyFloat>().ok()?.value();
            found += 1;
        }
    }
    (found == mapping.len()).then_some(multipliers)
}

fn weights(config: &Bound<'_, PyAny>) -> PyResult<Weights> {
    let py = config.py();
    Ok(Weights {
        relevance: read(config, intern!(py, "relevance_weight"), fields::number)?,
        importance: read(config, intern!(py, "importance_weight"), fields::number)?,
        freshness: read(config, intern!(py, "freshness_weight"), fields::number)?,
    })
}

/// What scoring needs of a configuration, checked; the rest stays at its default.
pub fn scoring(config: &Bound<'_, PyAny>) -> PyResult<Settings> {
    let half_life = intern!(config.py(), "freshness_half_life_hours");
    let settings = Settings {
        weights: weights(config)?,
        freshness_half_life_hours: read(config, half_life, fields::number)?,
        ..Settings::default()
    };
    settings.check().map_err(|error| refused_by_core(config, &error))?;
    Ok(settings)
}

/// All numbers of a configuration, checked.
pub fn settings(config: &Bound<'_, PyAny>) -> PyResult<Settings> {
    let py = config.py();
    let number = |name| read(config, name, fields::number);
    let settings = Settings {
        max_total_tokens: read(config, intern!(py, "max_total_tokens"), fields::count)?,
        shares: [
            number(intern!(py, "working_memory_pct"))?,
            number(intern!(py, "project_memory_pct"))?,
            number(intern!(py, "long_term_memory_pct"))?,
            number(intern!(py, "rag_memory_pct"))?,
        ],
        multipliers: multipliers(config)?,
        weights: weights(config)?,
        freshness_half_life_hours: number(intern!(py, "freshness_half_life_hours"))?,
        promotion_threshold: number(intern!(py, "promotion_threshold"))?,
        demotion_threshold: number(intern!(py, "demotion_threshold"))?,
        promotion_access_threshold: read(
            config,
            intern!(py, "promotion_access_threshold"),
            fields::count,
        )?,
        tokens_per_char: number(intern!(py, "tokens_per_char"))?,
    };
    settings.check().map_err(|error| refused_by_core(config, &error))?;
    Ok(settings)
}

fn refused_by_core(config: &Bound<'_, PyAny>, error: &Error) -> PyErr {
    let py = config.py();
    let message = format!("{}: {error}", subject(config));
    let (field, value) = match error {
        Error::Setting { field, value, .. } => (*field, value.into_bound_py_any(py)),
        _ => ("", py.None().into_bound_py_any(py)),
    };
    match value {
        Ok(value) => configuration_error(py, Fault::Value, &message, field, &value),
        Err(error) => error,
    }
}

/// Checks all documented attributes of a workspace configuration.
///
/// Raises `ConfigurationError` (with `field` and `value`) for an impossible value and
/// `ConfigurationTypeError`, which is also a `TypeError`, for a wrong type.
#[pyfunction]
pub fn check_workspace(config: &Bound<'_, PyAny>) -> PyResult<()> {
    read(config, intern!(config.py(), "workspace_id"), |id| fields::text(id).map(|_| ()))?;
    settings(config).map(|_| ())
}

/// Tokens that one tier may use for a query of that complexity:
/// `round(max_total_tokens * share * multiplier)`, halves to even.
#[pyfunction]
pub fn tier_budget(
    config: &Bound<'_, PyAny>,
    tier: &Bound<'_, PyAny>,
    complexity: &Bound<'_, PyAny>,
) -> PyResult<u64> {
    let py = config.py();
    let tier: Tier =
        vocabulary::tier(tier).map_err(|refusal| refusal.for_argument(py, "tier", tier))?;
    let level: Level = vocabulary::level(complexity)
        .map_err(|refusal| refusal.for_argument(py, "complexity", complexity))?;
    let settings = settings(config)?;
    let share = settings.shares[tier.index()];
    Ok(budget::tier_budget(settings.max_total_tokens, share, settings.multiplier(level)))
}
