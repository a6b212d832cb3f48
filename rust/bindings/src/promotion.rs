//! Recommending tier changes.

use memory_budget_core::promotion::{Ladder, Move, Record, promotion_score, recommend};
use memory_budget_core::score::finite_or_zero;
use memory_budget_core::settings::Settings;
use memory_budget_core::tier::Tier;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::classes::Classes;
use crate::datetime;
use crate::door;
use crate::errors::{ArgumentValueError, Refusal};
use crate::fields;
use crate::foreign::{ForeignReader, ForeignWriter};
use crate::item::{Field, MemoryItem};
use crate::options::refuse_pool_option;
use crate::relevance::Resident;
use crate::workspace::Configuration;
use crate::{pool_allocation, vocabulary, workspace};

enum Source<'a, 'py> {
    Own(&'a MemoryItem),
    /// With its id.
    Foreign(Bound<'py, PyAny>, Bound<'py, PyString>),
}

struct Row<'a, 'py> {
    source: Source<'a, 'py>,
    record: Record,
    score: f64,
}

/// Computes promotion scores, writes them to the items and recommends moves of one step.
///
/// `items` are memories, or a pool or a snapshot of one: then `relevance` is as for an allocation, and
/// they are scored first. `tier_order` names the tiers from lowest to highest. Moves nothing.
#[pyfunction]
pub fn evaluate_promotions<'py>(
    items: &Bound<'py, PyAny>,
    config: &Bound<'py, PyAny>,
    tier_order: &Bound<'py, PyAny>,
    now_us: i64,
    relevance: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = items.py();
    let pool = Resident::of(items);
    if pool.is_none() {
        refuse_pool_option("relevance", relevance)?;
    }
    let settings = workspace::settings(&Configuration::of(config)?)?;
    let ladder = ladder(&tiers(tier_order, "tier_order")?)?;
    match pool {
        Some(pool) => {
            pool_allocation::evaluate_promotions(py, &pool, &settings, ladder, now_us, relevance)
        }
        None => evaluate_items(items, &settings, ladder, now_us),
    }
}

fn evaluate_items<'py>(
    items: &Bound<'py, PyAny>,
    settings: &Settings,
    ladder: Ladder,
    now_us: i64,
) -> PyResult<Bound<'py, PyDict>> {
    let py = items.py();
    let items = door::copied(items, "items")?;
    let mut classes = Classes::default();
    let mut rows = Vec::with_capacity(items.len());
    for (position, item) in items.iter_borrowed().enumerate() {
        let (source, record) = if let Some(own) = classes.own(item)? {
            (Source::Own(own), own_record(own))
        } else {
            let (memory_id, record) = foreign_record(&item, position)?;
            (Source::Foreign(item.to_owned(), memory_id), record)
        };
        let score = promotion_score(&record, settings.promotion_access_threshold, now_us);
        rows.push(Row { source, record, score });
    }
    py.check_signals()?;
    let result = describe(py, &rows, settings, ladder, now_us)?;
    write(&rows)?;
    Ok(result)
}

/// Tiers from lowest to highest as a tuple of `MemoryTier`; raises `ArgumentTypeError` or
/// `ArgumentValueError` unless they are two to four different ones.
#[pyfunction]
pub fn check_tier_order<'py>(tier_order: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    let py = tier_order.py();
    let order = tiers(tier_order, "tier_order")?;
    ladder(&order)?;
    let members: Vec<_> =
        order.into_iter().map(|tier| vocabulary::tier_member(py, tier)).collect::<PyResult<_>>()?;
    PyTuple::new(py, members)
}

pub fn tiers(tier_order: &Bound<'_, PyAny>, argument: &str) -> PyResult<Vec<Tier>> {
    let py = tier_order.py();
    let not_tiers =
        || Refusal::of_type("a sequence of tiers").for_argument(py, argument, tier_order);
    if tier_order.is_instance_of::<PyString>() {
        return Err(not_tiers());
    }
    let mut order: Vec<Tier> = Vec::new();
    for tier in tier_order.try_iter().map_err(|_| not_tiers())? {
        let tier = tier?;
        order.push(vocabulary::tier(&tier).map_err(|refusal| {
            refusal.for_argument(py, &format!("an entry of {argument}"), &tier)
        })?);
    }
    Ok(order)
}

pub fn ladder(order: &[Tier]) -> PyResult<Ladder> {
    Ladder::new(order).map_err(|error| {
        let names: Vec<_> = order.iter().map(|tier| tier.name()).collect();
        ArgumentValueError::new_err(format!("tier_order: {error}, got {names:?}"))
    })
}

fn own_record(item: &MemoryItem) -> Record {
    Record {
        tier: item.tier(),
        combined: item.combined.load(),
        access_count: item.accesses(),
        timestamp_us: item.timestamp_us(),
        last_accessed_us: item.last_access().microseconds(),
    }
}

