//! Remembers which large files this process has verified: an array of gigabytes is hashed once and
//! mapped many times.

use std::collections::HashMap;
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
    /// Large files once per process, and again if they have changed.
    #[default]
    Once,
    /// Never.
    Never,
}

/// The maximum number of files that are remembered. Beyond that, files are verified again.
const MAX_FILES: usize = 1 << 16;

/// The verified files. No thread waits for this lock: after a fork the lock may stay locked, and
/// verifying a file again is correct too.
static VERIFIED: LazyLock<Mutex<HashMap<[u8; HASH], FileStamp>>> = LazyLock::new(Mutex::default);

/// Returns whether the content of a key was verified when its file had the given stamp.
pub(super) fn is_verified(stamp: FileStamp, identity: &[u8; HASH]) -> bool {
    VERIFIED.try_lock().is_ok_and(|verified| verified.get(identity) == Some(&stamp))
}

/// Remembers that the content of a key was verified, if every later change of the file will change
/// the stamp.
///
/// Only files on local disks are mapped, and only mapped files are remembered.
pub(super) fn remember(stamp: FileStamp, identity: [u8; HASH]) {
    if !stamp.is_settled(SystemTime::now(), LOCAL_RESOLUTION) {
        return;
    }
    let Ok(mut verified) = VERIFIED.try_lock() else { return };
    if verified.len() >= MAX_FILES {
        verified.clear();
    }
    verified.insert(identity, stamp);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settled_stamps_are_remembered() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = FileStamp::of(&file.as_file().metadata().unwrap());
        let (name, other) = ([1; HASH], [2; HASH]);
        let future = stamp.changed_at(i64::MAX);
        remember(future, name);
        assert!(!is_verified(future, &name));
        let past = stamp.changed_at(1);
        remember(past, name);
        assert!(is_verified(past, &name) && !is_verified(past, &other));
        assert!(!is_verified(past.changed_at(2), &name));
    }
}
