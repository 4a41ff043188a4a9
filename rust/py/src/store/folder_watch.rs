//! Whether somebody may have deleted entries of a definition by hand: told by the folder, looked at once a second at most.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use coarsetime::Instant;

/// How often the folder is looked at, in seconds.
const PERIOD: u64 = 1;

/// A change that comes so soon after another one may leave the folder's time of change as it is: the coarsest file
/// systems (FAT) count in two seconds.
const GRAIN: Duration = Duration::from_secs(3);

/// The number of the next state.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The state of one folder.
#[derive(Default)]
pub(crate) struct FolderWatch {
    /// When to look again, in seconds of the clock that only goes forward.
    next: AtomicU64,
    /// The folder's time of change when it was looked at, in nanoseconds; 0 for a folder that is not there.
    changed: AtomicU64,
    /// A number for the state of the folder: what was seen in another state must be looked for again.
    state: AtomicU64,
}

impl FolderWatch {
    /// The number of the folder's present state.
    pub(crate) fn state(&self, folder: impl FnOnce() -> Option<PathBuf>) -> u64 {
        let now = coarsetime::Duration::from_ticks(Instant::now().as_ticks()).as_secs();
        if now < self.next.load(Ordering::Relaxed) {
            return self.state.load(Ordering::Relaxed);
        }
        self.next.store(now + PERIOD, Ordering::Relaxed);
        let Some(folder) = folder() else { return self.state.load(Ordering::Relaxed) };
        self.look(&folder)
    }

    #[cold]
    fn look(&self, folder: &Path) -> u64 {
        let time = std::fs::metadata(folder).and_then(|metadata| metadata.modified()).ok();
        let changed = time
            .map_or(0, |time| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64));
        let before = self.changed.swap(changed, Ordering::Relaxed);
        let is_settled = time.is_some_and(|time| time.elapsed().is_ok_and(|age| age > GRAIN));
        if before == changed && is_settled {
            return self.state.load(Ordering::Relaxed);
        }
        // Different from the states of all other folders, too: a result may have been seen under an earlier watch.
        let state = NEXT.fetch_add(1, Ordering::Relaxed);
        self.state.store(state, Ordering::Relaxed);
        state
    }
}
