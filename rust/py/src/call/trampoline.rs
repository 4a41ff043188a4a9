//! What is left of a call whose result is not in memory: pieces of Python code, one after the other, the function itself
//! among them.
//!
//! They run with a single frame of ours below them on the stack, [`run`], which is small and has nothing to clean up. So a
//! recursion gets as deep as that of the plain function. And a daemon thread, which the interpreter ends at its own end by
//! unwinding the stack (before Python 3.14), can be ended: a frame that catches panics would abort the process.

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

/// What a call has come to.
pub(crate) enum Outcome<'py> {
    Done(Bound<'py, PyAny>),
    Next(Box<PythonCall>),
}

/// Python code to be run, and what is to be done with what it returns.
pub(crate) struct PythonCall {
    callable: Py<PyAny>,
    args: Py<PyTuple>,
    kwargs: Option<Py<PyDict>>,
    then: Continuation,
}

enum Continuation {
    /// It is the call's result.
    Return,
    /// It is `(result,)`, or what is to be told of the run of the function, or None if nobody is.
    Compute(FunctionCall),
    /// It is what the function returned, to be kept.
    Keep { computation: Option<Computation>, run: Option<u64>, started: Instant, counters: Arc<Counters> },
    /// It is None, or `(result,)` where the caller is to get another object than the function returned. Others go on, if
    /// they have not been let yet.
    Give { output: Py<PyAny>, computation: Option<fast_miss::Computation> },
    /// It is whether anybody wants to know that this call is computed.
    TakeUp { fast_miss: fast_miss::FastMiss, plain: FunctionCall },
}

/// What is to be told of the run of the function.
enum Computation {
    Ours(fast_miss::Computation),
    /// Python's own: it has the methods `finish` and `abandon`.
    Python(Py<PyAny>),
}

/// The call of the plain function.
pub(crate) struct FunctionCall {
    pub(crate) function: Py<PyAny>,
    pub(crate) args: Py<PyTuple>,
    pub(crate) kwargs: Option<Py<PyDict>>,
    pub(crate) counters: Arc<Counters>,
    /// The definitions that say what it may change.
    pub(crate) definitions: Vec<Py<Definition>>,
}

impl<'py> Outcome<'py> {
    /// Calls what returns the result.
    pub(crate) fn call(callable: Bound<'py, PyAny>, args: Bound<'py, PyTuple>) -> Self {
        Self::next(callable, args, Continuation::Return)
    }

    /// Calls what looks for the result, or says what to do once the function has run.
    pub(crate) fn begin(callable: Bound<'py, PyAny>, args: Bound<'py, PyTuple>, plain: FunctionCall) -> Self {
        Self::next(callable, args, Continuation::Compute(plain))
    }

    /// Calls what says whether anybody wants to know of a miss about which nothing else is unusual.
    pub(crate) fn take_up(callable: Bound<'py, PyAny>, fast_miss: fast_miss::FastMiss, plain: FunctionCall) -> Self {
        let args = PyTuple::empty(callable.py());
        Self::next(callable, args, Continuation::TakeUp { fast_miss, plain })
    }

    /// Calls what keeps a result, and gives the result.
    pub(crate) fn give(
        callable: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        output: Bound<'py, PyAny>,
        computation: Option<fast_miss::Computation>,
    ) -> Self {
        Self::next(callable, args, Continuation::Give { output: output.unbind(), computation })
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

    /// Runs the function, whose result is to be kept.
    pub(crate) fn compute<'py>(self, py: Python<'_>, computation: fast_miss::Computation) -> Outcome<'py> {
        self.run_for(py, Some(Computation::Ours(computation)))
    }

    fn run_for<'py>(self, py: Python<'_>, computation: Option<Computation>) -> Outcome<'py> {
        let Self { function, args, kwargs, counters, definitions } = self;
        counters.miss();
        let run = (!definitions.is_empty()).then(|| changed_state::begun(py, &function, definitions, true));
        let then = Continuation::Keep { computation, run, started: Instant::now(), counters };
        Outcome::Next(Box::new(PythonCall { callable: function, args, kwargs, then }))
    }
}

impl Computation {
    fn finish(self, output: Bound<'_, PyAny>, seconds: f64) -> PyResult<Outcome<'_>> {
        let py = output.py();
        match self {
            Self::Ours(computation) => computation.finish(output, seconds),
            Self::Python(computation) => {
                let finish = computation.bind(py).getattr(intern!(py, "finish"))?;
                let args = (&output, seconds).into_pyobject(py)?;
                Ok(Outcome::give(finish, args, output, None))
            }
        }
    }

    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Ours(computation) => computation.abandon(py),
            Self::Python(computation) => computation.bind(py).call_method0(intern!(py, "abandon")).map(drop),
        }
    }
}

