//! `hash_value`, `hash_definition`, and the hash of arguments that are not those of a call.

use funes_core::domain::Domain;
use funes_core::tags;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::containers;
use crate::definition::Definition;
use crate::record;
use crate::refusal::Walked;
use crate::signature::SEED;
use crate::walk::{Definitions, Walk};

/// The hash of a value.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn hash_value(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = value.py();
    Ok(walked(py, |walk| walk.walk(value))?.finish(Domain::Value).to_hex())
}

/// The bytes that `hash_value` hashes: for the tests of the format.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn encode_value<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = value.py();
    Ok(PyBytes::new(py, &walked(py, |walk| walk.walk(value))?.encoder.into_bytes()))
}

/// What the definition of a function or class consists of: its nodes, itself first; empty if it counts by its name.
#[pyfunction]
#[pyo3(signature = (definition, /))]
pub(crate) fn definition_graph<'py>(definition: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    let py = definition.py();
    match Definition::of(definition, false).map_err(|stop| stop.into_error(py, "the definition"))? {
        Some(found) => record::as_objects(py, &found.get().nodes),
        None => Ok(PyList::empty(py)),
    }
}

/// The hash of the definition of a function or class, without what `depends_on` adds.
#[pyfunction]
#[pyo3(signature = (definition, /))]
pub(crate) fn hash_definition(definition: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = definition.py();
    Ok(walked(py, |walk| walk.definition(definition))?.finish(Domain::Definition).to_hex())
}

/// A value in short, as explanations show it; no `__repr__` of the user's runs.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn shown(value: &Bound<'_, PyAny>) -> String {
    containers::shown(value)
}

/// The argument hash of a call whose arguments are known by name.
///
/// `parameters`: the names in the order of the signature; None for one that is ignored. A `global_seed` that is none of
/// them is the undeclared one.
#[pyfunction]
#[pyo3(signature = (parameters, inputs, /))]
pub(crate) fn hash_arguments(parameters: Vec<Option<String>>, inputs: &Bound<'_, PyDict>) -> PyResult<String> {
    let py = inputs.py();
    let given = |name: &str| inputs.get_item(name).and_then(|value| value.ok_or_else(|| missing(name)));
    let values = parameters
        .iter()
        .map(|name| name.as_deref().map(given).transpose())
        .collect::<PyResult<Vec<Option<Bound<'_, PyAny>>>>>()?;
    let declares_seed = parameters.iter().flatten().any(|name| name == SEED);
    let seed = if declares_seed { None } else { inputs.get_item(SEED)? };
    let walk = walked(py, |walk| {
        let mark = walk.encoder.begin(tags::ARGUMENTS, values.len() + 1);
        for value in values.iter().chain([&seed]) {
            match value {
                Some(value) => walk.walk(value)?,
                None => walk.encoder.atom(tags::ABSENT),
            }
        }
        walk.encoder.end(mark, None);
        Ok(())
    })?;
    Ok(Domain::Arguments.hash(&walk.encoder.into_bytes()).to_hex())
}

fn missing(name: &str) -> PyErr {
    PyKeyError::new_err(name.to_owned())
}

fn walked<'py>(py: Python<'py>, write: impl FnMut(&mut Walk<'py>) -> Walked) -> PyResult<Walk<'py>> {
    let mut walk = Walk::new(py, Definitions::settled(None));
    walk.run(write).map_err(|stop| stop.into_error(py, "value"))?;
    Ok(walk)
}
