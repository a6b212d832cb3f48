//! Which of the texts of a call say the same, so that no text for the model says it twice.

use std::borrow::Cow;
use std::collections::HashMap;

use memory_budget_core::ranking::duplicates::DuplicateRule;
use memory_budget_core::ranking::near::NearHashes;
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
        let mut pairs = Vec::new();
        // Texts with the same words, or near ones: those are among the near ones.
        let mut groups: HashMap<u64, Vec<usize>> = HashMap::new();
        let mut near = self.rule.near.map(NearHashes::within);
        let worded = self
            .texts
            .iter()
            .filter_map(|(place, terms)| Some((*place, terms.fingerprint()?, terms.similarity()?)));
        let worded: Vec<_> = worded.collect();
        for (at, &(place, fingerprint, hash)) in worded.iter().enumerate() {
            let others = if let Some(near) = &mut near {
                let others = near.near(hash).collect();
                near.push(hash);
                others
            } else {
                let group = groups.entry(fingerprint).or_default();
                group.push(at);
                group[..group.len() - 1].to_vec()
            };
            let others = others.into_iter().map(|other: usize| worded[other].0);
            pairs.extend(others.filter(|other| *other != place).map(|other| (other, place)));
        }
        pairs.into_iter().collect()
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
