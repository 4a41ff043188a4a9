//! Lists the entries of a folder for Python, in batches and without the GIL.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use funes_core::store;
use pyo3::prelude::*;

use crate::store::error::raised;

/// The number of entries in a batch: large enough that taking the GIL costs little, small enough
/// that the first entry is available at once.
const BATCH_ENTRIES: usize = 256;

/// Iterates over the entries in a folder in the order of the file system, without reading them.
///
/// Yields the hash in the file name, the size in bytes, and the modification time in nanoseconds
/// since 1970. A folder that does not exist has no entries. Raises `OSError` for errors of the
/// system.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct Listing {
    state: Mutex<State>,
}

struct State {
    rest: store::Listing,
    batch: VecDeque<store::Listed>,
}

#[pymethods]
impl Listing {
    #[new]
    fn new(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        let rest = py.detach(|| store::Listing::of(folder)).map_err(raised)?;
        Ok(Self { state: Mutex::new(State { rest, batch: VecDeque::new() }) })
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<(String, u64, i64)>> {
        let next = py.detach(|| self.state.lock().unwrap_or_else(PoisonError::into_inner).next());
        let listed = next.map_err(raised)?;
        Ok(listed.map(|listed| (listed.arguments, listed.bytes, listed.modified)))
    }
}

impl State {
    fn next(&mut self) -> funes_core::error::Result<Option<store::Listed>> {
        if self.batch.is_empty() {
            self.batch = self.rest.by_ref().take(BATCH_ENTRIES).collect::<Result<_, _>>()?;
        }
        Ok(self.batch.pop_front())
    }
}
