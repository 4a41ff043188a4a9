//! Receives an entry from another place in parts, verifies it, and publishes it.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::time::SystemTime;

use super::checksum::{Checksum, HASH};
use super::entry::{self, Damage, Entry, Fault};
use super::files::{Files as _, Real};
use super::folders;
use super::footer::Footer;
use super::layout::Key;
use super::pread;
use super::publish::{Attempt, Present, name_draft};
use super::trailer::{LENGTHS, TRAILER, Trailer};
use super::verified::{self, FileState};
use super::{Store, filesystem, sweep};
use crate::error::{Context, Result};
use crate::file_stamp::{FileStamp, LOCAL_RESOLUTION};
use crate::reads::ReadsName;

/// The length in bytes from which a file is remembered as verified, which takes some milliseconds.
const REMEMBERED: u64 = 16 << 20;

/// The length of the end of a file that the MAC does not cover: MAC, checksum, version and magic.
const END: usize = TRAILER - LENGTHS;

/// An entry that is being received. It is in an unfinished file, which is deleted if it is dropped.
pub struct Incoming {
    files: Real,
    file: File,
    draft: PathBuf,
    path: PathBuf,
    checksum: Checksum,
    /// A hash of the names in the checksum.
    identity: [u8; HASH],
    is_signed: bool,
    /// The last bytes received, up to [`END`]. All bytes before are in the checksum.
    tail: Vec<u8>,
    length: u64,
    is_published: bool,
}

/// What became of a received entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It is in the store.
    Published,
    /// There was an entry already, which stays.
    Taken,
    /// Its bytes are not those of the entry of the key.
    Damaged(Damage),
    /// It is not signed with the signing key.
    Foreign,
    /// It has another version of the format.
    OtherVersion(u32),
}

impl From<Fault> for Received {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damaged(damage) => Self::Damaged(damage),
            Fault::Foreign => Self::Foreign,
            Fault::OtherVersion(version) => Self::OtherVersion(version),
        }
    }
}

impl From<Damage> for Received {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl Store {
    /// Begins to receive the entry of a key, or an earlier entry of it.
    pub fn receive(&self, key: &Key, earlier: Option<ReadsName>) -> Result<Incoming> {
        let files = self.files();
        let folder = self.folder(&key.definition());
        folders::create_with(&files, &folder, &self.root).context("create the folder", &folder)?;
        sweep::once(&folder);
        let (file, draft) = files.draft(&folder).context("create a file in", &folder)?;
        let checksum = Checksum::new(key, self.signing_key.as_ref());
        Ok(Incoming {
            files,
            file,
            draft,
            path: earlier.map_or_else(|| self.path(key), |name| key.earlier_path(&self.root, name)),
            identity: checksum.identity(),
            is_signed: self.signing_key.is_some(),
            checksum,
            tail: Vec::new(),
            length: 0,
            is_published: false,
        })
    }

    /// Verifies the file of an entry that is in memory.
    pub fn open_bytes(&self, key: &Key, bytes: Vec<u8>) -> std::result::Result<Entry, Received> {
        entry::open(key, self.signing_key.as_ref(), false, bytes).map_err(Received::from)
    }
}

impl Incoming {
    /// Adds the next bytes of the file.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.files.write(&self.file, bytes).context("write", &self.draft)?;
        self.length += bytes.len() as u64;
        let hashed = (self.tail.len() + bytes.len()).saturating_sub(END);
        let from_tail = hashed.min(self.tail.len());
        self.checksum.update(&self.tail[..from_tail]);
        self.tail.drain(..from_tail);
        let (now, later) = bytes.split_at(hashed - from_tail);
        self.checksum.update(now);
        self.tail.extend_from_slice(later);
        Ok(())
    }

    /// Verifies the file, and gives it its name, as [`Store::write_with`] does. `stored`: the time at
    /// which the entry was stored first.
    pub fn publish(mut self, stored: Option<SystemTime>, present: Present) -> Result<Received> {
        let checksum = match self.verify()? {
            Ok(checksum) => checksum,
            Err(fault) => return Ok(fault),
        };
        if let Some(stored) = stored {
            // Expiry depends on it. A file system without times has the time of the download.
            let _ = self.file.set_modified(stored);
        }
        match name_draft(&self.files, &self.draft, (&self.path, present))? {
            Attempt::Published => {
                self.is_published = true;
                self.remember(&checksum);
                Ok(Received::Published)
            }
            Attempt::Taken => Ok(Received::Taken),
            Attempt::Vanished => {
                let text = "its folder is deleted again and again";
                Err(std::io::Error::new(std::io::ErrorKind::NotFound, text)).context("write", &self.path)
            }
        }
    }

    /// Remembers that a large file was verified, so that the first reader need not hash it again.
    fn remember(&self, checksum: &[u8; HASH]) {
        if self.length < REMEMBERED || self.is_signed || !filesystem::is_local(&self.file) {
            return;
        }
        // Giving a file its name changes its times. A change that follows at once could leave the same ones.
        std::thread::sleep(LOCAL_RESOLUTION);
        if let Ok(metadata) = self.file.metadata() {
            let stamp = FileStamp::of(&metadata);
            verified::remember(FileState::new(&self.identity, checksum, &stamp), &stamp);
        }
    }

