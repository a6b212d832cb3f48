//! `Allocation`: a plan with the memories it is about; dicts are made when someone looks.

use std::sync::Arc;

use memory_budget_core::pool::Access;
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyIterator, PyList, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::budget_search::Search;
use crate::columns::Rows;
use crate::epoch::Epoch;
use crate::item::MemoryItem;
use crate::limits::Ceiling;
use crate::options::Options;
use crate::pool_row::View;
use crate::ranking::CallRanking;
use crate::receipts::{self, Kept};
use crate::record::Record;
use crate::rendering::{Messages, Rendering};
use crate::tier_allocation::TierAllocation;
use crate::{table, vocabulary};

/// Where the memories of an allocation came from, and what is needed to hand them out.
pub enum Holder {
    /// The caller's own objects, and the texts of the selected ones as the call read them.
    Items { memories: Py<PyTuple>, texts: Vec<Py<PyString>> },
    /// Rows of the caller's columns.
    Columns(Rows),
    /// The rows of a pool: memories are copied when somebody looks.
    Pool(View),
}

/// The outcome of one allocation.
///
/// Light: holds the plan and the caller's own memories, and hands out what is asked for. Iterating
/// and `len()` go over the selected memories.
#[pyclass(frozen, module = "memory_budget_allocator")]
pub struct Allocation {
    pub record: Arc<Record>,
    pub holder: Holder,
    /// Ranks of the memories of which only the beginning was taken, and those texts.
    pub cut: Vec<(usize, Py<PyString>)>,
    /// How its text is made, and how tokens are counted.
    pub rendering: Rendering,
    /// Components that counted as 0.0: how many, and the id and field of the first.
    pub non_finite: Option<(usize, Py<PyString>, &'static str)>,
    /// The workspace as the call read it.
    pub settings: Settings,
    /// What there was to choose from, where it was kept.
    pub kept: Option<Kept>,
    /// None for the documented formula.
    pub ranking: Option<Arc<CallRanking>>,
    pub dry_run: bool,
}

impl Allocation {
    /// The selected memories of one part of the plan.
    pub fn memories<'py>(
        &self,
        py: Python<'py>,
        range: std::ops::Range<usize>,
    ) -> PyResult<Bound<'py, PyList>> {
        if let Holder::Columns(rows) = &self.holder {
            return rows.items(py, &self.record, range);
        }
        let selected = PyList::empty(py);
        for rank in range {
            let row = self.record.plan.selected[rank].index;
            match &self.holder {
                Holder::Items { memories, .. } => {
                    selected.append(memories.bind(py).get_borrowed_item(row as usize)?)?;
                }
                Holder::Pool(view) => selected.append(self.copy(py, view, rank)?)?,
                Holder::Columns(_) => unreachable!("handed out above"),
            }
        }
        Ok(selected)
    }

    fn has_ids(&self) -> bool {
        match &self.holder {
            Holder::Items { .. } | Holder::Pool(_) => true,
            Holder::Columns(rows) => rows.has_ids,
        }
    }

    /// A selected row of a pool as this call left it.
    fn copy(&self, py: Python<'_>, view: &View, rank: usize) -> PyResult<MemoryItem> {
        let selected = &self.record.plan.selected[rank];
        let access =
            Access { count: self.record.entries[rank].access_count, last_us: self.record.now_us };
        let item = view.item(py, selected.index, access)?;
        item.relevance.store(selected.relevance);
        item.freshness.store(selected.freshness);
        item.combined.store(selected.combined);
        if item.tokens.load().count() == 0 {
            let counting = &self.rendering.counting;
            let is_cut = self.record.entries[rank].is_cut;
            let tokens =
                if is_cut { counting.count_one(&item.text_object(py))? } else { selected.tokens };
            item.tokens.set_counted(tokens, counting.counter());
        }
        Ok(item)
    }

    /// Does something with the texts of the selected memories, as far as they were taken.
    fn with_texts<R>(&self, py: Python<'_>, work: impl FnOnce(&[Py<PyString>]) -> R) -> R {
        let mut texts: Vec<_> = match &self.holder {
            Holder::Items { texts, .. } if self.cut.is_empty() => return work(texts),
            Holder::Items { texts, .. } => texts.iter().map(|text| text.clone_ref(py)).collect(),
            Holder::Columns(rows) => rows.texts(py),
            Holder::Pool(view) => {
                let rows = self.record.plan.selected.iter().map(|selected| selected.index);
                let payloads = rows.filter_map(|row| view.rows.payload(row));
                payloads.map(|payload| payload.text.clone_ref(py)).collect()
            }
        };
        for (rank, text) in &self.cut {
            texts[*rank] = text.clone_ref(py);
        }
        work(&texts)
    }

    /// The text for the model, with room for `framing` tokens around it.
    fn text(
        &self,
        py: Python<'_>,
        template: Option<&Bound<'_, PyAny>>,
        framing: u64,
    ) -> PyResult<String> {
        if let Holder::Columns(rows) = &self.holder {
            rows.require_text()?;
        }
        self.with_texts(py, |texts| {
            self.rendering.render(py, template, framing, &self.record, texts)
        })
    }

    fn everything(&self) -> std::ops::Range<usize> {
        0..self.record.plan.selected.len()
    }
}

