//! What an allocation leaves behind: the plan and the few objects needed to show it.
//!
//! A record holds no full text, so that the journal can keep many.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memory_budget_core::decay::NO_TIME;
use memory_budget_core::journal::Stamped;
use memory_budget_core::plan::Plan;
use memory_budget_core::rounding::round_decimals;
use memory_budget_core::statistics::Observation;
use memory_budget_core::tier::Tier;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::datetime;
use crate::limits::Ceiling;
use crate::vocabulary;

/// Format of exported entries; grows when their shape changes.
const FORMAT: u32 = 1;

/// When a selected memory was created.
pub enum Created {
    Unknown,
    /// Microseconds since 1970, within the years 1 to 9999.
    Utc(i64),
    /// The datetime's own ISO form, where UTC leaves those years.
    Own(Py<PyString>),
}

/// A selected memory, aligned with `Plan::selected`.
pub struct Entry {
    /// None where memories have no ids and go by their row: the text of it is made when somebody looks.
    pub memory_id: Option<Py<PyString>>,
    /// The beginning of the text, with "..." where it goes on.
    pub preview: Py<PyString>,
    pub created: Created,
    pub access_count: u64,
    /// Whether only the beginning of the text was taken.
    pub is_cut: bool,
}

impl Entry {
    /// When it was created, as texts are ordered by it.
    pub fn timestamp_us(&self) -> i64 {
        match &self.created {
            Created::Utc(microseconds) => *microseconds,
            Created::Unknown | Created::Own(_) => NO_TIME,
        }
    }
}

/// One allocation, without full texts.
pub struct Record {
    pub plan: Plan,
    pub entries: Vec<Entry>,
    pub query: Py<PyString>,
    pub workspace_id: Py<PyString>,
    pub project_id: Option<Py<PyString>>,
    pub config_scope: Py<PyString>,
    pub ceiling: Option<Arc<Ceiling>>,
    pub now_us: i64,
    /// Set once, when the caller knows how long the call took.
    pub processing_ns: AtomicU64,
}

impl Stamped for Record {
    fn stamp(&self) -> i64 {
        self.now_us
    }
}

impl Record {
    pub fn processing_ns(&self) -> u64 {
        self.processing_ns.load(Ordering::Relaxed)
    }

    pub fn processing_time_ms(&self) -> f64 {
        self.processing_ns() as f64 / 1e6
    }

