//! What an entry's file holds, byte by byte; `docs/format.md` draws it. Nothing here touches the disk.
//!
//! ```text
//! body | second reading | buffers: n x (offset, length) | trailer
//! ```

use std::ops::Range;

use super::layout::Key;
use crate::bulk;

/// The version of the file's format. A reader refuses a later one, and says so.
pub const ENTRY_VERSION: u32 = 1;

/// The last bytes of every entry, of every version. The first is not ASCII and the last two are a line's end, so that
/// whatever takes the file for text and converts it is caught.
const MAGIC: [u8; 8] = *b"\x89funes\r\n";

/// The length of the trailer, in bytes.
pub(super) const TRAILER: usize = 3 * 8 + MAC + CHECKSUM + 2 * 4 + MAGIC.len();

/// The opcode that ends a pickle.
const STOP: u8 = b'.';

const MAC: usize = 32;
const CHECKSUM: usize = 32;
const SPAN: usize = 2 * 8;

/// A large buffer inside the body: `length` bytes from `offset` of the file on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it starts, in bytes from the start of the file.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

impl Span {
    fn is_within(&self, body: u64) -> bool {
        self.offset.checked_add(self.length).is_some_and(|end| end <= body)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self { offset: number(bytes, 0)?, length: number(bytes, 8)? })
    }
}

/// What is to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// An ordinary pickle, up to and with its STOP: what everybody reads.
    pub body: &'a [u8],
    /// The same pickle with its buffers out of band: what funes reads, where there is one. Not empty.
    pub second: Option<&'a [u8]>,
    /// Where the buffers of the second reading lie in the body, in the order in which it asks for them.
    pub buffers: &'a [Span],
}

impl<'a> Content<'a> {
    /// An entry of one reading.
    pub fn new(body: &'a [u8]) -> Self {
        Self { body, second: None, buffers: &[] }
    }

    /// What is wrong with it, if anything: what could be written, but not read back.
    pub(super) fn objection(&self) -> Option<&'static str> {
        let body = self.body.len() as u64;
        if self.body.last() != Some(&STOP) {
            // Whoever loads the file without funes would read on into what follows the body.
            return Some("the body of an entry must be a pickle, which ends with STOP");
        }
        if self.second.is_some_and(<[u8]>::is_empty) {
            return Some("the second reading of an entry must not be empty: leave it out");
        }
        if !self.buffers.iter().all(|span| span.is_within(body)) {
            return Some("a buffer of an entry must lie within its body");
        }
        None
    }
}

/// An entry that was read and found to be what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    bytes: Vec<u8>,
    body: usize,
    second: Range<usize>,
    buffers: Vec<Span>,
}

impl Entry {
    /// The ordinary pickle.
    pub fn body(&self) -> &[u8] {
        &self.bytes[..self.body]
    }

    /// The pickle with its buffers out of band, if there is one.
    pub fn second(&self) -> Option<&[u8]> {
        Some(&self.bytes[self.second.clone()]).filter(|second| !second.is_empty())
    }

    /// The buffers of the second reading; each lies within the body.
    pub fn buffers(&self) -> &[Span] {
        &self.buffers
    }
}

/// What shows that a file is not what was written under this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Not even room for a trailer: emptied, or cut off.
    #[error("it is too short to be an entry")]
    Short,
    /// The end is not an entry's end: cut off, added to or overwritten.
    #[error("it does not end as an entry does")]
    Ending,
    /// The lengths in the trailer do not add up to the file's.
    #[error("its length is not the one that was written")]
    Length,
    /// The bytes have changed, or the file was stored under another name.
    #[error("its checksum is not that of its content, function, definition and arguments")]
    Checksum,
    /// A buffer lies outside of the body.
    #[error("its table of buffers leads out of it")]
    Buffers,
}

/// Why the bytes of a file are no entry for this reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Damaged(Damage),
    /// Sound as far as can be told, but of a later format.
    Newer(u32),
}

