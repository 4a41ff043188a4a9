//! Errors of this crate. Each message says what failed, for which file, and, where it helps, what
//! to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::ENTRY_VERSION;

/// The result of fallible functions in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The reason why an operation failed. A damaged entry is not an error but a result of reading, see
/// [`crate::store::ReadOutcome`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused: full disk, missing permission, too many open files. It may
    /// work later.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// The operation, as a phrase that follows "could not".
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },

    /// The entry has another version of the format. It is not damaged and must stay in place.
    #[error("could not read {}: {}", path.display(), other_version(*version))]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        version: u32,
    },

    /// The entry is intact, but was not signed with the signing key. It must stay in place.
    #[error("could not trust {}: it is not signed with the signing key in use", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },

    /// The caller passed an invalid argument.
    #[error("{0}")]
    Invalid(String),
}

/// Returns the message for a file of another version, with advice.
pub fn other_version(version: u32) -> String {
    let advice = if version > ENTRY_VERSION {
        "a newer funes is needed to read it"
    } else {
        "delete it, and the result is stored anew"
    };
    format!("it was written in entry format {version}, and this funes reads {ENTRY_VERSION}; {advice}")
}

/// Adds the operation and the file to an I/O error.
pub(crate) trait Context<T> {
    /// `doing` follows the words "could not".
    fn context(self, doing: &'static str, path: &Path) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context(self, doing: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io { doing, path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_operation_file_and_advice() {
        let failed: io::Result<()> = Err(io::Error::other("disk on fire"));
        let error = failed.context("write", Path::new("cache/f")).unwrap_err();
        assert_eq!(error.to_string(), "could not write cache/f: disk on fire");

        for (version, advice) in [(1, "delete it"), (7, "a newer funes is needed")] {
            let error = Error::OtherVersion { path: "cache/f".into(), version }.to_string();
            assert!(error.contains(&format!("cache/f: it was written in entry format {version}")), "{error}");
            assert!(error.contains(advice), "{error}");
        }
    }
}
