//! What one allocator's threads share, and what each of them does to it: whole allocations, changes
//! of rows, of the configuration, statistics. The harness brings the threads: loom's, shuttle's or
//! the system's.
//!
//! Rows and configurations carry a number from which all else in them follows, so that a mixture of
//! two versions is seen.

// Each harness uses what it needs.
#![allow(dead_code)]

use std::sync::Arc;

use memory_budget_core::candidates::Candidates;
use memory_budget_core::complexity::Level;
use memory_budget_core::decay::NO_TIME;
use memory_budget_core::journal::{Journal, Stamped};
use memory_budget_core::plan::{Plan, plan};
use memory_budget_core::pool::{
    Access, Cells, Cost, Entry, Key, Moved, Pool, Query, Row, Snapshot,
};
use memory_budget_core::settings::Settings;
use memory_budget_core::statistics::WorkspaceTotals;
use memory_budget_core::sync::Current;
use memory_budget_core::tier::Tier;

/// A row's key, and the revision its numbers follow from.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub id: u32,
    pub revision: u32,
}

impl Key for Memory {
    /// Some keys collide.
    fn hash(&self) -> u64 {
        hash(self.id)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

pub type Rows = Pool<Memory, u32>;

fn hash(id: u32) -> u64 {
    u64::from(id % 3) << 60
}

/// The id of the row that leaves a hole; no other has one as large.
const HOLE: u32 = 1 << 20;

/// The numbers of a row in a revision. Among all ids of one revision no two scores are equal.
pub fn row(id: u32, revision: u32) -> Row {
    Row {
        tier: Tier::Working,
        relevance: f64::from(revision),
        importance: 1.0 / f64::from(id + revision + 2),
        timestamp_us: 3_600_000_000 * i64::from(id),
        cost: Cost::Tokens(u64::from(10 + revision)),
        user: revision,
        pinned: false,
        evergreen: false,
        mark: revision.is_multiple_of(2),
    }
}

pub fn entry(id: u32, revision: u32, cells: Cells) -> Entry<Memory, u32> {
    Entry { row: row(id, revision), payload: Memory { id, revision }, extra: Some(revision), cells }
}

/// A pool with the ids from 0, and a hole in front if `hole`.
pub fn pool(ids: u32, hole: bool) -> Rows {
    let pool = Rows::new();
    pool.change(|draft| {
        if hole {
            draft.put(entry(HOLE, 0, Cells::default()));
        }
        for id in 0..ids {
            draft.put(entry(id, 0, Cells::default()));
        }
        if hole {
            draft.remove(0);
        }
    });
    pool
}

/// Checks that a snapshot is one version, rows and what is derived from them, and gives the
/// revision of each id, ascending.
pub fn revisions(snapshot: &Snapshot<Memory, u32>) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    for number in (0..).take(snapshot.rows()) {
        let Some(&Memory { id, revision }) = snapshot.payload(number) else {
            assert!(snapshot.row(number).is_none(), "a hole has no numbers");
            continue;
        };
        assert_eq!(snapshot.row(number), Some(row(id, revision)));
        assert_eq!(snapshot.extra(number), Some(&revision));
        found.push((id, revision));
    }
    assert_eq!(snapshot.len(), found.len());
    found.sort_unstable();
    found
}

/// Counts a selection as an allocation does: in the cell that the snapshot knows, or in the one the
/// row has by now. None: the row was removed.
pub fn count(
    pool: &Rows,
    snapshot: &Snapshot<Memory, u32>,
    number: u32,
    now_us: i64,
) -> Option<u64> {
    snapshot.count_access(number, now_us).ok().or_else(|| {
        let id = snapshot.payload(number).expect("a hole is never selected").id;
        pool.count_moved(hash(id), |it| it.id == id, now_us)
    })
}

/// The accesses of an id as they are in the pool now.
pub fn accesses(pool: &Rows, id: u32) -> Access {
    pool.look_up(|rows| {
        let found = rows.find(hash(id), |it| it.id == id)?;
        assert_eq!(rows.snapshot().payload(found).map(|it| it.id), Some(id));
        Some(rows.snapshot().access(found).expect("the current rows have their cells"))
    })
    .unwrap_or(Access::NONE)
}

/// Checks accesses read from a snapshot, if they still are there: a count comes with its time.
pub fn check_access(access: Result<Access, Moved>) {
    if let Ok(access) = access {
        assert!(access.count == 0 || access.last_us != NO_TIME, "{access:?}");
    }
}

/// A configuration, and the number its fields follow from.
pub struct Configuration {
    pub number: u32,
    pub settings: Settings,
}

impl Configuration {
    pub fn new(number: u32) -> Self {
        let settings = Settings {
            max_total_tokens: 40 + 20 * u64::from(number),
            shares: [1.0 / f64::from(number + 1); 4],
            freshness_half_life_hours: f64::from(24 * (number + 1)),
            ..Settings::default()
        };
        Self { number, settings }
    }
}

/// What the log keeps of an allocation: everything follows from the plan.
pub struct Noted {
    pub now_us: i64,
    pub configuration: u32,
    pub plan: Plan,
}

impl Stamped for Noted {
    fn stamp(&self) -> i64 {
        self.now_us
    }
}

/// See the [module's documentation](self).
pub struct World {
    pub ids: u32,
    pub pool: Rows,
    pub configuration: Current<Configuration>,
    pub journal: Journal<Noted>,
    pub totals: WorkspaceTotals,
}

/// What one thread's allocations did, to be added up when all have ended.
#[derive(Default)]
pub struct Done {
    pub allocations: u64,
    pub tokens: u64,
    /// Ids of what was counted, once for each time.
    pub counted: Vec<u32>,
}

impl Done {
    pub fn add(&mut self, other: Self) {
        self.allocations += other.allocations;
        self.tokens += other.tokens;
        self.counted.extend(other.counted);
    }
}

impl World {
    /// Rows with the ids from 0 and one more that threads may remove; a log of that many entries.
    pub fn new(ids: u32, log: u64) -> Self {
        Self {
            ids,
            pool: pool(ids + 1, true),
            configuration: Current::new(Arc::new(Configuration::new(0))),
            journal: Journal::new(log),
            totals: WorkspaceTotals::new(),
        }
    }

