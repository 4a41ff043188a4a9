//! The packed results of a definition: reads, writes and deletes them.

use std::io;
use std::path::PathBuf;

use super::super::checksum::SigningKey;
use super::super::entry::{ContentId, Entry, Fault};
use super::super::folders;
use super::super::layout::{Definition, Key};
use super::super::trailer::number;
use super::disk::Disk;
use super::format::{Digest, RESULT, SUM, Sum, Sums, TOMBSTONE, digest_of};
use super::reader::Reader;
use super::record::{self, Stored};
use super::writer::{Failed, Place, Segment};
use super::{FOLDER, FOLLOWED, LARGEST, is_gone};
use crate::error::{Context, Error, Result};
use crate::throttle::Throttle;

/// The number of attempts to start a segment that another process takes at once.
const ATTEMPTS: usize = 4;

/// The packed results of one definition, as one process sees them.
pub(super) struct Results<D: Disk> {
    pub(super) disk: D,
    pub(super) root: PathBuf,
    function: String,
    hash: String,
    pub(super) folder: PathBuf,
    pub(super) sums: Sums,
    signing_key: Option<SigningKey>,
    pub(super) reader: Reader<D>,
    segment: Option<Segment<D>>,
    followed: Throttle,
    payload: Vec<u8>,
}

impl<D: Disk> Results<D> {
    pub(super) fn new(disk: D, root: PathBuf, definition: &Definition, signing_key: Option<SigningKey>) -> Self {
        let sums = Sums::of(definition);
        let folder = definition.folder(&root).join(FOLDER);
        Self {
            reader: Reader::new(folder.clone(), sums.clone()),
            function: definition.function().to_owned(),
            hash: definition.hash().to_owned(),
            disk,
            root,
            folder,
            sums,
            signing_key,
            segment: None,
            followed: Throttle::every(FOLLOWED),
            payload: Vec::new(),
        }
    }

