//! Finds the call to which a thread belongs.
//!
//! From Python 3.12 on, the interpreter raises an audit event in a thread that starts another one.
//! The object of the new thread (`threading.Thread`) then gets the recording as an attribute. The
//! new thread finds its object by its number.
//!
//! Before, there is no such event. There a thread that opens a file belongs to every call in
//! progress that began before the thread.
//!
//! Threads that `threading` does not know belong to no call.

use std::sync::Arc;
#[cfg(not(Py_3_12))]
use std::thread;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::lazy::{Lazy, intern};
use crate::reads::recording::Recording;
use crate::reads::running::current;

/// `threading._active`: the threads by their numbers.
static ACTIVE: Lazy<Py<PyDict>> = Lazy::new();

static GET_IDENT: Lazy<Py<PyAny>> = Lazy::new();

/// The attribute of a thread that a call has started.
#[pyclass(frozen, module = "funes._funes")]
struct StartedBy(Arc<Recording>);

/// The calls that may have started a thread.
pub(super) enum Origin {
    /// This one, which may have ended.
    Call(Arc<Recording>),
    /// One of these, all in progress.
    OneOf(Vec<Arc<Recording>>),
}

/// Imports what the hook needs, which must not import anything.
pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
    GET_IDENT.import(py, "_thread", "get_ident")?;
    let active = || Ok(py.import(intern!(py, "threading"))?.getattr(intern!(py, "_active"))?.cast_into()?.unbind());
    ACTIVE.get_or_try_init(py, active).map(drop)
}

/// Notes that the present thread starts another one. `function`: what the new thread runs.
pub(super) fn started(py: Python<'_>, function: &Bound<'_, PyAny>) -> PyResult<()> {
    let Some(recording) = current(py).pop() else { return Ok(()) };
    let Ok(thread) = function.getattr(intern!(py, "__self__")) else { return Ok(()) };
    mark(&thread, recording)
}

fn mark(thread: &Bound<'_, PyAny>, recording: Arc<Recording>) -> PyResult<()> {
    let py = thread.py();
    let (name, value) = (intern!(py, "_funes_recording"), Bound::new(py, StartedBy(recording))?);
    // SAFETY: all are objects. This stores the attribute without running code of the user.
    match unsafe { ffi::PyObject_GenericSetAttr(thread.as_ptr(), name.as_ptr(), value.as_ptr()) } {
        0 => Ok(()),
        _ => Err(PyErr::fetch(py)),
    }
}

/// Returns the threads that are running; none if it is only the present one.
#[cfg(not(Py_3_12))]
pub(super) fn running(py: Python<'_>) -> PyResult<Option<Py<PyDict>>> {
    let active = ACTIVE.get().map(|active| active.bind(py)).filter(|active| active.len() > 1);
    active.map(|active| active.copy().map(Bound::unbind)).transpose()
}

impl Origin {
    /// Finds the origin of the present thread. `all`: returns the recordings in progress.
    pub(super) fn of_thread(py: Python<'_>, all: impl FnOnce() -> Vec<Arc<Recording>>) -> Self {
        let Some((number, thread)) = this_thread(py) else { return Self::OneOf(Vec::new()) };
        if let Some(recording) = recording_of(&thread) {
            return Self::Call(recording);
        }
        Self::OneOf(unmarked(&number, &thread, all))
    }
}

/// Returns the number of the present thread and its object.
fn this_thread(py: Python<'_>) -> Option<(Bound<'_, PyAny>, Bound<'_, PyAny>)> {
    let number = GET_IDENT.get()?.bind(py).call0().ok()?;
    let thread = ACTIVE.get()?.bind(py).get_item(&number).ok()??;
    Some((number, thread))
}

fn recording_of(thread: &Bound<'_, PyAny>) -> Option<Arc<Recording>> {
    let py = thread.py();
    let attributes = thread.getattr(intern!(py, "__dict__")).ok()?.cast_into::<PyDict>().ok()?;
    let value = attributes.get_item(intern!(py, "_funes_recording")).ok()??;
    Some(value.cast::<StartedBy>().ok()?.get().0.clone())
}

/// Returns nothing: the call that starts a thread has marked it.
#[cfg(Py_3_12)]
fn unmarked(
    _: &Bound<'_, PyAny>,
    _: &Bound<'_, PyAny>,
    _: impl FnOnce() -> Vec<Arc<Recording>>,
) -> Vec<Arc<Recording>> {
    Vec::new()
}

/// Returns the calls that began before a thread, and marks the thread.
#[cfg(not(Py_3_12))]
fn unmarked(
    number: &Bound<'_, PyAny>,
    thread_object: &Bound<'_, PyAny>,
    all: impl FnOnce() -> Vec<Arc<Recording>>,
) -> Vec<Arc<Recording>> {
    let mut recordings = all();
    recordings.retain(|recording| {
        let Some(threads) = &recording.threads else { return recording.began_in != thread::current().id() };
        let before = threads.bind(number.py()).get_item(number);
        !before.is_ok_and(|before| before.is_some_and(|before| before.is(thread_object)))
    });
    if let Some(recording) = recordings.last() {
        // If this fails, the thread belongs to no later call.
        let _ = mark(thread_object, recording.clone());
    }
    recordings
}