fn foreign_record<'py>(
    object: &Bound<'py, PyAny>,
    position: usize,
) -> PyResult<(Bound<'py, PyString>, Record)> {
    let reader = ForeignReader::new(object, position)?;
    let record = Record {
        tier: reader.field(Field::Tier, vocabulary::tier)?,
        combined: reader.field(Field::CombinedScore, fields::number)?,
        access_count: reader.field(Field::AccessCount, fields::count)?,
        timestamp_us: reader.time(Field::Timestamp)?,
        last_accessed_us: reader.time(Field::LastAccessed)?,
    };
    reader.field(Field::PromotionScore, |_| Ok(()))?;
    Ok((reader.memory_id, record))
}

fn write(rows: &[Row<'_, '_>]) -> PyResult<()> {
    let mut earlier = Vec::new();
    for row in rows {
        if let Source::Own(item) = row.source {
            earlier.push((item, item.promotion.load(), row.score));
            item.promotion.store(row.score);
        }
    }
    let mut writer = ForeignWriter::default();
    for row in rows {
        let Source::Foreign(object, memory_id) = &row.source else { continue };
        if let Err(error) = writer.set(object, memory_id, Field::PromotionScore, row.score) {
            writer.undo();
            for (item, before, written) in earlier.into_iter().rev() {
                item.promotion.replace(written, before);
            }
            return Err(error);
        }
    }
    Ok(())
}

fn describe<'py>(
    py: Python<'py>,
    rows: &[Row<'_, 'py>],
    settings: &Settings,
    ladder: Ladder,
    now_us: i64,
) -> PyResult<Bound<'py, PyDict>> {
    let mut recommendations = Recommendations::new(py, settings)?;
    for row in rows {
        let step = recommend(&row.record, row.score, settings, ladder);
        if step == Move::Stay {
            continue; // nobody asks for its id
        }
        let memory_id = match &row.source {
            Source::Own(item) => item.id(py),
            Source::Foreign(_, memory_id) => memory_id.clone(),
        };
        recommendations.add(&memory_id, &row.record, row.score, step)?;
    }
    recommendations.finish(rows.len(), now_us)
}

/// The documented result, while it is being made.
pub struct Recommendations<'a, 'py> {
    settings: &'a Settings,
    promotions: Bound<'py, PyList>,
    demotions: Bound<'py, PyList>,
    /// An entry with its keys in order: copying it is quicker than a dict that grows key by key.
    blank: Bound<'py, PyDict>,
}

impl<'a, 'py> Recommendations<'a, 'py> {
    pub fn new(py: Python<'py>, settings: &'a Settings) -> PyResult<Self> {
        let blank = PyDict::new(py);
        let keys = [
            intern!(py, "memory_id"),
            intern!(py, "current_tier"),
            intern!(py, "target_tier"),
            intern!(py, "promotion_score"),
            intern!(py, "access_count"),
            intern!(py, "combined_score"),
            intern!(py, "reason"),
        ];
        for key in keys {
            blank.set_item(key, py.None())?;
        }
        let (promotions, demotions) = (PyList::empty(py), PyList::empty(py));
        Ok(Self { settings, promotions, demotions, blank })
    }

    /// Adds what is recommended for one memory.
    pub fn add(
        &mut self,
        memory_id: &Bound<'py, PyString>,
        record: &Record,
        score: f64,
        step: Move,
    ) -> PyResult<()> {
        let settings = self.settings;
        let (list, target, reason) = match step {
            Move::Promote(target) => {
                let reason = format!(
                    "score {:.4} >= {} and {} accesses >= {}",
                    score,
                    settings.promotion_threshold,
                    record.access_count,
                    settings.promotion_access_threshold
                );
                (&self.promotions, target, reason)
            }
            Move::Demote(target) => {
                let reason = format!("score {score:.4} < {}", settings.demotion_threshold);
                (&self.demotions, target, reason)
            }
            Move::Stay => return Ok(()),
        };
        let py = memory_id.py();
        let entry = self.blank.copy()?;
        entry.set_item(intern!(py, "memory_id"), memory_id)?;
        entry.set_item(intern!(py, "current_tier"), vocabulary::tier_name(py, record.tier))?;
        entry.set_item(intern!(py, "target_tier"), vocabulary::tier_name(py, target))?;
        entry.set_item(intern!(py, "promotion_score"), score)?;
        entry.set_item(intern!(py, "access_count"), record.access_count)?;
        entry.set_item(intern!(py, "combined_score"), finite_or_zero(record.combined))?;
        entry.set_item(intern!(py, "reason"), reason)?;
        list.append(entry)
    }

    pub fn finish(self, evaluated: usize, now_us: i64) -> PyResult<Bound<'py, PyDict>> {
        let py = self.promotions.py();
        let result = PyDict::new(py);
        result.set_item(intern!(py, "promotions"), self.promotions)?;
        result.set_item(intern!(py, "demotions"), self.demotions)?;
        result.set_item(intern!(py, "total_evaluated"), evaluated)?;
        result.set_item(intern!(py, "timestamp"), datetime::isoformat(now_us))?;
        Ok(result)
    }
}
