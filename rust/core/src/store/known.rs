//! The packed results that this process has opened, and how the store uses them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use super::entry::{ContentId, Entry};
use super::layout::{Definition, EXTENSION, Key};
use super::packed::{self, FOLDER, Packed};
use super::watched_folder::{FolderState, WatchedFolder};
use super::write::Written;
use super::{Present, Store};
use crate::error::Result;
use crate::throttle::Throttle;

/// How often a process that stores single files looks for packed results of a definition. A long
/// computation is thus not repeated because its result was packed meanwhile.
const LOOKED: Duration = packed::FOLLOWED;

/// How often a process that stores packed results lists a folder that had single files.
const LISTED: Duration = Duration::from_secs(1);

/// The maximum number of names that a search for single files looks at.
const MAX_NAMES: usize = 64;

/// True once this process uses packed results.
static IS_USED: AtomicBool = AtomicBool::new(false);

/// The packed results of a process. A forked child has its own, since another thread of the parent
/// may have locked a mutex at the moment of the fork.
struct Process {
    id: u32,
    known: Mutex<HashMap<PathBuf, Arc<Known>>>,
    next: OnceLock<Box<Process>>,
}

static FIRST: OnceLock<Box<Process>> = OnceLock::new();

/// What is done if a definition has no packed results as far as the process knows.
#[derive(Clone, Copy, PartialEq)]
enum Missing {
    /// They are begun.
    Begun,
    /// The process looks for them.
    LookedFor,
    /// The process looks for them from time to time: a call that stores single files must not take
    /// longer.
    LookedForAtTimes,
}

/// The packed results of a definition, if it has some.
#[derive(Debug)]
struct Known {
    opened: Mutex<Option<Opened>>,
    looked: Throttle,
}

#[derive(Debug)]
struct Opened {
    packed: Packed,
    files: SingleFiles,
}

/// Whether there may be single files beside packed results. Then a miss opens a file that is not
/// there, which takes as long as storing the result.
#[derive(Debug)]
struct SingleFiles {
    folder: WatchedFolder,
    /// The state of the folder when it was listed.
    seen: Option<FolderState>,
    /// The number of the look at packed results after which this was found out. A file that is
    /// unpacked or stored meanwhile is found by the next look.
    follows: Option<u64>,
    may_be_there: bool,
    listed: Throttle,
}

/// The packed results that a store has used last, which are found without a path.
#[derive(Clone, Debug, Default)]
pub(super) struct Last(Arc<Mutex<Option<LastUsed>>>);

#[derive(Debug)]
struct LastUsed {
    process: u32,
    function: String,
    hash: String,
    known: Arc<Known>,
}

