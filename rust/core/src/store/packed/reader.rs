//! Finds results in the segments and packs of a definition, and follows their growth.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::super::watched_folder::{FolderState, WatchedFolder};
use super::disk::Disk;
use super::format::{Digest, HEADER, RESULT, SUM, Sum, Sums, TOMBSTONE, is_pack};
use super::index::prefix;
use super::source::Source;

/// The number of times that a folder is listed again if it changes meanwhile.
const ATTEMPTS: usize = 20;

/// The maximum number of files that stay open between calls.
const MAX_OPEN: usize = 64;

/// The number of bits of a place that are the offset in a file; the rest is the number of the file.
const OFFSET_BITS: u32 = 40;

/// A result that was found; its payload is in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) slot: usize,
    pub(super) offset: u64,
    pub(super) flags: u8,
    pub(super) sum: Sum,
    /// The length of the record in the file.
    pub(super) length: u64,
}

/// What a process knows of the segments and packs of a definition.
pub(super) struct Reader<D: Disk> {
    folder: WatchedFolder,
    sums: Sums,
    /// The number of times that the folder was looked at.
    pub(super) follows: u64,
    /// The state of the folder when it was listed last.
    seen: Option<FolderState>,
    /// A file that was deleted leaves an empty slot.
    pub(super) sources: Vec<Option<Source<D>>>,
    /// The files that may grow.
    growing: Vec<usize>,
    /// The file to which this process appends.
    pub(super) own: Option<usize>,
    /// The records that no index covers, by the first eight bytes of the digest.
    table: FxHashMap<u64, u64>,
    /// Further records with these bytes.
    doubles: FxHashMap<u64, Vec<u64>>,
    /// The sums of deleted records.
    killed: HashMap<Digest, Vec<Sum>>,
}

impl<D: Disk> Reader<D> {
    pub(super) fn new(folder: PathBuf, sums: Sums) -> Self {
        Self {
            folder: WatchedFolder::new(folder),
            sums,
            follows: 0,
            seen: None,
            sources: Vec::new(),
            growing: Vec::new(),
            own: None,
            table: FxHashMap::default(),
            doubles: FxHashMap::default(),
            killed: HashMap::default(),
        }
    }

    /// Makes the next [`Reader::follow`] list the folder.
    pub(super) fn list_again(&mut self) {
        self.seen = None;
    }

    /// Ignores a record from now on.
    pub(super) fn kill(&mut self, digest: Digest, sum: Sum) {
        self.killed.entry(digest).or_default().push(sum);
    }

    /// Undoes [`Reader::kill`].
    pub(super) fn revive(&mut self, digest: &Digest, sums: &[Sum]) {
        if let Some(killed) = self.killed.get_mut(digest) {
            killed.retain(|sum| !sums.contains(sum));
        }
    }

    /// Returns the sums of deleted records.
    pub(super) fn killed(&self) -> &HashMap<Digest, Vec<Sum>> {
        &self.killed
    }

    /// Takes in what was added since the last call: new files, and records at the end of known ones.
    /// Returns false if other processes changed the folder so often that files may be missing.
    pub(super) fn follow(&mut self, disk: &D) -> io::Result<bool> {
        self.follows += 1;
        let state = disk.folder_state(&mut self.folder)?;
        let Some(known) = state else {
            // There is no folder, or the user has deleted it.
            if !self.sources.is_empty() {
                let path = std::mem::take(&mut self.folder.path);
                *self = Self { follows: self.follows, ..Self::new(path, self.sums.clone()) };
            }
            return Ok(true);
        };
        let is_listed = state != self.seen || !known.is_settled;
        if is_listed {
            self.list(disk)?;
        }
        for slot in std::mem::take(&mut self.growing) {
            // What this process appends is noted.
            if self.own != Some(slot) {
                self.grow(disk, slot)?;
            }
            if !is_listed || self.may_grow(disk, slot)? {
                self.growing.push(slot);
            }
        }
        Ok(self.seen.is_some())
    }

    /// Returns whether a process appends to a segment. A process that continues a segment locks it
    /// and renames it, in this order, so that a segment without a lock does not grow under its name.
    fn may_grow(&mut self, disk: &D, slot: usize) -> io::Result<bool> {
        let Some(source) = &mut self.sources[slot] else { return Ok(false) };
        let file = match source.file(disk) {
            Err(error) if super::is_gone(&error) => return Ok(true),
            file => file?,
        };
        if !source.is_local {
            return Ok(!source.is_sealed);
        }
        // A segment is locked before its header is written.
        let is_idle = disk.length(&file)? >= HEADER && disk.lock(&file);
        if is_idle {
            disk.unlock(&file);
        }
        Ok(!is_idle)
    }

