//! Creates and reads the exceptions of `funes.errors`.

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::hooks;

/// Advice at the end of the message for a value that cannot be hashed.
pub(crate) const ADVICE: &str = "Leave the parameter out of the key with memorious(ignore=...), \
     or say what the object is with funes.register or a __funes_key__ method";

pub(crate) fn unhashable(py: Python<'_>, text: String) -> PyErr {
    let error = unhashable_type(py).and_then(|kind| kind.call1((text,)));
    error.map_or_else(|failure| failure, PyErr::from_value)
}

pub(crate) fn is_unhashable(py: Python<'_>, error: &PyErr) -> bool {
    unhashable_type(py).is_ok_and(|kind| error.is_instance(py, kind))
}

fn unhashable_type(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    hooks::UNHASHABLE_ARGUMENT_ERROR.get(py)
}

/// Returns `ValueError: what happened` in one line. Never fails.
pub(crate) fn one_line(py: Python<'_>, error: &PyErr) -> String {
    let kind = error.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
    let message = error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string());
    let line = message.lines().next().unwrap_or_default();
    let line: String = line.chars().take(200).collect();
    if line.is_empty() { kind } else { format!("{kind}: {line}") }
}

/// Returns the outcome of a query to an object, or None if the query raised an exception.
/// `KeyboardInterrupt` is raised again at the next check for signals.
pub(crate) fn quietly<T>(py: Python<'_>, outcome: PyResult<T>) -> Option<T> {
    outcome
        .inspect_err(|error| {
            if error.is_instance_of::<PyKeyboardInterrupt>(py) {
                // SAFETY: the call only records that the signal has come.
                unsafe { ffi::PyErr_SetInterrupt() };
            }
        })
        .ok()
}

/// Returns the reason of an `UnhashableArgumentError`, without the path to the value and the
/// advice.
pub(crate) fn reason_of(py: Python<'_>, error: &PyErr) -> Option<String> {
    if !is_unhashable(py, error) {
        return None;
    }
    let text = error.value(py).str().ok()?.to_string();
    let text = text.strip_suffix(ADVICE)?.trim_end().strip_suffix('.')?;
    Some(text.split_once(": ")?.1.to_owned())
}
