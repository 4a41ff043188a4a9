//! The state machine that owns a call whose result is not in memory: plain, seeded or async.
//!
//! Only this module decides whether a call looks for its result, waits, computes and stores. Each
//! state either goes on in Rust or asks for one call of Python code: the undecorated function, or a
//! leaf, which `Hooks` in the stub lists. `trampoline` makes these calls, or in a coroutine
//! `funes._call.coroutine`.

mod errors;
mod failures;
mod modes;
mod remote;
mod state;
mod steps;

use std::time::{Instant, SystemTime};

use funes_core::store::Present;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::call::core::Core;
use crate::call::files::FilesOfCall;
use crate::call::keyed_call::Call;
use crate::call::machine::state::{Snapshot, State};
use crate::call::mode::Mode;
use crate::call::quick_leaves;
use crate::call::random_draws::GeneratorWords;
use crate::flight::in_flight::InFlightCall;
use crate::hooks::{self, Hook};
use crate::store::disk_hit::ReadHint;

/// What follows a state.
enum Step<'py> {
    Go(State),
    Ask(&'static Hook, Bound<'py, PyTuple>),
    Run(Request),
    Done(Bound<'py, PyAny>),
    /// Raises an exception that the function raised, now or when it was stored.
    Raise(PyErr),
}

/// A call of Python code.
pub(crate) struct Request {
    pub(crate) callable: Py<PyAny>,
    pub(crate) args: Py<PyTuple>,
    pub(crate) kwargs: Option<Py<PyDict>>,
}

/// What the caller of a machine does next.
pub(crate) enum Outcome<'py> {
    Done(Bound<'py, PyAny>),
    /// Makes the call in `request`, and passes its outcome to [`Machine::go_on`].
    Asks(Box<Machine>),
}

/// How a call has ended.
pub(crate) struct Ending {
    /// The run time of the function in seconds; 0 for a hit.
    pub(crate) seconds: f64,
    pub(crate) is_hit: bool,
    pub(crate) is_stored: bool,
}

/// Counts how the waits for the key have ended.
#[derive(Default)]
struct Waited {
    /// True if another call has computed the key without storing it.
    is_useless: bool,
    /// The number of times that another process released the lock without a result.
    turns: u64,
}

/// What the function returned, or the exception that it raised and that may be stored.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
struct Ran {
    output: Py<PyAny>,
    has_raised: bool,
    seconds: f64,
    /// True if it drew random numbers without a seed.
    is_drawn: bool,
    /// True if later callers get an object that behaves differently.
    shares_memory: bool,
    is_stored: bool,
}

