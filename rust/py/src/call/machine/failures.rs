//! Continues after errors, and ends calls that were left by one.

use pyo3::exceptions::{PyException, PyRecursionError};
use pyo3::prelude::*;

use crate::call::machine::{Machine, State, Step};
use crate::definition::changed_state;
use crate::lazy::intern;

impl Machine {
    /// Continues after an error, or returns it.
    pub(super) fn recover<'py>(&mut self, py: Python<'py>, error: PyErr) -> PyResult<Step<'py>> {
        match self.state {
            State::Snapshot | State::DetectDraws | State::Store | State::Describe | State::Offer | State::Reload
                if error.is_instance_of::<PyException>(py) =>
            {
                Ok(self.report(error.into_value(py).into_any()))
            }
            State::Run => Err(error),
            // The caller gets the exception of the function, whatever happens to the cache.
            _ if self.ran.as_ref().is_some_and(|ran| ran.has_raised) && error.is_instance_of::<PyException>(py) => {
                Ok(self.done(py))
            }
            // The recursion is too deep for the cache. The function may still have room.
            _ if error.is_instance_of::<PyRecursionError>(py) => self.give_up(py),
            _ => Err(error),
        }
    }

    /// Continues without a key if the files that the function reads cannot be recorded: its result must not be stored.
    pub(super) fn run_unrecorded(&mut self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        if !error.is_instance_of::<PyException>(py) {
            return Err(error);
        }
        self.end(py, false)?;
        self.call = None;
        let text = format!("it ran uncached, since the files that it reads cannot be recorded: {}", error.value(py));
        let warned = self.memo.bind(py).call_method1(intern!(py, "_warn_once"), ("files", text));
        // The call must not fail, also if warnings are errors.
        drop(warned);
        Ok(())
    }

    /// Continues without the cache: runs the function, unless it has run.
    pub(super) fn give_up<'py>(&mut self, py: Python<'py>) -> PyResult<Step<'py>> {
        self.end(py, false)?;
        self.call = None;
        Ok(if self.ran.is_some() { self.done(py) } else { Step::Go(State::Run) })
    }
}

impl Drop for Machine {
    /// Ends a call that was left by an error or an interrupt.
    fn drop(&mut self) {
        if self.run.is_none() && self.flight.is_none() && !self.files.are_recorded() {
            return;
        }
        // SAFETY: the interpreter drops objects in attached threads, and steps run in them.
        let py = unsafe { Python::assume_attached() };
        let raised = PyErr::take(py);
        if let Some(run) = self.run.take() {
            let _ = changed_state::ended(py, run);
        }
        self.files.end(py);
        let _ = self.end(py, false);
        if let Some(raised) = raised {
            raised.restore(py);
        }
    }
}
