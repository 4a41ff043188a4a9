//! The bytes of segments and packs, as in `docs/format.md`. This file does not access the disk.

use super::super::layout::Definition;
use super::super::trailer::number;

/// The version of the format of segments and packs.
pub(super) const VERSION: u32 = 1;

/// The extension of a segment, to which a process appends.
pub(super) const SEGMENT: &str = ".seg";

/// The extension of a pack, which is never changed.
pub(super) const PACK: &str = ".pack";

/// The first bytes of a segment and of a pack. The first byte is not ASCII, and the line end and the
/// Ctrl-Z detect a conversion as text.
const MAGIC: [[u8; 8]; 2] = [*b"\x89fseg\r\n\x1a", *b"\x89fpak\r\n\x1a"];

/// The length of the header of a file, in bytes. The first record follows it.
pub(super) const HEADER: u64 = 48;

/// The length of the head of a record, in bytes.
pub(super) const HEAD: usize = 28;

/// The length of the sum of a record, in bytes.
pub(super) const SUM: usize = 16;

/// Every record starts at a multiple of this number of bytes.
pub(super) const ALIGN: u64 = 8;

/// The length of an end mark, in bytes, with head, sum and padding.
pub(super) const MARK: u64 = 64;

/// The first 20 bytes of an argument hash.
pub(super) type Digest = [u8; 20];

/// The sum of a record. It names the record: the payload contains the time at which it was stored.
pub(super) type Sum = [u8; SUM];

/// A stored result.
pub(super) const RESULT: u8 = 1;
/// The sums of deleted records of one argument digest.
pub(super) const TOMBSTONE: u8 = 2;
/// A sorted index of the records before it.
pub(super) const INDEX: u8 = 3;
/// The end of a file that was closed properly.
pub(super) const END: u8 = 4;
/// The zstd dictionary of a pack.
pub(super) const DICTIONARY: u8 = 5;

/// A flag: the payload is a zstd frame without its magic bytes.
pub(super) const COMPRESSED: u8 = 1;
/// A flag: the payload ends with the MAC of a signed entry.
pub(super) const SIGNED: u8 = 2;

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The length of the payload as it is in the file.
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// The argument digest; zero in records that belong to no call.
    pub(super) digest: Digest,
}

impl Head {
    /// Parses the head of a record; none if there is no record.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEAD] = bytes.first_chunk()?;
        let head = Self {
            length: u32::from_le_bytes(*bytes.first_chunk()?),
            kind: bytes[4],
            flags: bytes[5],
            digest: *bytes[8..].first_chunk()?,
        };
        (bytes[6..8] == head.hash().to_le_bytes()).then_some(head)
    }

    pub(super) fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.length.to_le_bytes());
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.hash().to_le_bytes());
        bytes.extend(self.digest);
    }

    /// Returns the length of the record in the file.
    pub(super) fn whole(&self) -> u64 {
        (HEAD as u64 + u64::from(self.length) + SUM as u64).next_multiple_of(ALIGN)
    }

    /// Returns a hash of the head, which is never 0, so that zeros are no record. A walk over the
    /// records needs no payload because of it.
    fn hash(&self) -> u16 {
        let word = |at: usize| number(&self.digest, at).unwrap_or_default();
        let opening = u64::from(self.length) | u64::from(self.kind) << 32 | u64::from(self.flags) << 40;
        let rest = u32::from_le_bytes([self.digest[16], self.digest[17], self.digest[18], self.digest[19]]);
        let mixed = [opening, word(0), word(8), u64::from(rest)].iter().fold(0_u64, |mixed, word| {
            let mixed = (mixed ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            mixed ^ mixed >> 32
        });
        (mixed as u16).max(1)
    }
}

/// The key of the sums of a definition's records. A record under another definition, or of a
/// function of another name, is not valid.
#[derive(Clone, Debug)]
pub(super) struct Sums(Option<[u8; blake3::KEY_LEN]>);

