//! Packed results: very many small results in few files.
//!
//! Each process appends to a segment of its own, with one write per result. Closed segments have a
//! sorted index. [`Packed::pack`] merges segments, packs and single files into one compressed pack,
//! and [`Packed::unpack`] restores the single files byte for byte. `docs/format.md` describes every
//! byte.
//!
//! ```
//! use funes_core::store::{Content, Key, Store};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! let store = Store::new(folder.path())?;
//! let (definition, arguments) = ("0".repeat(40), "1".repeat(40));
//! let key = Key::new("double", &definition, &arguments)?;
//! let mut packed = store.packed(&key.definition());
//! assert!(packed.read(&key)?.is_none());
//!
//! packed.write(&key, &Content::new(&[b"\x80\x05K*."]), false)?.expect("it is small");
//! assert_eq!(packed.read(&key)?.expect("it was written").body(), b"\x80\x05K*.");
//!
//! packed.close();
//! assert_eq!(packed.pack(true)?.results, 1);
//! assert_eq!(packed.unpack()?.results, 1);
//! assert!(store.path(&key).exists());
//! # Ok::<(), funes_core::error::Error>(())
//! ```

use std::io;
use std::path::Path;
use std::time::Duration;

use super::entry::{Content, ContentId, Entry};
use super::files::Real;
use super::footer::Footer;
use super::layout::{Definition, Key};
use super::{Access, Listed, SigningKey, Store};
use crate::error::{Context, Error, Result};

mod codec;
mod disk;
mod format;
mod gather;
mod index;
mod loose;
mod pack;
mod reader;
mod record;
mod results;
mod share;
mod source;
mod unpack;
mod verify;
mod walk;
mod writer;

#[cfg(test)]
mod crashing;
#[cfg(test)]
mod tests;

pub use pack::Packing;
pub use share::{IncomingPacked, ReceivedPacked};
pub use unpack::Unpacking;
pub use verify::Verified;

use results::Results;

/// The name of the folder of segments and packs, beside the single files. A listing of it takes no
/// longer if there are a million single files.
pub const FOLDER: &str = "packed";

/// The maximum length of body and footer of a packed entry, in bytes. A larger one is worth a file.
pub const LARGEST: usize = 64 << 10;

/// The number of entries of each file that a listing of some entries has at least.
const FEWEST: usize = 20;

/// How often a process looks for what other processes have added, unless it must know.
pub(super) const FOLLOWED: Duration = Duration::from_millis(5);

/// The packed results of one definition, as one process sees them.
///
/// The folder need not exist. A process must have only one writing object per definition: objects do
/// not see each other's segments better than processes do.
pub struct Packed {
    results: Results<Real>,
}

impl Packed {
    pub(super) fn new(store: &Store, definition: &Definition, signing_key: Option<SigningKey>) -> Self {
        Self { results: Results::new(store.files(), store.root().to_owned(), definition, signing_key) }
    }

    /// Reads and verifies an entry; none if there is none, as far as this process has followed. An
    /// entry that is not signed with the signing key is [`Error::Foreign`].
    pub fn read(&mut self, key: &Key) -> Result<Option<Entry>> {
        let signing_key = self.results.signing_key().cloned();
        self.results.look_up(key, signing_key.as_ref())
    }

    /// Reads an entry like [`Packed::read`], with another signing key.
    pub(super) fn read_with(&mut self, key: &Key, signing_key: Option<&SigningKey>) -> Result<Option<Entry>> {
        self.results.look_up(key, signing_key)
    }

    /// Takes in what other processes have added: always if `now`, otherwise every 5 ms.
    pub fn follow(&mut self, now: bool) -> Result<()> {
        self.results.follow(now)
    }

    /// Returns how often this process has looked for what other processes have added.
    pub(super) fn follows(&self) -> u64 {
        self.results.reader.follows
    }

    /// Returns the number of the entry of a key, and the time at which it was stored in nanoseconds
    /// since 1970.
    pub fn content_id(&mut self, key: &Key) -> Result<Option<(ContentId, i64)>> {
        self.results.content_id(key)
    }

