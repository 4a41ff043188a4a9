//! What can go wrong below Python. Each message says what was being done, to what, and, where it helps, what to do.

use std::io;
use std::path::{Path, PathBuf};

use crate::store::ENTRY_VERSION;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something could not be done. A damaged entry is none of these: finding one is an outcome of reading, not a
/// failure to read (see [`crate::store::Reading`]).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused: full disk, missing permission, too many open files. It may well work later.
    #[error("could not {doing} {}: {source}", path.display())]
    Io {
        /// What was being done, to follow "could not".
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The entry is in another version of the format. It is not damaged and must be left where it is.
    #[error("could not read {}: {}", path.display(), other_version(*version))]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// The format that it says it has.
        version: u32,
    },

    /// The entry is sound, but whoever wrote it does not have the secret. It must be left where it is.
    #[error("could not trust {}: it is not signed with the key in use", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },

    /// The caller asked for something that cannot be: a mistake in the program, not of the disk.
    #[error("{0}")]
    Invalid(String),
}

/// Says what a file of another version is, and what to do about it.
pub fn other_version(version: u32) -> String {
    let advice = if version > ENTRY_VERSION {
        "a newer funes is needed to read it"
    } else {
        "delete it, and the result is stored anew"
    };
    format!("it was written in entry format {version}, and this funes reads {ENTRY_VERSION}; {advice}")
}

/// Turns a bare I/O error, which names neither the deed nor the file, into one that does.
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
    fn the_message_alone_is_a_diagnosis() {
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
