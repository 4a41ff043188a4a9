//! Entries on disk: one file for one remembered call.
//!
//! An entry becomes visible whole or not at all, carries a checksum that every read verifies, and is never replaced
//! in place. Files may be deleted, copied and merged by hand at any time.
//!
//! ```
//! use funes_core::store::{Content, Key, Reading, Store};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! let store = Store::new(folder.path())?;
//! let (definition, arguments) = ("0".repeat(40), "1".repeat(40));
//! let key = Key::new("double", &definition, &arguments)?;
//! assert!(matches!(store.read(&key)?, Reading::Absent));
//!
//! assert!(store.write(&key, &Content::new(&[b"\x80\x05K*."]), false)?);
//! let Reading::Found(entry) = store.read(&key)? else { panic!("it was written") };
//! assert_eq!(entry.body(), b"\x80\x05K*.");
//! # Ok::<(), funes_core::error::Error>(())
//! ```

use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};

mod checksum;
#[cfg(test)]
mod crashing;
mod entry;
mod files;
pub(crate) mod filesystem;
pub(crate) mod folders;
mod footer;
mod layout;
mod listing;
mod mapped;
mod open;
mod permissions;
mod pread;
mod publish;
mod read;
mod remove;
mod sweep;
mod trailer;
mod verified;
mod write;

pub use checksum::Secret;
pub use entry::{Content, Damage, ENTRY_VERSION, Entry, Held, Span};
pub use footer::{Footer, Head, Pickle};
pub use layout::{DAMAGED, Definition, EXTENSION, Key, OBJECTS, safe_name};
pub use listing::{Listed, Listing};
pub use mapped::MapFile;
pub use permissions::Access;
pub use read::Reading;
pub use verified::Verify;

use read::ReadPolicy;

/// A cache folder. Opening one touches nothing; it is created by the first write.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    access: Access,
    secret: Option<Secret>,
    verify: Verify,
    map: Option<MapFile>,
}

impl Store {
    /// The store in the folder `root`, an absolute path: a relative one would follow the working directory about.
    pub fn new(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        if root.is_absolute() {
            return Ok(Self { root, access: Access::default(), secret: None, verify: Verify::default(), map: None });
        }
        Err(Error::Invalid(format!("the cache folder must be an absolute path, not {}", root.display())))
    }

    /// With another choice of who may use what is created.
    #[must_use]
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Whether entries are signed with a secret.
    pub fn is_signed(&self) -> bool {
        self.secret.is_some()
    }

    /// With a secret that entries are signed with: those that are not are [`Error::Foreign`].
    #[must_use]
    pub fn with_secret(self, secret: Secret) -> Self {
        Self { secret: Some(secret), ..self }
    }

    /// With another choice of how often entries are verified.
    #[must_use]
    pub fn with_verify(self, verify: Verify) -> Self {
        Self { verify, ..self }
    }

    /// With a way to map large entries. Without one they are read.
    #[must_use]
    pub fn with_map(self, map: MapFile) -> Self {
        Self { map: Some(map), ..self }
    }

    /// The cache folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a definition's entries, whether it exists or not.
    pub fn folder(&self, definition: &Definition) -> PathBuf {
        definition.folder(&self.root)
    }

    /// The file of an entry, whether it exists or not.
    pub fn path(&self, key: &Key) -> PathBuf {
        key.path(&self.root)
    }

    /// Reads and verifies an entry.
    ///
    /// An error says that it could not be read *now* (too many open files, no permission, a failing disk) or not by
    /// this version ([`Error::OtherVersion`]), or that its writer does not have the secret ([`Error::Foreign`]): the
    /// file is to be left alone. Only [`Reading::Damaged`] is to be set aside.
    pub fn read(&self, key: &Key) -> Result<Reading> {
        self.read_with(key, self.verify)
    }

    /// Reads an entry that is likely not there: that takes half the time to find out, and a quarter more if it is.
    pub fn read_unlikely(&self, key: &Key) -> Result<Reading> {
        match self.path(key).symlink_metadata() {
            Err(error) if open::is_absence(&error) => Ok(Reading::Absent),
            _ => self.read(key),
        }
    }

    /// Reads an entry that another host may have written just now.
    ///
    /// The client of a network file system remembers for up to 30 s that a name was missing. Opening the folder makes it
    /// ask the server whether anything in there is new (NFS promises that to who opens; so it does not take a whole list).
    pub fn read_anew(&self, key: &Key) -> Result<Reading> {
        // On a local disk this takes a microsecond or two, as long as asking whether it is one. If it fails, so does
        // what follows, or it does without.
        drop(std::fs::read_dir(self.folder(&key.definition())));
        self.read(key)
    }

    /// Reads an entry and verifies every byte of it, whatever this process has verified before.
    pub fn check(&self, key: &Key) -> Result<Reading> {
        self.read_with(key, Verify::Always)
    }

    fn files(&self) -> files::Real {
        files::Real { access: self.access }
    }

    fn read_with(&self, key: &Key, verify: Verify) -> Result<Reading> {
        read::read(&self.path(key), key, ReadPolicy { secret: self.secret.as_ref(), verify, map: self.map })
    }

    /// Stores an entry; false if there is one already, which stays.
    ///
    /// With `durable` the entry survives a power cut from the moment this returns. After an error nothing is left on
    /// disk but, perhaps, empty folders.
    pub fn write(&self, key: &Key, content: &Content, durable: bool) -> Result<bool> {
        if let Some(objection) = content.objection() {
            return Err(Error::Invalid(objection.to_owned()));
        }
        self.put(key, (content.body, &content.footer()), durable)
    }

    /// Stores what was read of an entry under another name, with sections that this version does not know; as `write`.
    pub fn write_again(&self, key: &Key, body: &[u8], footer: &Footer, durable: bool) -> Result<bool> {
        self.put(key, (&[body], footer.bytes()), durable)
    }

    fn put(&self, key: &Key, parts: (&[&[u8]], &[u8]), durable: bool) -> Result<bool> {
        let path = key.path(&self.root);
        let first = write::write(&self.files(), &self.root, (key, &path), self.secret.as_ref(), parts, durable)?;
        if let Some(folder) = path.parent() {
            sweep::once(folder);
        }
        Ok(first)
    }

    /// Creates the folder of a definition's entries.
    pub fn prepare(&self, definition: &Definition) -> Result<()> {
        let folder = self.folder(definition);
        folders::create_with(&self.files(), &folder, &self.root).context("create the folder", &folder)
    }

    /// Deletes an entry, sound or not; false if there is none.
    pub fn remove(&self, key: &Key) -> Result<bool> {
        remove::remove(&self.files(), &self.path(key))
    }

    /// Moves a damaged entry to the folder `damaged` beside the entries, in the place of an earlier one of its name,
    /// and returns its new path.
    ///
    /// None if there is nothing damaged: another process may have put the entry right since it was read.
    pub fn set_aside(&self, key: &Key) -> Result<Option<PathBuf>> {
        match self.read(key) {
            Ok(Reading::Damaged(_)) => {
                let (path, aside) = (self.path(key), key.damaged_path(&self.root));
                remove::set_aside(&self.files(), &self.root, &path, aside)
            }
            Ok(Reading::Absent | Reading::Found(_)) | Err(Error::OtherVersion { .. } | Error::Foreign { .. }) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The argument hashes of the entries of a definition, sorted; none of them is read.
    pub fn entries(&self, definition: &Definition) -> Result<Vec<String>> {
        listing::entries(&self.folder(definition))
    }
}
