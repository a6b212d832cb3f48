//! Some thousand neighbouring rows as columns: what is copied when one of them changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::access::AccessColumn;
use super::cost::{Cost, CostLimit, LARGER, LENGTH};
use super::counts::CountColumn;
use super::forward_decay::DecayColumn;
use super::number::Numbers;
use crate::approximation::LARGEST;
use crate::decay::NO_TIME;
use crate::plan::count_equal;
use crate::sync::{Current, SMALL};
use crate::tier::Tier;
use crate::tokens::{MAX_COUNT, estimate};

/// Rows of a chunk.
pub(super) const CHUNK: usize = if SMALL { 4 } else { 4096 };

/// Rows whose payloads are copied together.
const BLOCK: usize = if SMALL { 2 } else { 64 };

/// Half-lives whose decay a chunk remembers; each costs four bytes a row.
const REMEMBERED: usize = 4;

/// Low bits of a place: the index of a tier, or none. The high bits are flags.
const TIER_BITS: u8 = 0x1F;
const HOLE: u8 = TIER_BITS;
const MARK: u8 = 0x80;
const PINNED: u8 = 0x40;
const EVERGREEN: u8 = 0x20;

/// The numbers of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Its tier.
    pub tier: Tier,
    /// Relevance for calls that bring none.
    pub relevance: f64,
    /// Importance.
    pub importance: f64,
    /// Creation time, or [`crate::decay::NO_TIME`].
    pub timestamp_us: i64,
    /// What it costs; numbers up to [`MAX_COUNT`].
    pub cost: Cost,
    /// Number of the user it belongs to; 0 for none.
    pub user: u32,
    /// Whether it is taken before all others.
    pub pinned: bool,
    /// Whether it stays fresh whatever its age.
    pub evergreen: bool,
    /// A bit that is kept for the caller.
    pub mark: bool,
}

/// A copy of a chunk's column with the room it has, or with room for one more row. Small pools stay
/// small: room is doubled, up to a chunk.
pub(super) fn with_room<T: Clone>(column: &[T]) -> Vec<T> {
    let mut copy = Vec::with_capacity(room(column.len()));
    copy.extend_from_slice(column);
    copy
}

pub(super) fn room(rows: usize) -> usize {
    (rows + 1).next_power_of_two().clamp(BLOCK, CHUNK)
}

/// Payloads of some rows: `P` of each, `E` of the few that have one.
struct Block<P, E> {
    payloads: Vec<Option<P>>,
    extras: Option<Box<[Option<E>]>>,
}

impl<P: Clone, E: Clone> Clone for Block<P, E> {
    fn clone(&self) -> Self {
        let mut payloads = Vec::with_capacity(BLOCK);
        payloads.extend_from_slice(&self.payloads);
        Self { payloads, extras: self.extras.clone() }
    }
}

impl<P, E> Block<P, E> {
    fn new() -> Self {
        Self { payloads: Vec::with_capacity(BLOCK), extras: None }
    }

    fn set_extra(&mut self, row: usize, extra: Option<E>) -> Option<E> {
        if extra.is_none() && self.extras.is_none() {
            return None;
        }
        let make = || (0..BLOCK).map(|_| None).collect();
        std::mem::replace(&mut self.extras.get_or_insert_with(make)[row], extra)
    }
}

/// What a call needs to know of a chunk before it looks at its rows.
#[derive(Clone, Copy)]
pub(super) struct Summary {
    pub members: [usize; Tier::COUNT],
    /// The smallest given count and the shortest text to be estimated.
    least: [(u64, u64); Tier::COUNT],
    /// The largest magnitude of importance; infinite where one cannot be approximated.
    pub importance: f32,
    pub has_pinned: bool,
    pub has_evergreen: bool,
}

impl Summary {
    /// As far as it is known without the texts.
    pub fn least_given(&self, tier: Tier) -> u64 {
        let (tokens, code_points) = self.least[tier.index()];
        if code_points == u64::MAX { tokens } else { 0 }
    }

    pub fn least_tokens(&self, tier: Tier, tokens_per_char: f64) -> u64 {
        let (tokens, code_points) = self.least[tier.index()];
        tokens.min(estimate(code_points, tokens_per_char))
    }
}

type DecayColumns = Vec<Arc<DecayColumn>>;

