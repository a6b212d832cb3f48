//! One call of `allocate`: what every door gets, and what it hands back.

use std::sync::Arc;

use memory_budget_core::budget::tier_budgets_within;
use memory_budget_core::complexity::Level;
use memory_budget_core::error::Error;
use memory_budget_core::limits::Limits;
use memory_budget_core::plan::Plan;
use memory_budget_core::ranking::duplicates::DuplicateRule;
use memory_budget_core::settings::Settings;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::allocation::Holder;
use crate::counting::Counting;
use crate::errors::refused_by_core;
use crate::limits::Ceiling;
use crate::options::Options;
use crate::ranking::CallRanking;
use crate::receipts::Kept;
use crate::record::Entry;
use crate::rendering::Rendering;

/// Everything of a call but its memories, read and checked.
pub struct Call<'py> {
    pub level: Level,
    pub settings: Settings,
    pub limits: Limits,
    /// What the limits were made of; None without a ceiling.
    pub ceiling: Option<Arc<Ceiling>>,
    pub now_us: i64,
    pub options: Options<'py>,
    pub rendering: Rendering,
    /// None for the documented formula.
    pub ranking: Option<Arc<CallRanking>>,
    /// Whether everything is kept that receipts are made of.
    pub receipts: bool,
    /// Whether nothing is written.
    pub dry_run: bool,
}

/// Whom a door plans among.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// Whom the ranking admits.
    Admitted,
    /// Whoever is there and not replaced, also what the ranking leaves out today.
    All,
}

impl Call<'_> {
    /// Which repetitions no text may hold.
    pub fn watched(&self) -> DuplicateRule {
        let watched = |ranking: &Arc<CallRanking>| ranking.options.watched();
        self.ranking.as_ref().map(watched).unwrap_or_default()
    }

    /// What the core refuses of its memories, in words that say why: where a tier has less than without
    /// a ceiling, that one is named.
    pub fn refused(&self, py: Python<'_>, error: &Error) -> PyErr {
        let ceiling = match (error, &self.ceiling) {
            (Error::PinnedOverflow { tier, budget, .. }, Some(ceiling)) => {
                let limits = Limits { available: None, ..self.limits };
                let wider = tier_budgets_within(&self.settings, self.level, &limits);
                let is_less = wider.is_ok_and(|wider| wider.budgets[tier.index()] > *budget);
                is_less.then(|| format!(" under {}", ceiling.described(0)))
            }
            _ => None,
        };
        refused_by_core(py, error, &ceiling.unwrap_or_default())
    }

    /// How the tokens of memories are counted.
    pub fn counting(&self) -> &Counting {
        &self.rendering.counting
    }

    /// Whether its plan takes the greatest keys of each tier.
    pub fn is_by_key(&self) -> bool {
        self.ranking.as_ref().is_none_or(|ranking| ranking.options.is_by_key())
    }
}

/// What a door decided and keeps; all effects are written.
pub struct Outcome {
    pub plan: Plan,
    pub entries: Vec<Entry>,
    pub holder: Holder,
    /// What there was to choose from, where it is kept.
    pub kept: Option<Kept>,
    /// See [`crate::allocation::Allocation::cut`].
    pub cut: Vec<(usize, Py<PyString>)>,
    /// See [`crate::allocation::Allocation::non_finite`].
    pub non_finite: Option<(usize, Py<PyString>, &'static str)>,
}
