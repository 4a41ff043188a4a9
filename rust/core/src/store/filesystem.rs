//! Detects the kind of a file system.

use std::fs::File;
use std::path::Path;

/// Returns whether a file or folder is on a disk of this machine. Unknown file systems count as
/// network ones.
#[cfg(target_os = "linux")]
pub(crate) fn is_local(file: &File) -> bool {
    // ext2 to ext4, xfs, btrfs, tmpfs, overlayfs, zfs, f2fs, bcachefs: their magic numbers.
    const LOCAL: [u64; 8] =
        [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1, 0xF2F5_2010, 0xCA45_1A4E];
    rustix::fs::fstatfs(file).is_ok_and(|system| LOCAL.contains(&u64::try_from(system.f_type).unwrap_or_default()))
}

#[cfg(target_vendor = "apple")]
pub(crate) fn is_local(file: &File) -> bool {
    const MNT_LOCAL: u32 = 0x1000;
    rustix::fs::fstatfs(file).is_ok_and(|system| system.f_flags & MNT_LOCAL != 0)
}

/// Returns false on other systems. Windows requires this: a mapped file cannot be deleted there.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(crate) fn is_local(_: &File) -> bool {
    false
}

/// Lets the other hosts of an NFS server notice a new name in a folder. Takes up to 20 ms on NFS.
///
/// A client keeps the answer that a name is missing until the times of the folder have changed
/// (until the change attribute has, from version 4 on). A server sets times in steps of up to 10 ms,
/// so that a new name may leave those that a client has just seen. Such a client has been seen to
/// miss an entry for more than a minute. So this touches the folder until its time is a later one.
/// Errors are ignored: the other hosts then compute the result again.
#[cfg(target_os = "linux")]
pub(crate) fn mark_changed(folder: &Path) {
    use rustix::fs::{AtFlags, CWD, NFS_SUPER_MAGIC, Timespec, Timestamps, UTIME_NOW};
    use std::os::unix::fs::MetadataExt;
    use std::time::Duration;

    const STEP: Duration = Duration::from_millis(2);
    const STEPS: usize = 10;
    if rustix::fs::statfs(folder).map_or(true, |system| system.f_type != NFS_SUPER_MAGIC) {
        return;
    }
    let touched = || {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        rustix::fs::utimensat(CWD, folder, &times, AtFlags::empty()).ok()?;
        folder.metadata().ok().map(|metadata| (metadata.ctime(), metadata.ctime_nsec()))
    };
    let Some(first) = touched() else { return };
    for _ in 0..STEPS {
        std::thread::sleep(STEP);
        if touched() != Some(first) {
            return;
        }
    }
}

/// Does nothing: clients of other systems were not tried.
#[cfg(not(target_os = "linux"))]
pub(crate) fn mark_changed(_: &Path) {}