pub(super) struct Chunk<P, E> {
    places: Vec<u8>,
    importance: Numbers,
    relevance: Option<Numbers>,
    timestamps_us: Vec<i64>,
    costs: Vec<u32>,
    larger: BTreeMap<usize, u64>,
    users: Option<Vec<u32>>,
    payloads: Vec<Arc<Block<P, E>>>,
    access: Arc<AccessColumn>,
    decay: Current<DecayColumns>,
    /// Of the counter that was asked for last.
    counted: Current<Option<Arc<CountColumn>>>,
    summary: Summary,
}

impl<P: Clone, E: Clone> Clone for Chunk<P, E> {
    fn clone(&self) -> Self {
        Self {
            places: with_room(&self.places),
            importance: self.importance.clone(),
            relevance: self.relevance.clone(),
            timestamps_us: with_room(&self.timestamps_us),
            costs: with_room(&self.costs),
            larger: self.larger.clone(),
            users: self.users.as_deref().map(with_room),
            payloads: self.payloads.clone(),
            access: Arc::clone(&self.access),
            decay: Current::new(self.decay.load_full()),
            counted: Current::new(self.counted.load_full()),
            summary: self.summary,
        }
    }
}

impl<P: Clone, E: Clone> Chunk<P, E> {
    pub fn new() -> Self {
        Self {
            places: Vec::new(),
            importance: Numbers::default(),
            relevance: None,
            timestamps_us: Vec::new(),
            costs: Vec::new(),
            larger: BTreeMap::new(),
            users: None,
            payloads: Vec::new(),
            access: Arc::new(AccessColumn::new(CHUNK)),
            decay: Current::new(Arc::default()),
            counted: Current::new(Arc::default()),
            summary: Summary {
                members: [0; Tier::COUNT],
                least: NOTHING,
                importance: 0.0,
                has_pinned: false,
                has_evergreen: false,
            },
        }
    }

    pub fn push(&mut self, row: &Row, payload: P, extra: Option<E>) {
        let at = self.places.len();
        if at.is_multiple_of(BLOCK) {
            self.payloads.push(Arc::new(Block::new()));
        }
        Arc::make_mut(&mut self.payloads[at / BLOCK]).payloads.push(None);
        self.places.push(HOLE);
        self.importance.push(0.0);
        self.timestamps_us.push(0);
        self.costs.push(0);
        if let Some(relevance) = &mut self.relevance {
            relevance.push(0.0);
        }
        if let Some(users) = &mut self.users {
            users.push(0);
        }
        self.set(at, row);
        let _ = self.set_payload(at, Some(payload), extra);
    }

    pub fn set(&mut self, at: usize, row: &Row) {
        let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
        self.places[at] = row.tier as u8
            | flag(row.mark, MARK)
            | flag(row.pinned, PINNED)
            | flag(row.evergreen, EVERGREEN);
        self.importance.set(at, row.importance);
        self.timestamps_us[at] = row.timestamp_us;
        let rows = self.places.len();
        if self.relevance.is_some() || row.relevance.to_bits() != 0 {
            let make = || Numbers::zeros(rows, room(rows));
            self.relevance.get_or_insert_with(make).set(at, row.relevance);
        }
        if self.users.is_some() || row.user != 0 {
            self.users.get_or_insert_with(|| with_room(&vec![0; rows]))[at] = row.user;
        }
        let (kind, number) = match row.cost {
            Cost::Tokens(tokens) => (0, tokens),
            Cost::CodePoints(code_points) => (LENGTH, code_points),
        };
        let small = u32::try_from(number).ok().filter(|small| *small < LARGER);
        self.costs[at] = kind | small.unwrap_or(LARGER);
        if small.is_none() {
            self.larger.insert(at, number.min(MAX_COUNT));
        } else if !self.larger.is_empty() {
            self.larger.remove(&at);
        }
    }

    /// Sets both payloads and gives back what was there.
    #[must_use]
    pub fn set_payload(
        &mut self,
        at: usize,
        payload: Option<P>,
        extra: Option<E>,
    ) -> (Option<P>, Option<E>) {
        let block = Arc::make_mut(&mut self.payloads[at / BLOCK]);
        let before = std::mem::replace(&mut block.payloads[at % BLOCK], payload);
        (before, block.set_extra(at % BLOCK, extra))
    }

    #[must_use]
    pub fn remove(&mut self, at: usize) -> (Option<P>, Option<E>) {
        self.places[at] = HOLE;
        self.set_payload(at, None, None)
    }

