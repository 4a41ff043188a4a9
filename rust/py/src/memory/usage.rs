//! Sums the hits and the time that they saved, for the folder of each definition.
//!
//! At the end of the process, the sums are added to `stats.json` in each folder. Hits only
//! increment `Counters`. The values of the counters are collected when the definition or the store
//! changes, and at exit.
//!
//! Only attached threads lock the mutexes, and no thread waits while it holds one. So no fork
//! happens while a mutex is locked; otherwise it would stay locked in the child.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use pyo3::prelude::*;

use crate::call::mode;
use crate::memory::counters::Counters;

/// A number of hits, and the run time that these hits saved.
#[derive(Clone, Copy, Default)]
struct Saved {
    hits: u64,
    seconds: f64,
}

/// The sums by the folder of a definition.
static FOLDERS: Mutex<BTreeMap<PathBuf, Saved>> = Mutex::new(BTreeMap::new());

/// The usage of the functions that are alive, by number.
static ALIVE: Mutex<Option<HashMap<u64, Weak<Usage>>>> = Mutex::new(None);

/// Collects the hits of one memorious function, and the time that they saved.
pub(crate) struct Usage {
    /// The key of this usage in `ALIVE`.
    number: u64,
    counters: Arc<Counters>,
    current: Mutex<Current>,
}

/// The folder that gets the next hits.
#[derive(Default)]
struct Current {
    /// `None` if the folder is not known yet; then there were no hits.
    folder: Option<PathBuf>,
    /// The values of the counters when the folder became current.
    before: Saved,
}

impl Usage {
    pub(crate) fn new(counters: &Arc<Counters>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let usage = Arc::new(Self { number, counters: counters.clone(), current: Mutex::default() });
        locked(&ALIVE).get_or_insert_default().insert(number, Arc::downgrade(&usage));
        usage
    }

    /// Collects the counters, and sets the folder to which the next hits belong.
    pub(crate) fn turn_to(&self, folder: Option<PathBuf>) {
        let mut current = locked(&self.current);
        self.collect(&mut current);
        current.folder = folder;
    }

    /// Collects the counters, and sets them to zero.
    pub(crate) fn reset(&self) {
        let mut current = locked(&self.current);
        self.collect(&mut current);
        self.counters.reset();
        current.before = Saved::default();
    }

    fn collect(&self, current: &mut Current) {
        let now = self.saved();
        let before = std::mem::replace(&mut current.before, now);
        let hits = now.hits.saturating_sub(before.hits);
        if hits > 0
            && let Some(folder) = &current.folder
        {
            let mut folders = locked(&FOLDERS);
            let sum = folders.entry(folder.clone()).or_default();
            sum.hits += hits;
            sum.seconds += (now.seconds - before.seconds).max(0.0);
        }
    }

    fn saved(&self) -> Saved {
        let (in_memory, on_disk, _, _, seconds, _) = self.counters.numbers();
        Saved { hits: in_memory + on_disk, seconds }
    }
}

impl Drop for Usage {
    fn drop(&mut self) {
        self.turn_to(None);
        if let Some(alive) = locked(&ALIVE).as_mut() {
            alive.remove(&self.number);
        }
    }
}

/// Returns the sums since the last call of this function: folder of the definition, hits, seconds. Nothing if `FUNES_MODE`
/// allows no writing.
#[pyfunction]
pub(crate) fn take_usage() -> Vec<(OsString, u64, f64)> {
    if mode::is_process_readonly() {
        return Vec::new();
    }
    collect_usage();
    let folders = std::mem::take(&mut *locked(&FOLDERS));
    folders.into_iter().map(|(folder, saved)| (folder.into(), saved.hits, saved.seconds)).collect()
}

/// Adds the hits of all functions until now to the sums.
#[pyfunction]
pub(crate) fn collect_usage() {
    for usage in alive() {
        usage.collect(&mut locked(&usage.current));
    }
}

/// Lets the hits since they were added to the sums not count: they belong to a mode that writes no file.
#[pyfunction]
pub(crate) fn skip_usage() {
    for usage in alive() {
        locked(&usage.current).before = usage.saved();
    }
}

/// Resets the sums in a forked child, since the parent stores them.
#[pyfunction]
pub(crate) fn forget_usage() {
    skip_usage();
    locked(&FOLDERS).clear();
}

/// Lists the usage of the functions that are alive now. Dropping the last reference to a usage
/// locks `ALIVE` again.
fn alive() -> Vec<Arc<Usage>> {
    locked(&ALIVE).iter().flatten().filter_map(|(_, usage)| usage.upgrade()).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
