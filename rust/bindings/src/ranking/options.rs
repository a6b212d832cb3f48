//! Reading a `Ranking`: any object with its attributes.

use memory_budget_core::error::Error;
use memory_budget_core::ranking::duplicates::DuplicateRule;
use memory_budget_core::ranking::normalise::Normalisation;
use memory_budget_core::ranking::pack::Packer;
use memory_budget_core::ranking::value::Shape;
use memory_budget_core::ranking::{Kind, RankingOptions};
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBoolMethods, PyMapping, PyString};

use crate::errors::{ArgumentValueError, Fault, Refusal, configuration_error};
use crate::{fields, vocabulary};

const KINDS: &str = "'weighted', 'evidence' or a Ranking";
const NORMALISATIONS: &str = "'none', 'z', 'min_max', 'rank' or None";
const SHAPES: &str = "'exponential', 'power_law', 'none' or None";
const PACKERS: &str = "'greedy', 'knapsack' or None";
const BITS: &str = "an integer from 0 to 64 or None";
const FLAG: &str = "a bool or None";

/// Reads a ranking: its name, or an object with the attributes of `Ranking`. `settings` are those of the
/// workspace, which `weighted` takes weights and half-life from.
///
/// The refusal is about the value itself; an error is about one of its fields.
pub fn options(
    value: &Bound<'_, PyAny>,
    settings: &Settings,
) -> PyResult<Result<RankingOptions, Refusal>> {
    if let Ok(name) = value.cast::<PyString>() {
        return Ok(match &*name.to_string_lossy() {
            "weighted" => Ok(RankingOptions::weighted(settings)),
            "evidence" => Ok(RankingOptions::evidence()),
            _ => Err(Refusal::of_value(KINDS)),
        });
    }
    let Some(kind) = value.getattr_opt("kind")? else { return Ok(Err(Refusal::of_type(KINDS))) };
    let fields = Fields { ranking: value };
    let mut options =
        match fields.refused("kind", &kind, name_of(&kind, "'weighted' or 'evidence'"))?.as_str() {
            "weighted" => RankingOptions::weighted(settings),
            "evidence" => RankingOptions::evidence(),
            _ => {
                let refusal = Refusal::of_value("'weighted' or 'evidence'");
                return Err(fields.error("kind", &kind, refusal));
            }
        };
    fields.read_into(&mut options)?;
    options.check().map_err(|error| fields.refused_by_core(&error))?;
    Ok(Ok(options))
}

fn name_of(value: &Bound<'_, PyAny>, accepted: &'static str) -> Result<String, Refusal> {
    let name = value.cast::<PyString>().map_err(|_| Refusal::of_type(accepted))?;
    Ok(name.to_string_lossy().into_owned())
}

/// The attributes of a `Ranking`; None leaves what its kind has.
struct Fields<'a, 'py> {
    ranking: &'a Bound<'py, PyAny>,
}

