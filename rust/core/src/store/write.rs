//! Writes an entry in blocks to a file, which is then published.

use std::cell::Cell;
use std::io;
use std::path::Path;

use super::checksum::{Checksum, SigningKey};
use super::entry::{self, ContentId, length, lengths};
use super::files::Files;
use super::layout::Key;
use super::publish::{Present, publish};
use super::trailer::TRAILER;
use crate::error::Result;

/// The block size in bytes. Each block is copied, and the copy is hashed and written: another
/// thread may change the memory of an array meanwhile. The copy fits into the processor's cache.
/// The size is that of a huge page: if the file system caches the file in huge pages, a reader maps
/// each of them in one step.
const BLOCK: usize = 2 << 20;

/// Writes an entry, which consists of a body and a footer, to the file `path`. Returns whether it
/// did so: an entry that is there stays if `present` says so.
pub(super) fn write<F: Files>(
    files: &F,
    root: &Path,
    (key, path): (&Key, &Path),
    signing_key: Option<&SigningKey>,
    (body, footer): (&[&[u8]], &[u8]),
    (durable, present): (bool, Present),
) -> Result<Written> {
    let before = length(body);
    let content_id = Cell::new(0);
    let is_written = publish(files, root, path, (durable, present), |file| {
        let mut writer = Writer { files, file, checksum: Checksum::new(key, signing_key), block: Vec::new() };
        writer.block.reserve_exact((before + footer.len() + 128).min(BLOCK));
        for piece in body {
            writer.put(piece)?;
        }
        writer.put(footer)?;
        writer.put(&lengths(before, footer.len()))?;
        content_id.set(writer.finish()?);
        Ok(())
    })?;
    let bytes = (before + footer.len() + TRAILER) as u64;
    Ok(Written { is_written, content_id: content_id.get(), bytes })
}

/// The outcome of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// False if there was an entry already, which stays.
    pub is_written: bool,
    /// The number of the entry that was to be written.
    pub content_id: ContentId,
    /// The number of bytes that the entry takes on disk.
    pub bytes: u64,
}

struct Writer<'a, F: Files> {
    files: &'a F,
    file: &'a F::File,
    checksum: Checksum,
    /// The bytes that are neither hashed nor written yet.
    block: Vec<u8>,
}

impl<F: Files> Writer<'_, F> {
    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = BLOCK - self.block.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK {
                self.checksum.update(&self.block);
                self.files.write(self.file, &self.block)?;
                self.block.clear();
            }
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<ContentId> {
        self.checksum.update(&self.block);
        // A small entry needs only one system call.
        let (end, content_id) = entry::end(self.checksum);
        self.block.extend(end);
        self.files.write(self.file, &self.block)?;
        Ok(content_id)
    }
}
