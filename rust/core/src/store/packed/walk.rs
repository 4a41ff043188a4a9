//! Walks over the records of a file.
//!
//! A walk reads the heads of the records, and no payload. After a head that is damaged it looks on
//! for the next valid record: a hole that a power cut left must not cost the records behind it.

use std::io;
use std::ops::Range;

use super::disk::{Disk, read_full};
use super::format::{ALIGN, HEAD, HEADER, Head};

/// The number of bytes that are read at a time.
const BLOCK: usize = 256 << 10;

/// The outcome of a walk.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Walked {
    /// The end of the last record. What follows it is torn, damaged, or still being written.
    pub(super) end: u64,
    /// Ranges without a valid record, which valid records follow.
    pub(super) holes: Vec<Range<u64>>,
}

/// The part of a file that was read last.
struct Window<'a, D: Disk> {
    disk: &'a D,
    file: &'a D::File,
    start: u64,
    bytes: Vec<u8>,
}

impl<D: Disk> Window<'_, D> {
    /// Returns the head of the record at an offset; none if there is no record.
    fn head(&mut self, offset: u64, to: u64) -> io::Result<Option<Head>> {
        let is_inside = offset >= self.start && offset + HEAD as u64 <= self.start + self.bytes.len() as u64;
        if !is_inside {
            self.bytes.resize(BLOCK.min((to - offset) as usize), 0);
            self.start = offset;
            let length = read_full(self.disk, self.file, &mut self.bytes, offset)?;
            self.bytes.truncate(length);
        }
        let head = self.bytes.get((offset - self.start) as usize..).and_then(Head::of);
        Ok(head.filter(|head| offset + head.whole() <= to))
    }
}

/// Passes head and offset of each record from `from` to `to` to `visit`. `is_valid` compares the
/// sum of the record at an offset.
pub(super) fn walk<D: Disk>(
    disk: &D,
    file: &D::File,
    from: u64,
    to: u64,
    mut is_valid: impl FnMut(u64) -> io::Result<bool>,
    mut visit: impl FnMut(&Head, u64) -> io::Result<()>,
) -> io::Result<Walked> {
    let mut window = Window { disk, file, start: 0, bytes: Vec::new() };
    let mut walked = Walked { end: from.max(HEADER), holes: Vec::new() };
    let mut offset = walked.end;
    while offset + HEAD as u64 <= to {
        let is_in_hole = offset > walked.end;
        match window.head(offset, to)? {
            // Payloads hold anything, also bytes that look like a head.
            Some(head) if !is_in_hole || is_valid(offset)? => {
                if is_in_hole {
                    walked.holes.push(walked.end..offset);
                }
                visit(&head, offset)?;
                offset += head.whole();
                walked.end = offset;
            }
            _ => offset += ALIGN,
        }
    }
    Ok(walked)
}
