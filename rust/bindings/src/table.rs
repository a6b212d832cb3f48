//! The selected memories of an allocation as an Arrow table.

use std::ffi::CStr;

use memory_budget_core::plan::Selected;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::arrow::export::{self, TextValues, Values};
use crate::errors::{Fault, Owner, item_error};
use crate::record::Record;

/// A stream of the selected memories, in their order: row, `memory_id` (where there are ids), tier,
/// tokens and the four scores, not rounded.
pub fn stream<'py>(
    py: Python<'py>,
    record: &Record,
    has_ids: bool,
) -> PyResult<Bound<'py, PyCapsule>> {
    let selected = &record.plan.selected;
    let mut columns = vec![(c"row", Values::UInt32(selected.iter().map(|it| it.index).collect()))];
    if has_ids {
        columns.push((c"memory_id", Values::Texts(ids(py, record)?)));
    }
    let mut tiers = TextValues::with_capacity(selected.len());
    for it in selected {
        tiers.push(it.tier.name());
    }
    columns.push((c"tier", Values::Texts(tiers)));
    // Counts have at most 53 bits.
    let tokens = selected.iter().map(|it| it.tokens.cast_signed()).collect();
    columns.push((c"token_count", Values::Int64(tokens)));
    let mut add = |name: &'static CStr, score: fn(&Selected) -> f64| {
        columns.push((name, Values::Float64(selected.iter().map(score).collect())));
    };
    add(c"combined_score", |it| it.combined);
    add(c"relevance_score", |it| it.relevance);
    add(c"importance_score", |it| it.importance);
    add(c"freshness_score", |it| it.freshness);
    export::capsule(py, columns, selected.len())
}

fn ids(py: Python<'_>, record: &Record) -> PyResult<TextValues> {
    let mut ids = TextValues::with_capacity(record.entries.len());
    for rank in 0..record.entries.len() {
        let id = record.memory_id(py, rank);
        let text = id.to_cow().map_err(|_| {
            let owner = Owner::Id(id.as_borrowed());
            let message = format!("{owner}: memory_id has no UTF-8, which an Arrow table needs");
            item_error(Fault::Value, message)
        })?;
        ids.push(&text);
    }
    Ok(ids)
}
