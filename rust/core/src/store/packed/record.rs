//! The payload of a stored result: the entry without its trailer, from which the file of the entry
//! is rebuilt byte for byte.
//!
//! The checksum in a trailer cannot be compressed, and takes half of the space of a small result. A
//! record has a sum of its own, which is compared before anything is rebuilt.

use super::super::checksum::{Checksum, HASH, SigningKey};
use super::super::entry::{self, Entry, Fault, Held, length, lengths};
use super::super::footer::Footer;
use super::super::layout::Key;
use super::super::trailer::{Trailer, number};
use super::format::{SIGNED, Sum};

/// The length in bytes of what stands before the body: the time and the length of the body.
pub(super) const BEFORE: usize = 8 + 4;

/// A result, as parts of the payload of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored<'a> {
    /// The time at which the result was stored, in nanoseconds since 1970.
    pub(super) time: i64,
    pub(super) body: &'a [u8],
    pub(super) footer: &'a [u8],
    /// The MAC; none if the entry is not signed.
    pub(super) mac: Option<[u8; HASH]>,
}

/// Returns the payload and the flags of the record of an entry. `bytes` is a buffer, and is emptied.
pub(super) fn payload(
    bytes: &mut Vec<u8>,
    time: i64,
    key: &Key,
    (body, footer): (&[&[u8]], &[u8]),
    signing_key: Option<&SigningKey>,
) -> u8 {
    put_unsigned(bytes, time, body, footer);
    if signing_key.is_none() {
        return 0;
    }
    let mut checksum = Checksum::new(key, signing_key);
    checksum.update(&bytes[BEFORE..]);
    checksum.update(&lengths(length(body), footer.len()));
    let [mac, _] = checksum.finish();
    bytes.extend(mac);
    SIGNED
}

/// Fills `bytes` with the payload of an entry that is not signed.
fn put_unsigned(bytes: &mut Vec<u8>, time: i64, body: &[&[u8]], footer: &[u8]) {
    bytes.clear();
    bytes.extend(time.to_le_bytes());
    bytes.extend((length(body) as u32).to_le_bytes());
    for piece in body {
        bytes.extend_from_slice(piece);
    }
    bytes.extend_from_slice(footer);
}

impl<'a> Stored<'a> {
    /// Parses a payload that is not compressed; none if its lengths do not fit.
    pub(super) fn of(payload: &'a [u8], flags: u8) -> Option<Self> {
        let time = number(payload, 0)?.cast_signed();
        let body = u32::from_le_bytes(*payload.get(8..)?.first_chunk()?) as usize;
        let rest = &payload[BEFORE..];
        let (rest, mac) = match flags & SIGNED {
            0 => (rest, None),
            _ => rest.split_last_chunk().map(|(rest, mac)| (rest, Some(*mac)))?,
        };
        let (body, footer) = rest.split_at_checked(body)?;
        Some(Self { time, body, footer, mac })
    }

    /// Parses the file of an entry, which was verified; none if it cannot be rebuilt from a record.
    pub(super) fn in_file(file: &'a [u8], time: i64, key: &Key) -> Option<Self> {
        let trailer = Trailer::of(file).ok()?;
        let parts = trailer.parts(file.len() as u64).ok()?;
        let footer = parts.footer.start as usize..parts.footer.end as usize;
        let mac = (trailer.mac != [0; HASH]).then_some(trailer.mac);
        let stored = Self { time, body: &file[..footer.start], footer: &file[footer], mac };
        (stored.to_file(key) == file).then_some(stored)
    }

    /// Returns the payload and the flags of the record.
    pub(super) fn to_payload(self, bytes: &mut Vec<u8>) -> u8 {
        put_unsigned(bytes, self.time, &[self.body], self.footer);
        bytes.extend(self.mac.iter().flatten());
        if self.mac.is_some() { SIGNED } else { 0 }
    }

    /// Returns the file of the entry.
    pub(super) fn to_file(self, key: &Key) -> Vec<u8> {
        let lengths = lengths(self.body.len(), self.footer.len());
        let mut file = [self.body, self.footer, &lengths].concat();
        let mut checksum = Checksum::new(key, None);
        checksum.update(&file);
        file.extend(entry::end_with(checksum, self.mac.unwrap_or_default()));
        file
    }

    /// Returns the entry. With a signing key, the MAC is compared.
    pub(super) fn to_entry(self, key: &Key, signing_key: Option<&SigningKey>, sum: Sum) -> Result<Entry, Fault> {
        if signing_key.is_some() {
            entry::open(key, signing_key, false, self.to_file(key))?;
        }
        let body = self.body.len() as u64;
        let footer = Footer::of(self.footer.to_vec(), body)?;
        // Packed entries are told apart by their sums. Their checksums are not in the file.
        Ok(Entry::new(Held::Bytes(self.body.to_vec()), body, footer, number(&sum, 0).unwrap_or_default()))
    }
}
