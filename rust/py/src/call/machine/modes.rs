//! The states of a call in a mode.

use pyo3::prelude::*;

use crate::call::machine::{Machine, State, Step, Waited};
use crate::call::mode::Mode;
use crate::flight::in_flight::InFlightCall;

/// Returns the first state of a call with a key in a mode other than `Usual`.
pub(super) fn first_state(mode: Mode) -> State {
    match mode {
        Mode::Refresh => State::TakeKey,
        Mode::Barred => State::Refuse,
        Mode::Off => State::Run,
        Mode::Usual | Mode::ReadOnly | Mode::Offline => State::Look,
    }
}

/// Returns the first state of a call without a key.
pub(super) fn state_without_key(mode: Mode) -> State {
    if matches!(mode, Mode::Offline | Mode::Barred) { State::Refuse } else { State::Uncached }
}

impl Machine {
    /// Returns what follows a lookup that found no entry.
    pub(super) fn after_miss<'py>(&mut self, py: Python<'py>) -> PyResult<Step<'py>> {
        match (&self.flight, self.mode) {
            (_, Mode::Offline) => Ok(Step::Go(State::Refuse)),
            // Taking the key would create a file.
            (_, Mode::ReadOnly) => Ok(Step::Go(State::Log)),
            (Some(flight), _) if self.may_compute => {
                InFlightCall::enter(flight.bind(py))?;
                Ok(Step::Go(State::Log))
            }
            // Another call still holds the key.
            _ => self.end(py, false).map(|()| Step::Go(State::TakeKey)),
        }
    }

    /// Returns what follows the log line of a miss.
    pub(super) fn after_log<'py>(&mut self) -> Step<'py> {
        if self.mode == Mode::ReadOnly {
            // Runs like a call without a key.
            self.call = None;
            return Step::Go(State::Run);
        }
        Step::Go(State::Snapshot)
    }

    /// Looks for the result of a call for which this refresh has waited. A computation that began before this call is
    /// no answer.
    pub(super) fn look_for_newer<'py>(&mut self, py: Python<'py>) -> PyResult<Step<'py>> {
        if let Some(output) = self.core.get().recall_newer(self.memo.bind(py), self.call(), self.requested)? {
            return Ok(Step::Done(output));
        }
        self.waited = Waited::default();
        self.after_miss(py)
    }
}
