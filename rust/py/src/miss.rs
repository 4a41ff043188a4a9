//! A miss about which nothing is unusual: nobody else computes the call, its arguments cannot change, its result consists of
//! Python's own types.
//!
//! Nothing is decided here that `funes/_calls/miss.py` does not decide the same. It sees to whatever else there is.

use std::ffi::OsStr;
use std::path::Path;

use funes_core::pickle::PROTOCOL;
use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyModule, PyString};

use crate::claim::Claim;
use crate::frozen::{Frozen, is_leaf};
use crate::memo::{Call, Core};
use crate::recall::{Look, Recalled};
use crate::store::Store;
use crate::survey::{Seen, Stamp};

/// The file that describes a definition, beside its entries, and has its adoptions.
pub(crate) const DESCRIPTION: &str = "definition.json";

/// What `funes._calls.options.Options` say of the misses of a function.
#[derive(FromPyObject)]
pub(crate) struct Options {
    pub(crate) once: bool,
    shared: bool,
    durable_after: f64,
    large_argument: usize,
}

/// What a look at a call led to.
pub(crate) enum Begun<'py> {
    /// Its result is there now.
    Found(Bound<'py, PyAny>),
    /// The function is to be run.
    Computation(Computation),
    /// Python code has to see to it.
    Unusual,
}

/// A call that is to be computed.
pub(crate) struct Computation {
    memo: Py<PyAny>,
    call: Py<Call>,
    claim: Option<Py<Claim>>,
}

impl Core {
    /// Claims a call for which the store has no entry, and looks again: others may have stored it meanwhile.
    pub(crate) fn take_up<'py>(&self, memo: &Bound<'py, PyAny>, call: &Bound<'py, Call>) -> PyResult<Begun<'py>> {
        let py = memo.py();
        let store = self.store(memo)?;
        let folder = store.get().folder(self.name(py)?.bind(py), &call.get().definition)?;
        if !self.is_usual(memo, call, store.get(), &folder)? {
            return Ok(Begun::Unusual);
        }
        let computation =
            |claim| Begun::Computation(Computation { memo: memo.clone().unbind(), call: call.clone().unbind(), claim });
        if !self.options.once {
            return Ok(computation(None));
        }
        let claim = Bound::new(py, Claim::new((folder, &call.get().arguments).into_pyobject(py)?, false)?)?;
        let recalled = self.recall_claimed(memo, call.get(), &claim);
        if matches!(recalled, Ok(Recalled::Absent)) {
            return Ok(computation(Some(claim.unbind())));
        }
        Claim::end(&claim, matches!(recalled, Ok(Recalled::Output(_))))?;
        Ok(if let Recalled::Output(output) = recalled? { Begun::Found(output) } else { Begun::Unusual })
    }

    fn recall_claimed<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call: &Call,
        claim: &Bound<'py, Claim>,
    ) -> PyResult<Recalled<'py>> {
        if !Claim::take(claim)? {
            return Ok(Recalled::Trouble); // others are to be waited for
        }
        let look = if claim.get().is_local() { Look::Unlikely } else { Look::Anew };
        let recalled = self.recall_from_disk(memo, call, call.place(), look)?;
        if matches!(recalled, Recalled::Absent) {
            Claim::enter(claim)?;
        }
        Ok(recalled)
    }

    fn is_usual(
        &self,
        memo: &Bound<'_, PyAny>,
        call: &Bound<'_, Call>,
        store: &Store,
        folder: &OsStr,
    ) -> PyResult<bool> {
        static IS_LOGGED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = memo.py();
        let inputs = call.get().inputs.bind(py);
        Ok(call.get().is_described()
            && !self.options.shared
            && inputs.iter().all(|(_, value)| is_leaf(&value) && !is_longer(&value, self.options.large_argument))
            && !IS_LOGGED.import(py, "funes._calls.log", "is_on")?.call0()?.is_truthy()?
            && is_on_its_own(memo, call, store, folder)?)
    }

    /// Keeps a result; false if Python code has to.
    fn keep_usual(
        &self,
        memo: &Bound<'_, PyAny>,
        call: &Call,
        output: &Bound<'_, PyAny>,
        seconds: f64,
    ) -> PyResult<bool> {
        static DUMPS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = memo.py();
        let Some(result) = Frozen::of(output, None) else { return Ok(false) };
        let entry = PyDict::new(py);
        entry.set_item(intern!(py, "input"), &call.inputs)?;
        entry.set_item(intern!(py, "output"), output)?;
        entry.set_item(intern!(py, "time"), seconds)?;
        let body = DUMPS.import(py, "_pickle", "dumps")?.call1((entry, PROTOCOL))?;
        let (store, name) = (self.store(memo)?, self.name(py)?);
        let durable = seconds >= self.options.durable_after;
        store.get().write(py, name.bind(py), &call.definition, &call.arguments, &body, None, None, durable)?;
        self.keep_frozen(memo, call, result, seconds);
        Ok(true)
    }
}

