//! The limits of one call, from its workspace and its options, and what a result says of them.

use memory_budget_core::budget::{check_floors, tier_budgets_within};
use memory_budget_core::complexity::Level;
use memory_budget_core::error::Error;
use memory_budget_core::limits::{Amount, Limits, SpillOver};
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyMapping, PyString};
use pyo3::{IntoPyObjectExt, intern};

use crate::counting::Counting;
use crate::errors::{ArgumentValueError, Fault, Refusal, configuration_error};
use crate::options::Options;
use crate::workspace::{Configuration, refused_by_core};
use crate::{fields, vocabulary};

const RESERVES: [&str; 4] = ["system", "query", "history", "completion"];

/// The ceiling of a call and what of it is spoken for.
pub struct Ceiling {
    pub max_prompt_tokens: u64,
    reserves: Reserves,
    /// The name of what counts the text under it, and reserves that are texts.
    pub counter: String,
}

/// Tokens per reserve that is given, in the order of [`RESERVES`].
type Reserves = [Option<u64>; 4];

/// Counts the text of a reserve.
type Count<'a, 'py> = &'a dyn Fn(&Bound<'py, PyString>) -> PyResult<u64>;

impl Ceiling {
    /// What is spoken for.
    pub fn reserved_sum(&self) -> u64 {
        sum(&self.reserves)
    }

    /// What is left for memories.
    pub fn available(&self) -> u64 {
        self.max_prompt_tokens.saturating_sub(sum(&self.reserves))
    }

    /// How messages name it: "the ceiling of 1000 tokens, of which 319 are reserved (system 19,
    /// completion 300) and 7 frame the message".
    pub fn described(&self, framing: u64) -> String {
        let mut parts = Vec::new();
        if self.reserved_sum() > 0 {
            let named = named(&self.reserves);
            parts.push(format!("{} are reserved ({named})", self.reserved_sum()));
        }
        if framing > 0 {
            parts.push(format!("{framing} frame the message"));
        }
        let of_which = if parts.is_empty() { "" } else { ", of which " };
        format!("the ceiling of {} tokens{of_which}{}", self.max_prompt_tokens, parts.join(" and "))
    }

    /// A dict of what was reserved, in tokens.
    pub fn reserved<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let reserved = PyDict::new(py);
        for (name, tokens) in RESERVES.into_iter().zip(self.reserves) {
            if let Some(tokens) = tokens {
                reserved.set_item(name, tokens)?;
            }
        }
        Ok(reserved)
    }
}

fn sum(reserves: &Reserves) -> u64 {
    reserves.iter().flatten().sum()
}

/// "system 19, completion 300".
fn named(reserves: &Reserves) -> String {
    let named = RESERVES.into_iter().zip(reserves);
    let named = named.filter_map(|(name, tokens)| Some(format!("{name} {}", (*tokens)?)));
    named.collect::<Vec<_>>().join(", ")
}

/// Where values that are being read come from.
#[derive(Clone, Copy)]
enum Origin<'a, 'py> {
    Workspace(&'a Configuration<'a, 'py>),
    Call(Python<'py>),
}

impl<'py> Origin<'_, 'py> {
    fn refused(self, refusal: Refusal, field: &str, value: &Bound<'py, PyAny>) -> PyErr {
        match self {
            Self::Call(py) => refusal.for_argument(py, field, value),
            Self::Workspace(config) => config.refused(refusal, field, value),
        }
    }
}

/// Reads the limits of a workspace and of a call over it.
pub fn read<'py>(
    config: &Configuration<'_, 'py>,
    options: &Options<'py>,
    counting: &Counting,
) -> PyResult<(Limits, Option<Ceiling>)> {
    let counting = counting.under_ceiling(config.py())?;
    let ceiling = ceiling(config, options, &|text| counting.count_one(text))?;
    let ceiling = ceiling.map(|(max_prompt_tokens, reserves)| Ceiling {
        max_prompt_tokens,
        reserves,
        counter: counting.name().to_owned(),
    });
    let limits = Limits { available: ceiling.as_ref().map(Ceiling::available), ..shared(config)? };
    Ok((limits, ceiling))
}

/// Checks everything a workspace says of limits, also what no call would look at.
pub fn check_workspace(config: &Configuration<'_, '_>, settings: &Settings) -> PyResult<()> {
    let py = config.py();
    // What a text counts matters under a ceiling alone.
    reserves(Origin::Workspace(config), &config.attribute(intern!(py, "reserves"))?, &|_| Ok(0))?;
    spill_over_order(config)?;
    let count = |text: &Bound<'_, PyString>| {
        Counting::configured(config, settings.tokens_per_char)?.under_ceiling(py)?.count_one(text)
    };
    let ceiling = ceiling(config, &Options::default(), &count)?;
    let max_prompt_tokens = ceiling.map(|(max_prompt_tokens, _)| max_prompt_tokens);
    check_floors(settings, &shared(config)?, max_prompt_tokens)
        .map_err(|error| floors_refused(config, &error))
}

