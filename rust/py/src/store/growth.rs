//! Counts what this process stores in a cache folder, for functions that keep it below a size.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use funes_core::store::{self, Written};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::store::handle::Store;

/// Counts stored bytes, and calls `report` at the first ones, then whenever `step` more bytes were stored.
///
/// Exceptions of `report` are ignored: they must not be those of a call whose result was stored.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct Growth {
    step: u64,
    report: Py<PyAny>,
    /// The bytes that were not taken.
    stored: AtomicU64,
    /// The number of these bytes at which `report` is called.
    due: AtomicU64,
}

#[pymethods]
impl Growth {
    #[new]
    fn new(step: u64, report: Py<PyAny>) -> Self {
        Self { step, report, stored: AtomicU64::new(0), due: AtomicU64::new(1) }
    }

    /// Returns the bytes that were stored since the last call.
    fn take(&self) -> u64 {
        self.due.store(self.step, Ordering::Relaxed);
        self.stored.swap(0, Ordering::Relaxed)
    }
}

impl Growth {
    /// Adds stored bytes.
    fn add(&self, py: Python<'_>, bytes: u64) -> PyResult<()> {
        let stored = self.stored.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if stored < self.due.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.due.store(stored + self.step, Ordering::Relaxed);
        match self.report.call0(py) {
            Err(error) if !error.is_instance_of::<PyException>(py) => Err(error),
            _ => Ok(()),
        }
    }
}

impl Store {
    /// Counts the bytes of an entry that was written.
    pub(super) fn counted(&self, py: Python<'_>, written: Written) -> PyResult<Written> {
        if let Some(growth) = &self.growth
            && written.is_written
        {
            growth.get().add(py, written.bytes)?;
        }
        Ok(written)
    }
}

/// Returns the total size of the files in a folder and below, in bytes, without following links.
#[pyfunction]
#[pyo3(signature = (folder, /))]
pub(crate) fn size_of(py: Python<'_>, folder: PathBuf) -> u64 {
    py.detach(|| store::size_of(&folder))
}
