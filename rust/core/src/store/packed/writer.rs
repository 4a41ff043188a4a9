//! The segment to which a process appends.

use std::io;
use std::path::{Path, PathBuf};

use super::super::layout::Definition;
use super::disk::{Disk, random_name, read_full};
use super::format::{Digest, HEADER, INDEX, RESULT, SEGMENT, Sum, Sums, TOMBSTONE, header, is_pack, mark, put_record};
use super::index::{self, prefix};
use super::source::Source;

/// The length in bytes from which a segment gets no more records.
const FULL: u64 = 64 << 20;

/// A segment that is longer is not continued by another process.
const CONTINUED: u64 = FULL / 2;

/// The maximum number of segments that a process tries to continue.
const ADOPTIONS: usize = 16;

/// A segment that this process has locked.
pub(super) struct Segment<D: Disk> {
    pub(super) path: PathBuf,
    file: D::File,
    /// The process that has locked the segment. A forked child has no part in it.
    process: u32,
    /// The end of the last record.
    pub(super) end: u64,
    /// The number of records that no index covers.
    fresh: usize,
    /// The offsets of the indexes and the numbers of their entries, the latest last.
    chain: Vec<(u64, usize)>,
    /// True if the segment is on a disk of this machine.
    pub(super) is_local: bool,
    /// True if the names on the path to the segment are synced.
    pub(super) is_named_durably: bool,
    buffer: Vec<u8>,
}

/// Where a definition's segments are.
pub(super) struct Place<'a> {
    pub(super) folder: &'a Path,
    pub(super) definition: Definition<'a>,
    pub(super) sums: &'a Sums,
}

impl<D: Disk> Segment<D> {
    /// Continues a segment that an ended process has left, or creates one. The folder exists.
    pub(super) fn start(disk: &D, place: &Place) -> io::Result<Self> {
        if let Some(segment) = Self::adopt(disk, place) {
            return Ok(segment);
        }
        let path = place.folder.join(random_name() + SEGMENT);
        let file = disk.create(&path)?;
        let is_locked = disk.lock(&file);
        let mut segment = Self::of(disk, path, file);
        if !is_locked && segment.is_local {
            // A process that packs has found the new file.
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let header = header(false, &place.definition);
        if let Err(error) = segment.write(disk, &header, 0) {
            // An empty file is a segment too, but it helps no process.
            let _ = disk.remove(&segment.path);
            return Err(error);
        }
        segment.end = HEADER;
        if !segment.is_local {
            disk.mark_changed(place.folder);
        }
        Ok(segment)
    }

    fn of(disk: &D, path: PathBuf, file: D::File) -> Self {
        Self {
            path,
            is_local: disk.is_local(&file),
            file,
            process: crate::process::id(),
            end: 0,
            fresh: 0,
            chain: Vec::new(),
            is_named_durably: false,
            buffer: Vec::new(),
        }
    }

    /// Continues one of the first segments that no process has locked.
    ///
    /// Only where locks are reliable. Errors are ignored: a new segment is as good.
    fn adopt(disk: &D, place: &Place) -> Option<Self> {
        let mut names = disk.list(place.folder).ok()??;
        names.retain(|name| is_pack(name) == Some(false));
        names.sort_unstable();
        let paths = names.iter().take(ADOPTIONS).map(|name| place.folder.join(name));
        paths.into_iter().find_map(|path| {
            let file = disk.open(&path, true).ok()?;
            if !disk.is_local(&file) || !disk.lock(&file) {
                return None;
            }
            if disk.is_frozen(&file) {
                disk.unlock(&file);
                return None;
            }
            let adopted = Self::continue_in(disk, place, (&path, file));
            match adopted {
                Ok(segment) => Some(segment),
                Err(file) => {
                    disk.unlock(&file);
                    None
                }
            }
        })
    }

    /// Continues a locked segment under a new name. Otherwise two copies of a cache could grow
    /// different ends under one name, and one of them would be lost when the copies are merged.
    fn continue_in(disk: &D, place: &Place, (path, file): (&Path, D::File)) -> Result<Self, D::File> {
        if disk.length(&file).unwrap_or(u64::MAX) >= CONTINUED {
            return Err(file);
        }
        // A file without a header may be one that another process has just created and not locked yet.
        let mut start = [0; HEADER as usize];
        if read_full(disk, &file, &mut start, 0).is_err() || start[..] != header(false, &place.definition) {
            return Err(file);
        }
        let name = place.folder.join(random_name() + SEGMENT);
        if disk.rename_new(path, &name).is_err() && (disk.is_taken(&name) || disk.replace(path, &name).is_err()) {
            return Err(file);
        }
        // Before this process locked the file, another one may have renamed, packed, deleted or
        // replaced it.
        if !disk.is_named(&file, &name) {
            return Err(file);
        }
        let mut segment = Self::of(disk, name, file);
        match segment.find_end(disk, place) {
            Ok(()) => Ok(segment),
            Err(_) => Err(segment.file),
        }
    }

    /// Finds the end of the last record of a segment that another process has left, and cuts off
    /// what follows it.
    fn find_end(&mut self, disk: &D, place: &Place) -> io::Result<()> {
        let mut source = Source::open(disk, self.path.clone(), place.sums)?;
        let mut fresh = 0;
        if source.is_sealed {
            let place = |index: &index::Index, at: u64| (at, index.count);
            let mut at = source.latest_index;
            for index in &source.indexes {
                self.chain.push(place(index, at));
                at = index.previous;
            }
            self.chain.reverse();
        } else {
            source.grow(disk, place.sums, |head, _| fresh += usize::from(matches!(head.kind, RESULT | TOMBSTONE)))?;
        }
        self.fresh = fresh;
        self.end = source.end;
        if disk.length(&self.file)? > self.end {
            disk.truncate(&self.file, self.end)?;
        }
        Ok(())
    }

    /// Returns whether this process may append: it has not been forked from the one that started
    /// the segment, and the segment is not full.
    pub(super) fn is_usable(&self) -> bool {
        self.process == crate::process::id()
    }

    pub(super) fn is_full(&self) -> bool {
        self.end >= FULL
    }

    /// Appends a record with one write. Returns its offset and its sum.
    ///
    /// After an error, the segment is as it was. If it cannot be cut off there, it must be given up.
    pub(super) fn append(
        &mut self,
        disk: &D,
        sums: &Sums,
        what: (u8, u8),
        digest: Digest,
        payload: &[u8],
    ) -> Result<(u64, Sum), Failed> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let sum = put_record(&mut buffer, sums, what, digest, payload);
        let offset = self.end;
        let written = self.write(disk, &buffer, offset);
        let length = buffer.len() as u64;
        self.buffer = buffer;
        match written {
            Ok(()) => {
                self.end += length;
                self.fresh += 1;
                Ok((offset, sum))
            }
            Err(error) => {
                let is_cut = disk.truncate(&self.file, offset).is_ok();
                Err(Failed { error, is_cut })
            }
        }
    }

