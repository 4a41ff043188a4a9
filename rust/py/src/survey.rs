//! Whether the file that describes a definition is as it was when it had no adoptions.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use funes_core::pace::Pace;
use pyo3::prelude::*;

use crate::attached::Attached;

/// How often the file is looked at. What another process adopts is seen so much later.
const PERIOD: Duration = Duration::from_millis(1);

/// How often this process has changed such a file.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// What is known of the file of one definition.
pub(crate) struct Survey {
    pace: Pace,
    /// The file when it had no adoptions, and how often this process had changed any.
    known: Attached<Option<(Stamp, u64)>>,
}

/// Tells one state of a file from another: its time of change, its length, its number. None if there is no file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(Option<(SystemTime, u64, u64)>);

/// How the file is now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    Same,
    /// It is not there any more, or not yet.
    Gone,
    Other,
}

impl Default for Survey {
    fn default() -> Self {
        Self { pace: Pace::every(PERIOD), known: Attached::new(None) }
    }
}

impl Survey {
    /// Whether the file had no adoptions just now.
    pub(crate) fn holds(&self, py: Python<'_>) -> bool {
        let changes = CHANGES.load(Ordering::Relaxed);
        self.known.with(py, |known| known.is_some_and(|(_, before)| before == changes)) && !self.pace.is_due()
    }

    /// Compares the file with the one that had no adoptions.
    pub(crate) fn compare(&self, py: Python<'_>, now: Stamp) -> Seen {
        let before = self.known.with(py, |known| known.map(|(file, _)| file));
        if before == Some(now) {
            self.note(py, now);
            return Seen::Same;
        }
        if now == Stamp(None) { Seen::Gone } else { Seen::Other }
    }

    /// Takes note that the file has no adoptions.
    pub(crate) fn note(&self, py: Python<'_>, file: Stamp) {
        let changes = CHANGES.load(Ordering::Relaxed);
        self.known.with(py, |known| *known = Some((file, changes)));
    }
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Self {
        let metadata = fs::symlink_metadata(path).ok();
        Self(metadata.and_then(|metadata| Some((metadata.modified().ok()?, metadata.len(), number(&metadata)))))
    }
}

#[cfg(unix)]
fn number(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn number(_: &fs::Metadata) -> u64 {
    0
}

/// Says that this process has changed such a file: calls from now on look at theirs again.
#[pyfunction]
pub(crate) fn forget_surveys() {
    CHANGES.fetch_add(1, Ordering::Relaxed);
}
