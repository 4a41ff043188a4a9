//! What happens to entries after they were written: listing, deleting, setting aside.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folders;
use super::layout;
use crate::error::{Context, Result};

/// Deletes a file; false if there is none.
pub(super) fn remove(path: &Path) -> Result<bool> {
    unless_absent(fs::remove_file(path)).context("delete", path).map(|done| done.is_some())
}

/// Moves a file to `aside`, in the place of what is there; none if it has gone meanwhile.
pub(super) fn set_aside(root: &Path, path: &Path, aside: PathBuf) -> Result<Option<PathBuf>> {
    if let Some(folder) = aside.parent() {
        folders::create(folder, root).context("create the folder", folder)?;
    }
    let moved = unless_absent(fs::rename(path, &aside)).context("set aside", path)?;
    Ok(moved.map(|()| aside))
}

/// The argument hashes of the entries in a folder, sorted; none if there is no such folder.
pub(super) fn entries(folder: &Path) -> Result<Vec<String>> {
    let Some(listing) = unless_absent(fs::read_dir(folder)).context("list", folder)? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for file in listing {
        let file = file.context("list", folder)?;
        let name = file.file_name();
        let arguments = name.to_str().and_then(layout::arguments_of);
        // A file that is deleted while it is being looked at is none.
        if let Some(arguments) = arguments.filter(|_| file.file_type().is_ok_and(|kind| kind.is_file())) {
            found.push(arguments.to_owned());
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The same, with absence as a value.
fn unless_absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
