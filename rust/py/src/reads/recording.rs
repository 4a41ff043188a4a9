//! The files that one call opens while it computes.

use std::mem;
use std::path::{Path, PathBuf, absolute};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use funes_core::file_stamp::{FileStamp, LOCAL_RESOLUTION};
use funes_core::reads::Opened;
use pyo3::ffi;
use pyo3::prelude::*;
#[cfg(not(Py_3_12))]
use pyo3::types::PyDict;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::gil_cell::GilCell;
use crate::lazy::Lazy;
use crate::reads::settings::Settings;
use crate::reads::{audit, threads};

/// The number of recordings in progress. While it is zero, the audit hook does nothing.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The recordings in progress.
static IN_PROGRESS: GilCell<Vec<Arc<Recording>>> = GilCell::new(Vec::new());

/// The context variable with the recording of the code that runs.
static VARIABLE: Lazy<Py<PyAny>> = Lazy::new();

/// Records the files that a call opens.
pub(crate) struct Recording {
    /// The recording of the call from which this one was made.
    parent: Option<Arc<Recording>>,
    is_in_progress: AtomicBool,
    /// True if the files do not count, neither for this call nor for the call from which it was made.
    ignores: bool,
    /// Locked by attached threads only, which neither wait nor run Python code meanwhile.
    found: Mutex<Found>,
    /// The threads that were running when the recording began.
    #[cfg(not(Py_3_12))]
    pub(super) threads: Py<PyDict>,
}

#[derive(Default)]
struct Found {
    opened: Vec<Opened>,
    /// The index of each path in `opened`.
    places: FxHashMap<PathBuf, usize>,
    /// The absolute paths of the files that the call wrote.
    written: FxHashSet<PathBuf>,
    /// The absolute paths of the folders that the call created.
    created: Vec<PathBuf>,
    /// True if the call has changed the working directory, so that relative paths are not those of
    /// the caller.
    has_moved: bool,
    /// The inputs that are not seen, each with the line of code.
    reports: Vec<(Unseen, String)>,
    /// The time at which the call started another process, in nanoseconds since 1970.
    spawned: Option<i64>,
}

/// An input of a call that is not seen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unseen {
    Process,
    Network,
    Listing,
    Library,
}

impl Unseen {
    /// Returns the kind of the warning, and what the function does and what to do about it.
    pub(crate) fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Process => (
                "process",
                "starts another process. What that process reads is not seen: name its files with depends_on=, or pass \
                 files=\"ignore\" if it reads none that change",
            ),
            Self::Network => (
                "network",
                "uses the network. A stored result stays as it is when the answer would be another one: pass what it \
                 depends on as an argument, such as a version or date",
            ),
            Self::Listing => (
                "listing",
                "lists a folder. Later calls do not see new or deleted files: pass the list as an argument, name the \
                 folder with depends_on=, or pass files=\"ignore\"",
            ),
            Self::Library => (
                "library",
                "loads or calls a C library through ctypes. The files that it opens are not seen: name them with \
                 depends_on=, or pass files=\"ignore\" if it opens none",
            ),
        }
    }
}

/// The value of the context variable.
#[pyclass(frozen, module = "funes._funes")]
pub(super) struct RecordingRef(pub(super) Arc<Recording>);

/// A recording in progress, and what resets the context variable.
pub(crate) struct Running {
    recording: Arc<Recording>,
    token: Option<Py<PyAny>>,
}

/// Returns whether a recording is in progress.
#[inline]
pub(super) fn are_any() -> bool {
    COUNT.load(Ordering::Relaxed) > 0
}

/// Returns the recordings to which the code that runs belongs: usually one or none. A thread that an
/// earlier call has started and that goes on, such as that of a pool, may work for any call.
pub(crate) fn current(py: Python<'_>) -> Vec<Arc<Recording>> {
    if !are_any() {
        return Vec::new();
    }
    if let Some(recording) = of_context(py).and_then(in_progress) {
        return vec![recording];
    }
    let all = || IN_PROGRESS.with(py, |all| all.clone());
    match threads::Origin::of_thread(py, all) {
        threads::Origin::Call(recording) => in_progress(recording).map_or_else(all, |recording| vec![recording]),
        threads::Origin::OneOf(recordings) => recordings,
    }
}