    /// Lists the folder. A listing during which a pack replaces its sources could see neither, so
    /// it is repeated until the folder does not change meanwhile.
    fn list(&mut self, disk: &D) -> io::Result<()> {
        for _ in 0..ATTEMPTS {
            let before = disk.folder_state(&mut self.folder)?;
            let mut names = disk.list(&self.folder.path)?.unwrap_or_default();
            names.retain(|name| is_pack(name).is_some());
            let all_opened = self.open_new(disk, &names)?;
            let after = disk.folder_state(&mut self.folder)?;
            let stamp = |state: Option<FolderState>| state.map(|state| state.stamp);
            if all_opened && stamp(before) == stamp(after) {
                self.seen = after;
                self.drop_deleted(&names);
                return Ok(());
            }
        }
        // Other processes change the folder all the time: the next call lists it again.
        self.seen = None;
        Ok(())
    }

    /// Opens the files that are not known. Returns false if one of them is gone.
    fn open_new(&mut self, disk: &D, names: &[String]) -> io::Result<bool> {
        let mut all_opened = true;
        for name in names {
            let path = self.folder.path.join(name);
            if self.slots().any(|(_, source)| source.path == path) {
                continue;
            }
            let file = match disk.open(&path, false) {
                Ok(file) => file,
                Err(error) if super::is_gone(&error) => {
                    all_opened = false;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let stamp = disk.stamp(&file)?;
            let renamed = self.slots().find(|(_, source)| source.stamp.is_same_file(&stamp)).map(|(slot, _)| slot);
            // On a system without file identities, files are not renamed.
            let slot = match renamed.filter(|_| cfg!(unix)) {
                Some(slot) => {
                    if let Some(source) = &mut self.sources[slot] {
                        source.path = path;
                    }
                    slot
                }
                None => self.add(disk, Source::of(disk, file, path, &self.sums)?)?,
            };
            if is_pack(name) == Some(false) && !self.growing.contains(&slot) {
                self.growing.push(slot);
            }
            self.limit_open_files(slot);
        }
        Ok(all_opened)
    }

    fn add(&mut self, disk: &D, source: Source<D>) -> io::Result<usize> {
        let slot = self.sources.len();
        let tombstones: Vec<u64> = source.indexes.iter().flat_map(|index| index.tombstones.clone()).collect();
        let is_unsealed_pack = !source.is_sealed && is_pack(&name_of(&source.path)) == Some(true);
        self.sources.push(Some(source));
        for offset in tombstones {
            self.read_tombstone(disk, slot, offset)?;
        }
        if is_unsealed_pack {
            // The end of the pack is damaged.
            self.grow(disk, slot)?;
        }
        Ok(slot)
    }

    /// Forgets the files that have no name any more. Their records are in another file.
    fn drop_deleted(&mut self, names: &[String]) {
        for (slot, source) in self.sources.iter_mut().enumerate() {
            if source.as_ref().is_some_and(|source| !names.contains(&name_of(&source.path))) {
                *source = None;
                self.growing.retain(|&other| other != slot);
                self.own = self.own.filter(|own| *own != slot);
            }
        }
    }

    /// Takes in the records that were added to a file.
    fn grow(&mut self, disk: &D, slot: usize) -> io::Result<()> {
        let Some(source) = &mut self.sources[slot] else { return Ok(()) };
        let mut added = Vec::new();
        let grown = source.grow(disk, &self.sums, |head, offset| added.push((head.kind, head.digest, offset)));
        match grown {
            Ok(()) => {}
            Err(error) if super::is_gone(&error) => self.seen = None,
            Err(error) => return Err(error),
        }
        for (kind, digest, offset) in added {
            match kind {
                RESULT => self.insert(slot, &digest, offset),
                TOMBSTONE => self.read_tombstone(disk, slot, offset)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds a record that no index covers.
    fn insert(&mut self, slot: usize, digest: &Digest, offset: u64) {
        let place = (slot as u64) << OFFSET_BITS | offset;
        let digest = prefix(digest);
        if let Some(other) = self.table.insert(digest, place)
            && other != place
        {
            self.doubles.entry(digest).or_default().push(other);
        }
    }

    /// Adds what this process has appended to its file: the record of a result, or another one if
    /// `digest` is none.
    pub(super) fn note(&mut self, digest: Option<&Digest>, (offset, end): (u64, u64)) {
        if let Some(slot) = self.own
            && let Some(source) = &mut self.sources[slot]
            && source.end == offset
        {
            source.end = end;
            if let Some(digest) = digest {
                self.insert(slot, digest, offset);
            }
        }
    }

    /// Returns the slot of a file.
    pub(super) fn slot_of(&self, path: &Path) -> Option<usize> {
        self.slots().find(|(_, source)| source.path == path).map(|(slot, _)| slot)
    }

    fn slots(&self) -> impl Iterator<Item = (usize, &Source<D>)> {
        self.sources.iter().enumerate().filter_map(|(slot, source)| Some((slot, source.as_ref()?)))
    }

    fn read_tombstone(&mut self, disk: &D, slot: usize, offset: u64) -> io::Result<()> {
        let Some(source) = &mut self.sources[slot] else { return Ok(()) };
        let Some((head, _)) = source.record(disk, &self.sums, offset)? else {
            source.is_damaged = true;
            return Ok(());
        };
        let killed = self.killed.entry(head.digest).or_default();
        for sum in source.payload().chunks_exact(SUM).filter_map(|sum| sum.first_chunk().copied()) {
            if !killed.contains(&sum) {
                killed.push(sum);
            }
        }
        Ok(())
    }

    /// Returns whether a record was deleted.
    pub(super) fn is_killed(&self, digest: &Digest, sum: &Sum) -> bool {
        !self.killed.is_empty() && self.killed.get(digest).is_some_and(|killed| killed.contains(sum))
    }

    /// Returns a result; none if there is none. Its payload is then that of the source.
    pub(super) fn look_up(&mut self, disk: &D, digest: &Digest) -> io::Result<Option<Found>> {
        let start = prefix(digest);
        if let Some(&place) = self.table.get(&start) {
            let doubles = self.doubles.get(&start).cloned().unwrap_or_default();
            for place in std::iter::once(place).chain(doubles) {
                let (slot, offset) = ((place >> OFFSET_BITS) as usize, place & ((1 << OFFSET_BITS) - 1));
                if let Some(found) = self.verified(disk, slot, offset, digest)? {
                    return Ok(Some(found));
                }
            }
        }
        for slot in 0..self.sources.len() {
            if let Some(found) = self.look_up_sealed(disk, slot, digest)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn look_up_sealed(&mut self, disk: &D, slot: usize, digest: &Digest) -> io::Result<Option<Found>> {
        let Some(source) = &self.sources[slot] else { return Ok(None) };
        let start = prefix(digest);
        for number in 0..source.indexes.len() {
            let Some(source) = &mut self.sources[slot] else { break };
            for place in source.indexes[number].places(start) {
                let Some(source) = &mut self.sources[slot] else { break };
                let file = source.file(disk)?;
                let offset = source.indexes[number].offset(disk, &file, place)?;
                self.limit_open_files(slot);
                if let Some(found) = self.verified(disk, slot, offset.unwrap_or_default(), digest)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Returns the result at an offset, if it is one of the digest, sound, and not deleted.
    fn verified(&mut self, disk: &D, slot: usize, offset: u64, digest: &Digest) -> io::Result<Option<Found>> {
        let Some(Some(source)) = self.sources.get_mut(slot) else { return Ok(None) };
        let Some((head, sum)) = source.record(disk, &self.sums, offset)? else {
            source.is_damaged = true;
            return Ok(None);
        };
        let is_it = head.kind == RESULT && head.digest == *digest && !self.is_killed(digest, &sum);
        Ok(is_it.then_some(Found { slot, offset, flags: head.flags, sum, length: head.whole() }))
    }

    /// Returns whether a file has a record that was deleted.
    pub(super) fn has_deleted(&mut self, disk: &D, slot: usize) -> io::Result<bool> {
        for digest in self.killed.keys().copied().collect::<Vec<_>>() {
            let indexes = self.sources[slot].as_ref().map_or(0, |source| source.indexes.len());
            for number in 0..indexes {
                let Some(source) = &mut self.sources[slot] else { break };
                for place in source.indexes[number].places(prefix(&digest)) {
                    let file = source.file(disk)?;
                    let offset = source.indexes[number].offset(disk, &file, place)?.unwrap_or_default();
                    if let Some((head, sum)) = source.record(disk, &self.sums, offset)?
                        && head.digest == digest
                        && self.killed.get(&digest).is_some_and(|killed| killed.contains(&sum))
                    {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Passes every result that is not deleted to `visit`, once per digest, with the flags and the length of its
    /// record, and with its payload.
    pub(super) fn visit(
        &mut self,
        disk: &D,
        visit: impl FnMut(&Digest, u8, u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        self.visit_last(disk, usize::MAX, visit)
    }

    /// Passes results like [`Reader::visit`], but only those among the last `most` records of each file.
    pub(super) fn visit_last(
        &mut self,
        disk: &D,
        most: usize,
        mut visit: impl FnMut(&Digest, u8, u64, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut seen = std::collections::HashSet::new();
        for slot in 0..self.sources.len() {
            let mut places = Vec::new();
            let Some(source) = &mut self.sources[slot] else { continue };
            source.walk(disk, &self.sums, 0, |head, offset| {
                if head.kind == RESULT {
                    places.push((head.digest, offset));
                }
                Ok(())
            })?;
            let first = places.len().saturating_sub(most);
            for (digest, offset) in places.drain(first..) {
                if seen.contains(&digest) {
                    continue;
                }
                if let Some(found) = self.verified(disk, slot, offset, &digest)? {
                    seen.insert(digest);
                    let Some(source) = &self.sources[slot] else { break };
                    visit(&digest, found.flags, found.length, source.payload())?;
                }
            }
            self.limit_open_files(usize::MAX);
        }
        Ok(())
    }

    /// Closes files beyond the limit, except one.
    fn limit_open_files(&mut self, except: usize) {
        if self.sources.len() <= MAX_OPEN {
            return;
        }
        let mut open = 0;
        for (slot, source) in self.sources.iter_mut().enumerate().rev() {
            if slot != except
                && let Some(source) = source
            {
                open += usize::from(open < MAX_OPEN || !source.close());
            }
        }
    }
}

/// Returns the file name in a path.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned()
}
