//! What ties a memory to others: its session, its place there, and whom it replaces.

use pyo3::prelude::*;
use pyo3::types::PyString;

/// Most memories stand alone, so that this is kept aside.
#[derive(Default)]
pub struct Links {
    pub session_id: Option<Py<PyString>>,
    pub position: Option<u64>,
    pub supersedes: Option<Py<PyString>>,
}

impl Links {
    pub fn clone_ref(&self, py: Python<'_>) -> Self {
        let own = |text: &Option<Py<PyString>>| text.as_ref().map(|text| text.clone_ref(py));
        Self {
            session_id: own(&self.session_id),
            position: self.position,
            supersedes: own(&self.supersedes),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.session_id.is_none() && self.position.is_none() && self.supersedes.is_none()
    }
}