    /// The id of the row that is removed and comes back.
    fn coming_and_going(&self) -> u32 {
        self.ids
    }

    /// One allocation from reading the configuration to the statistics, compared with the plain
    /// formula and a plain sort over the same rows.
    pub fn allocate(&self, now_us: i64) -> Done {
        let configuration = self.configuration.load_full();
        let settings = &configuration.settings;
        assert_eq!(*settings, Configuration::new(configuration.number).settings);
        let snapshot = self.pool.snapshot();
        let query = Query { sort_below: 0, ..Query::new(settings, Level::Medium, now_us) };
        let planned = query.plan(&snapshot).expect("no limits").plan;
        assert_eq!(planned, sorted(settings, &snapshot, now_us));
        let mut done = Done { allocations: 1, tokens: planned.total_tokens(), counted: Vec::new() };
        for selected in &planned.selected {
            if count(&self.pool, &snapshot, selected.index, now_us).is_some() {
                done.counted.push(snapshot.payload(selected.index).expect("selected").id);
            }
        }
        self.totals.record("workspace", &planned.observation(1));
        let noted = Noted { now_us, configuration: configuration.number, plan: planned };
        drop(self.journal.push(Arc::new(noted)));
        done
    }

    /// Gives all rows another revision, in one step.
    pub fn rewrite(&self, revision: u32) {
        self.pool.change(|draft| {
            for number in (0..).take(draft.rows().rows()) {
                if let Some(&Memory { id, .. }) = draft.rows().payload(number) {
                    draft.put(entry(id, revision, Cells::default()));
                }
            }
        });
    }

