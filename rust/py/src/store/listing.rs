//! The entries of a folder as Python goes through them: listed in pieces, without the GIL.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use funes_core::store;
use pyo3::prelude::*;

use crate::store::handle::raised;

/// How many are listed at a time: enough that the GIL is no matter, few enough that the first comes at once.
const PIECE: usize = 256;

/// Goes through the entries in a folder, in the order that the file system has; none of them is read.
///
/// Yields for each the hash that it is named by, its size in bytes, and when it was stored, in nanoseconds since 1970.
/// A folder that is not there has none. Raises `OSError` if the system refuses.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct Listing {
    state: Mutex<State>,
}

struct State {
    rest: store::Listing,
    piece: VecDeque<store::Listed>,
}

#[pymethods]
impl Listing {
    #[new]
    fn new(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        let rest = py.detach(|| store::Listing::of(folder)).map_err(raised)?;
        Ok(Self { state: Mutex::new(State { rest, piece: VecDeque::new() }) })
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
        if self.piece.is_empty() {
            self.piece = self.rest.by_ref().take(PIECE).collect::<Result<_, _>>()?;
        }
        Ok(self.piece.pop_front())
    }
}
