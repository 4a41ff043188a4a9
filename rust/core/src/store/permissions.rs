//! Who may use what the store creates.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Who may use the folders and files that are created, whatever the umask. What exists keeps its permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// The owner alone: 0700 and 0600.
    #[default]
    Private,
    /// The owner's group too: 0770 and 0660.
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

    /// Creates a file, and opens it; an error if there is one.
    #[cfg_attr(not(unix), expect(clippy::unused_self, reason = "it is asked elsewhere"))]
    pub(super) fn create_file(self, path: &Path) -> io::Result<File> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, self.file());
        options.open(path)
    }

    /// Gives a new file what an unusual umask took away.
    #[cfg(unix)]
    pub(super) fn grant_file(self, file: &File) -> io::Result<()> {
        grant(&file.metadata()?, self.file(), |permissions| file.set_permissions(permissions))
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "it can fail elsewhere")]
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
    #[expect(clippy::unused_self, reason = "it is asked elsewhere")]
    pub(super) fn create_folder(self, folder: &Path) -> io::Result<()> {
        fs::create_dir(folder)
    }
}

/// Setgid and the like, which a folder gets from the one above it, stay. A file system without permissions of its own may
/// refuse to change any; what it gives is all there is, and less than what was asked for.
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
    fn only_what_is_missing_is_granted_and_a_refusal_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = folder.path().metadata().unwrap();
        grant(&metadata, 0o700, |_| panic!("nothing is missing")).unwrap();
        grant(&metadata, 0o770, |_| Err(io::ErrorKind::PermissionDenied.into())).unwrap();
        assert!(grant(&metadata, 0o770, |_| Err(io::Error::other("disk on fire"))).is_err());
    }
}
