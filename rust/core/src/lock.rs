//! Locks that the processes of all hosts share: one byte, for one key, of the file `.lock` beside a definition's entries.
//!
//! The system frees a lock when its holder dies, however it dies, so nothing is ever left to clean up, and no two keys
//! share a lock. On Unix these are the POSIX locks of `fcntl`, which belong to the process: a forked child does not have
//! those of its parent, so that a holder that was killed is replaced at once, even while a child of it lives on. (The
//! locks of `flock`, and those of an open file description, would pass to the child.) They have two oddities:
//!
//! - To the process that has a lock it is free: threads must be kept apart by other means.
//! - Closing *any* descriptor of the file frees *all* locks that the process has in it: whoever opens a [`LockFile`] keeps it
//!   while a lock of the process is held in that file, and the same file under another name, behind a link, shares the
//!   descriptor of the first.
//!
//! Whoever deletes the file while it is in use makes two processes compute what one would have, and nothing worse.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::store::{filesystem, folders};
use crate::throttle::Throttle;

/// The file's name. No entry can be called so, nor does a listing of entries look at it.
const NAME: &str = ".lock";

/// How often is looked whether a file that still has a name has the same one, which costs as much as the lock.
const PERIOD: Duration = Duration::from_millis(1);

/// An open lock file, by one of its names.
#[derive(Debug)]
pub struct LockFile {
    /// There until this is dropped.
    opened: Option<Arc<Opened>>,
    path: PathBuf,
    /// As it was opened.
    metadata: Metadata,
    is_local: bool,
    look: Throttle,
    /// On Windows: what is locked.
    #[cfg(not(unix))]
    held: other::Held,
}

/// What all names of a lock file share.
#[derive(Debug)]
struct Opened {
    file: File,
    /// By which it was opened.
    folder: PathBuf,
}

/// The byte that stands for a key: 63 bits of the argument hash, given in hexadecimal digits.
pub fn offset(arguments: &str) -> Option<u64> {
    u64::from_str_radix(arguments.get(..16)?, 16).ok().map(|bits| bits >> 1)
}

impl LockFile {
    /// Opens the lock file of the definition whose entries are in `folder`; creates both if need be. `others` are all that
    /// this process has open: if one of them is the same file, this is another name of it.
    pub fn open<'a>(folder: &Path, others: impl IntoIterator<Item = &'a Self>) -> io::Result<Self> {
        let path = folder.join(NAME);
        let there = path.symlink_metadata().ok();
        let other = there.and_then(|there| others.into_iter().find(|other| other.shares(&there)));
        let opened = match other.and_then(|other| other.opened.clone()) {
            Some(opened) => opened,
            None => Arc::new(Opened { file: open_or_create(&path, folder)?, folder: folder.to_owned() }),
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
            metadata,
            #[cfg(not(unix))]
            held: other::Held::default(),
        })
    }

    /// Whether this is still the file that others would open: nobody has deleted, moved or replaced it.
    pub fn is_in_place(&self) -> bool {
        let Some(here) = self.ours() else { return false };
        if self.is_local && has_name(&here) && !self.look.is_due() {
            return true;
        }
        self.path.symlink_metadata().is_ok_and(|there| is_same(&there, &self.metadata))
    }

    /// The folder by which this process came to the file first: one for all its names.
    pub fn folder(&self) -> &Path {
        &self.opened().folder
    }

    /// Whether it lies on a disk of this machine: there a name that others have made is seen at once.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// The file as it is now, if the descriptor is still that of the file which was opened. A program that closes all
    /// descriptors, as one that becomes a daemon does, closes this one too, and its number goes to another file.
    fn ours(&self) -> Option<Metadata> {
        self.file().metadata().ok().filter(|here| is_same(here, &self.metadata))
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
            // Closing it would close somebody else's.
            std::mem::forget(self.opened.take());
        }
    }
}

#[cfg(unix)]
mod unix {
    use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;

    use super::{File, LockFile, Metadata, Path, folders, io};

    impl LockFile {
        /// Takes the lock on a byte, if no other process has it.
        pub fn try_lock(&self, offset: u64) -> io::Result<bool> {
            match fcntl(self.file(), FcntlArg::F_SETLK(&range(libc::F_WRLCK, offset)?)) {
                Ok(_) => Ok(true),
                Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
                Err(error) => Err(error.into()),
            }
        }

        /// Whether this is the file found there, so that no other descriptor may be opened for it.
        pub(super) fn shares(&self, there: &Metadata) -> bool {
            is_same(there, &self.metadata) && self.ours().is_some()
        }

        /// Frees the lock on a byte, if this process has it.
        pub fn unlock(&self, offset: u64) -> io::Result<()> {
            fcntl(self.file(), FcntlArg::F_SETLK(&range(libc::F_UNLCK, offset)?))?;
            Ok(())
        }

