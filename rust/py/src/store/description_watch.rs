//! Detects that `definition.json` beside the entries of a definition was deleted.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use funes_core::throttle::Throttle;
use pyo3::prelude::*;

/// The name of the definition file.
pub(crate) const DESCRIPTION: &str = "definition.json";

/// The time between checks. A deleted file is written again by the first miss after that time.
const PERIOD: Duration = Duration::from_millis(1);

/// Watches the definition file of one definition.
pub(crate) struct DescriptionWatch {
    throttle: Throttle,
    /// True if the file existed at the last check. Otherwise a miss writes the file.
    is_there: AtomicBool,
}

impl Default for DescriptionWatch {
    fn default() -> Self {
        Self { throttle: Throttle::every(PERIOD), is_there: AtomicBool::new(false) }
    }
}

impl DescriptionWatch {
    /// Returns whether the file existed at the last check.
    pub(crate) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Relaxed)
    }

    /// Returns whether the file in a folder still exists; checks once per period.
    pub(crate) fn holds(&self, py: Python<'_>, folder: impl FnOnce() -> Option<PathBuf>) -> bool {
        if self.is_there()
            && self.throttle.is_due()
            && let Some(folder) = folder()
        {
            self.note(py.detach(|| fs::symlink_metadata(folder.join(DESCRIPTION)).is_ok()));
        }
        self.is_there()
    }

    /// Records whether the file exists.
    pub(crate) fn note(&self, is_there: bool) {
        self.is_there.store(is_there, Ordering::Relaxed);
    }
}
