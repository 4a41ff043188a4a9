//! The sorted index of the records of a file.
//!
//! ```text
//! count | previous index | bits | tombstones | starts | fingerprints | offsets | offsets of tombstones
//! ```
//!
//! The entries are sorted by their argument digests. The first `bits` bits of a digest select a
//! bucket of about 16 entries, and the 16 bits after them are its fingerprint. A reader keeps
//! starts and fingerprints in memory, 2.3 bytes per entry: of 4,000 digests that are not there, one
//! costs it a system call. The record that an entry leads to has the whole digest and a sum.

use std::io;

use super::super::trailer::number;
use super::disk::{Disk, read_full};
use super::format::{Digest, HEAD};

/// The length in bytes of what stands before the starts.
const BEFORE: usize = 24;

/// The length of an offset, in bytes.
const OFFSET: usize = 5;

/// The number of bytes per entry, in whole numbers.
pub(super) const PER_ENTRY: u64 = 8;

/// The number of entries per bucket, on average at most.
const BUCKET: usize = 16;

/// An index that was opened.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) count: usize,
    /// The offset of the index before this one, which covers earlier records; 0 if there is none.
    pub(super) previous: u64,
    bits: u32,
    /// The starts of the buckets, then the fingerprints.
    columns: Vec<u8>,
    /// The offset of the column of offsets in the file.
    offsets: u64,
    /// The offsets of the tombstones.
    pub(super) tombstones: Vec<u64>,
}

/// Returns the start of a digest as a number. The order of the numbers is that of the digests.
pub(super) fn prefix(digest: &Digest) -> u64 {
    u64::from_be_bytes(*digest.first_chunk().expect("a digest has 20 bytes"))
}

/// Returns the payload of the index of records, which are given as prefix and offset, in any order.
pub(super) fn payload(records: &mut [(u64, u64)], tombstones: &[u64], previous: u64) -> Vec<u8> {
    records.sort_unstable();
    let bits = (records.len() / BUCKET).checked_ilog2().unwrap_or_default();
    let length = BEFORE + 4 * ((1 << bits) + 1) + (2 + OFFSET) * records.len() + OFFSET * tombstones.len();
    let mut bytes = Vec::with_capacity(length);
    bytes.extend((records.len() as u64).to_le_bytes());
    bytes.extend(previous.to_le_bytes());
    bytes.extend(bits.to_le_bytes());
    bytes.extend((tombstones.len() as u32).to_le_bytes());
    let mut start = 0_u32;
    for bucket in 0..=1_u64 << bits {
        while records.get(start as usize).is_some_and(|(prefix, _)| bucket_of(*prefix, bits) < bucket) {
            start += 1;
        }
        bytes.extend(start.to_le_bytes());
    }
    for (prefix, _) in &*records {
        bytes.extend(fingerprint(*prefix, bits).to_le_bytes());
    }
    for offset in records.iter().map(|(_, offset)| offset).chain(tombstones) {
        bytes.extend(&offset.to_le_bytes()[..OFFSET]);
    }
    bytes
}

fn bucket_of(prefix: u64, bits: u32) -> u64 {
    prefix.checked_shr(64 - bits).unwrap_or_default()
}

fn fingerprint(prefix: u64, bits: u32) -> u16 {
    ((prefix << bits) >> 48) as u16
}

impl Index {
    /// Parses the payload of the index whose record is at `offset`, which was verified; none if it
    /// is not an index.
    pub(super) fn of(payload: &[u8], offset: u64) -> Option<Self> {
        let number = |at| number(payload, at);
        let (count, previous) = (usize::try_from(number(0)?).ok()?, number(8)?);
        let (bits, tombstones) = (number(16)? as u32, (number(16)? >> 32) as usize);
        let fingerprints = BEFORE + 4 * (1_usize.checked_shl(bits).filter(|_| bits < 32)? + 1);
        let offsets = count.checked_mul(2)?.checked_add(fingerprints)?;
        let last = count.checked_mul(OFFSET)?.checked_add(offsets)?;
        let columns = payload.get(BEFORE..offsets)?.to_vec();
        let tombstones_end = tombstones.checked_mul(OFFSET)?.checked_add(last)?;
        let tombstones = payload.get(last..tombstones_end)?.chunks_exact(OFFSET).map(whole).collect();
        let offsets = offset + (HEAD + offsets) as u64;
        Some(Self { count, previous, bits, columns, offsets, tombstones })
    }

