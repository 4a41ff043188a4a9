//! `hash_value` and `hash_definition`.

use funes_core::domain::Domain;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::definition::Definition;
use crate::record;
use crate::refusal::Walked;
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

fn walked<'py>(py: Python<'py>, write: impl FnMut(&mut Walk<'py>) -> Walked) -> PyResult<Walk<'py>> {
    let mut walk = Walk::new(py, Definitions::settled(None));
    walk.run(write).map_err(|stop| stop.into_error(py, "value"))?;
    Ok(walk)
}
