//! The one place that gives up the interpreter, or hands it to code of others.

use pyo3::{PyResult, Python};

/// Candidates from which a call detaches from the interpreter while it scores and packs.
///
/// Coming back costs up to a switch interval (5 ms by default) when another thread runs Python.
/// Measured with `benches/throughput.py --contention`: detached calls take 4 to 9 times as long beside
/// a busy thread, attached ones twice as long; they break even at about 50,000 candidates (2 ms).
const DETACH_FROM: usize = 50_000;

/// Runs `work`, detached from the interpreter when there are enough candidates to be worth it.
pub fn run<T: Send>(py: Python<'_>, candidates: usize, work: impl FnOnce() -> T + Send) -> T {
    if candidates >= DETACH_FROM { py.detach(work) } else { work() }
}

/// Rows of a pool from which a call detaches: a pass over them costs about one nanosecond each.
const DETACH_FROM_ROWS: usize = 50_000;

/// As [`run`], for a pass over the columns of a pool.
pub fn run_over_rows<T: Send>(py: Python<'_>, rows: usize, work: impl FnOnce() -> T + Send) -> T {
    if rows >= DETACH_FROM_ROWS { py.detach(work) } else { work() }
}

/// In the middle of a long load: lets other threads run and Ctrl-C through.
pub fn pause(py: Python<'_>) -> PyResult<()> {
    py.detach(|| ());
    py.check_signals()
}

/// Runs `work`, which may run Python code that is not ours: an iterator, a property, a `__float__`.
///
/// When the interpreter ends while a daemon thread is in such code, CPython before 3.14 unwinds the
/// thread's stack by force. Rust has no answer to that but to end the process with a crash. So the
/// thread stays where it is for the moment that is left, as CPython has it from 3.14 on.
pub fn through_python<T>(work: impl FnOnce() -> T) -> T {
    let guard = StayOnForcedUnwinding;
    let result = work();
    std::mem::forget(guard);
    result
}

struct StayOnForcedUnwinding;

impl Drop for StayOnForcedUnwinding {
    fn drop(&mut self) {
        // A panic of Rust goes its usual way and becomes an exception.
        while !std::thread::panicking() {
            std::thread::park();
        }
    }
}