/// Refuses floors that cannot be kept in a call of that level.
pub fn check(
    config: &Configuration<'_, '_>,
    settings: &Settings,
    level: Level,
    limits: &Limits,
) -> PyResult<()> {
    if limits.floors == [None; Tier::COUNT] {
        return Ok(());
    }
    tier_budgets_within(settings, level, limits)
        .map(|_| ())
        .map_err(|error| floors_refused(config, &error))
}

/// Why its floors were refused: the floor of one tier, or all of them.
fn floors_refused(config: &Configuration<'_, '_>, error: &Error) -> PyErr {
    let py = config.py();
    let message = format!("{}: {error}", config.subject());
    let (field, value) = match error {
        Error::FloorAboveCap { tier, floor, .. } => {
            (format!("tier_floors[{}]", tier.name()), floor.into_bound_py_any(py))
        }
        _ => ("tier_floors".to_owned(), config.attribute(intern!(py, "tier_floors"))),
    };
    match value {
        Ok(value) => configuration_error(py, Fault::Value, &message, &field, &value),
        Err(error) => error,
    }
}

fn ceiling<'py>(
    config: &Configuration<'_, 'py>,
    options: &Options<'py>,
    count: Count<'_, 'py>,
) -> PyResult<Option<(u64, Reserves)>> {
    const FIELD: &str = "max_prompt_tokens";
    let py = config.py();
    let of_call = options.reserves.as_ref().map(|it| reserves(Origin::Call(py), it, count));
    let of_call = of_call.transpose()?;
    let (origin, most) = match &options.max_prompt_tokens {
        Some(most) => (Origin::Call(py), most.clone()),
        None => (Origin::Workspace(config), config.attribute(intern!(py, FIELD))?),
    };
    if most.is_none() {
        if of_call.is_some() {
            return Err(ArgumentValueError::new_err(
                "reserves are a part of max_prompt_tokens, and there is none: give it as well",
            ));
        }
        return Ok(None);
    }
    let max_prompt_tokens = fields::count(&most).map_err(|refusal| {
        let accepted = "an integer from 0 to 9007199254740991, or None";
        origin.refused(Refusal { accepted, ..refusal }, FIELD, &most)
    })?;
    let given = config.attribute(intern!(py, "reserves"))?;
    let mut reserves = reserves(Origin::Workspace(config), &given, count)?;
    for (tokens, of_call) in reserves.iter_mut().zip(of_call.unwrap_or_default()) {
        *tokens = of_call.or(*tokens);
    }
    let sum = sum(&reserves);
    if sum > max_prompt_tokens {
        let message = format!(
            "the reserves of {sum} tokens ({}) exceed max_prompt_tokens, which is {max_prompt_tokens}",
            named(&reserves)
        );
        if options.max_prompt_tokens.is_none() && options.reserves.is_none() {
            let message = format!("{}: {message}", config.subject());
            return Err(configuration_error(py, Fault::Value, &message, "reserves", &given));
        }
        return Err(ArgumentValueError::new_err(message));
    }
    Ok(Some((max_prompt_tokens, reserves)))
}

/// Reads a mapping of reserves.
fn reserves<'py>(
    origin: Origin<'_, 'py>,
    given: &Bound<'py, PyAny>,
    count: Count<'_, 'py>,
) -> PyResult<Reserves> {
    const FIELD: &str = "reserves";
    const NAMES: &str = "'system', 'query', 'history' or 'completion'";
    const RESERVE: &str = "a number of tokens from 0 to 9007199254740991, or a text to be counted";
    let mut reserves = [None; 4];
    if given.cast_exact::<PyDict>().is_ok_and(PyDictMethods::is_empty) {
        return Ok(reserves);
    }
    for (name, value) in pairs(origin, FIELD, given, "a mapping of names to numbers or texts")? {
        let refused = |refusal| origin.refused(refusal, "a key of reserves", &name);
        let text = name.cast::<PyString>().map_err(|_| refused(Refusal::of_type(NAMES)))?;
        let text = text.to_string_lossy();
        let place = RESERVES.iter().position(|known| *known == text);
        let place = place.ok_or_else(|| refused(Refusal::of_value(NAMES)))?;
        let tokens = match value.cast::<PyString>() {
            Ok(text) => count(text)?,
            Err(_) => fields::count(&value).map_err(|refusal| {
                let field = format!("{FIELD}[{text}]");
                origin.refused(Refusal { accepted: RESERVE, ..refusal }, &field, &value)
            })?,
        };
        reserves[place] = Some(tokens);
    }
    Ok(reserves)
}

