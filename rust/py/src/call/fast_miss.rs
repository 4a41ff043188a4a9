//! A miss about which nothing is unusual: nobody else computes the call, its arguments cannot change, its result consists of
//! Python's own types.
//!
//! Nothing is decided here that `funes/_call/miss.py` does not decide the same. It sees to whatever else there is.

use std::ffi::{OsStr, OsString};

use funes_core::pickle::PROTOCOL;
use funes_core::store::Key;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFrozenSet, PyString, PyTuple};

use crate::call::core::Core;
use crate::call::keyed_call::Call;
use crate::call::random_draws::{self, GeneratorWords};
use crate::call::trampoline::{FunctionCall, Outcome};
use crate::flight::in_flight::InFlightCall;
use crate::hooks::{self, Hook};
use crate::lazy::{Lazy, intern};
use crate::memory::cached_value::{CachedValue, is_leaf};
use crate::store::disk_hit::{ReadHint, Recalled};
use crate::store::handle::raised;

/// A longer text in a tuple may make the tuple large, so that it is pickled to see.
pub(crate) const LONG: usize = 1 << 16;

/// What `funes._memo.options.Options` say of the misses of a function.
#[derive(FromPyObject)]
pub(crate) struct Options {
    pub(crate) single_flight: bool,
    shared: bool,
    durable_after: f64,
    large_argument: usize,
}

/// What a look at a call led to.
enum Start<'py> {
    /// Its result is there now.
    Found(Bound<'py, PyAny>),
    /// The function is to be run.
    Computation(Computation),
    /// Python code has to see to it.
    NeedsPython,
}

/// A call about which nothing is unusual, unless somebody wants to know that it is computed.
pub(crate) struct FastMiss {
    memo: Py<PyAny>,
    call: Py<Call>,
    /// Of the definition's entries.
    folder: OsString,
}

/// A call that is to be computed.
pub(crate) struct Computation {
    memo: Py<PyAny>,
    call: Py<Call>,
    claim: Option<Py<InFlightCall>>,
    /// The random generators before the run.
    draws: GeneratorWords,
}

impl Core {
    /// A call if nothing about it is unusual. No Python code runs for that, once the store is open.
    pub(crate) fn fast_miss<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call: &Bound<'py, Call>,
    ) -> PyResult<Option<FastMiss>> {
        let py = memo.py();
        let inputs = call.get().inputs.bind(py);
        let can_change_or_is_large =
            |value: &Bound<'_, PyAny>| !is_leaf(value) || is_large(value, self.options.large_argument);
        if self.options.shared
            || random_draws::is_seeded()
            || inputs.iter().any(|(_, value)| can_change_or_is_large(&value))
        {
            return Ok(None);
        }
        let place =
            self.store(memo).and_then(|store| store.get().folder(self.name(py)?.bind(py), &call.get().definition));
        match place {
            Ok(folder) if is_described(py, call.get(), &folder) => {
                Ok(Some(FastMiss { memo: memo.clone().unbind(), call: call.clone().unbind(), folder }))
            }
            Ok(_) => Ok(None),
            Err(error) => comes_up_again(py, error).map(|()| None),
        }
    }

    /// Claims a call and looks for it: others may have stored it meanwhile.
    fn take_up<'py>(&self, fast_miss: &FastMiss, py: Python<'py>) -> PyResult<Start<'py>> {
        let FastMiss { memo, call, folder } = fast_miss;
        let computation = |claim, draws| {
            Start::Computation(Computation { memo: memo.clone_ref(py), call: call.clone_ref(py), claim, draws })
        };
        if !self.options.single_flight {
            return Ok(computation(None, GeneratorWords::now(py)?));
        }
        let call = call.get();
        let claim = Bound::new(py, InFlightCall::new((folder, &call.arguments).into_pyobject(py)?, false)?)?;
        let recalled = self.recall_claimed(memo.bind(py), call, &claim);
        if matches!(recalled, Ok(Recalled::Absent))
            && let Ok(draws) = GeneratorWords::now(py)
        {
            return Ok(computation(Some(claim.unbind()), draws));
        }
        InFlightCall::end(&claim, matches!(recalled, Ok(Recalled::Output(_))))?;
        Ok(if let Recalled::Output(output) = recalled? { Start::Found(output) } else { Start::NeedsPython })
    }

    fn recall_claimed<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call: &Call,
        claim: &Bound<'py, InFlightCall>,
    ) -> PyResult<Recalled<'py>> {
        if !InFlightCall::take(claim)? {
            return Ok(Recalled::NeedsPython); // others are to be waited for
        }
        let look = if claim.get().is_local() { ReadHint::ExpectMiss } else { ReadHint::Refresh };
        let recalled = self.recall_from_disk(memo, call, call.place(), look)?;
        if matches!(recalled, Recalled::Absent) {
            InFlightCall::enter(claim)?;
        }
        Ok(recalled)
    }

    /// Keeps a result; false if Python code has to.
    fn store_result(
        &self,
        memo: &Bound<'_, PyAny>,
        call: &Call,
        output: &Bound<'_, PyAny>,
        seconds: f64,
    ) -> PyResult<bool> {
        static DUMPS: Lazy<Py<PyAny>> = Lazy::new();
        let py = memo.py();
        // It is not described any more if the function has moved the store.
        let Some(result) = CachedValue::of(output, None).filter(|_| call.is_described()) else { return Ok(false) };
        // Something that the function rests on has changed since the key was made.
        if !call.settled.get().holds(py) {
            return Ok(false);
        }
        let dumps = DUMPS.import(py, "_pickle", "dumps")?;
        let entry = PyDict::new(py);
        entry.set_item(intern!(py, "input"), &call.inputs)?;
        let head = dumps.call1((&entry, PROTOCOL))?.cast_into::<PyBytes>()?;
        entry.set_item(intern!(py, "output"), output)?;
        entry.set_item(intern!(py, "time"), seconds)?;
        let body = dumps.call1((entry, PROTOCOL))?;
        let (store, name) = (self.store(memo)?, self.name(py)?);
        let name = name.bind(py).to_string_lossy();
        let key = Key::new(&name, &call.definition, &call.arguments).map_err(raised)?;
        let head = (seconds, (head, None), None);
        store.get().put(py, &key, &body, None, Some(head), seconds >= self.options.durable_after)?;
        self.keep_frozen(memo, call, result, (seconds, false));
        Ok(true)
    }
}

