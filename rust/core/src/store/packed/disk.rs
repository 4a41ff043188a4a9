//! The file operations that packed results need beyond those of single files. The real ones are
//! here; the tests simulate a machine that loses power.
//!
//! A process that appends to a segment holds a lock on the open file (`flock`). Unlike a lock on a
//! byte of the lock file, it follows the file when it is renamed, excludes other threads, and stays
//! when another descriptor of the file is closed or when a user deletes the lock file.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::super::files::{Files, Real};
use super::super::parts::in_parts;
use super::super::watched_folder::{FolderState, WatchedFolder};
use super::super::{filesystem, listing, open, pread};
use crate::file_stamp::{FileStamp, LOCAL_RESOLUTION};

/// The number of single files for which a thread is worth its start.
const FEWEST_PER_THREAD: usize = 64;

/// A file system that stores packed results.
pub(super) trait Disk: Files {
    /// Returns the names in a folder; none if it does not exist.
    fn list(&self, folder: &Path) -> io::Result<Option<Vec<String>>>;

    /// Returns the state of a folder; none if it does not exist.
    fn folder_state(&self, folder: &mut WatchedFolder) -> io::Result<Option<FolderState>>;

    /// Opens a regular file for reading, or also for appending.
    fn open(&self, path: &Path, appends: bool) -> io::Result<Self::File>;

    /// Opens a regular file for reading. Also returns its stamp and its length in bytes.
    fn open_with_stamp(&self, path: &Path) -> io::Result<(Self::File, FileStamp, u64)> {
        let file = self.open(path, false)?;
        let (stamp, length) = (self.stamp(&file)?, self.length(&file)?);
        Ok((file, stamp, length))
    }

    /// Passes `items` to `work`, in several parts that threads work on if that is faster. Returns what `work`
    /// returns for all parts, in order.
    fn in_parts<T: Sync, R: Send>(&self, items: &[T], work: impl Fn(&Self, &[T]) -> Vec<R> + Sync) -> Vec<R>
    where
        Self: Sized,
    {
        work(self, items)
    }

    /// Creates a file. Returns an error if the name is taken.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Returns the length of an open file in bytes.
    fn length(&self, file: &Self::File) -> io::Result<u64>;

    /// Returns the stamp of an open file.
    fn stamp(&self, file: &Self::File) -> io::Result<FileStamp>;

    /// Returns the stamp of the object with a name; that of a link itself.
    fn stamp_of(&self, path: &Path) -> io::Result<FileStamp>;

    /// Returns whether a name leads to an open file.
    fn is_named(&self, file: &Self::File, path: &Path) -> bool;

