//! A hit on disk, as long as nothing about it is unusual.

use funes_core::store::{Key, Reading};
use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString};

use crate::frozen::load_entry;
use crate::store::{Entry, Store};

/// From this size on the body is not copied into a `bytes` of its own, and not kept in memory.
const LARGE: usize = 1 << 20;

/// What the look into the store led to.
pub(crate) enum Recalled<'py> {
    Output(Bound<'py, PyAny>),
    /// There is no entry.
    Absent,
    /// Python code has to look at it: it is damaged, cannot be read now, or cannot be loaded.
    Trouble,
}

/// An entry that was loaded.
pub(crate) struct Found<'py> {
    pub(crate) output: Bound<'py, PyAny>,
    pub(crate) seconds: f64,
    /// The pickle, if it is small and nothing else is needed to load it.
    pub(crate) body: Option<Bound<'py, PyBytes>>,
}

/// How an entry is looked for.
#[derive(Clone, Copy)]
pub(crate) enum Look {
    Likely,
    Unlikely,
    /// Others may have stored it meanwhile, on other hosts too.
    Anew,
}

/// Looks for an entry and loads it. Raises what is no `Exception`, such as `KeyboardInterrupt`.
pub(crate) fn recall<'py>(
    store: &Bound<'py, Store>,
    function: &Bound<'py, PyString>,
    definition: &str,
    arguments: &str,
    look: Look,
) -> PyResult<Result<Found<'py>, Recalled<'py>>> {
    let py = store.py();
    let name = function.to_string_lossy();
    let Ok(key) = Key::new(&name, definition, arguments) else {
        return Ok(Err(Recalled::Trouble));
    };
    let store = store.get();
    let read = || match look {
        Look::Likely => store.store.read(&key),
        Look::Unlikely => store.store.read_unlikely(&key),
        Look::Anew => store.store.read_anew(&key),
    };
    let entry = match py.detach(read) {
        Ok(Reading::Found(entry)) => entry,
        Ok(Reading::Absent) => return Ok(Err(Recalled::Absent)),
        Ok(Reading::Damaged(_)) | Err(_) => return Ok(Err(Recalled::Trouble)),
    };
    let plain = match entry.plain_body() {
        // dill's names need some care, see `_pickling`.
        Some(body) if body.len() < LARGE => Some(PyBytes::new(py, body)).filter(|body| !mentions_dill(body)),
        _ => None,
    };
    let loaded = match &plain {
        Some(body) => load_entry(body),
        None => load_by_python(&Bound::new(py, Entry::new(py, entry)?)?),
    };
    let found = loaded.and_then(|entry| {
        let (output, seconds) =
            (entry.get_item(intern!(py, "output"))?, entry.get_item(intern!(py, "time"))?.extract()?);
        Ok(Found { output, seconds, body: plain })
    });
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(error) if is_mishap(py, &error) => Ok(Err(Recalled::Trouble)),
        Err(error) => Err(error),
    }
}

/// Whether an error says no more than that a value cannot be made again. A library written in Rust that panics (polars,
/// given what another version of it has written) raises what is no `Exception`.
fn is_mishap(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyException>(py) || error.get_type(py).name().is_ok_and(|name| name == "PanicException")
}

fn load_by_python<'py>(entry: &Bound<'py, Entry>) -> PyResult<Bound<'py, PyAny>> {
    static LOAD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = entry.py();
    let entry = entry.get();
    LOAD.import(py, "funes._entries.pickling", "load_entry")?.call1((
        entry.body(py)?,
        entry.second(py),
        entry.buffers(py)?,
    ))
}

fn mentions_dill(body: &Bound<'_, PyBytes>) -> bool {
    body.contains(PyBytes::new(body.py(), b"dill")).unwrap_or(true)
}
