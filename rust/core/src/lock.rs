//! Key locks between processes, which may be on different hosts.
//!
//! Each key locks one byte of the file `.lock` beside the entries of a definition. A process that
//! holds more than 32 keys writes the earliest into a table in that file.
//!
//! The system frees a lock when the process that holds it dies, so there is nothing to clean up. On
//! Unix these are the POSIX locks of `fcntl`, which belong to the process: a forked child does not
//! have the locks of its parent, so that a killed holder is replaced immediately, even if its child
//! lives on. (Locks of `flock` and of an open file description would pass to the child.) Two
//! properties need care:
//!
//! - A process can lock a byte again that it has locked. So threads need another way to exclude
//!   each other.
//! - Closing *any* descriptor of the file frees *all* locks that the process has in it. A caller
//!   therefore keeps a [`LockFile`] open while the process holds a lock in that file, and the same
//!   file under another name, behind a link, shares the descriptor of the first.
//!
//! If the file is deleted while it is in use, two processes may compute the same call; nothing else
//! happens.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::file_stamp::FileStamp;
use crate::store::{filesystem, folders};
use crate::throttle::Throttle;

/// The name of the lock file. No entry can have this name, and listings of entries ignore it.
const NAME: &str = ".lock";

/// The minimum time between two checks that a file still has the same name; a check costs as much
/// as a lock.
const PERIOD: Duration = Duration::from_millis(1);

/// An open lock file, under one of its names.
#[derive(Debug)]
pub struct LockFile {
    /// The open file; none only after the lock file was dropped.
    opened: Option<Arc<Opened>>,
    path: PathBuf,
    /// The file stamp at the time when the file was opened.
    stamp: FileStamp,
    is_local: bool,
    look: Throttle,
    /// The locked bytes, on Windows.
    #[cfg(not(unix))]
    held: other::Held,
}

/// The state that all names of a lock file share.
#[derive(Debug)]
struct Opened {
    file: File,
    /// The folder whose path was used to open the file.
    folder: PathBuf,
    /// Only attached threads of Python take this mutex, and never during a wait, so that a forked
    /// child does not inherit it locked.
    #[cfg(unix)]
    held: std::sync::Mutex<table::Held>,
}

/// Returns the offset of the byte of a key: the first 63 bits of the argument digest, which is
/// given in hexadecimal digits.
pub fn offset(arguments: &str) -> Option<u64> {
    u64::from_str_radix(arguments.get(..16)?, 16).ok().map(|bits| bits >> 1)
}

impl LockFile {
    /// Opens the lock file of the definition whose entries are in `folder`. Creates the folder and
    /// the file if necessary.
    ///
    /// `open_files`: all lock files that this process has open. If one of them is the same file,
    /// its descriptor is shared.
    pub fn open<'a>(folder: &Path, open_files: impl IntoIterator<Item = &'a Self>) -> io::Result<Self> {
        let path = folder.join(NAME);
        let there = path.symlink_metadata().ok();
        let other = there.and_then(|there| open_files.into_iter().find(|other| other.shares(&there)));
        let opened = match other.and_then(|other| other.opened.clone()) {
            Some(opened) => opened,
            None => Arc::new(Opened {
                file: open_or_create(&path, folder)?,
                folder: folder.to_owned(),
                #[cfg(unix)]
                held: std::sync::Mutex::default(),
            }),
        };
        let metadata = opened.file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        share(&opened.file, &metadata, folder);
        Ok(Self {
            is_local: filesystem::is_local(&opened.file),
            look: Throttle::every(PERIOD),
            opened: Some(opened),
            path,
            stamp: FileStamp::of(&metadata),
            #[cfg(not(unix))]
            held: other::Held::default(),
        })
    }

    /// Returns whether another process would open this file too: it was not deleted, moved or
    /// replaced.
    pub fn is_in_place(&self) -> bool {
        self.ours().is_some_and(|here| self.is_in_place_as(&here))
    }

    /// Returns the same for the open file as its metadata describe it.
    fn is_in_place_as(&self, here: &Metadata) -> bool {
        if self.is_local && has_name(here) && !self.look.is_due() {
            return true;
        }
        self.path.symlink_metadata().is_ok_and(|there| self.is_same(&there))
    }

    /// Returns the folder whose path this process used to open the file first. It is the same for
    /// all names of the file.
    pub fn folder(&self) -> &Path {
        &self.opened().folder
    }

    /// Returns whether the file is on a local disk, where names that other processes make are
    /// visible immediately.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Returns the current metadata, if the descriptor still refers to the file that was opened.
    ///
    /// A program that closes all descriptors, for example to become a daemon, closes this
    /// descriptor too. The number of the descriptor may then refer to another file.
    fn ours(&self) -> Option<Metadata> {
        self.file().metadata().ok().filter(|here| self.is_same(here))
    }

    fn is_same(&self, metadata: &Metadata) -> bool {
        FileStamp::of(metadata).is_same_file(&self.stamp)
    }

    fn file(&self) -> &File {
        &self.opened().file
    }

    fn opened(&self) -> &Opened {
        self.opened.as_ref().expect("it is there until this is dropped")
    }
}

