//! What one event may cost: operations, CPU time, memory and stack, and containment of whatever goes wrong.
//!
//! CPU time of the thread is measured, not wall time: a machine that was asleep or overloaded must not fail an honest
//! rule. Memory is what the thread holds more than when the event began, as the allocator of `sluicebox-heap` counts
//! it; in a program without it that limit is off, and all others hold. The stack is measured because an overflow would
//! end the process, and no number of levels says how large a frame is. Invariant: all four are looked at between
//! operations only, so whatever one operation does is bounded by the sizes of `limits`.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rhai::{EvalAltResult, Position};
use rustix::time::{ClockId, clock_gettime};

use crate::limits;

/// What ends an evaluation after too many operations; `try` cannot catch it.
pub(crate) const OUT_OF_OPERATIONS: &str = "out of operations";
/// What ends an evaluation whose time is used up.
pub(crate) const OUT_OF_TIME: &str = "out of time";
/// What ends an evaluation that holds too much.
pub(crate) const OUT_OF_MEMORY: &str = "out of memory";

/// What ends an evaluation that needs too much of the stack.
pub(crate) const OUT_OF_STACK: &str = "out of stack";

/// How many operations pass between two looks at the clock.
const OPERATIONS_PER_LOOK: u64 = 64;
/// How long an event may take before its thread is asked how much of that it worked.
const UNASKED: Duration = Duration::from_millis(10);
/// How many bytes costly functions may work through between two looks at the clock.
const WORK_PER_LOOK: usize = 256 << 10;

/// What the literals of a script are taken to have, in bytes.
const LITERAL: usize = 4 << 10;

thread_local! {
    /// Whether an event is being worked on.
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
    /// When a clock was looked at first.
    static FIRST_LOOK: Cell<Option<Duration>> = const { Cell::new(None) };
    /// When it must be over, in CPU time of the thread; none before the thread was asked.
    static DEADLINE: Cell<Option<Duration>> = const { Cell::new(None) };
    /// Operations so far.
    static OPERATIONS: Cell<u64> = const { Cell::new(0) };
    /// Where the stack stood when the evaluation began.
    static BASE: Cell<usize> = const { Cell::new(0) };
    /// What the thread held when it began, or the least since.
    static MARK: Cell<isize> = const { Cell::new(isize::MAX) };
    /// Bytes that costly functions have worked through since the last look at the clock.
    static WORK: Cell<usize> = const { Cell::new(0) };
    /// How much larger the texts of variables may have become since they were measured.
    static GROWN: Cell<usize> = const { Cell::new(0) };
    /// Bytes of the largest text when they were measured, and what was held then.
    static LARGEST: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
    /// Bytes of the event's own JSON.
    static EVENT: Cell<usize> = const { Cell::new(0) };
    /// Why the evaluation must end.
    static END: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// One event is being worked on; it is over when this is dropped.
#[must_use]
pub(crate) struct Budget {
    is_outermost: bool,
}

/// Begins an event, or joins the one that has begun: reading it, running the rule and writing what came of it share
/// one budget.
pub(crate) fn begin() -> Budget {
    let is_outermost = !IS_RUNNING.replace(true);
    if is_outermost {
        FIRST_LOOK.set(None);
        DEADLINE.set(None);
        MARK.set(sluicebox_heap::held());
        WORK.set(0);
        EVENT.set(0);
    }
    Budget { is_outermost }
}

impl Drop for Budget {
    fn drop(&mut self) {
        if self.is_outermost {
            IS_RUNNING.set(false);
        }
    }
}

/// Bytes that this event holds. What was there before it and is freed meanwhile (an old entry of a cache) gives it no
/// more room.
pub(crate) fn held() -> usize {
    let now = sluicebox_heap::held();
    let mark = MARK.get().min(now);
    MARK.set(mark);
    now.wrapping_sub(mark).cast_unsigned()
}

/// Whether the event holds too much.
pub(crate) fn is_out_of_memory() -> bool {
    held() > limits::MEMORY
}

/// Called after every operation: why the evaluation must end, if it must. Once it must, every further operation is told
/// so: sorting, for one, takes an error of the function that compares for an answer and goes on.
///
/// Rhai counts operations as well, but what a function does that was given to another function it counts apart.
pub(crate) fn overrun() -> Option<&'static str> {
    if !IS_RUNNING.get() {
        return None;
    }
    let operations = OPERATIONS.get() + 1;
    OPERATIONS.set(operations);
    if END.get().is_none() {
        let looks = operations.is_multiple_of(OPERATIONS_PER_LOOK) || WORK.get() >= WORK_PER_LOOK;
        if operations > limits::OPERATIONS {
            end(OUT_OF_OPERATIONS);
        } else if is_out_of_memory() {
            end(OUT_OF_MEMORY);
        } else if BASE.get().abs_diff(stack_address()) > limits::STACK_BYTES {
            end(OUT_OF_STACK);
        } else if looks && is_out_of_time() {
            end(OUT_OF_TIME);
        }
    }
    END.get()
}

