//! The files that a computation read, and whether they are as they were.
//!
//! A file counts by its content. Its stamp (inode, size and times) only spares reading it again. A
//! stamp that is younger than the time resolution of the file system proves nothing, since a later
//! change may leave the same stamp: such a file is hashed again at each check until it is older.

mod check;
mod encoding;
mod hashing;
mod noting;

use std::path::{Path, PathBuf};

use crate::digest::Digest;
use crate::file_stamp::FileStamp;

pub use check::{CheckedReads, Verdict};
pub use noting::{ChangedMeanwhile, Opened, note};

/// The number of files from which on an entry records one digest of all paths and stamps.
pub const MAX_FILES: usize = 1000;

/// The files that a computation read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// The files, in the order in which they were opened first.
    pub files: Vec<FileRead>,
    /// The digest of the stamps of all files with the state [`FileState::Listed`], if there are any.
    pub summary: Option<Digest>,
    /// The names of earlier entries of the same key, which were computed when files had another
    /// content; the latest is last.
    pub earlier: Vec<ReadsName>,
}

/// A file that a computation opened, or tried to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRead {
    /// What the path is relative to.
    pub base: Base,
    /// The path.
    pub path: PathBuf,
    /// The state of the file when it was opened.
    pub state: FileState,
}

/// What the path of a file is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The path is the one with which the file was opened. If it is relative, it is relative to the
    /// working directory, also at a check.
    AsOpened,
    /// The folder from which the program imports the function's module.
    Project,
}

/// The state of a file when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// There was no file.
    Absent,
    /// A file with a content and a stamp. The content is not known if hashing the file would have
    /// taken too long. `is_settled`: every later change has changed the stamp.
    Present {
        /// The stamp.
        stamp: Stamp,
        /// The BLAKE3 hash of the content.
        content: Option<Digest>,
        /// False if a later change may have left the same stamp.
        is_settled: bool,
    },
    /// A file of which only [`Reads::summary`] has a trace.
    Listed,
}

/// The part of a file stamp that is the same after a restart of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The inode number; 0 on systems that do not provide it.
    pub inode: u64,
    /// The size in bytes.
    pub size: u64,
    /// The modification time, in nanoseconds since 1970.
    pub modified: i64,
    /// The time of the last change of content or metadata, in nanoseconds since 1970.
    pub changed: i64,
}

/// The first bytes of the hash of what a computation read. It names an earlier entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadsName(pub [u8; 8]);

impl ReadsName {
    /// Returns 16 hexadecimal digits.
    pub fn to_hex(self) -> String {
        format!("{:016x}", u64::from_be_bytes(self.0))
    }
}

impl From<FileStamp> for Stamp {
    fn from(stamp: FileStamp) -> Self {
        let [inode, size] = stamp.inode_and_size();
        let [modified, changed] = stamp.times();
        Self { inode, size, modified, changed }
    }
}

impl FileRead {
    /// Returns the path to open. `project`: the project folder of the function, if it has one.
    pub fn resolve(&self, project: Option<&Path>) -> PathBuf {
        match (self.base, project) {
            (Base::Project, Some(project)) => project.join(&self.path),
            _ => self.path.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
