//! Implements two leaves of a call for common values: the snapshot of the arguments and the pickle
//! of an entry.

use funes_core::pickle::PROTOCOL;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFrozenSet, PyString, PyTuple};

use crate::lazy::{Lazy, intern};
use crate::memory::cached_value::is_leaf;

/// Length in characters or bytes above which a text in a tuple may make the tuple large, so that it
/// is pickled to measure it.
pub(crate) const LONG: usize = 1 << 16;

/// Returns whether arguments need no snapshot: they are immutable, and none is large.
pub(crate) fn need_no_snapshot(inputs: &Bound<'_, PyDict>, limit: usize) -> bool {
    inputs.iter().all(|(_, value)| is_leaf(&value) && !is_large(&value, limit))
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

/// Pickles the entry and the head of a result that consists of Python's own types, like
/// `funes._entries.writer.dump_entry`.
pub(crate) fn dump<'py>(
    inputs: &Py<PyDict>,
    output: &Bound<'py, PyAny>,
    seconds: f64,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyBytes>)> {
    static DUMPS: Lazy<Py<PyAny>> = Lazy::new();
    let py = output.py();
    let dumps = DUMPS.import(py, "_pickle", "dumps")?;
    let entry = PyDict::new(py);
    entry.set_item(intern!(py, "input"), inputs)?;
    let head = dumps.call1((&entry, PROTOCOL))?.cast_into()?;
    entry.set_item(intern!(py, "output"), output)?;
    entry.set_item(intern!(py, "time"), seconds)?;
    Ok((dumps.call1((entry, PROTOCOL))?, head))
}