        /// The process that has the lock on a byte; none if it is free, or held by another host.
        pub fn holder(&self, offset: u64) -> Option<u32> {
            // Those who wait lock it for reading, for a moment: they are not meant.
            let mut range = range(libc::F_RDLCK, offset).ok()?;
            fcntl(self.file(), FcntlArg::F_GETLK(&mut range)).ok()?;
            // Whom this process cannot see is 0 or below.
            let is_held = range.l_type != libc::F_UNLCK as _;
            u32::try_from(range.l_pid).ok().filter(|&pid| is_held && pid > 0)
        }
    }

    impl AsRawFd for LockFile {
        fn as_raw_fd(&self) -> i32 {
            self.file().as_raw_fd()
        }
    }

    impl AsFd for LockFile {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.file().as_fd()
        }
    }

    /// One byte. Where the system counts in 31 bits only, most keys have none, and cannot be locked.
    fn range(kind: impl Into<i32>, offset: u64) -> io::Result<libc::flock> {
        Ok(libc::flock {
            l_type: kind.into() as _,
            l_whence: libc::SEEK_SET as _,
            l_start: offset.try_into().map_err(|_| Errno::EOVERFLOW)?,
            l_len: 1,
            l_pid: 0,
            #[cfg(target_os = "freebsd")]
            l_sysid: 0,
        })
    }

    /// Opens what the name itself stands for, without waiting for anybody. For writing: readers cannot exclude.
    pub(super) fn open(path: &Path) -> io::Result<File> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        File::options().read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)
    }

    /// Whoever may write into the folder may lock: its owner under any umask, and its group where it is shared. What the
    /// system refuses stays as it is: others then cannot lock, and compute.
    pub(super) fn share(file: &File, metadata: &Metadata, folder: &Path) {
        let is_shared = folder.metadata().is_ok_and(|folder| folder.mode() & 0o020 != 0);
        let wanted = if is_shared { 0o660 } else { 0o600 };
        let _ = folders::grant(metadata, wanted, |permissions| file.set_permissions(permissions));
    }

    /// A file that was deleted has none, and nor has one that another took the place of.
    pub(super) fn has_name(here: &Metadata) -> bool {
        here.nlink() > 0
    }

    pub(super) fn is_same(there: &Metadata, here: &Metadata) -> bool {
        (there.dev(), there.ino()) == (here.dev(), here.ino())
    }
}

#[cfg(unix)]
use unix::{has_name, is_same, open, share};

#[cfg(not(unix))]
mod other {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex, PoisonError};

    use file_guard::{FileGuard, Lock};

    use super::{File, LockFile, Metadata, Path, io};

    pub(super) type Held = Mutex<HashMap<u64, FileGuard<Arc<File>>>>;

    impl LockFile {
        /// Takes the lock on a byte, if nobody has it.
        pub fn try_lock(&self, offset: u64) -> io::Result<bool> {
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

        /// A lock belongs to its descriptor here: closing another one frees nothing.
        #[expect(clippy::unused_self, reason = "it is asked elsewhere")]
        pub(super) fn shares(&self, _: &Metadata) -> bool {
            false
        }

        /// Frees the lock on a byte, if this process has it.
        pub fn unlock(&self, offset: u64) -> io::Result<()> {
            drop(self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&offset));
            Ok(())
        }

        /// The system does not tell.
        pub fn holder(&self, _: u64) -> Option<u32> {
            None
        }
    }

    pub(super) fn open(path: &Path) -> io::Result<File> {
        File::options().read(true).write(true).create(true).truncate(false).open(path)
    }

    pub(super) fn share(_: &File, _: &Metadata, _: &Path) {}

    /// A file in use keeps its name here.
    pub(super) fn has_name(_: &Metadata) -> bool {
        true
    }

    /// The same.
    pub(super) fn is_same(_: &Metadata, _: &Metadata) -> bool {
        true
    }
}

#[cfg(not(unix))]
use other::{has_name, is_same, open, share};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_s_byte_is_63_bits_of_its_hash() {
        assert_eq!(offset(&"f".repeat(40)), Some(u64::MAX >> 1));
        assert_eq!(offset("00000000000000020000"), Some(1));
        assert_eq!(offset("0123"), None);
    }

    #[test]
    fn the_largest_and_the_smallest_byte_can_be_locked_and_freed() {
        let folder = tempfile::tempdir().unwrap();
        let file = LockFile::open(folder.path(), []).unwrap();
        for offset in [0, u64::MAX >> 1] {
            assert!(file.try_lock(offset).unwrap());
            file.unlock(offset).unwrap();
            file.unlock(offset).unwrap();
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
    fn a_file_that_was_deleted_or_replaced_is_out_of_place() {
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
        // Each goes by its own name.
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(root.path().join("other"), &link).unwrap();
        assert!(first.is_in_place() && !second.is_in_place());
    }

    #[cfg(unix)]
    #[test]
    fn only_a_file_is_taken_and_only_its_owner_or_a_group_that_shares_the_folder_may_lock() {
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
