//! The enum members of `memory_budget_allocator.levels`, looked up once.

use memory_budget_core::complexity::Level;
use memory_budget_core::tier::Tier;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

use crate::errors::Refusal;

const TIER_NAMES: &str = "'working', 'project', 'long_term' or 'rag'";
const LEVEL_NAMES: &str = "'simple', 'medium', 'complex' or 'expert'";

type Members = [Py<PyAny>; 4];

fn members(py: Python<'_>, enumeration: &str, names: [&'static str; 4]) -> PyResult<Members> {
    let class = py.import("memory_budget_allocator.levels")?.getattr(enumeration)?;
    let class = class.cast_into::<PyType>()?;
    let [a, b, c, d] = names.map(|name| class.call1((name,)).map(Bound::unbind));
    Ok([a?, b?, c?, d?])
}

fn tier_members(py: Python<'_>) -> PyResult<&Members> {
    static MEMBERS: PyOnceLock<Members> = PyOnceLock::new();
    MEMBERS.get_or_try_init(py, || members(py, "MemoryTier", Tier::ALL.map(Tier::name)))
}

fn level_members(py: Python<'_>) -> PyResult<&Members> {
    static MEMBERS: PyOnceLock<Members> = PyOnceLock::new();
    MEMBERS.get_or_try_init(py, || members(py, "QueryComplexity", Level::ALL.map(Level::name)))
}

/// The `MemoryTier` member.
pub fn tier_member(py: Python<'_>, tier: Tier) -> PyResult<Py<PyAny>> {
    Ok(tier_members(py)?[tier.index()].clone_ref(py))
}

/// The `QueryComplexity` member.
pub fn level_member(py: Python<'_>, level: Level) -> PyResult<Py<PyAny>> {
    Ok(level_members(py)?[level.index()].clone_ref(py))
}

/// A `MemoryTier` member or its string value.
pub fn tier(value: &Bound<'_, PyAny>) -> Result<Tier, Refusal> {
    if let Ok(members) = tier_members(value.py())
        && let Some(index) = members.iter().position(|member| member.is(value))
    {
        return Ok(Tier::ALL[index]);
    }
    let name = value.cast::<PyString>().map_err(|_| Refusal::of_type(TIER_NAMES))?;
    Tier::from_name(&name.to_string_lossy()).ok_or(Refusal::of_value(TIER_NAMES))
}

/// A `QueryComplexity` member or its string value.
pub fn level(value: &Bound<'_, PyAny>) -> Result<Level, Refusal> {
    let name = value.cast::<PyString>().map_err(|_| Refusal::of_type(LEVEL_NAMES))?;
    Level::from_name(&name.to_string_lossy()).ok_or(Refusal::of_value(LEVEL_NAMES))
}

/// The name of a level as a str that is made once.
pub fn level_name(py: Python<'_>, level: Level) -> &Bound<'_, PyString> {
    match level {
        Level::Simple => intern!(py, "simple"),
        Level::Medium => intern!(py, "medium"),
        Level::Complex => intern!(py, "complex"),
        Level::Expert => intern!(py, "expert"),
    }
}

/// The name of a tier as a str that is made once.
pub fn tier_name(py: Python<'_>, tier: Tier) -> &Bound<'_, PyString> {
    match tier {
        Tier::Working => intern!(py, "working"),
        Tier::Project => intern!(py, "project"),
        Tier::LongTerm => intern!(py, "long_term"),
        Tier::Rag => intern!(py, "rag"),
    }
}
