//! `Epoch`: what a session hands from one call to the next.

use std::collections::{HashMap, HashSet};

use memory_budget_core::error::Error;
use memory_budget_core::limits::Limits;
use memory_budget_core::plan::{Plan, Selected};
use memory_budget_core::ranking::text::Terms;
use memory_budget_core::render::epoch::{self, Held, Policy, Rebuilt, Wanted};
use memory_budget_core::render::{Framed, Template};
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use memory_budget_core::tokens::MAX_COUNT;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::call::{Among, Call};
use crate::candidates::{add, add_more, bounds, chosen, claims};
use crate::continued::{Continued, Stepped};
use crate::errors::pinned_overflow;
use crate::record::Entry;
use crate::rendering::{Described, Rendering, frame, readable};
use crate::repetitions::Repetitions;

/// A memory as it stands in the text of a session.
#[derive(Clone)]
struct Member {
    memory_id: String,
    /// Where it was last found among the memories of a call.
    index: u32,
    tokens: u64,
    tier: Tier,
    /// When it was written, as the frame may show it.
    score: f64,
    timestamp_us: i64,
    frame: String,
}

/// The text of a session after one call. Immutable.
#[pyclass(frozen, module = "memory_budget_allocator._core")]
pub struct Epoch {
    policy: Policy,
    /// None before the first call.
    template: Option<Template>,
    members: Vec<Member>,
    /// Places of the members in the plan of the call.
    ranks: Vec<usize>,
    kept: usize,
    text: String,
    tokens: u64,
    reused_tokens: u64,
    rebuilt: Option<Rebuilt>,
}

#[pymethods]
impl Epoch {
    /// Before the first call. Both shares are 0..=1.
    #[new]
    fn new(fill: f64, rebuild_share: f64) -> Self {
        Self {
            policy: Policy { fill, rebuild_share },
            template: None,
            members: Vec::new(),
            ranks: Vec::new(),
            kept: 0,
            text: String::new(),
            tokens: 0,
            reused_tokens: 0,
            rebuilt: None,
        }
    }

    /// The text for the model.
    #[getter]
    fn text(&self) -> &str {
        &self.text
    }

    /// Its tokens, by the counter of the call.
    #[getter]
    fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Tokens of what it has in common with the text before.
    #[getter]
    fn reused_tokens(&self) -> u64 {
        self.reused_tokens
    }

    /// Why it does not go on with the text before: "first", "changed", "full" or "value"; None if it does.
    #[getter]
    fn rebuilt(&self) -> Option<&'static str> {
        self.rebuilt.map(Rebuilt::name)
    }

    /// Places in `Allocation.selected` of its memories, in the order of the text.
    #[getter]
    fn ranks(&self) -> Vec<usize> {
        self.ranks.clone()
    }

    /// How many of them, from the first, were kept in their places.
    #[getter]
    fn kept(&self) -> usize {
        self.kept
    }
}

impl Epoch {
    /// The text, where `available` tokens are enough for it.
    pub fn text_within(&self, available: u64) -> Option<String> {
        (self.tokens <= available).then(|| self.text.clone())
    }
}

/// The memories of a call, described as far as somebody looked.
struct Looked<T, F> {
    described: HashMap<u32, (Entry, T)>,
    describe: F,
}

impl<T, F: FnMut(&Selected) -> PyResult<(Entry, T)>> Looked<T, F> {
    fn at(&mut self, selected: &Selected) -> PyResult<&(Entry, T)> {
        if !self.described.contains_key(&selected.index) {
            let described = (self.describe)(selected)?;
            self.described.insert(selected.index, described);
        }
        Ok(&self.described[&selected.index])
    }
}

