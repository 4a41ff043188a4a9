//! The bytes of an entry's file, as in `docs/format.md`. This file does not access the disk.
//!
//! ```text
//! body | footer: sections | trailer
//! ```

use memmap2::MmapMut;

use super::checksum::{Checksum, HASH, SigningKey};
use super::footer::{Footer, Head, Origin, Pickle, footer};
use super::layout::Key;
use super::trailer::{LENGTHS, MAGIC, Trailer};
use crate::pickle::STOP;

/// The version of the file format. A reader refuses any other version with an error.
pub const ENTRY_VERSION: u32 = 2;

/// The position of a large buffer in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The start of the buffer, in bytes from the start of the file.
    pub offset: u64,
    /// The length of the buffer in bytes.
    pub length: u64,
}

impl Span {
    pub(super) fn is_within(&self, body: u64) -> bool {
        self.offset.checked_add(self.length).is_some_and(|end| end <= body)
    }
}

/// The content of an entry to store.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The portable pickle, up to and including its STOP, in pieces. Large arrays are separate
    /// pieces, so that they need not be copied.
    pub body: &'a [&'a [u8]],
    /// The head: the inputs and the run time; none for a large argument.
    pub head: Option<Head<'a>>,
    /// The fast pickle of the same value, with its buffers out of band, which only funes reads.
    pub fast: Option<Pickle<'a>>,
    /// What else is known of the computation.
    pub origin: Origin<'a>,
}

impl<'a> Content<'a> {
    /// Makes the content of a file with one pickle.
    pub fn new(body: &'a [&'a [u8]]) -> Self {
        Self { body, head: None, fast: None, origin: Origin::default() }
    }

    /// Returns the reason why this content could not be read back, if there is one.
    pub(super) fn invalid_reason(&self) -> Option<&'static str> {
        if self.body.iter().rev().find_map(|piece| piece.last()) != Some(&STOP) {
            // A program that loads the file without funes would read beyond the body.
            return Some("the body of an entry must be a pickle, which ends with STOP");
        }
        let body = length(self.body) as u64;
        let pickles = [self.fast, self.head.map(|head| head.inputs), self.head.and_then(|head| head.main)];
        pickles.iter().flatten().find_map(|pickle| pickle.invalid_reason(body))
    }

    /// Returns the bytes of the footer.
    pub(super) fn footer(&self) -> Vec<u8> {
        footer(self.head, self.fast, self.origin)
    }
}

/// Returns the length in bytes of a body in pieces.
pub(super) fn length(body: &[&[u8]]) -> usize {
    body.iter().map(|piece| piece.len()).sum()
}

/// Returns the lengths of body and footer as bytes. In a file, they are between the footer and the
/// hashes.
pub(super) fn lengths(body: usize, footer: usize) -> [u8; LENGTHS] {
    let mut lengths = [0; LENGTHS];
    lengths[..8].copy_from_slice(&(body as u64).to_le_bytes());
    lengths[8..].copy_from_slice(&(footer as u64).to_le_bytes());
    lengths
}

/// Returns the number of an entry with a checksum.
pub(super) fn content_id(checksum: &[u8; HASH]) -> ContentId {
    u64::from_le_bytes(*checksum.first_chunk().expect("a checksum has 32 bytes"))
}

/// Returns the end of a file: MAC, checksum, version and magic bytes; and its number.
pub(super) fn end(checksum: Checksum) -> (Vec<u8>, ContentId) {
    let [mac, checksum] = checksum.finish();
    let version = [ENTRY_VERSION.to_le_bytes(), (!ENTRY_VERSION).to_le_bytes()].concat();
    ([&mac[..], &checksum, &version, &MAGIC].concat(), content_id(&checksum))
}

/// Returns the end of a file whose MAC is known.
pub(super) fn end_with(checksum: Checksum, mac: [u8; HASH]) -> Vec<u8> {
    let version = [ENTRY_VERSION.to_le_bytes(), (!ENTRY_VERSION).to_le_bytes()].concat();
    [&mac[..], &checksum.finish_with(&mac), &version, &MAGIC].concat()
}

