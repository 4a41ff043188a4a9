//! Knows whether the file that describes a definition still lies beside its entries.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use funes_core::throttle::Throttle;
use pyo3::prelude::*;

/// The file that describes a definition, beside its entries.
pub(crate) const DESCRIPTION: &str = "definition.json";

/// How often the file is looked at: a folder that was deleted meanwhile gets another one so much later.
const PERIOD: Duration = Duration::from_millis(1);

/// What is known of the file of one definition.
pub(crate) struct DescriptionWatch {
    pace: Throttle,
    /// Whether it was there when it was last looked at; if not, a miss has to write it.
    is_there: AtomicBool,
}

impl Default for DescriptionWatch {
    fn default() -> Self {
        Self { pace: Throttle::every(PERIOD), is_there: AtomicBool::new(false) }
    }
}

impl DescriptionWatch {
    /// Whether the file was there when it was last looked at.
    pub(crate) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Relaxed)
    }

    /// Whether the file in that folder is still there.
    pub(crate) fn holds(&self, py: Python<'_>, folder: &Path) -> bool {
        if self.is_there() && self.pace.is_due() {
            self.note(py.detach(|| fs::symlink_metadata(folder.join(DESCRIPTION)).is_ok()));
        }
        self.is_there()
    }

    /// Takes note of whether the file is there.
    pub(crate) fn note(&self, is_there: bool) {
        self.is_there.store(is_there, Ordering::Relaxed);
    }
}