#[pymethods]
impl Allocation {
    /// The documented result: plain, JSON-serialisable, made anew by every call.
    /// With `receipts`, also a receipt of every candidate.
    #[pyo3(signature = (receipts = None), text_signature = "($self, receipts=False)")]
    fn to_dict<'py>(
        slf: &Bound<'py, Self>,
        receipts: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (py, this) = (slf.py(), slf.get());
        let receipts = Options::flag("receipts", receipts)?;
        let result = this.with_texts(py, |texts| this.record.result(py, texts))?;
        if receipts {
            let all = receipts::told(slf, "receipts_as_dicts", None)?;
            result.set_item(intern!(py, "receipts"), all)?;
        }
        Ok(result)
    }

    /// Why a memory was taken or left out, in a sentence for each candidate of that id. The ids are those of
    /// the call; of what a list left out, those of now, unless the call asked for receipts.
    fn explain<'py>(
        slf: &Bound<'py, Self>,
        memory_id: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        receipts::told(slf, "explain", Some(memory_id))
    }

    /// A receipt of every candidate, as a table.
    fn report<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        receipts::told(slf, "report", None)
    }

    /// What another allocation takes beside this one, and what it does not.
    fn diff<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        receipts::told(slf, "diff", Some(other))
    }

    /// The parts of receipts, of one id or of all: see `receipts.rs`. With `anew`, budgets are looked for by making
    /// the whole call for each, as a check of the search that knows better.
    #[pyo3(signature = (memory_id, with_fits, anew = false, /))]
    fn _receipts<'py>(
        &self,
        py: Python<'py>,
        memory_id: Option<&Bound<'py, PyString>>,
        with_fits: bool,
        anew: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let search = match (with_fits, anew) {
            (false, _) => Search::None,
            (true, false) => Search::Replaying,
            (true, true) => Search::Anew,
        };
        receipts::of(py, self, memory_id, search)
    }

    /// The ids of all candidates.
    fn _candidate_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, receipts::ids(py, self, receipts::kept(self)?)?)
    }

    /// Tokens in which a new text of the session has no room for what it leaves out; None outside of a session.
    #[getter]
    fn _new_text_tokens(&self, py: Python<'_>) -> Option<u64> {
        Some(self.rendering.continued.as_ref()?.step(py)?.room)
    }

    /// The least documented score, the least score of the ranking, and the least relevance.
    #[getter]
    fn _minimums(&self) -> (f64, Option<f64>, Option<f64>) {
        let limited = self.record.plan.limited.as_ref();
        let minimum = limited.map_or(0.0, |limited| limited.limits.minimum_score);
        let options = self.ranking.as_ref().map(|ranking| &ranking.options);
        let of_ranking = options.and_then(|options| options.minimum_score);
        (minimum, of_ranking, options.and_then(|options| options.relevance_gate))
    }

    /// Whether what tiers leave is offered to others.
    #[getter]
    fn _spills_over(&self) -> bool {
        self.record.plan.limited.as_ref().is_some_and(|limited| limited.limits.spill_over.is_some())
    }

    /// The most tokens that a tier may use, whatever the others leave; None without a cap.
    #[pyo3(signature = (tier, /))]
    fn _cap(&self, tier: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
        let tier = vocabulary::tier(tier)
            .map_err(|refusal| refusal.for_argument(tier.py(), "tier", tier))?;
        let limited = self.record.plan.limited.as_ref();
        let cap = limited.map(|limited| limited.bounds.caps[tier.index()]);
        Ok(cap.filter(|cap| *cap != u64::MAX))
    }

    /// Whether the texts were kept that a search for a ceiling renders again.
    #[getter]
    fn _has_texts(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.shown.is_some())
    }

    /// What decided: the documented formula, the keys of another ranking, or a choice among all that fit.
    #[getter]
    fn _decided_by(&self) -> &'static str {
        match &self.ranking {
            None => "formula",
            Some(ranking) if ranking.options.is_by_key() => "key",
            Some(_) => "choice",
        }
    }

    /// Whether nothing but this result came of the call.
    #[getter]
    fn dry_run(&self) -> bool {
        self.dry_run
    }

    /// The text for the model: the selected memories in the frames of `template`, of the call's template
    /// where it is None. "" where nothing was selected. Under a ceiling, memories that do not fit into
    /// another template than the call's are left out of the text.
    ///
    /// Raises `PinnedOverflowError` where the pinned memories alone do not fit into another template,
    /// `ArgumentTypeError` for what is no template, and what a counter raises.
    #[pyo3(signature = (template = None))]
    fn render(&self, py: Python<'_>, template: Option<&Bound<'_, PyAny>>) -> PyResult<String> {
        self.text(py, template, 0)
    }

    /// Tokens of `render()`, by `counter`. Raises what that counter raises.
    #[getter]
    fn rendered_tokens(&self, py: Python<'_>) -> PyResult<u64> {
        self.rendering.tokens(py, &self.text(py, None, 0)?)
    }

    /// The text as a message: "openai", "anthropic" or "gemini". Under a ceiling, the message with its
    /// framing stays under it: memories that do not fit beside it are left out. No message where nothing
    /// was selected.
    ///
    /// Raises `PinnedOverflowError` where the pinned memories alone do not fit beside the framing or into
    /// another template; `ArgumentTypeError` or `ArgumentValueError` for an unknown format, role or
    /// template; and what a counter raises.
    #[pyo3(
        signature = (format = None, *, role = None, template = None),
        text_signature = "($self, format='openai', *, role=None, template=None)",
    )]
    fn to_messages<'py>(
        &self,
        py: Python<'py>,
        format: Option<&Bound<'_, PyAny>>,
        role: Option<&Bound<'_, PyAny>>,
        template: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Bound<'py, PyList>> {
        let messages = Messages::read(format, role)?;
        let framing = messages.framing(py, &self.rendering)?;
        messages.of(py, &self.text(py, template, framing)?)
    }

    /// A bound on the tokens of `to_messages` with the same arguments, framing included: by the counter of
    /// the call, or by `upper_bound` where that is `estimate`, which may be too low. Raises what
    /// `to_messages` raises.
    #[pyo3(
        signature = (format = None, *, role = None, template = None),
        text_signature = "($self, format='openai', *, role=None, template=None)",
    )]
    fn message_tokens(
        &self,
        py: Python<'_>,
        format: Option<&Bound<'_, PyAny>>,
        role: Option<&Bound<'_, PyAny>>,
        template: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        let messages = Messages::read(format, role)?;
        let framing = messages.framing(py, &self.rendering)?;
        messages.tokens(py, &self.rendering, &self.text(py, template, framing)?)
    }

    /// The selected memories themselves: by tier, then by score. From columns or a pool: new
    /// `MemoryItem`s, made by every call; changing them changes nothing else.
    #[getter]
    fn selected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.memories(py, self.everything())
    }

    /// Positions of the selected memories in the caller's sequence or table, or their rows in the pool,
    /// in the order of `selected`.
    #[getter]
    fn selected_positions(&self) -> Vec<u32> {
        self.record.plan.selected.iter().map(|selected| selected.index).collect()
    }

    /// What each tier got: a dict from `MemoryTier` (or its string value) to `TierAllocation`.
    #[getter]
    fn tiers<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let py = slf.py();
        let tiers = PyDict::new(py);
        for tier in Tier::ALL {
            let allocation = slf.clone().unbind();
            tiers.set_item(
                vocabulary::tier_member(py, tier)?,
                TierAllocation { allocation, tier },
            )?;
        }
        Ok(tiers)
    }

    /// The query's complexity, a `QueryComplexity`.
    #[getter]
    fn complexity(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        vocabulary::level_member(py, self.record.plan.level)
    }

    /// The query.
    #[getter]
    fn query(&self, py: Python<'_>) -> Py<PyString> {
        self.record.query.clone_ref(py)
    }

    /// The workspace id that was asked for.
    #[getter]
    fn workspace_id(&self, py: Python<'_>) -> Py<PyString> {
        self.record.workspace_id.clone_ref(py)
    }

    /// The project id that was asked for, or None.
    #[getter]
    fn project_id(&self, py: Python<'_>) -> Option<Py<PyString>> {
        self.record.project_id.as_ref().map(|id| id.clone_ref(py))
    }

    /// Where the configuration came from: "project", "workspace" or "default".
    #[getter]
    fn config_scope(&self, py: Python<'_>) -> Py<PyString> {
        self.record.config_scope.clone_ref(py)
    }

    /// Tokens of all selected memories.
    #[getter]
    fn total_tokens(&self) -> u64 {
        self.record.plan.total_tokens()
    }

    /// The ceiling of the whole prompt in tokens; None without one.
    #[getter]
    fn max_prompt_tokens(&self) -> Option<u64> {
        self.record.ceiling.as_ref().map(|ceiling| ceiling.max_prompt_tokens)
    }

    /// What of the ceiling is reserved, in tokens, by name.
    #[getter]
    fn reserved_tokens<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        match &self.record.ceiling {
            Some(ceiling) => ceiling.reserved(py),
            None => Ok(PyDict::new(py)),
        }
    }

    /// What the reserves leave of the ceiling, in tokens; None without one.
    #[getter]
    fn available_tokens(&self) -> Option<u64> {
        self.record.ceiling.as_deref().map(Ceiling::available)
    }

    /// The name of what counts the rendered text: the call's counter. Under a ceiling `upper_bound` stands
    /// in for `estimate`, there and for reserves that are texts.
    #[getter]
    fn counter(&self) -> &str {
        self.rendering.counter_name()
    }

    /// The text of the session after this call; None outside of a session.
    #[getter]
    fn _epoch(&self, py: Python<'_>) -> Option<Py<Epoch>> {
        Some(self.rendering.continued.as_ref()?.step(py)?.after.clone_ref(py))
    }

    /// How long the call took, in milliseconds.
    #[getter]
    fn processing_time_ms(&self) -> f64 {
        self.record.processing_time_ms()
    }

    /// Components that were NaN or infinite and counted as 0.0: how many, and the id and field of
    /// the first; None if there was none.
    #[getter]
    fn non_finite(&self, py: Python<'_>) -> Option<(usize, Py<PyString>, &'static str)> {
        let (count, memory_id, field) = self.non_finite.as_ref()?;
        Some((*count, memory_id.clone_ref(py), *field))
    }

    /// The selected memories as an Arrow table of one batch; see the documentation of columns.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A request is a wish: the schema is what it is, and the consumer casts.
        let _ = requested_schema;
        table::stream(py, &self.record, self.has_ids())
    }

    fn __len__(&self) -> usize {
        self.record.plan.selected.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.selected(py)?.try_iter()
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

    /// The allocation as an HTML table, for notebooks.
    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let module = slf.py().import("memory_budget_allocator.notebook")?;
        module.getattr("allocation_as_html")?.call1((slf,))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.rendering.traverse(&visit)?;
        match &self.holder {
            Holder::Items { memories, .. } => visit.call(memories),
            // Columns: only texts, which are no part of a cycle. A pool: its rows are shared with other
            // allocations; the collector would count them too often.
            Holder::Columns(_) | Holder::Pool(_) => Ok(()),
        }
    }
}
