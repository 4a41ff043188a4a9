//! Entries on disk: one file per stored call.
//!
//! An entry becomes visible completely or not at all, has a checksum that reads verify, and is
//! never changed in place. Files may be deleted, copied and merged by hand at any time.
//!
//! ```
//! use funes_core::store::{Content, Key, ReadOutcome, Store};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! let store = Store::new(folder.path())?;
//! let (definition, arguments) = ("0".repeat(40), "1".repeat(40));
//! let key = Key::new("double", &definition, &arguments)?;
//! assert!(matches!(store.read(&key)?, ReadOutcome::Absent));
//!
//! assert!(store.write(&key, &Content::new(&[b"\x80\x05K*."]), false)?);
//! let ReadOutcome::Found(entry) = store.read(&key)? else { panic!("it was written") };
//! assert_eq!(entry.body(), b"\x80\x05K*.");
//! # Ok::<(), funes_core::error::Error>(())
//! ```

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Context, Error, Result};
use crate::reads::{Reads, ReadsName};

#[cfg(target_os = "linux")]
mod boot_table;
mod checksum;
#[cfg(test)]
mod crashing;
mod entry;
mod files;
pub(crate) mod filesystem;
pub(crate) mod folders;
mod footer;
mod known;
mod layout;
mod listing;
mod mapped;
mod open;
pub mod packed;
mod parts;
mod permissions;
pub(crate) mod pread;
mod publish;
mod read;
mod read_ahead;
mod receive;
mod remove;
mod runs;
mod sweep;
mod totals;
mod trailer;
mod verified;
mod watched_folder;
mod write;

pub use checksum::SigningKey;
pub use entry::{Content, ContentId, Damage, ENTRY_VERSION, Entry, Held, Span};
pub use footer::{Footer, Head, Origin, Pickle, RunId};
pub use known::close_segments;
pub use layout::{DAMAGED, Definition, ERROR_EXTENSION, EXTENSION, Key, OBJECTS, RUNS, safe_name};
pub use listing::{Listed, Listing, size_of, visit_names};
pub use mapped::MapFile;
pub use permissions::Access;
pub use publish::Present;
pub use read::ReadOutcome;
pub use receive::{Incoming, Received};
pub use runs::{remove_carried, run_of};
pub use totals::Totals;
pub use verified::Verify;
pub use write::Written;

use files::Files as _;
use read::ReadPolicy;

/// A cache folder. Opening it does not access the disk; the first write creates it.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    access: Access,
    signing_key: Option<SigningKey>,
    verify: Verify,
    map: Option<MapFile>,
    /// True if small results are stored packed.
    is_packed: bool,
    last: known::Last,
}

impl Store {
    /// Makes a store in the folder `root`. The path must be absolute, since a relative path would
    /// change with the working directory.
    pub fn new(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        if root.is_absolute() {
            return Ok(Self {
                root,
                access: Access::default(),
                signing_key: None,
                verify: Verify::default(),
                map: None,
                is_packed: false,
                last: known::Last::default(),
            });
        }
        Err(Error::Invalid(format!("the cache folder must be an absolute path, not {}", root.display())))
    }

    /// Sets the permissions of created files and folders.
    #[must_use]
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Sets the signing key. Reading an entry that is not signed with this key is
    /// [`Error::Foreign`].
    #[must_use]
    pub fn with_signing_key(self, signing_key: SigningKey) -> Self {
        Self { signing_key: Some(signing_key), ..self }
    }

    /// Sets how often entries are verified.
    #[must_use]
    pub fn with_verify(self, verify: Verify) -> Self {
        Self { verify, ..self }
    }

    /// Sets a function that maps large entries. Without such a function, large entries are read.
    #[must_use]
    pub fn with_map(self, map: MapFile) -> Self {
        Self { map: Some(map), ..self }
    }

    /// Returns the cache folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder of a definition's entries, which may not exist.
    pub fn folder(&self, definition: &Definition) -> PathBuf {
        definition.folder(&self.root)
    }

    /// Returns the file of an entry, which may not exist.
    pub fn path(&self, key: &Key) -> PathBuf {
        key.path(&self.root)
    }

    /// Reads and verifies an entry.
    ///
    /// After an error, the file must stay in place. The error means that the file cannot be read
    /// now (too many open files, no permission, a failing disk), cannot be read by this version
    /// ([`Error::OtherVersion`]), or was not signed with the signing key ([`Error::Foreign`]). Only
    /// a file that is [`ReadOutcome::Damaged`] belongs into the quarantine.
    pub fn read(&self, key: &Key) -> Result<ReadOutcome> {
        self.read_with(key, self.verify)
    }

    /// Reads an entry like [`Store::read`], but is optimised for a miss: it takes half the time on
    /// a miss, and a quarter more on a hit.
    pub fn read_expecting_miss(&self, key: &Key) -> Result<ReadOutcome> {
        if self.is_packed {
            // The caller holds the key. Another process that held it may have stored the entry.
            return self.read_packed(key, self.verify, true);
        }
        match self.path(key).symlink_metadata() {
            Err(error) if open::is_absence(&error) => self.packed_or_absent(key),
            _ => self.read(key),
        }
    }

