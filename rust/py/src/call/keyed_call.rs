//! A call with its cache key.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::definition::current_definition::CurrentDefinition;
use crate::definition::graph::Definition;

/// A call with its key whose result is not in memory.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct Call {
    /// Definition digest.
    #[pyo3(get)]
    pub(crate) definition: String,
    /// Argument digest.
    #[pyo3(get)]
    pub(crate) arguments: String,
    /// The input of the entry: the bound arguments, then `global_seed` if it was given.
    #[pyo3(get)]
    pub(crate) inputs: Py<PyDict>,
    /// True if the call has a seed, which may be None.
    #[pyo3(get)]
    pub(crate) is_seeded: bool,
    #[pyo3(get)]
    pub(crate) seed: Py<PyAny>,
    pub(crate) is_absent: AtomicBool,
    pub(crate) current: Py<CurrentDefinition>,
    /// The arguments of the call as they were passed.
    pub(crate) args: Py<PyTuple>,
    pub(crate) kwargs: Option<Py<PyDict>>,
    /// The definitions of functions and classes among the arguments.
    pub(crate) found: Vec<Py<Definition>>,
    /// The encoded arguments.
    pub(crate) encoded: Vec<u8>,
}

impl Call {
    /// Returns the definition digest and the argument digest.
    pub(crate) fn key(&self) -> (&str, &str) {
        (&self.definition, &self.arguments)
    }

    /// Notes whether a lookup on disk was a miss.
    pub(crate) fn note_missed(&self, has_missed: bool) {
        self.current.get().has_missed.store(has_missed, Ordering::Relaxed);
    }
}

#[pymethods]
impl Call {
    /// True if the store has been searched and has no entry. If false, Python code must look.
    #[getter]
    pub(crate) fn is_absent(&self) -> bool {
        self.is_absent.load(Ordering::Relaxed)
    }

    /// True if `definition.json` is beside the entries.
    #[getter]
    pub(crate) fn is_described(&self) -> bool {
        self.current.get().description_watch.is_there()
    }

    /// Notes that `definition.json` has been written, for as long as it exists.
    fn note_described(&self) {
        self.current.get().description_watch.note(true);
    }
}
