//! The files that one call opens while it computes.

use std::mem;
use std::path::{Path, PathBuf, absolute};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(not(Py_3_12))]
use std::thread::{self, ThreadId};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use funes_core::file_stamp::{FileStamp, LOCAL_RESOLUTION};
use funes_core::reads::Opened;
use pyo3::prelude::*;
#[cfg(not(Py_3_12))]
use pyo3::types::PyDict;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::reads::settings::Settings;

/// Records the files that a call opens.
pub(crate) struct Recording {
    /// The recording of the call from which this one was made.
    pub(super) parent: Option<Arc<Self>>,
    pub(super) is_in_progress: AtomicBool,
    /// True if the files do not count, neither for this call nor for the call from which it was made.
    ignores: bool,
    /// Locked by attached threads only, which neither wait nor run Python code meanwhile.
    found: Mutex<Found>,
    /// The threads that were running when the recording began; none if it was only `began_in`.
    #[cfg(not(Py_3_12))]
    pub(super) threads: Option<Py<PyDict>>,
    #[cfg(not(Py_3_12))]
    pub(super) began_in: ThreadId,
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
    /// Returns the kind of the warning, what the function does, and what to do about it.
    pub(crate) fn texts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Process => (
                "process",
                "starts another process",
                "What that process reads is not seen: name its files with depends_on=, or pass files=\"ignore\" if it reads \
                 none that change",
            ),
            Self::Network => (
                "network",
                "uses the network",
                "A stored result stays as it is when the answer would be another one: pass what it depends on as an \
                 argument, such as a version or date",
            ),
            Self::Listing => (
                "listing",
                "lists a folder",
                "Later calls do not see new or deleted files: pass the list as an argument, name the folder with \
                 depends_on=, or pass files=\"ignore\"",
            ),
            Self::Library => (
                "library",
                "loads or calls a C library through ctypes",
                "The files that it opens are not seen: name them with depends_on=, or pass files=\"ignore\" if it opens none",
            ),
        }
    }
}

impl Recording {
    /// Creates the recording of a call that begins. `ignores`: the files do not count.
    pub(super) fn new(
        parent: Option<Arc<Self>>,
        ignores: bool,
        #[cfg(not(Py_3_12))] threads: Option<Py<PyDict>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            parent,
            is_in_progress: AtomicBool::new(true),
            ignores,
            found: Mutex::default(),
            #[cfg(not(Py_3_12))]
            threads,
            #[cfg(not(Py_3_12))]
            began_in: thread::current().id(),
        })
    }

    /// Returns whether this is the recording of a call within another one.
    pub(super) fn is_within(&self, other: &Arc<Self>) -> bool {
        self.parent.as_ref().is_some_and(|parent| Arc::ptr_eq(parent, other) || parent.is_within(other))
    }

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

    /// Adds what was found to the recording of a call around this one.
    pub(super) fn pass_on(&self, parent: &Self) {
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
    pub(super) fn leave_folder(&self) {
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