/// Whether no results of other definitions serve the one of a call, and it is described as it was.
fn is_on_its_own(memo: &Bound<'_, PyAny>, call: &Bound<'_, Call>, store: &Store, folder: &OsStr) -> PyResult<bool> {
    static PLACES_OF: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = memo.py();
    let survey = &call.get().settled.get().survey;
    if store.store.is_signed() || survey.holds(py) {
        return Ok(true);
    }
    let seen = py.detach(|| Stamp::of(&Path::new(folder).join(DESCRIPTION)));
    match survey.compare(py, seen) {
        Seen::Same => return Ok(true),
        Seen::Gone => call.get().set_is_described(false),
        Seen::Other => {}
    }
    let is_alone = PLACES_OF.import(py, "funes._calls.places", "places_of")?.call1((memo, call))?.len()? == 1;
    if is_alone {
        survey.note(py, seen);
    }
    Ok(is_alone && call.get().is_described())
}

/// Whether a text or bytes are longer than that, as `funes._entries.frozen` counts.
fn is_longer(value: &Bound<'_, PyAny>, limit: usize) -> bool {
    (value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>())
        && value.len().is_ok_and(|length| length > limit)
}

impl Computation {
    /// Keeps what the function returned after so many seconds, and lets others go on; false if Python code has to.
    pub(crate) fn finish(&self, output: &Bound<'_, PyAny>, seconds: f64) -> PyResult<bool> {
        let py = output.py();
        let memo = self.memo.bind(py);
        let core = memo.getattr(intern!(py, "_core"))?.cast_into::<Core>()?;
        match core.get().keep_usual(memo, self.call.get(), output, seconds) {
            Ok(true) => self.end(py, true).map(|()| true),
            Ok(false) => Ok(false),
            // It is raised again, and said, where Python code tries the same.
            Err(error) if error.is_instance_of::<PyException>(py) => Ok(false),
            Err(error) => self.end(py, false).and(Err(error)),
        }
    }

    /// Lets others go on: there is no result.
    pub(crate) fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, false)
    }

    /// The same computation as Python code has it. After an error others go on.
    pub(crate) fn hand_over<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let take_over = python(py, intern!(py, "take_over"));
        take_over.and_then(|take_over| take_over.call1((&self.memo, &self.call, &self.claim))).or_else(|error| {
            self.abandon(py)?;
            Err(error)
        })
    }

    fn end(&self, py: Python<'_>, has_succeeded: bool) -> PyResult<()> {
        self.claim.as_ref().map_or(Ok(()), |claim| Claim::end(claim.bind(py), has_succeeded))
    }
}

/// A function of `funes._calls.miss`. An error says that it cannot be imported now (too many open files): the function is
/// then to be run as it is.
pub(crate) fn python<'py>(py: Python<'py>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || py.import("funes._calls.miss").map(Bound::unbind))?;
    module.bind(py).getattr(name)
}