fn process() -> &'static Process {
    let id = crate::process::id();
    let mut place = &FIRST;
    loop {
        let process = place.get_or_init(|| Box::new(Process { id, known: Mutex::default(), next: OnceLock::new() }));
        if process.id == id {
            return process;
        }
        place = &process.next;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Closes the segments of this process, so that other processes need not scan them, and so that a
/// later one may continue them. For the end of a process.
pub fn close_segments() {
    let all: Vec<_> = locked(&process().known).values().cloned().collect();
    for known in all {
        if let Some(opened) = &mut *locked(&known.opened) {
            opened.packed.close();
        }
    }
}

impl Store {
    /// Sets whether small results are stored packed.
    #[must_use]
    pub fn with_packed(self, packed: bool) -> Self {
        Self { is_packed: packed, ..self }
    }

    /// Returns whether small results are stored packed.
    pub fn is_packed(&self) -> bool {
        self.is_packed
    }

    /// Runs `work` with the packed results of the definition of a key; none if there are none, or if this is not the
    /// key of a result.
    fn with_known<R>(
        &self,
        key: &Key,
        missing: Missing,
        work: impl FnOnce(&mut Opened) -> Result<R>,
    ) -> Result<Option<R>> {
        if !key.is_result() {
            return Ok(None);
        }
        let definition = key.definition();
        let known = self.known(&definition);
        let mut opened = locked(&known.opened);
        let is_there = || self.folder(&definition).join(FOLDER).is_dir();
        let opens = || match missing {
            Missing::Begun => true,
            Missing::LookedFor => is_there(),
            Missing::LookedForAtTimes => known.looked.is_due() && is_there(),
        };
        if opened.is_none() && opens() {
            IS_USED.store(true, Ordering::Relaxed);
            let files = SingleFiles::of(self.folder(&definition));
            *opened = Some(Opened { packed: self.packed(&definition), files });
        }
        opened.as_mut().map(work).transpose()
    }

    fn known(&self, definition: &Definition) -> Arc<Known> {
        let process = crate::process::id();
        // Nothing waits for this mutex: another thread may have locked it when the process forked.
        let mut last = self.last.0.try_lock().ok();
        if let Some(Some(last)) = last.as_deref()
            && (last.process, &*last.hash, &*last.function) == (process, definition.hash(), definition.function())
        {
            return last.known.clone();
        }
        let known = {
            let mut all = locked(&self::process().known);
            let new = || Arc::new(Known { opened: Mutex::new(None), looked: Throttle::every(LOOKED) });
            all.entry(self.folder(definition)).or_insert_with(new).clone()
        };
        if let Some(last) = &mut last {
            let (function, hash) = (definition.function().to_owned(), definition.hash().to_owned());
            **last = Some(LastUsed { process, function, hash, known: known.clone() });
        }
        known
    }

    /// Reads a packed entry; none if there is none. Also returns whether there may be a single file.
    /// `now`: also an entry that another process has just stored.
    pub(super) fn read_known(&self, key: &Key, now: bool) -> Result<(Option<Entry>, bool)> {
        let missing = match (self.is_packed, now) {
            (true, _) => Missing::Begun,
            (false, true) => Missing::LookedFor,
            (false, false) => Missing::LookedForAtTimes,
        };
        let found = self.with_known(key, missing, |opened| {
            opened.packed.follow(now)?;
            let entry = opened.packed.read_with(key, self.signing_key.as_ref())?;
            let may_be_file = entry.is_none() && opened.files.may_be_there(opened.packed.follows());
            Ok((entry, may_be_file))
        });
        Ok(found?.unwrap_or((None, true)))
    }

    /// Notes that this process has stored a single file.
    pub(super) fn note_file(&self, key: &Key) {
        if IS_USED.load(Ordering::Relaxed)
            && let Some(opened) = &mut *locked(&self.known(&key.definition()).opened)
        {
            opened.files.follows = None;
        }
    }

    /// Returns the number of a packed entry, and the time at which it was stored; none if there is
    /// none.
    pub(super) fn known_content_id(&self, key: &Key) -> Option<(ContentId, i64)> {
        let found = self.with_known(key, Missing::LookedForAtTimes, |Opened { packed, .. }| {
            packed.follow(false)?;
            packed.content_id(key)
        });
        found.ok()??
    }

    /// Returns the time at which the entry of a key was stored; none if there is none.
    pub fn time_stored(&self, key: &Key) -> Option<SystemTime> {
        let in_file = || self.path(key).symlink_metadata().ok()?.modified().ok();
        let packed = || {
            let (_, stored) = self.known_content_id(key)?;
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_nanos(stored.try_into().ok()?))
        };
        if self.is_packed { packed().or_else(in_file) } else { in_file().or_else(packed) }
    }

    /// Stores an entry packed. Returns none if it is not one to be packed: it is large, or a file
    /// that the computation read may change, so that it may be renamed.
    pub(super) fn write_known(
        &self,
        key: &Key,
        parts: (&[&[u8]], &[u8]),
        has_reads: bool,
        (durable, present): (bool, Present),
    ) -> Result<Option<Written>> {
        if !self.is_packed || has_reads {
            return Ok(None);
        }
        let signing_key = self.signing_key.as_ref();
        let written = self.with_known(key, Missing::Begun, |Opened { packed, .. }| {
            let written = packed.write_with(key, parts, durable, signing_key)?;
            if let (Some(content_id), Present::IsReplaced) = (written, present) {
                packed.remove_all_but(key, Some(content_id))?;
            }
            Ok(written)
        })?;
        let Some(content_id) = written.flatten() else { return Ok(None) };
        if present == Present::IsReplaced {
            self.remove_files(key)?;
            self.announce(&key.definition());
        }
        let bytes = packed::length_on_disk(parts);
        Ok(Some(Written { is_written: true, content_id, bytes }))
    }

    /// Deletes a packed entry. Returns false if there is none.
    pub(super) fn remove_known(&self, key: &Key) -> Result<bool> {
        let removed =
            self.with_known(key, Missing::LookedFor, |Opened { packed, .. }| packed.remove_all_but(key, None))?;
        let is_removed = removed == Some(true);
        if is_removed {
            self.announce(&key.definition());
        }
        Ok(is_removed)
    }

    /// Changes the time of the folder of a definition. Other processes then compare the entries in
    /// their memory caches with those on disk. Errors are ignored.
    fn announce(&self, definition: &Definition) {
        let folder = File::open(self.folder(definition));
        let _ = folder.and_then(|folder| folder.set_modified(SystemTime::now()));
    }
}