    /// Reads at an offset, and returns the number of bytes.
    fn read_at(&self, file: &Self::File, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at an offset, and returns the number of bytes.
    fn write_at(&self, file: &Self::File, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Cuts a file off.
    fn truncate(&self, file: &Self::File, length: u64) -> io::Result<()>;

    /// Locks a file as a whole. Returns false if it is locked through another descriptor, or if
    /// there are no locks.
    fn lock(&self, file: &Self::File) -> bool;

    /// Unlocks a file, also for child processes that have inherited the descriptor.
    fn unlock(&self, file: &Self::File);

    /// Locks a folder, `alone` or shared, and waits for processes that have locked it. Returns
    /// none if there are no such locks. [`Disk::unlock`] unlocks it.
    fn lock_folder(&self, _folder: &Path, _alone: bool) -> Option<Self::File> {
        None
    }

    /// Returns whether a file is on a disk of this machine, where locks are reliable.
    fn is_local(&self, file: &Self::File) -> bool;

    /// Marks a segment as one that no process continues: removes the permission to write.
    fn freeze(&self, _: &Self::File) -> io::Result<()> {
        Ok(())
    }

    /// Returns whether a segment is marked so.
    fn is_frozen(&self, _: &Self::File) -> bool {
        false
    }

    /// Syncs all files of the file system of a folder. Returns false if the system cannot do so.
    fn sync_all(&self, folder: &Path) -> io::Result<bool>;

    /// Sets the modification time of a file, in nanoseconds since 1970. Errors are ignored.
    fn set_time(&self, path: &Path, time: i64);

    /// Waits until a later change of a folder leaves another time than an earlier one.
    fn pause(&self);

    /// Returns the time now, in nanoseconds since 1970.
    fn now(&self) -> i64;
}

impl Disk for Real {
    fn list(&self, folder: &Path) -> io::Result<Option<Vec<String>>> {
        let Some(files) = super::super::remove::unless_absent(fs::read_dir(folder))? else { return Ok(None) };
        let name = |file: io::Result<fs::DirEntry>| Ok(file?.file_name().into_string().unwrap_or_default());
        files.map(name).collect::<io::Result<_>>().map(Some)
    }

    fn folder_state(&self, folder: &mut WatchedFolder) -> io::Result<Option<FolderState>> {
        folder.state()
    }

    fn open(&self, path: &Path, appends: bool) -> io::Result<File> {
        let file = if appends { open_for_writing(path)? } else { open::open_for_many_reads(path)? };
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn open_with_stamp(&self, path: &Path) -> io::Result<(File, FileStamp, u64)> {
        let file = open::open(path)?;
        let metadata = file.metadata()?;
        let stamp = FileStamp::of(&metadata);
        if metadata.is_file() { Ok((file, stamp, metadata.len())) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn in_parts<T: Sync, R: Send>(&self, items: &[T], work: impl Fn(&Self, &[T]) -> Vec<R> + Sync) -> Vec<R> {
        in_parts(items, ("funes-pack", FEWEST_PER_THREAD), |part| work(self, part)).into_iter().flatten().collect()
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        let file = self.access.create_file(path)?;
        self.access.grant_file(&file)?;
        Ok(file)
    }

    #[cfg(unix)]
    fn length(&self, file: &File) -> io::Result<u64> {
        // Takes half as long as fstat, and no other code uses the position of the descriptor.
        Ok(rustix::fs::seek(file, rustix::fs::SeekFrom::End(0))?)
    }

    #[cfg(not(unix))]
    fn length(&self, file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    fn stamp(&self, file: &File) -> io::Result<FileStamp> {
        Ok(FileStamp::of(&file.metadata()?))
    }

    fn stamp_of(&self, path: &Path) -> io::Result<FileStamp> {
        Ok(FileStamp::of(&fs::symlink_metadata(path)?))
    }

    fn is_named(&self, file: &File, path: &Path) -> bool {
        matches!((self.stamp(file), self.stamp_of(path)), (Ok(stamp), Ok(there)) if stamp.is_same_file(&there))
    }

    fn read_at(&self, file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        pread::read(file, bytes, offset)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        pread::write(file, bytes, offset)
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    #[cfg(unix)]
    fn lock(&self, file: &File) -> bool {
        rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    /// Returns false: on Windows, a lock keeps readers out, and an open file cannot be renamed.
    #[cfg(not(unix))]
    fn lock(&self, _: &File) -> bool {
        false
    }

    #[cfg(unix)]
    fn unlock(&self, file: &File) {
        let _ = rustix::fs::flock(file, rustix::fs::FlockOperation::Unlock);
    }

    #[cfg(not(unix))]
    fn unlock(&self, _: &File) {}

    #[cfg(unix)]
    fn lock_folder(&self, folder: &Path, alone: bool) -> Option<File> {
        use rustix::fs::FlockOperation::{LockExclusive, LockShared};

        let folder = File::open(folder).ok()?;
        loop {
            match rustix::fs::flock(&folder, if alone { LockExclusive } else { LockShared }) {
                Ok(()) => return Some(folder),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
    }

    fn is_local(&self, file: &File) -> bool {
        filesystem::is_local(file)
    }

    // On Windows, no process continues a segment.
    #[cfg(unix)]
    fn freeze(&self, file: &File) -> io::Result<()> {
        let mut permissions = file.metadata()?.permissions();
        permissions.set_readonly(true);
        file.set_permissions(permissions)
    }

    #[cfg(unix)]
    fn is_frozen(&self, file: &File) -> bool {
        // The superuser may open it for writing in any case.
        file.metadata().is_ok_and(|metadata| metadata.permissions().readonly())
    }

    #[cfg(target_os = "linux")]
    fn sync_all(&self, folder: &Path) -> io::Result<bool> {
        rustix::fs::syncfs(File::open(folder)?)?;
        Ok(true)
    }

    #[cfg(not(target_os = "linux"))]
    fn sync_all(&self, _: &Path) -> io::Result<bool> {
        Ok(false)
    }

    fn set_time(&self, path: &Path, time: i64) {
        if let Ok(nanoseconds) = u64::try_from(time) {
            let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds);
            let _ = open::open(path).and_then(|file| file.set_modified(time));
        }
    }

    fn pause(&self) {
        std::thread::sleep(LOCAL_RESOLUTION);
    }

    fn now(&self) -> i64 {
        listing::nanoseconds(SystemTime::now())
    }
}

#[cfg(unix)]
fn open_for_writing(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    File::options().read(true).write(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open_for_writing(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

/// Fills a buffer, as far as the file goes. Returns the number of bytes.
pub(super) fn read_full<D: Disk>(disk: &D, file: &D::File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match disk.read_at(file, &mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Returns a random name of 32 hexadecimal digits.
///
/// A forked child has the random state of its parent, hence the process and the time.
pub(super) fn random_name() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};

    let mut hasher = blake3::Hasher::new();
    for _ in 0..2 {
        hasher.update(&RandomState::new().build_hasher().finish().to_le_bytes());
    }
    hasher.update(&std::process::id().to_le_bytes());
    hasher.update(&listing::nanoseconds(SystemTime::now()).to_le_bytes());
    crate::digest::hex(&hasher.finalize().as_bytes()[..16])
}
