//! From Rust to the exceptions of `funes.errors`.

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::ffi;
use pyo3::prelude::*;

use crate::hooks;

/// What to do about a value that cannot be hashed.
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

/// `ValueError: what happened`, one line, never failing.
pub(crate) fn one_line(py: Python<'_>, error: &PyErr) -> String {
    let kind = error.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
    let message = error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string());
    let line = message.lines().next().unwrap_or_default();
    let line: String = line.chars().take(200).collect();
    if line.is_empty() { kind } else { format!("{kind}: {line}") }
}

/// The outcome of a question to an object whose answer does not matter much: none if it raises. `KeyboardInterrupt` is
/// raised again as soon as signals are looked for.
pub(crate) fn quietly<T>(py: Python<'_>, outcome: PyResult<T>) -> Option<T> {
    outcome
        .inspect_err(|error| {
            if error.is_instance_of::<PyKeyboardInterrupt>(py) {
                // SAFETY: it only notes that the signal has come.
                unsafe { ffi::PyErr_SetInterrupt() };
            }
        })
        .ok()
}

/// The reason of an `UnhashableArgumentError`, without the way to the culprit and the advice.
pub(crate) fn reason_of(py: Python<'_>, error: &PyErr) -> Option<String> {
    if !is_unhashable(py, error) {
        return None;
    }
    let text = error.value(py).str().ok()?.to_string();
    let text = text.strip_suffix(ADVICE)?.trim_end().strip_suffix('.')?;
    Some(text.split_once(": ")?.1.to_owned())
}