/// Too deep in a recursion for the cache is not yet too deep for the function: then it is left out.
fn is_too_deep(error: &PyErr, py: Python<'_>) -> bool {
    error.is_instance_of::<PyRecursionError>(py)
}

impl Continuation {
    fn go_on<'py>(self, py: Python<'py>, returned: PyResult<Bound<'py, PyAny>>) -> PyResult<Outcome<'py>> {
        match self {
            Self::Return => returned.map(Outcome::Done),
            Self::Compute(plain) => match returned {
                Ok(begun) => match begun.cast_exact::<PyTuple>() {
                    Ok(found) => found.get_item(0).map(Outcome::Done),
                    Err(_) if begun.is_none() => Ok(plain.run(py)),
                    Err(_) => Ok(plain.run_for(py, Some(Computation::Python(begun.unbind())))),
                },
                Err(error) if is_too_deep(&error, py) => Ok(plain.run(py)),
                Err(error) => Err(error),
            },
            Self::Keep { computation, run, started, counters } => {
                let seconds = started.elapsed().as_secs_f64();
                let noted = run.map_or(Ok(()), |run| changed_state::ended(py, run));
                match returned {
                    Ok(output) => {
                        counters.computed(seconds);
                        if let Err(error) = noted {
                            let _ = computation.map(|computation| computation.abandon(py));
                            return Err(error);
                        }
                        match computation {
                            Some(computation) => computation.finish(output, seconds),
                            None => Ok(Outcome::Done(output)),
                        }
                    }
                    Err(error) => {
                        // What the function raised matters more than what is raised here.
                        let _ = computation.map(|computation| computation.abandon(py));
                        Err(error)
                    }
                }
            }
            Self::Give { output, computation } => {
                let ended = computation.map_or(Ok(()), |computation| computation.abandon(py));
                let output = match returned {
                    Err(error) if !is_too_deep(&error, py) => return Err(error),
                    Ok(kept) if kept.is_exact_instance_of::<PyTuple>() => kept.get_item(0)?,
                    _ => output.into_bound(py),
                };
                ended.map(|()| Outcome::Done(output))
            }
            Self::TakeUp { fast_miss, plain } => fast_miss.go_on(py, returned, plain),
        }
    }
}

/// A [`Outcome`] that nothing has to be done about when the stack is unwound: one of the two is null, or both are after an
/// error, which the interpreter has.
#[derive(Clone, Copy)]
struct RawOutcome {
    output: *mut ffi::PyObject,
    pending: *mut PythonCall,
}

/// Takes all steps of a call, of which `first` is the first.
///
/// # Safety
///
/// The thread is attached to the interpreter, and nobody above on the stack has anything to clean up.
#[inline]
pub(crate) unsafe fn run<'py>(first: impl FnOnce(Python<'py>) -> PyResult<Outcome<'py>>) -> *mut ffi::PyObject {
    type Call =
        unsafe extern "C-unwind" fn(*mut ffi::PyObject, *mut ffi::PyObject, *mut ffi::PyObject) -> *mut ffi::PyObject;
    // SAFETY: it is the same function; that a thread may be ended within is all that the type says besides. What is
    // pending is owned by this frame from one step to the next, and left behind where the thread ends.
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
/// Both are the caller's own, and given away; the second may be null, with an error set.
#[inline(never)]
unsafe fn go_on(pending: *mut PythonCall, returned: *mut ffi::PyObject) -> RawOutcome {
    guarded(|py| {
        // SAFETY: as this function demands. The thread is attached, so that PyO3 need not look whether it can be: it
        // could not be sure of that at the interpreter's end.
        unsafe {
            let pending = Box::from_raw(pending);
            let returned = Bound::from_owned_ptr_or_err(py, returned);
            Python::attach_unchecked(|_| pending.then.go_on(py, returned))
        }
    })
}

/// Takes one step. A panic, which would be a mistake in funes, becomes an exception.
#[inline(never)]
fn guarded<'py>(work: impl FnOnce(Python<'py>) -> PyResult<Outcome<'py>>) -> RawOutcome {
    // SAFETY: the interpreter calls its slots from threads that are attached to it.
    let py = unsafe { Python::assume_attached() };
    let error = match catch_unwind(AssertUnwindSafe(|| work(py))) {
        Ok(Ok(Outcome::Done(output))) => return RawOutcome { output: output.into_ptr(), pending: ptr::null_mut() },
        Ok(Ok(Outcome::Next(pending))) => {
            return RawOutcome { output: ptr::null_mut(), pending: Box::into_raw(pending) };
        }
        Ok(Err(error)) => error,
        Err(_) => mistake(),
    };
    error.restore(py);
    RawOutcome { output: ptr::null_mut(), pending: ptr::null_mut() }
}

/// What is raised after a panic.
pub(crate) fn mistake() -> PyErr {
    PySystemError::new_err("funes made a mistake; please report it with what was printed above")
}
