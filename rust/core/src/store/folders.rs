//! Creating folders, and making sure that the names in them last.

use std::io;
use std::path::Path;

use super::files::{Files, Real};
use super::permissions::Access;
#[cfg(unix)]
pub(crate) use super::permissions::grant;
use crate::error::{Context, Result};

/// Creates a folder and those above it that are missing, for their owner alone.
pub(crate) fn create(folder: &Path, root: &Path) -> io::Result<()> {
    create_with(&Real { access: Access::Private }, folder, root)
}

/// Creates a folder and those above it that are missing. Folders that exist keep their permissions: they may be shared
/// on purpose.
pub(super) fn create_with<F: Files>(files: &F, folder: &Path, root: &Path) -> io::Result<()> {
    let created = match create_one(files, folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_with(files, folder.parent().ok_or(error)?, root)?;
            create_one(files, folder)?
        }
        other => other?,
    };
    if created && root != folder && root.starts_with(folder) {
        // A folder above the cache folder, created once in the life of a cache. [`sync_names`] does not go up so far
        // each time; and nothing has failed yet if this does.
        let _ = folder.parent().map(|above| files.sync_folder(above));
    }
    Ok(())
}

/// Makes the names last that lead from the cache folder to what is in `folder`, and the cache folder's own.
pub(super) fn sync_names<F: Files>(files: &F, root: &Path, folder: &Path) -> Result<()> {
    let above = root.parent().unwrap_or(root);
    for folder in folder.ancestors().take_while(|folder| folder.starts_with(above)) {
        files.sync_folder(folder).context("sync", folder)?;
    }
    Ok(())
}

/// Whether the folder is new; an error if it is neither new nor there.
fn create_one<F: Files>(files: &F, folder: &Path) -> io::Result<bool> {
    match files.create_folder(folder) {
        Ok(()) => Ok(true),
        // Any error may mean that it is there: on a read-only file system the first one is EROFS.
        Err(_) if files.is_folder(folder) => Ok(false),
        Err(error) => Err(error),
    }
}
