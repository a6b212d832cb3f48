//! The one place that gives up the interpreter.

use pyo3::Python;

/// Candidates from which a call detaches from the interpreter while it scores and packs.
///
/// Reattaching can wait for another thread's switch interval (5 ms by default), so work worth less
/// than some 50 microseconds stays attached. Scoring and sorting cost about 50 ns a candidate.
const DETACH_FROM: usize = 2_000;

/// Runs `work`, detached from the interpreter when there are enough candidates to be worth it.
pub fn run<T: Send>(py: Python<'_>, candidates: usize, work: impl FnOnce() -> T + Send) -> T {
    if candidates >= DETACH_FROM { py.detach(work) } else { work() }
}
