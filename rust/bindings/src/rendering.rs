//! From an allocation to the text for the model, and the ceiling on it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use memory_budget_core::error::Error;
use memory_budget_core::limits::Limits;
use memory_budget_core::plan::{Plan, Selected};
use memory_budget_core::ranking::text::Terms;
use memory_budget_core::render::fit::{self, Bounds, Claim, Fitted};
use memory_budget_core::render::truncate::{MARK, truncate, truncate_within};
use memory_budget_core::render::{Apart, Framed, Memory, MessageFormat, Prompt, Slot, Template};
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::call::{Among, Call};
use crate::candidates::{add, add_more, bounds, chosen, claims};
use crate::columns;
use crate::continued::Continued;
use crate::counting::Counting;
use crate::datetime;
use crate::epoch::Epoch;
use crate::errors::{
    ArgumentTypeError, ArgumentValueError, Refusal, pinned_overflow, shown_with_type,
};
use crate::item::preview_of;
use crate::limits::Ceiling;
use crate::options::Options;
use crate::prompt_template;
use crate::record::{Created, Entry, Record};
use crate::recount::Counts;
use crate::repetitions::Repetitions;
use crate::workspace::Configuration;

/// How the text of one call is made, counted and bounded.
pub struct Rendering {
    /// None for the default.
    template: Option<Template>,
    /// The most tokens of the whole text; None for any number.
    pub ceiling: Option<u64>,
    /// How the tokens of memories are counted.
    pub counting: Counting,
    /// How the tokens of what is rendered are counted.
    rendered: Counting,
    /// What of it was counted before, where the same is rendered again and again.
    counts: Option<Arc<Counts>>,
    /// Within a session.
    pub continued: Option<Continued>,
}

impl Rendering {
    /// `ceiling` is what the call leaves for the text.
    pub fn read(
        config: &Configuration<'_, '_>,
        options: &Options<'_>,
        ceiling: Option<u64>,
        counting: Counting,
        epoch: Option<Py<Epoch>>,
    ) -> PyResult<Self> {
        let continued = epoch.map(|epoch| Continued::new(epoch, ceiling)).transpose()?;
        let py = config.py();
        let template = match &options.template {
            Some(template) => Some(prompt_template::argument(template)?),
            None => prompt_template::of_workspace(config)?,
        };
        let rendered = match ceiling {
            Some(_) => counting.under_ceiling(py)?,
            None => counting.clone_ref(py),
        };
        Ok(Self { template, ceiling, counting, rendered, counts: None, continued })
    }

    /// The same, still to be done, under another ceiling; `counts` is for all that is counted.
    pub fn under(&self, py: Python<'_>, ceiling: u64, counts: &Arc<Counts>) -> Self {
        Self {
            template: self.template.clone(),
            ceiling: Some(ceiling),
            counting: self.counting.clone_ref(py),
            rendered: self.rendered.clone_ref(py),
            counts: Some(Arc::clone(counts)),
            continued: self.continued.as_ref().map(|continued| continued.again(py)),
        }
    }

    /// The most tokens of the whole text.
    pub fn ceiling(&self) -> Option<u64> {
        self.ceiling
    }

    pub fn template(&self) -> &Template {
        self.template.as_ref().unwrap_or_else(|| prompt_template::default_template())
    }

    /// The name of what counts the text.
    pub fn counter_name(&self) -> &str {
        self.rendered.name()
    }

    /// Whether the text counts as its parts do together where they meet at a wall.
    pub fn adds_up_at_walls(&self) -> bool {
        self.rendered.adds_up_at_walls()
    }

    pub fn count(&self, py: Python<'_>, text: &str) -> PyResult<u64> {
        let count = || self.rendered.count_scanned(py, text);
        self.counts.as_ref().map_or_else(count, |counts| counts.of(text, count))
    }

