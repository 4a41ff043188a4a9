//! Deletes entries, and moves damaged entries to the quarantine.

use std::io;
use std::path::{Path, PathBuf};

use super::files::Files;
use super::folders;
use crate::error::{Context, Result};

/// Deletes a file. Returns false if there is none.
pub(super) fn remove<F: Files>(files: &F, path: &Path) -> Result<bool> {
    unless_absent(files.remove(path)).context("delete", path).map(|done| done.is_some())
}

/// Moves a file to `aside`, where it replaces an existing file. Returns none if the file was
/// deleted meanwhile.
pub(super) fn set_aside<F: Files>(files: &F, root: &Path, path: &Path, aside: PathBuf) -> Result<Option<PathBuf>> {
    if let Some(folder) = aside.parent() {
        folders::create_with(files, folder, root).context("create the folder", folder)?;
    }
    let moved = unless_absent(files.replace(path, &aside)).context("move to quarantine", path)?;
    Ok(moved.map(|()| aside))
}

/// Converts the error for a missing file to `None`.
pub(super) fn unless_absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
