//! An open segment or pack.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::codec::Decoder;
use super::disk::{Disk, read_full};
use super::format::{
    COMPRESSED, DICTIONARY, END, HEAD, HEADER, Head, INDEX, MARK, Opening, SUM, Sum, Sums, in_mark, opening,
};
use super::index::Index;
use super::walk::{Walked, walk};
use crate::file_stamp::FileStamp;

/// The number of bytes that are read with the head of a record, until the lengths of a group of records are known: most
/// records are shorter.
const FIRST: usize = 512;

/// The number of records of a group. The longest one tells how many bytes are read with the head of later records: what
/// is read beyond a record is not in the caches of the processor, and a second read takes longer still.
const GROUP: u32 = 64;

/// The maximum number of bytes that are read with the head of a record.
const MOST: usize = 4 << 10;

/// The number of bytes that are read at a time if records are read in the order of the file.
const AHEAD: usize = 256 << 10;

/// A segment or pack, and what a reader knows of it.
pub(super) struct Source<D: Disk> {
    pub(super) path: PathBuf,
    /// None while there are too many open files.
    file: Option<Arc<D::File>>,
    pub(super) stamp: FileStamp,
    /// True if the file is on a disk of this machine.
    pub(super) is_local: bool,
    /// The indexes of a file that was closed properly, the latest first.
    pub(super) indexes: Vec<Index>,
    /// The offset of the first of them.
    pub(super) latest_index: u64,
    /// The end of what is known of the file.
    pub(super) end: u64,
    /// True if the file ends with an end mark.
    pub(super) is_sealed: bool,
    /// The version of the format, if it is one that this version cannot read.
    pub(super) other_version: Option<u32>,
    /// True if a record was found damaged, or if the file has a hole.
    pub(super) is_damaged: bool,
    decoder: Option<Decoder>,
    /// The bytes that were read last, which begin with the record or are those of many records; the
    /// offset of the first, and their number.
    bytes: Vec<u8>,
    start: u64,
    end_of_window: usize,
    /// The number of bytes that are read at a time.
    block: usize,
    /// The number of records in the present group, and the length of the longest one.
    group: (u32, usize),
    /// The place in `bytes` of the payload of the record that was read last as it should be; none if it was compressed.
    place: Option<Range<usize>>,
    /// The payload of such a record.
    payload: Vec<u8>,
}

impl<D: Disk> Source<D> {
    /// Opens a file and its indexes.
    pub(super) fn open(disk: &D, path: PathBuf, sums: &Sums) -> io::Result<Self> {
        let file = disk.open(&path, false)?;
        Self::of(disk, file, path, sums)
    }

    /// Makes a source of an open file.
    pub(super) fn of(disk: &D, file: D::File, path: PathBuf, sums: &Sums) -> io::Result<Self> {
        let stamp = disk.stamp(&file)?;
        let length = disk.length(&file)?;
        let mut source = Self {
            path,
            is_local: disk.is_local(&file),
            file: Some(Arc::new(file)),
            stamp,
            indexes: Vec::new(),
            latest_index: 0,
            end: HEADER,
            is_sealed: false,
            other_version: None,
            is_damaged: false,
            decoder: None,
            bytes: Vec::new(),
            start: 0,
            end_of_window: 0,
            block: FIRST,
            group: (0, 0),
            place: None,
            payload: Vec::new(),
        };
        let mut header = [0; HEADER as usize];
        let file = source.file(disk)?;
        if read_full(disk, &file, &mut header, 0)? == header.len()
            && let Opening::Other(version) = opening(&header)
        {
            // No record of this file is looked at.
            (source.other_version, source.is_sealed, source.end) = (Some(version), true, length);
            return Ok(source);
        }
        let dictionary = source.read_mark(disk, sums, length)?;
        source.open_dictionary(disk, sums, dictionary)?;
        Ok(source)
    }

