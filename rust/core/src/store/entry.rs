//! What an entry's file holds, byte by byte; `docs/format.md` draws it. Nothing here touches the disk.
//!
//! ```text
//! body | second reading | buffers: n x (offset, length) | trailer
//! ```

use std::ops::Range;

use memmap2::MmapMut;

use super::layout::Key;
use super::seal::{Seal, Secret};
use super::trailer::{LENGTHS, MAGIC, TRAILER, Trailer};
use crate::opcode::STOP;

/// The version of the file's format. A reader refuses a later one, and says so.
pub const ENTRY_VERSION: u32 = 1;

/// The length of a row in the table of buffers.
pub(super) const SPAN: usize = 2 * 8;

/// A large buffer inside the body: `length` bytes from `offset` of the file on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it starts, in bytes from the start of the file.
    pub offset: u64,
    /// How long it is, in bytes.
    pub length: u64,
}

impl Span {
    pub(super) fn is_within(&self, body: u64) -> bool {
        self.offset.checked_add(self.length).is_some_and(|end| end <= body)
    }
}

/// What is to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// An ordinary pickle, up to and with its STOP, in pieces: what everybody reads. Large arrays are pieces of their
    /// own, so that nobody needs to copy them together.
    pub body: &'a [&'a [u8]],
    /// The same pickle with its buffers out of band: what funes reads, where there is one. Not empty.
    pub second: Option<&'a [u8]>,
    /// Where the buffers of the second reading lie in the body, in the order in which it asks for them.
    pub buffers: &'a [Span],
}

impl<'a> Content<'a> {
    /// An entry of one reading.
    pub fn new(body: &'a [&'a [u8]]) -> Self {
        Self { body, second: None, buffers: &[] }
    }

    /// The length of the body, in bytes.
    pub(super) fn body_length(&self) -> usize {
        self.body.iter().map(|piece| piece.len()).sum()
    }

    /// What is wrong with it, if anything: what could be written, but not read back.
    pub(super) fn objection(&self) -> Option<&'static str> {
        let body = self.body_length() as u64;
        if self.body.iter().rev().find_map(|piece| piece.last()) != Some(&STOP) {
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

    /// What stands between the body and the seal: the second reading, the table, the lengths.
    pub(super) fn middle(&self) -> Vec<u8> {
        let second = self.second.unwrap_or_default();
        let mut middle = Vec::with_capacity(second.len() + SPAN * self.buffers.len() + TRAILER);
        middle.extend_from_slice(second);
        for span in self.buffers {
            put(&mut middle, span.offset);
            put(&mut middle, span.length);
        }
        put(&mut middle, self.body_length() as u64);
        put(&mut middle, second.len() as u64);
        put(&mut middle, self.buffers.len() as u64);
        middle
    }
}

/// The end of a file: what shows that all before it is as it was written.
pub(super) fn end(seal: Seal) -> Vec<u8> {
    let [mac, checksum] = seal.finish();
    let version = [ENTRY_VERSION.to_le_bytes(), (!ENTRY_VERSION).to_le_bytes()].concat();
    [&mac[..], &checksum, &version, &MAGIC].concat()
}

/// An entry that was read and found to be what was written.
#[derive(Debug)]
pub struct Entry {
    held: Held,
    body: u64,
    second: Vec<u8>,
    buffers: Vec<Span>,
}

/// How the reader has the body.
#[derive(Debug)]
pub enum Held {
    /// In memory.
    Bytes(Vec<u8>),
    /// In a private map of its file, from the start on: it lies on a local disk, and it is large.
    Mapped(MmapMut),
}

impl Entry {
    pub(super) fn new(held: Held, body: u64, second: Vec<u8>, buffers: Vec<Span>) -> Self {
        Self { held, body, second, buffers }
    }

    /// The length of the ordinary pickle, with which the file starts.
    pub fn body_length(&self) -> u64 {
        self.body
    }

    /// The pickle with its buffers out of band, if there is one.
    pub fn second(&self) -> Option<&[u8]> {
        Some(&self.second[..]).filter(|second| !second.is_empty())
    }

    /// The buffers of the second reading; each lies within the body.
    pub fn buffers(&self) -> &[Span] {
        &self.buffers
    }

    /// The ordinary pickle.
    pub fn body(&self) -> &[u8] {
        let bytes: &[u8] = match &self.held {
            Held::Bytes(bytes) => bytes,
            Held::Mapped(map) => map,
        };
        &bytes[..self.body as usize]
    }

    /// The ordinary pickle, if it is in memory and the only reading.
    pub fn plain_body(&self) -> Option<&[u8]> {
        matches!(self.held, Held::Bytes(_)).then(|| self.body()).filter(|_| self.second.is_empty())
    }

