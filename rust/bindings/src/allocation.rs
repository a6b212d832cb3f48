//! `Allocation`: a plan with the memories it is about; dicts are made when someone looks.

use std::sync::Arc;

use memory_budget_core::tier::Tier;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::record::Record;
use crate::vocabulary;

/// The outcome of one allocation.
///
/// Holds the plan and the caller's own memories; `to_dict()` makes the documented result.
#[pyclass(frozen, module = "memory_budget_allocator")]
pub struct Allocation {
    pub record: Arc<Record>,
    /// Full texts of the selected memories, as they were when the call read them.
    pub texts: Vec<Py<PyString>>,
    /// The candidates, in the caller's order.
    pub memories: Py<PyTuple>,
    /// Components that counted as 0.0: how many, and the id and field of the first.
    pub non_finite: Option<(usize, Py<PyString>, &'static str)>,
}

#[pymethods]
impl Allocation {
    /// The documented result: plain, JSON-serialisable, made anew by every call.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.record.result(py, &self.texts)
    }

    /// The selected memories themselves: by tier, then by score.
    #[getter]
    fn selected<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let memories = self.memories.bind(py);
        let rows = self.record.plan.selected.iter().map(|selected| selected.index as usize);
        rows.map(|row| memories.get_item(row)).collect()
    }

    /// Positions of the selected memories in the caller's sequence, in the order of `selected`.
    #[getter]
    fn selected_positions(&self) -> Vec<u32> {
        self.record.plan.selected.iter().map(|selected| selected.index).collect()
    }

    /// The query's complexity, a `QueryComplexity`.
    #[getter]
    fn complexity(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        vocabulary::level_member(py, self.record.plan.level)
    }

    /// The workspace id that was asked for.
    #[getter]
    fn workspace_id(&self, py: Python<'_>) -> Py<PyString> {
        self.record.workspace_id.clone_ref(py)
    }

    /// Tokens of all selected memories.
    #[getter]
    fn total_tokens(&self) -> u64 {
        self.record.plan.total_tokens()
    }

    /// How long the call took, in milliseconds.
    #[getter]
    fn processing_time_ms(&self) -> f64 {
        self.record.processing_time_ms()
    }

    /// One line per tier, in tier order: name, tokens used, budget, utilization in percent,
    /// memories selected, memories available.
    #[getter]
    fn tier_summaries(&self) -> Vec<(&'static str, u64, u64, f64, usize, usize)> {
        let summary = |tier: Tier| {
            let plan = &self.record.plan.tiers[tier.index()];
            let percent = plan.utilization_pct();
            (tier.name(), plan.used, plan.budget, percent, plan.selected(), plan.available)
        };
        Tier::ALL.map(summary).to_vec()
    }

    /// Components that were NaN or infinite and counted as 0.0: how many, and the id and field of
    /// the first; None if there was none.
    #[getter]
    fn non_finite(&self, py: Python<'_>) -> Option<(usize, Py<PyString>, &'static str)> {
        let (count, memory_id, field) = self.non_finite.as_ref()?;
        Some((*count, memory_id.clone_ref(py), *field))
    }

    fn __len__(&self) -> usize {
        self.record.plan.selected.len()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let plan = &self.record.plan;
        let budget: u64 = plan.tiers.iter().map(|tier| tier.budget).sum();
        Ok(format!(
            "<Allocation workspace={} complexity={} memories={}/{} tokens={}/{budget}>",
            self.record.workspace_id.bind(py).repr()?.to_string_lossy(),
            plan.level.name(),
            plan.selected.len(),
            plan.tiers.iter().map(|tier| tier.available).sum::<usize>(),
            plan.total_tokens(),
        ))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.memories)
    }
}
