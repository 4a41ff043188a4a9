//! Remembers which large files this process has verified: an array of gigabytes is hashed once and
//! mapped many times.

use std::collections::HashMap;
use std::fs::Metadata;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::checksum::HASH;

/// How often an entry is compared with its checksum. Small entries are verified at every read,
/// except with
/// `Never`.
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

/// A file stamp: identity, size and times of a file, which change when the file changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    device: u64,
    number: u64,
    size: u64,
    modified: [i64; 2],
    changed: [i64; 2],
}

/// The maximum number of files that are remembered. Beyond that, files are verified again.
const MAX_FILES: usize = 1 << 16;

/// The resolution of file times, with a margin: two changes within one clock tick of the kernel, at
/// most 10 ms, have the same time.
const TIME_RESOLUTION: Duration = Duration::from_millis(20);

/// The verified files. The lock is never waited for: after a fork it may stay locked, and verifying
/// a file again is correct too.
static VERIFIED: LazyLock<Mutex<HashMap<[u8; HASH], Version>>> = LazyLock::new(Mutex::default);

impl Version {
    #[cfg(unix)]
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;

        Some(Self {
            device: metadata.dev(),
            number: metadata.ino(),
            size: metadata.size(),
            modified: [metadata.mtime(), metadata.mtime_nsec()],
            // Programs cannot set this time.
            changed: [metadata.ctime(), metadata.ctime_nsec()],
        })
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata) -> Option<Self> {
        None
    }

    /// Returns whether every later change will change the times.
    fn is_settled(self, now: SystemTime) -> bool {
        let [seconds, nanoseconds] = self.changed;
        let since = Duration::new(seconds.try_into().unwrap_or_default(), nanoseconds.try_into().unwrap_or_default());
        now.duration_since(UNIX_EPOCH + since).is_ok_and(|age| age > TIME_RESOLUTION)
    }

    /// Returns whether the file was verified in this state.
    pub(super) fn is_verified(self, identity: &[u8; HASH]) -> bool {
        VERIFIED.try_lock().is_ok_and(|verified| verified.get(identity) == Some(&self))
    }

    /// Remembers that the file was verified in this state, unless it is so new that a change now
    /// would not change its times.
    pub(super) fn remember(self, identity: [u8; HASH]) {
        if !self.is_settled(SystemTime::now()) {
            return;
        }
        let Ok(mut verified) = VERIFIED.try_lock() else { return };
        if verified.len() >= MAX_FILES {
            verified.clear();
        }
        verified.insert(identity, self);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_settled_after_the_time_resolution() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let version = Version::of(&file.as_file().metadata().unwrap()).unwrap();
        let changed = file.as_file().metadata().unwrap().modified().unwrap();
        assert!(!version.is_settled(changed));
        assert!(!version.is_settled(changed + TIME_RESOLUTION));
        assert!(version.is_settled(changed + TIME_RESOLUTION * 2));
        // The clock was set back.
        assert!(!version.is_settled(changed - TIME_RESOLUTION));
    }

    #[test]
    fn only_settled_stamps_are_remembered() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let version = Version::of(&file.as_file().metadata().unwrap()).unwrap();
        let (name, other) = ([1; HASH], [2; HASH]);
        let future = Version { changed: [i64::MAX >> 20, 0], ..version };
        future.remember(name);
        assert!(!future.is_verified(&name));
        let past = Version { changed: [1, 0], ..version };
        past.remember(name);
        assert!(past.is_verified(&name) && !past.is_verified(&other));
        assert!(!Version { size: version.size + 1, ..past }.is_verified(&name));
    }
}
