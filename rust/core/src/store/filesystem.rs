//! Detects the kind of a file system.

use std::fs::File;

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
