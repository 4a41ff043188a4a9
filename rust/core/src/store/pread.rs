//! Reading from a place in a file; where the file is read from otherwise does not change.

use std::fs::File;
use std::io;

/// One read: how many bytes there were.
#[cfg(unix)]
pub(super) fn read(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

/// As many bytes as there is room for; an error if there are fewer.
#[cfg(unix)]
pub(super) fn read_exact(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// One read: how many bytes there were.
#[cfg(not(unix))]
pub(super) fn read(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    at(file, offset, |mut file| io::Read::read(&mut file, bytes))
}

/// As many bytes as there is room for; an error if there are fewer.
#[cfg(not(unix))]
pub(super) fn read_exact(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    at(file, offset, |mut file| io::Read::read_exact(&mut file, bytes))
}

#[cfg(not(unix))]
fn at<T>(mut file: &File, offset: u64, read: impl FnOnce(&File) -> io::Result<T>) -> io::Result<T> {
    use std::io::Seek;

    file.seek(io::SeekFrom::Start(offset))?;
    let read = read(file);
    file.rewind()?;
    read
}
