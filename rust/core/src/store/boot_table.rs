//! A table of the files that processes of this user have verified since the machine started.
//!
//! The table is a file of the user's runtime folder with places for 65,536 digests. A digest covers
//! the boot id and the state of a file, and determines the bucket that may contain it. Processes
//! read and write without locks: a digest that is torn, overwritten or lost matches nothing, and
//! its file is verified again.
//!
//! Only this user can write the table, so that no other user can declare a file as verified.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags};

use super::filesystem;
use super::permissions::Access;
use super::verified::FileState;

/// The length of a digest in bytes.
const DIGEST: usize = 16;

/// The number of digests in a bucket.
const PLACES: usize = 8;

/// The number of buckets; a power of two.
const BUCKETS: u64 = 8192;

type Digest = [u8; DIGEST];

/// Returns whether the table contains the state of a file.
pub(super) fn contains(state: FileState) -> bool {
    open().is_some_and(|table| is_in(&table, state).unwrap_or(false))
}

/// Adds the state of a file to the table. Does nothing if there can be no table.
pub(super) fn insert(state: FileState) {
    if let Some(table) = open() {
        put_into(&table, state);
    }
}

fn is_in(table: &File, state: FileState) -> Option<bool> {
    let digest = digest(state)?;
    Some(bucket(table, &digest)?.contains(&digest))
}

fn put_into(table: &File, state: FileState) {
    let Some(digest) = digest(state) else { return };
    let Some(bucket) = bucket(table, &digest) else { return };
    // If the bucket is full, a digest that depends on the new one makes way.
    let place = bucket.iter().position(|other| *other == Digest::default());
    let place = place.unwrap_or(digest[DIGEST - 1] as usize % PLACES);
    // After a failure, the file is verified again.
    let _ = table.write_all_at(&digest, start(&digest) + (place * DIGEST) as u64);
}

/// Hashes a state with the boot id; none if the system does not provide it.
fn digest(state: FileState) -> Option<Digest> {
    // Two threads may read it at once, so that no thread waits: after a fork, a child would wait
    // forever for a thread that it does not have.
    static BOOT: OnceLock<Vec<u8>> = OnceLock::new();
    let boot = if let Some(boot) = BOOT.get() {
        boot
    } else {
        let _ = BOOT.set(fs::read("/proc/sys/kernel/random/boot_id").ok()?);
        BOOT.get()?
    };
    let mut hasher = blake3::Hasher::new_derive_key("funes 2026-11 verified since boot");
    hasher.update(&state.0).update(boot);
    hasher.finalize().as_bytes().first_chunk().copied()
}

/// Returns the offset of the bucket of a digest.
fn start(digest: &Digest) -> u64 {
    let number = u64::from_le_bytes(*digest.first_chunk().expect("a digest has 16 bytes"));
    number % BUCKETS * (PLACES * DIGEST) as u64
}

/// Reads the bucket of a digest. What is beyond the end of the table is empty.
fn bucket(table: &File, digest: &Digest) -> Option<[Digest; PLACES]> {
    let mut bytes = [0; PLACES * DIGEST];
    table.read_at(&mut bytes, start(digest)).ok()?;
    let mut bucket = [Digest::default(); PLACES];
    for (place, digest) in bucket.iter_mut().zip(bytes.chunks_exact(DIGEST)) {
        place.copy_from_slice(digest);
    }
    Some(bucket)
}

fn open() -> Option<File> {
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let user = rustix::process::geteuid().as_raw();
    let fallback = || open_in(&env::temp_dir().join(format!("funes-{user}")), user);
    runtime.and_then(|runtime| open_in(&runtime.join("funes"), user)).or_else(fallback)
}

