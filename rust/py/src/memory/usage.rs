//! What hits have saved, by the folder of their definition: gathered until the end of the process, when `stats.json` in each
//! folder gets its part. A hit knows nothing of this; it counts in `Counters`, which are read when anything else changes.
//!
//! The mutexes are taken by attached threads only and never across a wait, so that no fork can happen while one is: the child
//! would find it taken for ever.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use pyo3::prelude::*;

use crate::memory::counters::Counters;

/// Calls that did not run the function, and how many seconds it would have taken.
#[derive(Clone, Copy, Default)]
struct Saved {
    hits: u64,
    seconds: f64,
}

/// By the folder of a definition.
static FOLDERS: Mutex<BTreeMap<PathBuf, Saved>> = Mutex::new(BTreeMap::new());

/// Those of the functions that are alive.
static ALIVE: Mutex<Option<HashMap<u64, Weak<Usage>>>> = Mutex::new(None);

/// What the hits of one memorious function have saved.
pub(crate) struct Usage {
    /// Its key in `ALIVE`.
    number: u64,
    counters: Arc<Counters>,
    present: Mutex<Present>,
}

/// Where the next hits belong.
#[derive(Default)]
struct Present {
    /// `None`: to no folder that is known yet, and there were none.
    folder: Option<PathBuf>,
    /// What the counters said when the folder became the present one.
    before: Saved,
}

impl Usage {
    pub(crate) fn new(counters: &Arc<Counters>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let savings = Arc::new(Self { number, counters: counters.clone(), present: Mutex::default() });
        locked(&ALIVE).get_or_insert_default().insert(number, Arc::downgrade(&savings));
        savings
    }

    /// Books what was saved, and lets the next hits belong to another folder.
    pub(crate) fn turn_to(&self, folder: Option<PathBuf>) {
        let mut present = locked(&self.present);
        self.book(&mut present);
        present.folder = folder;
    }

    /// Books what was saved before the counters go back to zero.
    pub(crate) fn reset(&self) {
        let mut present = locked(&self.present);
        self.book(&mut present);
        self.counters.reset();
        present.before = Saved::default();
    }

    fn book(&self, present: &mut Present) {
        let now = self.saved();
        let before = std::mem::replace(&mut present.before, now);
        let hits = now.hits.saturating_sub(before.hits);
        if hits > 0
            && let Some(folder) = &present.folder
        {
            let mut folders = locked(&FOLDERS);
            let booked = folders.entry(folder.clone()).or_default();
            booked.hits += hits;
            booked.seconds += (now.seconds - before.seconds).max(0.0);
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

/// Takes what this process has saved and not taken yet: folder of the definition, hits, seconds.
#[pyfunction]
pub(crate) fn take_usage() -> Vec<(OsString, u64, f64)> {
    for savings in alive() {
        savings.book(&mut locked(&savings.present));
    }
    let folders = std::mem::take(&mut *locked(&FOLDERS));
    folders.into_iter().map(|(folder, saved)| (folder.into(), saved.hits, saved.seconds)).collect()
}

/// Lets a forked child begin at nothing: what was saved before is its parent's.
#[pyfunction]
pub(crate) fn forget_usage() {
    for savings in alive() {
        locked(&savings.present).before = savings.saved();
    }
    locked(&FOLDERS).clear();
}

/// The functions that are alive now. Letting go of the last reference to one takes the mutex again.
fn alive() -> Vec<Arc<Usage>> {
    locked(&ALIVE).iter().flatten().filter_map(|(_, savings)| savings.upgrade()).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
