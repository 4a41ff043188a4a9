//! Detects that a call is near the end of the thread's stack, or near the end of the interpreter.

use std::cell::Cell;

use pyo3::prelude::*;

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
#[cfg(any(Py_3_13, not(windows)))]
pub(crate) fn is_finalizing(_: Python<'_>) -> bool {
    #[cfg(Py_3_13)]
    use pyo3::ffi::Py_IsFinalizing;
    #[cfg(not(Py_3_13))]
    unsafe extern "C" {
        #[link_name = "_Py_IsFinalizing"]
        fn Py_IsFinalizing() -> std::ffi::c_int;
    }
    // SAFETY: the function reads a number of the runtime.
    unsafe { Py_IsFinalizing() != 0 }
}

/// Returns whether the interpreter is shutting down, as Python code finds out: before Python 3.13, PyO3 does not link
/// the function on Windows.
#[cfg(all(windows, not(Py_3_13)))]
pub(crate) fn is_finalizing(py: Python<'_>) -> bool {
    use crate::lazy::Lazy;

    static IS_FINALIZING: Lazy<Py<PyAny>> = Lazy::new();
    IS_FINALIZING
        .import(py, "sys", "is_finalizing")
        .and_then(|is_finalizing| is_finalizing.call0()?.is_truthy())
        .unwrap_or(true)
}
