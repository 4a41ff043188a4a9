//! The fixed end of an entry's file, by which it is known and taken apart.

use std::ops::Range;

use super::checksum::HASH;
use super::entry::{Damage, ENTRY_VERSION, Fault};

/// The last bytes of every entry, of every version. The first is not ASCII and the last two are a line's end, so that
/// whatever takes the file for text and converts it is caught.
pub(super) const MAGIC: [u8; 8] = *b"\x89funes\r\n";

/// The length of the trailer, in bytes.
pub(super) const TRAILER: usize = LENGTHS + 2 * HASH + 2 * 4 + MAGIC.len();

/// The part of the trailer that the MAC covers.
pub(super) const LENGTHS: usize = 2 * 8;

/// What the trailer says.
pub(super) struct Trailer {
    body: u64,
    footer: u64,
    pub(super) mac: [u8; HASH],
    pub(super) checksum: [u8; HASH],
}

/// Where the parts of a file lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) body: u64,
    /// The footer ends where the trailer starts.
    pub(super) footer: Range<u64>,
}

impl Trailer {
    /// From the end of a file, or all of it.
    pub(super) fn of(file: &[u8]) -> Result<Self, Fault> {
        // The last 16 bytes mean the same in every version: a longer trailer grows at its front.
        let other = if file.len() < TRAILER { Damage::InlineEncoder } else { Damage::Ending };
        let rest = file.strip_suffix(&MAGIC).ok_or(other)?;
        let (rest, complement) = rest.split_last_chunk().ok_or(Damage::InlineEncoder)?;
        let (rest, version) = rest.split_last_chunk().ok_or(Damage::InlineEncoder)?;
        let version = u32::from_le_bytes(*version);
        // Without its complement, one flipped bit would make a damaged file one of another version, never to be set aside.
        if version != !u32::from_le_bytes(*complement) || version == 0 {
            return Err(Damage::Ending.into());
        }
        if version != ENTRY_VERSION {
            return Err(Fault::OtherVersion(version));
        }
        let (rest, checksum) = rest.split_last_chunk().ok_or(Damage::InlineEncoder)?;
        let (rest, mac) = rest.split_last_chunk().ok_or(Damage::InlineEncoder)?;
        let (_, lengths) = rest.split_last_chunk::<LENGTHS>().ok_or(Damage::InlineEncoder)?;
        let length = |index| number(lengths, index).ok_or(Damage::InlineEncoder);
        Ok(Self { body: length(0)?, footer: length(8)?, mac: *mac, checksum: *checksum })
    }

    /// Where everything lies, if the lengths fill a file of `size` bytes exactly.
    pub(super) fn parts(&self, size: u64) -> Result<Parts, Damage> {
        let end = size.checked_sub(TRAILER as u64).ok_or(Damage::InlineEncoder)?;
        let is_whole = self.body.checked_add(self.footer) == Some(end);
        is_whole.then_some(Parts { body: self.body, footer: self.body..end }).ok_or(Damage::Length)
    }
}

/// The little-endian number of eight bytes that stands there; none if the bytes end before.
pub(super) fn number(bytes: &[u8], index: usize) -> Option<u64> {
    let bytes = bytes.get(index..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}
