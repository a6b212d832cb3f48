//! What is written and counted again and again, as reruns do, is remembered.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use memory_budget_core::plan::Selected;
use memory_budget_core::render::Framed;
use pyo3::PyResult;

/// Bytes of texts that are remembered at most.
const MOST_BYTES: usize = 1 << 26;

/// Bytes that are written and looked up in the time in which one is counted, roughly.
const BYTES_WRITTEN: u64 = 32;

/// The same of what else is done about a memory that is shown.
const STEPS: u64 = 16;

/// What one counter said of texts, and how one template frames the memories of one call.
#[derive(Default)]
pub struct Counts(Mutex<Known>);

#[derive(Default)]
struct Known {
    tokens: HashMap<Box<str>, u64>,
    bytes: usize,
    frames: HashMap<u32, (Selected, Framed)>,
    work: u64,
}

impl Counts {
    /// Tokens of a text, by `count` where they are not known.
    pub fn of(&self, text: &str, count: impl FnOnce() -> PyResult<u64>) -> PyResult<u64> {
        let bytes = text.len() as u64;
        let known = self.with(|known| {
            known.work += bytes / BYTES_WRITTEN;
            known.tokens.get(text).copied()
        });
        if let Some(tokens) = known {
            return Ok(tokens);
        }
        // The counter may be somebody else's, and do anything.
        let tokens = count()?;
        self.with(|known| {
            known.work += bytes;
            known.bytes += text.len();
            if known.bytes > MOST_BYTES {
                (known.tokens, known.bytes) = (HashMap::new(), text.len());
            }
            known.tokens.insert(text.into(), tokens);
        });
        Ok(tokens)
    }

    /// A memory in its frame, by `frame` where it was not shown with these numbers before.
    pub fn frame(
        &self,
        selected: &Selected,
        frame: impl FnOnce() -> PyResult<Framed>,
    ) -> PyResult<Framed> {
        let known = self.with(|known| {
            let (as_shown, framed) = known.frames.get(&selected.index)?;
            known.work += framed.text.len() as u64 / BYTES_WRITTEN + STEPS;
            (as_shown == selected).then(|| framed.clone())
        });
        if let Some(framed) = known {
            return Ok(framed);
        }
        let framed = frame()?;
        self.with(|known| {
            known.work += framed.text.len() as u64 + STEPS;
            known.frames.insert(selected.index, (*selected, framed.clone()));
        });
        Ok(framed)
    }

    /// What it took so far, in bytes that were counted.
    pub fn work(&self) -> u64 {
        self.with(|known| known.work)
    }

    fn with<R>(&self, work: impl FnOnce(&mut Known) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
