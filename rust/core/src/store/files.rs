//! The file operations that write, delete and quarantine entries. The real ones are here;
//! `crashing.rs` simulates a machine that loses power.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::filesystem;
#[cfg(unix)]
use super::open;
use super::open::is_absence;
use super::permissions::Access;

/// The prefix of the names of unfinished files.
pub(super) const DRAFT: &str = ".tmp-";

/// A file system to which entries are written.
pub(super) trait Files {
    /// An open file.
    type File;

    /// Opens a new file in `folder` without a name; none if the file system does not support this.
    fn unnamed(&self, folder: &Path) -> io::Result<Option<Self::File>>;

    /// Creates a file with a random name in `folder`, and opens it.
    fn draft(&self, folder: &Path) -> io::Result<(Self::File, PathBuf)>;

    /// Appends bytes.
    fn write(&self, file: &Self::File, bytes: &[u8]) -> io::Result<()>;

    /// Syncs the content of a file to disk. Called once per file: after a failure the system may
    /// have dropped the data, and a second call would report success.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Syncs the content of a file that another process has written. Does nothing if `path` is not
    /// a file.
    fn sync_named(&self, path: &Path) -> io::Result<()>;

    /// Gives a name to a file without a name. Returns an error if the name is taken.
    fn link(&self, file: &Self::File, path: &Path) -> io::Result<()>;

    /// Renames a file. Returns an error if the new name is taken.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames a file, and replaces the file that has the new name.
    fn replace(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Deletes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Returns whether a name is taken, also by a dangling link.
    fn is_taken(&self, path: &Path) -> bool;

    /// Creates a folder.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Returns whether a folder exists, also behind a link.
    fn is_folder(&self, folder: &Path) -> bool;

    /// Syncs the names in a folder to disk.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Lets other hosts notice a new name in a folder.
    fn mark_changed(&self, _: &Path) {}
}

/// The real file system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Real {
    /// The permissions of created files and folders.
    pub(super) access: Access,
}

impl Files for Real {
    type File = File;

    #[cfg(target_os = "linux")]
    fn unnamed(&self, folder: &Path) -> io::Result<Option<File>> {
        use rustix::fs::{Mode, OFlags, open};
        use rustix::io::{Errno, retry_on_intr};

        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(self.access.file());
        match retry_on_intr(|| open(folder, flags, mode)) {
            Ok(descriptor) => {
                let file = File::from(descriptor);
                self.access.grant_file(&file)?;
                Ok(Some(file))
            }
            Err(Errno::NOENT) => Err(io::ErrorKind::NotFound.into()),
            // File systems refuse `O_TMPFILE` with half a dozen error codes. The caller then uses a
            // draft, and reports the error of the draft if there is one.
            Err(_) => Ok(None),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn unnamed(&self, _: &Path) -> io::Result<Option<File>> {
        Ok(None)
    }

    fn draft(&self, folder: &Path) -> io::Result<(File, PathBuf)> {
        let mut refused = None;
        let made = tempfile::Builder::new().prefix(DRAFT).make_in(folder, |path| {
            // `tempfile` drops the error number of the system, so keep it.
            self.access.create_file(path).map_err(|error| {
                let kind = error.kind();
                refused = Some(error);
                kind.into()
            })
        });
        let (file, path) = made.map_err(|error| refused.unwrap_or(error))?.into_parts();
        self.access.grant_file(&file)?;
        Ok((file, path.keep().map_err(|error| error.error)?))
    }

    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    #[cfg(unix)]
    fn sync_named(&self, path: &Path) -> io::Result<()> {
        match open::open(path) {
            Ok(file) if file.metadata()?.is_file() => file.sync_all(),
            Ok(_) => Ok(()),
            Err(error) if is_absence(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Opens the file for writing, which Windows requires for a sync.
    #[cfg(not(unix))]
    fn sync_named(&self, path: &Path) -> io::Result<()> {
        match File::options().write(true).open(path) {
            Ok(file) => file.sync_all(),
            Err(error) if is_absence(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    #[cfg(target_os = "linux")]
    fn link(&self, file: &File, path: &Path) -> io::Result<()> {
        use rustix::fs::{AtFlags, CWD, linkat};
        use rustix::io::Errno;
        use std::os::fd::AsRawFd;

        // An empty path needs a capability before Linux 6.10. Without it, the error is ENOENT,
        // which also means that the folder does not exist.
        match linkat(file, "", CWD, path, AtFlags::EMPTY_PATH) {
            Err(Errno::NOENT) => {
                let through_proc = format!("/proc/self/fd/{}", file.as_raw_fd());
                Ok(linkat(CWD, through_proc, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
            }
            linked => Ok(linked?),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn link(&self, _: &File, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match tempfile::TempPath::try_from_path(from)?.persist_noclobber(to) {
            Ok(()) => Ok(()),
            Err(refusal) => {
                // The caller deletes the file or tries again with it.
                let _ = refusal.path.keep();
                Err(refusal.error)
            }
        }
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn is_taken(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.access.create_folder(folder)
    }

    fn is_folder(&self, folder: &Path) -> bool {
        folder.is_dir()
    }

    #[cfg(unix)]
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        match synced.as_ref().map_err(io::Error::kind) {
            // Some file systems cannot sync a folder, and a folder above the cache may not be
            // readable. This is not a failure: nothing more can be done.
            Err(io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => Ok(()),
            _ => synced,
        }
    }

    fn mark_changed(&self, folder: &Path) {
        filesystem::mark_changed(folder);
    }

    /// Does nothing: Windows cannot sync folders, and NTFS writes names to its journal.
    #[cfg(not(unix))]
    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}
