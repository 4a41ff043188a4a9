//! Detects that a call is near the end of the thread's stack, or near the end of the interpreter.

use std::cell::Cell;

use pyo3::prelude::*;

use crate::lazy::Lazy;

/// Bytes of a thread's stack that must be free for a call to compute; in a thread with a small
/// stack, half of the most that was ever free. Interpreters before 3.12 only count calls, up to the
/// recursion limit, and exceeding the stack ends the process.
const STACK_RESERVE: usize = 192 << 10;

/// Returns whether a recursion is near the end of this thread's stack.
pub(crate) fn is_stack_used_up() -> bool {
    thread_local! {
        /// The most free space at any check.
        static MOST: Cell<usize> = const { Cell::new(0) };
    }
    stacker::remaining_stack().is_some_and(|remaining| {
        let most = MOST.get().max(remaining);
        MOST.set(most);
        remaining < STACK_RESERVE.min(most / 2)
    })
}

/// Returns whether the interpreter is shutting down: modules that the cache needs are gone, and
/// results need not be kept.
pub(crate) fn is_finalizing(py: Python<'_>) -> bool {
    static IS_FINALIZING: Lazy<Py<PyAny>> = Lazy::new();
    IS_FINALIZING
        .import(py, "sys", "is_finalizing")
        .and_then(|is_finalizing| is_finalizing.call0()?.is_truthy())
        .unwrap_or(true)
}
