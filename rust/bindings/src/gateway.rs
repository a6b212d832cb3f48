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

/// Bytes of text from which counting tokens detaches: some 2 ms of work, as for the limits above.
const DETACH_FROM_BYTES: usize = 1 << 17;

/// Whether [`run_over_text`] detaches for that many bytes.
pub fn detaches_for_text(bytes: usize) -> bool {
    bytes >= DETACH_FROM_BYTES
}

/// As [`run`], for counting the tokens of texts.
pub fn run_over_text<T: Send>(py: Python<'_>, bytes: usize, work: impl FnOnce() -> T + Send) -> T {
    if detaches_for_text(bytes) { py.detach(work) } else { work() }
}

/// In the middle of a long load: lets other threads run and Ctrl-C through.
pub fn pause(py: Python<'_>) -> PyResult<()> {
    py.detach(|| ());
    py.check_signals()
}

/// Takes one step that may run Python code of others: an iterator, a property, a setter.
///
/// When the interpreter ends while a daemon thread is in such code, `CPython` before 3.14 unwinds the
/// stack of the thread by force. That would drop references without the interpreter's leave, and end
/// the process with a crash as it reaches a frame that catches panics. So the thread stays here for the
/// moment that is left, as `CPython` itself has it from 3.14 on.
///
/// `step` has to be a function that keeps nothing to clean up while the foreign code runs.
#[inline(never)]
pub fn through_python<A, T>(step: fn(A) -> T, argument: A) -> T {
    let guard = StayWhenUnwoundByForce;
    // Opaque: the compiler takes C functions for ones that never unwind, and would drop the guard.
    let result = std::hint::black_box(step)(argument);
    std::mem::forget(guard);
    result
}

struct StayWhenUnwoundByForce;

impl Drop for StayWhenUnwoundByForce {
    fn drop(&mut self) {
        // A panic of Rust goes its usual way and becomes an exception.
        while !std::thread::panicking() {
            std::thread::park();
        }
    }
}