impl SingleFiles {
    fn of(folder: PathBuf) -> Self {
        let folder = WatchedFolder::new(folder);
        Self { folder, seen: None, follows: None, may_be_there: true, listed: Throttle::every(LISTED) }
    }

    /// Returns whether there may be a single file. `follows`: the number of the last look at packed
    /// results.
    fn may_be_there(&mut self, follows: u64) -> bool {
        if self.follows != Some(follows) {
            self.follows = Some(follows);
            self.look();
        }
        self.may_be_there
    }

    fn look(&mut self) {
        let Ok(Some(state)) = self.folder.state() else {
            self.may_be_there = true;
            return;
        };
        if !self.folder.is_local() {
            // Another host may have stored a file that is not seen here yet.
            self.may_be_there = true;
        } else if (Some(state) != self.seen || !state.is_settled) && (!self.may_be_there || self.listed.is_due()) {
            self.may_be_there = self.are_listed();
            self.seen = Some(state);
        }
    }

    fn are_listed(&self) -> bool {
        let Ok(mut files) = fs::read_dir(&self.folder.path) else { return true };
        let is_entry = |file: &std::io::Result<fs::DirEntry>| {
            file.as_ref().map_or(true, |file| file.file_name().as_encoded_bytes().ends_with(EXTENSION.as_bytes()))
        };
        files.by_ref().take(MAX_NAMES).any(|file| is_entry(&file)) || files.next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{Content, ERROR_EXTENSION, Listing, ReadOutcome};
    use super::*;

    const DEFINITION: &str = "0123456789abcdef0123456789abcdef01234567";

    fn key(arguments: &str) -> Key<'_> {
        Key::new("f", DEFINITION, arguments).unwrap()
    }

    fn body(store: &Store, key: &Key) -> Option<Vec<u8>> {
        match store.read(key).unwrap() {
            ReadOutcome::Found(entry) => Some(entry.body().to_vec()),
            ReadOutcome::Absent => None,
            ReadOutcome::Damaged(damage) => panic!("{damage}"),
        }
    }

