//! Which large files this process has verified already: an array of gigabytes is hashed once, and mapped many times.

use std::collections::HashMap;
use std::fs::Metadata;
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::checksum::HASH;

/// How often an entry is compared with its checksum. What is not large is always verified, unless it is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// At every read.
    Always,
    /// A large file once in a process, and again when it has changed.
    #[default]
    Once,
    /// Not at all.
    Never,
}

/// What changes when a file does: number, size and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    device: u64,
    number: u64,
    size: u64,
    modified: [i64; 2],
    changed: [i64; 2],
}

/// How many are remembered; beyond that, some are verified once more.
const MOST: usize = 1 << 16;

/// How long after one change another one may bear the same time: kernels count by the tick of their clock, 10 ms at most.
const GRAIN: Duration = Duration::from_millis(20);

/// Never waited for: a process that was forked while a thread had it may find it locked for ever, and to verify once more
/// is right, too.
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
            // Nobody can set this one.
            changed: [metadata.ctime(), metadata.ctime_nsec()],
        })
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata) -> Option<Self> {
        None
    }

    /// Whether every later change will show in the times.
    fn is_settled(self, now: SystemTime) -> bool {
        let [seconds, nanoseconds] = self.changed;
        let since = Duration::new(seconds.try_into().unwrap_or_default(), nanoseconds.try_into().unwrap_or_default());
        now.duration_since(UNIX_EPOCH + since).is_ok_and(|age| age > GRAIN)
    }

    /// Whether it was this version that was verified under a name.
    pub(super) fn is_verified(self, identity: &[u8; HASH]) -> bool {
        VERIFIED.try_lock().is_ok_and(|verified| verified.get(identity) == Some(&self))
    }

    /// Remembers that this version was verified, unless it is so young that a change that came now would leave its times as
    /// they are.
    pub(super) fn remember(self, identity: [u8; HASH]) {
        if !self.is_settled(SystemTime::now()) {
            return;
        }
        let Ok(mut verified) = VERIFIED.try_lock() else { return };
        if verified.len() >= MOST {
            verified.clear();
        }
        verified.insert(identity, self);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_settled_when_a_later_change_shows_in_its_times() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let version = Version::of(&file.as_file().metadata().unwrap()).unwrap();
        let changed = file.as_file().metadata().unwrap().modified().unwrap();
        assert!(!version.is_settled(changed));
        assert!(!version.is_settled(changed + GRAIN));
        assert!(version.is_settled(changed + GRAIN * 2));
        // A clock that was set back tells nothing.
        assert!(!version.is_settled(changed - GRAIN));
    }

    #[test]
    fn only_a_settled_version_is_remembered_under_its_name() {
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