    /// Writes bytes with one system call, which either writes all of them or fails: after a part,
    /// the disk is full.
    fn write(&self, disk: &D, bytes: &[u8], offset: u64) -> io::Result<()> {
        loop {
            match disk.write_at(&self.file, bytes, offset) {
                Ok(length) if length == bytes.len() => return Ok(()),
                Ok(_) => return Err(io::ErrorKind::StorageFull.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn sync(&self, disk: &D) -> io::Result<()> {
        disk.sync(&self.file)
    }

    /// Appends an index and an end mark, and unlocks the segment. A segment without records is
    /// deleted. After an error, the segment is one that is scanned.
    pub(super) fn close(mut self, disk: &D, place: &Place) {
        if self.end <= HEADER && self.is_usable() {
            let _ = disk.remove(&self.path);
        } else if self.is_usable() && self.fresh > 0 && self.seal(disk, place).is_err() {
            let _ = disk.truncate(&self.file, self.end);
        }
        self.give_up(disk);
    }

    /// Unlocks the segment.
    pub(super) fn give_up(self, disk: &D) {
        // The parent of a forked child goes on with the segment.
        if self.is_usable() {
            disk.unlock(&self.file);
        }
    }

    /// The new index also covers the records of earlier ones that are not larger than twice what it
    /// has, so that a segment that many processes have continued has few indexes, and so that all of
    /// them together take little space.
    fn seal(&mut self, disk: &D, place: &Place) -> io::Result<()> {
        let mut count = self.fresh;
        while let Some((_, entries)) = self.chain.last().filter(|(_, entries)| *entries <= 2 * count) {
            count += entries;
            self.chain.pop();
        }
        let previous = self.chain.last().map_or(0, |(offset, _)| *offset);
        let (mut records, mut tombstones) = (Vec::new(), Vec::new());
        let mut source = Source::open(disk, self.path.clone(), place.sums)?;
        source.walk(disk, place.sums, previous, |head, offset| {
            match head.kind {
                RESULT => records.push((prefix(&head.digest), offset)),
                TOMBSTONE => tombstones.push(offset),
                _ => {}
            }
            Ok(())
        })?;
        let mut bytes = Vec::new();
        let payload = index::payload(&mut records, &tombstones, previous);
        put_record(&mut bytes, place.sums, (INDEX, 0), [0; 20], &payload);
        bytes.extend(mark(place.sums, self.end, 0));
        self.write(disk, &bytes, self.end)
    }
}

/// The reason why a record was not appended.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: io::Error,
    /// True if the segment is as it was.
    pub(super) is_cut: bool,
}
