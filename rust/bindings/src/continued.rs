//! `Continued`: a call that goes on with an epoch, and what came of it.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::epoch::Epoch;
use crate::errors::ArgumentValueError;

/// The epoch that a call goes on with, and the step it makes of it.
pub struct Continued {
    pub before: Py<Epoch>,
    step: PyOnceLock<Stepped>,
}

/// What a call made of an epoch: the next one, and what receipts tell beside it. Rows are those of the call.
pub struct Stepped {
    pub after: Py<Epoch>,
    /// What was kept in its place.
    pub held: Vec<u32>,
    /// What a new text would hold, and what does not fit behind what was kept.
    pub left_behind: Vec<u32>,
    /// What the budgets allow and what was kept says already, each with what says it.
    pub repeats: Vec<(u32, u32)>,
    /// What the text before held as well, and what a new one does not.
    pub dropped: Vec<u32>,
    /// Tokens in which a new text has no room for what it leaves out.
    pub room: u64,
}

impl Continued {
    /// # Errors
    /// Without a ceiling.
    pub fn new(before: Py<Epoch>, ceiling: Option<u64>) -> PyResult<Self> {
        if ceiling.is_none() {
            return Err(ArgumentValueError::new_err(
                "a session needs a ceiling: max_prompt_tokens, of the session or of its workspace",
            ));
        }
        Ok(Self { before, step: PyOnceLock::new() })
    }

    /// The same call, still to be made.
    pub fn again(&self, py: Python<'_>) -> Self {
        Self { before: self.before.clone_ref(py), step: PyOnceLock::new() }
    }

    /// Notes what the call made of it; a call decides once.
    pub fn decided(&self, py: Python<'_>, step: Stepped) {
        let _ = self.step.set(py, step);
    }

    /// None until the call has decided.
    pub fn step(&self, py: Python<'_>) -> Option<&Stepped> {
        self.step.get(py)
    }

    /// The text, where `available` tokens are enough for it.
    pub fn text(&self, py: Python<'_>, available: u64) -> Option<String> {
        self.step(py)?.after.get().text_within(available)
    }
}