    /// Reads an entry that another host may have written a moment ago.
    ///
    /// The client of a network file system caches for up to 30 s that a name is missing. If the
    /// folder is opened, the client asks the server for changes (close-to-open consistency of NFS).
    /// It does not list the folder.
    pub fn read_refreshed(&self, key: &Key) -> Result<ReadOutcome> {
        // On a local disk this takes one or two microseconds, as long as asking whether the disk is
        // local. Errors are ignored: the read below reports them if they matter.
        drop(std::fs::read_dir(self.folder(&key.definition())));
        self.read_packed(key, self.verify, true)
    }

    /// Reads and verifies entries up to the first that is absent, damaged or not readable.
    ///
    /// Up to `threads` threads read, as long as the read bodies take less than `max_bytes`.
    pub fn read_ahead(&self, keys: &[Key], threads: usize, max_bytes: usize) -> Vec<Entry> {
        read_ahead::read_ahead(keys.len(), threads, max_bytes, |index| match self.read(&keys[index]) {
            Ok(ReadOutcome::Found(entry)) => Some(entry),
            Ok(ReadOutcome::Absent | ReadOutcome::Damaged(_)) | Err(_) => None,
        })
    }

    /// Reads an entry and verifies every byte of it, even if this process has verified it before.
    pub fn check(&self, key: &Key) -> Result<ReadOutcome> {
        self.read_with(key, Verify::Always)
    }

    /// Returns the number of the entry of a key, read from the end of its file; none if there is no entry.
    pub fn content_id(&self, key: &Key) -> Option<ContentId> {
        let in_file = || read::content_id(&self.path(key)).ok().flatten();
        if self.is_packed {
            return self.known_content_id(key).map(|(content_id, _)| content_id).or_else(in_file);
        }
        in_file().or_else(|| Some(self.known_content_id(key)?.0))
    }

    /// Returns the packed results of a definition.
    pub fn packed(&self, definition: &Definition) -> packed::Packed {
        packed::Packed::new(self, definition, self.signing_key.clone())
    }

    fn files(&self) -> files::Real {
        files::Real { access: self.access }
    }

    fn read_with(&self, key: &Key, verify: Verify) -> Result<ReadOutcome> {
        if self.is_packed {
            return self.read_packed(key, verify, false);
        }
        match self.read_file(key, verify)? {
            ReadOutcome::Absent => self.packed_or_absent(key),
            found => Ok(found),
        }
    }

    /// Reads an entry that is packed, or else in a file. `now`: also one that another process has just
    /// stored.
    fn read_packed(&self, key: &Key, verify: Verify, now: bool) -> Result<ReadOutcome> {
        match self.read_known(key, now)? {
            (Some(entry), _) => Ok(ReadOutcome::Found(entry)),
            (None, true) => match self.read_file(key, verify)? {
                // Another process may have packed the file in between.
                ReadOutcome::Absent => {
                    Ok(self.read_known(key, true)?.0.map_or(ReadOutcome::Absent, ReadOutcome::Found))
                }
                found => Ok(found),
            },
            (None, false) => Ok(ReadOutcome::Absent),
        }
    }

    fn read_file(&self, key: &Key, verify: Verify) -> Result<ReadOutcome> {
        read::read(&self.path(key), key, ReadPolicy { signing_key: self.signing_key.as_ref(), verify, map: self.map })
    }

    /// Reads the packed entry of a key that has no file.
    fn packed_or_absent(&self, key: &Key) -> Result<ReadOutcome> {
        Ok(self.read_known(key, false)?.0.map_or(ReadOutcome::Absent, ReadOutcome::Found))
    }

    /// Stores an entry. Returns false if there is one already, which stays.
    ///
    /// If `durable` is true, the entry survives a power failure after this function has returned.
    /// After an error, nothing is left on disk except, possibly, empty folders.
    pub fn write(&self, key: &Key, content: &Content, durable: bool) -> Result<bool> {
        Ok(self.write_with(key, content, durable, Present::Stays)?.is_written)
    }

    /// Stores an entry as [`Store::write`] does, or replaces the entry that is there.
    pub fn write_with(&self, key: &Key, content: &Content, durable: bool, present: Present) -> Result<Written> {
        if let Some(invalid_reason) = content.invalid_reason() {
            return Err(Error::Invalid(invalid_reason.to_owned()));
        }
        let footer = content.footer();
        if let Some(written) =
            self.write_known(key, (content.body, &footer), content.origin.reads.is_some(), (durable, present))?
        {
            return Ok(written);
        }
        let written = self.put(key, (content.body, &footer), (durable, present))?;
        if present == Present::IsReplaced {
            self.remove_known(key)?;
        }
        Ok(written)
    }

    /// Stores an entry under another key than that under which it was read, including sections that
    /// this version does not know. Everything else is as in [`Store::write`].
    pub fn write_again(&self, key: &Key, body: &[u8], footer: &Footer, durable: bool) -> Result<Written> {
        let (parts, how) = ((&[body][..], footer.bytes()), (durable, Present::Stays));
        let packed = self.write_known(key, parts, footer.reads().is_some(), how)?;
        packed.map_or_else(|| self.put(key, parts, how), Ok)
    }

