//! Making an entry visible: whole, or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::{folders, named};
use crate::error::{Context, Result};

/// How often a folder that somebody deletes while it is being written to is created again.
const ATTEMPTS: usize = 8;

/// Up to here copying costs less than a second call to the system.
const ONE_WRITE: usize = 64 << 10;

/// What came of one attempt to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The entry is there, and it is ours.
    Published,
    /// Another entry was there first.
    Taken,
    /// The folder is not there, or no longer.
    Vanished,
}

/// Writes the content to a file that nobody sees yet. Each call is given a file of its own.
pub(super) type Fill<'a> = dyn Fn(&File) -> Result<()> + 'a;

/// Makes a new file `path` of `parts`, one after the other, and whatever folders it needs from `root` down and above.
/// False if there is something at `path` already: same key, same value, so nothing is lost.
pub(super) fn publish(root: &Path, path: &Path, parts: [&[u8]; 2], durable: bool) -> Result<bool> {
    let folder = path.parent().unwrap_or(root);
    let first = place(root, folder, path, &|file| {
        fill(file, parts).context("write", path)?;
        // Once: after a failed fsync the system may have dropped the data, and a second one would not tell.
        if durable { file.sync_all().context("sync", path) } else { Ok(()) }
    })?;
    if durable {
        // Also if somebody else was first: their sync may be still under way.
        if let Err(error) = folders::sync_names(root, folder) {
            if first {
                // What may not last must not look as if it did.
                let _ = fs::remove_file(path);
            }
            return Err(error);
        }
    }
    Ok(first)
}

/// Publishes, and creates the folder when it is missing.
fn place(root: &Path, folder: &Path, path: &Path, fill: &Fill) -> Result<bool> {
    for _ in 0..ATTEMPTS {
        match attempt(folder, path, fill)? {
            Attempt::Published => return Ok(true),
            Attempt::Taken => return Ok(false),
            Attempt::Vanished => {}
        }
        match folders::create(folder, root) {
            // The folder above it was deleted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            created => created.context("create the folder", folder)?,
        }
    }
    // Somebody deletes faster than we create.
    Err(io::ErrorKind::NotFound.into()).context("keep the folder", folder)
}

/// In the best way that the file system offers.
fn attempt(folder: &Path, path: &Path, fill: &Fill) -> Result<Attempt> {
    #[cfg(target_os = "linux")]
    if let Some(attempt) = super::unnamed::publish(folder, path, fill)? {
        return Ok(attempt);
    }
    named::publish(folder, path, fill)
}

fn fill(mut file: &File, [body, tail]: [&[u8]; 2]) -> io::Result<()> {
    #[cfg(unix)]
    folders::grant(&file.metadata()?, 0o600, |permissions| file.set_permissions(permissions))?;
    if body.len() + tail.len() <= ONE_WRITE {
        return file.write_all(&[body, tail].concat());
    }
    file.write_all(body)?;
    file.write_all(tail)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    type Way = fn(&Path, &Path, &Fill) -> Result<Attempt>;

    const WAYS: [Way; 2] = [attempt, named::publish];

    fn names(folder: &Path) -> Vec<PathBuf> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()).collect();
        names.sort();
        names
    }

    #[test]
    fn each_way_publishes_once_and_leaves_nothing_else() {
        for way in WAYS {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("entry");
            let write = |text: &'static [u8]| {
                let fill = move |file: &File| fill(file, [text, b"!"]).context("write", "".as_ref());
                way(folder.path(), &path, &fill).unwrap()
            };
            assert_eq!(write(b"first"), Attempt::Published);
            assert_eq!(write(b"second"), Attempt::Taken);
            assert_eq!(fs::read(&path).unwrap(), b"first!");
            assert_eq!(names(folder.path()), [path]);
        }
    }

    #[test]
    fn each_way_leaves_nothing_when_writing_or_syncing_fails() {
        for way in WAYS {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("entry");
            let failure = |mut file: &File| {
                file.write_all(b"half").unwrap();
                Err(io::Error::other("disk on fire")).context("write", &path)
            };
            let result = way(folder.path(), &path, &failure);
            assert!(result.is_err_and(|error| error.to_string().contains("disk on fire")));
            assert!(names(folder.path()).is_empty());
        }
    }

    #[cfg(unix)] // Windows keeps a folder that holds an open file.
    #[test]
    fn each_way_sees_that_the_folder_has_vanished_before_or_meanwhile() {
        for way in WAYS {
            let above = tempfile::tempdir().unwrap();
            let folder = above.path().join("folder");
            let path = folder.join("entry");
            assert_eq!(way(&folder, &path, &|_| Ok(())).unwrap(), Attempt::Vanished);

            fs::create_dir(&folder).unwrap();
            let vanish = |_: &File| {
                fs::remove_dir_all(&folder).unwrap();
                Ok(())
            };
            assert_eq!(way(&folder, &path, &vanish).unwrap(), Attempt::Vanished);
        }
    }

    #[cfg(unix)] // Windows keeps a folder that holds an open file.
    #[test]
    fn a_folder_that_vanishes_is_created_again() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("a").join("b");
        let path = folder.join("entry");
        let times = std::cell::Cell::new(0);
        let vanish = |_: &File| {
            times.set(times.get() + 1);
            if times.get() < 3 {
                fs::remove_dir_all(above.path().join("a")).unwrap();
            }
            Ok(())
        };
        assert!(place(above.path(), &folder, &path, &vanish).unwrap());
        assert_eq!(names(&folder), [path]);
    }

    #[cfg(unix)] // Windows keeps a folder that holds an open file.
    #[test]
    fn a_folder_that_always_vanishes_is_given_up() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("folder");
        let vanish = |_: &File| {
            fs::remove_dir_all(&folder).unwrap();
            Ok(())
        };
        let error = place(above.path(), &folder, &folder.join("entry"), &vanish).unwrap_err();
        assert!(error.to_string().contains("folder"), "{error}");
        assert!(names(above.path()).len() <= 1);
    }

    #[cfg(unix)]
    #[test]
    fn the_number_of_the_system_s_error_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        File::create(&file).unwrap();
        let error = place(folder.path(), &file, &file.join("entry"), &|_| Ok(())).unwrap_err();
        let crate::error::Error::Io { source, .. } = error else { panic!("{error}") };
        assert_eq!(source.raw_os_error(), Some(rustix::io::Errno::NOTDIR.raw_os_error()));
    }
}
