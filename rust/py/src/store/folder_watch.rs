//! Detects that entries of a definition may have been deleted, by a check of the folder once a
//! second.

use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use coarsetime::Instant;
use funes_core::file_stamp::{FileStamp, RESOLUTION};
use rustc_hash::FxBuildHasher;

/// The time between checks of the folder.
const PERIOD_SECONDS: u64 = 1;

/// The number of the next state.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The state of one folder.
#[derive(Default)]
pub(crate) struct FolderWatch {
    /// The time of the next check, in seconds of the monotonic clock.
    next: AtomicU64,
    /// A hash of the folder's file stamp at the last check; 0 if the folder did not exist.
    stamp: AtomicU64,
    /// The number of the state of the folder. Entries seen in another state must be checked again.
    state: AtomicU64,
}

impl FolderWatch {
    /// Returns the number of the current state of the folder.
    pub(crate) fn state(&self, folder: impl FnOnce() -> Option<PathBuf>) -> u64 {
        let now = now();
        if now < self.next.load(Ordering::Relaxed) {
            return self.state.load(Ordering::Relaxed);
        }
        self.next.store(now + PERIOD_SECONDS, Ordering::Relaxed);
        let Some(folder) = folder() else { return self.state.load(Ordering::Relaxed) };
        self.check(&folder)
    }

    /// Lets the next look at the state check the folder: something else has just looked into it.
    pub(crate) fn expire(&self) {
        self.next.store(0, Ordering::Relaxed);
    }

    /// Returns the number of the current state of the folder, or None if it is time for the next check.
    #[inline]
    pub(crate) fn checked_state(&self) -> Option<u64> {
        (now() < self.next.load(Ordering::Relaxed)).then(|| self.state.load(Ordering::Relaxed))
    }

    /// Gives the folder another state, since this process has replaced an entry in it.
    pub(crate) fn renew(&self) {
        self.state.store(NEXT.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    #[cold]
    fn check(&self, folder: &Path) -> u64 {
        let stamp = std::fs::metadata(folder).ok().map(|metadata| FileStamp::of(&metadata));
        let hash = stamp.map_or(0, |stamp| FxBuildHasher.hash_one(stamp));
        let before = self.stamp.swap(hash, Ordering::Relaxed);
        if before == hash && stamp.is_some_and(|stamp| stamp.is_settled(SystemTime::now(), RESOLUTION)) {
            return self.state.load(Ordering::Relaxed);
        }
        // The number is unique among all folders, since an earlier watch may have set the state of
        // a result.
        let state = NEXT.fetch_add(1, Ordering::Relaxed);
        self.state.store(state, Ordering::Relaxed);
        state
    }
}

/// Returns the time in seconds of the monotonic clock.
#[inline]
fn now() -> u64 {
    coarsetime::Duration::from_ticks(Instant::now().as_ticks()).as_secs()
}
