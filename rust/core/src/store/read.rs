//! Reads an entry, and distinguishes a missing entry, a damaged one, and one that cannot be read
//! now.

use std::fs::{DirEntry, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use super::checksum::SigningKey;
use super::entry::{self, ContentId, Damage, Entry, Fault};
use super::filesystem;
use super::footer::Footer;
use super::layout::{Key, arguments_of};
use super::listing::{self, Listed};
use super::mapped::{self, MapFile};
use super::open::{is_absence, open};
use super::pread;
use super::trailer::{TRAILER, Trailer};
use super::verified::Verify;
use crate::error::{self, Context, Error};
use crate::file_stamp::FileStamp;

/// The size in bytes of the first read, before the size of the file is known. Most entries are
/// smaller.
const SMALL: usize = 4 << 10;

/// The size in bytes from which a file is mapped if possible; reading a smaller one is faster than
/// mapping it. The trailer of a large file is checked first, since a broken file system may report
/// a length of petabytes.
const LARGE: u64 = 256 << 10;

/// The result of reading an entry.
#[derive(Debug)]
pub enum ReadOutcome {
    /// There is no file, or another object: a link, a pipe, a device, a folder. The reader neither
    /// follows nor changes such an object.
    Absent,
    /// The entry, which was verified.
    Found(Entry),
    /// A damaged file, which belongs into the quarantine.
    Damaged(Damage),
}

/// How a reader verifies and maps entries.
#[derive(Clone, Copy)]
pub(super) struct ReadPolicy<'a> {
    pub(super) signing_key: Option<&'a SigningKey>,
    pub(super) verify: Verify,
    pub(super) map: Option<MapFile>,
}

pub(super) fn read(path: &Path, key: &Key, policy: ReadPolicy) -> error::Result<ReadOutcome> {
    let loaded = match load(path, key, policy) {
        // Another host has replaced the folder or the file. Opening it again asks the server.
        Err(error) if error.kind() == io::ErrorKind::StaleNetworkFileHandle => load(path, key, policy),
        other => other,
    };
    let Some(entry) = loaded.context("read", path)? else {
        return Ok(ReadOutcome::Absent);
    };
    match entry {
        Ok(entry) => Ok(ReadOutcome::Found(entry)),
        Err(Fault::Damaged(damage)) => Ok(ReadOutcome::Damaged(damage)),
        Err(Fault::Foreign) => Err(Error::Foreign { path: path.to_owned() }),
        Err(Fault::OtherVersion(version)) => Err(Error::OtherVersion { path: path.to_owned(), version }),
    }
}

