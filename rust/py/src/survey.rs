//! Whether the file that describes a definition is as it was when it had no adoptions.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use funes_core::pace::Pace;
use pyo3::prelude::*;

use crate::attached::Attached;

/// The file that describes a definition, beside its entries, and has its adoptions.
pub(crate) const DESCRIPTION: &str = "definition.json";

/// How often the file is looked at. What another process adopts is seen so much later.
const PERIOD: Duration = Duration::from_millis(1);

/// How often this process has changed such a file.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// What is known of the file of one definition.
pub(crate) struct Survey {
    pace: Pace,
    /// The file when it had no adoptions; none if that is not known, or if it has some.
    known: Attached<Option<Stamp>>,
}

/// Tells one state of a file from another.
#[pyclass(frozen, module = "funes._funes")]
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    /// Time of change, length, number. None if there is no file.
    file: Option<(SystemTime, u64, u64)>,
    /// How often this process had changed any before it was looked at.
    changes: u64,
}

impl Default for Survey {
    fn default() -> Self {
        Self { pace: Pace::every(PERIOD), known: Attached::new(None) }
    }
}

impl Survey {
    /// Whether the file had no adoptions when it was last looked at.
    pub(crate) fn is_known(&self, py: Python<'_>) -> bool {
        self.known.with(py, |known| known.is_some())
    }

    /// Whether it still has none, as the file in that folder is the same; else that has to be found out.
    pub(crate) fn holds(&self, py: Python<'_>, folder: &Path) -> bool {
        let Some(known) = self.known.with(py, |known| *known) else { return false };
        if known.changes == CHANGES.load(Ordering::Relaxed) && !self.pace.is_due() {
            return true;
        }
        let now = py.detach(|| Stamp::of(&folder.join(DESCRIPTION)));
        self.known.with(py, |known| {
            *known = known.filter(|before| before.file == now.file).map(|_| now);
            known.is_some()
        })
    }

    /// Takes note that the file has no adoptions, or that this is not known.
    pub(crate) fn note(&self, py: Python<'_>, file: Option<Stamp>) {
        self.known.with(py, |known| *known = file);
    }
}

#[pymethods]
impl Stamp {
    /// The file as it is now.
    #[new]
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 makes one")]
    fn new(py: Python<'_>, path: PathBuf) -> Self {
        py.detach(|| Self::of(&path))
    }
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Self {
        let changes = CHANGES.load(Ordering::Relaxed);
        let metadata = fs::symlink_metadata(path).ok();
        let file = metadata.and_then(|metadata| Some((metadata.modified().ok()?, metadata.len(), number(&metadata))));
        Self { file, changes }
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