/// An entry that was read and verified.
#[derive(Debug)]
pub struct Entry {
    held: Held,
    body: u64,
    footer: Footer,
    content_id: ContentId,
}

/// The start of the checksum of an entry: files with other content have another number.
pub type ContentId = u64;

/// The memory in which a reader has the body.
#[derive(Debug)]
pub enum Held {
    /// A buffer.
    Bytes(Vec<u8>),
    /// A private memory map of the file from its start, for a large file on a local disk.
    Mapped(MmapMut),
}

impl Entry {
    pub(super) fn new(held: Held, body: u64, footer: Footer, content_id: ContentId) -> Self {
        Self { held, body, footer, content_id }
    }

    /// Returns a number by which to notice that the file was replaced.
    pub fn content_id(&self) -> ContentId {
        self.content_id
    }

    /// Returns the footer.
    pub fn footer(&self) -> &Footer {
        &self.footer
    }

    /// Returns the portable pickle.
    pub fn body(&self) -> &[u8] {
        let bytes: &[u8] = match &self.held {
            Held::Bytes(bytes) => bytes,
            Held::Mapped(map) => map,
        };
        &bytes[..self.body as usize]
    }

    /// Returns the portable pickle, if it is in a buffer and there is no fast pickle.
    pub fn plain_body(&self) -> Option<&[u8]> {
        matches!(self.held, Held::Bytes(_)).then(|| self.body()).filter(|_| self.footer.fast().is_none())
    }

    /// Returns the memory that begins with the body, and the footer.
    pub fn into_parts(self) -> (Held, Footer) {
        (self.held, self.footer)
    }
}

/// The reason why a file is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file is too short for a trailer: it was emptied or cut off.
    #[error("it is too short to be an entry")]
    TooShort,
    /// The end is not that of an entry: the file was cut off, extended or overwritten.
    #[error("it has no footer of an entry")]
    Ending,
    /// The lengths in the trailer do not add up to the length of the file.
    #[error("its length differs from the one that was written")]
    Length,
    /// The bytes have changed, or the file was stored under another name.
    #[error("its checksum does not match its content, function, definition and arguments")]
    Checksum,
    /// The sections do not fill the footer, or a section is there twice.
    #[error("its sections are not those of an entry")]
    Sections,
    /// A buffer is outside of the body.
    #[error("its table of buffers points outside its body")]
    Buffers,
}

/// The reason why a reader does not accept a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Damaged(Damage),
    /// Intact, but not signed with the reader's signing key.
    Foreign,
    /// Apparently intact, but of another version of the format.
    OtherVersion(u32),
}

impl From<Damage> for Fault {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

/// Parses a file that is in memory. Unless `trusted`, it verifies that the file is complete,
/// unchanged, stored under its own name, and signed with the signing key.
pub(super) fn open(
    key: &Key,
    signing_key: Option<&SigningKey>,
    trusted: bool,
    mut bytes: Vec<u8>,
) -> Result<Entry, Fault> {
    let trailer = Trailer::of(&bytes)?;
    let parts = trailer.parts(bytes.len() as u64)?;
    let end = parts.footer.end as usize;
    if !trusted {
        let mut checksum = Checksum::new(key, signing_key);
        checksum.update(&bytes[..end + LENGTHS]);
        checksum.check(&trailer)?;
    }
    let footer = Footer::of(bytes[parts.body as usize..end].to_vec(), parts.body)?;
    bytes.truncate(parts.body as usize);
    Ok(Entry::new(Held::Bytes(bytes), parts.body, footer, trailer.content_id()))
}

#[cfg(test)]
mod tests {
    use super::super::trailer::TRAILER;
    use super::*;

    const DEFINITION: &str = "0123456789abcdef0123456789abcdef01234567";
    const ARGUMENTS: &str = "89abcdef0123456789abcdef0123456789abcdef";
    const BODY: &[u8] = b"\x80\x05K*.";

    fn key() -> Key<'static> {
        Key::new("double", DEFINITION, ARGUMENTS).unwrap()
    }

