//! Tells code that computes from code that imports, shows source lines, or belongs to funes.

use std::path::Path;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::lazy::intern;
use crate::reads::settings::Settings;

/// The number of frames that are looked at.
const MAX_FRAMES: usize = 64;

/// Returns whether the running code opens files that are no inputs of a call: an import, a module
/// that shows source lines, or funes itself.
///
/// Looks at the frames of the standard library and of installed packages, up to the first other
/// one: what a package reads while it is imported, such as its settings, is no input either.
pub(super) fn is_internal(py: Python<'_>, settings: &Settings) -> bool {
    // SAFETY: returns a borrowed reference to the running frame, or null without one.
    let mut frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
    let mut is_in_package = false;
    for _ in 0..MAX_FRAMES {
        let Some(present) = frame else { return false };
        let Some(name) = file_name(py, &present) else { return false };
        let Ok(name) = name.to_str() else { return false };
        if name.starts_with("<frozen importlib") {
            return true;
        }
        if name.starts_with(&settings.own) {
            // A function of a package may be memorious itself.
            return !is_in_package;
        }
        let standard = settings.standard.iter().find(|folder| name.starts_with(folder.as_str()));
        // Installed packages may be below the folder of the standard library.
        if name.contains("site-packages") || name.contains("dist-packages") {
            // The release of `importlib.metadata` for older versions of Python, which also serves the one of this version.
            if name.contains("importlib_metadata") && !is_in_package {
                return true;
            }
            is_in_package = true;
        } else if let Some(folder) = standard {
            let rest = &name[folder.len()..];
            let shows = rest.starts_with("linecache.") || rest.starts_with("importlib") && rest.contains("metadata");
            if shows && !is_in_package {
                return true;
            }
        } else if !name.starts_with("<frozen") {
            return false;
        }
        frame = back(py, &present);
    }
    false
}

/// Returns whether the running code deletes a folder.
pub(super) fn is_cleanup(py: Python<'_>) -> bool {
    // SAFETY: returns a borrowed reference to the running frame, or null without one.
    let frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
    let name = frame.and_then(|frame| file_name(py, &frame));
    name.is_some_and(|name| name.to_str().is_ok_and(|name| name.ends_with("shutil.py")))
}

/// Returns whether code of the user runs, beside that of the standard library.
pub(super) fn is_of_user(py: Python<'_>, settings: &Settings) -> bool {
    // SAFETY: returns a borrowed reference to the running frame, or null without one.
    let mut frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
    while let Some(present) = frame {
        let Some(name) = file_name(py, &present) else { return false };
        let Ok(name) = name.to_str() else { return false };
        if !name.starts_with("<frozen") && !settings.standard.iter().any(|folder| name.starts_with(folder.as_str())) {
            return !settings.skips(Path::new(name));
        }
        if name.contains("site-packages") || name.ends_with("util.py") {
            return false;
        }
        frame = back(py, &present);
    }
    false
}

/// Returns the innermost line of code of the user, as `file:line`.
pub(super) fn place(py: Python<'_>, settings: &Settings) -> Option<String> {
    // SAFETY: returns a borrowed reference to the running frame, or null without one.
    let mut frame = unsafe { Bound::from_borrowed_ptr_or_opt(py, ffi::PyEval_GetFrame().cast()) };
    while let Some(present) = frame {
        let name = file_name(py, &present)?;
        let name = name.to_str().ok()?;
        if !name.starts_with("<frozen") && !settings.skips(Path::new(name)) {
            // SAFETY: the object is a frame.
            let line = unsafe { ffi::PyFrame_GetLineNumber(present.as_ptr().cast()) };
            return Some(format!("{name}:{line}"));
        }
        frame = back(py, &present);
    }
    None
}

fn file_name<'py>(py: Python<'py>, frame: &Bound<'py, PyAny>) -> Option<Bound<'py, PyString>> {
    // SAFETY: the object is a frame, whose code is an owned reference.
    let code = unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyFrame_GetCode(frame.as_ptr().cast()).cast()) };
    code?.getattr(intern!(py, "co_filename")).ok()?.cast_into().ok()
}

fn back<'py>(py: Python<'py>, frame: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: the object is a frame. The result is an owned reference, or null for the last frame.
    unsafe { Bound::from_owned_ptr_or_opt(py, ffi::PyFrame_GetBack(frame.as_ptr().cast()).cast()) }
}