impl FastMiss {
    /// Takes the call up, unless Python code says that somebody wants to know.
    pub(crate) fn take_up(self, py: Python<'_>, plain: FunctionCall) -> PyResult<Outcome<'_>> {
        match hooks::IS_LOGGED.get(py) {
            Ok(is_logged) => Ok(Outcome::take_up(is_logged.clone(), self, plain)),
            Err(error) => self.go_on(py, Err(error), plain),
        }
    }

    pub(crate) fn go_on<'py>(
        self,
        py: Python<'py>,
        is_logged: PyResult<Bound<'py, PyAny>>,
        plain: FunctionCall,
    ) -> PyResult<Outcome<'py>> {
        let memo = self.memo.bind(py);
        let core = core_of(memo)?;
        let begun = is_logged.and_then(|is_logged| {
            if is_logged.is_truthy()? { Ok(Start::NeedsPython) } else { core.get().take_up(&self, py) }
        });
        match begun {
            Ok(Start::Found(output)) => {
                self.call.get().note_missed(false);
                return Ok(Outcome::Done(output));
            }
            Ok(Start::Computation(computation)) => return Ok(plain.compute(py, computation)),
            Ok(Start::NeedsPython) => {}
            Err(error) => comes_up_again(py, error)?,
        }
        let call = self.call.get();
        if !call.is_absent()
            && let Some(output) = core.get().look(memo, call, ReadHint::ExpectHit)?
        {
            return Ok(Outcome::Done(output));
        }
        Ok(begin_by_python(&hooks::BEGIN_MISS, (memo, &self.call).into_pyobject(py)?, plain))
    }
}

/// Leaves an error to Python code, which tries the same; what interrupts is raised.
fn comes_up_again(py: Python<'_>, error: PyErr) -> PyResult<()> {
    if error.is_instance_of::<PyException>(py) { Ok(()) } else { Err(error) }
}

fn core_of<'py>(memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Core>> {
    Ok(memo.getattr(intern!(memo.py(), "_core"))?.cast_into::<Core>()?)
}

/// Whether the definition of a call is described in that folder.
fn is_described(py: Python<'_>, call: &Call, folder: &OsStr) -> bool {
    call.settled.get().description_watch.holds(py, folder.as_ref())
}

/// Whether a text or bytes are longer than that, or so long in a container that `funes._call.argument_snapshot` looks how large
/// that is.
fn is_large(value: &Bound<'_, PyAny>, limit: usize) -> bool {
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>() {
        value.len().is_ok_and(|length| length > limit)
    } else if let Ok(tuple) = value.cast::<PyTuple>() {
        tuple.iter().any(|element| is_large(&element, LONG))
    } else if let Ok(set) = value.cast::<PyFrozenSet>() {
        set.iter().any(|element| is_large(&element, LONG))
    } else {
        false
    }
}

impl Computation {
    /// Keeps what the function returned after so many seconds, and lets others go on; or leaves that to Python code.
    pub(crate) fn finish(self, output: Bound<'_, PyAny>, seconds: f64) -> PyResult<Outcome<'_>> {
        let py = output.py();
        let memo = self.memo.bind(py);
        let is_drawn = self.draws.have_moved(py);
        let kept = match &is_drawn {
            Ok(false) => {
                core_of(memo).and_then(|core| core.get().store_result(memo, self.call.get(), &output, seconds))
            }
            _ => Ok(false),
        };
        match kept {
            Ok(true) => self.end(py, true).map(|()| Outcome::Done(output)),
            // An error is raised again, and said, where Python code tries the same.
            Err(error) if !error.is_instance_of::<PyException>(py) => self.end(py, false).and(Err(error)),
            _ => self.hand_over(output, seconds, is_drawn.unwrap_or(false)),
        }
    }

    /// Lets others go on: there is no result.
    pub(crate) fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, false)
    }

    /// Without Python code nothing is kept.
    fn hand_over(self, output: Bound<'_, PyAny>, seconds: f64, is_drawn: bool) -> PyResult<Outcome<'_>> {
        let py = output.py();
        let Ok(keep) = hooks::KEEP_RESULT.get(py) else {
            return self.end(py, false).map(|()| Outcome::Done(output));
        };
        let args = (&self.memo, &self.call, &self.claim, (&output, seconds, is_drawn)).into_pyobject(py)?;
        Ok(Outcome::give(keep.clone(), args, output, Some(self)))
    }

    fn end(&self, py: Python<'_>, has_succeeded: bool) -> PyResult<()> {
        self.claim.as_ref().map_or(Ok(()), |claim| InFlightCall::end(claim.bind(py), has_succeeded))
    }
}

/// Leaves what comes before the run of the function to a callback. If it cannot be imported now (too many open files),
/// the function runs uncached.
pub(crate) fn begin_by_python<'py>(hook: &Hook, args: Bound<'py, PyTuple>, plain: FunctionCall) -> Outcome<'py> {
    match hook.get(args.py()) {
        Ok(begin) => Outcome::begin(begin.clone(), args, plain),
        Err(_) => plain.run(args.py()),
    }
}
