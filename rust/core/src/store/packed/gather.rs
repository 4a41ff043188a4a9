//! The segments and packs that a process may replace.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::format::{Digest, RESULT, Sum, TOMBSTONE, is_pack};
use super::reader::{Reader, name_of};
use super::results::Results;
use super::{FOLDER, is_gone};
use crate::error::{Context, Result};
use crate::store::layout::DAMAGED;
use crate::store::{folders, remove};

/// The maximum number of files that are replaced at a time: each of them stays open.
const MAX_SOURCES: usize = 256;

/// The age from which a file on a network file system has no writer, in nanoseconds: there, a lock
/// may be one that other hosts do not see.
const IDLE: i64 = 48 * 3600 * 1_000_000_000;

/// A file that may be replaced.
pub(super) struct Replaceable<D: Disk> {
    pub(super) slot: usize,
    pub(super) name: String,
    /// The open file, which is locked if it is a segment.
    file: Arc<D::File>,
}

/// The files of a definition that may be replaced.
pub(super) struct Gathered<D: Disk> {
    pub(super) reader: Reader<D>,
    pub(super) files: Vec<Replaceable<D>>,
    /// The number of files that processes append to, or that have another version.
    pub(super) busy: usize,
    /// True if there are more files than are replaced at a time.
    pub(super) has_more: bool,
}

/// Finds the files that may be replaced, sorted by their names, and locks the segments among them:
/// a segment that still grows must not be deleted.
pub(super) fn gather<D: Disk>(results: &Results<D>) -> io::Result<Gathered<D>> {
    let disk = &results.disk;
    let mut reader = Reader::new(results.folder.clone(), results.sums.clone());
    reader.follow(disk)?;
    let mut gathered = Gathered { files: Vec::new(), busy: 0, has_more: false, reader };
    let named = |(slot, source): (usize, &Option<_>)| {
        let source: &super::source::Source<D> = source.as_ref()?;
        Some((name_of(&source.path), slot))
    };
    let mut slots: Vec<_> = gathered.reader.sources.iter().enumerate().filter_map(named).collect();
    slots.sort_unstable();
    for (name, slot) in slots {
        if gathered.files.len() == MAX_SOURCES {
            gathered.has_more = true;
            break;
        }
        let Some(source) = &mut gathered.reader.sources[slot] else { continue };
        let file = match source.file(disk) {
            Err(error) if is_gone(&error) => continue,
            file => file?,
        };
        if source.other_version.is_none() && (is_pack(&name) == Some(true) || is_idle(disk, &file, source)?) {
            gathered.files.push(Replaceable { slot, name, file });
        } else {
            gathered.busy += 1;
        }
    }
    // A segment may have grown before it was locked.
    gathered.reader.list_again();
    gathered.reader.follow(disk)?;
    let reader = &gathered.reader;
    let is_there = |file: &Replaceable<D>| {
        reader
            .sources
            .get(file.slot)
            .is_some_and(|source| source.as_ref().is_some_and(|source| name_of(&source.path) == file.name))
    };
    let mut left = 0;
    gathered.files.retain(|file| {
        let stays = is_there(file);
        if !stays {
            disk.unlock(&file.file);
            left += 1;
        }
        stays
    });
    gathered.busy += left;
    Ok(gathered)
}

/// Locks a segment that no process appends to. Returns false if it may have a writer.
fn is_idle<D: Disk>(disk: &D, file: &D::File, source: &super::source::Source<D>) -> io::Result<bool> {
    if disk.is_local(file) {
        return Ok(disk.lock(file));
    }
    // No process continues a segment there, so that a closed one does not grow.
    let [modified, _] = disk.stamp(file)?.times();
    Ok(source.is_sealed || disk.now().saturating_sub(modified) > IDLE)
}

impl<D: Disk> Gathered<D> {
    /// Deletes the files, whose results are all durable elsewhere, except one name. A file with
    /// damage is moved to the quarantine.
    pub(super) fn retire(&self, results: &Results<D>, except: &str) -> Result<()> {
        let disk = &results.disk;
        let (root, definition) = (&results.root, results.definition().folder(&results.root));
        for file in self.files.iter().filter(|file| file.name != except) {
            let path = results.folder.join(&file.name);
            let source = self.reader.sources.get(file.slot).and_then(Option::as_ref);
            if source.is_some_and(|source| source.is_damaged) {
                remove::set_aside(disk, root, &path, definition.join(DAMAGED).join(&file.name))?;
            } else {
                remove::remove(disk, &path)?;
            }
        }
        disk.sync_folder(&results.folder).context("sync", &results.folder)
    }

    /// Returns the deleted results in files that are left out. Their tombstones are still needed.
    pub(super) fn deleted_elsewhere(&mut self, results: &Results<D>) -> io::Result<BTreeSet<(Digest, Sum)>> {
        let (disk, reader) = (&results.disk, &mut self.reader);
        let mut deleted = BTreeSet::new();
        let killed = reader.killed().clone();
        for slot in 0..reader.sources.len() {
            let is_left_out = self.files.iter().all(|file| file.slot != slot);
            let Some(source) = reader.sources[slot].as_mut().filter(|_| is_left_out) else { continue };
            if source.other_version.is_some() {
                // It may have any of them.
                deleted.extend(killed.iter().flat_map(|(digest, sums)| sums.iter().map(|sum| (*digest, *sum))));
                continue;
            }
            let mut places = Vec::new();
            source.walk(disk, &results.sums, 0, |head, offset| {
                if head.kind == RESULT && killed.contains_key(&head.digest) {
                    places.push(offset);
                }
                Ok(())
            })?;
            for offset in places {
                if let Some((head, sum)) = source.record(disk, &results.sums, offset)?
                    && killed.get(&head.digest).is_some_and(|sums| sums.contains(&sum))
                {
                    deleted.insert((head.digest, sum));
                }
            }
        }
        Ok(deleted)
    }

    /// Returns whether one of the files has a tombstone.
    pub(super) fn have_tombstones(&mut self, results: &Results<D>) -> io::Result<bool> {
        let mut found = false;
        for file in &self.files {
            let Some(source) = &mut self.reader.sources[file.slot] else { continue };
            source.walk(&results.disk, &results.sums, 0, |head, _| {
                found |= head.kind == TOMBSTONE;
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Unlocks the files.
    pub(super) fn release(&self, disk: &D) {
        for file in &self.files {
            disk.unlock(&file.file);
        }
    }
}

/// Runs `work` while this process has locked the folder of the entries. `work` is told whether it has.
///
/// Packing deletes single files because of a pack, and unpacking deletes the pack because of the single
/// files. So they exclude each other. Processes that pack do not: their packs get later names.
pub(super) fn with_lock<D: Disk, R>(results: &Results<D>, alone: bool, work: impl FnOnce(bool) -> R) -> R {
    let lock = results.disk.lock_folder(&folder_of_entries(&results.folder), alone);
    let done = work(lock.is_some());
    if let Some(folder) = lock {
        results.disk.unlock(&folder);
    }
    done
}

/// Syncs the names on the path to the packed results.
pub(super) fn sync_names<D: Disk>(results: &Results<D>) -> Result<()> {
    folders::sync_names(&results.disk, &results.root, &results.folder)
}

/// Returns the folder of the entries beside the packed results.
pub(super) fn folder_of_entries(packed: &Path) -> PathBuf {
    debug_assert!(packed.ends_with(FOLDER));
    packed.parent().unwrap_or(packed).to_owned()
}