impl Sums {
    pub(super) fn of(definition: &Definition) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("funes 2026-11 record 1 sum");
        for name in [definition.function(), definition.hash()] {
            hasher.update(&(name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
        }
        Self(Some(*hasher.finalize().as_bytes()))
    }

    /// For a reader that does not know the name of the function: it takes every sum for the right one.
    pub(super) fn unknown() -> Self {
        Self(None)
    }

    /// Returns whether the sum of a record is that of its content.
    pub(super) fn is_right(&self, head: &Head, payload: &[u8], sum: Sum) -> bool {
        self.0.is_none() || self.sum(head, payload) == sum
    }

    /// Returns whether the sum of a record is that of its content, which is in a buffer as it is in the file, not
    /// compressed.
    pub(super) fn is_right_in_place(&self, head: &Head, record: &mut [u8], sum: Sum) -> bool {
        let Some(key) = &self.0 else { return true };
        // Kind and flags take the place of the hash of the head for a moment: what the sum covers then stands together,
        // and need not be copied.
        let before = [record[6], record[7]];
        [record[6], record[7]] = [head.kind, head.flags & !COMPRESSED];
        let hash = blake3::keyed_hash(key, &record[6..]);
        [record[6], record[7]] = before;
        hash.as_bytes()[..SUM] == sum
    }

    /// Returns the sum of a record whose payload is not compressed.
    pub(super) fn sum(&self, head: &Head, payload: &[u8]) -> Sum {
        // One buffer on the stack: two updates of a hasher take half as long again.
        let mut start = [0; 22];
        start[0] = head.kind;
        start[1] = head.flags & !COMPRESSED;
        start[2..].copy_from_slice(&head.digest);
        let key = self.0.unwrap_or_default();
        let mut small = [0; 1024];
        let hash = if let Some(place) = small.get_mut(..start.len() + payload.len()) {
            place[..start.len()].copy_from_slice(&start);
            place[start.len()..].copy_from_slice(payload);
            blake3::keyed_hash(&key, place)
        } else {
            blake3::Hasher::new_keyed(&key).update(&start).update(payload).finalize()
        };
        let mut sum = [0; SUM];
        sum.copy_from_slice(&hash.as_bytes()[..SUM]);
        sum
    }

    /// Returns a hasher for the content of a pack, whose hash is its name.
    pub(super) fn of_content(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.0.unwrap_or_default())
    }
}

/// Appends a record whose payload is not compressed. Returns its sum.
pub(super) fn put_record(
    bytes: &mut Vec<u8>,
    sums: &Sums,
    (kind, flags): (u8, u8),
    digest: Digest,
    payload: &[u8],
) -> Sum {
    let head = Head { length: payload.len() as u32, kind, flags, digest };
    let sum = sums.sum(&head, payload);
    put_with(bytes, &head, payload, sum);
    sum
}

/// Appends a record with a sum that is known.
pub(super) fn put_with(bytes: &mut Vec<u8>, head: &Head, payload: &[u8], sum: Sum) {
    let end = bytes.len() + head.whole() as usize;
    head.put(bytes);
    bytes.extend(payload);
    bytes.extend(sum);
    bytes.resize(end, 0);
}

/// Returns the end mark of a file with an index. `dictionary` is the offset of the second copy of
/// the dictionary of a pack, or 0.
pub(super) fn mark(sums: &Sums, index: u64, dictionary: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MARK as usize);
    let payload = [index.to_le_bytes(), dictionary.to_le_bytes()].concat();
    put_record(&mut bytes, sums, (END, 0), [0; 20], &payload);
    bytes
}

/// Returns the offsets in an end mark; none if the bytes are none.
pub(super) fn in_mark(sums: &Sums, bytes: &[u8]) -> Option<(u64, u64)> {
    let head = Head::of(bytes).filter(|head| head.kind == END && head.whole() == MARK)?;
    let payload = &bytes.get(HEAD..HEAD + 16)?;
    let is_sound = sums.is_right(&head, payload, *bytes.get(HEAD + 16..)?.first_chunk()?);
    (is_sound && head.length == 16).then_some((number(payload, 0)?, number(payload, 8)?))
}

/// Returns the header of a file of a definition.
pub(super) fn header(is_pack: bool, definition: &Definition) -> Vec<u8> {
    let mut bytes = MAGIC[usize::from(is_pack)].to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend((!VERSION).to_le_bytes());
    bytes.extend(digest_of(definition.hash()).unwrap_or_default());
    bytes.extend([0; 4]);
    let hash = blake3::hash(&bytes);
    bytes.extend(&hash.as_bytes()[..8]);
    bytes
}

/// The state of the header of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// This version reads the file. The records tell by themselves whether they belong to a
    /// definition.
    Known,
    /// The file has another version of the format, and must stay as it is.
    Other(u32),
    /// The header is damaged. Records are found without it.
    Damaged,
}

/// Parses the header of a file.
pub(super) fn opening(bytes: &[u8]) -> Opening {
    let version = |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map(|version| u32::from_le_bytes(*version));
    let (Some(version), Some(complement)) = (version(8), version(12)) else { return Opening::Damaged };
    if !MAGIC.iter().any(|magic| bytes.starts_with(magic)) || version != !complement {
        return Opening::Damaged;
    }
    if version != VERSION {
        return Opening::Other(version);
    }
    let (start, end) = bytes.split_at(HEADER as usize - 8);
    if end.get(..8) == blake3::hash(start).as_bytes().get(..8) { Opening::Known } else { Opening::Damaged }
}