    fn signed(content: &Content, signing_key: Option<&SigningKey>) -> Vec<u8> {
        assert_eq!(content.invalid_reason(), None);
        let (body, footer) = (content.body.concat(), content.footer());
        let file = [&body[..], &footer, &lengths(body.len(), footer.len())].concat();
        let mut checksum = Checksum::new(&key(), signing_key);
        checksum.update(&file);
        [&file[..], &end(checksum).0].concat()
    }

    fn section(tag: [u8; 4], content: &[u8]) -> Vec<u8> {
        [&tag[..], &(content.len() as u64).to_le_bytes(), content].concat()
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
        let inputs = Pickle { bytes: b"inputs.", buffers: &buffers[1..] };
        let head = Head { seconds: 0.25, inputs, main: Some(Pickle { bytes: b"named.", buffers: &[] }) };
        Content {
            body: &[BODY],
            head: Some(head),
            fast: Some(Pickle { bytes: b"fast.", buffers }),
            ..Content::new(&[BODY])
        }
    }

    /// Recomputes the checksum, as an attacker without a signing key would.
    fn resealed(mut file: Vec<u8>) -> Vec<u8> {
        file.truncate(file.len() - (TRAILER - LENGTHS));
        let mut checksum = Checksum::new(&key(), None);
        checksum.update(&file);
        [file, end(checksum).0].concat()
    }

    #[test]
    fn written_content_is_read_back() {
        let with_head = Content { fast: None, ..rich() };
        for content in [Content::new(&[BODY]), Content::new(&[b"N", b"", b".", b""]), rich(), with_head] {
            let entry = open(&key(), sealed(&content)).unwrap();
            assert_eq!(entry.body(), content.body.concat());
            assert_eq!((entry.footer().head(), entry.footer().fast()), (content.head, content.fast));
            assert_eq!(entry.plain_body(), content.fast.is_none().then_some(&content.body.concat()[..]));
            assert!(matches!(entry.into_parts().0, Held::Bytes(bytes) if bytes == content.body.concat()));
        }
    }

