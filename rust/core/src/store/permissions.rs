//! The permissions of files and folders that the store creates.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// The permissions of created folders and files, independent of the umask. Existing folders and
/// files keep their permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// For the owner only: 0700 and 0600.
    #[default]
    Private,
    /// For the owner and the group: 0770 and 0660.
    Shared,
}

impl Access {
    #[cfg(unix)]
    pub(super) fn file(self) -> u32 {
        self.folder() & 0o666
    }

    #[cfg(unix)]
    fn folder(self) -> u32 {
        match self {
            Self::Private => 0o700,
            Self::Shared => 0o770,
        }
    }

    /// Creates and opens a file. Returns an error if the file exists.
    #[cfg_attr(not(unix), expect(clippy::unused_self, reason = "other systems use it"))]
    pub(super) fn create_file(self, path: &Path) -> io::Result<File> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, self.file());
        options.open(path)
    }

    /// Adds permissions to a new file that the umask has removed.
    #[cfg(unix)]
    pub(super) fn grant_file(self, file: &File) -> io::Result<()> {
        grant(&file.metadata()?, self.file(), |permissions| file.set_permissions(permissions))
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "it can fail on other systems")]
    pub(super) fn grant_file(self, _: &File) -> io::Result<()> {
        Ok(())
    }

    /// Creates a folder.
    #[cfg(unix)]
    pub(super) fn create_folder(self, folder: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;

        fs::DirBuilder::new().mode(self.folder()).create(folder)?;
        grant(&fs::metadata(folder)?, self.folder(), |permissions| fs::set_permissions(folder, permissions))
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, reason = "other systems use it")]
    pub(super) fn create_folder(self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)
    }
}

/// Adds missing permission bits. Keeps setgid and similar bits, which a folder inherits.
///
/// A file system without permissions may refuse the change, which is not an error.
#[cfg(unix)]
pub(crate) fn grant(
    metadata: &fs::Metadata,
    wanted: u32,
    set: impl FnOnce(fs::Permissions) -> io::Result<()>,
) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mode = metadata.permissions().mode();
    if mode & wanted == wanted {
        return Ok(());
    }
    match set(fs::Permissions::from_mode(mode | wanted)) {
        Err(error) if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn missing_permissions_are_added_and_a_refusal_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = folder.path().metadata().unwrap();
        grant(&metadata, 0o700, |_| panic!("nothing is missing")).unwrap();
        grant(&metadata, 0o770, |_| Err(io::ErrorKind::PermissionDenied.into())).unwrap();
        assert!(grant(&metadata, 0o770, |_| Err(io::Error::other("disk on fire"))).is_err());
    }
}
