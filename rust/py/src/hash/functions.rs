//! `hash_value`, `hash_definition`, and the hash of arguments that are given by name.
#![expect(clippy::doc_markdown, reason = "Python's help() shows these docstrings unchanged")]

use funes_core::domain::Domain;
use funes_core::tags;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::call::signature::SEED;
use crate::definition::graph::{Definition, Purpose};
use crate::definition::report;
use crate::hash::containers;
use crate::hash::walk::{Definitions, ReadParts, Walk};
use crate::hash::walk_error::Walked;

/// Returns the hash of a value, as an argument contributes it to the cache key of a call.
///
/// Equal values of one type have the same hash, in any process, on any machine, and in any Python
/// from 3.10 to 3.14. Different values have different hashes. The value is not changed.
///
/// Args:
///     value: Anything that can be an argument of a memorious function.
///
/// Returns:
///     40 hexadecimal characters.
///
/// Raises:
///     UnhashableArgumentError: The value cannot be hashed. The message has the path to the
///         refused part.
///
/// Example:
///     >>> hash_value({"a": 1, "b": [2.0]}) == hash_value({"b": [2.0], "a": 1})
///     True
///     >>> hash_value(1) == hash_value(1.0)
///     False
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn hash_value(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = value.py();
    Ok(walked(py, 0, |walk| walk.whole(value))?.finish(Domain::Value).to_hex())
}

/// Returns the canonical encoding that `hash_value` hashes, for the tests of the format.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn encode_value<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = value.py();
    Ok(PyBytes::new(py, &walked(py, 0, |walk| walk.whole(value))?.encoder.into_bytes()))
}

/// Returns the nodes of the definition graph of a function or class, itself first; empty if it
/// counts by name.
#[pyfunction]
#[pyo3(signature = (definition, /))]
pub(crate) fn definition_graph<'py>(definition: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    let py = definition.py();
    match Definition::of(definition, Purpose::Shown, 0).map_err(|stop| stop.into_error(py, "the definition"))? {
        Some(found) => report::as_objects(py, &found.get().nodes),
        None => Ok(PyList::empty(py)),
    }
}

/// Returns the hash of the definition of a function or class: its code and the user code that it
/// uses.
///
/// Args:
///     definition: A function, memorious or not, or a class. It is not called. The `depends_on` of
///         a memorious function is left out; `f.definition` includes it.
///
/// Returns:
///     40 hexadecimal characters.
///
/// Raises:
///     UnhashableArgumentError: The object has no definition, and cannot be hashed as a value.
///
/// Example:
///     >>> def double(x):
///     ...     return x * 2
///     >>> before = hash_definition(double)
///     >>> def double(x):
///     ...     # twice as much
///     ...     return x * 2
///     >>> hash_definition(double) == before
///     True
#[pyfunction]
#[pyo3(signature = (definition, /))]
pub(crate) fn hash_definition(definition: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = definition.py();
    let mut walk = Walk::new(py, Definitions::settled(None, 0));
    let written =
        Definition::of(definition, Purpose::Shown, 0).and_then(|found| walk.settled_definition(definition, found));
    written.map_err(|stop| stop.into_error(py, "the definition"))?;
    Ok(walk.finish(Domain::Definition).to_hex())
}

/// Returns a short text for a value, without calling a `__repr__` of user code.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn shown(value: &Bound<'_, PyAny>) -> String {
    containers::shown(value)
}

/// Returns the argument digest of a call whose arguments are given by name.
///
/// `parameters`: the names in the order of the signature, None for an ignored one. If `global_seed`
/// is not among them, it is taken from `inputs` as the undeclared one. `read_parts`: the parts of code
/// that the function inspects, see `Core.read_parts`.
#[pyfunction]
#[pyo3(signature = (parameters, inputs, read_parts = 0, /))]
pub(crate) fn hash_arguments(
    parameters: Vec<Option<String>>,
    inputs: &Bound<'_, PyDict>,
    mut read_parts: ReadParts,
) -> PyResult<String> {
    let py = inputs.py();
    let given = |name: &str| inputs.get_item(name).and_then(|value| value.ok_or_else(|| missing(name)));
    let values = parameters
        .iter()
        .map(|name| name.as_deref().map(given).transpose())
        .collect::<PyResult<Vec<Option<Bound<'_, PyAny>>>>>()?;
    let declares_seed = parameters.iter().flatten().any(|name| name == SEED);
    let seed = if declares_seed { None } else { inputs.get_item(SEED)? };
    loop {
        let walk = walked(py, read_parts, |walk| {
            let mark = walk.encoder.begin(tags::ARGUMENTS, values.len() + 1);
            for value in values.iter().chain([&seed]) {
                match value {
                    Some(value) => walk.whole(value)?,
                    None => walk.encoder.atom(tags::ABSENT),
                }
            }
            walk.encoder.end(mark, None);
            Ok(())
        })?;
        // A function among the arguments may inspect the code of another argument.
        if walk.read_parts & !read_parts == 0 {
            return Ok(Domain::Arguments.hash(&walk.encoder.into_bytes()).to_hex());
        }
        read_parts |= walk.read_parts;
    }
}

fn missing(name: &str) -> PyErr {
    PyKeyError::new_err(name.to_owned())
}

fn walked<'py>(
    py: Python<'py>,
    read_parts: ReadParts,
    write: impl FnMut(&mut Walk<'py>) -> Walked,
) -> PyResult<Walk<'py>> {
    let mut walk = Walk::new(py, Definitions::settled(None, read_parts));
    walk.run(write).map_err(|stop| stop.into_error(py, "value"))?;
    Ok(walk)
}
