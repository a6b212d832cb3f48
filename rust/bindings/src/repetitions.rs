//! Which of the texts of a call say the same, so that no text for the model says it twice.

use std::borrow::Cow;

use memory_budget_core::ranking::duplicates::DuplicateRule;
use memory_budget_core::ranking::text::Terms;
use memory_budget_core::render::Apart;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::ranking::terms_of;

/// What is known of texts, by the places of their memories; several of one place are of one memory.
pub struct Repetitions<'a> {
    rule: DuplicateRule,
    texts: Vec<(usize, Cow<'a, Terms>)>,
}

impl<'a> Repetitions<'a> {
    pub fn by(rule: DuplicateRule) -> Self {
        Self { rule, texts: Vec::new() }
    }

    /// None yet, by the same rule.
    pub fn without_texts(&self) -> Self {
        Self::by(self.rule)
    }

    /// Whether no repetition counts.
    pub fn is_off(&self) -> bool {
        self.rule.is_off()
    }

    /// Adds what is known of a text, if anything is.
    pub fn add(&mut self, place: usize, terms: Option<&'a Terms>) {
        if !self.is_off() {
            self.texts.extend(terms.map(|terms| (place, Cow::Borrowed(terms))));
        }
    }

    /// Adds a text of which only the beginning is shown.
    pub fn add_cut(&mut self, place: usize, text: &Bound<'_, PyString>) {
        if !self.is_off() {
            self.texts.push((place, Cow::Owned(terms_of(text))));
        }
    }

    /// Places that say the same, in pairs.
    pub fn apart(&self) -> Apart {
        let texts = self.texts.iter().map(|(place, terms)| (*place, &**terms));
        self.rule.pairs(texts, usize::MAX).into_iter().flatten().collect()
    }

    /// The places that say what a text says.
    pub fn of(&self, terms: Option<&Terms>) -> Vec<usize> {
        let is_same = |other: &Terms| terms.is_some_and(|terms| self.rule.is_same(terms, other));
        self.texts.iter().filter(|(_, other)| is_same(other)).map(|(place, _)| *place).collect()
    }

    /// The same of a text of which only the beginning is shown.
    pub fn of_cut(&self, text: &Bound<'_, PyString>) -> Vec<usize> {
        if self.is_off() { Vec::new() } else { self.of(Some(&terms_of(text))) }
    }
}
