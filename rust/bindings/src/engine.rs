//! `Engine`: where every allocation enters and ends, whatever its door.
//!
//! ```text
//!              ┌► item_allocation ─┐
//! query ─► Call┼► columns ─────────┼► Outcome ─► Record ─► journal, Allocation
//!              └► pool_allocation ─┘
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::allocation::Allocation;
use crate::call::Call;
use crate::complexity::{ComplexityScanner, query_text, signals};
use crate::counting::Counting;
use crate::epoch::Epoch;
use crate::journal::Journal;
use crate::limits::Ceiling;
use crate::options::Options;
use crate::ranking::CallRanking;
use crate::record::Record;
use crate::relevance::Resident;
use crate::rendering::Rendering;
use crate::workspace::Configuration;
use crate::{columns, fields, item_allocation, limits, pool_allocation, workspace};

/// What all calls of one allocator share.
#[pyclass(frozen, module = "memory_budget_allocator._core")]
pub struct Engine {
    scanner: Py<ComplexityScanner>,
    journal: Py<Journal>,
    clock_ns: Py<PyAny>,
}

#[pymethods]
impl Engine {
    /// `clock_ns()` returns nanoseconds of a clock that never goes back: how long calls took.
    #[new]
    fn new(scanner: Py<ComplexityScanner>, journal: Py<Journal>, clock_ns: Py<PyAny>) -> Self {
        Self { scanner, journal, clock_ns }
    }

    /// Allocates token budgets over `memories` for `query`: a list of memories, columns, a pool or a
    /// snapshot of one.
    ///
    /// `resolved` is the configuration, which is read and checked once, and where it came from;
    /// `now_us` is the time of the call in microseconds since 1970 UTC. Everything is read before
    /// anything is written; on an error nothing has changed. The allocation is noted in the journal
    /// before the interpreter can run anything else; a dry run is not, and writes nothing.
    ///
    /// With an `epoch`, the text goes on with the one that it holds.
    #[pyo3(signature = (
        query, memories, workspace_id, project_id, context, resolved, now_us, options, epoch = None, /
    ))]
    #[expect(clippy::too_many_arguments)] // whatever comes next is an option
    fn allocate<'py>(
        &self,
        query: &Bound<'py, PyAny>,
        memories: &Bound<'py, PyAny>,
        workspace_id: &Bound<'py, PyString>,
        project_id: Option<&Bound<'py, PyString>>,
        context: Option<&Bound<'py, PyAny>>,
        resolved: (Bound<'py, PyAny>, Bound<'py, PyString>),
        now_us: i64,
        options: &Bound<'py, PyDict>,
        epoch: Option<Py<Epoch>>,
    ) -> PyResult<Allocation> {
        let py = query.py();
        let started_ns = self.nanoseconds(py);
        let (config, config_scope) = resolved;
        let options = Options::read(options)?;
        let pool = Resident::of(memories);
        if pool.is_none() {
            options.refuse_pool_options()?;
        }
        let query = query_text(query)?;
        let level = self.scanner.get().level(query, &signals(context)?);
        let config = Configuration::of(&config)?;
        let settings = workspace::settings(&config)?;
        let counting = match &options.tokenizer {
            Some(tokenizer) => Counting::of(tokenizer, settings.tokens_per_char)?,
            None => Counting::configured(&config, settings.tokens_per_char)?,
        };
        let (limits, ceiling) = limits::read(&config, &options, &counting)?;
        limits::check(&config, &settings, level, &limits)?;
        let ranking = CallRanking::read(&config, options.ranking.as_ref(), &settings, query)?;
        let ranking = ranking.map(Arc::new);
        let query = fields::plain(query)?.unbind();
        let workspace_id = fields::plain(workspace_id)?.unbind();
        let project_id = project_id.map(fields::plain).transpose()?.map(Bound::unbind);
        let ceiling = ceiling.map(Arc::new);
        let available = ceiling.as_deref().map(Ceiling::available);
        let rendering = Rendering::read(&config, &options, available, counting, epoch)?;
        let receipts = Options::flag("receipts", options.receipts.as_ref())?;
        let dry_run = Options::flag("dry_run", options.dry_run.as_ref())?;
        let call = Call {
            level,
            settings,
            limits,
            ceiling,
            now_us,
            options,
            rendering,
            ranking,
            receipts,
            dry_run,
        };
        let outcome = match pool {
            Some(pool) => pool_allocation::allocate(py, &pool, &call),
            None if columns::are_columns(memories)? => columns::allocate(memories, &call),
            None => item_allocation::allocate(memories, &call),
        }?;
        // The effects are written: from here on nothing runs that could fail or be interrupted.
        let record = Arc::new(Record {
            plan: outcome.plan,
            entries: outcome.entries,
            query,
            workspace_id,
            project_id,
            config_scope: config_scope.unbind(),
            ceiling: call.ceiling,
            now_us,
            processing_ns: AtomicU64::new(0),
        });
        let processing_ns = self.nanoseconds(py).saturating_sub(started_ns);
        if dry_run {
            record.processing_ns.store(processing_ns, Ordering::Relaxed);
        } else {
            self.journal.get().note(py, &record, processing_ns);
        }
        Ok(Allocation {
            record,
            holder: outcome.holder,
            cut: outcome.cut,
            rendering: call.rendering,
            non_finite: outcome.non_finite,
            settings: call.settings,
            kept: outcome.kept,
            ranking: call.ranking,
            dry_run,
        })
    }
}

impl Engine {
    /// The clock's reading; 0 if it fails, for no call is worth less because its time is not known.
    fn nanoseconds(&self, py: Python<'_>) -> u64 {
        self.clock_ns.call0(py).and_then(|reading| reading.extract(py)).unwrap_or(0)
    }
}
