//! What a search for budgets knows of the texts that a call kept.

use memory_budget_core::plan::Selected;
use memory_budget_core::receipt::Judged;
use memory_budget_core::receipt::replay::Source;
use memory_budget_core::render::{Framed, Key};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::record::Entry;
use crate::rendering::{Rendering, frame};

/// The candidates of a call as they are shown.
pub struct Shown<'a, 'py> {
    pub py: Python<'py>,
    pub judged: &'a Judged<'a>,
    /// By place.
    pub texts: &'a [(Entry, Py<PyString>)],
    pub rendering: Rendering,
}

impl Source for Shown<'_, '_> {
    type Error = PyErr;

    fn key(&self, place: u32) -> Key {
        let at = place as usize;
        let (considered, score) = (self.judged.considered, self.judged.keys[at]);
        Key { tier: considered.tier[at], score, timestamp_us: self.texts[at].0.timestamp_us() }
    }

    fn frame(&mut self, place: u32) -> PyResult<Framed> {
        let at = place as usize;
        let (considered, (entry, text)) = (self.judged.considered, &self.texts[at]);
        let scores = &considered.scores;
        let selected = Selected {
            index: considered.row(at),
            tier: considered.tier[at],
            tokens: considered.tokens[at],
            relevance: considered.relevance[at],
            importance: considered.importance[at],
            freshness: scores.freshness[at],
            combined: scores.combined[at],
            pinned: considered.is_pinned(place),
            key: self.judged.keys[at],
        };
        frame(self.rendering.template(), &selected, entry, text.bind(self.py))
    }

    fn count(&mut self, text: &str) -> PyResult<u64> {
        self.rendering.count(self.py, text)
    }

    fn adds_up_at_walls(&self) -> bool {
        self.rendering.adds_up_at_walls()
    }
}
