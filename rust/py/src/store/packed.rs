//! Packs and unpacks the results of a definition for Python.

use std::ffi::OsString;

use funes_core::error::Result;
use funes_core::store::packed::Packed;
use funes_core::store::{self, Definition};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::store::error::raised;
use crate::store::handle::Store;

/// A segment or pack, the number of sound results in it, and the offset of each damage with what it is.
type Verified = (OsString, usize, Vec<(u64, &'static str)>);

/// Merges the segments and packs of a definition, and its single files if `files`, into one pack.
///
/// Returns the numbers of results and bytes in the pack, of segments and packs and of single files that
/// it replaces, of damaged records, and of files that were left out.
#[pyfunction]
#[pyo3(signature = (store, function, definition, /, *, files))]
pub(crate) fn pack(
    py: Python<'_>,
    store: &Store,
    function: &Bound<'_, PyString>,
    definition: &str,
    files: bool,
) -> PyResult<(usize, u64, usize, usize, usize, usize)> {
    let packing = with_packed(py, store, (function, definition), |packed| packed.pack(files))?;
    Ok((packing.results, packing.bytes, packing.files, packing.entries, packing.damaged, packing.busy))
}

/// Restores the single files from the segments and packs of a definition.
///
/// Returns the numbers of results, of segments and packs that were deleted, and of those that were left.
#[pyfunction]
#[pyo3(signature = (store, function, definition, /))]
pub(crate) fn unpack(
    py: Python<'_>,
    store: &Store,
    function: &Bound<'_, PyString>,
    definition: &str,
) -> PyResult<(usize, usize, usize)> {
    let unpacking = with_packed(py, store, (function, definition), |packed| packed.unpack())?;
    Ok((unpacking.results, unpacking.files, unpacking.busy))
}

/// Verifies every byte of the segments and packs of a definition.
#[pyfunction]
#[pyo3(signature = (store, function, definition, /))]
pub(crate) fn verify_packed(
    py: Python<'_>,
    store: &Store,
    function: &Bound<'_, PyString>,
    definition: &str,
) -> PyResult<Vec<Verified>> {
    let verified = with_packed(py, store, (function, definition), |packed| packed.verify())?;
    Ok(verified.into_iter().map(|file| (file.path.into(), file.results, file.damage)).collect())
}

/// Runs `work` with the packed results of a definition, without the GIL.
pub(super) fn with_packed<R: Send>(
    py: Python<'_>,
    store: &Store,
    (function, definition): (&Bound<'_, PyString>, &str),
    work: impl FnOnce(Packed) -> Result<R> + Send,
) -> PyResult<R> {
    let function = function.to_string_lossy();
    let definition = Definition::new(&function, definition).map_err(raised)?;
    py.detach(|| work(store.store.packed(&definition))).map_err(raised)
}

/// Returns the names of the segments and packs of a definition that never change any more. A closed
/// segment that no process appends to is marked, so that no process continues it.
#[pyfunction]
#[pyo3(signature = (store, function, definition, /))]
pub(crate) fn finished_packed(
    py: Python<'_>,
    store: &Store,
    function: &Bound<'_, PyString>,
    definition: &str,
) -> PyResult<Vec<String>> {
    with_packed(py, store, (function, definition), |packed| packed.finished())
}

/// Closes the segments of this process, at its end.
#[pyfunction]
pub(crate) fn close_segments(py: Python<'_>) {
    py.detach(store::close_segments);
}
