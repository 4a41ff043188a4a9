//! The folders whose files do not count, and the flags of the system.

use std::path::{MAIN_SEPARATOR, Path, PathBuf, absolute};

use pyo3::prelude::*;

use crate::hooks;
use crate::lazy::Lazy;

static SETTINGS: Lazy<Settings> = Lazy::new();

/// What `funes._call.read_settings` says about the interpreter and the system.
pub(crate) struct Settings {
    /// The folder of funes, with a separator at its end.
    pub(super) own: String,
    /// The folders of the standard library, with separators at their ends.
    pub(super) standard: Vec<String>,
    /// The folders whose files are no inputs.
    skipped: Vec<PathBuf>,
    /// The flags of `os.open` for a file that is created, truncated, or must not exist; appended to.
    pub(super) flags: Flags,
}

#[derive(Clone, Copy)]
pub(super) struct Flags {
    pub(super) create: i64,
    pub(super) truncate: i64,
    pub(super) exclusive: i64,
    pub(super) append: i64,
}

impl Settings {
    /// Asks Python, once.
    pub(super) fn prepare(py: Python<'_>) -> PyResult<()> {
        let ask = || {
            let said = hooks::READ_SETTINGS.get(py)?.call0()?;
            let (own, standard, skipped, flags): (String, Vec<String>, Vec<PathBuf>, [i64; 4]) = said.extract()?;
            let with_separator =
                |folder: String| format!("{}{MAIN_SEPARATOR}", folder.trim_end_matches(MAIN_SEPARATOR));
            let [create, truncate, exclusive, append] = flags;
            let flags = Flags { create, truncate, exclusive, append };
            let standard = standard.into_iter().map(with_separator).collect();
            Ok(Self { own: with_separator(own), standard, skipped, flags })
        };
        SETTINGS.get_or_try_init(py, ask).map(drop)
    }

    /// Returns the settings; none before the first call that computed.
    pub(crate) fn get() -> Option<&'static Self> {
        SETTINGS.get()
    }

    /// Returns whether a file is none that counts: of the interpreter, a library or the system, or
    /// byte code.
    pub(super) fn skips(&self, path: &Path) -> bool {
        if path.extension().is_some_and(|extension| extension == "pyc" || extension == "pyo") {
            return true;
        }
        let joined;
        let path = if path.is_absolute() {
            path
        } else if let Ok(absolute) = absolute(path) {
            joined = absolute;
            &joined
        } else {
            return false;
        };
        self.skipped.iter().any(|folder| path.starts_with(folder))
    }
}