    /// Brings up to date what is derived from the rows that changed.
    pub fn refresh(&mut self, changed: &[usize]) {
        self.summary = self.summarise();
        if let Some(column) = self.counted() {
            let mut column = (*column).clone();
            column.forget(changed);
            self.keep_counted(&Arc::new(column));
        }
        if self.decay.load().is_empty() {
            return;
        }
        let mut columns = (*self.decay.load_full()).clone();
        for column in &mut columns {
            let column = Arc::make_mut(column);
            for &at in changed {
                column.set(at, self.decays_from(at));
            }
        }
        self.decay.store(Arc::new(columns));
    }

    fn summarise(&self) -> Summary {
        let mut least = NOTHING;
        for (at, place) in self.places.iter().enumerate() {
            if let Some(least) = least.get_mut(usize::from(place & TIER_BITS)) {
                match self.cost(at) {
                    Cost::Tokens(tokens) => least.0 = least.0.min(tokens),
                    Cost::CodePoints(code_points) => least.1 = least.1.min(code_points),
                }
            }
        }
        let tiers: Vec<u8> = self.places.iter().map(|place| place & TIER_BITS).collect();
        let members = Tier::ALL.map(|tier| count_equal(&tiers, tier as u8));
        // Whatever comes after a NaN is not above it either: it counts as infinite, which stays.
        let magnitude = |largest: f32, value: &f32| {
            if value.is_nan() { f32::INFINITY } else { largest.max(value.abs()) }
        };
        let largest = self.importance.near().iter().fold(0.0, magnitude);
        let importance = if f64::from(largest) <= LARGEST { largest } else { f32::INFINITY };
        let has = |flag: u8| self.places.iter().any(|place| place & flag != 0);
        let (has_pinned, has_evergreen) = (has(PINNED), has(EVERGREEN));
        Summary { members, least, importance, has_pinned, has_evergreen }
    }

    /// The decay of the rows for a half-life, made if nobody asked for it before. The half-life is one
    /// that [`crate::approximation::Formula::suits`].
    pub fn decay(&self, half_life_hours: f64, now_us: i64) -> Arc<DecayColumn> {
        let columns = self.decay.load();
        let serving = columns.iter().find(|column| column.serves(half_life_hours, now_us));
        if let Some(column) = serving {
            return Arc::clone(column);
        }
        let capacity = self.timestamps_us.capacity();
        let mut times = Vec::with_capacity(capacity);
        self.append_times(&mut times);
        let column = Arc::new(DecayColumn::new(&times, half_life_hours, now_us, capacity));
        let others = columns.iter().filter(|column| !column.is_for(half_life_hours));
        let latest = std::iter::once(&column).chain(others.take(REMEMBERED - 1)).cloned();
        // Two threads may both come here; one of the columns is then made again some day.
        self.decay.store(Arc::new(latest.collect()));
        column
    }
}

impl<P, E> Chunk<P, E> {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    pub fn tier(&self, at: usize) -> Option<Tier> {
        Tier::from_index((self.places[at] & TIER_BITS).into())
    }

    /// Places without flags: indices of tiers, or something larger.
    pub fn copy_tiers(&self, from: usize, tiers: &mut [u8]) {
        let places = &self.places[from..from + tiers.len()];
        for (tier, place) in tiers.iter_mut().zip(places) {
            *tier = place & TIER_BITS;
        }
    }

    pub fn users(&self) -> Option<&[u32]> {
        self.users.as_deref()
    }

    pub fn importance(&self) -> &Numbers {
        &self.importance
    }

    pub fn relevance(&self) -> Option<&Numbers> {
        self.relevance.as_ref()
    }

    pub fn timestamp_us(&self, at: usize) -> i64 {
        self.timestamps_us[at]
    }

    /// When the row's freshness begins to fall: never for what is evergreen.
    pub fn decays_from(&self, at: usize) -> i64 {
        if self.places[at] & EVERGREEN == 0 { self.timestamps_us[at] } else { NO_TIME }
    }

    /// Appends of all rows when their freshness begins to fall.
    pub fn append_times(&self, times: &mut Vec<i64>) {
        let start = times.len();
        times.extend_from_slice(&self.timestamps_us);
        if self.summary.has_evergreen {
            for (time, place) in times[start..].iter_mut().zip(&self.places) {
                *time = if place & EVERGREEN == 0 { *time } else { NO_TIME };
            }
        }
    }

    /// Whether a row is pinned.
    pub fn is_pinned(&self, at: usize) -> bool {
        self.places[at] & PINNED != 0
    }

    pub fn cost(&self, at: usize) -> Cost {
        let cost = self.costs[at];
        let small = cost & LARGER;
        let number = if small == LARGER { self.larger[&at] } else { small.into() };
        if cost & LENGTH == 0 { Cost::Tokens(number) } else { Cost::CodePoints(number) }
    }

