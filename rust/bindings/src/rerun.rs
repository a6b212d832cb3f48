//! The same call again with another budget: what would have taken a candidate that was left out.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use memory_budget_core::budget::{Bounds, tier_budgets_within};
use memory_budget_core::limits::{Amount, Limits};
use memory_budget_core::plan::{Plan, Selected};
use memory_budget_core::receipt::fits::{Fit, fits_at};
use memory_budget_core::receipt::replay::{Replay, Replayed};
use memory_budget_core::receipt::{Judged, Reason};
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::MAX_COUNT;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::allocation::{Allocation, Holder};
use crate::call::{Among, Call};
use crate::continued::Stepped;
use crate::decider::Decider;
use crate::limits::Ceiling;
use crate::options::Options;
use crate::receipts::Kept;
use crate::record::{Created, Entry};
use crate::recount::Counts;
use crate::rendering::Described;
use crate::shown::Shown;

/// Work after which the searches of one question are given up, and budgets that need no rerun: a second or so.
/// A unit is a byte that is counted, up to ten nanoseconds.
const MOST_WORK: u64 = 130_000_000;
const MOST_BUDGETS: usize = 1 << 22;

/// Work after which other threads have their turn, and Ctrl-C is looked for: some 20 milliseconds. Not less
/// than the interpreter's switch interval, 5 of them: who waits asks for a turn only after one in which nobody let go.
const UNINTERRUPTED: u64 = 2_500_000;

/// What a rerun takes whatever there is to choose from.
const RERUN: u64 = 1_000;

/// Tokens of a ceiling that stands in nobody's way.
const AMPLE: u64 = MAX_COUNT / 2;

/// How budgets are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// Not at all.
    None,
    /// Replaying calls where that is known to be the same.
    Replaying,
    /// Making each call anew, as a check of that.
    Anew,
}

/// At which budget each of the wanted places would be taken: of its tier, or the whole prompt's where
/// the ceiling left it out.
pub fn fits(
    py: Python<'_>,
    allocation: &Allocation,
    kept: &Kept,
    decider: &Decider<'_>,
    reasons: &[Reason],
    wanted: &[usize],
    search: Search,
) -> PyResult<Vec<Fit>> {
    let judged = decider.judged();
    let mut rerun = Rerun::new(py, allocation, kept, decider);
    if search == Search::Replaying {
        rerun = rerun.replaying(py, &judged);
    }
    let mut fits = vec![Fit::Never; wanted.len()];
    let mut of_ceiling = Vec::new();
    let mut of_tier: [Vec<usize>; Tier::COUNT] = Default::default();
    for (at, &place) in wanted.iter().enumerate() {
        match reasons[place] {
            Reason::OverCeiling | Reason::NoRoomBehindHeld => of_ceiling.push(at),
            reason => {
                let is_of_budget = matches!(
                    reason,
                    Reason::OverTierBudget | Reason::Oversized | Reason::Duplicate
                );
                if is_of_budget || rerun.may_be_held(place) {
                    of_tier[kept.considered.tier[place].index()].push(at);
                }
            }
        }
    }
    let mut note = |at: Vec<usize>, found: Vec<Fit>| {
        for (at, fit) in at.into_iter().zip(found) {
            fits[at] = fit;
        }
    };
    for (tier, at) in Tier::ALL.into_iter().zip(of_tier) {
        let places: Vec<usize> = at.iter().map(|&at| wanted[at]).collect();
        if !places.is_empty() {
            note(at, rerun.with_tier_budgets(py, tier, &places)?);
        }
    }
    if !of_ceiling.is_empty() {
        let places: Vec<usize> = of_ceiling.iter().map(|&at| wanted[at]).collect();
        note(of_ceiling, rerun.with_ceilings(py, &places)?);
    }
    Ok(fits)
}

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
enum Part {
    Any,
    Whole,
}

/// What a search tries.
#[derive(Clone, Copy)]
enum Varied {
    TierBudget,
    Ceiling,
}

impl Varied {
    /// How much of a memory has to be taken: of a tier's budget, all.
    fn part(self) -> Part {
        match self {
            Self::TierBudget => Part::Whole,
            Self::Ceiling => Part::Any,
        }
    }
}

struct Rerun<'a, 'py> {
    decider: &'a Decider<'a>,
    /// Where whole calls are replayed, and not made anew.
    replay: RefCell<Option<Replay<'a, 'a, Shown<'a, 'py>>>>,
    allocation: &'a Allocation,
    kept: &'a Kept,
    limits: Limits,
    bounds: Bounds,
    /// What a session made of it.
    step: Option<&'a Stepped>,
    /// What was written and counted so far, and how much work all else was.
    counts: Arc<Counts>,
    planned: Cell<u64>,
}