    /// As [`Rendering::count`], where more than an estimate is promised.
    pub fn count_bound(&self, py: Python<'_>, text: &str) -> PyResult<u64> {
        match self.ceiling {
            Some(_) => self.count(py, text),
            None => self.rendered.under_ceiling(py)?.count_scanned(py, text),
        }
    }

    /// A memory of which all is shown, in its frame.
    pub fn frame(
        &self,
        selected: &Selected,
        entry: &Entry,
        text: &Bound<'_, PyString>,
    ) -> PyResult<Framed> {
        let frame = || frame(self.template(), selected, entry, text);
        self.counts.as_ref().map_or_else(frame, |counts| counts.frame(selected, frame))
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.counting.traverse(visit)?;
        self.rendered.traverse(visit)
    }
}

/// The selected memories of a plan as they are shown, and what else their door keeps of each.
pub struct Described<T> {
    pub plan: Plan,
    pub entries: Vec<Entry>,
    pub kept: Vec<T>,
    /// Ranks in the plan of memories of which only the beginning was taken, and those texts.
    pub cut: Vec<(usize, Py<PyString>)>,
}

/// A memory that was too large for its tier, as far as the tier had room for it.
struct Cut<T> {
    selected: Selected,
    entry: Entry,
    kept: T,
    text: Py<PyString>,
}

