//! Reading a workspace configuration: any object with the documented attributes, once per call.

use memory_budget_core::budget;
use memory_budget_core::complexity::Level;
use memory_budget_core::error::Error;
use memory_budget_core::settings::{Settings, Weights};
use memory_budget_core::tier::Tier;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyFloat, PyMapping, PyString, PyType};
use pyo3::{IntoPyObjectExt, intern};

use crate::counting::Counting;
use crate::errors::{ConfigurationTypeError, Fault, Refusal, configuration_error, shown};
use crate::{fields, limits, prompt_template, ranking, vocabulary};

/// A configuration with its attributes at hand. Those of a plain `WorkspaceConfig` are all in its own
/// dict, where looking one up takes a fraction of the time that asking the object does.
pub struct Configuration<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    own: Option<Bound<'py, PyDict>>,
}

impl<'a, 'py> Configuration<'a, 'py> {
    pub fn of(object: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let py = object.py();
        let class = CLASS.import(py, "memory_budget_allocator.workspace", "WorkspaceConfig")?;
        let own = if object.get_type().is(class) {
            object.getattr(intern!(py, "__dict__"))?.cast_into::<PyDict>().ok()
        } else {
            None
        };
        Ok(Self { object, own })
    }

    pub fn object(&self) -> &'a Bound<'py, PyAny> {
        self.object
    }

    pub fn py(&self) -> Python<'py> {
        self.object.py()
    }

    /// How messages call it: "workspace 'research'".
    pub fn subject(&self) -> String {
        match self.object.getattr(intern!(self.py(), "workspace_id")) {
            Ok(id) => format!("workspace {}", shown(&id)),
            Err(_) => "workspace configuration".to_owned(),
        }
    }

    /// An attribute that every configuration has.
    pub fn attribute(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(own) = &self.own
            && let Some(value) = own.get_item(name)?
        {
            return Ok(value);
        }
        self.object.getattr(name).map_err(|error| {
            if error.is_instance_of::<pyo3::exceptions::PyAttributeError>(self.py()) {
                ConfigurationTypeError::new_err(format!(
                    "a workspace configuration needs the attribute {name}; {} has none",
                    shown(self.object)
                ))
            } else {
                error
            }
        })
    }

    /// An attribute that other classes may lack.
    pub fn optional(&self, name: &Bound<'py, PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Some(own) = &self.own
            && let Some(value) = own.get_item(name)?
        {
            return Ok(Some(value));
        }
        self.object.getattr_opt(name)
    }

    /// Reads and converts an attribute.
    pub fn read<T>(
        &self,
        name: &Bound<'py, PyString>,
        convert: impl FnOnce(&Bound<'py, PyAny>) -> Result<T, Refusal>,
    ) -> PyResult<T> {
        let value = self.attribute(name)?;
        convert(&value).map_err(|refusal| self.refused(refusal, &name.to_string_lossy(), &value))
    }

    /// Why a value of it was refused.
    pub fn refused(&self, refusal: Refusal, field: &str, value: &Bound<'_, PyAny>) -> PyErr {
        refusal.for_configuration(self.py(), &self.subject(), field, value)
    }
}

fn multipliers(config: &Configuration<'_, '_>) -> PyResult<[f64; 4]> {
    let py = config.py();
    let name = intern!(py, "complexity_multipliers");
    let mapping = config.attribute(name)?;
    // A level that is missing counts as 1.
    let mut multipliers = [1.0; 4];
    let mut set = |key: Bound<'_, PyAny>, value: Bound<'_, PyAny>| -> PyResult<()> {
        let level = vocabulary::level(&key)
            .map_err(|refusal| config.refused(refusal, "a key of complexity_multipliers", &key))?;
        multipliers[level.index()] = fields::number(&value).map_err(|refusal| {
            let field = format!("complexity_multipliers[{}]", level.name());
            config.refused(refusal, &field, &value)
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
        return Err(config.refused(refusal, "complexity_multipliers", &mapping));
    }
    Ok(multipliers)
}

/// The multipliers of a dict of nothing but names of levels and floats, which no code can run for.
fn plain_multipliers(mapping: &Bound<'_, PyDict>) -> Option<[f64; 4]> {
    let py = mapping.py();
    let mut multipliers = [1.0; 4];
    let mut found = 0;
    for level in Level::ALL {
        if let Some(value) = mapping.get_item(vocabulary::level_name(py, level)).ok()? {
            multipliers[level.index()] = value.cast_exact::<PyFloat>().ok()?.value();
            found += 1;
        }
    }
    (found == mapping.len()).then_some(multipliers)
}

fn weights(config: &Configuration<'_, '_>) -> PyResult<Weights> {
    let py = config.py();
    Ok(Weights {
        relevance: config.read(intern!(py, "relevance_weight"), fields::number)?,
        importance: config.read(intern!(py, "importance_weight"), fields::number)?,
        freshness: config.read(intern!(py, "freshness_weight"), fields::number)?,
    })
}

/// What scoring needs of a configuration, checked; the rest stays at its default.
pub fn scoring(config: &Bound<'_, PyAny>) -> PyResult<Settings> {
    let config = &Configuration::of(config)?;
    let half_life = intern!(config.py(), "freshness_half_life_hours");
    let settings = Settings {
        weights: weights(config)?,
        freshness_half_life_hours: config.read(half_life, fields::number)?,
        ..Settings::default()
    };
    settings.check_scoring().map_err(|error| refused_by_core(config, &error))?;
    Ok(settings)
}

/// All numbers of a configuration, checked.
pub fn settings(config: &Configuration<'_, '_>) -> PyResult<Settings> {
    let py = config.py();
    let number = |name| config.read(name, fields::number);
    let settings = Settings {
        max_total_tokens: config.read(intern!(py, "max_total_tokens"), fields::count)?,
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
        promotion_access_threshold: config
            .read(intern!(py, "promotion_access_threshold"), fields::count)?,
        tokens_per_char: number(intern!(py, "tokens_per_char"))?,
    };
    settings.check().map_err(|error| refused_by_core(config, &error))?;
    Ok(settings)
}

/// A `ConfigurationError` for what the core refuses of a configuration.
pub fn refused_by_core(config: &Configuration<'_, '_>, error: &Error) -> PyErr {
    let py = config.py();
    let message = format!("{}: {error}", config.subject());
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
    let config = &Configuration::of(config)?;
    config.read(intern!(config.py(), "workspace_id"), |id| fields::text(id).map(|_| ()))?;
    let settings = settings(config)?;
    ranking::of_workspace(config, &settings)?;
    prompt_template::of_workspace(config)?;
    Counting::check_configured(config)?;
    limits::check_workspace(config, &settings)
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
    let settings = settings(&Configuration::of(config)?)?;
    let share = settings.shares[tier.index()];
    Ok(budget::tier_budget(settings.max_total_tokens, share, settings.multiplier(level)))
}
