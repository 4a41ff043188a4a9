//! Checks whether files are as they were when a computation read them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::hashing::{absolute, hash};
use super::noting::{stamp_now, summarize};
use super::{Base, FileRead, FileState, Reads, Stamp};
use crate::digest::Digest;
use crate::file_stamp::FileStamp;

/// The files of an entry, and the stamps with which this process has found them unchanged.
#[derive(Debug)]
pub struct CheckedReads {
    reads: Reads,
    /// For each file the path and the stamp. No thread waits for this lock: after a fork it may
    /// stay locked, and checking a file again is correct too.
    known: Mutex<Vec<Option<(PathBuf, FileStamp)>>>,
}

/// Whether a result is that of the files as they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// All files are as they were.
    Holds,
    /// A file is missing, and all other files are as they were.
    Missing(&'a FileRead),
    /// A file has another content.
    Changed(&'a FileRead),
}

impl CheckedReads {
    /// Makes the reads of an entry, of which nothing has been checked.
    pub fn new(reads: Reads) -> Self {
        Self { known: Mutex::new(vec![None; reads.files.len()]), reads }
    }

    /// Returns the reads.
    pub fn reads(&self) -> &Reads {
        &self.reads
    }

    /// Returns the reads, and forgets what was checked.
    pub fn into_reads(self) -> Reads {
        self.reads
    }

    /// Compares all files with their recorded states. `project`: the project folder of the function.
    pub fn check(&self, project: Option<&Path>) -> Verdict<'_> {
        let mut unknown = Vec::new();
        let mut locked = self.known.try_lock().ok();
        let known = if let Some(known) = &mut locked {
            &mut **known
        } else {
            unknown.resize(self.reads.files.len(), None);
            &mut unknown
        };
        let mut verdict = Verdict::Holds;
        let mut summary = self.reads.summary.map(|digest| (digest, blake3::Hasher::new()));
        for (file, known) in self.reads.files.iter().zip(known) {
            let joined;
            let path = match (file.base, project) {
                (Base::Project, Some(project)) => {
                    joined = project.join(&file.path);
                    &joined
                }
                _ => &file.path,
            };
            match (file.state, &mut summary) {
                (FileState::Listed, Some((_, hasher))) => summarize(hasher, stamp_now(path)),
                (FileState::Listed, None) => return Verdict::Changed(file),
                (FileState::Absent, _) if fs::metadata(path).is_ok() => return Verdict::Changed(file),
                (FileState::Absent, _) => {}
                (FileState::Present { stamp, content, is_settled }, _) => {
                    match check(path, stamp, content, is_settled, known) {
                        Ok(false) => return Verdict::Changed(file),
                        Err(_) if verdict == Verdict::Holds => verdict = Verdict::Missing(file),
                        Ok(true) | Err(_) => {}
                    }
                }
            }
        }
        match summary {
            Some((digest, hasher)) if Digest(hasher.finalize().into()) != digest => {
                self.reads.files.first().map_or(verdict, Verdict::Changed)
            }
            _ => verdict,
        }
    }
}

/// Returns whether a file has its recorded content.
fn check(
    path: &Path,
    recorded: Stamp,
    content: Option<Digest>,
    is_settled: bool,
    known: &mut Option<(PathBuf, FileStamp)>,
) -> io::Result<bool> {
    let metadata = fs::metadata(path)?;
    let stamp = FileStamp::of(&metadata);
    if let Some((place, known)) = known
        && *known == stamp
        && (cfg!(unix) || *place == absolute(path))
    {
        return Ok(true);
    }
    // Without inode numbers, a relative path may lead to another file with the same times.
    if is_settled && recorded == stamp.into() && (recorded.inode != 0 || path.is_absolute()) {
        *known = Some((absolute(path), stamp));
        return Ok(true);
    }
    let Some(content) = content.filter(|_| metadata.is_file() && metadata.len() == recorded.size) else {
        return Ok(false);
    };
    let Some(hashed) = hash(path)?.filter(|hashed| hashed.content == content) else { return Ok(false) };
    if hashed.is_settled {
        *known = Some((absolute(path), hashed.stamp));
    }
    Ok(true)
}