impl<'py> Fields<'_, 'py> {
    fn error(&self, name: &str, value: &Bound<'_, PyAny>, refusal: Refusal) -> PyErr {
        refusal.for_configuration(self.ranking.py(), "ranking", name, value)
    }

    fn refused<T>(
        &self,
        name: &str,
        value: &Bound<'_, PyAny>,
        read: Result<T, Refusal>,
    ) -> PyResult<T> {
        read.map_err(|refusal| self.error(name, value, refusal))
    }

    fn given<T>(
        &self,
        name: &str,
        convert: impl FnOnce(&Bound<'py, PyAny>) -> Result<T, Refusal>,
    ) -> PyResult<Option<T>> {
        let value = self.ranking.getattr(PyString::intern(self.ranking.py(), name))?;
        if value.is_none() {
            return Ok(None);
        }
        self.refused(name, &value, convert(&value)).map(Some)
    }

    fn choice<T: Copy>(
        &self,
        name: &str,
        accepted: &'static str,
        choices: &[(&str, T)],
    ) -> PyResult<Option<T>> {
        self.given(name, |value| {
            let given = name_of(value, accepted)?;
            let found = choices.iter().find(|(name, _)| *name == given);
            found.map(|(_, choice)| *choice).ok_or(Refusal::of_value(accepted))
        })
    }

    fn flag(&self, name: &str) -> PyResult<Option<bool>> {
        self.given(name, |value| {
            value.cast::<PyBool>().map(PyBoolMethods::is_true).map_err(|_| Refusal::of_type(FLAG))
        })
    }

    fn read_into(&self, options: &mut RankingOptions) -> PyResult<()> {
        let number = |name| self.given(name, fields::number);
        let set = |place: &mut f64, name| -> PyResult<()> {
            if let Some(value) = number(name)? {
                *place = value;
            }
            Ok(())
        };
        let (Kind::Weighted(weights) | Kind::Evidence(weights)) = &mut options.kind;
        set(&mut weights.importance, "importance_weight")?;
        set(&mut weights.freshness, "freshness_weight")?;
        set(&mut options.lexical_weight, "lexical_weight")?;
        set(&mut options.freshness.floor, "freshness_floor")?;
        set(&mut options.smoothing, "smoothing")?;
        set(&mut options.cost_exponent, "cost_exponent")?;
        let normalisations = [
            ("none", Normalisation::None),
            ("z", Normalisation::Z),
            ("min_max", Normalisation::MinMax),
            ("rank", Normalisation::Rank),
        ];
        if let Some(chosen) = self.choice("normalisation", NORMALISATIONS, &normalisations)? {
            options.normalisation = chosen;
        }
        let shapes = [
            ("exponential", Shape::Exponential),
            ("power_law", Shape::PowerLaw),
            ("none", Shape::None),
        ];
        if let Some(chosen) = self.choice("freshness", SHAPES, &shapes)? {
            options.freshness.shape = chosen;
        }
        let packers = [("greedy", Packer::Greedy), ("knapsack", Packer::Knapsack)];
        if let Some(chosen) = self.choice("packer", PACKERS, &packers)? {
            options.packer = chosen;
        }
        self.read_half_lives(&mut options.freshness.half_life_hours)?;
        if let Some(floor) = self.given("cost_floor", fields::count)? {
            options.cost_floor = floor;
        }
        if let Some(supersession) = self.flag("supersession")? {
            options.supersession = supersession;
        }
        let mut duplicates: DuplicateRule = options.duplicates;
        if let Some(exact) = self.flag("exact_duplicates")? {
            duplicates.exact = exact;
        }
        let near = self.given("near_duplicates", |value| {
            let bits =
                fields::count(value).map_err(|refusal| Refusal { accepted: BITS, ..refusal })?;
            u32::try_from(bits).ok().filter(|bits| *bits <= 64).ok_or(Refusal::of_value(BITS))
        })?;
        duplicates.near = near.or(duplicates.near);
        options.duplicates = duplicates;
        options.relevance_gate = number("relevance_gate")?.or(options.relevance_gate);
        options.minimum_score = number("minimum_score")?.or(options.minimum_score);
        options.diversity = number("diversity")?.or(options.diversity);
        Ok(())
    }

    /// One number for all tiers, or a mapping from tiers; a tier that is missing keeps its own.
    fn read_half_lives(&self, hours: &mut [f64; Tier::COUNT]) -> PyResult<()> {
        const NAME: &str = "freshness_half_life_hours";
        let py = self.ranking.py();
        let value = self.ranking.getattr(PyString::intern(py, NAME))?;
        if value.is_none() {
            return Ok(());
        }
        let Ok(mapping) = value.cast::<PyMapping>() else {
            hours.fill(self.refused(NAME, &value, fields::number(&value))?);
            return Ok(());
        };
        for pair in mapping.items()? {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
            let tier =
                self.refused("a key of freshness_half_life_hours", &key, vocabulary::tier(&key))?;
            let field = format!("{NAME}[{}]", tier.name());
            hours[tier.index()] = self.refused(&field, &value, fields::number(&value))?;
        }
        Ok(())
    }

    fn refused_by_core(&self, error: &Error) -> PyErr {
        let py = self.ranking.py();
        let Error::Setting { field, value, .. } = error else {
            return ArgumentValueError::new_err(error.to_string());
        };
        match value.into_bound_py_any(py) {
            Ok(value) => {
                configuration_error(py, Fault::Value, &format!("ranking: {error}"), field, &value)
            }
            Err(error) => error,
        }
    }
}
