//! Writing an entry: its bytes, piece by piece, into a file that is then published.

use std::io;
use std::path::Path;

use super::checksum::{Checksum, Secret};
use super::entry::{self, length, lengths};
use super::files::Files;
use super::layout::Key;
use super::publish::publish;
use crate::error::Result;

/// How much is written at a time. What is written is what was hashed: the memory of a large array may be changed by
/// another thread meanwhile, so that both take it from a copy, of a size that the processor keeps to itself. It is that of
/// a huge page: where the file system keeps what was written in such pages, a reader maps each of them in one step.
const BLOCK: usize = 2 << 20;

/// Writes an entry of a body and a footer, whose file is `path`; false if there is one already.
pub(super) fn write<F: Files>(
    files: &F,
    root: &Path,
    (key, path): (&Key, &Path),
    secret: Option<&Secret>,
    (body, footer): (&[&[u8]], &[u8]),
    durable: bool,
) -> Result<bool> {
    let before = length(body);
    publish(files, root, path, durable, |file| {
        let mut writer = Writer { files, file, seal: Checksum::new(key, secret), block: Vec::new() };
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
    seal: Checksum,
    /// What was put and is neither hashed nor written.
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
                self.seal.update(&self.block);
                self.files.write(self.file, &self.block)?;
                self.block.clear();
            }
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.seal.update(&self.block);
        // One call to the system for what is small.
        self.block.extend(entry::end(self.seal));
        self.files.write(self.file, &self.block)
    }
}
