//! The lock of a cache key among all processes that share the cache folder.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use funes_core::lock::{self, LockFile};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

/// The lock files that this process has open, by folder, most recently used last. A file with
/// several names has an entry per name. A file that was deleted or moved, but contains a held lock,
/// has an entry without a name.
///
/// Only attached threads take the mutex, and never during a wait, so that no fork happens while it
/// is locked. A child would inherit a mutex that is never unlocked.
static OPEN: Mutex<Vec<(Option<PathBuf>, Arc<LockFile>)>> = Mutex::new(Vec::new());

/// The maximum number of lock files that stay open without a held lock. So many definitions can be
/// called in turn without opening a file at each miss.
const IDLE: usize = 16;

/// The maximum number of attempts to open a lock file that other processes keep deleting.
const ATTEMPTS: usize = 4;

/// A lock on one key, held by at most one process. Threads of one process do not exclude each
/// other.
///
/// `folder` is the folder of the definition's entries, created if it is missing. A read-only cache
/// folder and a file system without locks give no lock and no error.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct KeyLock {
    folder: PathBuf,
    /// The byte of the lock file that represents the key.
    #[pyo3(get)]
    offset: u64,
    /// The file of the last attempt.
    file: Mutex<Option<Arc<LockFile>>>,
    is_held: AtomicBool,
}

#[pymethods]
impl KeyLock {
    #[new]
    pub(crate) fn new(folder: PathBuf, arguments: &str) -> PyResult<Self> {
        let offset = lock::offset(arguments).ok_or_else(|| PyValueError::new_err("an argument hash has 40 digits"))?;
        Ok(Self { folder, offset, file: Mutex::new(None), is_held: AtomicBool::new(false) })
    }

    /// Tries to take the lock: true if it was free, false if another process holds it, None if
    /// locks are not available.
    pub(crate) fn acquire(&self, py: Python<'_>) -> Option<bool> {
        for _ in 0..ATTEMPTS {
            let file = open(&self.folder)?;
            if let Some(is_claimed) = swiftly(py, &file, || file.claim(self.offset)).ok()? {
                self.is_held.store(is_claimed, Ordering::Relaxed);
                self.keep(Some(file));
                return Some(is_claimed);
            }
            forget(file);
        }
        None
    }

    /// Releases the lock, if it is held.
    pub(crate) fn release(&self, py: Python<'_>) {
        if self.is_held.swap(false, Ordering::Relaxed)
            && let Some(file) = self.keep(None)
        {
            swiftly(py, &file, || file.release(self.offset)).ok();
        }
    }

    /// Returns the process that holds the lock. None if the lock is free, another host holds it, or
    /// the system does not report the holder.
    fn holder(&self, py: Python<'_>) -> Option<u32> {
        let file = self.file();
        file.and_then(|file| swiftly(py, &file, || file.holder(self.offset)))
    }

    /// Returns whether the process that holds the lock holds so many that the system cannot wait for
    /// this one.
    fn is_listed(&self, py: Python<'_>) -> bool {
        let file = self.file();
        file.is_some_and(|file| swiftly(py, &file, || file.is_listed(self.offset)))
    }

    /// Returns the descriptor of the lock file, which stays open as long as this object.
    #[cfg(unix)]
    fn fileno(&self) -> PyResult<i32> {
        match self.file() {
            Some(file) => Ok(std::os::fd::AsRawFd::as_raw_fd(&*file)),
            None => Err(PyOSError::new_err("there is no lock file")),
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, reason = "the Unix version uses it")]
    fn fileno(&self) -> PyResult<i32> {
        Err(PyOSError::new_err("this system does not lock files by descriptors"))
    }
}

impl KeyLock {
    /// Returns the folder name under which this process opened the lock file, if it is another one.
    /// Keeps no file open, since the caller may never lock.
    pub(crate) fn other_name(&self) -> Option<PathBuf> {
        let file = open(&self.folder)?;
        (file.folder().as_os_str() != self.folder.as_os_str()).then(|| file.folder().to_owned())
    }

    /// Returns whether the lock file lies on a disk of this machine; false without a lock.
    pub(crate) fn is_local(&self) -> bool {
        self.file().is_some_and(|file| file.is_local())
    }

    fn file(&self) -> Option<Arc<LockFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the present file and returns it.
    fn keep(&self, file: Option<Arc<LockFile>>) -> Option<Arc<LockFile>> {
        std::mem::replace(&mut *self.file.lock().unwrap_or_else(PoisonError::into_inner), file)
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        if *self.is_held.get_mut()
            && let Some(file) = self.keep(None)
        {
            file.release(self.offset).ok();
        }
    }
}

/// Runs a system call that takes half a microsecond unless the file is on another host. Releasing
/// the interpreter's lock takes nearly as long, and another thread that computes may keep it for
/// milliseconds.
fn swiftly<R: Send>(py: Python<'_>, file: &LockFile, work: impl FnOnce() -> R + Send) -> R {
    if file.is_local() { work() } else { py.detach(work) }
}

/// Returns the only open lock file of a folder. It is opened while the mutex is held, once in the
/// life of most processes: closing a second descriptor of the file would release the locks held
/// through the first.
fn open(folder: &Path) -> Option<Arc<LockFile>> {
    let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_its = |known: &Option<PathBuf>| known.as_ref().is_some_and(|known| known.as_os_str() == folder.as_os_str());
    if let Some(last) = all.iter().rposition(|(known, _)| is_its(known)) {
        all[last..].rotate_left(1);
        return all.last().map(|(_, file)| file.clone());
    }
    let file = Arc::new(LockFile::open(folder, all.iter().map(|(_, file)| &**file)).ok()?);
    all.push((Some(folder.to_owned()), file.clone()));
    close_idle(&mut all);
    Some(file)
}

/// Removes the names of a file that was moved or deleted. The file stays in the list while a lock
/// in it is held, since it may be opened under another name.
fn forget(file: Arc<LockFile>) {
    let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    for (folder, _) in all.iter_mut().filter(|(_, other)| Arc::ptr_eq(&file, other)) {
        *folder = None;
    }
    drop(file);
    close_idle(&mut all);
}

/// Closes files without a held lock: those without a name, and the least recently used ones beyond
/// the limit.
fn close_idle(all: &mut Vec<(Option<PathBuf>, Arc<LockFile>)>) {
    // A lock that is held or waited for also owns the file.
    let is_idle = |file: &Arc<LockFile>| Arc::strong_count(file) == 1;
    let mut idle = all.iter().filter(|(_, file)| is_idle(file)).count();
    all.retain(|(folder, file)| {
        let goes = is_idle(file) && (folder.is_none() || idle > IDLE);
        idle -= usize::from(goes);
        !goes
    });
}