impl From<Damage> for Fault {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

/// What follows the body in the file. The caller has asked for [`Content::objection`].
pub(super) fn seal(key: &Key, content: &Content) -> Vec<u8> {
    let second = content.second.unwrap_or_default();
    let mut tail = Vec::with_capacity(second.len() + SPAN * content.buffers.len() + TRAILER);
    tail.extend_from_slice(second);
    for span in content.buffers {
        put(&mut tail, span.offset);
        put(&mut tail, span.length);
    }
    put(&mut tail, content.body.len() as u64);
    put(&mut tail, second.len() as u64);
    put(&mut tail, content.buffers.len() as u64);
    tail.extend_from_slice(&[0; MAC]);
    let checksum = checksum(key, content.body, &tail);
    tail.extend_from_slice(checksum.as_bytes());
    tail.extend_from_slice(&ENTRY_VERSION.to_le_bytes());
    tail.extend_from_slice(&(!ENTRY_VERSION).to_le_bytes());
    tail.extend_from_slice(&MAGIC);
    tail
}

/// Takes a file apart, after making sure that it is whole, unchanged and stored under its own name.
pub(super) fn open(key: &Key, mut bytes: Vec<u8>) -> Result<Entry, Fault> {
    let trailer = Trailer::of(&bytes)?;
    let end = bytes.len() - TRAILER;
    let lengths = trailer.lengths_within(end as u64).ok_or(Damage::Length)?;
    let covered = &bytes[..end + 3 * 8 + MAC];
    if checksum(key, covered, &[]) != trailer.checksum {
        return Err(Damage::Checksum.into());
    }
    let second = lengths.body..lengths.body + lengths.second;
    let buffers = bytes[second.end..end]
        .chunks_exact(SPAN)
        .map(|span| Span::from_bytes(span).filter(|span| span.is_within(lengths.body as u64)))
        .collect::<Option<_>>()
        .ok_or(Damage::Buffers)?;
    bytes.truncate(second.end);
    Ok(Entry { bytes, body: lengths.body, second, buffers })
}

/// What can be told of a file from its end and its size alone, before memory for the whole of it is asked for.
pub(super) fn prejudge(end: &[u8; TRAILER], size: u64) -> Result<(), Fault> {
    let trailer = Trailer::of(end)?;
    let rest = size.checked_sub(TRAILER as u64).ok_or(Damage::Short)?;
    trailer.lengths_within(rest).ok_or(Damage::Length)?;
    Ok(())
}

/// The fixed end of a file, of this version.
struct Trailer {
    body: u64,
    second: u64,
    buffers: u64,
    checksum: blake3::Hash,
}

struct Lengths {
    body: usize,
    second: usize,
}

impl Trailer {
    fn of(file: &[u8]) -> Result<Self, Fault> {
        // The last 16 bytes mean the same in every version: a longer trailer grows at its front.
        let other = if file.len() < TRAILER { Damage::Short } else { Damage::Ending };
        let rest = file.strip_suffix(&MAGIC).ok_or(other)?;
        let (rest, complement) = rest.split_last_chunk().ok_or(Damage::Short)?;
        let (rest, version) = rest.split_last_chunk().ok_or(Damage::Short)?;
        let version = u32::from_le_bytes(*version);
        // Without its complement, one flipped bit would make a damaged file one of the future, never to be set aside.
        if version != !u32::from_le_bytes(*complement) || version == 0 {
            return Err(Damage::Ending.into());
        }
        if version > ENTRY_VERSION {
            return Err(Fault::Newer(version));
        }
        let (rest, checksum) = rest.split_last_chunk::<CHECKSUM>().ok_or(Damage::Short)?;
        let (rest, _mac) = rest.split_last_chunk::<MAC>().ok_or(Damage::Short)?;
        let (_, lengths) = rest.split_last_chunk::<{ 3 * 8 }>().ok_or(Damage::Short)?;
        let length = |index| number(lengths, index).ok_or(Damage::Short);
        Ok(Self {
            body: length(0)?,
            second: length(8)?,
            buffers: length(16)?,
            checksum: blake3::Hash::from_bytes(*checksum),
        })
    }