/// Returns a recording, or the innermost one around it that is in progress.
fn in_progress(recording: Arc<Recording>) -> Option<Arc<Recording>> {
    let mut recording = recording;
    while !recording.is_in_progress.load(Ordering::Relaxed) {
        recording = recording.parent.clone()?;
    }
    Some(recording)
}

/// Returns the recording in the context variable.
fn of_context(py: Python<'_>) -> Option<Arc<Recording>> {
    let variable = VARIABLE.get()?;
    let mut value = ptr::null_mut();
    // SAFETY: the variable is a context variable; the pointer to the result is valid. The result is
    // an owned reference, or null if the variable has no value.
    let found = unsafe {
        if ffi::PyContextVar_Get(variable.as_ptr(), ptr::null_mut(), &raw mut value) < 0 {
            drop(PyErr::take(py));
            return None;
        }
        Bound::from_owned_ptr_or_opt(py, value)
    };
    Some(found?.cast::<RecordingRef>().ok()?.get().0.clone())
}

impl Running {
    /// Begins to record. `ignores`: the files do not count.
    pub(crate) fn begin(py: Python<'_>, ignores: bool) -> PyResult<Self> {
        audit::register(py)?;
        let variable = VARIABLE.get_or_try_init(py, || {
            // SAFETY: the name is a C string, and there is no default value.
            unsafe {
                let made = ffi::PyContextVar_New(c"funes.recording".as_ptr(), ptr::null_mut());
                Bound::from_owned_ptr_or_err(py, made).map(Bound::unbind)
            }
        })?;
        let parent = of_context(py).and_then(in_progress).or_else(|| current(py).pop());
        let found = Mutex::default();
        let recording = Arc::new(Recording {
            parent,
            is_in_progress: AtomicBool::new(true),
            ignores,
            found,
            #[cfg(not(Py_3_12))]
            threads: threads::running(py)?,
        });
        let value = Bound::new(py, RecordingRef(recording.clone()))?;
        // SAFETY: both are objects of the right kinds. The result is an owned reference, or null
        // with an error.
        let token = unsafe {
            let token = ffi::PyContextVar_Set(variable.as_ptr(), value.as_ptr());
            Bound::from_owned_ptr_or_err(py, token)?
        };
        IN_PROGRESS.with(py, |all| all.push(recording.clone()));
        COUNT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { recording, token: Some(token.unbind()) })
    }

    /// Ends the recording, and passes it on to the call from which this one was made.
    pub(crate) fn end(mut self, py: Python<'_>) -> Arc<Recording> {
        let recording = self.recording.clone();
        recording.is_in_progress.store(false, Ordering::Relaxed);
        COUNT.fetch_sub(1, Ordering::Relaxed);
        let _ended = IN_PROGRESS.with(py, |all| {
            let position = all.iter().rposition(|each| Arc::ptr_eq(each, &recording));
            position.map(|position| all.swap_remove(position))
        });
        #[cfg(not(Py_3_12))]
        recording.threads.bind(py).clear();
        if let (Some(variable), Some(token)) = (VARIABLE.get(), self.token.take()) {
            // SAFETY: the token is that of the variable. It fails if a coroutine goes on in another
            // context; then the value stays there, and is ignored since the recording has ended.
            if unsafe { ffi::PyContextVar_Reset(variable.as_ptr(), token.as_ptr()) } < 0 {
                drop(PyErr::take(py));
            }
        }
        if let Some(parent) = recording.parent.clone().and_then(in_progress) {
            recording.pass_on(&parent);
        }
        recording
    }
}

impl Recording {
    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the opened files out.
    pub(crate) fn take_opened(&self) -> Vec<Opened> {
        if self.ignores {
            return Vec::new();
        }
        let found = &mut *self.found();
        found.places.clear();
        mem::take(&mut found.opened)
    }

    fn pass_on(&self, parent: &Self) {
        let from = self.found();
        if from.opened.is_empty() && from.written.is_empty() && from.created.is_empty() && from.spawned.is_none() {
            return;
        }
        let mut to = parent.found();
        if !self.ignores {
            for Opened { path, stamp } in &from.opened {
                to.open(path.clone(), *stamp);
            }
        }
        to.written.extend(from.written.iter().cloned());
        to.created.extend(from.created.iter().cloned());
        to.spawned = to.spawned.or(from.spawned);
    }

