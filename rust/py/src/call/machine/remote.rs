//! The states of a function with a remote cache: `remote=`.
//!
//! The remote cache is asked once per call, by the call that would compute otherwise. An entry that it has is published
//! in the cache folder, and then found as any other.

use funes_core::store::Present;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::call::core::Core;
use crate::call::machine::{Machine, State, Step, ask};
use crate::call::mode::Mode;
use crate::hooks;
use crate::store::disk_hit::ReadHint;

impl Core {
    /// Returns whether calls use a remote cache.
    fn has_remote(&self, memo: &Bound<'_, PyAny>) -> bool {
        self.store(memo).is_ok_and(|store| store.get().remote.is_some())
    }
}

impl Machine {
    /// Returns whether the remote cache is asked next, instead of computing.
    pub(super) fn asks_remote(&self, py: Python<'_>) -> bool {
        let core = self.core.get();
        let would_compute = match self.mode {
            Mode::Refresh | Mode::Off | Mode::Barred => false,
            Mode::Usual if core.single_flight => self.flight.is_some() && self.may_compute,
            Mode::Usual | Mode::Offline | Mode::ReadOnly => true,
        };
        would_compute && !self.has_asked && core.has_remote(self.memo.bind(py))
    }

    /// Asks the remote cache. `answer`: None if it has no entry; True if its entry was published; or, in a mode that
    /// writes nothing, the result or remembered error, the run time, and whether it is an error.
    pub(super) fn ask_remote<'py>(
        &mut self,
        py: Python<'py>,
        answer: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Step<'py>> {
        let core = self.core.get();
        let Some(answer) = answer else {
            let hook = if core.is_async { &hooks::ASK_REMOTE_IN_TASK } else { &hooks::ASK_REMOTE };
            return ask(py, hook, (&self.memo, &self.call, self.present == Present::IsReplaced));
        };
        self.has_asked = true;
        if let Ok(found) = answer.cast::<PyTuple>() {
            let (output, seconds, is_error) = found.extract::<(Bound<'py, PyAny>, f64, bool)>()?;
            self.call().note_missed(false);
            core.counters.disk_hit(seconds);
            return Ok(if is_error { Step::Raise(PyErr::from_value(output)) } else { self.after_hit(output) });
        }
        if answer.is_truthy()? {
            self.hint = ReadHint::Refresh;
            return Ok(Step::Go(State::LookAgain));
        }
        self.after_miss(py)
    }

    /// Returns whether the stored result or remembered error is offered to the remote cache.
    pub(super) fn is_offered(&self, py: Python<'_>) -> bool {
        self.ran().is_stored && self.core.get().has_remote(self.memo.bind(py))
    }
}