impl Rendering {
    /// Describes what was selected, and what of oversized memories can be cut to fit. Under a ceiling,
    /// decides first what of it stays: `describe` adds a memory's entry and gives what its door keeps of it,
    /// `replan` plans with other settings and limits and gives those who
    /// move up when others must leave. Whoever moves up, or is cut, repeats nothing that stays, where the
    /// ranking passes over repetitions. Columns without texts have no text to stay under it: there, what
    /// the budgets allow is all.
    #[expect(clippy::too_many_arguments)] // four are the door's own ways to do things
    pub fn describe<'a, T>(
        &self,
        py: Python<'_>,
        plan: Plan,
        call: &Call<'_>,
        replan: impl Fn(&Settings, &Limits, Among) -> Result<Plan, Error>,
        mut describe: impl FnMut(&Selected, &mut Vec<Entry>) -> PyResult<T>,
        has_text: bool,
        text: impl Fn(&T) -> &Py<PyString>,
        terms: impl Fn(u32) -> Option<&'a Terms>,
    ) -> PyResult<Described<T>> {
        if let Some(continued) = &self.continued {
            if !has_text {
                return Err(columns::without_text());
            }
            let describe = |selected: &_| one(&mut describe, selected);
            return self.describe_next(py, continued, plan, call, &replan, describe, text, terms);
        }
        let mut said = Repetitions::by(call.watched());
        if call.limits.cut_oversized {
            for (place, selected) in plan.selected.iter().enumerate() {
                said.add(place, terms(selected.index));
            }
        }
        let mut cuts = self.cuts(py, &plan, said, &mut describe, &text)?;
        let renders = self.ceiling.is_some() && has_text;
        if !renders && cuts.is_empty() {
            // With room for all: collecting results grows step by step, and the journal keeps the room.
            let count = plan.selected.len();
            let (mut entries, mut kept) = (Vec::with_capacity(count), Vec::with_capacity(count));
            for selected in &plan.selected {
                kept.push(describe(selected, &mut entries)?);
            }
            return Ok(Described { plan, entries, kept, cut: Vec::new() });
        }
        let mut candidates = plan.selected.clone();
        add(&mut candidates, cuts.iter().map(|cut| cut.selected));
        if renders {
            add_more(&mut candidates, &plan, call, &replan);
        }
        let mut described = Vec::with_capacity(candidates.len());
        let mut repetitions = Repetitions::by(call.watched());
        for (place, candidate) in candidates.iter().enumerate() {
            let cut = cuts.iter().position(|cut| cut.selected.index == candidate.index);
            let cut = cut.map(|cut| cuts.swap_remove(cut));
            let (entry, kept, cut) = if let Some(Cut { entry, kept, text, .. }) = cut {
                (entry, kept, Some(text))
            } else {
                let (entry, kept) = one(&mut describe, candidate)?;
                (entry, kept, None)
            };
            if renders {
                repetitions.add(place, terms(candidate.index));
                if let Some(cut) = &cut {
                    repetitions.add_cut(place, cut.bind(py));
                }
            }
            described.push(Some((entry, kept, cut)));
        }
        let mut rows: Vec<_> = (0..candidates.len()).collect();
        if let Some(ceiling) = self.ceiling {
            let mut framed = Vec::with_capacity(candidates.len());
            for (candidate, described) in candidates.iter().zip(described.iter().flatten()) {
                let (entry, kept, cut) = described;
                framed.push(match cut {
                    Some(cut) => frame(self.template(), candidate, entry, cut.bind(py))?,
                    None => self.frame(candidate, entry, text(kept).bind(py))?,
                });
            }
            let claims = claims(&candidates, &plan, &chosen(&plan, call, &replan));
            let bounds = bounds(&plan, ceiling);
            let apart = repetitions.apart();
            let fitted = self.fit(py, self.template(), &framed, &claims, &apart, &bounds)?;
            rows = prompt(py, fitted, ceiling, call.ceiling.as_deref(), 0)?.order;
            rows.sort_unstable();
        }
        let plan = plan.with_selection(rows.iter().map(|&row| candidates[row]).collect());
        let (mut entries, mut all_kept, mut cut) = (Vec::new(), Vec::new(), Vec::new());
        for (entry, kept, text) in rows.iter().filter_map(|&row| described[row].take()) {
            cut.extend(text.map(|text| (entries.len(), text)));
            entries.push(entry);
            all_kept.push(kept);
        }
        Ok(Described { plan, entries, kept: all_kept, cut })
    }

    /// The oversized memories of a plan, each cut to what its tier has left. As far as it goes, none
    /// repeats what the plan took.
    fn cuts<T>(
        &self,
        py: Python<'_>,
        plan: &Plan,
        mut said: Repetitions<'_>,
        describe: &mut impl FnMut(&Selected, &mut Vec<Entry>) -> PyResult<T>,
        text: &impl Fn(&T) -> &Py<PyString>,
    ) -> PyResult<Vec<Cut<T>>> {
        let mut cuts = Vec::new();
        for selected in plan.limited.iter().flat_map(|limited| limited.oversized.iter().flatten()) {
            let tier = &plan.tiers[selected.tier.index()];
            let (mut entry, kept) = one(describe, selected)?;
            let whole = readable(text(&kept).bind(py))?.into_owned();
            let rest = tier.budget - tier.used;
            let count = |text: &str| self.count(py, text);
            let cut = match self.rendered.fitting(py, &whole, rest) {
                Some(fitting) => truncate_within(&whole, fitting, rest, MARK, count),
                None => truncate(&whole, rest, MARK, count),
            };
            let Some(cut) = cut? else { continue };
            let text = PyString::new(py, &cut.text);
            if !said.of_cut(&text).is_empty() {
                continue;
            }
            said.add_cut(plan.selected.len() + cuts.len(), &text);
            entry.preview = preview_of(&text)?.unbind();
            entry.is_cut = true;
            let selected = Selected { tokens: cut.tokens, ..*selected };
            cuts.push(Cut { selected, entry, kept, text: text.unbind() });
        }
        Ok(cuts)
    }

    fn fit(
        &self,
        py: Python<'_>,
        template: &Template,
        framed: &[Framed],
        claims: &[Claim],
        apart: &Apart,
        bounds: &Bounds,
    ) -> PyResult<Fitted> {
        fit::fit(template, framed, claims, apart, bounds, |text: &str| self.count(py, text))
    }

    /// The text of a plan. With a ceiling, less `framing`, it keeps what fits.
    pub fn render(
        &self,
        py: Python<'_>,
        template: Option<&Bound<'_, PyAny>>,
        framing: u64,
        record: &Record,
        texts: &[Py<PyString>],
    ) -> PyResult<String> {
        let ceiling = self.ceiling.map(|ceiling| ceiling.saturating_sub(framing));
        // Not even the framing fits: then nothing does, whatever a counter says of it.
        let is_too_narrow = self.ceiling.is_some_and(|ceiling| ceiling < framing);
        if template.is_none()
            && !is_too_narrow
            && let Some(continued) = &self.continued
            && let Some(text) = continued.text(py, ceiling.unwrap_or(0))
        {
            return Ok(text);
        }
        let given = template.map(prompt_template::argument).transpose()?;
        let template = given.as_ref().unwrap_or_else(|| self.template());
        let shown = record.plan.selected.iter().zip(&record.entries).zip(texts);
        let frame = |((selected, entry), text): ((_, _), &Py<PyString>)| {
            frame(template, selected, entry, text.bind(py))
        };
        let framed = shown.map(frame).collect::<PyResult<Vec<_>>>()?;
        let whole = template.assemble(&framed, (0..framed.len()).collect()).text;
        let Some(ceiling) = ceiling else { return Ok(whole) };
        // All that was selected, most often. By the sum of its parts it may be too much, where a counter
        // does not add up, and still fit.
        if !is_too_narrow && self.tokens(py, &whole)? <= ceiling {
            return Ok(whole);
        }
        let bounds = Bounds { budgets: [u64::MAX; Tier::COUNT], ..bounds(&record.plan, ceiling) };
        let claims = claims(&record.plan.selected, &record.plan, &HashSet::new());
        // What is here repeats nothing, or may.
        let apart = Apart::default();
        let fitted = self.fit(py, template, &framed, &claims, &apart, &bounds)?;
        let text = prompt(py, fitted, ceiling, record.ceiling.as_deref(), framing)?.text;
        Ok(if is_too_narrow { String::new() } else { text })
    }

    /// Tokens of a text that [`Rendering::render`] gave.
    pub fn tokens(&self, py: Python<'_>, text: &str) -> PyResult<u64> {
        if text.is_empty() { Ok(0) } else { self.count(py, text) }
    }
}