    /// Appends what each row costs by these counts, or by an estimate. What is said of holes has no meaning.
    pub fn append_tokens(
        &self,
        counted: Option<&CountColumn>,
        tokens_per_char: f64,
        tokens: &mut Vec<u64>,
    ) {
        if self.costs.iter().copied().max().is_none_or(|most| most < LARGER) {
            tokens.extend(self.costs.iter().map(|&cost| u64::from(cost)));
            return;
        }
        match counted {
            Some(counted) => tokens.extend((0..self.len()).map(|at| {
                // Holes have no count.
                self.tier(at).map_or(0, |_| counted.tokens(at, self.cost(at)))
            })),
            None => {
                tokens.extend((0..self.len()).map(|at| self.cost(at).tokens(tokens_per_char)));
            }
        }
    }

    /// Flags with 1 the rows from `at` that may cost as little as the limit, with 0 all others.
    pub fn may_cost(&self, at: usize, limit: CostLimit, flags: &mut [u8]) {
        for (flag, &cost) in flags.iter_mut().zip(&self.costs[at..]) {
            *flag = u8::from(limit.admits(cost));
        }
    }

    pub fn row(&self, at: usize) -> Option<Row> {
        Some(Row {
            tier: self.tier(at)?,
            relevance: self.relevance.as_ref().map_or(0.0, |relevance| relevance.get(at)),
            importance: self.importance.get(at),
            timestamp_us: self.timestamps_us[at],
            cost: self.cost(at),
            user: self.users.as_ref().map_or(0, |users| users[at]),
            pinned: self.is_pinned(at),
            evergreen: self.places[at] & EVERGREEN != 0,
            mark: self.places[at] & MARK != 0,
        })
    }

    pub fn payload(&self, at: usize) -> Option<&P> {
        self.payloads[at / BLOCK].payloads[at % BLOCK].as_ref()
    }

    pub fn extra(&self, at: usize) -> Option<&E> {
        self.payloads[at / BLOCK].extras.as_ref()?[at % BLOCK].as_ref()
    }

    /// Counts of texts, of whatever counter was asked for last.
    pub fn counted(&self) -> Option<Arc<CountColumn>> {
        self.counted.load().as_ref().clone()
    }

    pub fn keep_counted(&self, column: &Arc<CountColumn>) {
        self.counted.store(Arc::new(Some(Arc::clone(column))));
    }

    /// Flags with 1 the rows from `at` that cost at most that many tokens, with 0 all others.
    pub fn may_count(&self, at: usize, most: u64, counted: &CountColumn, flags: &mut [u8]) {
        for (at, flag) in (at..).zip(flags) {
            *flag = u8::from(self.tier(at).is_some() && counted.tokens(at, self.cost(at)) <= most);
        }
    }

    pub fn access(&self) -> &AccessColumn {
        &self.access
    }

    /// Bytes of the columns, as allocated.
    pub fn heap_bytes(&self) -> usize {
        let block = |block: &Arc<Block<P, E>>| {
            let extras = block.extras.as_ref().map_or(0, |extras| size_of_val(&**extras));
            size_of::<Block<P, E>>() + block.payloads.capacity() * size_of::<Option<P>>() + extras
        };
        size_of::<Self>()
            + self.places.capacity()
            + self.importance.heap_bytes()
            + self.relevance.as_ref().map_or(0, Numbers::heap_bytes)
            + self.timestamps_us.capacity() * size_of::<i64>()
            + self.costs.capacity() * size_of::<u32>()
            + self.users.as_ref().map_or(0, |users| users.capacity() * size_of::<u32>())
            + self.payloads.capacity() * size_of::<Arc<Block<P, E>>>()
            + self.payloads.iter().map(block).sum::<usize>()
            + self.access.heap_bytes()
            + self.counted().map_or(0, |column| column.heap_bytes())
            + self.decay.load().iter().map(|column| column.heap_bytes()).sum::<usize>()
    }

    /// Extras of payload blocks that nobody shares, if nobody shares the chunk.
    pub fn own_extras(self: &Arc<Self>) -> impl Iterator<Item = &E> {
        let own = Arc::strong_count(self) == 1;
        let blocks = self.payloads.iter().filter(move |block| own && Arc::strong_count(block) == 1);
        blocks.filter_map(|block| block.extras.as_deref()).flatten().flatten()
    }
}

const NOTHING: [(u64, u64); Tier::COUNT] = [(u64::MAX, u64::MAX); Tier::COUNT];
