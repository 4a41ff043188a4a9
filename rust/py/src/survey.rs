//! Knows whether the file that describes a definition still lies beside its entries.

use std::fs;
use std::path::Path;
use std::time::Duration;

use funes_core::pace::Pace;
use pyo3::prelude::*;

use crate::attached::Attached;

/// The file that describes a definition, beside its entries.
pub(crate) const DESCRIPTION: &str = "definition.json";

/// How often the file is looked at: a folder that was deleted meanwhile gets another one so much later.
const PERIOD: Duration = Duration::from_millis(1);

/// What is known of the file of one definition.
pub(crate) struct Survey {
    pace: Pace,
    /// Whether there was a file when it was last looked at; none if a miss has to see to it.
    known: Attached<Option<bool>>,
}

impl Default for Survey {
    fn default() -> Self {
        Self { pace: Pace::every(PERIOD), known: Attached::new(None) }
    }
}

impl Survey {
    /// Whether the file was written, or cannot be.
    pub(crate) fn is_known(&self, py: Python<'_>) -> bool {
        self.known.with(py, |known| known.is_some())
    }

    /// Whether this is still so of the file in that folder.
    pub(crate) fn holds(&self, py: Python<'_>, folder: &Path) -> bool {
        let Some(before) = self.known.with(py, |known| *known) else { return false };
        if !self.pace.is_due() {
            return true;
        }
        let now = py.detach(|| fs::symlink_metadata(folder.join(DESCRIPTION)).is_ok());
        self.known.with(py, |known| {
            *known = known.filter(|_| before == now);
            known.is_some()
        })
    }

    /// Takes note of whether there is a file, or that this is not known.
    pub(crate) fn note(&self, py: Python<'_>, is_there: Option<bool>) {
        self.known.with(py, |known| *known = is_there);
    }
}
