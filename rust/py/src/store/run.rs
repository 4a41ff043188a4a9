//! The run record: the file that says under which versions this process computes results.

use std::sync::atomic::{AtomicBool, Ordering};

use funes_core::store::RunId;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::gil_cell::GilCell;
use crate::git_diff::answers;
use crate::hooks;
use crate::lazy::Lazy;
use crate::store::handle::Store;

/// The run record of this process in a cache, once it is known.
#[derive(Default)]
pub(crate) struct Run {
    /// What was known of the process then; and the id of the record, if it has one.
    known: GilCell<Option<(Knowledge, Option<RunId>)>>,
}

/// Changes when the record may have to say something else.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Knowledge {
    /// The number of imported modules.
    modules: usize,
    /// The number of answers of git.
    answers: u32,
}

impl Knowledge {
    fn now(py: Python<'_>) -> PyResult<Self> {
        static MODULES: Lazy<Py<PyAny>> = Lazy::new();
        let modules = MODULES.import(py, "sys", "modules")?.cast::<PyDict>()?.len();
        Ok(Self { modules, answers: answers() })
    }
}

/// Lets Python code begin to find out about the program, before the first computation of the process.
#[inline]
pub(crate) fn begin(py: Python<'_>) -> PyResult<()> {
    static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
    if HAS_BEGUN.load(Ordering::Relaxed) || HAS_BEGUN.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    unless_exception(py, hooks::BEGIN_RUN.get(py).and_then(PyAnyMethods::call0)).map(drop)
}

impl Store {
    /// Returns the id of the run record. When more is known of the process than before, Python code writes another one.
    pub(crate) fn run_id(store: &Bound<'_, Self>) -> PyResult<Option<RunId>> {
        let py = store.py();
        let cell = &store.get().run.known;
        let Some(now) = unless_exception(py, Knowledge::now(py))? else { return Ok(None) };
        if let Some((then, id)) = cell.with(py, |known| *known)
            && then == now
        {
            return Ok(id);
        }
        let found = hooks::RECORD_RUN.get(py).and_then(|record| record.call1((store,))?.extract::<Option<RunId>>());
        // After an exception, the next result asks again.
        let Some(id) = unless_exception(py, found)? else { return Ok(None) };
        cell.with(py, |known| *known = Some((now, id)));
        Ok(id)
    }
}

/// Drops an exception: the stack may be used up. Ctrl-C and the like are raised by the call.
fn unless_exception<T>(py: Python<'_>, result: PyResult<T>) -> PyResult<Option<T>> {
    match result {
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(None),
        result => result.map(Some),
    }
}
