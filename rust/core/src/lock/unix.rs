//! Key locks on Unix: the locks of `fcntl`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::{MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::{File, LockFile, Metadata, Path, folders, io, table};

impl LockFile {
    /// Claims a key. Returns false if another process holds it, none if another process would look
    /// for it in another file: this one was deleted, moved or replaced.
    ///
    /// [`LockFile::release`] ends the claim, unless the process ends before.
    pub fn claim(&self, offset: u64) -> io::Result<Option<bool>> {
        let locked = self.try_lock(offset);
        // Checked after locking: another process may have deleted the file since it was opened, and
        // may have created a new one.
        let here = self.ours();
        let Some(here) = here.filter(|here| self.is_in_place_as(here)) else {
            if let Ok(true) = locked {
                let _ = self.unlock(offset);
            }
            return Ok(None);
        };
        if !locked? {
            return Ok(Some(false));
        }
        if !self.is_local {
            // A mutex must not be taken by a thread that has left the interpreter.
            let is_free = self.table_in(here.len(), None, offset).is_none();
            if !is_free {
                let _ = self.unlock(offset);
            }
            return Ok(Some(is_free));
        }
        // While this process has the byte, no other process adds the key to its table.
        let mut held = self.held();
        let held = held.own();
        if self.table_in(here.len(), held.number(), offset).is_some() {
            let _ = self.unlock(offset);
            return Ok(Some(false));
        }
        if let Some(&oldest) = held.bytes.first().filter(|_| held.bytes.len() >= table::BYTES) {
            // The oldest claim goes to the table: most later ones end before it.
            if held.add(self.file(), oldest, |number| matches!(self.try_lock(number), Ok(true))) {
                held.bytes.remove(0);
                let _ = self.unlock(oldest);
            }
        }
        held.bytes.push(offset);
        Ok(Some(true))
    }

    /// Ends a claim of this process.
    pub fn release(&self, offset: u64) -> io::Result<()> {
        if !self.is_local {
            return self.unlock(offset);
        }
        let mut held = self.held();
        let held = held.own();
        if let Some(place) = held.bytes.iter().rposition(|other| *other == offset) {
            held.bytes.remove(place);
            return self.unlock(offset);
        }
        // The descriptor may be that of another file now, which must not be written to.
        if held.number().is_some() && self.ours().is_some() {
            held.remove(self.file(), offset);
        }
        Ok(())
    }

    /// Returns whether another process holds a key without locking its byte, so that the system
    /// cannot wait for it.
    pub fn is_listed(&self, offset: u64) -> bool {
        self.table_of(offset).is_some()
    }

    fn table_of(&self, offset: u64) -> Option<u64> {
        let length = self.ours().map_or(0, |here| here.len());
        let own = if length > 0 && self.is_local { self.held().own().number() } else { None };
        self.table_in(length, own, offset)
    }

    /// Returns the table of another process that has a key.
    fn table_in(&self, length: u64, own: Option<u64>, offset: u64) -> Option<u64> {
        table::find(self.file(), length, own, offset, |number| self.is_locked(number))
    }

    fn held(&self) -> MutexGuard<'_, table::Held> {
        self.opened().held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks a byte. Returns false if another process has locked it.
    fn try_lock(&self, offset: u64) -> io::Result<bool> {
        match fcntl(self.file(), FcntlArg::F_SETLK(&range(libc::F_WRLCK, offset)?)) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns whether this is the file with the given metadata. Then no other descriptor may
    /// be opened for the file.
    pub(super) fn shares(&self, there: &Metadata) -> bool {
        self.is_same(there) && self.ours().is_some()
    }

    /// Unlocks a byte, if this process has locked it.
    fn unlock(&self, offset: u64) -> io::Result<()> {
        fcntl(self.file(), FcntlArg::F_SETLK(&range(libc::F_UNLCK, offset)?))?;
        Ok(())
    }

    /// Returns the process that holds a key; none if it is free or held by another host.
    pub fn holder(&self, offset: u64) -> Option<u32> {
        let lock = self.lock_on(offset).or_else(|| self.lock_on(self.table_of(offset)?))?;
        // The id is 0 or below for a process that is not visible here.
        u32::try_from(lock.l_pid).ok().filter(|&pid| pid > 0)
    }

    fn is_locked(&self, offset: u64) -> bool {
        self.lock_on(offset).is_some()
    }

    /// Returns the lock that another process has on a byte.
    fn lock_on(&self, offset: u64) -> Option<libc::flock> {
        // Waiting processes hold a read lock for a moment. A test with a read lock ignores them.
        let mut range = range(libc::F_RDLCK, offset).ok()?;
        fcntl(self.file(), FcntlArg::F_GETLK(&mut range)).ok()?;
        (range.l_type != libc::F_UNLCK as libc::c_short).then_some(range)
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

/// Returns the lock range of one byte. If file offsets have only 31 bits, most keys cannot be
/// locked.
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

/// Opens the file for writing, which exclusive locks require. Does not follow links and does
/// not block.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)
}

/// Lets every user that may write to the folder lock bytes: the folder's owner under any umask,
/// and its group if the folder is shared. Errors are ignored: users that cannot lock compute
/// without a lock.
pub(super) fn share(file: &File, metadata: &Metadata, folder: &Path) {
    let is_shared = folder.metadata().is_ok_and(|folder| folder.mode() & 0o020 != 0);
    let wanted = if is_shared { 0o660 } else { 0o600 };
    let _ = folders::grant(metadata, wanted, |permissions| file.set_permissions(permissions));
}

/// Returns false if the file was deleted or replaced.
pub(super) fn has_name(here: &Metadata) -> bool {
    here.nlink() > 0
}
