//! Counts of texts that are counted again and again, as reruns do.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pyo3::PyResult;

/// Bytes of texts that are remembered at most.
const MOST_BYTES: usize = 1 << 26;

/// Bytes that are written and looked up in the time in which one is counted, roughly.
const BYTES_WRITTEN: u64 = 32;

/// What one counter said of texts.
#[derive(Default)]
pub struct Counts(Mutex<Known>);

#[derive(Default)]
struct Known {
    tokens: HashMap<Box<str>, u64>,
    bytes: usize,
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

    /// What it took so far, in bytes that were counted.
    pub fn work(&self) -> u64 {
        self.with(|known| known.work)
    }

    fn with<R>(&self, work: impl FnOnce(&mut Known) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
