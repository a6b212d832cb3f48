//! The same call again with another budget: what would have taken a candidate that was left out.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;

use memory_budget_core::budget::Bounds;
use memory_budget_core::limits::Limits;
use memory_budget_core::plan::{Plan, Selected};
use memory_budget_core::receipt::Judged;
use memory_budget_core::receipt::replay::Replay;
use memory_budget_core::settings::Settings;
use memory_budget_core::tokens::MAX_COUNT;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::allocation::{Allocation, Holder};
use crate::call::{Among, Call};
use crate::continued::Stepped;
use crate::decider::Decider;
use crate::options::Options;
use crate::receipts::Kept;
use crate::record::{Created, Entry};
use crate::recount::Counts;
use crate::rendering::Described;
use crate::shown::Shown;

/// Tokens of a ceiling that stands in nobody's way.
pub const AMPLE: u64 = MAX_COUNT / 2;

/// The rows that would be taken without a ceiling, cut ones included; none where no text was kept to cut.
pub fn without_ceiling(
    py: Python<'_>,
    allocation: &Allocation,
    kept: &Kept,
    decider: &Decider<'_>,
) -> HashSet<u32> {
    let rerun = Rerun::new(py, allocation, kept, decider);
    let mut call = rerun.call(py);
    rerun.with_available(&mut call, AMPLE);
    if kept.shown.is_none() {
        return HashSet::new();
    }
    rerun.taken(py, &call, Part::Any).unwrap_or_default()
}

/// How much of a memory has to be taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Any,
    Whole,
}

/// A call that can be made again.
pub struct Rerun<'a, 'py> {
    pub decider: &'a Decider<'a>,
    /// Where whole calls are replayed, and not made anew.
    pub replay: RefCell<Option<Replay<'a, 'a, Shown<'a, 'py>>>>,
    pub allocation: &'a Allocation,
    pub kept: &'a Kept,
    pub limits: Limits,
    pub bounds: Bounds,
    /// What a session made of it.
    pub step: Option<&'a Stepped>,
    /// What was written and counted so far, and how much work all else was.
    counts: Arc<Counts>,
    planned: Cell<u64>,
}

impl<'a, 'py> Rerun<'a, 'py> {
    pub fn new(
        py: Python<'py>,
        allocation: &'a Allocation,
        kept: &'a Kept,
        decider: &'a Decider<'a>,
    ) -> Self {
        let plan = &allocation.record.plan;
        let budgets = plan.tiers.each_ref().map(|tier| tier.budget);
        let strict = Bounds { budgets, floors: [0; 4], caps: [u64::MAX; 4], available: None };
        let (limits, bounds) = match plan.limited.as_deref() {
            Some(limited) => (limited.limits, limited.bounds),
            None => (Limits::NONE, strict),
        };
        let continued = allocation.rendering.continued.as_ref();
        let step = continued.and_then(|continued| continued.step(py));
        let (counts, planned) = (Arc::default(), Cell::new(0));
        let replay = RefCell::default();
        Self { decider, replay, allocation, kept, limits, bounds, step, counts, planned }
    }

    /// Replays whole calls, where the greatest keys are taken, nothing is cut and no text goes on.
    pub fn replaying(self, py: Python<'py>, judged: &'a Judged<'a>) -> Self {
        let goes_on = self.allocation.rendering.continued.is_some();
        let is_replayed = self.decider.is_by_key() && !self.limits.cut_oversized && !goes_on;
        if let (true, true, Some(texts)) =
            (is_replayed, self.has_ceiling_on_text(), &self.kept.shown)
        {
            let Allocation { record, rendering, .. } = self.allocation;
            let (level, template) = (record.plan.level, rendering.template());
            let rendering = rendering.under(py, 0, &self.counts);
            let source = Shown { py, judged, texts, rendering };
            self.replay.replace(Replay::new(judged, level, &self.limits, template, source));
        }
        self
    }

    /// Whether another budget may leave it in a text that holds it already, whatever it is worth by now.
    pub fn may_be_held(&self, place: usize) -> bool {
        self.step.is_some_and(|step| step.dropped.contains(&self.kept.considered.row(place)))
    }