/// What was fitted, unless its pinned memories alone are more than `most` tokens, which is what the ceiling
/// and the framing of a message leave.
fn prompt(
    py: Python<'_>,
    fitted: Fitted,
    most: u64,
    ceiling: Option<&Ceiling>,
    framing: u64,
) -> PyResult<Prompt> {
    if fitted.tokens > most {
        return Err(pinned_overflow(py, fitted.tokens, most, ceiling, framing));
    }
    Ok(fitted.prompt)
}

/// One memory by itself. A list of entries is written straight to its place: an entry that is handed on by
/// value is copied three times, each copy waiting for the one before, which is a twentieth of a small call.
fn one<T>(
    describe: &mut impl FnMut(&Selected, &mut Vec<Entry>) -> PyResult<T>,
    selected: &Selected,
) -> PyResult<(Entry, T)> {
    let mut entries = Vec::with_capacity(1);
    let kept = describe(selected, &mut entries)?;
    let Some(entry) = entries.pop() else { unreachable!("every memory has an entry") };
    Ok((entry, kept))
}

/// A selected memory in its frame.
pub fn frame(
    template: &Template,
    selected: &Selected,
    entry: &Entry,
    text: &Bound<'_, PyString>,
) -> PyResult<Framed> {
    let py = text.py();
    let timestamp = match &entry.created {
        _ if !template.shows(Slot::Timestamp) => Cow::Borrowed(""),
        Created::Unknown => Cow::Borrowed(""),
        Created::Utc(microseconds) => Cow::Owned(datetime::isoformat(*microseconds)),
        Created::Own(text) => Cow::Owned(readable(text.bind(py))?.into_owned()),
    };
    let id = match &entry.memory_id {
        Some(id) => readable(id.bind(py))?,
        None => Cow::Owned(selected.index.to_string()),
    };
    let memory = Memory {
        id: &id,
        text: &readable(text)?,
        tier: selected.tier,
        score: selected.combined,
        timestamp: &timestamp,
        tokens: selected.tokens,
    };
    let mut framed = Framed::new(template, &memory, entry.timestamp_us());
    framed.key.score = selected.key; // the score is shown, the key decides
    Ok(framed)
}

