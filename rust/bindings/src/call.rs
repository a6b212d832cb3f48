//! One call of `allocate`, whatever the door: its arguments as they were read, and how it ends.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use memory_budget_core::complexity::Level;
use memory_budget_core::plan::Plan;
use memory_budget_core::settings::Settings;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::allocation::{Allocation, Holder};
use crate::complexity::{ComplexityScanner, query_text, signals};
use crate::door::TokenEstimate;
use crate::fields;
use crate::journal::Journal;
use crate::record::{Entry, Record};
use crate::workspace;

/// The arguments that every door has.
pub struct Call<'a, 'py> {
    pub level: Level,
    pub settings: Settings,
    pub estimate: TokenEstimate,
    pub now_us: i64,
    query: Bound<'py, PyString>,
    workspace_id: Bound<'py, PyString>,
    project_id: Option<Bound<'py, PyString>>,
    config_scope: &'a Bound<'py, PyString>,
    journal: &'a Bound<'py, Journal>,
    clock_ns: &'a Bound<'py, PyAny>,
    started_ns: u64,
}

/// What a door decided and keeps; all effects are written.
pub struct Outcome {
    pub plan: Plan,
    pub entries: Vec<Entry>,
    pub holder: Holder,
    /// See [`Allocation::non_finite`].
    pub non_finite: Option<(usize, Py<PyString>, &'static str)>,
}

impl<'a, 'py> Call<'a, 'py> {
    /// Reads and checks everything but the memories.
    #[expect(clippy::too_many_arguments)]
    pub fn read(
        query: &Bound<'py, PyAny>,
        config: &Bound<'py, PyAny>,
        scanner: &Bound<'py, ComplexityScanner>,
        context: Option<&Bound<'py, PyAny>>,
        workspace_id: &Bound<'py, PyString>,
        project_id: Option<&Bound<'py, PyString>>,
        config_scope: &'a Bound<'py, PyString>,
        now_us: i64,
        journal: &'a Bound<'py, Journal>,
        clock_ns: &'a Bound<'py, PyAny>,
        started_ns: u64,
    ) -> PyResult<Self> {
        let query = query_text(query)?;
        let level = scanner.get().level(query, &signals(context)?);
        let settings = workspace::settings(config)?;
        Ok(Self {
            level,
            estimate: TokenEstimate::new(settings.tokens_per_char),
            settings,
            now_us,
            query: fields::plain(query)?,
            workspace_id: fields::plain(workspace_id)?,
            project_id: project_id.map(fields::plain).transpose()?,
            config_scope,
            journal,
            clock_ns,
            started_ns,
        })
    }

    /// Notes the outcome in the journal and hands it over. Runs no Python code that could fail or be
    /// interrupted: the effects are written already.
    pub fn conclude(self, outcome: Outcome) -> Allocation {
        let record = Arc::new(Record {
            plan: outcome.plan,
            entries: outcome.entries,
            query: self.query.unbind(),
            workspace_id: self.workspace_id.unbind(),
            project_id: self.project_id.map(Bound::unbind),
            config_scope: self.config_scope.clone().unbind(),
            now_us: self.now_us,
            processing_ns: AtomicU64::new(0),
        });
        let ended_ns = self.clock_ns.call0().and_then(|reading| reading.extract::<u64>());
        let processing_ns = ended_ns.map_or(0, |ended_ns| ended_ns.saturating_sub(self.started_ns));
        self.journal.get().note(self.journal.py(), &record, processing_ns);
        Allocation {
            record,
            holder: outcome.holder,
            counter: self.estimate.counter(),
            non_finite: outcome.non_finite,
        }
    }
}