    /// Notes that the call opens a file for reading, which may not exist.
    pub(crate) fn read(&self, py: Python<'_>, path: &Path, settings: &Settings) {
        let path = {
            let found = self.found();
            let path = if found.has_moved { absolute(path).unwrap_or_else(|_| path.into()) } else { path.into() };
            if found.places.contains_key(&path) || found.is_product(&path) {
                return;
            }
            path
        };
        if settings.skips(&path) {
            return;
        }
        let metadata = py.detach(|| std::fs::metadata(&path));
        let stamp = match metadata {
            Ok(metadata) if metadata.is_file() => Some(FileStamp::of(&metadata)),
            Ok(_) => return,
            Err(_) => None,
        };
        let mut found = self.found();
        // Another process that the call started may have written the file for it.
        let is_product = |stamp: FileStamp| found.spawned.is_some_and(|spawned| stamp.times()[1] >= spawned);
        if !stamp.is_some_and(is_product) {
            found.open(path, stamp);
        }
    }

    /// Adds files that a call within this one has read.
    pub(crate) fn add(&self, opened: &[Opened]) {
        let mut found = self.found();
        for Opened { path, stamp } in opened {
            let path = if found.has_moved { absolute(path).unwrap_or_else(|_| path.clone()) } else { path.clone() };
            found.open(path, *stamp);
        }
    }

    /// Notes that the call writes a file.
    pub(crate) fn write(&self, path: &Path) {
        let mut found = self.found();
        if let Ok(path) = absolute(path) {
            // It was missing before, and is no input any more.
            let is_absent = |each: &Opened| each.stamp.is_none() && absolute(&each.path).is_ok_and(|each| each == path);
            if let Some(position) = found.opened.iter().position(is_absent) {
                found.opened.remove(position);
                let places = found.opened.iter().enumerate().map(|(at, each)| (each.path.clone(), at)).collect();
                found.places = places;
            }
            found.written.insert(path);
        }
    }

    /// Notes that the call creates a folder.
    pub(crate) fn create_folder(&self, path: &Path) {
        if let Ok(path) = absolute(path) {
            self.found().created.push(path);
        }
    }

    /// Notes that the working directory is about to change.
    fn leave_folder(&self) {
        let found = &mut *self.found();
        found.has_moved = true;
        found.places.clear();
        for (place, each) in found.opened.iter_mut().enumerate() {
            if let Ok(path) = absolute(&each.path) {
                each.path = path;
            }
            found.places.insert(each.path.clone(), place);
        }
    }

    /// Notes an input that is not seen, and the line of code.
    pub(crate) fn report(&self, unseen: Unseen, place: impl FnOnce() -> Option<String>) {
        if self.found().reports.iter().any(|(each, _)| *each == unseen) {
            return;
        }
        let place = place().unwrap_or_default();
        self.found().reports.push((unseen, place));
    }

    /// Takes the reports out. A function that ignores files also ignores what stands for files.
    pub(crate) fn take_reports(&self) -> Vec<(Unseen, String)> {
        let mut reports = mem::take(&mut self.found().reports);
        reports.retain(|(unseen, _)| !self.ignores || *unseen == Unseen::Network);
        reports
    }

    /// Returns whether the call itself has written a file, or created the folder in which it is.
    pub(crate) fn is_product(&self, path: &Path) -> bool {
        self.found().is_product(path)
    }

    /// Notes that the call starts another process.
    pub(crate) fn spawn(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        // The times of files are those of a clock with a coarser resolution.
        let now = now.saturating_sub(LOCAL_RESOLUTION).as_nanos();
        self.found().spawned.get_or_insert(i64::try_from(now).unwrap_or(i64::MAX));
    }
}

/// Notes that the working directory of the process is about to change.
pub(super) fn leave_folder(py: Python<'_>) {
    for recording in IN_PROGRESS.with(py, |all| all.clone()) {
        recording.leave_folder();
    }
}

impl Found {
    fn open(&mut self, path: PathBuf, stamp: Option<FileStamp>) {
        if !self.places.contains_key(&path) && !self.is_product(&path) {
            self.places.insert(path.clone(), self.opened.len());
            self.opened.push(Opened { path, stamp });
        }
    }

    /// Returns whether the call itself has written a file.
    fn is_product(&self, path: &Path) -> bool {
        if self.written.is_empty() && self.created.is_empty() {
            return false;
        }
        absolute(path).is_ok_and(|path| {
            self.written.contains(&path) || self.created.iter().any(|folder| path.starts_with(folder))
        })
    }
}
