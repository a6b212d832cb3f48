//! Putting framed memories together.

use std::borrow::Borrow;

use super::order::{Key, arrange};
use super::template::{Memory, Template};
use crate::tier::Tier;

/// A memory in its frame, and where it belongs.
#[derive(Clone, Debug)]
pub struct Framed {
    /// What [`Template::item`] made of it.
    pub text: String,
    /// Its tier, score and time.
    pub key: Key,
}

impl Framed {
    /// Frames a memory that was created at `timestamp_us`.
    #[must_use]
    pub fn new(template: &Template, memory: &Memory<'_>, timestamp_us: i64) -> Self {
        let key = Key { tier: memory.tier, score: memory.score, timestamp_us };
        Self { text: template.item(memory), key }
    }
}

/// The text for the model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// All of it; "" without memories, whatever the prologue.
    pub text: String,
    /// The memories that are in it, in their order.
    pub order: Vec<usize>,
}

impl Template {
    /// Assembles the memories at `rows`, given in the order that decides ties.
    #[must_use]
    pub fn assemble(&self, memories: &[impl Borrow<Framed>], rows: Vec<usize>) -> Prompt {
        self.assemble_behind(memories, 0, rows)
    }

    /// As [`Template::assemble`], but the first so many memories keep their places before all others.
    pub(super) fn assemble_behind(
        &self,
        memories: &[impl Borrow<Framed>],
        first: usize,
        mut rows: Vec<usize>,
    ) -> Prompt {
        let memory = |row: usize| memories[row].borrow();
        let kept = rows.iter().take_while(|&&row| row < first).count();
        arrange(&mut rows[kept..], self.order, self.is_grouped(), |row| memory(row).key);
        let parts: usize = rows.iter().map(|&row| memory(row).text.len()).sum();
        let mut text = String::with_capacity(parts + rows.len() * self.between.len() + 256);
        let mut tier = None;
        for (position, &row) in rows.iter().enumerate() {
            text.push_str(if position == 0 { &self.prologue } else { &self.between });
            let memory = memory(row);
            if self.is_grouped() && tier != Some(memory.key.tier) {
                tier = Some(memory.key.tier);
                text.push_str(self.heading(memory.key.tier));
            }
            text.push_str(&memory.text);
        }
        if !rows.is_empty() {
            text.push_str(&self.epilogue);
        }
        Prompt { text, order: rows }
    }

    pub(super) fn heading(&self, tier: Tier) -> &str {
        &self.headings[tier.index()]
    }
}