/// Where the stack of this thread stands, roughly.
fn stack_address() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here).addr()
}

fn is_out_of_time() -> bool {
    WORK.set(0);
    // No thread works longer than time passes, and asking for the time alone does not take a call into the kernel.
    let passing = clock(ClockId::Monotonic);
    let first = FIRST_LOOK.get().unwrap_or(passing);
    FIRST_LOOK.set(Some(first));
    if passing.saturating_sub(first) < UNASKED {
        return false;
    }
    let worked = clock(ClockId::ThreadCPUTime);
    let deadline = DEADLINE.get().unwrap_or(worked + limits::CPU);
    DEADLINE.set(Some(deadline));
    worked > deadline
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// A costly function is about to work through so many bytes.
///
/// # Errors
/// The event has used up its time or memory.
pub(crate) fn work(bytes: usize) -> Result<(), Box<EvalAltResult>> {
    WORK.set(WORK.get().saturating_add(bytes));
    if is_out_of_memory() {
        return Err(ended(OUT_OF_MEMORY));
    }
    if WORK.get() >= WORK_PER_LOOK && is_out_of_time() {
        return Err(ended(OUT_OF_TIME));
    }
    Ok(())
}

/// An event of so many bytes is about to be read.
pub(crate) fn reads(bytes: usize) {
    EVENT.set(bytes);
}

/// Bytes of the event's own JSON.
pub(crate) fn event_bytes() -> usize {
    EVENT.get()
}

/// A variable is used: how much larger the texts of variables may have become since they were measured. One assignment
/// adds a text at most: one of those that were there, a literal of the script, or one that was made since.
pub(crate) fn text_grown() -> usize {
    let held = held();
    let text = LARGEST.get().map_or(held, |(largest, before)| largest + held.saturating_sub(before));
    let grown = GROWN.get().saturating_add(text.min(limits::TEXT_BYTES));
    GROWN.set(grown);
    grown
}

/// The texts of all variables were measured; the largest has so many bytes.
pub(crate) fn measured(largest: usize) {
    GROWN.set(0);
    LARGEST.set(Some((largest.max(LITERAL), held())));
}

/// Ends the evaluation after this operation, also where Rhai does not pass errors on.
pub(crate) fn end(why: &'static str) {
    END.set(Some(why));
}

/// The error that ends the evaluation: for one of the reasons here, or for a size of [`limits`].
#[allow(clippy::unnecessary_box_returns, reason = "it is what Rhai's functions fail with")]
pub(crate) fn ended(why: &'static str) -> Box<EvalAltResult> {
    end(why);
    EvalAltResult::ErrorTerminated(why.into(), Position::NONE).into()
}

/// Runs one evaluation on this thread within the budget; a panic inside the interpreter becomes an error.
///
/// # Errors
/// What the evaluation gave.
pub(crate) fn within<T>(
    evaluate: impl FnOnce() -> Result<T, Box<EvalAltResult>>,
) -> Result<T, Box<EvalAltResult>> {
    let _budget = begin();
    OPERATIONS.set(0);
    BASE.set(stack_address());
    GROWN.set(0);
    LARGEST.set(None);
    END.set(None);
    let result = catch_unwind(AssertUnwindSafe(evaluate));
    match (result, END.take()) {
        (Ok(Ok(_)), Some(why)) => Err(ended(why)),
        (Ok(result), _) => result,
        (Err(_), _) => Err("the interpreter failed on this event".into()),
    }
}
