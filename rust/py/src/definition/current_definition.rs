//! The current definition of a memorious function.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;

use crate::definition::changed_state;
use crate::definition::graph::Definition;
use crate::definition::guard::Guard;
use crate::hash::walk::ReadParts;
use crate::memory::memory_cache::Partition;
use crate::store::description_watch::DescriptionWatch;
use crate::store::folder_watch::FolderWatch;

/// A definition hash, the guards that check that it is still valid, and the state of its cache folder.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct CurrentDefinition {
    pub(crate) hex: String,
    pub(crate) definition: Py<Definition>,
    /// The guard of the values of `depends_on=`, if they can change.
    pub(crate) extras: Option<Guard>,
    /// True once a call of the function has changed state of its definition.
    changes_state: Arc<AtomicBool>,
    /// The part of the memory cache with its results.
    pub(crate) partition: Partition,
    pub(crate) watch: FolderWatch,
    /// True if the last disk lookup was a miss.
    pub(crate) has_missed: AtomicBool,
    /// Remembers that `definition.json` has been written.
    pub(crate) description_watch: DescriptionWatch,
}

impl CurrentDefinition {
    /// Creates the current definition of the function with the number `owner`.
    pub(crate) fn new(
        owner: u64,
        hex: String,
        definition: Py<Definition>,
        extras: Option<Guard>,
        changes_state: Arc<AtomicBool>,
    ) -> Self {
        Self {
            partition: Partition::new(owner, &hex),
            hex,
            definition,
            extras,
            changes_state,
            watch: FolderWatch::default(),
            has_missed: AtomicBool::new(false),
            description_watch: DescriptionWatch::default(),
        }
    }

    /// The parts of other code that the function reads; they also count in its arguments.
    pub(crate) fn read_parts(&self) -> ReadParts {
        self.definition.get().read_parts
    }

    /// True if the definition is still valid.
    pub(crate) fn holds(&self, py: Python<'_>) -> bool {
        let holds = || self.definition.get().holds(py, self.extras.as_ref());
        if changed_state::are_recorded() && !self.changes_state.load(Ordering::Relaxed) {
            changed_state::as_it_is(holds)
        } else {
            holds()
        }
    }
}

#[pymethods]
impl CurrentDefinition {
    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.definition)?;
        self.extras.as_ref().map_or(Ok(()), |guard| guard.traverse(&visit))
    }
}