/// A text that can be encoded: U+FFFD for lone surrogates.
pub fn readable<'a>(text: &'a Bound<'_, PyString>) -> PyResult<Cow<'a, str>> {
    if let Ok(text) = text.to_cow() {
        return Ok(text);
    }
    let units = text.call_method1(intern!(text.py(), "encode"), ("utf-16-le", "surrogatepass"))?;
    let bytes = units.cast_into::<PyBytes>()?;
    let units: Vec<u16> = bytes
        .as_bytes()
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    Ok(Cow::Owned(String::from_utf16_lossy(&units)))
}

fn message_format(value: &Bound<'_, PyAny>) -> PyResult<MessageFormat> {
    const FORMATS: &str = "'openai', 'anthropic' or 'gemini'";
    let refused = |refusal: Refusal| refusal.for_argument(value.py(), "format", value);
    let name = value.cast::<PyString>().map_err(|_| refused(Refusal::of_type(FORMATS)))?;
    let format = MessageFormat::from_name(&name.to_string_lossy());
    format.ok_or_else(|| refused(Refusal::of_value(FORMATS)))
}

/// A message format and a role in it.
pub struct Messages {
    format: MessageFormat,
    role: &'static str,
}

impl Messages {
    pub fn read(
        format: Option<&Bound<'_, PyAny>>,
        role: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let format = format.map_or(Ok(MessageFormat::OpenAi), message_format)?;
        let Some(role) = role else { return Ok(Self { format, role: format.roles()[0] }) };
        let (got, roles) = (shown_with_type(role), format.roles().join(", "));
        let message = format!(
            "role must be one of {roles} in a message of format {}, got {got}",
            format.name()
        );
        let name =
            role.cast::<PyString>().map_err(|_| ArgumentTypeError::new_err(message.clone()))?;
        let name = name.to_string_lossy();
        match format.roles().iter().find(|role| **role == name) {
            Some(role) => Ok(Self { format, role }),
            None => Err(ArgumentValueError::new_err(message)),
        }
    }

    /// A bound on what stands around the content, in tokens.
    pub fn framing(&self, py: Python<'_>, rendering: &Rendering) -> PyResult<u64> {
        Ok(self.format.framing() + rendering.count_bound(py, self.role)?)
    }

    /// The text as one message; no message for no text.
    pub fn of<'py>(&self, py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyList>> {
        let messages = PyList::empty(py);
        if text.is_empty() {
            return Ok(messages);
        }
        let message = PyDict::new(py);
        message.set_item("role", self.role)?;
        let part = PyDict::new(py);
        match self.format {
            MessageFormat::OpenAi => message.set_item("content", text)?,
            MessageFormat::Anthropic => {
                part.set_item("type", "text")?;
                part.set_item("text", text)?;
                message.set_item("content", [part])?;
            }
            MessageFormat::Gemini => {
                part.set_item("text", text)?;
                message.set_item("parts", [part])?;
            }
        }
        messages.append(message)?;
        Ok(messages)
    }

    /// A bound on the tokens of the text and its framing; none for no text.
    pub fn tokens(&self, py: Python<'_>, rendering: &Rendering, text: &str) -> PyResult<u64> {
        if text.is_empty() {
            return Ok(0);
        }
        // A counter of somebody else's may say any number.
        Ok(rendering.count_bound(py, text)?.saturating_add(self.framing(py, rendering)?))
    }
}
