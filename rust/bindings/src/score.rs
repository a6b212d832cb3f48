//! Scoring one memory.

use memory_budget_core::decay;
use memory_budget_core::score::{combined, finite_or_zero};
use pyo3::prelude::*;

use crate::classes::Classes;
use crate::foreign::{ForeignReader, ForeignWriter};
use crate::item::Field;
use crate::{fields, workspace};

/// Scores one memory at `now_us` and writes `freshness_score` and `combined_score` to it.
///
/// Returns the combined score. Where a component was NaN or infinite and counted as 0.0,
/// `report(1, memory_id, field)` is called with the first one.
#[pyfunction]
pub fn calculate_score<'py>(
    item: &Bound<'py, PyAny>,
    config: &Bound<'py, PyAny>,
    now_us: i64,
    report: &Bound<'py, PyAny>,
) -> PyResult<f64> {
    let py = item.py();
    let settings = workspace::scoring(config)?;
    let score = |timestamp_us, relevance: f64, importance: f64| {
        let half_life = settings.freshness_half_life_hours;
        let freshness = decay::freshness(timestamp_us, now_us, half_life);
        let zeroed = [(relevance, "relevance_score"), (importance, "importance_score")]
            .into_iter()
            .find_map(|(component, field)| (!component.is_finite()).then_some(field));
        let (relevance, importance) = (finite_or_zero(relevance), finite_or_zero(importance));
        (freshness, combined(relevance, importance, freshness, settings.weights), zeroed)
    };
    let tell = |field: &'static str, memory_id| report.call1((1, memory_id, field));
    if let Some(own) = Classes::default().own(item.as_borrowed())? {
        let (freshness, combined, zeroed) =
            score(own.decays_from(), own.relevance.load(), own.importance.load());
        own.freshness.store(freshness);
        own.combined.store(combined);
        if let Some(field) = zeroed {
            tell(field, own.id(py))?;
        }
        return Ok(combined);
    }
    let reader = ForeignReader::new(item, 0)?;
    let timestamp_us = reader.time(Field::Timestamp)?;
    let (freshness, combined, zeroed) = score(
        if reader.flag(Field::Evergreen)? { decay::NO_TIME } else { timestamp_us },
        reader.field(Field::RelevanceScore, fields::number)?,
        reader.field(Field::ImportanceScore, fields::number)?,
    );
    let mut writer = ForeignWriter::default();
    let written = writer
        .set(item, &reader.memory_id, Field::FreshnessScore, freshness)
        .and_then(|()| writer.set(item, &reader.memory_id, Field::CombinedScore, combined));
    if written.is_err() {
        writer.undo();
    }
    written?;
    if let Some(field) = zeroed {
        tell(field, reader.memory_id)?;
    }
    Ok(combined)
}
