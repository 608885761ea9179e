//! CPU time of one evaluation, and containment of whatever goes wrong inside it.
//!
//! Operations are counted by Rhai; this is the second line for operations that are expensive by themselves. CPU time
//! of the thread is measured, not wall time: a machine that was asleep or overloaded must not fail an honest rule.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rhai::EvalAltResult;
use rustix::time::{ClockId, clock_gettime};

use crate::limits;

/// What `on_progress` hands over when the time is used up.
pub(crate) const OUT_OF_TIME: &str = "out of time";

/// How many operations pass between two looks at the clock.
const OPERATIONS_PER_LOOK: u64 = 64;

thread_local! {
    /// When the evaluation that runs on this thread must be over, in CPU time of the thread.
    static DEADLINE: Cell<Duration> = const { Cell::new(Duration::MAX) };
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Whether the evaluation on this thread has used up its time; looked at every few operations.
pub(crate) fn is_exhausted(operations: u64) -> bool {
    operations.is_multiple_of(OPERATIONS_PER_LOOK) && cpu_time() > DEADLINE.get()
}

/// Runs one evaluation on this thread within its CPU time; a panic inside the interpreter becomes an error.
///
/// # Errors
/// What the evaluation gave.
pub(crate) fn within<T>(
    evaluate: impl FnOnce() -> Result<T, Box<EvalAltResult>>,
) -> Result<T, Box<EvalAltResult>> {
    DEADLINE.set(cpu_time() + limits::CPU);
    let result = catch_unwind(AssertUnwindSafe(evaluate));
    DEADLINE.set(Duration::MAX);
    result.unwrap_or_else(|_| Err("the interpreter failed on this event".into()))
}
