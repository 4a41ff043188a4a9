//! `hash_value` and `hash_definition`.

use funes_core::domain::Domain;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use rustc_hash::FxHashMap;

use crate::definition::Definition;
use crate::record;
use crate::walk::{Definitions, Walk};

/// The hash of a value.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn hash_value(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = value.py();
    let walk = Walk::run(py, || Definitions::Settled(FxHashMap::default()), |walk| walk.walk(value));
    Ok(walk.map_err(|stop| stop.into_error(py, "value"))?.finish(Domain::Value).to_hex())
}

/// The bytes that `hash_value` hashes: for the tests of the format.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn encode_value<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = value.py();
    let walk = Walk::run(py, || Definitions::Settled(FxHashMap::default()), |walk| walk.walk(value));
    Ok(PyBytes::new(py, &walk.map_err(|stop| stop.into_error(py, "value"))?.encoder.into_bytes()))
}

/// What the definition of a function or class consists of: its nodes, itself first; empty if it counts by its name.
#[pyfunction]
#[pyo3(signature = (definition, /))]
pub(crate) fn definition_graph<'py>(definition: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    let py = definition.py();
    match Definition::of(definition, false).map_err(|stop| stop.into_error(py, "the definition"))? {
        Some(found) => record::as_objects(py, &found.nodes),
        None => Ok(PyList::empty(py)),
    }
}

/// The hash of the definition of a function or class, without what `depends_on` adds.
#[pyfunction]
#[pyo3(signature = (definition, /))]
pub(crate) fn hash_definition(definition: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = definition.py();
    let walk = Walk::run(py, || Definitions::Settled(FxHashMap::default()), |walk| walk.definition(definition));
    Ok(walk.map_err(|stop| stop.into_error(py, "value"))?.finish(Domain::Definition).to_hex())
}