    fn start(&self, bucket: usize) -> usize {
        self.columns.get(4 * bucket..).and_then(<[u8]>::first_chunk).map_or(0, |start| u32::from_le_bytes(*start))
            as usize
    }

    /// Returns the offset of the record of an entry, by the place of the entry.
    pub(super) fn offset<D: Disk>(&self, disk: &D, file: &D::File, place: usize) -> io::Result<Option<u64>> {
        let mut offset = [0; OFFSET];
        let at = self.offsets + (place * OFFSET) as u64;
        Ok((read_full(disk, file, &mut offset, at)? == OFFSET).then(|| whole(&offset)))
    }

    /// Returns the places of the entries with the bucket and the fingerprint of a digest.
    pub(super) fn places(&self, prefix: u64) -> Vec<usize> {
        let bucket = bucket_of(prefix, self.bits) as usize;
        let fingerprint = fingerprint(prefix, self.bits).to_le_bytes();
        let (start, end) = (self.start(bucket), self.start(bucket + 1));
        let column = &self.columns[4 * ((1 << self.bits) + 1)..];
        let here = column.get(2 * start..2 * end).unwrap_or_default();
        here.chunks_exact(2).enumerate().filter(|(_, each)| *each == fingerprint).map(|(at, _)| start + at).collect()
    }
}

fn whole(bytes: &[u8]) -> u64 {
    let mut whole = [0; 8];
    whole[..OFFSET].copy_from_slice(bytes);
    u64::from_le_bytes(whole)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Write;

    use super::super::super::files::Real;
    use super::super::super::permissions::Access;
    use super::super::tests::digest;
    use super::*;

    const DISK: Real = Real { access: Access::Private };

    fn written(payload: &[u8]) -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[&[0; 8 + HEAD], payload].concat()).unwrap();
        file
    }

    #[test]
    fn every_entry_is_found_and_hardly_any_other() {
        for count in [0, 1, 15, 16, 33, 5000] {
            let mut records: Vec<_> =
                (0..count).map(|number| (prefix(&digest(number)), number as u64 * 1000)).collect();
            let payload = payload(&mut records, &[7, 1 << 39], 5);
            let file = written(&payload);
            let index = Index::of(&payload, 8).unwrap();
            assert_eq!((index.count, index.previous, &*index.tombstones), (count, 5, &[7, 1 << 39][..]));
            for number in 0..count {
                let places = index.places(prefix(&digest(number)));
                let found: HashSet<_> =
                    places.iter().map(|&place| index.offset(&DISK, &file, place).unwrap().unwrap()).collect();
                assert!(found.contains(&(number as u64 * 1000)));
            }
            let wrong = (count..count + 5000).filter(|&number| !index.places(prefix(&digest(number))).is_empty());
            assert!(wrong.count() < 20);
        }
    }

    #[test]
    fn a_changed_or_cut_index_is_none_or_stays_within_its_bounds() {
        // The sum of the record finds every change. This is about a payload that was made on purpose.
        let mut records: Vec<_> = (0..40).map(|number| (prefix(&digest(number)), number as u64 * 8)).collect();
        let sound = payload(&mut records, &[3], 0);
        let file = written(&sound);
        for at in 0..sound.len() {
            for change in [1, 0x80, 0xff] {
                let mut changed = sound.clone();
                changed[at] ^= change;
                let Some(index) = Index::of(&changed, 8) else { continue };
                for number in 0..80 {
                    for place in index.places(prefix(&digest(number))) {
                        index.offset(&DISK, &file, place).unwrap();
                    }
                }
            }
            assert!(Index::of(&sound[..at], 8).is_none());
        }
    }
}