    /// The lengths, if they fill what stands before the trailer exactly.
    fn lengths_within(&self, size: u64) -> Option<Lengths> {
        let table = self.buffers.checked_mul(SPAN as u64)?;
        let total = self.body.checked_add(self.second)?.checked_add(table)?;
        let lengths = || Some(Lengths { body: self.body.try_into().ok()?, second: self.second.try_into().ok()? });
        (total == size).then(lengths)?
    }
}

/// Over the names, each after its length, and everything in the file that stands before the checksum.
fn checksum(key: &Key, head: &[u8], tail: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("funes 2026-11 entry 1 checksum");
    for name in [key.definition().function(), key.definition().hash(), key.arguments()] {
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
    }
    bulk::update(&mut hasher, head);
    bulk::update(&mut hasher, tail);
    hasher.finalize()
}

fn put(bytes: &mut Vec<u8>, number: u64) {
    bytes.extend_from_slice(&number.to_le_bytes());
}

fn number(bytes: &[u8], index: usize) -> Option<u64> {
    let bytes = bytes.get(index..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFINITION: &str = "0123456789abcdef0123456789abcdef01234567";
    const ARGUMENTS: &str = "89abcdef0123456789abcdef0123456789abcdef";
    const BODY: &[u8] = b"\x80\x05K*.";

    fn key() -> Key<'static> {
        Key::new("double", DEFINITION, ARGUMENTS).unwrap()
    }

    fn sealed(content: &Content) -> Vec<u8> {
        assert_eq!(content.objection(), None);
        [content.body, &seal(&key(), content)].concat()
    }

    fn rich() -> Content<'static> {
        let buffers = &[Span { offset: 0, length: 2 }, Span { offset: 5, length: 0 }];
        Content { body: BODY, second: Some(b"second."), buffers }
    }

    /// Recomputes the checksum, as somebody who wants to fool the parser would.
    fn resealed(mut file: Vec<u8>) -> Vec<u8> {
        let covered = file.len() - MAGIC.len() - 8 - CHECKSUM;
        let sum = checksum(&key(), &file[..covered], &[]);
        file[covered..covered + CHECKSUM].copy_from_slice(sum.as_bytes());
        file
    }

    #[test]
    fn what_was_written_is_read() {
        for content in [Content::new(BODY), Content::new(b"."), rich()] {
            let entry = open(&key(), sealed(&content)).unwrap();
            assert_eq!(entry.body(), content.body);
            assert_eq!(entry.second(), content.second);
            assert_eq!(entry.buffers(), content.buffers);
        }
    }

