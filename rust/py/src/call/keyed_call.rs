//! A call on its way through a miss.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::definition::current_definition::CurrentDefinition;
use crate::definition::graph::Definition;

/// One call that is not remembered yet.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct Call {
    /// Definition hash.
    #[pyo3(get)]
    pub(crate) definition: String,
    /// Argument hash.
    #[pyo3(get)]
    pub(crate) arguments: String,
    /// What the entry shows as input: the bound arguments, then `global_seed` if it was given.
    #[pyo3(get)]
    pub(crate) inputs: Py<PyDict>,
    /// Whether to seed, and with what.
    #[pyo3(get)]
    pub(crate) is_seeded: bool,
    #[pyo3(get)]
    pub(crate) seed: Py<PyAny>,
    pub(crate) is_absent: AtomicBool,
    pub(crate) settled: Py<CurrentDefinition>,
    /// What the call was given.
    pub(crate) args: Py<PyTuple>,
    pub(crate) kwargs: Option<Py<PyDict>>,
    /// The definitions of what the arguments bring along.
    pub(crate) found: Vec<Py<Definition>>,
    /// The encoded arguments.
    pub(crate) encoded: Vec<u8>,
}

impl Call {
    /// Where the entry of the call is: definition hash, argument hash.
    pub(crate) fn place(&self) -> (&str, &str) {
        (&self.definition, &self.arguments)
    }

    /// Takes note of whether a result was missing when it was looked for.
    pub(crate) fn note_missed(&self, has_missed: bool) {
        self.settled.get().has_missed.store(has_missed, Ordering::Relaxed);
    }
}

#[pymethods]
impl Call {
    /// Whether the store was looked into and has no entry. If not, something may be there that Python must see to.
    #[getter]
    pub(crate) fn is_absent(&self) -> bool {
        self.is_absent.load(Ordering::Relaxed)
    }

    /// Whether what the definition consists of was written beside its entries.
    #[getter]
    pub(crate) fn is_described(&self) -> bool {
        self.settled.get().description_watch.is_there()
    }

    /// Says so. It holds as long as the file is there.
    fn describe(&self) {
        self.settled.get().description_watch.note(true);
    }
}