impl<'a, 'py> Rerun<'a, 'py> {
    fn new(
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
    fn replaying(self, py: Python<'py>, judged: &'a Judged<'a>) -> Self {
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
    fn may_be_held(&self, place: usize) -> bool {
        self.step.is_some_and(|step| step.dropped.contains(&self.kept.considered.row(place)))
    }

    /// Whether there are texts that a ceiling holds for, and whether they were kept.
    fn texts(&self) -> (bool, bool) {
        let has_text = match &self.allocation.holder {
            Holder::Columns(rows) => rows.require_text().is_ok(),
            Holder::Items { .. } | Holder::Pool(_) => true,
        };
        (has_text, self.kept.shown.is_some())
    }

    fn with_tier_budgets(
        &self,
        py: Python<'py>,
        tier: Tier,
        places: &[usize],
    ) -> PyResult<Vec<Fit>> {
        let mut fits = vec![Fit::At(self.ample(tier)); places.len()];
        // In a session, what the tiers' budgets take is not all that a text may hold.
        let most = if self.decider.is_by_key() && self.step.is_none() {
            #[expect(clippy::cast_possible_truncation)] // no more places than rows
            let wanted: Vec<u32> = places.iter().map(|&place| place as u32).collect();
            let judged = self.decider.judged();
            fits = fits_at(&judged, &self.bounds, &self.limits, tier, &wanted);
            // What the budgets take, the ceiling may not leave: only the whole call can tell.
            let most = fits.iter().filter_map(|fit| match fit {
                Fit::At(budget) => Some(*budget),
                Fit::Never | Fit::Unknown => None,
            });
            let (Some(most), true) = (most.max(), self.has_ceiling_on_text()) else {
                return Ok(fits);
            };
            most
        } else {
            self.ample(tier)
        };
        let caps = self.bounds.caps.map(|cap| (cap < MAX_COUNT).then_some(Amount::Tokens(cap)));
        let limits = Limits {
            floors: self.bounds.floors.map(|it| Some(Amount::Tokens(it))),
            caps,
            ..self.limits
        };
        let mut budgets = self.bounds.budgets;
        let first = budgets[tier.index()];
        let found = self.scan(py, places, first..=most, Varied::TierBudget, |call, budget| {
            budgets[tier.index()] = budget;
            (call.settings, call.limits) = (self.allocation.settings.with_budgets(budgets), limits);
            let fits = |&place: &usize| {
                self.kept.considered.tokens[place] <= budget || self.may_be_held(place)
            };
            self.limits.spill_over.is_some() || places.iter().any(fits)
        })?;
        let may_be_higher =
            self.limits.available.is_some() && most < self.bounds.caps[tier.index()];
        for (fit, found) in fits.iter_mut().zip(found) {
            *fit = match (*fit, found) {
                (Fit::Never | Fit::Unknown, _) => *fit,
                (Fit::At(_), Fit::Never) if may_be_higher => Fit::Unknown,
                (Fit::At(_), found) => found,
            };
        }
        Ok(fits)
    }

    /// A budget of the tier that is as good as any larger one, or the largest that there can be.
    fn ample(&self, tier: Tier) -> u64 {
        let considered = &self.kept.considered;
        let counts = |of: &Tier| *of == tier || self.limits.spill_over.is_some();
        let tokens = considered.tier.iter().zip(&considered.tokens).take(considered.eligible());
        let tokens = tokens.filter(|(of, _)| counts(of)).map(|(_, tokens)| tokens);
        let (at, budgets) = (tier.index(), &self.bounds.budgets);
        let others = budgets.iter().sum::<u64>() - budgets[at];
        let available = self.limits.available.map_or(u64::MAX, |it| it.saturating_sub(others));
        let ample = tokens.fold(0, |sum: u64, tokens| sum.saturating_add(*tokens));
        ample.max(budgets[at]).min(self.bounds.caps[at]).min(available).min(MAX_COUNT)
    }

    fn has_ceiling_on_text(&self) -> bool {
        self.limits.available.is_some() && self.texts().0
    }

    fn with_ceilings(&self, py: Python<'_>, places: &[usize]) -> PyResult<Vec<Fit>> {
        let Some(ceiling) = &self.allocation.record.ceiling else {
            return Ok(vec![Fit::Unknown; places.len()]);
        };
        let (present, reserved) = (ceiling.max_prompt_tokens, Ceiling::reserved_sum(ceiling));
        let considered = &self.kept.considered;
        let spills = self.limits.spill_over.is_some();
        let level = self.allocation.record.plan.level;
        // With spill-over, room for everything may still go to others: then there is nothing to look for. What
        // a new text holds under this ceiling, one a little higher may take.
        let was_left_behind = |place: usize| {
            self.step.is_some_and(|step| step.left_behind.contains(&considered.row(place)))
        };
        let at_most =
            self.scan(py, places, AMPLE..=AMPLE, Varied::Ceiling, |call, available| {
                self.with_available(call, available);
                true
            })?;
        let is_sought =
            |place: usize, fit: Fit| matches!(fit, Fit::At(_)) || was_left_behind(place);
        let sought = places.iter().zip(at_most).filter(|(place, fit)| is_sought(**place, *fit));
        let sought: Vec<usize> = sought.map(|(place, _)| *place).collect();
        if sought.is_empty() {
            return Ok(vec![Fit::Unknown; places.len()]);
        }
        let found =
            self.scan(py, &sought, present..=MAX_COUNT, Varied::Ceiling, |call, ceiling| {
                let available = ceiling - reserved;
                self.with_available(call, available);
                // Where no budget is as large as what is looked for, nobody need try.
                let Ok(bounds) = tier_budgets_within(&call.settings, level, &call.limits) else {
                    return false;
                };
                let room =
                    |tier: Tier| if spills { available } else { bounds.budgets[tier.index()] };
                let has_room = |&place: &usize| {
                    considered.tokens[place] <= room(considered.tier[place])
                        || self.may_be_held(place)
                };
                self.limits.cut_oversized || sought.iter().any(has_room)
            })?;
        let found: HashMap<usize, Fit> = sought.into_iter().zip(found).collect();
        let fit = |place| found.get(place).copied().unwrap_or(Fit::Unknown);
        Ok(places.iter().map(fit).collect())
    }

    /// The first of the budgets at which each of the places is taken, or that it is none of them; `change` makes one the
    /// call's, and says whether it is worth a try.
    fn scan(
        &self,
        py: Python<'_>,
        places: &[usize],
        budgets: std::ops::RangeInclusive<u64>,
        varied: Varied,
        mut change: impl FnMut(&mut Call<'_>, u64) -> bool,
    ) -> PyResult<Vec<Fit>> {
        let mut found = vec![Fit::Unknown; places.len()];
        if self.has_ceiling_on_text() && self.kept.shown.is_none() {
            return Ok(found);
        }
        let mut call = self.call(py);
        let (mut open, mut looked): (Vec<usize>, _) = ((0..places.len()).collect(), 0);
        let last = *budgets.end();
        let mut note = |open: &mut Vec<usize>, budget, takes: &dyn Fn(usize) -> bool| {
            open.retain(|&at| {
                let is_taken = takes(places[at]);
                if is_taken {
                    found[at] = Fit::At(budget);
                }
                !is_taken
            });
        };
        let (mut budget, mut tried) = (*budgets.start(), 0);
        while budget <= last {
            let is_worth_it = change(&mut call, budget);
            let mut next = Some(budget + 1);
            let mut replay = self.replay.borrow_mut();
            if is_worth_it || replay.is_some() {
                if self.work() >= looked {
                    py.detach(|| ());
                    py.check_signals()?;
                    looked = self.work() + UNINTERRUPTED;
                }
                if let Some(replay) = &mut *replay {
                    let before = replay.steps();
                    let wanted = open.iter().map(|&at| places[at]);
                    let replayed = replay.replay(&call.settings, &call.limits, wanted);
                    self.worked(replay.steps() - before);
                    if matches!(replayed, Ok(Replayed::Taken)) {
                        note(&mut open, budget, &|place| replay.takes(place));
                    }
                    if let (Varied::Ceiling, Some(available)) = (varied, call.limits.available) {
                        let next_ceiling = replay.next_ceiling(available);
                        next = next_ceiling.map(|ceiling| budget + (ceiling - available));
                    }
                } else {
                    // A budget that is refused takes nothing.
                    let taken = self.taken(py, &call, varied.part()).unwrap_or_default();
                    self.worked(RERUN + places.len() as u64);
                    note(&mut open, budget, &|place| {
                        taken.contains(&self.kept.considered.row(place))
                    });
                }
            }
            let Some(next) = next.filter(|_| !open.is_empty()) else { break };
            if next <= last && (self.work() > MOST_WORK || tried == MOST_BUDGETS) {
                return Ok(found);
            }
            (budget, tried) = (next, tried + 1);
        }
        let never = |fit| if fit == Fit::Unknown { Fit::Never } else { fit };
        Ok(found.into_iter().map(never).collect())
    }

    /// The same call, still to be made.
    fn call(&self, py: Python<'_>) -> Call<'_> {
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
    fn with_available(&self, call: &mut Call<'_>, available: u64) {
        call.limits = Limits { available: Some(available), ..self.limits };
        call.rendering.ceiling = Some(available);
    }

    fn work(&self) -> u64 {
        self.planned.get().saturating_add(self.counts.work())
    }

    fn worked(&self, work: u64) {
        self.planned.set(self.planned.get().saturating_add(work));
    }

    /// The rows of which a call takes that part; none where it is refused.
    fn taken(&self, py: Python<'_>, call: &Call<'_>, part: Part) -> Option<HashSet<u32>> {
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