    /// Removes a row that is there, or brings it back in the revision of the others.
    pub fn remove_or_add(&self) {
        let id = self.coming_and_going();
        self.pool.change(|draft| {
            if let Some(found) = draft.find(hash(id), |it| it.id == id) {
                draft.remove(found);
            } else {
                let others = draft.find(hash(0), |it| it.id == 0).expect("it always is there");
                let revision = draft.rows().payload(others).expect("a row").revision;
                draft.put(entry(id, revision, Cells::default()));
            }
        });
    }

    /// Closes the holes.
    pub fn compact(&self) {
        self.pool.compact();
    }

    /// Makes another configuration the current one.
    pub fn configure(&self, number: u32) {
        self.configuration.store(Arc::new(Configuration::new(number)));
    }

    /// Reads everything that others write, and checks that it belongs together.
    pub fn observe(&self) {
        let snapshot = self.pool.snapshot();
        let revisions = revisions(&snapshot);
        assert!(revisions.iter().all(|(_, revision)| *revision == revisions[0].1), "{revisions:?}");
        let ids: Vec<u32> = revisions.iter().map(|(id, _)| *id).take(self.ids as usize).collect();
        assert!(ids.iter().copied().eq(0..self.ids), "{ids:?}");
        for number in (0..).take(snapshot.rows()) {
            check_access(snapshot.access(number));
        }
        let sums = self.totals.read_all();
        assert!(sums.memories() >= u128::from(sums.allocations()), "each selects one at least");
        let noted = self.journal.snapshot();
        assert!(noted.len() as u64 <= self.journal.limit());
        for noted in &noted {
            let settings = Configuration::new(noted.configuration).settings;
            assert_eq!(noted.plan.max_total_tokens, settings.max_total_tokens);
            assert_eq!(noted.plan.shares, settings.shares);
        }
    }

    /// Checks, when all threads have ended, that nothing they did was lost.
    pub fn settle(&self, done: &Done) {
        self.observe();
        let sums = self.totals.read_all();
        assert_eq!((sums.allocations(), sums.tokens()), (done.allocations, done.tokens.into()));
        assert_eq!(sums, self.totals.read("workspace"));
        assert_eq!(self.journal.pushed(), done.allocations);
        assert_eq!(self.journal.len(), done.allocations.min(self.journal.limit()));
        assert_eq!(self.journal.snapshot().len() as u64, self.journal.len());
        for id in 0..self.ids {
            let counted = done.counted.iter().filter(|it| **it == id).count() as u64;
            assert_eq!(accesses(&self.pool, id).count, counted, "accesses of {id}");
        }
    }
}

/// What the plain formula and a plain sort select of these rows.
fn sorted(settings: &Settings, snapshot: &Snapshot<Memory, u32>, now_us: i64) -> Plan {
    let (mut numbers, mut rows) = (Vec::new(), Vec::new());
    for number in (0..).take(snapshot.rows()) {
        if let Some(row) = snapshot.row(number) {
            numbers.push(number);
            rows.push(row);
        }
    }
    let tiers: Vec<_> = rows.iter().map(|row| row.tier).collect();
    let relevance: Vec<_> = rows.iter().map(|row| row.relevance).collect();
    let importance: Vec<_> = rows.iter().map(|row| row.importance).collect();
    let times: Vec<_> = rows.iter().map(|row| row.timestamp_us).collect();
    let tokens: Vec<_> = rows.iter().map(|row| row.cost.tokens(settings.tokens_per_char)).collect();
    let candidates =
        Candidates::new(&tiers, &relevance, &importance, &times, &tokens).expect("equal");
    let (mut planned, _) = plan(&candidates, settings, Level::Medium, now_us);
    for selected in &mut planned.selected {
        selected.index = numbers[selected.index as usize];
    }
    planned
}