    fn put(&self, key: &Key, parts: (&[&[u8]], &[u8]), how: (bool, Present)) -> Result<Written> {
        let path = key.path(&self.root);
        let written = write::write(&self.files(), &self.root, (key, &path), self.signing_key.as_ref(), parts, how)?;
        self.note_file(key);
        if let Some(folder) = path.parent() {
            sweep::once(folder);
        }
        Ok(written)
    }

    /// Returns the files that the computation of an entry read, without verifying the entry; none if
    /// it read no file, or if there is no entry.
    pub fn reads(&self, key: &Key) -> Option<Reads> {
        read::footer(&self.path(key))?.reads().cloned()
    }

    /// Reads and verifies an earlier entry of a key, see [`Store::set_earlier`].
    pub fn read_earlier(&self, key: &Key, name: ReadsName) -> Result<ReadOutcome> {
        let path = key.earlier_path(&self.root, name);
        let policy = ReadPolicy { signing_key: self.signing_key.as_ref(), verify: self.verify, map: self.map };
        read::read(&path, key, policy)
    }

    /// Returns what [`Store::reads`] returns, for an earlier entry.
    pub fn earlier_reads(&self, key: &Key, name: ReadsName) -> Option<Reads> {
        read::footer(&key.earlier_path(&self.root, name))?.reads().cloned()
    }

    /// Returns the time stamp of an earlier entry.
    pub fn time_of_earlier(&self, key: &Key, name: ReadsName) -> Option<SystemTime> {
        std::fs::symlink_metadata(key.earlier_path(&self.root, name)).ok()?.modified().ok()
    }

    /// Deletes an earlier entry. Returns false if there is none.
    pub fn remove_earlier(&self, key: &Key, name: ReadsName) -> Result<bool> {
        remove::remove(&self.files(), &key.earlier_path(&self.root, name))
    }

    /// Makes an entry an earlier one, so that another entry can be stored under its key. Returns
    /// false if the entry is not the one that read the files `name`: another process has replaced
    /// it.
    pub fn set_earlier(&self, key: &Key, name: ReadsName) -> Result<bool> {
        let path = self.path(key);
        if self.reads(key).is_none_or(|reads| reads.name() != name) {
            return Ok(false);
        }
        let moved = self.files().replace(&path, &key.earlier_path(&self.root, name));
        Ok(remove::unless_absent(moved).context("rename", &path)?.is_some())
    }

    /// Makes an earlier entry the entry of its key again, which it replaces. Returns false if there is none.
    pub fn restore_earlier(&self, key: &Key, name: ReadsName) -> Result<bool> {
        let path = self.path(key);
        let moved = self.files().replace(&key.earlier_path(&self.root, name), &path);
        Ok(remove::unless_absent(moved).context("rename", &path)?.is_some())
    }

    /// Creates the folder of a definition's entries.
    pub fn prepare(&self, definition: &Definition) -> Result<()> {
        let folder = self.folder(definition);
        folders::create_with(&self.files(), &folder, &self.root).context("create the folder", &folder)
    }

    /// Deletes an entry, damaged or not, and its earlier entries. Returns false if there is none.
    pub fn remove(&self, key: &Key) -> Result<bool> {
        let is_removed = self.remove_files(key)?;
        Ok(self.remove_known(key)? || is_removed)
    }

    fn remove_files(&self, key: &Key) -> Result<bool> {
        let path = self.path(key);
        for earlier in earlier_paths(&path) {
            remove::remove(&self.files(), &earlier)?;
        }
        remove::remove(&self.files(), &path)
    }

    /// Moves a damaged entry to the quarantine, the folder `damaged` beside the entries, and
    /// returns its new path. The entry replaces an earlier file of its name there.
    ///
    /// Returns none if the entry is not damaged, since another process may have stored the entry
    /// again after the caller read it.
    pub fn set_aside(&self, key: &Key) -> Result<Option<PathBuf>> {
        match self.read(key) {
            Ok(ReadOutcome::Damaged(_)) => {
                let (path, aside) = (self.path(key), key.damaged_path(&self.root));
                remove::set_aside(&self.files(), &self.root, &path, aside)
            }
            Ok(ReadOutcome::Absent | ReadOutcome::Found(_))
            | Err(Error::OtherVersion { .. } | Error::Foreign { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the argument digests of the entries of a definition, sorted, without reading the
    /// entries.
    pub fn entries(&self, definition: &Definition) -> Result<Vec<String>> {
        listing::entries(&self.folder(definition))
    }
}

/// Returns the files of the earlier entries that the entry in a file names.
pub fn earlier_paths(path: &Path) -> Vec<PathBuf> {
    let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { return Vec::new() };
    let earlier = read::footer(path).and_then(|footer| Some(footer.reads()?.earlier.clone()));
    let name = |name: ReadsName| layout::earlier_name(stem, name);
    earlier.into_iter().flatten().map(|each| path.with_file_name(name(each))).collect()
}
