//! Notes the files of a computation that has ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::hashing::{hash, known};
use super::{Base, FileRead, FileState, MAX_FILES, Reads, Stamp};
use crate::digest::Digest;
use crate::file_stamp::{FileStamp, RESOLUTION};

/// The time that hashing a byte takes at most, on one core.
const NANOSECONDS_PER_BYTE: u64 = 1;

/// Hashing the files of a computation may take the run time divided by this number.
const SHARE: u64 = 10;

/// Size in bytes up to which files are hashed however short the computation was: hashing them takes
/// less time than storing the entry.
const SMALL: u64 = 64 << 10;

/// A file that was opened during a computation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The path with which it was opened.
    pub path: PathBuf,
    /// The stamp when it was opened first; none if there was no file.
    pub stamp: Option<FileStamp>,
}

/// A file changed during the computation after it was opened, so that it is not known what was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file {path} changed after it was opened")]
pub struct ChangedMeanwhile {
    path: String,
}

/// Notes the files that a computation opened.
///
/// `seconds`: the run time of the computation. `project`: the project folder of the function, as its
/// path is spelled and with links resolved.
pub fn note(opened: &[Opened], seconds: f64, project: &[PathBuf]) -> Result<Reads, ChangedMeanwhile> {
    let mut reads = Reads::default();
    let time = Duration::try_from_secs_f64(seconds).map_or(u64::MAX, |run| run.as_nanos() as u64);
    let mut budget = time / SHARE / NANOSECONDS_PER_BYTE;
    let now = SystemTime::now();
    let mut summary = (opened.len() > MAX_FILES).then(blake3::Hasher::new);
    for Opened { path, stamp } in opened {
        let changed = || ChangedMeanwhile { path: path.display().to_string() };
        if stamp_now(path) != *stamp {
            return Err(changed());
        }
        let state = match (stamp, &mut summary) {
            (stamp, Some(hasher)) if stamp.is_none_or(|stamp| stamp.is_settled(now, RESOLUTION)) => {
                summarize(hasher, *stamp);
                FileState::Listed
            }
            (None, _) => FileState::Absent,
            (Some(stamp), _) => present(path, *stamp, &mut budget).ok_or_else(changed)?,
        };
        let (base, path) = relative(path, project);
        reads.files.push(FileRead { base, path, state });
    }
    reads.summary = summary.map(|hasher| Digest(hasher.finalize().into()));
    Ok(reads)
}

/// Returns the state of a file; none if it has another stamp than when it was opened.
fn present(path: &Path, stamp: FileStamp, budget: &mut u64) -> Option<FileState> {
    let recorded = Stamp::from(stamp);
    let found = known(path, stamp);
    let is_cheap = recorded.size <= SMALL || recorded.size <= *budget;
    if found.is_none() && !is_cheap && stamp.is_settled(SystemTime::now(), RESOLUTION) {
        return Some(FileState::Present { stamp: recorded, content: None, is_settled: true });
    }
    let hashed = if let Some(hashed) = found {
        hashed
    } else {
        *budget = budget.saturating_sub(recorded.size);
        hash(path).ok()?.filter(|hashed| hashed.stamp == stamp)?
    };
    Some(FileState::Present { stamp: recorded, content: Some(hashed.content), is_settled: hashed.is_settled })
}

/// Returns the stamp of a file; none if there is no file that can be opened.
pub(super) fn stamp_now(path: &Path) -> Option<FileStamp> {
    fs::metadata(path).ok().map(|metadata| FileStamp::of(&metadata))
}

/// Adds the stamp of a file to a summary.
pub(super) fn summarize(hasher: &mut blake3::Hasher, stamp: Option<FileStamp>) {
    hasher.update(&[u8::from(stamp.is_some())]);
    if let Some(stamp) = stamp {
        let Stamp { inode, size, modified, changed } = stamp.into();
        hasher.update(&inode.to_le_bytes());
        hasher.update(&size.to_le_bytes());
        hasher.update(&modified.to_le_bytes());
        hasher.update(&changed.to_le_bytes());
    }
}

/// Makes a path relative to the project, if it is an absolute path in the project.
fn relative(path: &Path, project: &[PathBuf]) -> (Base, PathBuf) {
    match project.iter().find_map(|folder| path.strip_prefix(folder).ok()) {
        Some(rest) if path.is_absolute() => (Base::Project, rest.to_owned()),
        _ => (Base::AsOpened, path.to_owned()),
    }
}