    /// Returns the open file, which is opened again if it was closed.
    pub(super) fn file(&mut self, disk: &D) -> io::Result<Arc<D::File>> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let file = disk.open(&self.path, false)?;
        if !disk.stamp(&file)?.is_same_file(&self.stamp) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(self.file.insert(Arc::new(file)).clone())
    }

    /// Closes the file until it is needed. Returns whether it was open.
    pub(super) fn close(&mut self) -> bool {
        self.file.take().is_some()
    }

    /// Opens the dictionary: the first record of a pack, or its copy at the end.
    fn open_dictionary(&mut self, disk: &D, sums: &Sums, copy: u64) -> io::Result<()> {
        for offset in [HEADER, copy] {
            if self.decoder.is_none()
                && let Some((head, _)) = self.record(disk, sums, offset)?
                && head.kind == DICTIONARY
            {
                self.decoder = Some(Decoder::new(self.payload())?);
            }
        }
        Ok(())
    }

    /// Opens the indexes of a file that ends with an end mark. Returns the offset of the second copy
    /// of the dictionary.
    fn read_mark(&mut self, disk: &D, sums: &Sums, length: u64) -> io::Result<u64> {
        let Some(start) = length.checked_sub(MARK).filter(|start| *start >= HEADER) else { return Ok(0) };
        let file = self.file(disk)?;
        let mut mark = [0; MARK as usize];
        read_full(disk, &file, &mut mark, start)?;
        let Some((latest, dictionary)) = in_mark(sums, &mark) else { return Ok(0) };
        let (mut at, mut before) = (latest, start);
        while at != 0 {
            // An index comes before the one that names it, so that this ends.
            let record = if at < before { self.record(disk, sums, at)? } else { None };
            let index = record.filter(|(head, _)| head.kind == INDEX).and_then(|_| Index::of(self.payload(), at));
            let Some(index) = index else {
                // The whole file is scanned instead.
                self.indexes.clear();
                return Ok(dictionary);
            };
            before = at;
            at = index.previous;
            self.indexes.push(index);
        }
        // These buffers have the size of the index now.
        (self.bytes, self.place, self.payload, self.end_of_window) = Default::default();
        self.latest_index = latest;
        self.end = length;
        self.is_sealed = true;
        Ok(dictionary)
    }

    /// Reads and verifies the record at an offset. Returns its head, as if the record were not
    /// compressed, and its sum; the payload is then in [`Source::payload`].
    pub(super) fn record(&mut self, disk: &D, sums: &Sums, offset: u64) -> io::Result<Option<(Head, Sum)>> {
        let file = self.file(disk)?;
        let mut at = self.fill(disk, &file, (offset, HEAD + SUM), 0)?;
        let Some(head) = self.filled(at).and_then(Head::of) else { return Ok(None) };
        let whole = HEAD + head.length as usize + SUM;
        self.note_length(whole);
        if self.filled(at).is_none_or(|bytes| bytes.len() < whole) {
            if offset + head.whole() > disk.length(&file)? {
                return Ok(None);
            }
            at = self.fill(disk, &file, (offset, whole), self.end_of_window - at)?;
        }
        let bytes = self.bytes[..self.end_of_window].get_mut(at..).and_then(|bytes| bytes.get_mut(..whole));
        let Some((bytes, sum)) = bytes.and_then(|bytes| bytes.split_last_chunk_mut()) else { return Ok(None) };
        let sum = *sum;
        if head.flags & COMPRESSED == 0 {
            self.place = Some(at + HEAD..at + bytes.len());
            return Ok(sums.is_right_in_place(&head, bytes, sum).then_some((head, sum)));
        }
        self.place = None;
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            // A pack of few results has no dictionary.
            None => self.decoder.insert(Decoder::new(&[])?),
        };
        if !decoder.decode(&bytes[HEAD..], &mut self.payload) {
            return Ok(None);
        }
        let head = Head { flags: head.flags & !COMPRESSED, ..head };
        Ok(sums.is_right(&head, &self.payload, sum).then_some((head, sum)))
    }

    /// Reads the bytes at an offset, as many as are usual or wanted, unless they were read ahead.
    /// Returns their place in the buffer. `known`: the number of these bytes at the end of the buffer.
    fn fill(&mut self, disk: &D, file: &D::File, (offset, wanted): (u64, usize), known: usize) -> io::Result<usize> {
        let window = self.start..self.start + self.end_of_window as u64;
        if self.block == AHEAD && window.contains(&offset) && offset + wanted as u64 <= window.end {
            return Ok((offset - self.start) as usize);
        }
        let length = wanted.max(self.block);
        if self.bytes.len() < length {
            self.bytes.resize(length, 0);
        }
        let end = self.end_of_window;
        self.bytes.copy_within(end - known..end, 0);
        self.start = offset;
        self.end_of_window = known;
        self.end_of_window += read_full(disk, file, &mut self.bytes[known..length], offset + known as u64)?;
        Ok(0)
    }

    /// Lets later reads be as long as the longest record of a group.
    fn note_length(&mut self, whole: usize) {
        let (count, longest) = (self.group.0 + 1, self.group.1.max(whole));
        self.group = (count, longest);
        if count == GROUP {
            self.group = (0, 0);
            if self.block != AHEAD {
                self.block = longest.min(MOST);
            }
        }
    }

    /// Returns the bytes in the buffer from a place on.
    fn filled(&self, at: usize) -> Option<&[u8]> {
        self.bytes.get(at..self.end_of_window)
    }

    /// Lets [`Source::record`] read large blocks, for records that are read in the order of the file.
    /// Of a file that grows, it may then not see the newest records.
    pub(super) fn read_ahead(&mut self) {
        self.block = AHEAD;
    }

    /// Returns the payload of the record that was read last.
    pub(super) fn payload(&self) -> &[u8] {
        self.place.clone().map_or(&self.payload, |place| &self.bytes[place])
    }

    /// Passes the records that were added to `visit`.
    ///
    /// A file that ends with an end mark does not grow under its name: a process that continues it
    /// renames it first.
    pub(super) fn grow(&mut self, disk: &D, sums: &Sums, mut visit: impl FnMut(&Head, u64)) -> io::Result<()> {
        if !self.is_local {
            // An NFS client asks the server for changes of a file whenever it opens it.
            self.close();
        }
        let length = {
            let file = self.file(disk)?;
            disk.length(&file)?
        };
        if length == self.end {
            return Ok(());
        }
        let mut last = 0;
        let (walked, to) = self.walk(disk, sums, self.end, |head, offset| {
            last = head.kind;
            visit(head, offset);
            Ok(())
        })?;
        self.end = walked.end;
        self.is_sealed = last == END && walked.end == to;
        Ok(())
    }

    /// Walks over the records from an offset to the end of the file.
    pub(super) fn walk(
        &mut self,
        disk: &D,
        sums: &Sums,
        from: u64,
        mut visit: impl FnMut(&Head, u64) -> io::Result<()>,
    ) -> io::Result<(Walked, u64)> {
        let file = self.file(disk)?;
        let to = disk.length(&file)?;
        let walked = walk(disk, &file, from, to, |at| Ok(self.record(disk, sums, at)?.is_some()), &mut visit)?;
        self.is_damaged |= !walked.holes.is_empty();
        Ok((walked, to))
    }
}
