//! The ends that a call may come near: that of the thread's stack, and the interpreter's own.

use std::cell::Cell;

use pyo3::prelude::*;

use crate::lazy::Lazy;

/// How much of a thread's stack must be left for a call to compute, in bytes; where there never was much, half of it.
/// Interpreters before 3.12 count calls only, as many as they are told to allow, and some more on a stack that is used up
/// is the end of the process.
const STACK_RESERVE: usize = 192 << 10;

/// Whether a recursion has come near the end of this thread's stack.
pub(crate) fn is_stack_used_up() -> bool {
    thread_local! {
        /// The most that was left when it was looked.
        static MOST: Cell<usize> = const { Cell::new(0) };
    }
    stacker::remaining_stack().is_some_and(|remaining| {
        let most = MOST.get().max(remaining);
        MOST.set(most);
        remaining < STACK_RESERVE.min(most / 2)
    })
}

/// Whether the interpreter is at its end: modules are gone that the cache needs, and there is nothing to keep.
pub(crate) fn is_finalizing(py: Python<'_>) -> bool {
    static IS_FINALIZING: Lazy<Py<PyAny>> = Lazy::new();
    IS_FINALIZING
        .import(py, "sys", "is_finalizing")
        .and_then(|is_finalizing| is_finalizing.call0()?.is_truthy())
        .unwrap_or(true)
}
