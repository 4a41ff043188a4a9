//! Runs the Python code of a plain or seeded call: its leaves and the function.
//!
//! Only one frame of funes is on the stack meanwhile: [`run`], which is small and has no
//! destructors. So a recursion gets as deep as without the decorator. The interpreter may also end
//! a daemon thread by unwinding its stack (at its own end, before Python 3.14): a frame that
//! catches panics would abort the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::call::machine::{Machine, Outcome, Request};

/// An [`Outcome`] without a destructor, since the stack may be unwound. One of the two pointers is
/// null; both are after an error, which the interpreter holds.
#[derive(Clone, Copy)]
struct RawOutcome {
    output: *mut ffi::PyObject,
    machine: *mut Machine,
}

/// Runs a call to its end, beginning with `first`.
///
/// # Safety
///
/// The thread is attached to the interpreter, and no frame above on the stack has a destructor to
/// run.
#[inline]
pub(crate) unsafe fn run<'py>(first: impl FnOnce(Python<'py>) -> PyResult<Outcome<'py>>) -> *mut ffi::PyObject {
    type Call =
        unsafe extern "C-unwind" fn(*mut ffi::PyObject, *mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject;
    // SAFETY: the transmute changes only the ABI of the same function to one that allows unwinding,
    // since a thread may be ended within it. This frame owns the machine from one step to the next,
    // and leaks it if the thread ends.
    unsafe {
        let call: Call = std::mem::transmute(ffi::PyObject_Call as *const ());
        let mut step = guarded(first);
        while let Some(machine) = step.machine.as_ref()
            && let Some(Request { callable, args, kwargs }) = &machine.request
        {
            let kwargs = if let Some(kwargs) = kwargs { kwargs.as_ptr() } else { ptr::null_mut() };
            let returned = call(callable.as_ptr(), args.as_ptr(), kwargs);
            step = go_on(step.machine, returned);
        }
        step.output
    }
}

/// Looks for a result before [`run`] takes the general path. Returns null if there is none, also after a panic.
#[cfg(not(Py_GIL_DISABLED))]
#[inline]
pub(crate) fn attempt<'py>(look: impl FnOnce(Python<'py>) -> Option<Bound<'py, PyAny>>) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls slots from attached threads.
    let py = unsafe { Python::assume_attached() };
    let output = catch_unwind(AssertUnwindSafe(|| look(py).map_or(ptr::null_mut(), Bound::into_ptr)));
    output.unwrap_or(ptr::null_mut())
}

/// # Safety
///
/// The caller owns both pointers and passes on the ownership. The second may be null with an error
/// set.
#[inline(never)]
unsafe fn go_on(machine: *mut Machine, returned: *mut ffi::PyObject) -> RawOutcome {
    guarded(|py| {
        // SAFETY: guaranteed by the caller. The thread is attached, so PyO3 need not check that it
        // can be, which it could not be sure of at the interpreter's end.
        unsafe {
            let machine = Box::from_raw(machine);
            let returned = Bound::from_owned_ptr_or_err(py, returned);
            Python::attach_unchecked(|_| machine.go_on(py, Some(returned)))
        }
    })
}

/// Runs one step. A panic, which would be a bug in funes, becomes an exception.
#[inline(never)]
fn guarded<'py>(work: impl FnOnce(Python<'py>) -> PyResult<Outcome<'py>>) -> RawOutcome {
    // SAFETY: the interpreter calls slots from attached threads.
    let py = unsafe { Python::assume_attached() };
    let error = match catch_unwind(AssertUnwindSafe(|| work(py))) {
        Ok(Ok(Outcome::Done(output))) => return RawOutcome { output: output.into_ptr(), machine: ptr::null_mut() },
        Ok(Ok(Outcome::Asks(machine))) => {
            return RawOutcome { output: ptr::null_mut(), machine: Box::into_raw(machine) };
        }
        Ok(Err(error)) => error,
        Err(_) => internal_error(),
    };
    error.restore(py);
    RawOutcome { output: ptr::null_mut(), machine: ptr::null_mut() }
}

/// Returns the error that is raised after a panic.
pub(crate) fn internal_error() -> PyErr {
    PySystemError::new_err("internal error in funes; please report it with the output above")
}