    /// Verifies what [`super::read`] verifies. Returns the checksum.
    fn verify(&mut self) -> Result<std::result::Result<[u8; HASH], Received>> {
        // The trailer begins with the lengths, which are in the checksum.
        let mut end = [0; TRAILER];
        let Some(start) = self.length.checked_sub(TRAILER as u64) else { return Ok(Err(Damage::TooShort.into())) };
        pread::read_exact(&self.file, &mut end, start).context("read", &self.draft)?;
        let parsed = Trailer::of(&end).and_then(|trailer| Ok((trailer.parts(self.length)?, trailer)));
        let (parts, trailer) = match parsed {
            Ok(parsed) => parsed,
            Err(fault) => return Ok(Err(fault.into())),
        };
        if let Err(fault) = self.checksum.clone().check(&trailer) {
            return Ok(Err(fault.into()));
        }
        debug_assert_eq!(self.tail.len(), 2 * HASH + 16);
        let mut footer = vec![0; (parts.footer.end - parts.footer.start) as usize];
        pread::read_exact(&self.file, &mut footer, parts.footer.start).context("read", &self.draft)?;
        Ok(Footer::of(footer, parts.body).map(|_| trailer.checksum).map_err(Received::from))
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Incoming").field(&self.path).finish()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = self.files.remove(&self.draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::super::{Content, ReadOutcome, SigningKey};
    use super::*;

    const DEFINITION: &str = "0123456789abcdef0123456789abcdef01234567";
    const ARGUMENTS: &str = "89abcdef0123456789abcdef0123456789abcdef";

    fn key() -> Key<'static> {
        Key::new("double", DEFINITION, ARGUMENTS).unwrap()
    }

    /// Returns a store and the file of an entry of it.
    fn stored(signing_key: Option<SigningKey>) -> (tempfile::TempDir, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path()).unwrap();
        let store = if let Some(key) = signing_key { store.with_signing_key(key) } else { store };
        store.write(&key(), &Content::new(&[b"\x80\x05K*."]), false).unwrap();
        let file = fs::read(store.path(&key())).unwrap();
        (folder, file)
    }

    fn receive(store: &Store, parts: &[&[u8]], present: Present) -> Received {
        let mut incoming = store.receive(&key(), None).unwrap();
        for part in parts {
            incoming.write(part).unwrap();
        }
        incoming.publish(None, present).unwrap()
    }

    #[test]
    fn an_entry_in_any_parts_is_published_byte_for_byte() {
        let (_folder, file) = stored(None);
        for length in 1..=file.len() {
            let there = tempfile::tempdir().unwrap();
            let store = Store::new(there.path()).unwrap();
            let parts: Vec<_> = file.chunks(length).collect();
            assert_eq!(receive(&store, &parts, Present::Stays), Received::Published);
            assert_eq!(fs::read(store.path(&key())).unwrap(), file);
            assert!(matches!(store.read(&key()).unwrap(), ReadOutcome::Found(_)));
            assert_eq!(receive(&store, &parts, Present::Stays), Received::Taken);
            assert_eq!(receive(&store, &parts, Present::IsReplaced), Received::Published);
            assert_eq!(fs::read_dir(store.folder(&key().definition())).unwrap().count(), 1);
        }
    }

    #[test]
    fn damaged_and_foreign_files_leave_nothing_behind() {
        let (_folder, file) = stored(None);
        let there = tempfile::tempdir().unwrap();
        let store = Store::new(there.path()).unwrap();
        for length in 0..file.len() {
            assert!(matches!(receive(&store, &[&file[..length]], Present::Stays), Received::Damaged(_)));
            let mut changed = file.clone();
            changed[length] ^= 1;
            assert!(matches!(receive(&store, &[&changed], Present::Stays), Received::Damaged(_)), "{length}");
            assert!(store.open_bytes(&key(), changed).is_err());
        }
        let other = Key::new("double", DEFINITION, DEFINITION).unwrap();
        let mut incoming = store.receive(&other, None).unwrap();
        incoming.write(&file).unwrap();
        assert_eq!(incoming.publish(None, Present::Stays).unwrap(), Received::Damaged(Damage::Checksum));
        let strict = store.clone().with_signing_key(SigningKey::new(b"a secret of the team"));
        assert_eq!(receive(&strict, &[&file], Present::Stays), Received::Foreign);
        let (_folder, signed) = stored(Some(SigningKey::new(b"another secret")));
        assert_eq!(receive(&strict, &[&signed], Present::Stays), Received::Foreign);
        assert_eq!(strict.open_bytes(&key(), signed).unwrap_err(), Received::Foreign);
        let mut newer = file.clone();
        let version = newer.len() - 16;
        newer[version..version + 8].copy_from_slice(&[9, 0, 0, 0, 246, 255, 255, 255]);
        assert_eq!(receive(&store, &[&newer], Present::Stays), Received::OtherVersion(9));
        drop(store.receive(&key(), None).unwrap());
        assert_eq!(fs::read_dir(store.folder(&key().definition())).unwrap().count(), 0);
    }

    #[test]
    fn the_time_of_storing_is_kept() {
        let (_folder, file) = stored(None);
        let there = tempfile::tempdir().unwrap();
        let store = Store::new(there.path()).unwrap();
        let stored = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let mut incoming = store.receive(&key(), Some(ReadsName([7; 8]))).unwrap();
        incoming.write(&file).unwrap();
        assert_eq!(incoming.publish(Some(stored), Present::Stays).unwrap(), Received::Published);
        assert_eq!(store.time_of_earlier(&key(), ReadsName([7; 8])), Some(stored));
    }
}
