//! Publishing where files without a name cannot be had: a file with a random name, renamed when it is complete.
//!
//! A process that is killed half-way leaves a file whose name starts with [`PREFIX`]; it is never taken for an entry.

use std::fs::File;
use std::io;
use std::path::Path;

use super::publish::{Attempt, Fill};
use crate::error::{Context, Result};

/// What the names of unfinished files start with.
const PREFIX: &str = ".tmp-";

pub(super) fn publish(folder: &Path, path: &Path, fill: &Fill) -> Result<Attempt> {
    let draft = match tempfile::Builder::new().prefix(PREFIX).make_in(folder, create) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Attempt::Vanished),
        other => other.context("create a file in", folder)?,
    };
    // Dropped with everything below that returns early, the draft deletes its file.
    fill(draft.as_file())?;
    match draft.persist_noclobber(path) {
        Ok(_) => Ok(Attempt::Published),
        // Systems say it in several ways; what counts is that something is there.
        Err(_) if path.symlink_metadata().is_ok() => Ok(Attempt::Taken),
        Err(refusal) if refusal.error.kind() == io::ErrorKind::NotFound => Ok(Attempt::Vanished),
        // A file system with neither hard links nor a rename that refuses to replace (FAT, some FUSE and cloud ones).
        // Whoever comes between the look above and the rename loses an entry of the same value to ours.
        Err(refusal) => {
            refusal.file.persist(path).map_err(|refusal| refusal.error).context("write", path)?;
            Ok(Attempt::Published)
        }
    }
}

/// `tempfile` would do this too, but its errors have lost the number that the system gave.
fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
