//! Creating folders, and making sure that the names in them last.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Context, Result};

/// Creates a folder and those above it that are missing: for their owner alone, whatever the umask. Folders that
/// exist keep their permissions: they may be shared on purpose.
pub(crate) fn create(folder: &Path, root: &Path) -> io::Result<()> {
    let created = match create_one(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(folder.parent().ok_or(error)?, root)?;
            create_one(folder)?
        }
        other => other?,
    };
    if created && root != folder && root.starts_with(folder) {
        // A folder above the cache folder, created once in the life of a cache. [`sync_names`] does not go up so far
        // each time; and nothing has failed yet if this does.
        let _ = folder.parent().map(sync);
    }
    Ok(())
}

/// Makes the names last that lead from the cache folder to what is in `folder`, and the cache folder's own.
pub(super) fn sync_names(root: &Path, folder: &Path) -> Result<()> {
    let above = root.parent().unwrap_or(root);
    for folder in folder.ancestors().take_while(|folder| folder.starts_with(above)) {
        sync(folder).context("sync", folder)?;
    }
    Ok(())
}

/// Whether the folder is new; an error if it is neither new nor there.
fn create_one(folder: &Path) -> io::Result<bool> {
    match create_private(folder) {
        Ok(()) => Ok(true),
        // Any error may mean that it is there: on a read-only file system the first one is EROFS.
        Err(_) if folder.is_dir() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn create_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new().mode(0o700).create(folder)?;
    grant(&fs::metadata(folder)?, 0o700, |permissions| fs::set_permissions(folder, permissions))
}

#[cfg(not(unix))]
fn create_private(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)
}

/// Gives the owner of something just created what an unusual umask took away. Setgid and the like stay.
#[cfg(unix)]
pub(crate) fn grant(
    metadata: &fs::Metadata,
    wanted: u32,
    set: impl FnOnce(fs::Permissions) -> io::Result<()>,
) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mode = metadata.permissions().mode();
    if mode & wanted == wanted { Ok(()) } else { set(fs::Permissions::from_mode(mode | wanted)) }
}

/// Makes the names in a folder last.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    match synced.as_ref().map_err(io::Error::kind) {
        // Some file systems cannot sync a folder, and a folder above the cache may not be ours to open. Nothing more
        // can be done then, and nothing has failed.
        Err(io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => Ok(()),
        _ => synced,
    }
}

/// Windows offers no such thing: NTFS writes names to its journal by itself.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}
