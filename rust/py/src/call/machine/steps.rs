//! Implements the states of a call that take more than a few lines.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use funes_core::reads::CheckedReads;
use funes_core::store::{Key, Origin, Present};
use pyo3::exceptions::{PyException, PyOSError, PyRecursionError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::call::machine::{Machine, Ran, Request, Snapshot, State, Step, Waited, ask};
use crate::call::mode::Mode;
use crate::call::quick_leaves;
use crate::call::random_draws::{self, GeneratorWords};
use crate::definition::changed_state;
use crate::flight::in_flight::InFlightCall;
use crate::hooks;
use crate::memory::cached_value::CachedValue;
use crate::memory::memory_cache::About;
use crate::store::disk_hit::{ReadHint, Recalled};
use crate::store::error::raised;
use crate::store::handle::{HeadParts, PickleParts, Store};
use crate::store::run;

impl Machine {
    /// Looks for the result. `answer`: the result that the leaf has found, as `(output,)`, or None.
    pub(super) fn look<'py>(&mut self, py: Python<'py>, answer: Option<Bound<'py, PyAny>>) -> PyResult<Step<'py>> {
        if self.mode == Mode::Refresh && self.state != State::Reload {
            return self.look_for_newer(py);
        }
        if answer.is_none() && self.is_expired(py) {
            return if self.mode.writes() { self.after_no_result(py) } else { Ok(Step::Go(State::WarnExpired)) };
        }
        let recalled = match answer {
            None => {
                let recalled = self.core.get().recall(self.memo.bind(py), &self.call().sought(), self.hint)?;
                self.files.look(recalled)
            }
            Some(found) => match found.cast::<PyTuple>() {
                Ok(found) => Recalled::Output(found.get_item(0)?),
                Err(_) => Recalled::Absent,
            },
        };
        match recalled {
            Recalled::Output(output) => {
                self.call().note_missed(false);
                return Ok(self.after_hit(output));
            }
            Recalled::NeedsPython => return ask(py, &hooks::READ_ENTRY, (&self.memo, &self.call)),
            Recalled::Absent if self.state == State::Reload => return Ok(self.done(py)),
            Recalled::Absent | Recalled::Outdated(_) => self.call().note_missed(true),
        }
        self.has_looked = true;
        self.after_no_result(py)
    }

    pub(super) fn take_key<'py>(&mut self, py: Python<'py>) -> PyResult<Step<'py>> {
        let core = self.core.get();
        if !core.single_flight {
            return Ok(Step::Go(State::Log));
        }
        let folder = match core.prepared_folder(self.memo.bind(py), self.call()) {
            Ok(folder) => folder,
            // There is no cache folder; this is reported when the entry is looked for.
            Err(error) if error.is_instance_of::<PyOSError>(py) => {
                return Ok(Step::Go(if self.has_looked { State::Log } else { State::Look }));
            }
            Err(error) => return Err(error),
        };
        let key = (folder, &self.call().arguments).into_pyobject(py)?;
        let flight = Bound::new(py, InFlightCall::new(key, core.is_async)?)?;
        self.may_compute = true;
        self.flight = Some(flight.clone().unbind());
        if self.waited.is_useless || InFlightCall::take(&flight)? {
            if self.mode == Mode::Refresh {
                return self.after_miss(py);
            }
            // The system may remember that the file of another host was missing.
            let is_fresh = !self.has_looked && flight.get().is_local();
            self.hint = if is_fresh { ReadHint::ExpectMiss } else { ReadHint::Refresh };
            return Ok(Step::Go(State::LookAgain));
        }
        if self.has_looked {
            return Ok(Step::Go(State::Wait));
        }
        self.end(py, false).map(|()| Step::Go(State::Look))
    }

    pub(super) fn rekey<'py>(&mut self, py: Python<'py>) -> PyResult<Step<'py>> {
        self.hint = ReadHint::Refresh;
        match self.core.get().rekey(self.memo.bind(py), self.call()) {
            Ok(None) => return Ok(Step::Go(State::LookAgain)),
            Ok(Some(now)) => self.call = Some(Py::new(py, now)?),
            Err(error) if error.is_instance(py, hooks::UNHASHABLE_ARGUMENT_ERROR.get(py)?) => {
                self.call = None;
                self.reason = error.into_value(py).into_any();
            }
            Err(error) => return Err(error),
        }
        self.waited = Waited::default();
        self.end(py, false)?;
        let state = if self.mode == Mode::Refresh { State::TakeKey } else { State::Look };
        Ok(Step::Go(if self.call.is_some() { state } else { State::Uncached }))
    }

    pub(super) fn note_generators<'py>(
        &mut self,
        py: Python<'py>,
        answer: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Step<'py>> {
        match answer {
            _ if self.seed.is_some() => {}
            None if random_draws::is_seeded() => return ask(py, &hooks::STATES_INSIDE, ()),
            Some(states) if !states.is_none() => self.states_inside = Some(states.unbind()),
            // Other tasks run between the steps of a coroutine and may draw; within a seeded run
            // they cannot.
            _ if self.core.get().is_async => {}
            _ => self.words = Some(GeneratorWords::now(py)?),
        }
        Ok(Step::Go(State::Run))
    }

    pub(super) fn run<'py>(
        &mut self,
        py: Python<'py>,
        answer: Option<PyResult<Bound<'py, PyAny>>>,
    ) -> PyResult<Step<'py>> {
        if answer.is_none()
            && let Err(error) = self.files.begin(py, self.core.get(), self.call.is_some())
        {
            self.run_unrecorded(py, error)?;
        }
        let core = self.core.get();
        let Some(returned) = answer else {
            if self.call.is_some() && self.mode.writes() {
                run::begin(py)?;
            }
            let Request { callable, args, kwargs } = self.function_call.take().expect("the function runs once");
            core.counters.miss();
            let definitions = core.definitions(py, self.call.as_ref().map(Py::get));
            if !definitions.is_empty() {
                self.run = Some(changed_state::begun(py, &callable, definitions, &core.changes_state, !core.is_async));
            }
            self.started = Some(Instant::now());
            let Some(seed) = &self.seed else { return Ok(Step::Run(Request { callable, args, kwargs })) };
            let hook = if core.is_async { &hooks::RUN_SEEDED_IN_TASK } else { &hooks::RUN_SEEDED };
            return ask(py, hook, (&self.memo, &self.call, seed, (callable, args, kwargs)));
        };
        let mut seconds = self.started.map_or(0.0, |started| started.elapsed().as_secs_f64());
        self.files.end(py);
        let noted = self.run.take().map_or(Ok(()), |run| changed_state::ended(py, run));
        // A seeded run passes on an exception as its output.
        let (mut output, mut has_raised) = match returned {
            Err(error) if self.seed.is_none() && self.may_remember(py, &error) => {
                (error.into_value(py).into_bound(py).into_any(), true)
            }
            returned => (returned?, false),
        };
        let mut problem = None;
        if self.seed.is_some() {
            type Seeded<'py> = (Bound<'py, PyAny>, f64, Option<Py<PyAny>>, bool);
            (output, seconds, problem, has_raised) = output.extract::<Seeded<'py>>()?;
        }
        core.counters.computed(seconds);
        noted?;
        if self.call.is_none() {
            return Ok(Step::Done(output));
        }
        let output = output.unbind();
        self.ran = Some(Ran { output, has_raised, seconds, is_drawn: false, shares_memory: false, is_stored: false });
        Ok(problem.map_or(Step::Go(State::DetectDraws), |problem| self.report(problem)))
    }

    pub(super) fn detect_draws<'py>(
        &mut self,
        py: Python<'py>,
        answer: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Step<'py>> {
        match (answer, &self.states_inside, &self.words, &mut self.ran) {
            (Some(problem), ..) if problem.is_truthy()? => return Ok(self.report(problem.unbind())),
            (None, Some(states), ..) => return ask(py, &hooks::DRAWN_INSIDE, (states,)),
            (None, None, Some(words), Some(ran)) => ran.is_drawn = words.have_moved(py)?,
            _ => {}
        }
        Ok(Step::Go(State::Check))
    }

    pub(super) fn check<'py>(&mut self, py: Python<'py>) -> PyResult<Step<'py>> {
        let snapshot = match &self.snapshot {
            Snapshot::Failed => return Ok(self.done(py)), // this has been reported
            // Only a guard of the definition can have failed.
            Snapshot::NotNeeded if self.call().current.get().holds(py) => return Ok(Step::Go(State::Approve)),
            Snapshot::NotNeeded => None,
            Snapshot::Taken(snapshot) => Some(snapshot),
        };
        let now = match self.core.get().rekey(self.memo.bind(py), self.call()) {
            Ok(None) => return Ok(Step::Go(State::Approve)),
            Ok(Some(now)) => Py::new(py, now)?.into_any(),
            Err(error) if !error.is_instance_of::<PyException>(py) => return Err(error),
            Err(error) if error.is_instance_of::<PyRecursionError>(py) => return Err(error),
            Err(error) => error.into_value(py).into_any(),
        };
        let has_raised = self.ran().has_raised;
        ask(py, &hooks::REPORT_CHANGE, (&self.memo, &self.call, now, snapshot, has_raised))
    }

    /// Stores the result. `dumped`: the pickles that the leaf returned, as `((body, fast, head),
    /// shares_memory)`.
    pub(super) fn store<'py>(&mut self, py: Python<'py>, dumped: Option<Bound<'py, PyAny>>) -> PyResult<Step<'py>> {
        type Dumped<'py> = (Bound<'py, PyAny>, Option<PickleParts<'py>>, HeadParts<'py>);
        let Self { files, call: Some(call), ran: Some(ran), .. } = self else { return Ok(self.done(py)) };
        let (core, call, memo) = (self.core.get(), call.get(), self.memo.bind(py));
        let Ran { output, seconds, is_drawn, .. } = ran;
        let (output, seconds, is_drawn) = (output.bind(py), *seconds, *is_drawn);
        let is_durable = seconds >= core.durability;
        let (shares_memory, cached, (body, fast, head));
        if let Some(dumped) = dumped {
            ((body, fast, head), shares_memory) = dumped.extract::<(Dumped<'py>, bool)>()?;
            // Copies the result now, before the caller can change it.
            let plain_body = body.cast().ok().filter(|_| fast.is_none());
            cached = core.memory.as_ref().and_then(|_| CachedValue::of(output, plain_body));
        } else {
            let snapshot = self.snapshot.taken();
            let is_usual = snapshot.is_none() && !is_drawn;
            cached = if is_usual { CachedValue::of(output, None) } else { None };
            let quickly = cached.as_ref().and_then(|_| quick_leaves::dump(&call.inputs, output, seconds).ok());
            let Some(pickles) = quickly else {
                let ran = (output, seconds, is_drawn, is_durable);
                return ask(py, &hooks::DUMP, (memo, &self.call, snapshot, ran));
            };
            (shares_memory, fast) = (false, None);
            (body, head) = (pickles.0, (seconds, (pickles.1, None), None));
        }
        let (store, name) = (core.store(memo)?, core.name(py)?);
        let name = name.bind(py).to_string_lossy();
        let key = Key::new(&name, &call.definition, &call.arguments).map_err(raised)?;
        let is_replaced = self.present == Present::IsReplaced;
        let reads = files.store(memo, core, (&store.get().store, &key), (seconds, is_replaced))?;
        let state = core.folder_state(memo, call.current.get());
        let origin = Origin { reads: reads.as_ref(), max_age: core.max_age, run: Store::run_id(store.bind(py))? };
        let pickles = (fast, Some(head), origin);
        let written = store.get().put(py, &key, &body, pickles, (is_durable, self.present))?;
        if is_replaced {
            core.forget_replaced(py, call);
        }
        // If it stays, the result is found first.
        let _ = core.forget_error(memo, call);
        if let Some(cached) = cached {
            let reads = reads.map(|reads| Arc::new(CheckedReads::new(reads)));
            let stored = core.max_age.map(|_| SystemTime::now());
            let state = if is_replaced { core.folder_state(memo, call.current.get()) } else { state };
            let about = About { seconds, is_drawn, content_id: written.content_id, state, reads, stored };
            core.cache_value(memo, &call.sought(), cached, about);
        }
        let ran = self.ran.as_mut().expect("the function has run");
        (ran.shares_memory, ran.is_stored) = (shares_memory, true);
        Ok(Step::Go(State::Describe))
    }
}
