//! Creates folders and syncs the names in them to disk.

use std::io;
use std::path::Path;

use super::files::{Files, Real};
use super::permissions::Access;
#[cfg(unix)]
pub(crate) use super::permissions::grant;
use crate::error::{Context, Result};

/// Creates a folder and missing folders above it, with permissions for the owner only.
pub(crate) fn create(folder: &Path, root: &Path) -> io::Result<()> {
    create_with(&Real { access: Access::Private }, folder, root)
}

/// Creates a folder and missing folders above it. Existing folders keep their permissions: they may
/// be shared on purpose.
pub(super) fn create_with<F: Files>(files: &F, folder: &Path, root: &Path) -> io::Result<()> {
    let created = match create_one(files, folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_with(files, folder.parent().ok_or(error)?, root)?;
            create_one(files, folder)?
        }
        other => other?,
    };
    if created && root != folder && root.starts_with(folder) {
        // A folder above the cache folder is created once in the life of a cache, and
        // [`sync_names`] does not sync its name. Errors are ignored: no entry was promised to be
        // durable yet.
        let _ = folder.parent().map(|above| files.sync_folder(above));
    }
    Ok(())
}

/// Syncs the names on the path from the cache folder to the content of `folder`, and the name of
/// the cache folder.
pub(super) fn sync_names<F: Files>(files: &F, root: &Path, folder: &Path) -> Result<()> {
    let above = root.parent().unwrap_or(root);
    for folder in folder.ancestors().take_while(|folder| folder.starts_with(above)) {
        files.sync_folder(folder).context("sync", folder)?;
    }
    Ok(())
}

/// Creates a folder. Returns false if it existed.
fn create_one<F: Files>(files: &F, folder: &Path) -> io::Result<bool> {
    match files.create_folder(folder) {
        Ok(()) => Ok(true),
        // The error code does not matter if the folder exists: on a read-only file system it is
        // EROFS.
        Err(_) if files.is_folder(folder) => Ok(false),
        Err(error) => Err(error),
    }
}