    #[test]
    fn the_bytes_are_the_documented_ones() {
        let buffers = &[Span { offset: 1, length: 3 }];
        let inputs = Pickle { bytes: b"i.", buffers };
        let head = Head { seconds: 0.25, inputs, main: Some(Pickle { bytes: b"m.", buffers: &[] }) };
        let fast = Some(Pickle { bytes: b"f.", buffers });
        let file = sealed(&Content { body: &[BODY], head: Some(head), fast, ..Content::new(&[]) });
        let number = |number: u8| [number, 0, 0, 0, 0, 0, 0, 0];
        let table = [number(1), number(1), number(3)].concat();
        let footer = [
            section(*b"head", &[&0.25_f64.to_le_bytes()[..], &table, b"i."].concat()),
            section(*b"main", &[&number(0)[..], b"m."].concat()),
            section(*b"fast", &[&table[..], b"f."].concat()),
        ]
        .concat();
        let mut expected = [BODY, &footer].concat();
        expected.extend(number(BODY.len() as u8));
        expected.extend(number(footer.len() as u8));
        expected.extend([0; 32]);
        let mut names = Vec::new();
        for name in ["double", DEFINITION, ARGUMENTS] {
            names.extend([name.len() as u8, 0, 0, 0, 0, 0, 0, 0]);
            names.extend(name.bytes());
        }
        expected.extend(blake3::derive_key("funes 2026-11 entry 2 checksum", &[names, expected.clone()].concat()));
        expected.extend(b"\x02\0\0\0\xfd\xff\xff\xff\x89funes\r\n");
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
        assert_eq!(fault(&key(), Vec::new()), Some(Damage::TooShort.into()));
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
    fn two_swapped_bytes_are_damage() {
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
    fn another_format_version_is_not_damage() {
        for (front, version) in [(Vec::new(), 3), (vec![7; 3], 1), (vec![7; 300], 1), (vec![7; 300], u32::MAX)] {
            let file = [&front[..], &version.to_le_bytes(), &(!version).to_le_bytes(), &MAGIC].concat();
            assert_eq!(fault(&key(), file), Some(Fault::OtherVersion(version)));
        }
        let file = [&[7; 300][..], &0_u32.to_le_bytes(), &(!0_u32).to_le_bytes(), &MAGIC].concat();
        assert_eq!(fault(&key(), file), Some(Damage::Ending.into()));
    }

    #[test]
    fn an_invalid_footer_is_damage_even_with_a_valid_checksum() {
        let mut file = sealed(&Content::new(&[BODY]));
        let lengths = file.len() - TRAILER;
        file.splice(lengths..lengths, *b"what");
        file[lengths + 4 + 8] = 4;
        assert_eq!(fault(&key(), resealed(file)), Some(Damage::Sections.into()));
    }

    #[test]
    fn wrong_lengths_are_damage_even_with_a_valid_checksum() {
        let file = sealed(&rich());
        let lengths = file.len() - TRAILER;
        for (index, honest) in [BODY.len() as u64, rich().footer().len() as u64].into_iter().enumerate() {
            for lie in [0, 1, honest + 1, 1 << 32, 1 << 60, 1 << 63, u64::MAX / 16, u64::MAX - 1, u64::MAX] {
                let mut changed = file.clone();
                changed[lengths + 8 * index..][..8].copy_from_slice(&lie.to_le_bytes());
                assert_eq!(fault(&key(), resealed(changed)), Some(Damage::Length.into()), "{index}: {lie}");
            }
        }
    }

    #[test]
    fn garbage_of_any_kind_is_damage() {
        // Pseudorandom bytes from the hash, the same in every run.
        let mut garbage = vec![0; 4096];
        for round in 0..200_u32 {
            blake3::Hasher::new().update(&round.to_le_bytes()).finalize_xof().fill(&mut garbage);
            let length = garbage[0] as usize * 16 + garbage[1] as usize % 16;
            let mut file = garbage[..length].to_vec();
            assert!(matches!(open(&key(), file.clone()), Err(Fault::Damaged(_))));
            // A valid end, so that the inner checks are reached.
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
    fn content_that_could_not_be_read_back_is_rejected() {
        for body in [&[&b""[..]][..], &[b"\x80\x05K*"], &[], &[b".", b"N", b""]] {
            assert!(Content { body, ..rich() }.invalid_reason().unwrap().contains("STOP"));
        }
        let empty = Pickle { bytes: b"", buffers: &[] };
        let outside = Pickle { bytes: b".", buffers: &[Span { offset: 1, length: 5 }] };
        for (bad, why) in [(empty, "must not be empty"), (outside, "within its body")] {
            let head = |inputs, main| Some(Head { seconds: 0.0, inputs, main });
            let good = Pickle { bytes: b".", buffers: &[] };
            for content in [
                Content { fast: Some(bad), ..rich() },
                Content { head: head(bad, None), ..rich() },
                Content { head: head(good, Some(bad)), ..rich() },
            ] {
                assert!(content.invalid_reason().unwrap().contains(why));
            }
        }
    }

    #[test]
    fn an_impossible_size_is_detected_from_the_trailer() {
        let file = sealed(&rich());
        let trailer = Trailer::of(&file[file.len() - TRAILER..]).ok().unwrap();
        assert!(trailer.parts(file.len() as u64).is_ok());
        assert_eq!(trailer.parts(1 << 50), Err(Damage::Length));
        assert_eq!(trailer.parts(0), Err(Damage::TooShort));
    }

    #[test]
    fn only_entries_signed_with_the_same_key_are_accepted() {
        let (ours, theirs) = (SigningKey::new(b"ours"), SigningKey::new(b"theirs"));
        let file = signed(&rich(), Some(&ours));
        let open = |signing_key, file: &[u8]| super::open(&key(), signing_key, false, file.to_vec()).err();
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
    fn debug_output_does_not_contain_the_signing_key() {
        assert_eq!(format!("{:?}", SigningKey::new(b"hunter2")), "SigningKey(..)");
    }
}
