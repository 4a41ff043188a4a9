//! Converts errors of the store to the exceptions that Python would raise.

use std::io;
use std::path::PathBuf;

use funes_core::error::{Error, other_version};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

/// Converts an error to the exception that Python would raise.
pub(crate) fn raised(error: Error) -> PyErr {
    match error {
        Error::Io { doing, path, source } => system_error(doing, path, &source),
        Error::Foreign { path } => {
            let text = "the entry is not signed with the key in use; move it away if it is yours";
            // EPERM has this number on all systems.
            PyOSError::new_err((1, text, path.into_os_string()))
        }
        Error::OtherVersion { path, version } => {
            let text = other_version(version);
            // ENOTSUP differs between systems.
            let code = Python::attach(|py| py.import("errno")?.getattr("ENOTSUP")?.extract::<i32>());
            code.map_or_else(|error| error, |code| PyOSError::new_err((code, text, path.into_os_string())))
        }
        Error::Invalid(message) => PyValueError::new_err(message),
    }
}

/// Makes an `OSError`, which selects its subclass by the error number.
fn system_error(doing: &str, path: PathBuf, source: &io::Error) -> PyErr {
    let path = path.into_os_string();
    let text = format!("could not {doing}: {source}");
    let Some(code) = source.raw_os_error() else {
        return PyOSError::new_err((number(source.kind()), text, path));
    };
    // Python prints the number itself.
    let text = text.trim_end_matches(&format!(" (os error {code})")).to_owned();
    if cfg!(windows) {
        // Windows has its own numbers, from which Python derives errno.
        PyOSError::new_err((0, text, path, code))
    } else {
        PyOSError::new_err((code, text, path))
    }
}

/// Returns ENOENT, EEXIST, ENOMEM or EIO for an error without a system number. These numbers are
/// the same on all systems.
fn number(kind: io::ErrorKind) -> i32 {
    match kind {
        io::ErrorKind::NotFound => 2,
        io::ErrorKind::AlreadyExists => 17,
        io::ErrorKind::OutOfMemory => 12,
        _ => 5,
    }
}
