//! Names of files and folders, for Python.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use funes_core::digest::hex;
use funes_core::store::{self, RunId};
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::store::error::raised;

/// Returns the files of earlier entries that the entry in a file names. They were computed when files
/// that the function reads had another content.
#[pyfunction]
#[pyo3(signature = (path, /))]
pub(crate) fn earlier_files(path: PathBuf) -> Vec<OsString> {
    store::earlier_paths(&path).into_iter().map(OsString::from).collect()
}

/// Returns the id of the run record that the entry in a file carries, as hexadecimal digits; None if there is none.
#[pyfunction]
#[pyo3(signature = (path, /))]
pub(crate) fn run_in_file(path: PathBuf) -> Option<String> {
    store::run_of(&path).map(|run| hex(&run))
}

/// Returns those of some run records whose ids no entry in a folder carries. Raises `OSError` if an entry cannot be read.
#[pyfunction]
#[pyo3(signature = (folder, runs, /))]
pub(crate) fn runs_not_in(py: Python<'_>, folder: PathBuf, runs: Vec<String>) -> PyResult<Vec<String>> {
    let mut left: BTreeSet<RunId> =
        runs.iter().filter_map(|run| Some(u128::from_str_radix(run, 16).ok()?.to_be_bytes())).collect();
    py.detach(|| store::remove_carried(&folder, &mut left)).map_err(raised)?;
    Ok(left.iter().map(|run| hex(run)).collect())
}

/// Returns the name of the folder of a function.
#[pyfunction]
#[pyo3(signature = (function, /))]
pub(crate) fn safe_name(function: &Bound<'_, PyString>) -> String {
    store::safe_name(&function.to_string_lossy())
}
