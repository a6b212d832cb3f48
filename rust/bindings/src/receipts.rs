//! What an allocation can say of every candidate, made when somebody asks.
//!
//! A list's columns are kept with the allocation anyway: they were read, and are not needed elsewhere. Of
//! a pool or of columns of the caller's they are made where the call asks for receipts. Words and tables
//! are made in Python (receipts.py).

use std::collections::{HashMap, HashSet};

use memory_budget_core::columns::Columns;
use memory_budget_core::decay::NO_TIME;
use memory_budget_core::error::Error;
use memory_budget_core::limits::Limits;
use memory_budget_core::plan::Selected;
use memory_budget_core::ranking::Term;
use memory_budget_core::receipt::fits::Fit;
use memory_budget_core::receipt::{Considered, Continued, Reason};
use memory_budget_core::score::Scores;
use memory_budget_core::tier::Tier;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::allocation::{Allocation, Holder};
use crate::budget_search::{self, Search};
use crate::call::{Among, Call};
use crate::continued::Stepped;
use crate::decider::Decider;
use crate::errors::ArgumentValueError;
use crate::item::MemoryItem;
use crate::ranking::Known;
use crate::record::Entry;
use crate::rerun;
use crate::{fields, vocabulary};

/// Memories left out of which a report says at which budget they would be taken.
const FITS_REPORTED: usize = 100;

/// Receipts that are made between two looks at whether somebody pressed Ctrl-C.
const UNINTERRUPTED: usize = 1024;

/// What there was to choose from.
pub struct Kept {
    pub considered: Considered,
    /// What another ranking than the documented formula decided from.
    pub known: Option<Known>,
    /// Ids by place; none where they are read when somebody asks.
    pub ids: Option<Vec<Py<PyString>>>,
    /// All candidates as they are shown, by place, and their texts: under a ceiling, where receipts were
    /// asked for.
    pub shown: Option<Vec<(Entry, Py<PyString>)>>,
}

impl Call<'_> {
    /// Whether receipts need the texts of all candidates.
    pub fn shows_all(&self) -> bool {
        self.receipts && self.rendering.ceiling().is_some()
    }
}

/// The caller's columns, copied.
pub fn of_columns(columns: &Columns<'_>, pinned: &[u32], call: &Call<'_>) -> PyResult<Considered> {
    let rows = 0..columns.rows();
    let tier = |row: usize| Tier::from_index(columns.tier[row].into()).unwrap_or(Tier::Working);
    let mut considered = Considered {
        tier: rows.clone().map(tier).collect(),
        relevance: rows.clone().map(|row| columns.relevance.get(row)).collect(),
        importance: rows.clone().map(|row| columns.importance.get(row)).collect(),
        timestamp_us: columns
            .timestamp_us
            .map_or_else(|| vec![NO_TIME; rows.len()], <[i64]>::to_vec),
        tokens: columns.tokens.to_vec(),
        pinned: pinned.to_vec(),
        ..Considered::default()
    };
    let scores = considered.candidates().map(|it| Scores::of(&it, &call.settings, call.now_us));
    considered.scores = scores.map_err(|error| not_kept(&error))?;
    Ok(considered)
}

fn not_kept(error: &Error) -> PyErr {
    ArgumentValueError::new_err(error.to_string())
}

/// Calls a function of receipts.py about an allocation.
pub fn told<'py>(
    allocation: &Bound<'py, Allocation>,
    function: &str,
    argument: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let module = allocation.py().import("memory_budget_allocator.receipts")?;
    let function = module.getattr(function)?;
    match argument {
        Some(argument) => function.call1((allocation, argument)),
        None => function.call1((allocation,)),
    }
}

/// What was kept of an allocation.
pub fn kept(allocation: &Allocation) -> PyResult<&Kept> {
    allocation.kept.as_ref().ok_or_else(|| {
        let source = match &allocation.holder {
            Holder::Columns(_) => "columns",
            _ => "a pool",
        };
        ArgumentValueError::new_err(format!(
            "the candidates of {source} are kept where the call asks for it: allocate with receipts=True"
        ))
    })
}

