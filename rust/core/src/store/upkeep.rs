//! What happens to entries after they were written: listing, deleting, setting aside.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::Access;
use super::files::{DRAFT, Real};
use super::{folders, layout};
use crate::error::{Context, Result};

/// How old an unfinished file is when its writer has surely gone. Writing takes seconds; clocks of other hosts may be
/// hours off.
const STALE: Duration = Duration::from_secs(48 * 3600);

/// Deletes a file; false if there is none.
pub(super) fn remove(path: &Path) -> Result<bool> {
    unless_absent(fs::remove_file(path)).context("delete", path).map(|done| done.is_some())
}

/// Moves a file to `aside`, in the place of what is there; none if it has gone meanwhile.
pub(super) fn set_aside(access: Access, root: &Path, path: &Path, aside: PathBuf) -> Result<Option<PathBuf>> {
    if let Some(folder) = aside.parent() {
        folders::create_with(&Real { access }, folder, root).context("create the folder", folder)?;
    }
    let moved = unless_absent(fs::rename(path, &aside)).context("set aside", path)?;
    Ok(moved.map(|()| aside))
}

/// The argument hashes of the entries in a folder, sorted; none if there is no such folder. What writers that were
/// killed have left there is deleted on the way.
pub(super) fn entries(folder: &Path) -> Result<Vec<String>> {
    let Some(listing) = unless_absent(fs::read_dir(folder)).context("list", folder)? else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for file in listing {
        let file = file.context("list", folder)?;
        let name = file.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(DRAFT)) {
            sweep(&file);
            continue;
        }
        let arguments = name.to_str().and_then(layout::arguments_of);
        // A file that is deleted while it is being looked at is none.
        if let Some(arguments) = arguments.filter(|_| file.file_type().is_ok_and(|kind| kind.is_file())) {
            found.push(arguments.to_owned());
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Deletes an unfinished file whose writer has surely gone. Nothing has failed if this does.
fn sweep(file: &fs::DirEntry) {
    let age = || file.metadata().ok().filter(fs::Metadata::is_file)?.modified().ok()?.elapsed().ok();
    if age().is_some_and(|age| age >= STALE) {
        let _ = fs::remove_file(file.path());
    }
}

/// The same, with absence as a value.
fn unless_absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn only_old_unfinished_files_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, age| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        };
        let hour = Duration::from_secs(3600);
        make(".tmp-old", STALE + hour);
        make(".tmp-new", STALE / 2);
        make("tmp-of-a-person", STALE + hour);
        let entry = format!("{}.dill", "0".repeat(40));
        make(&entry, STALE + hour);
        fs::create_dir(folder.path().join(".tmp-folder")).unwrap();
        let future = File::create(folder.path().join(".tmp-future")).unwrap();
        future.set_modified(SystemTime::now() + STALE + hour).unwrap();

        assert_eq!(entries(folder.path()).unwrap(), ["0".repeat(40)]);
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".tmp-folder", ".tmp-future", ".tmp-new", &entry, "tmp-of-a-person"]);
    }
}
