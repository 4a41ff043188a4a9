//! A miss without Python code of funes: no other call computes the key, the arguments are
//! immutable, and the result consists of Python's own types.
//!
//! Each decision here equals that of `funes/_call/miss.py`, which handles all other misses.

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
use crate::lazy::{Lazy, field, intern};
use crate::memory::cached_value::{CachedValue, is_leaf};
use crate::store::disk_hit::{ReadHint, Recalled};
use crate::store::handle::raised;

/// Length in characters or bytes above which a text in a tuple may make the tuple large, so that it
/// is pickled to measure it.
pub(crate) const LONG: usize = 1 << 16;

/// The fields of `funes._memo.options.Options` that a miss needs.
pub(crate) struct Options {
    pub(crate) single_flight: bool,
    shared: bool,
    /// Computation time in seconds from which on a result survives a power cut.
    durability: f64,
    large_argument: usize,
}

impl Options {
    /// Reads the fields. A derived implementation would keep their names in cells that hang in a child of a fork.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        Ok(Self {
            single_flight: field(object, intern!(py, "single_flight"))?,
            shared: field(object, intern!(py, "shared"))?,
            durability: field(object, intern!(py, "durability"))?,
            large_argument: field(object, intern!(py, "large_argument"))?,
        })
    }
}

/// The outcome of the last lookup before the run.
enum Start<'py> {
    /// The result has been stored meanwhile.
    Found(Bound<'py, PyAny>),
    /// The function must run.
    Computation(Computation),
    /// Python code must continue the call.
    NeedsPython,
}

/// A call that qualifies for the fast path, unless misses are logged.
pub(crate) struct FastMiss {
    memo: Py<PyAny>,
    call: Py<Call>,
    /// The folder of the definition's entries.
    folder: OsString,
}

/// A call that is being computed.
pub(crate) struct Computation {
    memo: Py<PyAny>,
    call: Py<Call>,
    flight: Option<Py<InFlightCall>>,
    /// The states of the random generators before the run.
    draws: GeneratorWords,
}

impl Core {
    /// Returns the call if it qualifies for the fast path. Runs no Python code once the store is
    /// open.
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
        let folder =
            self.store(memo).and_then(|store| store.get().folder(self.name(py)?.bind(py), &call.get().definition));
        match folder {
            Ok(folder) if is_described(py, call.get(), &folder) => {
                Ok(Some(FastMiss { memo: memo.clone().unbind(), call: call.clone().unbind(), folder }))
            }
            Ok(_) => Ok(None),
            Err(error) => comes_up_again(py, error).map(|()| None),
        }
    }

    /// Takes the key and looks for the entry, which another call may have stored meanwhile.
    fn start<'py>(&self, fast_miss: &FastMiss, py: Python<'py>) -> PyResult<Start<'py>> {
        let FastMiss { memo, call, folder } = fast_miss;
        let computation = |flight, draws| {
            Start::Computation(Computation { memo: memo.clone_ref(py), call: call.clone_ref(py), flight, draws })
        };
        if !self.options.single_flight {
            return Ok(computation(None, GeneratorWords::now(py)?));
        }
        let call = call.get();
        let flight = Bound::new(py, InFlightCall::new((folder, &call.arguments).into_pyobject(py)?, false)?)?;
        let recalled = self.recall_in_flight(memo.bind(py), call, &flight);
        if matches!(recalled, Ok(Recalled::Absent))
            && let Ok(draws) = GeneratorWords::now(py)
        {
            return Ok(computation(Some(flight.unbind()), draws));
        }
        InFlightCall::end(&flight, matches!(recalled, Ok(Recalled::Output(_))))?;
        Ok(if let Recalled::Output(output) = recalled? { Start::Found(output) } else { Start::NeedsPython })
    }

    fn recall_in_flight<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call: &Call,
        flight: &Bound<'py, InFlightCall>,
    ) -> PyResult<Recalled<'py>> {
        if !InFlightCall::take(flight)? {
            return Ok(Recalled::NeedsPython); // another call computes the key
        }
        let hint = if flight.get().is_local() { ReadHint::ExpectMiss } else { ReadHint::Refresh };
        let recalled = self.recall_from_disk(memo, call, call.key(), hint)?;
        if matches!(recalled, Recalled::Absent) {
            InFlightCall::enter(flight)?;
        }
        Ok(recalled)
    }

    /// Stores a result. Returns false if Python code must do it.
    fn store_result(
        &self,
        memo: &Bound<'_, PyAny>,
        call: &Call,
        output: &Bound<'_, PyAny>,
        seconds: f64,
    ) -> PyResult<bool> {
        static DUMPS: Lazy<Py<PyAny>> = Lazy::new();
        let py = memo.py();
        // `is_described` becomes false if the function moves to another store.
        let Some(result) = CachedValue::of(output, None).filter(|_| call.is_described()) else { return Ok(false) };
        // A guard of the definition has failed since the key was computed.
        if !call.current.get().holds(py) {
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
        store.get().put(py, &key, &body, None, Some(head), seconds >= self.options.durability)?;
        self.cache_value(memo, call, result, (seconds, false));
        Ok(true)
    }
}

