//! From Rust to the exceptions of `funes.errors`.

use pyo3::prelude::*;

use crate::lazy::Lazy;

/// What to do about a value that cannot be hashed.
pub(crate) const ADVICE: &str = "Leave the parameter out of the key with memorious(ignore=...), \
     or say what the object is with funes.register or a __funes_key__ method";

pub(crate) fn unhashable(py: Python<'_>, text: String) -> PyErr {
    static UNHASHABLE: Lazy<Py<PyAny>> = Lazy::new();
    let error = UNHASHABLE.import(py, "funes.errors", "UnhashableArgumentError").and_then(|kind| kind.call1((text,)));
    error.map_or_else(|failure| failure, PyErr::from_value)
}

/// `ValueError: what happened`, one line, never failing.
pub(crate) fn one_line(py: Python<'_>, error: &PyErr) -> String {
    let kind = error.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
    let message = error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string());
    let line = message.lines().next().unwrap_or_default();
    let line: String = line.chars().take(200).collect();
    if line.is_empty() { kind } else { format!("{kind}: {line}") }
}