/// Reads the entry in a file, or the reason why the reader does not accept it; none if there is no
/// file.
fn load(path: &Path, key: &Key, policy: ReadPolicy) -> io::Result<Option<Result<Entry, Fault>>> {
    let mut file = match open(path) {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    // Reading at an offset fails for a pipe, so this takes no data from other readers of the pipe.
    let mut bytes = vec![0; SMALL];
    if let Ok(length @ ..SMALL) = pread::read(&file, &mut bytes, 0) {
        bytes.truncate(length);
        if let Ok(entry) = entry::open(key, policy.signing_key, policy.trusts(), bytes) {
            return Ok(Some(Ok(entry)));
        }
    }
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let size = metadata.len();
    if size < LARGE {
        let bytes = small(&mut file, size as usize)?;
        return Ok(Some(entry::open(key, policy.signing_key, policy.trusts(), bytes)));
    }
    let mut end = [0; TRAILER];
    pread::read_exact(&file, &mut end, size - TRAILER as u64)?;
    let (trailer, parts) = match Trailer::of(&end).and_then(|trailer| Ok((trailer.parts(size)?, trailer))) {
        Ok((parts, trailer)) => (trailer, parts),
        Err(fault) => return Ok(Some(Err(fault))),
    };
    // With a signing key, the verified bytes must be the bytes that are used: in a mapped file,
    // another user may change them after the check.
    if let Some(map) = policy.map
        && policy.signing_key.is_none()
        && filesystem::is_local(&file)
        // Mapping fails if there are too many maps, or if the file system does not support it.
        && let Ok(map) = map(&file, size as usize)
    {
        let stamp = FileStamp::of(&metadata);
        return mapped::open(&file, map, stamp, key, &trailer, parts, policy.verify).map(Some);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(entry::open(key, policy.signing_key, policy.trusts(), bytes)))
}

/// Reads the footer of an entry without verifying it; none if there is no entry, or if it is damaged.
pub(super) fn footer(path: &Path) -> Option<Footer> {
    readable_footer(path).ok().flatten()
}

/// Reads a footer like [`footer`]. Returns an error if the file cannot be read, and none if it is damaged.
pub(super) fn readable_footer(path: &Path) -> io::Result<Option<Footer>> {
    let file = open(path)?;
    footer_of(&file, &file.metadata()?)
}

fn footer_of(file: &File, metadata: &Metadata) -> io::Result<Option<Footer>> {
    // Most footers are so short that they are read with the trailer.
    let mut end = [0; 1024];
    let start = metadata.len().saturating_sub(end.len() as u64);
    let end = &mut end[..(metadata.len() - start) as usize];
    pread::read_exact(file, end, start)?;
    let Some(parts) = Trailer::of(end).ok().and_then(|trailer| trailer.parts(metadata.len()).ok()) else {
        return Ok(None);
    };
    let length = (parts.footer.end - parts.footer.start) as usize;
    let footer = if parts.footer.start >= start {
        let from = (parts.footer.start - start) as usize;
        end[from..from + length].to_vec()
    } else {
        let mut footer = vec![0; length];
        pread::read_exact(file, &mut footer, parts.footer.start)?;
        footer
    };
    Ok(Footer::of(footer, parts.body).ok())
}

/// Lists a file of a folder with one open file, and reads its footer like [`footer`]; none if it is no
/// entry. The footer is none if it cannot be read.
pub(super) fn listed(file: &DirEntry, extension: &str) -> Option<(Listed, Option<Footer>)> {
    let name = file.file_name();
    let arguments = arguments_of(name.to_str()?, extension)?;
    let Ok(opened) = open(&file.path()) else {
        return Some((listing::listed(file, extension)?, None));
    };
    let metadata = opened.metadata().ok().filter(Metadata::is_file)?;
    let modified = metadata.modified().map_or(0, listing::nanoseconds);
    let listed = Listed { arguments: arguments.to_owned(), bytes: metadata.len(), modified };
    Some((listed, footer_of(&opened, &metadata).ok().flatten()))
}

/// Reads the number of an entry from the end of its file; none if the file is no entry.
pub(super) fn content_id(path: &Path) -> io::Result<Option<ContentId>> {
    let file = open(path)?;
    Ok(trailer(&file, &file.metadata()?)?.map(|trailer| trailer.content_id()))
}

/// Reads the end of a file; none if the file is no entry.
fn trailer(file: &File, metadata: &Metadata) -> io::Result<Option<Trailer>> {
    let Some(start) = metadata.len().checked_sub(TRAILER as u64).filter(|_| metadata.is_file()) else {
        return Ok(None);
    };
    let mut end = [0; TRAILER];
    pread::read_exact(file, &mut end, start)?;
    Ok(Trailer::of(&end).ok())
}

impl ReadPolicy<'_> {
    /// Returns whether a file that is read as a whole need not be verified. A MAC is always
    /// checked.
    fn trusts(self) -> bool {
        self.verify == Verify::Never && self.signing_key.is_none()
    }
}

/// Reads a file of a known size. `read_to_end` would query size and position again, and read once
/// more for the end.
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
    // If the file was truncated meanwhile, the checksum fails.
    bytes.truncate(filled);
    Ok(bytes)
}
