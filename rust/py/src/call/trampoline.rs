//! Runs a call whose result is not in memory as a sequence of calls of Python code, the function
//! among them.
//!
//! Only one frame of funes is below them on the stack: [`run`], which is small and has no
//! destructors. Therefore a recursion gets as deep as without the decorator. The interpreter may
//! also end a daemon thread by unwinding its stack (at its own end, before Python 3.14): a frame
//! that catches panics would abort the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::time::Instant;

use pyo3::exceptions::{PyRecursionError, PySystemError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::call::fast_miss;
use crate::definition::changed_state;
use crate::definition::graph::Definition;
use crate::lazy::intern;
use crate::memory::counters::Counters;

/// The state of a call between two steps.
pub(crate) enum Outcome<'py> {
    Done(Bound<'py, PyAny>),
    Next(Box<PythonCall>),
}

/// A call of Python code, and how to continue with its result.
pub(crate) struct PythonCall {
    callable: Py<PyAny>,
    args: Py<PyTuple>,
    kwargs: Option<Py<PyDict>>,
    then: Continuation,
}

enum Continuation {
    /// The callback returns the result of the call.
    Return,
    /// The callback returns `(result,)` on a hit, an object with `finish` and `abandon` on a miss,
    /// or None to run uncached.
    Begin(FunctionCall),
    /// The function has returned its result, which is stored now.
    Finish { computation: Option<Computation>, run: Option<u64>, started: Instant, counters: Arc<Counters> },
    /// The callback returns `(result,)` if the caller must get another object than the function
    /// returned, else None. Waiting calls are woken unless the callback has done so.
    Stored { output: Py<PyAny>, computation: Option<fast_miss::Computation> },
    /// The callback returns whether misses are logged.
    StartFastMiss { fast_miss: fast_miss::FastMiss, function_call: FunctionCall },
}

/// Receives the outcome of the run of the function.
enum Computation {
    Fast(fast_miss::Computation),
    /// An object of Python code, with the methods `finish` and `abandon`.
    Python(Py<PyAny>),
}

/// The call of the undecorated function.
pub(crate) struct FunctionCall {
    pub(crate) function: Py<PyAny>,
    pub(crate) args: Py<PyTuple>,
    pub(crate) kwargs: Option<Py<PyDict>>,
    pub(crate) counters: Arc<Counters>,
    /// The definitions that say what the call may change.
    pub(crate) definitions: Vec<Py<Definition>>,
}

impl<'py> Outcome<'py> {
    /// Calls a function that returns the result.
    pub(crate) fn call(callable: Bound<'py, PyAny>, args: Bound<'py, PyTuple>) -> Self {
        Self::next(callable, args, Continuation::Return)
    }

    /// Calls a function that looks for the result, or returns what to do once the undecorated
    /// function has run.
    pub(crate) fn begin(callable: Bound<'py, PyAny>, args: Bound<'py, PyTuple>, function_call: FunctionCall) -> Self {
        Self::next(callable, args, Continuation::Begin(function_call))
    }

    /// Asks whether misses are logged, and continues on the fast path if not.
    pub(crate) fn start_fast_miss(
        callable: Bound<'py, PyAny>,
        fast_miss: fast_miss::FastMiss,
        function_call: FunctionCall,
    ) -> Self {
        let args = PyTuple::empty(callable.py());
        Self::next(callable, args, Continuation::StartFastMiss { fast_miss, function_call })
    }

    /// Calls a function that stores a result, and then returns the result.
    pub(crate) fn store_by_python(
        callable: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        output: Bound<'py, PyAny>,
        computation: Option<fast_miss::Computation>,
    ) -> Self {
        Self::next(callable, args, Continuation::Stored { output: output.unbind(), computation })
    }

    fn next(callable: Bound<'py, PyAny>, args: Bound<'py, PyTuple>, then: Continuation) -> Self {
        Self::Next(Box::new(PythonCall { callable: callable.unbind(), args: args.unbind(), kwargs: None, then }))
    }
}

impl FunctionCall {
    /// Runs the function without the cache.
    pub(crate) fn run<'py>(self, py: Python<'_>) -> Outcome<'py> {
        self.run_for(py, None)
    }

    /// Runs the function and passes its result to `computation`.
    pub(crate) fn compute<'py>(self, py: Python<'_>, computation: fast_miss::Computation) -> Outcome<'py> {
        self.run_for(py, Some(Computation::Fast(computation)))
    }

    fn run_for<'py>(self, py: Python<'_>, computation: Option<Computation>) -> Outcome<'py> {
        let Self { function, args, kwargs, counters, definitions } = self;
        counters.miss();
        let run = (!definitions.is_empty()).then(|| changed_state::begun(py, &function, definitions, true));
        let then = Continuation::Finish { computation, run, started: Instant::now(), counters };
        Outcome::Next(Box::new(PythonCall { callable: function, args, kwargs, then }))
    }
}

impl Computation {
    fn finish(self, output: Bound<'_, PyAny>, seconds: f64) -> PyResult<Outcome<'_>> {
        let py = output.py();
        match self {
            Self::Fast(computation) => computation.finish(output, seconds),
            Self::Python(computation) => {
                let finish = computation.bind(py).getattr(intern!(py, "finish"))?;
                let args = (&output, seconds).into_pyobject(py)?;
                Ok(Outcome::store_by_python(finish, args, output, None))
            }
        }
    }

    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Fast(computation) => computation.abandon(py),
            Self::Python(computation) => computation.bind(py).call_method0(intern!(py, "abandon")).map(drop),
        }
    }
}