/// Ids by place. Those of a list's selected memories are those of the call; the others are read now, where
/// the call did not keep them.
pub fn ids<'py>(
    py: Python<'py>,
    allocation: &Allocation,
    kept: &Kept,
) -> PyResult<Vec<Bound<'py, PyString>>> {
    if let Some(ids) = &kept.ids {
        return Ok(ids.iter().map(|id| id.bind(py).clone()).collect());
    }
    let id = |place: usize| match &allocation.holder {
        Holder::Items { memories, .. } => {
            let memory = memories.bind(py).get_item(place)?;
            if let Ok(item) = memory.cast_exact::<MemoryItem>() {
                return fields::plain(&item.get().id(py));
            }
            let id = memory.getattr(intern!(py, "memory_id"))?;
            fields::plain(id.cast::<PyString>()?)
        }
        Holder::Pool(view) => Ok(view.id(py, kept.considered.row(place)).into_bound(py)),
        Holder::Columns(_) => unreachable!("ids of columns are kept"),
    };
    let mut ids = (0..kept.considered.len()).map(id).collect::<PyResult<Vec<_>>>()?;
    for (selected, entry) in allocation.record.plan.selected.iter().zip(&allocation.record.entries)
    {
        if let (Some(place), Some(id)) = (kept.considered.place(selected.index), &entry.memory_id) {
            ids[place] = id.bind(py).clone();
        }
    }
    Ok(ids)
}

/// The parts of receipts, named as `Receipt` names them: of the candidates of one id, or of all. Without
/// search no budget is looked for.
pub fn of<'py>(
    py: Python<'py>,
    allocation: &Allocation,
    memory_id: Option<&Bound<'py, PyString>>,
    search: Search,
) -> PyResult<Bound<'py, PyList>> {
    let kept = kept(allocation)?;
    let considered = &kept.considered;
    let ids = ids(py, allocation, kept)?;
    let decider = Decider::new(py, allocation, kept)?;
    let judged = decider.judged();
    let step = allocation.rendering.continued.as_ref().and_then(|continued| continued.step(py));
    let mut reasons = reasons(py, allocation, kept, &decider, step.is_some());
    let held = step.map_or(&[][..], |step| &step.held);
    let mut said: HashMap<usize, usize> = judged
        .duplicates()
        .iter()
        .map(|&(place, earlier)| (place as usize, earlier as usize))
        .collect();
    if let Some(Stepped { left_behind, repeats, .. }) = step {
        considered.mark_continued(&mut reasons, Continued { held, left_behind });
        for (row, held) in repeats {
            if let (Some(place), Some(held)) = (considered.place(*row), considered.place(*held)) {
                reasons[place] = Reason::Duplicate;
                said.insert(place, held);
            }
        }
    }
    let ranks = judged.ranks();
    let mut places = Vec::new();
    for (place, id) in ids.iter().enumerate() {
        if memory_id.is_none_or(|wanted| id.as_any().eq(wanted).unwrap_or(false)) {
            places.push(place);
        }
    }
    // By tier and rank, as they had their turns; what had none comes last.
    places.sort_by_key(|&place| {
        (ranks[place].is_none(), considered.tier[place], ranks[place], place)
    });
    let left_out = places.iter().copied().filter(|&place| !reasons[place].is_taken());
    let most = match memory_id {
        _ if search == Search::None => 0,
        Some(_) => usize::MAX,
        None => FITS_REPORTED,
    };
    let wanted: Vec<usize> = left_out.take(most).collect();
    let fits = budget_search::fits(py, allocation, kept, &decider, &reasons, &wanted, search)?;
    let fits: HashMap<usize, Fit> = wanted.into_iter().zip(fits).collect();
    let left = left(allocation, &decider, considered);
    let selected = &allocation.record.plan.selected;
    let taken: HashMap<u32, &Selected> = selected.iter().map(|it| (it.index, it)).collect();
    let cut: HashSet<u32> = allocation.cut.iter().map(|(rank, _)| selected[*rank].index).collect();
    let held: HashSet<u32> = held.iter().copied().collect();
    let receipts = PyList::empty(py);
    for (at, place) in places.into_iter().enumerate() {
        if at % UNINTERRUPTED == 0 {
            py.check_signals()?;
        }
        let row = considered.row(place);
        let fit = fits.get(&place).copied();
        let taken = taken.get(&row).filter(|_| reasons[place].is_taken());
        let tokens = taken.map_or(considered.tokens[place], |taken| taken.tokens);
        let explained = decider.explain(place);
        let instead = match reasons[place] {
            Reason::Superseded => decider.replaced_by(place),
            Reason::Duplicate => match said.get(&place).copied() {
                Some(first) if reasons[first].is_taken() => Some(first),
                // A ceiling may have evicted it, and kept another that says the same.
                first => taken_with_same_text(allocation, &decider, considered, place).or(first),
            },
            _ => None,
        };
        let receipt = PyDict::new(py);
        receipt.set_item(intern!(py, "memory_id"), &ids[place])?;
        receipt.set_item(intern!(py, "position"), row)?;
        let tier = vocabulary::tier_member(py, considered.tier[place])?;
        receipt.set_item(intern!(py, "tier"), tier)?;
        receipt.set_item(intern!(py, "reason"), reasons[place].name())?;
        receipt.set_item(intern!(py, "held"), held.contains(&row))?;
        receipt.set_item(intern!(py, "instead"), instead.map(|place| &ids[place]))?;
        receipt.set_item(intern!(py, "rank"), ranks[place])?;
        receipt.set_item(intern!(py, "tokens"), tokens)?;
        receipt.set_item(intern!(py, "whole_tokens"), considered.tokens[place])?;
        receipt.set_item(intern!(py, "truncated"), cut.contains(&row))?;
        receipt.set_item(intern!(py, "score"), explained.score)?;
        receipt.set_item(intern!(py, "combined_score"), considered.scores.combined[place])?;
        let terms: Vec<_> = explained.terms.iter().map(shown_term).collect();
        receipt.set_item(intern!(py, "terms"), terms)?;
        receipt.set_item(intern!(py, "cost"), explained.cost.as_ref().map(shown_term))?;
        let left = left.as_ref().and_then(|left| left[place]);
        receipt.set_item(intern!(py, "left"), left)?;
        let fits_at = match fit {
            Some(Fit::At(budget)) => Some(budget),
            _ => None,
        };
        receipt.set_item(intern!(py, "fits_at"), fits_at)?;
        let is_known = fit.is_some() && fit != Some(Fit::Unknown);
        receipt.set_item(intern!(py, "fits_at_known"), is_known)?;
        receipts.append(receipt)?;
    }
    Ok(receipts)
}