    #[test]
    fn the_bytes_are_the_documented_ones() {
        let file = sealed(&Content { body: BODY, second: Some(b"s."), buffers: &[Span { offset: 1, length: 3 }] });
        let mut expected = BODY.to_vec();
        expected.extend(b"s.");
        expected.extend([1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        for length in [5, 2, 1] {
            expected.extend([length, 0, 0, 0, 0, 0, 0, 0]);
        }
        expected.extend([0; 32]);
        let mut names = Vec::new();
        for name in ["double", DEFINITION, ARGUMENTS] {
            names.extend([name.len() as u8, 0, 0, 0, 0, 0, 0, 0]);
            names.extend(name.bytes());
        }
        expected.extend(blake3::derive_key("funes 2026-11 entry 1 checksum", &[names, expected.clone()].concat()));
        expected.extend(b"\x01\0\0\0\xfe\xff\xff\xff\x89funes\r\n");
        assert_eq!(file, expected);
    }

    #[test]
    fn every_truncation_and_every_addition_is_damage() {
        let file = sealed(&rich());
        for length in 0..file.len() {
            assert!(matches!(open(&key(), file[..length].to_vec()), Err(Fault::Damaged(_))), "cut to {length}");
            assert!(matches!(open(&key(), file[length + 1..].to_vec()), Err(Fault::Damaged(_))), "without {length}");
        }
        assert_eq!(open(&key(), [&file[..], b"\n"].concat()), Err(Damage::Ending.into()));
        assert_eq!(open(&key(), [b".", &file[..]].concat()), Err(Damage::Length.into()));
        assert_eq!(open(&key(), Vec::new()), Err(Damage::Short.into()));
    }

    #[test]
    fn every_changed_byte_is_damage() {
        let file = sealed(&rich());
        for index in 0..file.len() {
            for change in 1..=255 {
                let mut changed = file.clone();
                changed[index] ^= change;
                let result = open(&key(), changed);
                assert!(matches!(result, Err(Fault::Damaged(_))), "byte {index} ^ {change}: {result:?}");
            }
        }
    }

    #[test]
    fn two_bytes_in_each_other_s_place_are_damage() {
        let file = sealed(&rich());
        for first in 0..file.len() {
            for second in 0..first {
                let mut changed = file.clone();
                changed.swap(first, second);
                assert!(changed == file || open(&key(), changed).is_err(), "{first} and {second}");
            }
        }
    }

    #[test]
    fn another_name_is_damage() {
        let file = sealed(&rich());
        let others = [
            Key::new("triple", DEFINITION, ARGUMENTS),
            Key::new("", DEFINITION, ARGUMENTS),
            Key::new("double", ARGUMENTS, ARGUMENTS),
            Key::new("double", DEFINITION, DEFINITION),
            Key::new("double", ARGUMENTS, DEFINITION),
        ];
        for other in others {
            assert_eq!(open(&other.unwrap(), file.clone()), Err(Damage::Checksum.into()));
        }
    }

    #[test]
    fn a_later_format_is_told_from_damage_whatever_its_length() {
        for front in [Vec::new(), vec![7; 3], vec![7; 300]] {
            let file = [&front[..], &2_u32.to_le_bytes(), &(!2_u32).to_le_bytes(), &MAGIC].concat();
            assert_eq!(open(&key(), file), Err(Fault::Newer(2)));
        }
        let file = [&[7; 300][..], &0_u32.to_le_bytes(), &(!0_u32).to_le_bytes(), &MAGIC].concat();
        assert_eq!(open(&key(), file), Err(Damage::Ending.into()));
    }

    #[test]
    fn lengths_that_lie_are_damage_even_under_a_right_checksum() {
        let file = sealed(&rich());
        let lengths = file.len() - TRAILER;
        for (index, honest) in [BODY.len() as u64, 7, 2].into_iter().enumerate() {
            for lie in [0, 1, honest + 1, 1 << 32, 1 << 60, 1 << 63, u64::MAX / 16, u64::MAX - 1, u64::MAX] {
                let mut changed = file.clone();
                changed[lengths + 8 * index..][..8].copy_from_slice(&lie.to_le_bytes());
                assert_eq!(open(&key(), resealed(changed)), Err(Damage::Length.into()), "{index}: {lie}");
            }
        }
    }

    #[test]
    fn a_buffer_outside_of_the_body_is_damage_even_under_a_right_checksum() {
        let file = sealed(&rich());
        let table = BODY.len() + 7;
        for span in [[0, 6], [6, 0], [5, 1], [u64::MAX, 1], [1, u64::MAX], [1 << 63, 1 << 63]] {
            let mut changed = file.clone();
            changed[table..table + 8].copy_from_slice(&span[0].to_le_bytes());
            changed[table + 8..table + 16].copy_from_slice(&span[1].to_le_bytes());
            assert_eq!(open(&key(), resealed(changed)), Err(Damage::Buffers.into()), "{span:?}");
        }
    }

    #[test]
    fn garbage_of_any_kind_is_damage() {
        // Bytes from the hash itself: the same at every run, and as random as it gets.
        let mut garbage = vec![0; 4096];
        for round in 0..200_u32 {
            blake3::Hasher::new().update(&round.to_le_bytes()).finalize_xof().fill(&mut garbage);
            let length = garbage[0] as usize * 16 + garbage[1] as usize % 16;
            let mut file = garbage[..length].to_vec();
            assert!(matches!(open(&key(), file.clone()), Err(Fault::Damaged(_))));
            // The same with a proper end, so that the inner checks are reached.
            file.extend(ENTRY_VERSION.to_le_bytes());
            file.extend((!ENTRY_VERSION).to_le_bytes());
            file.extend(MAGIC);
            assert!(matches!(open(&key(), file), Err(Fault::Damaged(_))));
        }
        for byte in [0, 0xFF] {
            assert!(matches!(open(&key(), vec![byte; 4096]), Err(Fault::Damaged(_))));
        }
    }

    #[test]
    fn what_could_not_be_read_back_is_not_written() {
        for body in [&b""[..], b"\x80\x05K*"] {
            assert!(Content { body, ..rich() }.objection().unwrap().contains("STOP"));
        }
        let empty = Content { second: Some(b""), ..rich() };
        assert!(empty.objection().unwrap().contains("second reading"));
        let buffers = &[Span { offset: 1, length: 5 }];
        assert!(Content { buffers, ..rich() }.objection().unwrap().contains("within its body"));
    }

    #[test]
    fn an_impossible_size_is_seen_from_the_end_alone() {
        let file = sealed(&rich());
        let end: &[u8; TRAILER] = file.last_chunk().unwrap();
        assert_eq!(prejudge(end, file.len() as u64), Ok(()));
        assert_eq!(prejudge(end, 1 << 50), Err(Damage::Length.into()));
        assert_eq!(prejudge(end, 0), Err(Damage::Short.into()));
        assert_eq!(prejudge(&[0; TRAILER], TRAILER as u64), Err(Damage::Ending.into()));
    }
}