impl FastMiss {
    /// Starts the call, unless misses are logged.
    pub(crate) fn start(self, py: Python<'_>, function_call: FunctionCall) -> PyResult<Outcome<'_>> {
        match hooks::IS_LOGGED.get(py) {
            Ok(is_logged) => Ok(Outcome::start_fast_miss(is_logged.clone(), self, function_call)),
            Err(error) => self.go_on(py, Err(error), function_call),
        }
    }

    pub(crate) fn go_on<'py>(
        self,
        py: Python<'py>,
        is_logged: PyResult<Bound<'py, PyAny>>,
        function_call: FunctionCall,
    ) -> PyResult<Outcome<'py>> {
        let memo = self.memo.bind(py);
        let core = core_of(memo)?;
        let started = is_logged.and_then(|is_logged| {
            if is_logged.is_truthy()? { Ok(Start::NeedsPython) } else { core.get().start(&self, py) }
        });
        match started {
            Ok(Start::Found(output)) => {
                self.call.get().note_missed(false);
                return Ok(Outcome::Done(output));
            }
            Ok(Start::Computation(computation)) => return Ok(function_call.compute(py, computation)),
            Ok(Start::NeedsPython) => {}
            Err(error) => comes_up_again(py, error)?,
        }
        let call = self.call.get();
        if !call.is_absent()
            && let Some(output) = core.get().look_on_disk(memo, call, ReadHint::ExpectHit)?
        {
            return Ok(Outcome::Done(output));
        }
        Ok(begin_by_python(&hooks::BEGIN_MISS, (memo, &self.call).into_pyobject(py)?, function_call))
    }
}

/// Leaves an error to Python code, which repeats the step; an interrupt is raised.
fn comes_up_again(py: Python<'_>, error: PyErr) -> PyResult<()> {
    if error.is_instance_of::<PyException>(py) { Ok(()) } else { Err(error) }
}

fn core_of<'py>(memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Core>> {
    Ok(memo.getattr(intern!(memo.py(), "_core"))?.cast_into::<Core>()?)
}

/// Returns whether `definition.json` of the call's definition is in that folder.
fn is_described(py: Python<'_>, call: &Call, folder: &OsStr) -> bool {
    call.current.get().description_watch.holds(py, folder.as_ref())
}

/// Returns whether a text or bytes are longer than the limit, or long enough within a container
/// that `funes._call.argument_snapshot` measures the container.
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
    /// Stores the result and wakes the waiting calls, or leaves that to Python code.
    pub(crate) fn finish(self, output: Bound<'_, PyAny>, seconds: f64) -> PyResult<Outcome<'_>> {
        let py = output.py();
        let memo = self.memo.bind(py);
        let is_drawn = self.draws.have_moved(py);
        let stored = match &is_drawn {
            Ok(false) => {
                core_of(memo).and_then(|core| core.get().store_result(memo, self.call.get(), &output, seconds))
            }
            _ => Ok(false),
        };
        match stored {
            Ok(true) => self.end(py, true).map(|()| Outcome::Done(output)),
            // Python code repeats the step and reports its error.
            Err(error) if !error.is_instance_of::<PyException>(py) => self.end(py, false).and(Err(error)),
            _ => self.hand_over(output, seconds, is_drawn.unwrap_or(false)),
        }
    }

    /// Wakes the waiting calls: there is no result.
    pub(crate) fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, false)
    }

    /// If the callback cannot be imported, nothing is stored.
    fn hand_over(self, output: Bound<'_, PyAny>, seconds: f64, is_drawn: bool) -> PyResult<Outcome<'_>> {
        let py = output.py();
        let Ok(store) = hooks::STORE_RESULT.get(py) else {
            return self.end(py, false).map(|()| Outcome::Done(output));
        };
        let args = (&self.memo, &self.call, &self.flight, (&output, seconds, is_drawn)).into_pyobject(py)?;
        Ok(Outcome::store_by_python(store.clone(), args, output, Some(self)))
    }

    fn end(&self, py: Python<'_>, has_succeeded: bool) -> PyResult<()> {
        self.flight.as_ref().map_or(Ok(()), |flight| InFlightCall::end(flight.bind(py), has_succeeded))
    }
}

/// Leaves what precedes the run of the function to a callback. If the callback cannot be imported
/// (too many open files), the function runs uncached.
pub(crate) fn begin_by_python<'py>(
    hook: &Hook,
    args: Bound<'py, PyTuple>,
    function_call: FunctionCall,
) -> Outcome<'py> {
    match hook.get(args.py()) {
        Ok(begin) => Outcome::begin(begin.clone(), args, function_call),
        Err(_) => function_call.run(args.py()),
    }
}