/// What the budgets and the ceiling made of each place; what a session keeps or repeats is not in it.
fn reasons(
    py: Python<'_>,
    allocation: &Allocation,
    kept: &Kept,
    decider: &Decider<'_>,
    is_in_session: bool,
) -> Vec<Reason> {
    let replan = |limits: &Limits| {
        // A session cuts nothing.
        let cut_oversized = limits.cut_oversized && !is_in_session;
        let limits = Limits { cut_oversized, ..*limits };
        Ok(decider.plan(&allocation.settings, &limits, Among::Admitted)?.0)
    };
    let mut without_ceiling = None;
    let is_cut = |place: u32| {
        without_ceiling
            .get_or_insert_with(|| rerun::without_ceiling(py, allocation, kept, decider))
            .contains(&kept.considered.row(place as usize))
    };
    decider.judged().reasons(&allocation.record.plan, replan, is_cut)
}

/// What was taken and says what a place says, if anything does.
fn taken_with_same_text(
    allocation: &Allocation,
    decider: &Decider<'_>,
    considered: &Considered,
    place: usize,
) -> Option<usize> {
    let rule = allocation.ranking.as_ref()?.options.watched();
    let terms = |place: usize| decider.terms(u32::try_from(place).ok()?);
    let own = terms(place)?;
    let taken = &allocation.record.plan.selected;
    let mut taken = taken.iter().filter_map(|selected| considered.place(selected.index));
    taken.find(|&place| terms(place).is_some_and(|terms| rule.is_same(own, terms)))
}

/// Name, weight, value, and what was given, which may be infinite; None where that is not known.
fn shown_term(term: &Term) -> (&'static str, f64, f64, Option<f64>) {
    (term.name, term.weight, term.value, Some(term.given).filter(|given| !given.is_nan()))
}

/// What each candidate's tier had left when its turn came; none where tiers share, a ceiling decides, or nobody
/// has a turn.
fn left(
    allocation: &Allocation,
    decider: &Decider<'_>,
    considered: &Considered,
) -> Option<Vec<Option<u64>>> {
    let plan = &allocation.record.plan;
    let limits = plan.limited.as_ref().map(|limited| limited.limits);
    let shares = limits.is_some_and(|it| it.spill_over.is_some() || it.available.is_some());
    if shares || !decider.is_by_key() {
        return None;
    }
    let mut is_taken = vec![false; considered.len()];
    for place in plan.selected.iter().filter_map(|selected| considered.place(selected.index)) {
        is_taken[place] = true;
    }
    let mut left = vec![None; considered.len()];
    for (tier, turns) in plan.tiers.iter().zip(decider.judged().turns()) {
        let mut rest = tier.budget;
        for place in turns.into_iter().map(|place| place as usize) {
            left[place] = Some(rest);
            if is_taken[place] {
                rest = rest.saturating_sub(considered.tokens[place]);
            }
        }
    }
    Some(left)
}
