//! A call of a coroutine function, driven by a coroutine.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::call::call_args::CallArgs;
use crate::call::core::Core;
use crate::call::machine::{Machine, Outcome, Request};
use crate::call::mode::Mode;
use crate::gil_cell::GilCell;

/// A call of a coroutine function, for `funes._call.coroutine`.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct AsyncCall {
    /// None once the call has been continued.
    machine: GilCell<Option<Box<Machine>>>,
}

#[pymethods]
impl AsyncCall {
    /// Begins a call. Returns `(result,)`, or an object that continues the call and the Python code
    /// to call before that: function, positional and keyword arguments, and whether it returns an
    /// awaitable.
    ///
    /// With `how`, the function may be a plain one: "refresh" computes and replaces the entry, "compute" neither reads nor
    /// stores.
    #[staticmethod]
    #[pyo3(signature = (memo, args, kwargs, how=None))]
    fn begin<'py>(
        memo: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
        how: Option<&str>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let core = Core::of(memo)?;
        let outcome = CallArgs::with(args, kwargs, |call_args| {
            let mode = match how {
                None => return core.get().call::<true>(memo, call_args),
                Some("refresh") => Mode::now(memo.py())?.refreshing(),
                Some(_) => Mode::Off,
            };
            core.get().call_in_mode(memo, call_args, true, mode)
        });
        asked(memo.py(), outcome?)
    }

    /// Continues with the value that the Python code returned, or with the error that it raised.
    /// Returns the same as `begin`.
    #[pyo3(signature = (returned, error=None))]
    fn go_on<'py>(
        &self,
        returned: Bound<'py, PyAny>,
        error: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let py = returned.py();
        let machine =
            self.machine.with(py, Option::take).ok_or_else(|| PyRuntimeError::new_err("the call has gone on"))?;
        let answer = error.map_or(Ok(returned), |error| Err(PyErr::from_value(error)));
        asked(py, machine.go_on(py, Some(answer))?)
    }
}

fn asked<'py>(py: Python<'py>, outcome: Outcome<'py>) -> PyResult<Bound<'py, PyTuple>> {
    match outcome {
        Outcome::Done(output) => PyTuple::new(py, [output]),
        Outcome::Asks(mut machine) => {
            let is_awaitable = machine.awaits();
            let Request { callable, args, kwargs } = machine.request.take().expect("it asks for something");
            let kwargs = kwargs.unwrap_or_else(|| PyDict::new(py).unbind());
            let call = AsyncCall { machine: GilCell::new(Some(machine)) };
            (Bound::new(py, call)?, callable, args, kwargs, is_awaitable).into_pyobject(py)
        }
    }
}