/// A call whose result is not in memory.
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(crate) struct Machine {
    memo: Py<PyAny>,
    core: Py<Core>,
    /// None if the call runs uncached.
    call: Option<Py<Call>>,
    function_call: Option<Request>,
    seed: Option<Py<PyAny>>,
    state: State,
    mode: Mode,
    /// What happens to an entry that is there when the result is stored.
    present: Present,
    /// The time of the call, if it refreshes the result.
    requested: Option<SystemTime>,
    /// The Python code to call next.
    pub(crate) request: Option<Request>,
    /// A leaf that is being imported, and its arguments.
    loading: Option<(&'static Hook, Py<PyTuple>)>,
    hint: ReadHint,
    has_looked: bool,
    /// True once the remote cache was asked.
    has_asked: bool,
    /// True if an expired entry was reported.
    has_warned: bool,
    /// The result that is computed again.
    found: Option<Py<PyAny>>,
    flight: Option<Py<InFlightCall>>,
    /// False if another call still holds the key of `flight`.
    may_compute: bool,
    waited: Waited,
    snapshot: Snapshot,
    /// The states of the random generators before the run, if draws count.
    words: Option<GeneratorWords>,
    /// Whole states, within a seeded run.
    states_inside: Option<Py<PyAny>>,
    /// The number of the run for `changed_state`.
    run: Option<u64>,
    files: FilesOfCall,
    /// The time when the function was called.
    started: Option<Instant>,
    ran: Option<Ran>,
    /// What to report: an error, or a text.
    reason: Py<PyAny>,
}

impl Machine {
    /// Creates the machine of a call. `key`: the call with its key; the error, if it has no key;
    /// None to run the function uncached without a warning.
    pub(crate) fn new(
        memo: &Bound<'_, PyAny>,
        core: Bound<'_, Core>,
        function_call: Request,
        seed: Option<Bound<'_, PyAny>>,
        key: Option<PyResult<Py<Call>>>,
        mode: Mode,
    ) -> Box<Self> {
        let mut reason = memo.py().None();
        let (state, call) = match key {
            None => (State::Run, None),
            Some(Err(error)) => {
                reason = error.into_value(memo.py()).into_any();
                (modes::state_without_key(mode), None)
            }
            Some(Ok(call)) if !mode.is_usual() => (modes::first_state(mode), Some(call)),
            // After a miss another one is likely. Then the entry is looked for only once.
            Some(Ok(call)) if core.get().single_flight && call.get().has_missed() => (State::TakeKey, Some(call)),
            Some(Ok(call)) => (State::Look, Some(call)),
        };
        Box::new(Self {
            memo: memo.clone().unbind(),
            core: core.unbind(),
            call,
            function_call: Some(function_call),
            seed: seed.map(Bound::unbind),
            state,
            mode,
            present: if mode == Mode::Refresh { Present::IsReplaced } else { Present::Stays },
            requested: (mode == Mode::Refresh).then(SystemTime::now),
            request: None,
            loading: None,
            // In a mode, nothing was looked for in memory yet.
            hint: if mode.is_usual() { ReadHint::ExpectHit } else { ReadHint::Refresh },
            // A call that computes in any case need not look before it waits.
            has_looked: mode == Mode::Refresh,
            has_asked: false,
            has_warned: false,
            found: None,
            flight: None,
            may_compute: true,
            waited: Waited::default(),
            snapshot: Snapshot::Failed,
            words: None,
            states_inside: None,
            run: None,
            files: FilesOfCall::default(),
            started: None,
            ran: None,
            reason,
        })
    }

    /// Returns whether the request of a coroutine function returns an awaitable.
    pub(crate) fn awaits(&self) -> bool {
        self.loading.is_none() && matches!(self.state, State::Wait | State::Run | State::Recheck | State::AskRemote)
    }

    /// Returns whether the next request waits for another call with the same key.
    pub(crate) fn is_waiting(&self) -> bool {
        self.state == State::Wait
    }

    /// Returns how a call has ended, once it has.
    pub(crate) fn ending(&self) -> Ending {
        match &self.ran {
            Some(ran) => Ending { seconds: ran.seconds, is_hit: false, is_stored: ran.is_stored },
            // Without a key, a call runs uncached.
            None => Ending { seconds: 0.0, is_hit: self.call.is_some(), is_stored: self.call.is_some() },
        }
    }

    /// Continues with the outcome of the request, until the next request or the end of the call.
    pub(crate) fn go_on<'py>(
        mut self: Box<Self>,
        py: Python<'py>,
        answer: Option<PyResult<Bound<'py, PyAny>>>,
    ) -> PyResult<Outcome<'py>> {
        Ok(match self.advance(py, answer)? {
            Some(output) => Outcome::Done(output),
            None => Outcome::Asks(self),
        })
    }

    /// Continues like [`Machine::go_on`]; returns the result, or none if there is a request.
    pub(crate) fn advance<'py>(
        &mut self,
        py: Python<'py>,
        mut answer: Option<PyResult<Bound<'py, PyAny>>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            let step = match (self.loading.take(), answer.take()) {
                (Some((hook, args)), Some(Ok(leaf))) => {
                    hook.keep(leaf);
                    Ok(Step::Ask(hook, args.into_bound(py)))
                }
                // The import fails for instance if too many files are open.
                (Some(_), Some(Err(error))) if self.state != State::Run && error.is_instance_of::<PyException>(py) => {
                    self.give_up(py)
                }
                (_, answer) => self.step(py, answer).or_else(|error| self.recover(py, error)),
            };
            self.request = Some(match step? {
                Step::Go(state) => {
                    self.state = state;
                    continue;
                }
                Step::Done(output) => return self.end(py, self.may_compute).map(|()| Some(output)),
                Step::Raise(error) => {
                    // The waiting calls look for an error that is stored. Otherwise the next one computes.
                    let is_stored = self.ran.as_ref().is_none_or(|ran| ran.is_stored);
                    return self.end(py, is_stored && self.may_compute).and(Err(error));
                }
                Step::Run(request) => request,
                Step::Ask(hook, args) => {
                    if let Some(leaf) = hook.kept(py) {
                        Request { callable: leaf.clone().unbind(), args: args.unbind(), kwargs: None }
                    } else {
                        self.loading = Some((hook, args.unbind()));
                        Request { callable: hook.loader(py)?, args: PyTuple::empty(py).unbind(), kwargs: None }
                    }
                }
            });
            return Ok(None);
        }
    }

    fn step<'py>(&mut self, py: Python<'py>, answer: Option<PyResult<Bound<'py, PyAny>>>) -> PyResult<Step<'py>> {
        if self.state == State::Run {
            return self.run(py, answer);
        }
        if self.state == State::Recheck {
            self.files.end(py);
        }
        let answer = answer.transpose()?;
        let memo = self.memo.bind(py);
        match (self.state, answer) {
            (State::Look | State::LookAgain | State::Reload, answer) => self.look(py, answer),
            (State::TakeKey, _) => self.take_key(py),
            (State::Wait, None) => {
                let hook = if self.core.get().is_async { &hooks::WAIT_IN_TASK } else { &hooks::WAIT };
                ask(py, hook, (memo, &self.flight, self.waited.turns))
            }
            (State::Wait, Some(ended)) => {
                (self.may_compute, self.waited.is_useless, self.waited.turns) = ended.extract()?;
                Ok(Step::Go(State::Rekey))
            }
            (State::Rekey, _) => self.rekey(py),
            (State::Uncached, None) => ask(py, &hooks::WARN_UNCACHED, (memo, &self.reason)),
            (State::Uncached, Some(_)) => Ok(Step::Go(State::Run)),
            (State::Log, None) => ask(py, &hooks::LOG_MISS, (memo, &self.call)),
            (State::Log, Some(_)) => Ok(self.after_log()),
            (State::WarnExpired, None) => ask(py, &hooks::WARN_EXPIRED, (memo,)),
            (State::WarnExpired, Some(_)) => {
                self.has_warned = true;
                Ok(Step::Go(State::Look))
            }
            (State::Recheck, None) => {
                // A call around this one counts the files of the hit.
                self.files.begin_ignoring(py, self.core.get())?;
                let call = self.call();
                ask(py, &hooks::RECHECK, (memo, &call.args, &call.kwargs, &self.found))
            }
            (State::Recheck, Some(_)) => Ok(Step::Done(self.found.take().expect("it was found").into_bound(py))),
            (State::Approve, None) if self.core.get().has_predicate && !self.ran().has_raised => {
                let Ran { output, seconds, .. } = self.ran();
                ask(py, &hooks::MAY_STORE, (memo, output, seconds))
            }
            (State::Approve, Some(answer)) if !answer.is_truthy()? => Ok(self.done(py)),
            (State::Approve, _) => Ok(Step::Go(State::Store)),
            (State::AskRemote, answer) => self.ask_remote(py, answer),
            (State::LookForError, answer) => self.look_for_error(py, answer),
            (State::Refuse, _) => ask(py, &hooks::REFUSE_MISS, (memo, &self.call, &self.reason)),
            (State::Snapshot, None) => {
                let inputs = &self.call().inputs;
                if !quick_leaves::need_no_snapshot(inputs.bind(py), self.core.get().large_argument) {
                    return ask(py, &hooks::TAKE_SNAPSHOT, (inputs,));
                }
                self.snapshot = Snapshot::NotNeeded;
                Ok(Step::Go(State::NoteGenerators))
            }
            (State::Snapshot, Some(taken)) => {
                self.snapshot = Snapshot::Taken(taken.unbind());
                Ok(Step::Go(State::NoteGenerators))
            }
            (State::NoteGenerators, answer) => self.note_generators(py, answer),
            (State::DetectDraws, answer) => self.detect_draws(py, answer),
            (State::Check, None) => self.check(py),
            (State::Store, answer) if self.ran().has_raised => self.store_error(py, answer),
            (State::Store, answer) => self.store(py, answer),
            (State::Describe, answer) => {
                let core = self.core.get();
                let current = self.call().current.get();
                match answer {
                    Some(is_recorded) => current.description_watch.note(is_recorded.is_truthy()?),
                    None if core.is_described(memo, current) => {}
                    None => return ask(py, &hooks::RECORD_DEFINITION, (memo, &self.call)),
                }
                Ok(if self.is_offered(py) { Step::Go(State::Offer) } else { self.after_store(py) })
            }
            (State::Offer, None) => {
                let replaces = self.present == Present::IsReplaced;
                ask(py, &hooks::OFFER_TO_REMOTE, (memo, &self.call, replaces, self.ran().has_raised))
            }
            (State::Offer, Some(_)) => Ok(self.after_store(py)),
            (State::Report, None) => {
                let has_raised = self.ran.as_ref().is_some_and(|ran| ran.has_raised);
                ask(py, &hooks::REPORT_UNSTORED, (memo, &self.reason, has_raised))
            }
            (State::Report, Some(_)) if self.ran.is_none() => Ok(Step::Go(State::NoteGenerators)),
            (State::Check | State::Report | State::Run, _) => Ok(self.done(py)),
        }
    }

    fn report<'py>(&mut self, reason: Py<PyAny>) -> Step<'py> {
        self.reason = reason;
        Step::Go(State::Report)
    }

    fn done<'py>(&self, py: Python<'py>) -> Step<'py> {
        let output = self.ran().output.bind(py).clone();
        if self.ran().has_raised { Step::Raise(PyErr::from_value(output)) } else { Step::Done(output) }
    }

    fn after_store<'py>(&mut self, py: Python<'py>) -> Step<'py> {
        self.hint = ReadHint::Refresh;
        if self.ran().shares_memory { Step::Go(State::Reload) } else { self.done(py) }
    }

    fn ran(&self) -> &Ran {
        self.ran.as_ref().expect("the state is one after the run")
    }

    fn call(&self) -> &Call {
        self.call.as_ref().expect("the state is one of a call with a key").get()
    }

    /// Ends the in-flight call, and wakes the waiting calls.
    fn end(&mut self, py: Python<'_>, has_succeeded: bool) -> PyResult<()> {
        self.flight.take().map_or(Ok(()), |flight| InFlightCall::end(flight.bind(py), has_succeeded))
    }
}

/// Asks for a leaf.
fn ask<'py, A>(py: Python<'py>, hook: &'static Hook, args: A) -> PyResult<Step<'py>>
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error: Into<PyErr>>,
{
    Ok(Step::Ask(hook, args.into_pyobject(py).map_err(Into::into)?))
}
