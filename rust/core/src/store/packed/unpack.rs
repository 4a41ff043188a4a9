//! Restores single files from segments and packs, byte for byte.

use super::disk::Disk;
use super::gather::{Gathered, folder_of_entries, gather, with_lock};
use super::loose;
use super::record::Stored;
use super::results::Results;
use crate::digest::hex;
use crate::error::{Context, Error, Result};
use crate::store::folders;
use crate::store::layout::Key;
use crate::store::publish::{Present, publish};

/// What [`unpack`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpacking {
    /// The number of results that were restored, or for which there was a file.
    pub results: usize,
    /// The number of segments and packs that were deleted.
    pub files: usize,
    /// The number of files that were left: processes append to them, or they have another version.
    pub busy: usize,
}

/// Unpacks all results of a definition.
///
/// All segments and packs are merged into one pack first, which is then deleted in one step: a
/// tombstone must not go before a record that it names.
pub(super) fn unpack<D: Disk>(results: &Results<D>) -> Result<Unpacking> {
    with_lock(results, true, |is_alone| unpack_all(results, is_alone))
}

fn unpack_all<D: Disk>(results: &Results<D>, is_alone: bool) -> Result<Unpacking> {
    let mut files = 0;
    loop {
        let packing = super::pack::pack(results, false)?;
        files += packing.files;
        let mut gathered = gather(results).context("read", &results.folder)?;
        // Another process may have closed a segment meanwhile.
        let is_one = gathered.files.len() <= 1 || packing.files == 0;
        let unpacked = if is_one { unpack_gathered(results, &mut gathered, is_alone).map(Some) } else { Ok(None) };
        gathered.release(&results.disk);
        if let Some(unpacked) = unpacked? {
            return Ok(Unpacking { files: unpacked.files.max(files), ..unpacked });
        }
    }
}

fn unpack_gathered<D: Disk>(results: &Results<D>, gathered: &mut Gathered<D>, is_alone: bool) -> Result<Unpacking> {
    if gathered.files.is_empty() {
        return Ok(Unpacking { busy: gathered.busy, ..Unpacking::default() });
    }
    let (disk, root) = (&results.disk, &results.root);
    let folder = folder_of_entries(&results.folder);
    let mut paths = Vec::new();
    let definition = results.definition();
    let (mut failed, signing_key) = (None, results.signing_key());
    let visited = gathered.reader.visit(disk, |digest, flags, _, payload| {
        let arguments = hex(digest);
        let key = Key::new(definition.function(), definition.hash(), &arguments).map_err(std::io::Error::other)?;
        let stored = Stored::of(payload, flags).ok_or(std::io::ErrorKind::InvalidData)?;
        let (path, file) = (key.path(root), stored.to_file(&key));
        let write = |present| publish(disk, root, &path, (false, present), |draft| disk.write(draft, &file));
        let written = match write(Present::Stays) {
            // The pack goes, so that the result must not depend on a damaged file, nor on one that another
            // process is about to delete because it has packed it.
            Ok(false) if !is_alone || loose::is_damaged(disk, &key, &path, signing_key) => write(Present::IsReplaced),
            written => written,
        };
        match written {
            Ok(true) => disk.set_time(&path, stored.time),
            Ok(false) => {}
            Err(error) => {
                failed = Some(error);
                return Err(std::io::ErrorKind::Other.into());
            }
        }
        paths.push(path);
        Ok(())
    });
    if let Some(error) = failed {
        return Err::<_, Error>(error);
    }
    visited.context("read", &results.folder)?;
    if !disk.sync_all(&folder).unwrap_or(false) {
        for path in &paths {
            disk.sync_named(path).context("sync", path)?;
        }
    }
    folders::sync_names(disk, root, &folder)?;
    // A file that is left out may have a record that a tombstone names.
    let is_only = gathered.busy == 0 && gathered.files.len() == 1;
    let goes = is_only || !gathered.have_tombstones(results).context("read", &results.folder)?;
    if goes {
        gathered.retire(results, "")?;
    }
    let files = if goes { gathered.files.len() } else { 0 };
    Ok(Unpacking { results: paths.len(), files, busy: gathered.busy })
}