    /// The id of a selected memory; the number of its row where it has none.
    pub fn memory_id<'py>(&self, py: Python<'py>, rank: usize) -> Bound<'py, PyString> {
        match &self.entries[rank].memory_id {
            Some(memory_id) => memory_id.bind(py).clone(),
            None => PyString::new(py, &self.plan.selected[rank].index.to_string()),
        }
    }

    pub fn observation(&self) -> Observation {
        self.plan.observation(self.processing_ns())
    }

    /// The journal's entry: the result without full texts, with a format number.
    pub fn entry<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let entry = PyDict::new(py);
        entry.set_item(intern!(py, "format"), FORMAT)?;
        self.fill(py, &entry, None)?;
        Ok(entry)
    }

    /// The documented result; `texts` are the full texts of the selected memories.
    pub fn result<'py>(
        &self,
        py: Python<'py>,
        texts: &[Py<PyString>],
    ) -> PyResult<Bound<'py, PyDict>> {
        let result = PyDict::new(py);
        self.fill(py, &result, Some(texts))?;
        Ok(result)
    }

    fn fill(
        &self,
        py: Python<'_>,
        result: &Bound<'_, PyDict>,
        texts: Option<&[Py<PyString>]>,
    ) -> PyResult<()> {
        let plan = &self.plan;
        result.set_item(intern!(py, "query"), &self.query)?;
        result.set_item(intern!(py, "workspace_id"), &self.workspace_id)?;
        result.set_item(intern!(py, "project_id"), &self.project_id)?;
        result.set_item(intern!(py, "config_scope"), &self.config_scope)?;
        result.set_item(intern!(py, "complexity"), vocabulary::level_name(py, plan.level))?;
        result.set_item(intern!(py, "timestamp"), datetime::isoformat(self.now_us))?;
        result.set_item(intern!(py, "budget"), self.budget(py)?)?;
        let tiers = PyDict::new(py);
        for tier in Tier::ALL {
            tiers.set_item(vocabulary::tier_name(py, tier), self.tier(py, tier, texts)?)?;
        }
        result.set_item(intern!(py, "tiers"), tiers)?;
        result.set_item(intern!(py, "total_tokens_allocated"), plan.total_tokens())?;
        result.set_item(intern!(py, "total_memories_selected"), plan.selected.len())?;
        result.set_item(intern!(py, "processing_time_ms"), self.processing_time_ms())
    }

    fn budget<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let shares = PyDict::new(py);
        for tier in Tier::ALL {
            shares.set_item(vocabulary::tier_name(py, tier), self.plan.shares[tier.index()])?;
        }
        let budget = PyDict::new(py);
        budget.set_item(intern!(py, "max_total_tokens"), self.plan.max_total_tokens)?;
        budget.set_item(intern!(py, "tier_percentages"), shares)?;
        budget.set_item(intern!(py, "complexity_multiplier"), self.plan.multiplier)?;
        if let Some(ceiling) = &self.ceiling {
            budget.set_item(intern!(py, "max_prompt_tokens"), ceiling.max_prompt_tokens)?;
            budget.set_item(intern!(py, "reserved_tokens"), ceiling.reserved(py)?)?;
            budget.set_item(intern!(py, "available_tokens"), ceiling.available())?;
            budget.set_item(intern!(py, "counter"), &ceiling.counter)?;
        }
        Ok(budget)
    }

    fn tier<'py>(
        &self,
        py: Python<'py>,
        tier: Tier,
        texts: Option<&[Py<PyString>]>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let plan = &self.plan.tiers[tier.index()];
        let memories = PyList::empty(py);
        let blank = blank_memory(py, tier, texts.is_some())?;
        for rank in plan.range.clone() {
            memories.append(self.memory(py, &blank, rank, texts.map(|texts| &texts[rank]))?)?;
        }
        let result = PyDict::new(py);
        result.set_item(intern!(py, "budget_tokens"), plan.budget)?;
        result.set_item(intern!(py, "tokens_used"), plan.used)?;
        result.set_item(intern!(py, "tokens_remaining"), plan.budget - plan.used)?;
        result.set_item(intern!(py, "memories_available"), plan.available)?;
        result.set_item(intern!(py, "memories_selected"), plan.selected())?;
        result.set_item(intern!(py, "utilization_pct"), plan.utilization_pct())?;
        if let Some(limited) = &self.plan.limited
            && limited.limits.spill_over.is_some()
        {
            let own = limited.bounds.budgets[tier.index()];
            result.set_item(intern!(py, "own_budget_tokens"), own)?;
        }
        result.set_item(intern!(py, "selected_memories"), memories)?;
        Ok(result)
    }

    fn memory<'py>(
        &self,
        py: Python<'py>,
        blank: &Bound<'py, PyDict>,
        rank: usize,
        text: Option<&Py<PyString>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (selected, entry) = (&self.plan.selected[rank], &self.entries[rank]);
        let memory = blank.copy()?;
        memory.set_item(intern!(py, "memory_id"), self.memory_id(py, rank))?;
        if let Some(text) = text {
            memory.set_item(intern!(py, "text"), text)?;
        }
        memory.set_item(intern!(py, "text_preview"), &entry.preview)?;
        memory.set_item(intern!(py, "token_count"), selected.tokens)?;
        let rounded = |score| round_decimals(score, 4);
        memory.set_item(intern!(py, "combined_score"), rounded(selected.combined))?;
        memory.set_item(intern!(py, "relevance_score"), rounded(selected.relevance))?;
        memory.set_item(intern!(py, "importance_score"), rounded(selected.importance))?;
        memory.set_item(intern!(py, "freshness_score"), rounded(selected.freshness))?;
        memory.set_item(intern!(py, "access_count"), entry.access_count)?;
        let timestamp = intern!(py, "timestamp");
        match &entry.created {
            Created::Unknown => memory.set_item(timestamp, py.None())?,
            Created::Utc(microseconds) => {
                memory.set_item(timestamp, datetime::isoformat(*microseconds))?;
            }
            Created::Own(text) => memory.set_item(timestamp, text)?,
        }
        if entry.is_cut {
            memory.set_item(intern!(py, "truncated"), true)?;
        }
        Ok(memory)
    }
}

/// A selected memory with its keys in order, and of the values the tier alone. Copying it and filling
/// in the rest takes half the time of a dict that grows key by key.
fn blank_memory(py: Python<'_>, tier: Tier, with_text: bool) -> PyResult<Bound<'_, PyDict>> {
    let memory = PyDict::new(py);
    memory.set_item(intern!(py, "memory_id"), py.None())?;
    memory.set_item(intern!(py, "tier"), vocabulary::tier_name(py, tier))?;
    if with_text {
        memory.set_item(intern!(py, "text"), py.None())?;
    }
    let rest = [
        intern!(py, "text_preview"),
        intern!(py, "token_count"),
        intern!(py, "combined_score"),
        intern!(py, "relevance_score"),
        intern!(py, "importance_score"),
        intern!(py, "freshness_score"),
        intern!(py, "access_count"),
        intern!(py, "timestamp"),
    ];
    for key in rest {
        memory.set_item(key, py.None())?;
    }
    Ok(memory)
}