    /// Whether there are texts that a ceiling holds for, and whether they were kept.
    pub fn texts(&self) -> (bool, bool) {
        let has_text = match &self.allocation.holder {
            Holder::Columns(rows) => rows.require_text().is_ok(),
            Holder::Items { .. } | Holder::Pool(_) => true,
        };
        (has_text, self.kept.shown.is_some())
    }

    pub fn has_ceiling_on_text(&self) -> bool {
        self.limits.available.is_some() && self.texts().0
    }

    /// The same call, still to be made.
    pub fn call(&self, py: Python<'_>) -> Call<'_> {
        let Allocation { record, rendering, settings, ranking, .. } = self.allocation;
        let ceiling = rendering.ceiling().unwrap_or(0);
        Call {
            level: record.plan.level,
            settings: settings.clone(),
            limits: self.limits,
            ceiling: None,
            now_us: record.now_us,
            options: Options::default(),
            rendering: rendering.under(py, ceiling, &self.counts),
            ranking: ranking.clone(),
            receipts: false,
            dry_run: true,
        }
    }

    /// Under another ceiling, of which so much is left for the text.
    pub fn with_available(&self, call: &mut Call<'_>, available: u64) {
        call.limits = Limits { available: Some(available), ..self.limits };
        call.rendering.ceiling = Some(available);
    }

    pub fn work(&self) -> u64 {
        self.planned.get().saturating_add(self.counts.work())
    }

    pub fn worked(&self, work: u64) {
        self.planned.set(self.planned.get().saturating_add(work));
    }

    /// The rows of which a call takes that part; none where it is refused.
    pub fn taken(&self, py: Python<'_>, call: &Call<'_>, part: Part) -> Option<HashSet<u32>> {
        let considered = &self.kept.considered;
        let plan = |settings: &Settings, limits: &Limits, among: Among| {
            let (mut plan, work) = self.decider.plan(settings, limits, among)?;
            self.worked(work);
            let number = |selected: &mut Selected| {
                selected.index = considered.row(selected.index as usize);
            };
            plan.selected.iter_mut().for_each(number);
            let oversized = plan.limited.iter_mut().flat_map(|limited| &mut limited.oversized);
            oversized.flatten().for_each(number);
            Ok(plan)
        };
        let place_of = |row: u32| considered.place(row).and_then(|place| u32::try_from(place).ok());
        let planned = plan(&call.settings, &call.limits, Among::Admitted).ok()?;
        let rows = |plan: &Plan| plan.selected.iter().map(|selected| selected.index).collect();
        let Some(shown) = self.kept.shown.as_ref().filter(|_| self.has_ceiling_on_text()) else {
            return Some(rows(&planned));
        };
        let described = call.rendering.describe(
            py,
            planned,
            call,
            plan,
            |selected, entries| {
                let Some(place) = considered.place(selected.index) else {
                    unreachable!("whoever is planned is a candidate")
                };
                let (entry, text) = &shown[place];
                entries.push(copy(py, entry));
                Ok(text.clone_ref(py))
            },
            true,
            |text: &Py<PyString>| text,
            |row| self.decider.terms(place_of(row)?),
        );
        let Described { plan, cut, .. } = described.ok()?;
        let mut taken: HashSet<u32> = rows(&plan);
        if part == Part::Whole {
            for (rank, _) in cut {
                taken.remove(&plan.selected[rank].index);
            }
        }
        Some(taken)
    }
}

fn copy(py: Python<'_>, entry: &Entry) -> Entry {
    let created = match &entry.created {
        Created::Unknown => Created::Unknown,
        Created::Utc(microseconds) => Created::Utc(*microseconds),
        Created::Own(text) => Created::Own(text.clone_ref(py)),
    };
    Entry {
        memory_id: entry.memory_id.as_ref().map(|id| id.clone_ref(py)),
        preview: entry.preview.clone_ref(py),
        created,
        ..*entry
    }
}
