//! Deletes old unfinished files, which killed writers have left.
//!
//! A process that lists a folder deletes the unfinished files in it. A process that only writes
//! looks for them once in each folder.

use std::fs;
use std::hash::BuildHasher;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustc_hash::FxBuildHasher;

use super::files::DRAFT;

/// The age from which an unfinished file has certainly no writer. Writing takes seconds, but clocks
/// of other hosts may be hours off.
const STALE: Duration = Duration::from_secs(48 * 3600);

/// The maximum number of names that a writer checks, which takes a few milliseconds. The rest is
/// left to listings.
const MAX_NAMES: usize = 10_000;

/// The maximum number of folders that are remembered.
const SLOTS: usize = 1 << 10;

/// The folders that this process has swept, as a hash table without chains. There is no lock, which
/// could stay locked after a fork. Two folders in one slot may be swept more than once.
struct Swept([AtomicU64; SLOTS]);

static SWEPT: Swept = Swept::new();

impl Swept {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; SLOTS])
    }

    /// Adds a folder. Returns true if it was not in the table.
    fn add(&self, folder: &Path) -> bool {
        let hash = FxBuildHasher.hash_one(folder);
        let place = &self.0[hash as usize % self.0.len()];
        place.load(Ordering::Relaxed) != hash && place.swap(hash, Ordering::Relaxed) != hash
    }
}

/// Returns whether a file name is that of an unfinished file.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.starts_with(DRAFT)
}

/// Sweeps a folder, unless this process has done so. Errors are ignored.
pub(super) fn once(folder: &Path) {
    if !SWEPT.add(folder) {
        return;
    }
    let Ok(files) = fs::read_dir(folder) else { return };
    for found in files.take(MAX_NAMES).flatten() {
        if found.file_name().to_str().is_some_and(is_unfinished) {
            file(&found);
        }
    }
}

/// Deletes an unfinished file that is old. Errors are ignored.
pub(super) fn file(unfinished: &fs::DirEntry) {
    let age = || unfinished.metadata().ok().filter(fs::Metadata::is_file)?.modified().ok()?.elapsed().ok();
    if age().is_some_and(|age| age >= STALE) {
        let _ = fs::remove_file(unfinished.path());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::SystemTime;

    use super::super::{Content, Key, Listing, Store};
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn make(path: &Path, age: Duration) {
        File::create(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
    }

    #[test]
    fn only_old_unfinished_files_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, age| make(&folder.path().join(name), age);
        make(".tmp-old", STALE + HOUR);
        make(".tmp-new", STALE / 2);
        make("tmp-of-a-person", STALE + HOUR);
        let entry = format!("{}.dill", "0".repeat(40));
        make(&entry, STALE + HOUR);
        fs::create_dir(folder.path().join(".tmp-folder")).unwrap();
        let future = File::create(folder.path().join(".tmp-future")).unwrap();
        future.set_modified(SystemTime::now() + STALE + HOUR).unwrap();

        once(folder.path());
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".tmp-folder", ".tmp-future", ".tmp-new", &entry, "tmp-of-a-person"]);
    }

    #[test]
    fn each_folder_is_added_once() {
        let swept = Swept::new();
        assert!(swept.add(Path::new("/a/b")) && swept.add(Path::new("/a/c")));
        assert!(!swept.add(Path::new("/a/b")) && !swept.add(Path::new("/a/c")));
    }

    #[test]
    fn the_first_write_and_each_listing_sweep_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path()).unwrap();
        let hash = "0".repeat(40);
        for key in [Key::new("f", &hash, &hash), Key::object(&hash)] {
            let key = key.unwrap();
            let folder = store.folder(&key.definition());
            let unfinished = folder.join(format!("{DRAFT}x"));
            fs::create_dir_all(&folder).unwrap();
            make(&unfinished, STALE + HOUR);
            assert!(store.write(&key, &Content::new(&[b"N."]), false).unwrap());
            assert!(!unfinished.exists(), "{}", folder.display());

            make(&unfinished, STALE + HOUR);
            assert_eq!(Listing::of(&folder).unwrap().count(), 1);
            assert!(!unfinished.exists(), "{}", folder.display());
        }
    }
}
