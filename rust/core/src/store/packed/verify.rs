//! Verifies every byte of segments and packs.

use std::io;
use std::path::PathBuf;

use super::disk::Disk;
use super::format::{HEADER, Opening, RESULT, Sums, is_pack, opening};
use super::reader::{Reader, name_of};
use super::record::Stored;
use super::results::Results;
use super::source::Source;
use crate::error::{Context, Result};

/// What [`verify`] found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The segment or pack.
    pub path: PathBuf,
    /// The number of sound results, also of deleted ones.
    pub results: usize,
    /// The offset of each damage, and what it is.
    pub damage: Vec<(u64, &'static str)>,
}

/// Reads every record of every file.
///
/// A torn end is no damage: it is a record that a killed process has begun to write, or one that a
/// process writes now.
pub(super) fn verify<D: Disk>(results: &Results<D>) -> Result<Vec<Verified>> {
    let (disk, sums) = (&results.disk, &results.sums);
    let mut reader = Reader::new(results.folder.clone(), sums.clone());
    reader.follow(disk).context("read", &results.folder)?;
    let mut all = Vec::new();
    for source in reader.sources.iter_mut().flatten() {
        let is_pack = is_pack(&name_of(&source.path)) == Some(true);
        match verify_source(disk, sums, source, is_pack) {
            Err(error) if super::is_gone(&error) => {}
            verified => all.push(verified.context("read", &source.path)?),
        }
    }
    all.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(all)
}

/// Reads every record of a file. `is_whole`: also a missing end is a damage.
pub(super) fn verify_source<D: Disk>(
    disk: &D,
    sums: &Sums,
    source: &mut Source<D>,
    is_whole: bool,
) -> io::Result<Verified> {
    let mut verified = Verified { path: source.path.clone(), results: 0, damage: Vec::new() };
    let file = source.file(disk)?;
    let mut header = [0; HEADER as usize];
    let length = super::disk::read_full(disk, &file, &mut header, 0)?;
    match opening(&header) {
        // A process was killed before it had written the header of its segment.
        Opening::Damaged if length < header.len() && !is_whole => return Ok(verified),
        Opening::Known => {}
        Opening::Other(_) => {
            verified.damage.push((0, "it has a version of the format that this funes cannot read"));
            return Ok(verified);
        }
        Opening::Damaged => verified.damage.push((0, "its header is not that of a segment or pack")),
    }
    let mut offsets = Vec::new();
    let (walked, length) = source.walk(disk, sums, HEADER, |_, offset| {
        offsets.push(offset);
        Ok(())
    })?;
    verified.damage.extend(walked.holes.iter().map(|hole| (hole.start, "there is no valid record here")));
    for offset in offsets {
        match source.record(disk, sums, offset)? {
            Some((head, _)) if head.kind == RESULT => {
                if Stored::of(source.payload(), head.flags).is_some() {
                    verified.results += 1;
                } else {
                    verified.damage.push((offset, "the lengths in the record do not fit"));
                }
            }
            Some(_) => {}
            None => verified.damage.push((offset, "the sum of the record is not that of its content")),
        }
    }
    if is_whole && (walked.end != length || !source.is_sealed) {
        verified.damage.push((walked.end, "its end is missing"));
    }
    verified.damage.sort_unstable();
    Ok(verified)
}