/// Returns the bytes of a hash of 40 hexadecimal digits.
pub(super) fn digest_of(hex: &str) -> Option<Digest> {
    let hex: &[u8; 40] = hex.as_bytes().try_into().ok()?;
    // Without a table and an early exit, the processor converts many digits at once.
    let are_digits = hex.iter().fold(true, |so_far, digit| so_far & digit.is_ascii_hexdigit());
    let value = |digit: u8| (digit & 15) + 9 * (digit >> 6);
    let mut digest = [0; 20];
    for (byte, pair) in digest.iter_mut().zip(hex.as_chunks::<2>().0) {
        *byte = value(pair[0]) << 4 | value(pair[1]);
    }
    are_digits.then_some(digest)
}

/// Returns whether a file name is that of a segment (false) or a pack (true); none for another name.
pub(super) fn is_pack(name: &str) -> Option<bool> {
    let is_random =
        |stem: &str| stem.len() == 32 && stem.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    [(SEGMENT, false), (PACK, true)]
        .into_iter()
        .find_map(|(extension, is_pack)| name.strip_suffix(extension).filter(|stem| is_random(stem)).map(|_| is_pack))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hex;

    fn definition() -> Definition<'static> {
        Definition::new("f", "0123456789abcdef0123456789abcdef01234567").unwrap()
    }

    #[test]
    fn a_head_with_any_bit_changed_is_another_head_or_none() {
        let head = Head { length: 77, kind: RESULT, flags: SIGNED, digest: [5; 20] };
        let mut bytes = Vec::new();
        head.put(&mut bytes);
        assert_eq!(Head::of(&bytes), Some(head));
        assert_eq!(Head::of(&[0; HEAD]), None);
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Head::of(&changed), Some(head));
        }
    }

    #[test]
    fn a_record_is_verified_in_place_as_by_its_parts_and_stays_as_it_is() {
        let sums = Sums::of(&definition());
        for length in [0, 1, 200, 5000] {
            let payload = vec![7; length];
            let mut bytes = Vec::new();
            let sum = put_record(&mut bytes, &sums, (RESULT, SIGNED), [5; 20], &payload);
            let head = Head::of(&bytes).unwrap();
            let mut record = bytes[..HEAD + length].to_vec();
            assert!(sums.is_right(&head, &payload, sum) && sums.is_right_in_place(&head, &mut record, sum));
            assert_eq!(record, bytes[..HEAD + length]);
            for at in HEAD..record.len() {
                record[at] ^= 1;
                assert!(!sums.is_right_in_place(&head, &mut record, sum));
                record[at] ^= 1;
            }
            assert!(!sums.is_right_in_place(&Head { flags: 0, ..head }, &mut record, sum));
            assert!(!sums.is_right_in_place(&head, &mut record, [0; SUM]));
            assert!(Sums::unknown().is_right_in_place(&head, &mut record, [0; SUM]));
        }
    }

    #[test]
    fn an_end_mark_with_any_bit_changed_is_none() {
        let sums = Sums::of(&definition());
        let bytes = mark(&sums, 1 << 40, 7);
        assert_eq!((bytes.len() as u64, in_mark(&sums, &bytes)), (MARK, Some((1 << 40, 7))));
        for bit in 0..60 * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(in_mark(&sums, &changed), None);
        }
        assert_eq!(in_mark(&Sums::of(&Definition::new("g", definition().hash()).unwrap()), &bytes), None);
    }

    #[test]
    fn a_header_of_another_version_is_distinguished_from_damage() {
        for is_pack in [false, true] {
            let sound = header(is_pack, &definition());
            assert_eq!((sound.len() as u64, opening(&sound)), (HEADER, Opening::Known));
            for at in 0..sound.len() {
                let mut other = sound.clone();
                other[at] ^= 1;
                assert_eq!(opening(&other), Opening::Damaged);
            }
            let mut other = sound.clone();
            other[8..12].copy_from_slice(&7_u32.to_le_bytes());
            other[12..16].copy_from_slice(&(!7_u32).to_le_bytes());
            assert_eq!(opening(&other), Opening::Other(7));
        }
        assert_eq!(opening(b""), Opening::Damaged);
    }

    #[test]
    fn names_and_digests_are_hexadecimal_digits() {
        let text = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(hex(&digest_of(text).unwrap()), text);
        assert_eq!(digest_of(&text.to_uppercase()), digest_of(text));
        for byte in (0..=127).filter(|byte: &u8| !byte.is_ascii_hexdigit()) {
            assert_eq!(digest_of(&text.replace('7', &char::from(byte).to_string())), None);
        }
        assert_eq!((digest_of("01"), digest_of(&"g".repeat(40))), (None, None));
        assert_eq!(is_pack(&format!("{}.seg", &text[..32])), Some(false));
        assert_eq!(is_pack(&format!("{}.pack", &text[..32])), Some(true));
        assert_eq!((is_pack("0.seg"), is_pack(&format!("{text}.dill"))), (None, None));
    }
}