/// Floors, caps, spill-over and the minimum score of a workspace.
fn shared(config: &Configuration<'_, '_>) -> PyResult<Limits> {
    let py = config.py();
    let spill_over = config.attribute(intern!(py, "spill_over"))?;
    let spills = spill_over.cast::<PyBool>().map(PyBoolMethods::is_true).or_else(|_| {
        let refused =
            |refusal| Origin::Workspace(config).refused(refusal, "spill_over", &spill_over);
        fields::flag(&spill_over).map_err(refused)
    })?;
    let limits = Limits {
        floors: amounts(config, intern!(py, "tier_floors"))?,
        caps: amounts(config, intern!(py, "tier_caps"))?,
        available: None,
        spill_over: if spills { Some(spill_over_order(config)?) } else { None },
        minimum_score: config.read(intern!(py, "minimum_score"), fields::number)?,
        cut_oversized: cuts_oversized(config)?,
    };
    limits.check().map_err(|error| refused_by_core(config, &error))?;
    Ok(limits)
}

fn cuts_oversized(config: &Configuration<'_, '_>) -> PyResult<bool> {
    const WAYS: &str = "'skip' or 'truncate'";
    config.read(intern!(config.py(), "oversized"), |way| {
        let way = way.cast::<PyString>().map_err(|_| Refusal::of_type(WAYS))?;
        match &*way.to_string_lossy() {
            "skip" => Ok(false),
            "truncate" => Ok(true),
            _ => Err(Refusal::of_value(WAYS)),
        }
    })
}

fn spill_over_order(config: &Configuration<'_, '_>) -> PyResult<SpillOver> {
    const ORDERS: &str = "'score' or 'tier'";
    config.read(intern!(config.py(), "spill_over_order"), |order| {
        let order = order.cast::<PyString>().map_err(|_| Refusal::of_type(ORDERS))?;
        match &*order.to_string_lossy() {
            "score" => Ok(SpillOver::ByScore),
            "tier" => Ok(SpillOver::ByTier),
            _ => Err(Refusal::of_value(ORDERS)),
        }
    })
}

/// Floors or caps by tier.
fn amounts(
    config: &Configuration<'_, '_>,
    name: &Bound<'_, PyString>,
) -> PyResult<[Option<Amount>; Tier::COUNT]> {
    let given = config.attribute(name)?;
    let mut amounts = [None; Tier::COUNT];
    if given.cast_exact::<PyDict>().is_ok_and(PyDictMethods::is_empty) {
        return Ok(amounts);
    }
    let (origin, field) = (Origin::Workspace(config), name.to_string_lossy());
    for (key, value) in pairs(origin, &field, &given, "a mapping of tiers to tokens or shares")? {
        let tier = vocabulary::tier(&key)
            .map_err(|refusal| origin.refused(refusal, &format!("a key of {field}"), &key))?;
        amounts[tier.index()] = Some(amount(&value).map_err(|refusal| {
            origin.refused(refusal, &format!("{field}[{}]", tier.name()), &value)
        })?);
    }
    Ok(amounts)
}

/// Tokens as an integer, a share as a float; of NumPy as of Python.
fn amount(value: &Bound<'_, PyAny>) -> Result<Amount, Refusal> {
    const AMOUNT: &str = "an integer (tokens) or a float from 0 to 1 (a share)";
    let accepted = |refusal| Refusal { accepted: AMOUNT, ..refusal };
    let is_float = value.is_instance_of::<PyFloat>()
        || !value.hasattr(intern!(value.py(), "__index__")).unwrap_or(false);
    if is_float {
        fields::number(value).map(Amount::Share).map_err(accepted)
    } else {
        fields::count(value).map(Amount::Tokens).map_err(accepted)
    }
}

type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// A copy of a mapping's pairs: reading a value may run code that changes it.
fn pairs<'py>(
    origin: Origin<'_, 'py>,
    field: &str,
    given: &Bound<'py, PyAny>,
    accepted: &'static str,
) -> PyResult<Vec<Pair<'py>>> {
    let mapping = given
        .cast::<PyMapping>()
        .map_err(|_| origin.refused(Refusal::of_type(accepted), field, given))?;
    mapping.items()?.iter().map(|pair| pair.extract()).collect()
}
