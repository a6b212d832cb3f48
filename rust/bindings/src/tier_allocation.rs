//! `TierAllocation`: the part of an allocation that one tier got.

use memory_budget_core::plan::TierPlan;
use memory_budget_core::tier::Tier;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList};

use crate::allocation::Allocation;
use crate::vocabulary;

/// What one tier got in an allocation.
#[pyclass(frozen, module = "memory_budget_allocator")]
pub struct TierAllocation {
    pub allocation: Py<Allocation>,
    pub tier: Tier,
}

impl TierAllocation {
    fn plan(&self) -> &TierPlan {
        &self.allocation.get().record.plan.tiers[self.tier.index()]
    }
}

#[pymethods]
impl TierAllocation {
    /// The tier, a `MemoryTier`.
    #[getter]
    fn tier(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        vocabulary::tier_member(py, self.tier)
    }

    /// Tokens the tier may use: with spill-over, its own budget, plus what it took over from other
    /// tiers, less what they took over from it.
    #[getter]
    fn budget(&self) -> u64 {
        self.plan().budget
    }

    /// Tokens the tier may use before spill-over.
    #[getter]
    fn own_budget(&self) -> u64 {
        let limited = self.allocation.get().record.plan.limited.as_ref();
        limited.map_or(self.plan().budget, |limited| limited.bounds.budgets[self.tier.index()])
    }

    /// Tokens its selection uses; never above `budget`.
    #[getter]
    fn used(&self) -> u64 {
        self.plan().used
    }

    /// `budget - used`.
    #[getter]
    fn remaining(&self) -> u64 {
        self.plan().budget - self.plan().used
    }

    /// Used tokens in percent of the budget, two decimals; 0.0 for a budget of zero.
    #[getter]
    fn utilization(&self) -> f64 {
        self.plan().utilization_pct()
    }

    /// How many memories the tier had to choose from.
    #[getter]
    fn available(&self) -> usize {
        self.plan().available
    }

    /// The selected memories themselves, best score first.
    #[getter]
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.allocation.get().memories(py, self.plan().range.clone())
    }

    /// Positions of the selected memories in the caller's sequence, or their rows in the pool, in the
    /// order of `items`.
    #[getter]
    fn positions(&self) -> Vec<u32> {
        let plan = &self.allocation.get().record.plan;
        plan.selected[self.plan().range.clone()].iter().map(|selected| selected.index).collect()
    }

    fn __len__(&self) -> usize {
        self.plan().selected()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.items(py)?.try_iter()
    }

    fn __repr__(&self) -> String {
        let plan = self.plan();
        format!(
            "<TierAllocation {} memories={}/{} tokens={}/{} ({:.2}%)>",
            self.tier.name(),
            plan.selected(),
            plan.available,
            plan.used,
            plan.budget,
            plan.utilization_pct(),
        )
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.allocation)
    }
}
