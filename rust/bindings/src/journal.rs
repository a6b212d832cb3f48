//! `Journal`: the log of allocations and the running totals of an allocator.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use memory_budget_core::complexity::Level;
use memory_budget_core::journal::Journal as Log;
use memory_budget_core::statistics::{Sums, WorkspaceTotals};
use memory_budget_core::tier::Tier;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::record::Record;

/// Allocations as they happened: a bounded log (0 = unlimited) and exact totals over all of them.
#[pyclass(frozen, module = "memory_budget_allocator._core")]
pub struct Journal {
    log: Log<Record>,
    totals: WorkspaceTotals,
}

impl Journal {
    /// Notes an allocation that took that many nanoseconds.
    pub fn note(&self, py: Python<'_>, record: &Arc<Record>, processing_ns: u64) {
        record.processing_ns.store(processing_ns, Ordering::Relaxed);
        self.totals.record(&key(record.workspace_id.bind(py)), &record.observation());
        // The entry that made room is dropped here, attached to the interpreter.
        drop(self.log.push(record.clone()));
    }
}

#[pymethods]
impl Journal {
    #[new]
    fn new(history_limit: u64) -> Self {
        Self { log: Log::new(history_limit), totals: WorkspaceTotals::new() }
    }

    /// The log's entries as dicts, oldest first.
    fn entries<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.log.snapshot().iter().map(|record| record.entry(py)).collect()
    }

    /// Empties the log. The totals go on.
    fn clear(&self) {
        self.log.clear();
    }

    fn __len__(&self) -> usize {
        usize::try_from(self.log.len()).unwrap_or(usize::MAX)
    }

    /// Averages over everything recorded, or over the log's entries at or after `since_us`.
    ///
    /// Returns the statistics and whether the log still holds everything they should cover.
    fn statistics<'py>(
        &self,
        py: Python<'py>,
        workspace_id: Option<&Bound<'py, PyString>>,
        since_us: Option<i64>,
    ) -> PyResult<(Bound<'py, PyDict>, bool)> {
        let workspace = workspace_id.map(key);
        let (sums, complete) = match (since_us, workspace) {
            (None, None) => (self.totals.read_all(), true),
            (None, Some(workspace)) => (self.totals.read(&workspace), true),
            (Some(since_us), workspace) => {
                let mut sums = Sums::default();
                for record in self.log.snapshot() {
                    let belongs = workspace
                        .as_ref()
                        .is_none_or(|workspace| key(record.workspace_id.bind(py)) == *workspace);
                    if belongs && record.now_us >= since_us {
                        sums.add(&record.observation());
                    }
                }
                // Asked last: what left before the snapshot was taken is then known to be missing.
                (sums, self.log.complete_since(since_us))
            }
        };
        Ok((averages(py, &sums)?, complete))
    }
}

/// A workspace id as a key. One that has no UTF-8 (lone surrogates) goes by its escaped form behind
/// a NUL, which no readable id of that shape shares.
fn key<'a>(workspace_id: &'a Bound<'_, PyString>) -> Cow<'a, str> {
    workspace_id.to_cow().unwrap_or_else(|_| {
        let escaped = workspace_id.repr().map(|repr| repr.to_string_lossy().into_owned());
        Cow::Owned(format!("\0{}", escaped.unwrap_or_default()))
    })
}

fn averages<'py>(py: Python<'py>, sums: &Sums) -> PyResult<Bound<'py, PyDict>> {
    let averages = PyDict::new(py);
    averages.set_item(intern!(py, "tokens_allocated"), sums.average_tokens())?;
    averages.set_item(intern!(py, "memories_selected"), sums.average_memories())?;
    let milliseconds = sums.average_processing_milliseconds();
    averages.set_item(intern!(py, "processing_time_ms"), milliseconds)?;
    let levels = PyDict::new(py);
    for level in Level::ALL {
        let seen = sums.levels[level.index()];
        if seen > 0 {
            levels.set_item(level.name(), seen)?;
        }
    }
    let tiers = PyDict::new(py);
    for tier in Tier::ALL {
        let figures = PyDict::new(py);
        let utilization = sums.average_tier_utilization(tier);
        figures.set_item(intern!(py, "avg_utilization_pct"), utilization)?;
        figures.set_item(intern!(py, "avg_memories_selected"), sums.average_tier_memories(tier))?;
        figures.set_item(intern!(py, "avg_tokens_used"), sums.average_tier_tokens(tier))?;
        tiers.set_item(tier.name(), figures)?;
    }
    let statistics = PyDict::new(py);
    statistics.set_item(intern!(py, "total_allocations"), sums.allocations())?;
    statistics.set_item(intern!(py, "averages"), averages)?;
    statistics.set_item(intern!(py, "complexity_distribution"), levels)?;
    statistics.set_item(intern!(py, "tier_statistics"), tiers)?;
    Ok(statistics)
}
