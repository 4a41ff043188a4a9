//! A lock of this process on one key, among all processes that share the cache folder.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use funes_core::lock::{self, LockFile};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

/// The lock files that this process has open, by folder, the last used one last. One that has several names is there under
/// each; and under none, while something in it is locked that is no longer in its place.
///
/// The mutex is taken by attached threads only and never across a wait, so that no fork can happen while it is: the child
/// would find it taken for ever.
static OPEN: Mutex<Vec<(Option<PathBuf>, Arc<LockFile>)>> = Mutex::new(Vec::new());

/// How many lock files stay open while nothing in them is locked: so many definitions are called in turn without
/// opening a file at each miss.
const IDLE: usize = 16;

/// How often a lock file that somebody deletes while it is being locked is opened again.
const ATTEMPTS: usize = 4;

/// A lock on one key, to be had by one process at a time. Threads of one process do not exclude each other.
///
/// `folder` is that of the definition's entries; it is created if it is missing. A cache folder that cannot be written to,
/// and a file system without locks, give no lock, and no error.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct KeyLock {
    folder: PathBuf,
    /// The byte of the lock file that stands for the key.
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

    /// Takes the lock if it is free: True. False if another process has it; None if there is no lock to be had.
    pub(crate) fn acquire(&self, py: Python<'_>) -> Option<bool> {
        for _ in 0..ATTEMPTS {
            let file = open(&self.folder)?;
            // Looked at when the lock is had: somebody may have deleted the file since it was opened, and others have made
            // a new one.
            let (locked, is_in_place) = swiftly(py, &file, || (file.try_lock(self.offset), file.is_in_place()));
            if is_in_place {
                let locked = locked.ok()?;
                self.is_held.store(locked, Ordering::Relaxed);
                self.keep(Some(file));
                return Some(locked);
            }
            swiftly(py, &file, || file.unlock(self.offset)).ok();
            forget(file);
        }
        None
    }

    /// Frees the lock, if it is held.
    pub(crate) fn release(&self, py: Python<'_>) {
        if self.is_held.swap(false, Ordering::Relaxed)
            && let Some(file) = self.keep(None)
        {
            swiftly(py, &file, || file.unlock(self.offset)).ok();
        }
    }

    /// The process that has the lock; None if it is free, or held by another host, or the system does not tell.
    fn holder(&self, py: Python<'_>) -> Option<u32> {
        let file = self.file();
        file.and_then(|file| py.detach(|| file.holder(self.offset)))
    }

    /// The descriptor of the lock file, which stays open as long as this object.
    #[cfg(unix)]
    fn fileno(&self) -> PyResult<i32> {
        match self.file() {
            Some(file) => Ok(std::os::fd::AsRawFd::as_raw_fd(&*file)),
            None => Err(PyOSError::new_err("there is no lock file")),
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, reason = "it is asked elsewhere")]
    fn fileno(&self) -> PyResult<i32> {
        Err(PyOSError::new_err("descriptors are not for locks here"))
    }
}

impl KeyLock {
    /// The folder by which this process knows the lock file, if that is another name. Nothing is kept open for that: who
    /// asks may never lock, and be there for long.
    pub(crate) fn other_name(&self) -> Option<PathBuf> {
        let file = open(&self.folder)?;
        (file.folder().as_os_str() != self.folder.as_os_str()).then(|| file.folder().to_owned())
    }

    /// Whether its file lies on a disk of this machine; not known without a lock.
    pub(crate) fn is_local(&self) -> bool {
        self.file().is_some_and(|file| file.is_local())
    }

    fn file(&self) -> Option<Arc<LockFile>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another file in the place of the present one, which is returned.
    fn keep(&self, file: Option<Arc<LockFile>>) -> Option<Arc<LockFile>> {
        std::mem::replace(&mut *self.file.lock().unwrap_or_else(PoisonError::into_inner), file)
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        if *self.is_held.get_mut()
            && let Some(file) = self.keep(None)
        {
            file.unlock(self.offset).ok();
        }
    }
}

/// Asks the system for something that takes it half a microsecond, unless another host has to be asked. To give up the
/// interpreter's lock takes nearly as long; and where another thread computes, it is given back milliseconds later.
fn swiftly<R: Send>(py: Python<'_>, file: &LockFile, work: impl FnOnce() -> R + Send) -> R {
    if file.is_local() { work() } else { py.detach(work) }
}

/// The one open lock file of a folder. It is opened while the mutex is held, once in the life of most processes: a second
/// descriptor for it could never be closed again without freeing the locks that are held through the first.
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

/// Lets no folder lead to a file that is no longer in its place. As long as something in it is locked, it stays known: it
/// may be in another place now, or have another name, and be asked for by that.
fn forget(file: Arc<LockFile>) {
    let mut all = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    for (folder, _) in all.iter_mut().filter(|(_, other)| Arc::ptr_eq(&file, other)) {
        *folder = None;
    }
    drop(file);
    close_idle(&mut all);
}

/// Closes files in which nothing is locked: those that no folder leads to, and the others that were used longest ago.
fn close_idle(all: &mut Vec<(Option<PathBuf>, Arc<LockFile>)>) {
    // Whatever is locked, or being waited for, has a second owner.
    let is_idle = |file: &Arc<LockFile>| Arc::strong_count(file) == 1;
    let mut idle = all.iter().filter(|(_, file)| is_idle(file)).count();
    all.retain(|(folder, file)| {
        let goes = is_idle(file) && (folder.is_none() || idle > IDLE);
        idle -= usize::from(goes);
        !goes
    });
}
