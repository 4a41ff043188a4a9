//! Reads and writes at an offset of a file, without changing its position.

use std::fs::File;
use std::io;

/// Reads once, and returns the number of bytes.
#[cfg(unix)]
pub(crate) fn read(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

/// Fills a buffer; an error if the file has fewer bytes.
#[cfg(unix)]
pub(crate) fn read_exact(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Writes once, and returns the number of bytes.
#[cfg(unix)]
pub(crate) fn write(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, bytes, offset)
}

/// Writes once, and returns the number of bytes.
#[cfg(not(unix))]
pub(crate) fn write(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    at(file, offset, |mut file| io::Write::write(&mut file, bytes))
}

/// Reads once, and returns the number of bytes.
#[cfg(not(unix))]
pub(crate) fn read(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    at(file, offset, |mut file| io::Read::read(&mut file, bytes))
}

/// Fills a buffer; an error if the file has fewer bytes.
#[cfg(not(unix))]
pub(crate) fn read_exact(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
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
