//! File stamps: identity, size and times of a file, which show whether the file has changed.
//!
//! Two changes within the time resolution of a file system leave the same times. A stamp is settled
//! if its last change is older than this resolution. Then every later change gives the file another
//! stamp.

use std::fs::Metadata;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time resolution of any file system, with a margin: the coarsest one, FAT, counts in 2 s.
pub const RESOLUTION: Duration = Duration::from_secs(3);

/// The time resolution of file systems that count as local, with a margin: their times are those of
/// the kernel's clock tick, at most 10 ms.
pub const LOCAL_RESOLUTION: Duration = Duration::from_millis(20);

/// The state of a file or folder: equal stamps mean that it has not changed, if they are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileStamp {
    /// Device and inode; zero on systems that do not provide them.
    identity: [u64; 2],
    size: u64,
    /// The modification time, in nanoseconds since 1970.
    modified: i64,
    /// The time of the last change of content or metadata, in nanoseconds since 1970. On Unix,
    /// programs cannot set it.
    changed: i64,
}

impl FileStamp {
    /// Makes the stamp of a file from its metadata.
    #[cfg(unix)]
    pub fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;

        let time = |seconds: i64, nanoseconds: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
        Self {
            identity: [metadata.dev(), metadata.ino()],
            size: metadata.size(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Makes the stamp of a file from its metadata.
    #[cfg(not(unix))]
    pub fn of(metadata: &Metadata) -> Self {
        let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or_default();
        Self { identity: [0; 2], size: metadata.len(), modified, changed: modified }
    }

    /// Returns the inode number, which is zero on systems that do not provide it, and the size in
    /// bytes.
    pub fn inode_and_size(&self) -> [u64; 2] {
        [self.identity[1], self.size]
    }

    /// Returns the modification time and the time of the last change, in nanoseconds since 1970.
    pub fn times(&self) -> [i64; 2] {
        [self.modified, self.changed]
    }

    /// Returns all parts as bytes, for a hash.
    pub(crate) fn to_bytes(self) -> [u8; 40] {
        let [device, inode] = self.identity;
        let parts = [device, inode, self.size, self.modified.cast_unsigned(), self.changed.cast_unsigned()];
        let mut bytes = [0; 40];
        for (place, part) in bytes.chunks_exact_mut(8).zip(parts) {
            place.copy_from_slice(&part.to_le_bytes());
        }
        bytes
    }

    /// Returns whether both stamps are of the same file; true on systems without file identities.
    pub fn is_same_file(&self, other: &Self) -> bool {
        self.identity == other.identity
    }

    /// Returns whether every later change of the file will change the stamp. Returns false if the
    /// clock was set back.
    pub fn is_settled(&self, now: SystemTime, resolution: Duration) -> bool {
        let changed = UNIX_EPOCH + Duration::from_nanos(self.changed.try_into().unwrap_or_default());
        now.duration_since(changed).is_ok_and(|age| age > resolution)
    }

    /// Makes the stamp of a simulated file.
    #[cfg(test)]
    pub(crate) fn simulated(identity: u64, time: i64) -> Self {
        Self { identity: [0, identity], size: 0, modified: time, changed: time }
    }

    /// Returns a copy with another time of the last change.
    #[cfg(test)]
    pub(crate) fn changed_at(self, nanoseconds: i64) -> Self {
        Self { changed: nanoseconds, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_stamp_is_settled_after_the_time_resolution() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = FileStamp::of(&file.as_file().metadata().unwrap());
        let changed = file.as_file().metadata().unwrap().modified().unwrap();
        for resolution in [LOCAL_RESOLUTION, RESOLUTION] {
            assert!(!stamp.is_settled(changed, resolution));
            assert!(!stamp.is_settled(changed + resolution, resolution));
            assert!(stamp.is_settled(changed + resolution * 2, resolution));
            // The clock was set back.
            assert!(!stamp.is_settled(changed - resolution, resolution));
        }
    }

    #[test]
    fn a_stamp_changes_with_size_and_times() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stamp = || FileStamp::of(&fs::metadata(file.path()).unwrap());
        let before = stamp();
        assert_eq!(before, stamp());
        fs::write(file.path(), "longer").unwrap();
        assert_ne!(before, stamp());
        let before = stamp();
        file.as_file().set_modified(SystemTime::now() - RESOLUTION).unwrap();
        assert_ne!(before, stamp());
        assert!(before.is_same_file(&stamp()));
    }

    #[cfg(unix)]
    #[test]
    fn another_file_has_another_identity() {
        let stamp = |file: &tempfile::NamedTempFile| FileStamp::of(&file.as_file().metadata().unwrap());
        let [one, other] = [(); 2].map(|()| tempfile::NamedTempFile::new().unwrap());
        assert!(stamp(&one).is_same_file(&stamp(&one)) && !stamp(&one).is_same_file(&stamp(&other)));
    }
}