/// Detects a recursion that is too deep for the cache. The function may still have room, and then
/// runs uncached.
fn is_too_deep(error: &PyErr, py: Python<'_>) -> bool {
    error.is_instance_of::<PyRecursionError>(py)
}

impl Continuation {
    fn go_on<'py>(self, py: Python<'py>, returned: PyResult<Bound<'py, PyAny>>) -> PyResult<Outcome<'py>> {
        match self {
            Self::Return => returned.map(Outcome::Done),
            Self::Begin(function_call) => match returned {
                Ok(started_by_python) => match started_by_python.cast_exact::<PyTuple>() {
                    Ok(found) => found.get_item(0).map(Outcome::Done),
                    Err(_) if started_by_python.is_none() => Ok(function_call.run(py)),
                    Err(_) => Ok(function_call.run_for(py, Some(Computation::Python(started_by_python.unbind())))),
                },
                Err(error) if is_too_deep(&error, py) => Ok(function_call.run(py)),
                Err(error) => Err(error),
            },
            Self::Finish { computation, run, started, counters } => {
                let seconds = started.elapsed().as_secs_f64();
                let recorded = run.map_or(Ok(()), |run| changed_state::ended(py, run));
                match returned {
                    Ok(output) => {
                        counters.computed(seconds);
                        if let Err(error) = recorded {
                            let _ = computation.map(|computation| computation.abandon(py));
                            return Err(error);
                        }
                        match computation {
                            Some(computation) => computation.finish(output, seconds),
                            None => Ok(Outcome::Done(output)),
                        }
                    }
                    Err(error) => {
                        // The error of the function matters more than an error here.
                        let _ = computation.map(|computation| computation.abandon(py));
                        Err(error)
                    }
                }
            }
            Self::Stored { output, computation } => {
                let ended = computation.map_or(Ok(()), |computation| computation.abandon(py));
                let output = match returned {
                    Err(error) if !is_too_deep(&error, py) => return Err(error),
                    Ok(kept) if kept.is_exact_instance_of::<PyTuple>() => kept.get_item(0)?,
                    _ => output.into_bound(py),
                };
                ended.map(|()| Outcome::Done(output))
            }
            Self::StartFastMiss { fast_miss, function_call } => fast_miss.go_on(py, returned, function_call),
        }
    }
}

/// An [`Outcome`] without a destructor, since the stack may be unwound. One of the two pointers is
/// null; both are after an error, which the interpreter holds.
#[derive(Clone, Copy)]
struct RawOutcome {
    output: *mut ffi::PyObject,
    pending: *mut PythonCall,
}

/// Runs all steps of a call, beginning with `first`.
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
    // since a thread may be ended within it. This frame owns the pending step from one step to the
    // next, and leaks it if the thread ends.
    unsafe {
        let call: Call = std::mem::transmute(ffi::PyObject_Call as *const ());
        let mut step = guarded(first);
        while !step.pending.is_null() {
            let PythonCall { callable, args, kwargs, .. } = &*step.pending;
            let kwargs = if let Some(kwargs) = kwargs { kwargs.as_ptr() } else { ptr::null_mut() };
            let returned = call(callable.as_ptr(), args.as_ptr(), kwargs);
            step = go_on(step.pending, returned);
        }
        step.output
    }
}

/// # Safety
///
/// Both pointers are owned by the caller, which gives them away. The second may be null with an
/// error set.
#[inline(never)]
unsafe fn go_on(pending: *mut PythonCall, returned: *mut ffi::PyObject) -> RawOutcome {
    guarded(|py| {
        // SAFETY: guaranteed by the caller. The thread is attached, so PyO3 need not check that it
        // can be, which it could not be sure of at the interpreter's end.
        unsafe {
            let pending = Box::from_raw(pending);
            let returned = Bound::from_owned_ptr_or_err(py, returned);
            Python::attach_unchecked(|_| pending.then.go_on(py, returned))
        }
    })
}

/// Runs one step. A panic, which would be a bug in funes, becomes an exception.
#[inline(never)]
fn guarded<'py>(work: impl FnOnce(Python<'py>) -> PyResult<Outcome<'py>>) -> RawOutcome {
    // SAFETY: the interpreter calls slots from attached threads.
    let py = unsafe { Python::assume_attached() };
    let error = match catch_unwind(AssertUnwindSafe(|| work(py))) {
        Ok(Ok(Outcome::Done(output))) => return RawOutcome { output: output.into_ptr(), pending: ptr::null_mut() },
        Ok(Ok(Outcome::Next(pending))) => {
            return RawOutcome { output: ptr::null_mut(), pending: Box::into_raw(pending) };
        }
        Ok(Err(error)) => error,
        Err(_) => internal_error(),
    };
    error.restore(py);
    RawOutcome { output: ptr::null_mut(), pending: ptr::null_mut() }
}

/// Returns the error that is raised after a panic.
pub(crate) fn internal_error() -> PyErr {
    PySystemError::new_err("internal error in funes; please report it with the output above")
}
