//! Reading an entry, and telling apart that there is none, that it is damaged, and that it cannot be read now.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::checksum::Secret;
use super::entry::{self, Damage, Entry, Fault};
use super::filesystem;
use super::layout::Key;
use super::mapped::{self, MapFile};
use super::open::{is_absence, open};
use super::pread;
use super::trailer::{TRAILER, Trailer};
use super::verified::{Verify, Version};
use crate::error::{self, Context, Error};

/// Below this size a file is read before anything else is asked about it: most are.
const SMALL: usize = 4 << 10;

/// From this size on a file is mapped where it can be: below, reading it costs less than a map and its page faults.
/// The end is looked at first: a file system that has gone wrong may claim a length of petabytes.
const LARGE: u64 = 256 << 10;

/// What was found in an entry's place.
#[derive(Debug)]
pub enum Reading {
    /// Nothing, or something that is no file: a link, a pipe, a device, a folder. It is neither followed nor touched.
    Absent,
    /// The entry that was written.
    Found(Entry),
    /// A file that is not what was written there. It is to be set aside.
    Damaged(Damage),
}

/// How a reader makes sure of what it reads.
#[derive(Clone, Copy)]
pub(super) struct ReadPolicy<'a> {
    pub(super) secret: Option<&'a Secret>,
    pub(super) verify: Verify,
    pub(super) map: Option<MapFile>,
}

pub(super) fn read(path: &Path, key: &Key, scrutiny: ReadPolicy) -> error::Result<Reading> {
    let loaded = match load(path, key, scrutiny) {
        // Another host has replaced the folder or the file; opening it again asks the server anew.
        Err(error) if error.kind() == io::ErrorKind::StaleNetworkFileHandle => load(path, key, scrutiny),
        other => other,
    };
    let Some(entry) = loaded.context("read", path)? else {
        return Ok(Reading::Absent);
    };
    match entry {
        Ok(entry) => Ok(Reading::Found(entry)),
        Err(Fault::Damaged(damage)) => Ok(Reading::Damaged(damage)),
        Err(Fault::Foreign) => Err(Error::Foreign { path: path.to_owned() }),
        Err(Fault::OtherVersion(version)) => Err(Error::OtherVersion { path: path.to_owned(), version }),
    }
}

/// The entry in a file, or why it is none for this reader; none if there is no file.
fn load(path: &Path, key: &Key, scrutiny: ReadPolicy) -> io::Result<Option<Result<Entry, Fault>>> {
    let mut file = match open(path) {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    // A pipe gives nothing to who asks for a place in it, so that none loses what was meant for others.
    let mut bytes = vec![0; SMALL];
    if let Ok(length @ ..SMALL) = pread::read(&file, &mut bytes, 0) {
        bytes.truncate(length);
        if let Ok(entry) = entry::open(key, scrutiny.secret, scrutiny.trusts(), bytes) {
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
        return Ok(Some(entry::open(key, scrutiny.secret, scrutiny.trusts(), bytes)));
    }
    let mut end = [0; TRAILER];
    pread::read_exact(&file, &mut end, size - TRAILER as u64)?;
    let (trailer, parts) = match Trailer::of(&end).and_then(|trailer| Ok((trailer.parts(size)?, trailer))) {
        Ok((parts, trailer)) => (trailer, parts),
        Err(fault) => return Ok(Some(Err(fault))),
    };
    // With a secret, what was checked is what is used: in a file that somebody else may write to, a second look may
    // find something else.
    if let Some(map) = scrutiny.map
        && scrutiny.secret.is_none()
        && filesystem::is_local(&file)
        // No room for one more map, or a file system without any.
        && let Ok(map) = map(&file, size as usize)
    {
        let version = Version::of(&metadata);
        return mapped::open(&file, map, version, key, &trailer, parts, scrutiny.verify).map(Some);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(entry::open(key, scrutiny.secret, scrutiny.trusts(), bytes)))
}

impl ReadPolicy<'_> {
    /// Whether a file that is read as a whole need not be verified. A secret that nobody asks for would protect nobody.
    fn trusts(self) -> bool {
        self.verify == Verify::Never && self.secret.is_none()
    }
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
