//! Remembers which large files were verified: an array of gigabytes is hashed once and mapped many
//! times. This process remembers them in memory, and all processes of the user in a table
//! (`boot_table.rs`) until the machine restarts.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex};
use std::time::SystemTime;

use super::checksum::HASH;
use crate::file_stamp::{FileStamp, LOCAL_RESOLUTION};

/// How often an entry is compared with its checksum. Except with `Never`, small entries are
/// verified at every read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// At every read.
    Always,
    /// Large files once since the machine started, and again if they have changed.
    #[default]
    Once,
    /// Never.
    Never,
}

/// The maximum number of files that are remembered in memory. Beyond that, the table is asked.
const MAX_FILES: usize = 1 << 16;

/// The verified files. No thread waits for this lock: after a fork the lock may stay locked, and
/// verifying a file again is correct too.
static VERIFIED: LazyLock<Mutex<HashSet<FileState>>> = LazyLock::new(Mutex::default);

/// A hash of the names of an entry, the checksum at its end, and the stamp of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileState(pub(super) [u8; HASH]);

impl FileState {
    pub(super) fn new(names: &[u8; HASH], checksum: &[u8; HASH], stamp: &FileStamp) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(names).update(checksum).update(&stamp.to_bytes());
        Self(*hasher.finalize().as_bytes())
    }
}

/// Returns whether a file was verified in this state.
pub(super) fn is_verified(state: FileState) -> bool {
    if VERIFIED.try_lock().is_ok_and(|verified| verified.contains(&state)) {
        return true;
    }
    #[cfg(target_os = "linux")]
    if super::boot_table::contains(state) {
        keep(state);
        return true;
    }
    false
}

/// Remembers that a file was verified in this state, if every later change of the file will change
/// the stamp.
///
/// Only files on local disks are mapped, and only mapped files are remembered.
pub(super) fn remember(state: FileState, stamp: &FileStamp) {
    if !stamp.is_settled(SystemTime::now(), LOCAL_RESOLUTION) {
        return;
    }
    keep(state);
    #[cfg(target_os = "linux")]
    super::boot_table::insert(state);
}

fn keep(state: FileState) {
    let Ok(mut verified) = VERIFIED.try_lock() else { return };
    if verified.len() >= MAX_FILES {
        verified.clear();
    }
    verified.insert(state);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settled_stamps_are_remembered() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = FileStamp::of(&file.as_file().metadata().unwrap());
        // Unique, since the table of the machine outlives this test.
        let checksum = *blake3::hash(file.path().as_os_str().as_encoded_bytes()).as_bytes();
        let remember = |stamp: &FileStamp| remember(FileState::new(&[1; HASH], &checksum, stamp), stamp);
        let is_verified = |names, checksum, stamp: &FileStamp| is_verified(FileState::new(names, checksum, stamp));
        let future = stamp.changed_at(i64::MAX);
        remember(&future);
        assert!(!is_verified(&[1; HASH], &checksum, &future));
        let past = stamp.changed_at(1);
        remember(&past);
        assert!(is_verified(&[1; HASH], &checksum, &past));
        assert!(!is_verified(&[2; HASH], &checksum, &past));
        assert!(!is_verified(&[1; HASH], &[2; HASH], &past));
        assert!(!is_verified(&[1; HASH], &checksum, &past.changed_at(2)));
    }
}
