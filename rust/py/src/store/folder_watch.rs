//! Detects that entries of a definition may have been deleted; checks the folder once a second.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use coarsetime::Instant;

/// The time between checks of the folder.
const PERIOD_SECONDS: u64 = 1;

/// Two changes within this time may leave the folder with the same modification time: the coarsest
/// file systems (FAT) count in two seconds.
const MTIME_RESOLUTION: Duration = Duration::from_secs(3);

/// The number of the next state.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The state of one folder.
#[derive(Default)]
pub(crate) struct FolderWatch {
    /// The time of the next check, in seconds of the monotonic clock.
    next: AtomicU64,
    /// The modification time of the folder at the last check, in nanoseconds; 0 if it did not exist.
    changed: AtomicU64,
    /// The number of the state of the folder. Entries seen in another state must be checked again.
    state: AtomicU64,
}

impl FolderWatch {
    /// Returns the number of the current state of the folder.
    pub(crate) fn state(&self, folder: impl FnOnce() -> Option<PathBuf>) -> u64 {
        let now = coarsetime::Duration::from_ticks(Instant::now().as_ticks()).as_secs();
        if now < self.next.load(Ordering::Relaxed) {
            return self.state.load(Ordering::Relaxed);
        }
        self.next.store(now + PERIOD_SECONDS, Ordering::Relaxed);
        let Some(folder) = folder() else { return self.state.load(Ordering::Relaxed) };
        self.check(&folder)
    }

    #[cold]
    fn check(&self, folder: &Path) -> u64 {
        let time = std::fs::metadata(folder).and_then(|metadata| metadata.modified()).ok();
        let changed = time
            .map_or(0, |time| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64));
        let before = self.changed.swap(changed, Ordering::Relaxed);
        let is_old = time.is_some_and(|time| time.elapsed().is_ok_and(|age| age > MTIME_RESOLUTION));
        if before == changed && is_old {
            return self.state.load(Ordering::Relaxed);
        }
        // The number is unique among all folders: a result may have been seen by an earlier watch.
        let state = NEXT.fetch_add(1, Ordering::Relaxed);
        self.state.store(state, Ordering::Relaxed);
        state
    }
}