/// Opens the table in a folder, and creates both if they do not exist. Returns none unless both are
/// on this machine, belong to the user, and are closed to all other users.
fn open_in(folder: &Path, user: u32) -> Option<File> {
    let _ = Access::Private.create_folder(folder);
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // The folder is held open while it is checked: its name may be given to another folder.
    let folder = File::from(rustix::fs::open(folder, flags | OFlags::RDONLY, Mode::empty()).ok()?);
    if !is_private(&folder, user)? {
        return None;
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let table = File::from(rustix::fs::openat(&folder, "verified", flags, Mode::RUSR | Mode::WUSR).ok()?);
    let is_table = table.metadata().ok()?.is_file() && is_private(&table, user)? && filesystem::is_local(&table);
    is_table.then_some(table)
}

/// Returns whether a file belongs to the user, and no other user has any permission for it.
fn is_private(file: &File, user: u32) -> Option<bool> {
    let metadata = file.metadata().ok()?;
    Some(metadata.uid() == user && metadata.mode().trailing_zeros() >= 6)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn state(number: u64) -> FileState {
        FileState(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    fn user() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn other_processes_find_what_was_added() {
        let runtime = tempfile::tempdir().unwrap();
        let folder = runtime.path().join("funes");
        let table = open_in(&folder, user()).unwrap();
        assert_eq!(is_in(&table, state(1)), Some(false));
        put_into(&table, state(1));
        let other = open_in(&folder, user()).unwrap();
        assert_eq!((is_in(&other, state(1)), is_in(&other, state(2))), (Some(true), Some(false)));
        fs::remove_file(folder.join("verified")).unwrap();
        assert_eq!(is_in(&open_in(&folder, user()).unwrap(), state(1)), Some(false));
    }

    #[test]
    fn the_table_does_not_grow_and_keeps_the_latest() {
        let runtime = tempfile::tempdir().unwrap();
        let table = open_in(&runtime.path().join("funes"), user()).unwrap();
        let count = 3 * BUCKETS * PLACES as u64;
        for number in 0..count {
            put_into(&table, state(number));
            assert_eq!(is_in(&table, state(number)), Some(true));
        }
        assert!(table.metadata().unwrap().len() <= BUCKETS * (PLACES * DIGEST) as u64);
        let found = (0..count).filter(|number| is_in(&table, state(*number)) == Some(true)).count() as u64;
        assert!(found > BUCKETS * PLACES as u64 * 9 / 10, "{found}");
    }

    #[test]
    fn damage_of_the_table_means_not_verified() {
        let runtime = tempfile::tempdir().unwrap();
        let folder = runtime.path().join("funes");
        let table = open_in(&folder, user()).unwrap();
        put_into(&table, state(1));
        let path = folder.join("verified");
        let whole = fs::read(&path).unwrap();
        let place = whole.iter().position(|byte| *byte != 0).unwrap();
        for index in place..whole.len() {
            let mut changed = whole.clone();
            changed[index] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert_eq!(is_in(&table, state(1)), Some(false));
            fs::write(&path, &whole[..index]).unwrap();
            assert_eq!(is_in(&table, state(1)), Some(false));
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(is_in(&table, state(1)), Some(true));
    }

    #[test]
    fn a_table_that_others_could_write_is_not_used() {
        let runtime = tempfile::tempdir().unwrap();
        let folder = runtime.path().join("funes");
        let table = folder.join("verified");
        let opens = || open_in(&folder, user()).is_some();
        assert!(opens());
        assert!(open_in(&folder, user() + 1).is_none());
        for (path, mode) in [(&folder, 0o755), (&folder, 0o720), (&table, 0o644), (&table, 0o620)] {
            let private = path.metadata().unwrap().permissions();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(!opens());
            fs::set_permissions(path, private).unwrap();
            assert!(opens());
        }
        let elsewhere = runtime.path().join("elsewhere");
        fs::rename(&table, &elsewhere).unwrap();
        symlink(&elsewhere, &table).unwrap();
        assert!(!opens());
        fs::remove_file(&table).unwrap();
        fs::create_dir(&table).unwrap();
        assert!(!opens());
        fs::rename(&folder, elsewhere.with_extension("folder")).unwrap();
        symlink(elsewhere.with_extension("folder"), &folder).unwrap();
        assert!(!opens());
        fs::remove_file(&folder).unwrap();
        fs::write(&folder, "").unwrap();
        assert!(!opens());
    }
}