    pub(super) fn definition(&self) -> Definition<'_> {
        Definition::new(&self.function, &self.hash).expect("the hash was one before")
    }

    pub(super) fn signing_key(&self) -> Option<&SigningKey> {
        self.signing_key.as_ref()
    }

    /// Takes in what other processes have added: always if `now`, otherwise at intervals.
    pub(super) fn follow(&mut self, now: bool) -> Result<()> {
        let is_due = self.followed.is_due();
        if !is_due && !now {
            return Ok(());
        }
        let is_whole = self.reader.follow(&self.disk).context("read", &self.folder)?;
        if let Some(segment) = self.segment.as_ref().filter(|_| self.reader.own.is_none()) {
            self.reader.own = self.reader.slot_of(&segment.path);
            if self.reader.own.is_none() && is_whole {
                // The user has deleted the segment: what is appended to it would be lost.
                self.give_up();
            }
        }
        Ok(())
    }

    fn find(&mut self, digest: &Digest) -> Result<Option<super::reader::Found>> {
        let found = match self.reader.look_up(&self.disk, digest) {
            Err(error) if is_gone(&error) => {
                // Another process has renamed or packed a file that this one had closed.
                self.reader.list_again();
                self.reader.follow(&self.disk).and_then(|_| self.reader.look_up(&self.disk, digest))
            }
            found => found,
        };
        found.context("read", &self.folder)
    }

    /// Returns the entry of a key; none if there is none.
    pub(super) fn look_up(&mut self, key: &Key, signing_key: Option<&SigningKey>) -> Result<Option<Entry>> {
        let Some(digest) = digest_of(key.arguments()) else { return Ok(None) };
        let Some(found) = self.find(&digest)? else { return Ok(None) };
        let Some(Some(source)) = self.reader.sources.get(found.slot) else { return Ok(None) };
        let stored = Stored::of(source.payload(), found.flags);
        match stored.map(|stored| stored.to_entry(key, signing_key, found.sum)) {
            Some(Ok(entry)) => Ok(Some(entry)),
            Some(Err(Fault::Foreign)) => Err(Error::Foreign { path: source.path.clone() }),
            Some(Err(Fault::Damaged(_) | Fault::OtherVersion(_))) | None => Ok(None),
        }
    }

    /// Returns the number of the entry of a key, and the time at which it was stored.
    pub(super) fn content_id(&mut self, key: &Key) -> Result<Option<(ContentId, i64)>> {
        let Some(digest) = digest_of(key.arguments()) else { return Ok(None) };
        let Some(found) = self.find(&digest)? else { return Ok(None) };
        let Some(Some(source)) = self.reader.sources.get(found.slot) else { return Ok(None) };
        let stored = Stored::of(source.payload(), found.flags);
        Ok(number(&found.sum, 0).zip(stored.map(|stored| stored.time)))
    }

    /// Stores an entry at the end of the segment of this process. Returns its number; none if it is
    /// too large for a segment.
    pub(super) fn append(
        &mut self,
        key: &Key,
        parts: (&[&[u8]], &[u8]),
        (time, signing_key): (i64, Option<&SigningKey>),
        durable: bool,
    ) -> Result<Option<ContentId>> {
        if super::super::entry::length(parts.0) + parts.1.len() > LARGEST {
            return Ok(None);
        }
        let Some(digest) = digest_of(key.arguments()) else { return Ok(None) };
        let mut payload = std::mem::take(&mut self.payload);
        let flags = record::payload(&mut payload, time, key, parts, signing_key);
        let appended = self.put((RESULT, flags), digest, &payload, durable);
        self.payload = payload;
        let sum = appended?;
        Ok(number(&sum, 0))
    }

    fn put(&mut self, what: (u8, u8), digest: Digest, payload: &[u8], durable: bool) -> Result<Sum> {
        self.start_segment()?;
        let Some(segment) = &mut self.segment else { return Err(Error::Invalid("no segment was started".into())) };
        let path = segment.path.clone();
        let (offset, sum) = match segment.append(&self.disk, &self.sums, what, digest, payload) {
            Ok(done) => done,
            Err(Failed { error, is_cut }) => {
                if !is_cut {
                    self.give_up();
                }
                return Err(error).context("write", &path);
            }
        };
        if durable || !segment.is_local {
            // On a network file system, a process on another host sees the result only then. It may
            // look for it as soon as this process has released the key.
            segment.sync(&self.disk).context("sync", &path)?;
            if durable && !segment.is_named_durably {
                folders::sync_names(&self.disk, &self.root, &self.folder)?;
                segment.is_named_durably = true;
            }
        }
        let (end, is_full) = (segment.end, segment.is_full());
        self.reader.note((what.0 == RESULT).then_some(&digest), (offset, end));
        if is_full {
            self.close();
        }
        Ok(sum)
    }

    fn start_segment(&mut self) -> Result<()> {
        if self.segment.as_ref().is_some_and(|segment| !segment.is_usable()) {
            // This process was forked: the segment is the parent's.
            self.give_up();
        }
        if self.segment.is_some() {
            return Ok(());
        }
        folders::create_with(&self.disk, &self.folder, &self.root).context("create the folder", &self.folder)?;
        let place =
            Place { folder: &self.folder, definition: Definition::new(&self.function, &self.hash)?, sums: &self.sums };
        let mut attempts = (0..ATTEMPTS).map(|_| Segment::start(&self.disk, &place));
        let started = attempts.find(|started| {
            !matches!(started, Err(error) if matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::AlreadyExists))
        });
        let busy = || Err(io::ErrorKind::ResourceBusy.into());
        let segment = started.unwrap_or_else(busy).context("start a segment in", &self.folder)?;
        // From here on, the reader knows the segment, and need not read what this process appends.
        let followed = self.reader.follow(&self.disk);
        self.reader.own = followed.ok().and_then(|_| self.reader.slot_of(&segment.path));
        self.segment = Some(segment);
        Ok(())
    }

    /// Writes the index of the segment of this process, which another process may then continue.
    pub(super) fn close(&mut self) {
        self.reader.own = None;
        if let Some(segment) = self.segment.take() {
            let place = Place { folder: &self.folder, definition: self.definition(), sums: &self.sums };
            segment.close(&self.disk, &place);
        }
    }

    fn give_up(&mut self) {
        self.reader.own = None;
        if let Some(segment) = self.segment.take() {
            segment.give_up(&self.disk);
        }
    }

    /// Deletes the results of an argument digest, except the one with a number. Returns false if there
    /// is no other.
    ///
    /// A tombstone names the records by their sums, wherever they are: in a copy of the file, in a
    /// pack that another process is about to write. A result that is stored later is another record.
    pub(super) fn forget(&mut self, key: &Key, kept: Option<ContentId>) -> Result<bool> {
        let Some(digest) = digest_of(key.arguments()) else { return Ok(false) };
        self.reader.follow(&self.disk).context("read", &self.folder)?;
        let mut sums: Vec<Sum> = Vec::new();
        while let Some(found) = self.find(&digest)? {
            self.reader.kill(digest, found.sum);
            sums.push(found.sum);
        }
        if let Some(place) = sums.iter().position(|sum| kept.is_some() && number(sum, 0) == kept) {
            self.reader.revive(&digest, &[sums.swap_remove(place)]);
        }
        if sums.is_empty() {
            return Ok(false);
        }
        // A tombstone for more copies than a record can have is written in parts.
        for part in sums.chunks(LARGEST / SUM) {
            if let Err(error) = self.put((TOMBSTONE, 0), digest, &part.concat(), false) {
                self.reader.revive(&digest, &sums);
                return Err(error);
            }
        }
        Ok(true)
    }
}