    #[test]
    fn packed_and_single_entries_are_read_replaced_listed_and_deleted_alike() {
        let folder = tempfile::tempdir().unwrap();
        let single = Store::new(folder.path()).unwrap();
        let packed = single.clone().with_packed(true);
        let names: Vec<_> = (0..4).map(|number| format!("{number:040x}")).collect();
        let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
        let write = |store: &Store, number: usize, body: &[u8], present| {
            store.write_with(&keys[number], &Content::new(&[body]), false, present).unwrap()
        };
        for (number, store) in [&packed, &single, &packed, &single].into_iter().enumerate() {
            write(store, number, b"1.", Present::Stays);
        }
        assert_eq!([0, 1, 2, 3].map(|number| single.path(&keys[number]).exists()), [false, true, false, true]);
        for store in [&packed, &single] {
            assert!(keys.iter().all(|key| body(store, key).as_deref() == Some(b"1.")));
            assert!(keys.iter().all(|key| matches!(store.read_refreshed(key).unwrap(), ReadOutcome::Found(_))));
            assert_eq!(store.entries(&keys[0].definition()).unwrap(), names);
            let mut listed: Vec<_> = Listing::of(store.folder(&keys[0].definition()))
                .unwrap()
                .map(|listed| listed.unwrap().arguments)
                .collect();
            listed.sort();
            assert_eq!(listed, names);
        }
        // Each kind of store replaces entries of both kinds.
        for (number, store) in [(0, &packed), (1, &packed), (2, &single), (3, &single)] {
            let before = store.content_id(&keys[number]).unwrap();
            let written = write(store, number, b"2.", Present::IsReplaced);
            assert_ne!(before, written.content_id);
            for reader in [&packed, &single] {
                assert_eq!(body(reader, &keys[number]).unwrap(), b"2.");
                assert_eq!(reader.content_id(&keys[number]), Some(written.content_id));
                assert!(reader.time_stored(&keys[number]).unwrap().elapsed().unwrap() < Duration::from_secs(60));
            }
        }
        for (number, store) in [&single, &packed, &packed, &single].into_iter().enumerate() {
            assert!(store.remove(&keys[number]).unwrap());
            assert!(!store.remove(&keys[number]).unwrap());
            assert!([&packed, &single].iter().all(|store| body(store, &keys[number]).is_none()));
        }
        close_segments();
        assert_eq!(packed.entries(&keys[0].definition()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn single_files_that_are_packed_meanwhile_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path()).unwrap();
        let name = "0".repeat(40);
        let key = key(&name);
        assert!(body(&store, &key).is_none());
        assert!(store.write(&key, &Content::new(&[b"1."]), false).unwrap());
        assert_eq!(store.packed(&key.definition()).pack(true).unwrap().entries, 1);
        std::thread::sleep(LOOKED);
        assert_eq!(body(&store, &key).unwrap(), b"1.");
        assert_eq!(store.packed(&key.definition()).unpack().unwrap().results, 1);
        assert_eq!(body(&store, &key).unwrap(), b"1.");
    }

    #[test]
    fn large_entries_and_large_arguments_are_single_files() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path()).unwrap().with_packed(true);
        let name = "0".repeat(40);
        let body = [vec![7; 100_000], b".".to_vec()].concat();
        for key in [key(&name), Key::object(&name).unwrap()] {
            assert!(store.write(&key, &Content::new(&[&body]), false).unwrap());
            assert!(store.path(&key).exists());
            assert!(!store.write(&key, &Content::new(&[&body]), false).unwrap());
            assert!(store.remove(&key).unwrap());
        }
        assert!(!fs::exists(folder.path().join("objects").join(FOLDER)).unwrap());
    }

    #[test]
    fn a_remembered_error_is_a_single_file_beside_a_packed_result() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path()).unwrap().with_packed(true);
        let name = "0".repeat(40);
        let error_name = [&name, ERROR_EXTENSION].concat();
        let (result, error) = (key(&name), key(&error_name));
        assert!(store.write(&result, &Content::new(&[b"1."]), false).unwrap());
        assert!(body(&store, &error).is_none() && store.content_id(&error).is_none());
        assert!(!store.remove(&error).unwrap());
        store.write_with(&error, &Content::new(&[b"2."]), false, Present::IsReplaced).unwrap();
        assert_eq!([store.path(&result).exists(), store.path(&error).exists()], [false, true]);
        let mut errors = Listing::of_errors(store.folder(&error.definition())).unwrap();
        assert_eq!(errors.next().unwrap().unwrap().arguments, name);
        assert!(errors.next().is_none());
        assert_eq!([body(&store, &result).unwrap(), body(&store, &error).unwrap()], [b"1.", b"2."]);
        assert!(store.remove(&error).unwrap());
        assert_eq!([body(&store, &result).unwrap(), body(&store, &error).unwrap_or_default()], [&b"1."[..], b""]);
    }
}
