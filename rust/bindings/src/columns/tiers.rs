//! The column of tiers: names, or positions in `MemoryTier`.

use std::borrow::Cow;

use memory_budget_core::tier::Tier;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt};

use super::chunk::{Chunk, Kind};
use super::fault::Column;
use super::read::{objects, wrong};
use super::source::Content;
use super::text::{Layout, Texts};
use super::text_column::malformed;
use crate::errors::Refusal;
use crate::vocabulary;

const TIERS: &str = "strings, dictionary-encoded strings or integers from 0 to 3";
const TIER: &str = "'working', 'project', 'long_term' or 'rag'";
const TIER_INDEX: &str = "an integer from 0 to 3";

/// In place of a tier's position: there is none. It has a bit that no position has, so that one
/// test of all bits together finds it.
const NONE: u8 = 4;
const _: () = assert!(Tier::COUNT == NONE as usize);

/// The position of every row's tier. Where they are borrowed, it remains for [`check`] whether all of
/// them are one.
pub fn tiers<'a>(content: &'a Content<'_>, column: Column<'_>) -> PyResult<Cow<'a, [u8]>> {
    let chunks = match content {
        Content::Objects(values) => {
            let position = |value: &_| tier(value).map(|tier| tier as u8);
            return objects(values, column, position).map(Cow::Owned);
        }
        Content::Chunks(chunks) => chunks,
    };
    if let [chunk] = &chunks[..]
        && let Some(positions) = positions_in_place(chunk)
    {
        return Ok(Cow::Borrowed(positions));
    }
    let mut positions: Vec<u8> = Vec::with_capacity(content.len());
    for chunk in chunks {
        let first = positions.len();
        match chunk {
            Chunk::Texts(texts) => extend_named(texts, &mut positions),
            Chunk::Numbers(numbers) if numbers.kind.is_integer() => {
                numbers.extend_integers(&mut positions, |index| {
                    index.min(NONE.into()).to_le_bytes()[0]
                });
            }
            Chunk::Nulls(0) => {}
            Chunk::Nulls(_) => return Err(column.bad_row(first, TIER, "null")),
            _ => return Err(wrong(column, TIERS, chunk)),
        }
        let null = match chunk {
            Chunk::Numbers(numbers) => numbers.first_null(),
            _ => None, // of texts, a null has no position
        };
        if null.is_some() || positions[first..].iter().fold(0, |bits, it| bits | it) >= NONE {
            let row = null.or_else(|| positions[first..].iter().position(|&it| it == NONE));
            return Err(explained(chunk, column, first, row.unwrap_or(0)));
        }
    }
    Ok(Cow::Owned(positions))
}

/// Refuses the first position that is no tier's.
pub fn check(content: &Content<'_>, column: Column<'_>) -> PyResult<()> {
    let Content::Chunks(chunks) = content else { return Ok(()) };
    let [chunk] = &chunks[..] else { return Ok(()) };
    let mut positions = positions_in_place(chunk).unwrap_or_default().iter();
    let row = positions.position(|&position| position >= NONE);
    row.map_or(Ok(()), |row| Err(explained(chunk, column, 0, row)))
}

fn positions_in_place(chunk: &Chunk) -> Option<&[u8]> {
    match chunk {
        Chunk::Numbers(numbers) if numbers.first_null().is_none() => numbers.slice_of(Kind::UInt8),
        _ => None,
    }
}

/// Why the row of a chunk that begins at row `first` has no tier.
fn explained(chunk: &Chunk, column: Column<'_>, first: usize, row: usize) -> PyErr {
    let place = first + row;
    match chunk {
        Chunk::Numbers(numbers) if numbers.is_null(row) => {
            column.bad_row(place, TIER_INDEX, "null")
        }
        Chunk::Numbers(numbers) => {
            column.bad_row(place, TIER_INDEX, numbers.shown(numbers.integer(row)))
        }
        Chunk::Texts(texts) => match texts.bytes(row) {
            Err(_) => malformed(column, place),
            Ok(None) => column.bad_row(place, TIER, "null"),
            Ok(Some(name)) => {
                let shown: String = String::from_utf8_lossy(name).chars().take(60).collect();
                column.bad_row(place, TIER, format_args!("'{shown}'"))
            }
        },
        _ => wrong(column, TIERS, chunk),
    }
}

/// The position of each named tier, [`NONE`] for whatever is not one.
fn extend_named(texts: &Texts, positions: &mut Vec<u8>) {
    let slowly = |row| texts.bytes(row).ok().flatten().map_or(NONE, named);
    if texts.first_null().is_some() {
        positions.extend((0..texts.len()).map(slowly));
        return;
    }
    match &texts.layout {
        Layout::Dictionary { keys, values } => {
            // Each name is looked at once.
            let name = |value| values.bytes(value).ok().flatten().map_or(NONE, named);
            let names: Vec<u8> = (0..values.len()).map(name).collect();
            let of_key = |key| usize::try_from(key).ok().and_then(|key| names.get(key).copied());
            keys.extend_integers(positions, |key| of_key(key).unwrap_or(NONE));
        }
        Layout::Views { views, .. } if let Some(views) = views.slice::<u8>() => {
            let first = positions.len();
            let [working, project, long_term, rag] = Tier::ALL.map(view_of);
            let (views, _) = views.as_chunks::<16>();
            // Without branches: which tier comes next is anybody's guess, the processor's too.
            positions.extend(views.iter().map(|view| {
                let view = u128::from_ne_bytes(*view);
                NONE - 4 * u8::from(view == working)
                    - 3 * u8::from(view == project)
                    - 2 * u8::from(view == long_term)
                    - u8::from(view == rag)
            }));
            for (row, position) in positions[first..].iter_mut().enumerate() {
                if *position == NONE {
                    *position = slowly(row);
                }
            }
        }
        _ => positions.extend((0..texts.len()).map(slowly)),
    }
}

/// The view that a tier's name is: all of them are short enough to lie within it.
fn view_of(tier: Tier) -> u128 {
    let mut view = [0; 16];
    let name = tier.name().as_bytes();
    view[..4].copy_from_slice(&u32::try_from(name.len()).unwrap_or_default().to_ne_bytes());
    view[4..4 + name.len()].copy_from_slice(name);
    u128::from_ne_bytes(view)
}

fn named(name: &[u8]) -> u8 {
    match name {
        b"working" => Tier::Working as u8,
        b"project" => Tier::Project as u8,
        b"long_term" => Tier::LongTerm as u8,
        b"rag" => Tier::Rag as u8,
        _ => NONE,
    }
}

fn tier(value: &Bound<'_, PyAny>) -> Result<Tier, Refusal> {
    let is_index = value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>();
    if !is_index {
        return vocabulary::tier(value);
    }
    let index = value.extract::<usize>().ok();
    index.and_then(Tier::from_index).ok_or(Refusal::of_value(TIER_INDEX))
}
