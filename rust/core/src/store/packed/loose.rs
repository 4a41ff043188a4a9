//! Single files that a pack takes in.

use std::io;
use std::path::{Path, PathBuf};

use super::LARGEST;
use super::disk::{Disk, random_name, read_full};
use super::format::{Digest, digest_of};
use super::gather::folder_of_entries;
use super::record::Stored;
use super::results::Results;
use crate::digest::hex;
use crate::error::{Context, Result};
use crate::file_stamp::FileStamp;
use crate::store::SigningKey;
use crate::store::entry::{self, Fault};
use crate::store::files::DRAFT;
use crate::store::layout::{Definition, EXTENSION, Key, arguments_of};

/// The single files of a definition.
pub(super) struct SingleFiles<'a> {
    folder: PathBuf,
    definition: Definition<'a>,
    signing_key: Option<&'a SigningKey>,
}

/// A single file that was read.
pub(super) struct Loose {
    pub(super) digest: Digest,
    /// The payload of its record, and its flags.
    pub(super) payload: Vec<u8>,
    pub(super) flags: u8,
    /// The stamp of the file.
    pub(super) stamp: FileStamp,
}

impl<'a> SingleFiles<'a> {
    pub(super) fn of<D: Disk>(results: &'a Results<D>) -> Self {
        let folder = folder_of_entries(&results.folder);
        Self { folder, definition: results.definition(), signing_key: results.signing_key() }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(hex(digest) + EXTENSION)
    }

    /// Lists the files.
    pub(super) fn list<D: Disk>(&self, disk: &D) -> Result<Vec<Digest>> {
        let names = disk.list(&self.folder).context("list", &self.folder)?.unwrap_or_default();
        let mut digests: Vec<_> = names.iter().filter_map(|name| digest_of(arguments_of(name, EXTENSION)?)).collect();
        digests.sort_unstable();
        Ok(digests)
    }

    /// Reads some files, except those that stay as they are.
    pub(super) fn read_each<D: Disk>(&self, disk: &D, digests: &[Digest]) -> Vec<Loose> {
        disk.in_parts(digests, |disk, digests| digests.iter().filter_map(|digest| self.read(disk, digest)).collect())
    }

    /// Reads a file into the payload of a record; none if the file stays as it is: it is large, damaged,
    /// signed with another key, or an entry of files that the computation read, which may be renamed.
    fn read<D: Disk>(&self, disk: &D, digest: &Digest) -> Option<Loose> {
        let (file, stamp, length) = disk.open_with_stamp(&self.path(digest)).ok()?;
        let mut bytes = vec![0; usize::try_from(length).ok().filter(|length| *length <= LARGEST)?];
        if read_full(disk, &file, &mut bytes, 0).ok()? < bytes.len() {
            return None;
        }
        let arguments = hex(digest);
        let key = Key::new(self.definition.function(), self.definition.hash(), &arguments).ok()?;
        let entry = entry::open(&key, self.signing_key, false, bytes.clone()).ok()?;
        if entry.footer().reads().is_some() {
            return None;
        }
        let [modified, _] = stamp.times();
        let mut payload = Vec::new();
        let flags = Stored::in_file(&bytes, modified, &key)?.to_payload(&mut payload);
        Some(Loose { digest: *digest, payload, flags, stamp })
    }

    /// Deletes files that were packed. Returns how many; a file that is another one now stays.
    pub(super) fn remove_each<D: Disk>(&self, disk: &D, packed: &[(Digest, FileStamp)]) -> usize {
        let removed: Vec<()> = disk.in_parts(packed, |disk, packed| {
            let is_removed = |(digest, stamp): &&_| remove(disk, &self.path(digest), stamp);
            packed.iter().filter(is_removed).map(|_| ()).collect()
        });
        removed.len()
    }
}

/// Deletes a file that was packed. Returns false if it is another file now, which stays.
///
/// The file is renamed first: a new result may be renamed over it at any moment.
fn remove<D: Disk>(disk: &D, path: &Path, packed: &FileStamp) -> bool {
    if disk.stamp_of(path).ok() != Some(*packed) {
        return false;
    }
    // A name of its own: a rename over the file before, which would delete that one, writes its
    // content to the disk on ext4.
    let aside = path.with_file_name(DRAFT.to_owned() + &random_name());
    if disk.replace(path, &aside).is_err() {
        return false;
    }
    let is_it =
        disk.stamp_of(&aside).is_ok_and(|stamp| packed.is_same_file(&stamp) && packed.times()[0] == stamp.times()[0]);
    if is_it {
        return disk.remove(&aside).is_ok();
    }
    if disk.rename_new(&aside, path).is_err() && !disk.is_taken(path) {
        let _ = disk.replace(&aside, path);
    }
    false
}

/// Returns whether there is something else at the path of an entry than an entry.
pub(super) fn is_damaged<D: Disk>(disk: &D, key: &Key, path: &Path, signing_key: Option<&SigningKey>) -> bool {
    let read = || {
        let file = disk.open(path, false)?;
        let mut bytes = vec![0; disk.length(&file)? as usize];
        let length = read_full(disk, &file, &mut bytes, 0)?;
        bytes.truncate(length);
        io::Result::Ok(entry::open(key, signing_key, false, bytes))
    };
    !matches!(read(), Ok(Ok(_) | Err(Fault::Foreign | Fault::OtherVersion(_))))
}
