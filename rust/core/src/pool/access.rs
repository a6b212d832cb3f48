//! How often and when rows were selected: cells that all snapshots share.

use std::sync::Arc;

use crate::decay::NO_TIME;
use crate::sync::{AcqRel, Acquire, AtomicF64, AtomicI64, AtomicU64, OnceLock, Release, SMALL};
use crate::tokens::MAX_COUNT;

/// Rows whose cells are made together, when the first of them is written.
const GROUP: usize = if SMALL { 2 } else { 64 };

/// In place of a count: the row has a new number, and its cell is elsewhere.
const MOVED: u64 = u64::MAX;

struct Cell {
    count: AtomicU64,
    last_us: AtomicI64,
}

impl Cell {
    fn new(count: u64, last_us: i64) -> Self {
        Self { count: AtomicU64::new(count), last_us: AtomicI64::new(last_us) }
    }
}

type Group = Arc<[Cell; GROUP]>;

/// The row's cell has moved: ask the pool for the row's present number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved;

/// Accesses of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// How often it was selected.
    pub count: u64,
    /// When it was last selected, or [`NO_TIME`].
    pub last_us: i64,
}

impl Access {
    /// Never selected.
    pub const NONE: Self = Self { count: 0, last_us: NO_TIME };
}

/// What a row's cells become; what is left out stays, or is as for a new row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cells {
    /// How often it was selected.
    pub count: Option<u64>,
    /// When it was last selected, or [`NO_TIME`].
    pub last_us: Option<i64>,
    /// Its promotion score.
    pub promotion: Option<f64>,
}

/// The cells of one chunk. They are made 64 at a time on first writing: most rows are never
/// selected, and sixteen bytes for each would be wasted.
pub(super) struct AccessColumn {
    groups: Box<[OnceLock<Group>]>,
    promotion: OnceLock<Box<[AtomicF64]>>,
    rows: usize,
}

impl AccessColumn {
    pub fn new(rows: usize) -> Self {
        Self {
            groups: (0..rows.div_ceil(GROUP)).map(|_| OnceLock::new()).collect(),
            promotion: OnceLock::new(),
            rows,
        }
    }

    fn cell(&self, row: usize) -> &Cell {
        let make = || Arc::new(std::array::from_fn(|_| Cell::new(0, NO_TIME)));
        &self.groups[row / GROUP].get_or_init(make)[row % GROUP]
    }

    pub fn read(&self, row: usize) -> Result<Access, Moved> {
        let Some(group) = self.groups[row / GROUP].get() else { return Ok(Access::NONE) };
        let cell = &group[row % GROUP];
        let count = cell.count.load(Acquire);
        let last_us = cell.last_us.load(Acquire);
        if count == MOVED { Err(Moved) } else { Ok(Access { count, last_us }) }
    }

    pub fn set(&self, row: usize, cells: &Cells) {
        let made = self.groups[row / GROUP].get().is_some();
        if let Some(last_us) = cells.last_us.filter(|it| made || *it != NO_TIME) {
            self.cell(row).last_us.store(last_us, Release);
        }
        if let Some(count) = cells.count.filter(|it| made || *it != 0) {
            self.cell(row).count.store(count, Release);
        }
        if let Some(promotion) = cells.promotion {
            self.set_promotion(row, promotion);
        }
    }

    /// Counts one selection at `now_us`, up to [`MAX_COUNT`], and gives the new count.
    ///
    /// The time is written first: where the count arrived before the cell moved, so did the time.
    pub fn count(&self, row: usize, now_us: i64) -> Result<u64, Moved> {
        let cell = self.cell(row);
        cell.last_us.store(now_us, Release);
        let more = |count: u64| (count != MOVED).then(|| (count + 1).min(MAX_COUNT));
        let counted = cell.count.fetch_update(AcqRel, Acquire, more);
        counted.map(|before| (before + 1).min(MAX_COUNT)).map_err(|_| Moved)
    }

    /// Takes the row's accesses away for good. Whoever counts here later learns that they moved, so
    /// that no count is lost and none counts twice.
    pub fn take(&self, row: usize) -> Access {
        let cell = self.cell(row);
        let count = cell.count.swap(MOVED, AcqRel);
        Access { count, last_us: cell.last_us.load(Acquire) }
    }

    /// As [`Self::take`] for all rows of the group of `row`, if none of them was ever written.
    /// `moved` is one group of moved cells for all, which costs nothing.
    pub fn abandon_untouched(&self, row: usize, moved: &MovedGroup) {
        let _ = self.groups[row / GROUP].set(moved.0.clone());
    }

    /// Whether the group of `row` holds nothing but moved cells of [`Self::abandon_untouched`].
    pub fn is_abandoned(&self, row: usize, moved: &MovedGroup) -> bool {
        self.groups[row / GROUP].get().is_some_and(|group| Arc::ptr_eq(group, &moved.0))
    }

    pub fn heap_bytes(&self) -> usize {
        let made = self.groups.iter().filter(|group| group.get().is_some()).count();
        let promotion = self.promotion.get().map_or(0, |scores| size_of_val(&**scores));
        size_of_val(&*self.groups) + made * size_of::<[Cell; GROUP]>() + promotion
    }

    pub fn promotion(&self, row: usize) -> f64 {
        self.promotion.get().map_or(0.0, |scores| scores[row].load())
    }

    pub fn set_promotion(&self, row: usize, score: f64) {
        if score.to_bits() == 0 && self.promotion.get().is_none() {
            return;
        }
        let make = || (0..self.rows).map(|_| AtomicF64::new(0.0)).collect();
        self.promotion.get_or_init(make)[row].store(score);
    }
}

/// Cells that have all moved.
pub(super) struct MovedGroup(Group);

impl MovedGroup {
    pub fn new() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Cell::new(MOVED, NO_TIME))))
    }
}
