//! Writes an entry in blocks to a file, which is then published.

use std::io;
use std::path::Path;

use super::checksum::{Checksum, SigningKey};
use super::entry::{self, length, lengths};
use super::files::Files;
use super::layout::Key;
use super::publish::publish;
use crate::error::Result;

/// The block size in bytes. Each block is copied, and the copy is hashed and written: another
/// thread may change the memory of an array meanwhile. The copy fits into the processor's cache.
/// The size is that of a huge page: if the file system caches the file in huge pages, a reader maps
/// each of them in one step.
const BLOCK: usize = 2 << 20;

/// Writes an entry, which consists of a body and a footer, to the file `path`. Returns false if the
/// file exists.
pub(super) fn write<F: Files>(
    files: &F,
    root: &Path,
    (key, path): (&Key, &Path),
    signing_key: Option<&SigningKey>,
    (body, footer): (&[&[u8]], &[u8]),
    durable: bool,
) -> Result<bool> {
    let before = length(body);
    publish(files, root, path, durable, |file| {
        let mut writer = Writer { files, file, checksum: Checksum::new(key, signing_key), block: Vec::new() };
        writer.block.reserve_exact((before + footer.len() + 128).min(BLOCK));
        for piece in body {
            writer.put(piece)?;
        }
        writer.put(footer)?;
        writer.put(&lengths(before, footer.len()))?;
        writer.finish()
    })
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

    fn finish(mut self) -> io::Result<()> {
        self.checksum.update(&self.block);
        // A small entry needs only one system call.
        self.block.extend(entry::end(self.checksum));
        self.files.write(self.file, &self.block)
    }
}