impl Rendering {
    /// As [`Rendering::describe`], within a session. `replan` plans with other settings and limits.
    #[expect(clippy::too_many_arguments)] // four are the door's own ways to do things
    pub fn describe_next<'a, T>(
        &self,
        py: Python<'_>,
        continued: &Continued,
        plan: Plan,
        call: &Call<'_>,
        replan: &impl Fn(&Settings, &Limits, Among) -> Result<Plan, Error>,
        describe: impl FnMut(&Selected) -> PyResult<(Entry, T)>,
        text: impl Fn(&T) -> &Py<PyString>,
        terms: impl Fn(u32) -> Option<&'a Terms>,
    ) -> PyResult<Described<T>> {
        let before = continued.before.get();
        let ceiling = self.ceiling.unwrap_or(0);
        let mut looked = Looked { described: HashMap::new(), describe };
        let mut candidates = plan.selected.clone();
        add_more(&mut candidates, &plan, call, replan);
        let everything =
            everything(&candidates, call, replan).map_err(|error| call.refused(py, &error))?;
        // Of a text that another template made, nothing stands as this one would write it.
        let is_held = before.template.as_ref().is_none_or(|template| template == self.template());
        let held = if is_held { &before.members[..] } else { &[] };
        let mut found = self.find(py, held, &everything, &mut looked, &text)?;
        let mut frames = Vec::with_capacity(candidates.len());
        let mut repetitions = Repetitions::by(call.watched());
        for (place, candidate) in candidates.iter().enumerate() {
            let (entry, kept) = looked.at(candidate)?;
            frames.push(self.frame(candidate, entry, text(kept).bind(py))?);
            repetitions.add(place, terms(candidate.index));
        }
        let repeated_by = repeated_by(&mut found, &candidates, &repetitions, &terms);
        let places: HashMap<u32, usize> =
            candidates.iter().enumerate().map(|(place, it)| (it.index, place)).collect();
        let held = found.iter().zip(&before.members).zip(repeated_by);
        let held = held.map(|((selected, member), repeated_by)| Held {
            framed: member.framed(selected),
            tokens: member.tokens,
            score: selected.combined.max(0.0),
            candidate: places.get(&selected.index).copied(),
            repeated_by,
        });
        let held: Vec<_> = held.collect();
        let scores: Vec<_> = candidates.iter().map(|it| it.combined.max(0.0)).collect();
        let wanted = Wanted {
            memories: &frames,
            scores: &scores,
            claims: &claims(&candidates, &plan, &chosen(&plan, call, replan)),
            apart: &repetitions.apart(),
            bounds: bounds(&plan, ceiling),
        };
        let is_cut_off = found.len() < before.members.len();
        let count = |text: &str| self.count(py, text);
        let step = epoch::next(self.template(), &wanted, &held, is_cut_off, &before.policy, count)?;
        if step.tokens > ceiling {
            return Err(pinned_overflow(py, step.tokens, ceiling, call.ceiling.as_deref(), 0));
        }
        let reused = common_beginning(&before.text, &step.text);
        let reused_tokens = if reused.len() == step.text.len() {
            step.tokens
        } else {
            self.tokens(py, reused)?.min(step.tokens)
        };
        let mut members = Vec::with_capacity(step.kept + step.appended.len());
        let mut selected = Vec::with_capacity(members.capacity());
        let left_behind = step.left_behind.iter().map(|&place| candidates[place].index).collect();
        for (member, now) in before.members.iter().zip(&found).take(step.kept) {
            members.push(Member { index: now.index, ..member.clone() });
            selected.push(*now);
        }
        for place in step.appended {
            let (candidate, written) = (candidates[place], &frames[place]);
            let memory_id = id_of(py, &candidate, &looked.at(&candidate)?.0)?;
            members.push(Member::new(memory_id, &candidate, written));
            selected.push(candidate);
        }
        let mut by_tier = Vec::with_capacity(selected.len());
        add(&mut by_tier, selected);
        let ranks: HashMap<u32, usize> =
            by_tier.iter().enumerate().map(|(rank, selected)| (selected.index, rank)).collect();
        let mut found_rows: Vec<u32> = found.iter().map(|selected| selected.index).collect();
        let kept_rows = found_rows.drain(..step.kept).collect();
        found_rows.retain(|row| !ranks.contains_key(row));
        let in_plan: HashSet<u32> = plan.selected.iter().map(|selected| selected.index).collect();
        let said = found.iter().zip(&held).take(step.kept);
        let said = said.flat_map(|(now, held)| {
            held.repeated_by.iter().map(|&place| (candidates[place].index, now.index))
        });
        let is_left_out = |(row, _): &(u32, u32)| in_plan.contains(row) && !ranks.contains_key(row);
        let repeats = said.filter(is_left_out).collect();
        let ranks = members.iter().map(|member| ranks[&member.index]).collect();
        let mut described = looked.described;
        let shown = by_tier.iter().filter_map(|selected| described.remove(&selected.index));
        let (entries, kept) = shown.unzip();
        let mut plan = plan.with_selection(by_tier);
        for tier in &mut plan.tiers {
            // What is held was within the budget of the call that appended it.
            tier.budget = tier.budget.max(tier.used);
        }
        let after = Epoch {
            policy: before.policy,
            template: Some(self.template().clone()),
            members,
            ranks,
            kept: step.kept,
            text: step.text,
            tokens: step.tokens,
            reused_tokens,
            rebuilt: step.rebuilt,
        };
        let (after, room, dropped) = (Py::new(py, after)?, step.room, found_rows);
        continued
            .decided(py, Stepped { after, held: kept_rows, left_behind, repeats, dropped, room });
        Ok(Described { plan, entries, kept, cut: Vec::new() })
    }

    /// The members, from the first, that are there and what they were.
    fn find<T>(
        &self,
        py: Python<'_>,
        members: &[Member],
        everything: &[Selected],
        looked: &mut Looked<T, impl FnMut(&Selected) -> PyResult<(Entry, T)>>,
        text: &impl Fn(&T) -> &Py<PyString>,
    ) -> PyResult<Vec<Selected>> {
        let by_index: HashMap<u32, Selected> =
            everything.iter().map(|selected| (selected.index, *selected)).collect();
        let mut by_id: Option<HashMap<String, Vec<Selected>>> = None;
        let mut taken = HashSet::new();
        let mut found = Vec::with_capacity(members.len());
        for member in members {
            let mut first_same = |places: &[Selected], looked: &mut Looked<T, _>| {
                for selected in places.iter().filter(|place| !taken.contains(&place.index)) {
                    let (entry, kept) = looked.at(selected)?;
                    if self.is_same(member, selected, entry, text(kept).bind(py))? {
                        taken.insert(selected.index);
                        return Ok::<_, PyErr>(Some(*selected));
                    }
                }
                Ok(None)
            };
            // Most often, it is where it was.
            let there = by_index.get(&member.index).map(std::slice::from_ref);
            let mut same = first_same(there.unwrap_or_default(), looked)?;
            if same.is_none() {
                let all = match &mut by_id {
                    Some(all) => all,
                    none => none.insert(ids(py, everything, looked)?),
                };
                let places = all.get(&member.memory_id).map(Vec::as_slice);
                same = first_same(places.unwrap_or_default(), looked)?;
            }
            let Some(same) = same else { break };
            found.push(same);
        }
        Ok(found)
    }

    /// Whether a memory is the member, and would stand in the text as it does.
    fn is_same(
        &self,
        member: &Member,
        selected: &Selected,
        entry: &Entry,
        text: &Bound<'_, PyString>,
    ) -> PyResult<bool> {
        if selected.tokens != member.tokens
            || (self.template().is_grouped() && selected.tier != member.tier)
            || id_of(text.py(), selected, entry)? != member.memory_id
        {
            return Ok(false);
        }
        let as_written = Selected { combined: member.score, ..*selected };
        Ok(frame(self.template(), &as_written, entry, text)?.text == member.frame)
    }
}

