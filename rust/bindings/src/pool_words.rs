//! What a ranking knows of a pool's memories: read once, kept while the rows stay.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::thread::ThreadId;

use memory_budget_core::pool::Gathered;
use memory_budget_core::ranking::lexical::{Index, QueryWords};
use memory_budget_core::ranking::smooth::{NONE, Neighbours};
use memory_budget_core::ranking::supersede::superseded;
use memory_budget_core::ranking::text::Terms;
use pyo3::prelude::*;
use pyo3::sync::{MutexExt, RwLockExt};

use crate::gateway;
use crate::pool_row::{Rows, View};
use crate::ranking::{Numbers, Ties, terms_of};

/// The words of a pool's texts with their index, and what ties its memories to each other.
///
/// It is made by the first call that ranks by more than the documented formula, and follows the rows from
/// then on: whatever has changed since the last such call is read again by the next. Calls share it; of those
/// that find changes one reads, and the others wait for it. An interrupt throws away what is half read.
#[derive(Default)]
pub struct PoolWords {
    state: RwLock<State>,
    turn: Mutex<()>,
    /// Whose turn it is to read.
    reader: Mutex<Option<ThreadId>>,
}

/// Texts that are read before a look at signals: some milliseconds.
const INTERRUPT_EVERY: usize = 1 << 10;

#[derive(Default)]
struct State {
    /// The rows that all else is made of.
    rows: Option<Arc<Rows>>,
    terms: Arc<Vec<Option<Arc<Terms>>>>,
    index: Index,
    ties: Vec<Tie>,
    /// Ties of all rows, for queries that leave out none.
    whole: Arc<Ties>,
    session_numbers: Numbers,
    id_numbers: Numbers,
}

/// The numbers of a row's session, its place there, its own id, and the id it replaces.
#[derive(Clone, Copy)]
struct Tie {
    session: u32,
    position: i64,
    id: u32,
    replaces: u32,
}

const UNTIED: Tie = Tie { session: NONE, position: 0, id: 0, replaces: NONE };

/// What a call takes with it.
pub struct Found {
    /// By row.
    pub terms: Arc<Vec<Option<Arc<Terms>>>>,
    /// By candidate.
    pub lexical: Vec<f64>,
    /// By candidate.
    pub ties: Arc<Ties>,
}

impl PoolWords {
    /// What is known of the candidates of a query.
    pub fn of(
        &self,
        py: Python<'_>,
        view: &View,
        gathered: &Gathered,
        query: &QueryWords,
    ) -> PyResult<Found> {
        if let Some(found) = self.current(py, view, gathered, query) {
            return Ok(found);
        }
        let _turn = self.wait_for_turn(py);
        // Whoever had it before may have read the same rows.
        if let Some(found) = self.current(py, view, gathered, query) {
            return Ok(found);
        }
        // Nothing is locked while texts are read: handlers of signals may allocate over this pool.
        let mut state = std::mem::take(&mut *self.write(py));
        let old = state.follow(py, view)?;
        let found = state.find(gathered, query);
        let replaced = std::mem::replace(&mut *self.write(py), state);
        drop((old, replaced)); // perhaps the last owner of payloads: not under the lock
        Ok(found)
    }

    /// The same, if the rows are those that were read last.
    fn current(
        &self,
        py: Python<'_>,
        view: &View,
        gathered: &Gathered,
        query: &QueryWords,
    ) -> Option<Found> {
        let state = self.state.read_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let is_current = state.rows.as_ref().is_some_and(|rows| Arc::ptr_eq(rows, &view.rows));
        is_current.then(|| state.find(gathered, query))
    }

