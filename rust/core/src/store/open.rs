//! Opens regular files only, not links, pipes or devices of the same name.

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens a file without following links and without blocking: a pipe would otherwise block until it
/// has a writer.
#[cfg(unix)]
pub(super) fn open(path: &Path) -> io::Result<File> {
    Ok(open_with(path, rustix::fs::OFlags::empty())?)
}

#[cfg(unix)]
fn open_with(path: &Path, further: rustix::fs::OFlags) -> rustix::io::Result<File> {
    use rustix::fs::{Mode, OFlags};

    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | further;
    let opened = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()));
    Ok(opened?.into())
}

/// Opens a file like [`open`], for many reads. On Linux, the system then leaves the time of access alone if the file is
/// one of the user: looking whether it must change takes a tenth of a short read.
#[cfg(target_os = "linux")]
pub(super) fn open_for_many_reads(path: &Path) -> io::Result<File> {
    match open_with(path, rustix::fs::OFlags::NOATIME) {
        Err(rustix::io::Errno::PERM) => open(path),
        opened => Ok(opened?),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) use open as open_for_many_reads;

/// Opens a file without following links. It opens folders too, to distinguish them from missing
/// permissions.
#[cfg(windows)]
pub(super) fn open(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

    let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    File::options().read(true).custom_flags(flags).open(path)
}

/// Returns whether opening failed because there is no regular file.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) || is_something_else(error)
}

/// Detects a link (LOOP; MLINK on FreeBSD) and names that cannot be opened as a file: sockets,
/// devices without a driver.
#[cfg(unix)]
fn is_something_else(error: &io::Error) -> bool {
    use rustix::io::Errno;

    let something_else = [Errno::LOOP, Errno::MLINK, Errno::NXIO, Errno::NODEV, Errno::OPNOTSUPP];
    Errno::from_io_error(error).is_some_and(|errno| something_else.contains(&errno))
}

#[cfg(not(unix))]
fn is_something_else(_: &io::Error) -> bool {
    false
}
