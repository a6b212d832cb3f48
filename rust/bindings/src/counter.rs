//! The token counters of this process: names and factors, and the marks that stand for them in a
//! memory's token word.

use std::sync::{PoisonError, RwLock};

use memory_budget_core::token_cell::{Counter, FactorTable};

/// How many different factors of estimates can be told apart.
const ESTIMATES: usize = 1 << 10;
/// Marks from here on are estimates, by their factor; those below are positions of names, from 1.
const FIRST_ESTIMATE: u64 = Counter::UNNAMED.mark() - ESTIMATES as u64;
const ESTIMATE: &str = "estimate:";

/// Names of the counters other than estimates.
static NAMES: RwLock<Vec<Box<str>>> = RwLock::new(Vec::new());
/// Factors of the estimates seen so far.
static FACTORS: FactorTable<ESTIMATES> = FactorTable::new();

/// The characters-times-factor estimate. Another factor is another counter.
pub fn estimate(tokens_per_char: f64) -> Counter {
    let place = FACTORS.place(tokens_per_char);
    place.map_or(Counter::UNNAMED, |place| Counter::new(FIRST_ESTIMATE + place as u64))
}

/// The counter of that name, as [`name`] gave it. The same name always gives the same counter.
pub fn named(name: &str) -> Counter {
    if let Some(Ok(factor)) = name.strip_prefix(ESTIMATE).map(str::parse::<f64>) {
        return estimate(factor);
    }
    let find = |names: &[Box<str>]| {
        let position = names.iter().position(|known| **known == *name)?;
        Some(Counter::new(position as u64 + 1))
    };
    let known = find(&NAMES.read().unwrap_or_else(PoisonError::into_inner));
    if let Some(counter) = known {
        return counter;
    }
    let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(counter) = find(&names) {
        return counter;
    }
    let mark = names.len() as u64 + 1;
    if mark == FIRST_ESTIMATE {
        return Counter::UNNAMED;
    }
    names.push(name.into());
    Counter::new(mark)
}

/// A name that gives the same counter in any process; None for one that did not fit its table.
pub fn name(counter: Counter) -> Option<String> {
    if counter == Counter::UNNAMED {
        return None;
    }
    if let Some(place) = counter.mark().checked_sub(FIRST_ESTIMATE) {
        let factor = FACTORS.factor(usize::try_from(place).ok()?);
        return Some(format!("{ESTIMATE}{factor}"));
    }
    let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
    let position = usize::try_from(counter.mark()).ok()?.checked_sub(1)?;
    names.get(position).map(ToString::to_string)
}
