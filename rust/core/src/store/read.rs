//! Reading an entry, and telling apart that there is none, that it is damaged, and that it cannot be read now.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::entry::{self, Damage, Entry, Fault, Held};
use super::existing::{is_absence, open};
use super::layout::Key;
use super::seal::{Seal, Secret};
use super::trailer::{LENGTHS, Parts, TRAILER, Trailer};
use super::verified::{Verify, Version};
use crate::error::{self, Context, Error};

/// From this size on a file is mapped where it can be: below, reading it costs less than a map and its page faults.
/// The end is looked at first: a file system that has gone wrong may claim a length of petabytes.
const LARGE: u64 = 256 << 10;

/// How much is read at a time while a large file is verified: what fits into the processor's own memory.
const BLOCK: usize = 1 << 20;

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
pub(super) struct Scrutiny<'a> {
    pub(super) secret: Option<&'a Secret>,
    pub(super) verify: Verify,
}

pub(super) fn read(path: &Path, key: &Key, scrutiny: Scrutiny) -> error::Result<Reading> {
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
        Err(Fault::Newer(version)) => Err(Error::Newer { path: path.to_owned(), version }),
    }
}

/// The entry in a file, or why it is none for this reader; none if there is no file.
fn load(path: &Path, key: &Key, scrutiny: Scrutiny) -> io::Result<Option<Result<Entry, Fault>>> {
    let mut file = match open(path) {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
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
    place::read_exact(&file, &mut end, size - TRAILER as u64)?;
    let (trailer, parts) = match Trailer::of(&end).and_then(|trailer| Ok((trailer.parts(size)?, trailer))) {
        Ok((parts, trailer)) => (trailer, parts),
        Err(fault) => return Ok(Some(Err(fault))),
    };
    // With a secret, what was checked is what is used: in a file that somebody else may write to, a second look may
    // find something else.
    if scrutiny.secret.is_none() && can_be_mapped(&file) {
        let version = Version::of(&metadata);
        return mapped(file, version, key, &trailer, parts, scrutiny.verify).map(Some);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(entry::open(key, scrutiny.secret, scrutiny.trusts(), bytes)))
}

impl Scrutiny<'_> {
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

/// Verifies what the body consists of, unless this version of the file has been, and reads what follows it.
///
/// The body is read for that, not mapped: a failing disk is an error then, and not the death of the process.
fn mapped(
    file: File,
    version: Option<Version>,
    key: &Key,
    trailer: &Trailer,
    parts: Parts,
    verify: Verify,
) -> io::Result<Result<Entry, Fault>> {
    let mut seal = Seal::new(key, None);
    let identity = seal.identity();
    let trusted = match verify {
        Verify::Always => false,
        Verify::Once => version.is_some_and(|version| version.is_verified(&identity)),
        Verify::Never => true,
    };
    let mut tail = vec![0; (parts.table.end - parts.body) as usize];
    if !trusted {
        let mut block = vec![0; BLOCK];
        let end = parts.table.end + LENGTHS as u64;
        let mut at = 0;
        while at < end {
            let length = (end - at).min(BLOCK as u64) as usize;
            place::read_exact(&file, &mut block[..length], at)?;
            seal.update(&block[..length]);
            at += length as u64;
        }
        if let Err(fault) = seal.check(trailer) {
            return Ok(Err(fault));
        }
        if let Some(version) = version {
            version.remember(identity);
        }
    }
    place::read_exact(&file, &mut tail, parts.body)?;
    let table = tail.split_off((parts.second.end - parts.second.start) as usize);
    Ok(parts
        .buffers(&table)
        .map(|buffers| Entry::new(Held::File(file), parts.body, tail, buffers))
        .map_err(Fault::from))
}

/// Reading from a place in a file.
#[cfg(unix)]
mod place {
    use std::fs::File;
    use std::io;

    pub(super) fn read_exact(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
    }
}

#[cfg(not(unix))]
mod place {
    use std::fs::File;
    use std::io::{self, Read, Seek, SeekFrom};

    pub(super) fn read_exact(mut file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(bytes)?;
        file.rewind()
    }
}

/// Whether a map of this file stays good: on a network file system, a file that another host deletes or cuts off kills
/// whoever looks at a map of it. What is not known to be local is taken for a network's.
#[cfg(target_os = "linux")]
fn can_be_mapped(file: &File) -> bool {
    // ext2 to ext4, xfs, btrfs, tmpfs, overlayfs, zfs, f2fs, bcachefs: their magic numbers.
    const LOCAL: [u64; 8] =
        [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1, 0xF2F5_2010, 0xCA45_1A4E];
    rustix::fs::fstatfs(file).is_ok_and(|system| LOCAL.contains(&u64::try_from(system.f_type).unwrap_or_default()))
}

#[cfg(target_vendor = "apple")]
fn can_be_mapped(file: &File) -> bool {
    const MNT_LOCAL: u32 = 0x1000;
    rustix::fs::fstatfs(file).is_ok_and(|system| system.f_flags & MNT_LOCAL != 0)
}

/// On Windows, a file that is mapped cannot be deleted by hand; elsewhere nobody has looked.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn can_be_mapped(_: &File) -> bool {
    false
}
