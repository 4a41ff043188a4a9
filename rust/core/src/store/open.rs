//! Opening what is there: an ordinary file, and nothing else that may have its name.

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens what the name itself stands for, without waiting: a pipe would otherwise block until it had a writer.
#[cfg(unix)]
pub(super) fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};

    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()));
    Ok(opened?.into())
}

/// Opens what the name itself stands for, folders too, so that they can be told from what is forbidden.
#[cfg(windows)]
pub(super) fn open(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

    let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    File::options().read(true).custom_flags(flags).open(path)
}

/// Whether opening failed because no ordinary file is there.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) || is_something_else(error)
}

/// A link (LOOP; MLINK on FreeBSD) or what cannot be opened as a file at all: sockets, devices without a driver.
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