    /// What the body is the start of.
    pub fn into_held(self) -> Held {
        self.held
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
    /// Sound, but not signed with the reader's secret.
    Foreign,
    /// Sound as far as can be told, but of a later format.
    Newer(u32),
}

impl From<Damage> for Fault {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

/// Takes a file apart that is all in memory; unless `trusted`, after making sure that it is whole, unchanged, and
/// stored under its own name by somebody who has the secret.
pub(super) fn open(key: &Key, secret: Option<&Secret>, trusted: bool, mut bytes: Vec<u8>) -> Result<Entry, Fault> {
    let trailer = Trailer::of(&bytes)?;
    let parts = trailer.parts(bytes.len() as u64)?;
    let within = |range: Range<u64>| range.start as usize..range.end as usize;
    if !trusted {
        let mut seal = Seal::new(key, secret);
        seal.update(&bytes[..parts.table.end as usize + LENGTHS]);
        seal.check(&trailer)?;
    }
    let buffers = parts.buffers(&bytes[within(parts.table.clone())])?;
    let second = bytes[within(parts.second.clone())].to_vec();
    bytes.truncate(parts.body as usize);
    Ok(Entry::new(Held::Bytes(bytes), parts.body, second, buffers))
}

fn put(bytes: &mut Vec<u8>, number: u64) {
    bytes.extend_from_slice(&number.to_le_bytes());
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

    fn signed(content: &Content, secret: Option<&Secret>) -> Vec<u8> {
        assert_eq!(content.objection(), None);
        let file = [&content.body.concat()[..], &content.middle()].concat();
        let mut seal = Seal::new(&key(), secret);
        seal.update(&file);
        [&file[..], &end(seal)].concat()
    }

    fn sealed(content: &Content) -> Vec<u8> {
        signed(content, None)
    }

    fn open(key: &Key, bytes: Vec<u8>) -> Result<Entry, Fault> {
        super::open(key, None, false, bytes)
    }

    fn fault(key: &Key, bytes: Vec<u8>) -> Option<Fault> {
        open(key, bytes).err()
    }

    fn rich() -> Content<'static> {
        let buffers = &[Span { offset: 0, length: 2 }, Span { offset: 5, length: 0 }];
        Content { body: &[BODY], second: Some(b"second."), buffers }
    }

    /// Recomputes the checksum, as somebody who wants to fool the parser would.
    fn resealed(mut file: Vec<u8>) -> Vec<u8> {
        file.truncate(file.len() - (TRAILER - LENGTHS));
        let mut seal = Seal::new(&key(), None);
        seal.update(&file);
        [file, end(seal)].concat()
    }

    #[test]
    fn what_was_written_is_read() {
        for content in [Content::new(&[BODY]), Content::new(&[b"N", b"", b".", b""]), rich()] {
            let entry = open(&key(), sealed(&content)).unwrap();
            assert_eq!(entry.body_length(), content.body.concat().len() as u64);
            assert_eq!(entry.second(), content.second);
            assert_eq!(entry.buffers(), content.buffers);
            assert!(matches!(entry.into_held(), Held::Bytes(bytes) if bytes == content.body.concat()));
        }
    }

    #[test]
    fn the_bytes_are_the_documented_ones() {
        let file = sealed(&Content { body: &[BODY], second: Some(b"s."), buffers: &[Span { offset: 1, length: 3 }] });
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
        assert_eq!(fault(&key(), [&file[..], b"\n"].concat()), Some(Damage::Ending.into()));
        assert_eq!(fault(&key(), [b".", &file[..]].concat()), Some(Damage::Length.into()));
        assert_eq!(fault(&key(), Vec::new()), Some(Damage::Short.into()));
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
            assert_eq!(fault(&other.unwrap(), file.clone()), Some(Damage::Checksum.into()));
        }
    }

    #[test]
    fn a_later_format_is_told_from_damage_whatever_its_length() {
        for front in [Vec::new(), vec![7; 3], vec![7; 300]] {
            let file = [&front[..], &2_u32.to_le_bytes(), &(!2_u32).to_le_bytes(), &MAGIC].concat();
            assert_eq!(fault(&key(), file), Some(Fault::Newer(2)));
        }
        let file = [&[7; 300][..], &0_u32.to_le_bytes(), &(!0_u32).to_le_bytes(), &MAGIC].concat();
        assert_eq!(fault(&key(), file), Some(Damage::Ending.into()));
    }

    #[test]
    fn lengths_that_lie_are_damage_even_under_a_right_checksum() {
        let file = sealed(&rich());
        let lengths = file.len() - TRAILER;
        for (index, honest) in [BODY.len() as u64, 7, 2].into_iter().enumerate() {
            for lie in [0, 1, honest + 1, 1 << 32, 1 << 60, 1 << 63, u64::MAX / 16, u64::MAX - 1, u64::MAX] {
                let mut changed = file.clone();
                changed[lengths + 8 * index..][..8].copy_from_slice(&lie.to_le_bytes());
                assert_eq!(fault(&key(), resealed(changed)), Some(Damage::Length.into()), "{index}: {lie}");
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
            assert_eq!(fault(&key(), resealed(changed)), Some(Damage::Buffers.into()), "{span:?}");
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
        for body in [&[&b""[..]][..], &[b"\x80\x05K*"], &[], &[b".", b"N", b""]] {
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
        let trailer = Trailer::of(&file[file.len() - TRAILER..]).ok().unwrap();
        assert!(trailer.parts(file.len() as u64).is_ok());
        assert_eq!(trailer.parts(1 << 50), Err(Damage::Length));
        assert_eq!(trailer.parts(0), Err(Damage::Short));
    }

    #[test]
    fn a_secret_tells_its_own_entries_from_all_others() {
        let (ours, theirs) = (Secret::new(b"ours"), Secret::new(b"theirs"));
        let file = signed(&rich(), Some(&ours));
        let open = |secret, file: &[u8]| super::open(&key(), secret, false, file.to_vec()).err();
        assert_eq!(open(Some(&ours), &file), None);
        assert_eq!(open(None, &file), None);
        assert_eq!(open(Some(&theirs), &file), Some(Fault::Foreign));
        assert_eq!(open(Some(&ours), &sealed(&rich())), Some(Fault::Foreign));
        assert_eq!(open(Some(&ours), &resealed(file.clone())), Some(Fault::Foreign));
        for index in 0..file.len() {
            let mut changed = file.clone();
            changed[index] ^= 1;
            assert!(open(Some(&ours), &changed).is_some(), "byte {index}");
        }
    }

    #[test]
    fn a_secret_does_not_show() {
        assert_eq!(format!("{:?}", Secret::new(b"hunter2")), "Secret(..)");
    }
}
