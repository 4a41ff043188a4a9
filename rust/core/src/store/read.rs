//! Reading an entry, and telling apart that there is none, that it is damaged, and that it cannot be read now.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::entry::{self, Damage, Entry, Fault, TRAILER};
use super::layout::Key;
use crate::error::{self, Context, Error};

/// From this size on, which is beyond a trailer's, the end is looked at first: a file system that has gone wrong may
/// claim a length of petabytes.
const LARGE: u64 = 1 << 20;

/// What was found in an entry's place.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing, or something that is no file: a link, a pipe, a device, a folder. It is neither followed nor touched.
    Absent,
    /// The entry that was written.
    Found(Entry),
    /// A file that is not what was written there. It is to be set aside.
    Damaged(Damage),
}

pub(super) fn read(path: &Path, key: &Key) -> error::Result<Reading> {
    let bytes = match load(path) {
        // Another host has replaced the folder or the file; opening it again asks the server anew.
        Err(error) if error.kind() == io::ErrorKind::StaleNetworkFileHandle => load(path),
        other => other,
    };
    let Some(bytes) = bytes.context("read", path)? else {
        return Ok(Reading::Absent);
    };
    match bytes.and_then(|bytes| entry::open(key, bytes)) {
        Ok(entry) => Ok(Reading::Found(entry)),
        Err(Fault::Damaged(damage)) => Ok(Reading::Damaged(damage)),
        Err(Fault::Newer(version)) => Err(Error::Newer { path: path.to_owned(), version }),
    }
}

/// The bytes of a file, or why they aren't worth reading; none if there is no file.
fn load(path: &Path) -> io::Result<Option<Result<Vec<u8>, Fault>>> {
    let mut file = match open(path) {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    if metadata.len() < LARGE {
        return small(&mut file, metadata.len() as usize).map(|bytes| Some(Ok(bytes)));
    }
    large(&mut file, metadata.len()).map(Some)
}

/// One read. `read_to_end` would ask for the size and the position again, and once more for the end.
fn small(file: &mut File, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    let mut filled = 0;
    while filled < size {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // Shorter than it said: somebody has cut it off just now, and the checksum will tell.
    bytes.truncate(filled);
    Ok(bytes)
}

/// The end first, then everything, into memory that is not zeroed before.
fn large(file: &mut File, size: u64) -> io::Result<Result<Vec<u8>, Fault>> {
    let mut end = [0; TRAILER];
    file.seek(SeekFrom::Start(size - TRAILER as u64))?;
    file.read_exact(&mut end)?;
    if let Err(fault) = entry::prejudge(&end, size) {
        return Ok(Err(fault));
    }
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Ok(bytes))
}

/// Opens what the name itself stands for, without waiting: a pipe would otherwise block until it had a writer.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};

    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()));
    Ok(opened?.into())
}

/// Opens what the name itself stands for, folders too, so that they can be told from what is forbidden.
#[cfg(windows)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

    let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    File::options().read(true).custom_flags(flags).open(path)
}

/// Whether opening failed because no ordinary file is there.
fn is_absence(error: &io::Error) -> bool {
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
