//! The states of a call in a mode.

use funes_core::store::Present;
use pyo3::prelude::*;

use crate::call::machine::{Machine, State, Step, Waited};
use crate::call::mode::{self, Mode};
use crate::call::switched_call::is_fresh;
use crate::flight::in_flight::InFlightCall;

/// Returns the first state of a call with a key that does not take the usual way.
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
        if self.asks_remote(py) {
            return Ok(Step::Go(State::AskRemote));
        }
        match (&self.flight, self.mode) {
            (_, Mode::Offline) => Ok(Step::Go(State::Refuse)),
            // Taking the key would create a file.
            (_, Mode::ReadOnly) => {
                self.core.get().count_uncached(py, "mode readonly");
                Ok(Step::Go(State::Log))
            }
            (Some(flight), _) if self.may_compute => {
                InFlightCall::enter(flight.bind(py))?;
                Ok(Step::Go(State::Log))
            }
            // Another call still holds the key.
            _ => self.end(py, false).map(|()| Step::Go(State::TakeKey)),
        }
    }

    /// Returns what follows a hit.
    pub(super) fn after_hit<'py>(&mut self, output: Bound<'py, PyAny>) -> Step<'py> {
        if self.state != State::Reload && self.mode.computes() && mode::draws_recheck() {
            self.found = Some(output.unbind());
            return Step::Go(State::Recheck);
        }
        Step::Done(output)
    }

    /// Returns whether the entry is expired, so that it is replaced. A mode that writes nothing serves it after a warning.
    pub(super) fn is_expired(&mut self, py: Python<'_>) -> bool {
        let core = self.core.get();
        let Some(max_age) = core.max_age else { return false };
        if self.has_warned || self.state == State::Reload {
            return false;
        }
        let stored = core.time_stored(self.memo.bind(py), &self.call().sought());
        let is_expired = stored.is_some() && !is_fresh(stored, max_age);
        self.present = if is_expired && self.mode.writes() { Present::IsReplaced } else { Present::Stays };
        is_expired
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
        if let Some(requested) = self.requested
            && let Some(output) = self.core.get().recall_newer(self.memo.bind(py), self.call(), requested)?
        {
            return Ok(Step::Done(output));
        }
        self.waited = Waited::default();
        self.after_miss(py)
    }
}
