//! Lists the entries of a folder for Python, in batches and without the GIL.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use funes_core::digest::hex;
use funes_core::store::{self, Totals};
use pyo3::prelude::*;

use crate::store::error::raised;

/// The number of entries in a batch: large enough that taking the GIL costs little, small enough
/// that the first entry is available at once.
const BATCH_ENTRIES: usize = 256;

/// Iterates over the entries in a folder in the order of the file system, without reading them.
///
/// With `errors`, iterates over the remembered errors instead. With `most`, iterates only over about
/// so many files, and so many packed entries, the last of each segment. Yields the hash in the file name, the size in bytes, and the modification time in nanoseconds
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
    #[pyo3(signature = (folder, *, errors=false, most=None))]
    fn new(py: Python<'_>, folder: PathBuf, errors: bool, most: Option<usize>) -> PyResult<Self> {
        let list = || if errors { store::Listing::of_errors(folder) } else { store::Listing::of(folder) };
        let rest = py.detach(list).map_err(raised)?.at_most(most.unwrap_or(usize::MAX));
        Ok(Self { state: Mutex::new(State { rest, batch: VecDeque::new() }) })
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Sums up some of the next entries; returns None at the end. With `reads`, reads their run times and
    /// maximum ages, without verifying them.
    ///
    /// Returns the number of entries, their bytes, the times of the first and the last in nanoseconds since 1970, the
    /// run time of their calls in seconds, the number of expired ones, and the number of those of each run record.
    #[pyo3(signature = (*, reads))]
    fn sum_up(&self, py: Python<'_>, reads: bool) -> PyResult<Option<Sums>> {
        let totals = || self.state.lock().unwrap_or_else(PoisonError::into_inner).rest.sum_up(reads);
        let totals = py.detach(totals).map_err(raised)?;
        let runs = |of: &Totals| of.runs.iter().map(|(run, &count)| (hex(run), count)).collect();
        Ok(totals.map(|of| (of.entries, of.bytes, of.first, of.last, of.seconds, of.expired, runs(&of))))
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<(String, u64, i64)>> {
        let next = py.detach(|| self.state.lock().unwrap_or_else(PoisonError::into_inner).next());
        let listed = next.map_err(raised)?;
        Ok(listed.map(|listed| (listed.arguments, listed.bytes, listed.modified)))
    }
}

/// Numbers and bytes of entries, the times of the first and the last, the seconds of their calls, the
/// number of expired ones, and their numbers by run.
type Sums = (usize, u64, Option<i64>, Option<i64>, f64, usize, HashMap<String, usize>);

impl State {
    fn next(&mut self) -> funes_core::error::Result<Option<store::Listed>> {
        if self.batch.is_empty() {
            self.batch = self.rest.by_ref().take(BATCH_ENTRIES).collect::<Result<_, _>>()?;
        }
        Ok(self.batch.pop_front())
    }
}
