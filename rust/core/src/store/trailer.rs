//! The fixed end of an entry's file, by which it is known and taken apart.

use std::ops::Range;

use super::entry::{Damage, ENTRY_VERSION, Fault, SPAN, Span};
use super::seal::HASH;

/// The last bytes of every entry, of every version. The first is not ASCII and the last two are a line's end, so that
/// whatever takes the file for text and converts it is caught.
pub(super) const MAGIC: [u8; 8] = *b"\x89funes\r\n";

/// The length of the trailer, in bytes.
pub(super) const TRAILER: usize = LENGTHS + 2 * HASH + 2 * 4 + MAGIC.len();

/// The part of the trailer that the MAC covers.
pub(super) const LENGTHS: usize = 3 * 8;

/// What the trailer says.
pub(super) struct Trailer {
    body: u64,
    second: u64,
    buffers: u64,
    pub(super) mac: [u8; HASH],
    pub(super) checksum: [u8; HASH],
}

/// Where the parts of a file lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) body: u64,
    pub(super) second: Range<u64>,
    /// The table ends where the trailer starts.
    pub(super) table: Range<u64>,
}

impl Trailer {
    /// From the end of a file, or all of it.
    pub(super) fn of(file: &[u8]) -> Result<Self, Fault> {
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
        let (rest, checksum) = rest.split_last_chunk().ok_or(Damage::Short)?;
        let (rest, mac) = rest.split_last_chunk().ok_or(Damage::Short)?;
        let (_, lengths) = rest.split_last_chunk::<LENGTHS>().ok_or(Damage::Short)?;
        let length = |index| number(lengths, index).ok_or(Damage::Short);
        Ok(Self { body: length(0)?, second: length(8)?, buffers: length(16)?, mac: *mac, checksum: *checksum })
    }

    /// Where everything lies, if the lengths fill a file of `size` bytes exactly.
    pub(super) fn parts(&self, size: u64) -> Result<Parts, Damage> {
        let end = size.checked_sub(TRAILER as u64).ok_or(Damage::Short)?;
        let parts = || {
            let table = self.buffers.checked_mul(SPAN as u64)?;
            let second = self.body.checked_add(self.second)?;
            let total = second.checked_add(table)?;
            (total == end).then_some(Parts { body: self.body, second: self.body..second, table: second..total })
        };
        parts().ok_or(Damage::Length)
    }
}

impl Parts {
    /// The buffers, from the bytes of the table.
    pub(super) fn buffers(&self, table: &[u8]) -> Result<Vec<Span>, Damage> {
        let span = |bytes: &[u8]| {
            let span = Span { offset: number(bytes, 0)?, length: number(bytes, 8)? };
            span.is_within(self.body).then_some(span)
        };
        table.chunks_exact(SPAN).map(span).collect::<Option<_>>().ok_or(Damage::Buffers)
    }
}

fn number(bytes: &[u8], index: usize) -> Option<u64> {
    let bytes = bytes.get(index..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}