    /// Stores an entry, with one write. Returns its number; none if the entry is so large that it
    /// belongs into a file of its own.
    ///
    /// After this has returned, the entry survives the death of the process, and, if `durable` is
    /// true, a power failure.
    pub fn write(&mut self, key: &Key, content: &Content, durable: bool) -> Result<Option<ContentId>> {
        if let Some(invalid_reason) = content.invalid_reason() {
            return Err(Error::Invalid(invalid_reason.to_owned()));
        }
        let signing_key = self.results.signing_key().cloned();
        self.write_with(key, (content.body, &content.footer()), durable, signing_key.as_ref())
    }

    /// Stores body and footer of an entry like [`Packed::write`], with another signing key.
    pub(super) fn write_with(
        &mut self,
        key: &Key,
        parts: (&[&[u8]], &[u8]),
        durable: bool,
        signing_key: Option<&SigningKey>,
    ) -> Result<Option<ContentId>> {
        let now = disk::Disk::now(&self.results.disk);
        self.results.append(key, parts, (now, signing_key), durable)
    }

    /// Deletes an entry. Returns false if there is none.
    pub fn remove(&mut self, key: &Key) -> Result<bool> {
        self.results.forget(key, None)
    }

    /// Deletes all results of a key, except the one with a number. Returns false if there is no other.
    pub(super) fn remove_all_but(&mut self, key: &Key, kept: Option<ContentId>) -> Result<bool> {
        self.results.forget(key, kept)
    }

    /// Writes the index of the segment of this process, and leaves the segment to other processes.
    /// The next write starts or continues another segment.
    pub fn close(&mut self) {
        self.results.close();
    }

    /// Merges segments and packs, and single files if `with_files`, into one pack.
    pub fn pack(&self, with_files: bool) -> Result<Packing> {
        pack::pack(&self.results, with_files)
    }

    /// Restores single files from segments and packs.
    pub fn unpack(&self) -> Result<Unpacking> {
        unpack::unpack(&self.results)
    }

    /// Returns the names of the segments and packs that never change any more. A closed segment that
    /// no process appends to is marked, so that no process continues it.
    pub fn finished(&self) -> Result<Vec<String>> {
        share::finished(&self.results)
    }

    /// Begins to receive a segment or pack from another place.
    pub fn receive(&self, name: &str) -> Result<IncomingPacked> {
        IncomingPacked::begin(&self.results, name)
    }

    /// Verifies every byte of segments and packs.
    pub fn verify(&self) -> Result<Vec<Verified>> {
        verify::verify(&self.results)
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Packed").field(&self.results.folder).finish()
    }
}

/// Returns the number of bytes that a packed entry takes on disk, without a signature.
pub(super) fn length_on_disk((body, footer): (&[&[u8]], &[u8])) -> u64 {
    let payload = record::BEFORE + super::entry::length(body) + footer.len();
    let head = format::Head { length: payload as u32, kind: format::RESULT, flags: 0, digest: [0; 20] };
    head.whole() + index::PER_ENTRY
}

/// Lists about `most` packed entries, or all, beside the single files in a folder, in no order.
///
/// Nothing is verified, since the sums of records cover the name of the function, which need not be
/// known here.
pub(super) fn list(folder: &Path, most: usize) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    visit(folder, most, |entry, _| listed.push(entry))?;
    Ok(listed)
}

/// Passes about `most` packed entries, or all, beside the single files in a folder, to `visit`, each
/// with a function that parses its footer.
pub(super) fn visit(
    folder: &Path,
    most: usize,
    mut visit: impl FnMut(Listed, &dyn Fn() -> Option<Footer>),
) -> Result<()> {
    let folder = folder.join(FOLDER);
    let disk = Real { access: Access::Private };
    let mut reader = reader::Reader::new(folder.clone(), format::Sums::unknown());
    let visited = reader.follow(&disk).and_then(|_| {
        let per_file = (most / reader.sources.len().max(1)).max(FEWEST);
        reader.visit_last(&disk, per_file, |digest, flags, length, payload| {
            if let Some(stored) = record::Stored::of(payload, flags) {
                let bytes = length + index::PER_ENTRY;
                let footer = || Footer::of(stored.footer.to_vec(), stored.body.len() as u64).ok();
                visit(Listed { arguments: crate::digest::hex(digest), bytes, modified: stored.time }, &footer);
            }
            Ok(())
        })
    });
    visited.context("list", &folder)
}

/// Returns whether a file has lost its name, or its folder, to another process.
fn is_gone(error: &io::Error) -> bool {
    super::open::is_absence(error) || error.kind() == io::ErrorKind::StaleNetworkFileHandle
}
