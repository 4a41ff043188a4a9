//! The trailer: the end of an entry's file, which has a fixed length and describes its parts.

use std::ops::Range;

use super::checksum::HASH;
use super::entry::{ContentId, Damage, ENTRY_VERSION, Fault, content_id};

/// The last bytes of every entry of every version. The first byte is not ASCII and the last two are
/// a line end, so that a program that converts the file as text is detected.
pub(super) const MAGIC: [u8; 8] = *b"\x89funes\r\n";

/// The length of the trailer, in bytes.
pub(super) const TRAILER: usize = LENGTHS + 2 * HASH + 2 * 4 + MAGIC.len();

/// The length in bytes of the part of the trailer that the MAC covers.
pub(super) const LENGTHS: usize = 2 * 8;

/// A parsed trailer.
pub(super) struct Trailer {
    body: u64,
    footer: u64,
    pub(super) mac: [u8; HASH],
    pub(super) checksum: [u8; HASH],
}

/// The positions of the parts of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) body: u64,
    /// The footer ends where the trailer starts.
    pub(super) footer: Range<u64>,
}

impl Trailer {
    /// Parses the end of a file, or a whole file.
    pub(super) fn of(file: &[u8]) -> Result<Self, Fault> {
        // The last 16 bytes are the same in every version: a longer trailer grows at its front.
        let other = if file.len() < TRAILER { Damage::TooShort } else { Damage::Ending };
        let rest = file.strip_suffix(&MAGIC).ok_or(other)?;
        let (rest, complement) = rest.split_last_chunk().ok_or(Damage::TooShort)?;
        let (rest, version) = rest.split_last_chunk().ok_or(Damage::TooShort)?;
        let version = u32::from_le_bytes(*version);
        // Without the complement, one flipped bit would turn a damaged file into one of another
        // version, which is never moved to the quarantine.
        if version != !u32::from_le_bytes(*complement) || version == 0 {
            return Err(Damage::Ending.into());
        }
        if version != ENTRY_VERSION {
            return Err(Fault::OtherVersion(version));
        }
        let (rest, checksum) = rest.split_last_chunk().ok_or(Damage::TooShort)?;
        let (rest, mac) = rest.split_last_chunk().ok_or(Damage::TooShort)?;
        let (_, lengths) = rest.split_last_chunk::<LENGTHS>().ok_or(Damage::TooShort)?;
        let length = |index| number(lengths, index).ok_or(Damage::TooShort);
        Ok(Self { body: length(0)?, footer: length(8)?, mac: *mac, checksum: *checksum })
    }

    /// Returns the number of the entry.
    pub(super) fn content_id(&self) -> ContentId {
        content_id(&self.checksum)
    }

    /// Returns the positions of the parts, if the lengths add up to a file of `size` bytes.
    pub(super) fn parts(&self, size: u64) -> Result<Parts, Damage> {
        let end = size.checked_sub(TRAILER as u64).ok_or(Damage::TooShort)?;
        let is_whole = self.body.checked_add(self.footer) == Some(end);
        is_whole.then_some(Parts { body: self.body, footer: self.body..end }).ok_or(Damage::Length)
    }
}

/// Reads a little-endian number of eight bytes; none if there are fewer bytes.
pub(super) fn number(bytes: &[u8], index: usize) -> Option<u64> {
    let bytes = bytes.get(index..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}