    fn write(&self, py: Python<'_>) -> RwLockWriteGuard<'_, State> {
        self.state.write_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    /// None where this thread is reading already, and was interrupted by what is about to read now.
    fn wait_for_turn(&self, py: Python<'_>) -> Option<Turn<'_>> {
        let this_thread = Some(std::thread::current().id());
        if *self.reader() == this_thread {
            return None;
        }
        let guard = self.turn.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        *self.reader() = this_thread;
        Some(Turn { words: self, _guard: guard })
    }

    /// Held for a moment only.
    fn reader(&self) -> MutexGuard<'_, Option<ThreadId>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Turn<'a> {
    words: &'a PoolWords,
    _guard: MutexGuard<'a, ()>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.words.reader() = None;
    }
}

impl State {
    /// Reads what has changed; gives the rows it was made of before.
    fn follow(&mut self, py: Python<'_>, view: &View) -> PyResult<Option<Arc<Rows>>> {
        let (new, old) = (&view.rows, self.rows.take());
        if old.as_ref().is_some_and(|old| old.generation() != new.generation()) {
            *self = Self::default();
        }
        let known = self.terms.len();
        let length = known.max(new.rows());
        let words = Arc::make_mut(&mut self.terms);
        words.resize(length, None);
        self.ties.resize(length, UNTIED);
        let mut read = 0;
        for row in 0..u32::try_from(length).unwrap_or(u32::MAX) {
            let at = row as usize;
            let payload = new.payload(row);
            if let (Some(payload), Some(old)) = (payload, old.as_ref().filter(|_| at < known))
                && words[at].is_some()
                && old.payload(row).is_some_and(|before| {
                    before.text.is(&payload.text) && before.memory_id.is(&payload.memory_id)
                })
                && same_extra(old, new, row)
            {
                continue;
            }
            if let Some(terms) = words[at].take() {
                self.index.remove(row, &terms);
            }
            self.ties[at] = UNTIED;
            let Some(payload) = payload else { continue };
            read += 1;
            if read % INTERRUPT_EVERY == 0 {
                gateway::pause(py)?;
            }
            let terms = Arc::new(terms_of(payload.text.bind(py)));
            self.index.add(row, &terms);
            words[at] = Some(terms);
            let tie = &mut self.ties[at];
            tie.id = self.id_numbers.of(payload.memory_id.bind(py))?;
            let Some(links) = view.links(py, row) else { continue };
            if let (Some(session), Some(position)) = (&links.session_id, links.position) {
                tie.session = self.session_numbers.of(session.bind(py))?;
                tie.position = position.cast_signed(); // 2^53 - 1 at most
            }
            if let Some(name) = &links.supersedes {
                tie.replaces = self.id_numbers.of(name.bind(py))?;
            }
        }
        words.truncate(new.rows());
        self.ties.truncate(new.rows());
        let ties = self.ties.iter().copied();
        self.whole = Arc::new(Ties {
            neighbours: ties.clone().any(|tie| tie.session != NONE).then(|| neighbours_of(&ties)),
            superseded: ties.clone().any(|tie| tie.replaces != NONE).then(|| superseded_of(&ties)),
        });
        self.rows = Some(Arc::clone(new));
        Ok(old)
    }

    fn find(&self, gathered: &Gathered, query: &QueryWords) -> Found {
        let numbers = &gathered.numbers;
        let per_row = if numbers.len() == self.index.len() {
            self.index.bm25(query)
        } else {
            let mut is_candidate = vec![false; self.terms.len()];
            for &row in numbers {
                is_candidate[row as usize] = true;
            }
            self.index.bm25_among(query, &is_candidate)
        };
        let is_whole = numbers.len() == self.ties.len();
        Found {
            terms: Arc::clone(&self.terms),
            lexical: if is_whole {
                per_row
            } else {
                numbers.iter().map(|&row| per_row[row as usize]).collect()
            },
            ties: if is_whole {
                Arc::clone(&self.whole)
            } else {
                Arc::new(self.ties_among(numbers))
            },
        }
    }

    /// Ties of some rows to each other.
    fn ties_among(&self, rows: &[u32]) -> Ties {
        let ties = rows.iter().map(|&row| self.ties[row as usize]);
        let Ties { neighbours, superseded } = &*self.whole;
        Ties {
            neighbours: neighbours
                .as_ref()
                .map(|whole| whole.among(rows).unwrap_or_else(|| neighbours_of(&ties))),
            superseded: superseded.as_ref().map(|_| superseded_of(&ties)),
        }
    }
}

fn neighbours_of(ties: &(impl Iterator<Item = Tie> + Clone)) -> Neighbours {
    let sessions: Vec<u32> = ties.clone().map(|tie| tie.session).collect();
    let positions: Vec<i64> = ties.clone().map(|tie| tie.position).collect();
    Neighbours::of(&sessions, &positions)
}

fn superseded_of(ties: &(impl Iterator<Item = Tie> + Clone)) -> Vec<u32> {
    let ids: Vec<u32> = ties.clone().map(|tie| tie.id).collect();
    let names: Vec<u32> = ties.clone().map(|tie| tie.replaces).collect();
    superseded(&ids, &names)
}

fn same_extra(old: &Rows, new: &Rows, row: u32) -> bool {
    match (old.extra(row), new.extra(row)) {
        (None, None) => true,
        (Some(one), Some(other)) => one.object().is(other.object()),
        _ => false,
    }
}
