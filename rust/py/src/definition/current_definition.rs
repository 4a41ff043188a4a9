//! The definition of a memorious function as it was last found.

use std::sync::atomic::AtomicBool;

use pyo3::prelude::*;

use crate::definition::graph::Definition;
use crate::definition::guard::Guard;
use crate::hash::walk::Reading;
use crate::memory::memory_cache::Partition;
use crate::store::description_watch::DescriptionWatch;
use crate::store::folder_watch::FolderWatch;

/// A definition hash, and how to tell that it still holds.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct CurrentDefinition {
    pub(crate) hex: String,
    pub(crate) rests_on: Py<Definition>,
    /// What `depends_on=` adds to it, if that can change.
    pub(crate) extras: Option<Guard>,
    /// Where its results in memory are.
    pub(crate) section: Partition,
    pub(crate) watch: FolderWatch,
    /// Whether the last call that was looked for on disk was not there.
    pub(crate) has_missed: AtomicBool,
    /// Of its description, which lies beside the entries.
    pub(crate) description_watch: DescriptionWatch,
}

impl CurrentDefinition {
    /// One that was found for the function of this number.
    pub(crate) fn new(owner: u64, hex: String, rests_on: Py<Definition>, extras: Option<Guard>) -> Self {
        Self {
            section: Partition::new(owner, &hex),
            hex,
            rests_on,
            extras,
            watch: FolderWatch::default(),
            has_missed: AtomicBool::new(false),
            description_watch: DescriptionWatch::default(),
        }
    }

    /// What the function reads of code, which then counts in its arguments.
    pub(crate) fn reading(&self) -> Reading {
        self.rests_on.get().reading
    }

    /// Whether nothing has changed that it rests on.
    pub(crate) fn holds(&self, py: Python<'_>) -> bool {
        self.rests_on.get().holds(py, self.extras.as_ref())
    }
}

#[pymethods]
impl CurrentDefinition {
    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.rests_on)?;
        self.extras.as_ref().map_or(Ok(()), |guard| guard.traverse(&visit))
    }
}