fn open_or_create(path: &Path, folder: &Path) -> io::Result<File> {
    match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // The definition's folder is two levels below the cache folder.
            folders::create(folder, folder.ancestors().nth(2).unwrap_or(folder))?;
            open(path)
        }
        other => other,
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if self.ours().is_none() {
            // The descriptor now belongs to another part of the program, so it must not be closed
            // here.
            std::mem::forget(self.opened.take());
        }
    }
}

#[cfg(unix)]
mod table;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
use unix::{has_name, open, share};

#[cfg(not(unix))]
mod other {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex, PoisonError};

    use file_guard::{FileGuard, Lock};

    use super::{File, LockFile, Metadata, Path, io};

    pub(super) type Held = Mutex<HashMap<u64, FileGuard<Arc<File>>>>;

    impl LockFile {
        /// Claims a key. Returns false if another process holds it, none if another process would
        /// look for it in another file: this one was deleted, moved or replaced.
        pub fn claim(&self, offset: u64) -> io::Result<Option<bool>> {
            let locked = self.try_lock(offset);
            if self.is_in_place() {
                return locked.map(Some);
            }
            self.release(offset)?;
            Ok(None)
        }

        /// Returns false: the holder of a key has locked its byte.
        #[expect(clippy::unused_self, reason = "other systems use it")]
        pub fn is_listed(&self, _: u64) -> bool {
            false
        }

        fn try_lock(&self, offset: u64) -> io::Result<bool> {
            let place = usize::try_from(offset).map_err(io::Error::other)?;
            let file = Arc::new(self.file().try_clone()?);
            match file_guard::try_lock(file, Lock::Exclusive, place, 1) {
                Ok(guard) => {
                    self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(offset, guard);
                    Ok(true)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                Err(error) => Err(error),
            }
        }

        /// Returns false: on Windows, a lock belongs to its descriptor, and closing another
        /// descriptor of the file frees no lock.
        #[expect(clippy::unused_self, reason = "other systems use it")]
        pub(super) fn shares(&self, _: &Metadata) -> bool {
            false
        }

        /// Ends a claim of this process.
        pub fn release(&self, offset: u64) -> io::Result<()> {
            drop(self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&offset));
            Ok(())
        }

        /// Returns none: the system does not provide this.
        pub fn holder(&self, _: u64) -> Option<u32> {
            None
        }
    }

    pub(super) fn open(path: &Path) -> io::Result<File> {
        File::options().read(true).write(true).create(true).truncate(false).open(path)
    }

    pub(super) fn share(_: &File, _: &Metadata, _: &Path) {}

    /// Returns true: on Windows, an open file keeps its name.
    pub(super) fn has_name(_: &Metadata) -> bool {
        true
    }
}

#[cfg(not(unix))]
use other::{has_name, open, share};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_of_a_key_is_63_bits_of_its_hash() {
        assert_eq!(offset(&"f".repeat(40)), Some(u64::MAX >> 1));
        assert_eq!(offset("00000000000000020000"), Some(1));
        assert_eq!(offset("0123"), None);
    }

    #[test]
    fn the_smallest_and_the_largest_offset_can_be_locked_and_unlocked() {
        let folder = tempfile::tempdir().unwrap();
        let file = LockFile::open(folder.path(), []).unwrap();
        for offset in [0, u64::MAX >> 1] {
            assert_eq!(file.claim(offset).unwrap(), Some(true));
            file.release(offset).unwrap();
            file.release(offset).unwrap();
        }
    }

    #[test]
    fn a_missing_folder_is_created() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("f").join("0".repeat(40));
        let file = LockFile::open(&folder, []).unwrap();
        assert!(folder.join(NAME).is_file());
        assert!(file.is_in_place());
    }

    #[cfg(unix)]
    #[test]
    fn a_deleted_or_replaced_file_is_not_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let first = LockFile::open(folder.path(), []).unwrap();
        std::fs::remove_file(folder.path().join(NAME)).unwrap();
        assert!(!first.is_in_place());
        let second = LockFile::open(folder.path(), []).unwrap();
        assert!(second.is_in_place() && !first.is_in_place());
    }

    #[cfg(unix)]
    #[test]
    fn another_name_of_an_open_file_shares_its_descriptor() {
        use std::os::fd::AsRawFd;

        let root = tempfile::tempdir().unwrap();
        let (folder, link) = (root.path().join("folder"), root.path().join("link"));
        let first = LockFile::open(&folder, []).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        let other = LockFile::open(&root.path().join("other"), [&first]).unwrap();
        let second = LockFile::open(&link, [&other, &first]).unwrap();
        assert_eq!((second.as_raw_fd(), second.folder()), (first.as_raw_fd(), &*folder));
        assert_ne!(other.as_raw_fd(), first.as_raw_fd());
        // Each is checked by its own name.
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(root.path().join("other"), &link).unwrap();
        assert!(first.is_in_place() && !second.is_in_place());
    }

    #[cfg(unix)]
    #[test]
    fn lock_files_are_regular_and_have_the_permissions_of_the_folder() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        for (folder_mode, file_mode) in [(0o700, 0o600), (0o2770, 0o660)] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(folder_mode)).unwrap();
            LockFile::open(folder.path(), []).unwrap();
            let mode = folder.path().join(NAME).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, file_mode);
        }
        let folder = tempfile::tempdir().unwrap();
        symlink("elsewhere", folder.path().join(NAME)).unwrap();
        assert!(LockFile::open(folder.path(), []).is_err());
        assert!(!folder.path().join("elsewhere").exists());
    }
}