impl Member {
    fn new(memory_id: String, selected: &Selected, framed: &Framed) -> Self {
        Self {
            memory_id,
            index: selected.index,
            tokens: selected.tokens,
            tier: selected.tier,
            score: selected.combined,
            timestamp_us: framed.key.timestamp_us,
            frame: framed.text.clone(),
        }
    }

    /// As it stands in the text, ordered as it is now.
    fn framed(&self, now: &Selected) -> Framed {
        let key = memory_budget_core::render::Key {
            tier: self.tier,
            score: now.key,
            timestamp_us: self.timestamp_us,
        };
        Framed { text: self.frame.clone(), key }
    }
}

/// Per held memory, the places of the candidates that say what it says. Held ones are cut off at the first that
/// may not stand in the text any more: it repeats one that is pinned by now, or that is held before it, which
/// only a ranking that did not look for repetitions can have put there.
fn repeated_by<'a>(
    held: &mut Vec<Selected>,
    candidates: &[Selected],
    repetitions: &Repetitions<'a>,
    terms: &impl Fn(u32) -> Option<&'a Terms>,
) -> Vec<Vec<usize>> {
    let mut before = repetitions.without_texts();
    let mut repeated_by = Vec::with_capacity(held.len());
    for (at, selected) in held.iter().enumerate() {
        let own = terms(selected.index);
        let mut places = repetitions.of(own);
        places.retain(|&place| candidates[place].index != selected.index);
        let is_said = places.iter().any(|&place| candidates[place].pinned);
        if !selected.pinned && (is_said || !before.of(own).is_empty()) {
            break;
        }
        before.add(at, own);
        repeated_by.push(places);
    }
    held.truncate(repeated_by.len());
    repeated_by
}

/// Whoever is there and not replaced, with their scores, also what the ranking leaves out today. Where counts
/// sum to more than the largest of them, some may be missing that are no candidates; then a session forgets
/// them.
fn everything(
    candidates: &[Selected],
    call: &Call<'_>,
    replan: impl Fn(&Settings, &Limits, Among) -> Result<Plan, Error>,
) -> Result<Vec<Selected>, Error> {
    let unbounded = Settings {
        max_total_tokens: MAX_COUNT,
        shares: [1.0; Tier::COUNT],
        multipliers: [1.0; 4],
        ..call.settings.clone()
    };
    let mut everything = candidates.to_vec();
    add(&mut everything, replan(&unbounded, &Limits::NONE, Among::All)?.selected);
    Ok(everything)
}

/// All memories by their ids.
fn ids<T>(
    py: Python<'_>,
    everything: &[Selected],
    looked: &mut Looked<T, impl FnMut(&Selected) -> PyResult<(Entry, T)>>,
) -> PyResult<HashMap<String, Vec<Selected>>> {
    let mut all: HashMap<String, Vec<Selected>> = HashMap::new();
    for selected in everything {
        let memory_id = id_of(py, selected, &looked.at(selected)?.0)?;
        all.entry(memory_id).or_default().push(*selected);
    }
    Ok(all)
}

/// The id that an entry shows.
fn id_of(py: Python<'_>, selected: &Selected, entry: &Entry) -> PyResult<String> {
    match &entry.memory_id {
        Some(memory_id) => Ok(readable(memory_id.bind(py))?.into_owned()),
        None => Ok(selected.index.to_string()),
    }
}

/// What two texts have in common from their beginnings, in whole characters.
fn common_beginning<'a>(one: &str, other: &'a str) -> &'a str {
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other);
    &other[..same.map(|(character, _)| character.len_utf8()).sum()]
}
