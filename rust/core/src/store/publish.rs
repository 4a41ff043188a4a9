//! Publishes an entry: makes it visible completely or not at all.

use std::io;
use std::path::Path;

use super::files::Files;
use super::folders;
use crate::error::{Context, Result};

/// The number of times that a folder or an unfinished file is created again if it is deleted while
/// it is in use.
const ATTEMPTS: usize = 8;

/// What happens to an entry that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Present {
    /// It stays: an entry with the same key has the same value.
    Stays,
    /// It is replaced. Readers see the former entry or the new one.
    IsReplaced,
}

/// The outcome of one attempt to publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The entry was published.
    Published,
    /// There was another entry already.
    Taken,
    /// The folder or the unfinished file does not exist.
    Vanished,
}

/// A function that writes the content to a file that is not visible yet. Each call gets a new file.
type Fill<'a, F> = dyn Fn(&<F as Files>::File) -> Result<()> + 'a;

/// Creates the file `path`, which `fill` writes, and missing folders. Returns false if `path` is
/// taken and stays.
pub(super) fn publish<F: Files>(
    disk: &F,
    root: &Path,
    path: &Path,
    (durable, present): (bool, Present),
    fill: impl Fn(&F::File) -> io::Result<()>,
) -> Result<bool> {
    let folder = path.parent().unwrap_or(root);
    let first = place(disk, root, folder, (path, present), &|file| {
        fill(file).context("write", path)?;
        if durable { disk.sync(file).context("sync", path) } else { Ok(()) }
    })?;
    if durable {
        if !first {
            // The process that wrote the entry may not have synced it (yet).
            disk.sync_named(path).context("sync", path)?;
        }
        if let Err(error) = folders::sync_names(disk, root, folder) {
            if first && present == Present::Stays {
                // The entry may not survive a power failure, so it must not be visible.
                let _ = disk.remove(path);
            }
            return Err(error);
        }
        // A cheaper result may be computed again by another host.
        disk.mark_changed(folder);
    }
    Ok(first)
}

/// Publishes a file, and creates its folder if it is missing.
fn place<F: Files>(
    disk: &F,
    root: &Path,
    folder: &Path,
    (path, present): (&Path, Present),
    fill: &Fill<'_, F>,
) -> Result<bool> {
    for _ in 0..ATTEMPTS {
        // A file without a name cannot get the name of another file.
        let attempt = if present == Present::IsReplaced { None } else { unnamed(disk, folder, path, fill)? };
        let attempt = match attempt {
            Some(attempt) => attempt,
            None => named(disk, folder, (path, present), fill)?,
        };
        match attempt {
            Attempt::Published => return Ok(true),
            Attempt::Taken => return Ok(false),
            Attempt::Vanished => {}
        }
        match folders::create_with(disk, folder, root) {
            // The parent folder was deleted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            created => created.context("create the folder", folder)?,
        }
    }
    // Another process deletes the folder again and again.
    Err(io::Error::new(io::ErrorKind::NotFound, "it cannot be created there, or is deleted again and again"))
        .context("create the folder", folder)
}

/// Publishes a file that has no name until it is complete. A process that is killed leaves no file
/// behind. This takes 30 us, and [`named`] takes 48. Returns none if this is not supported.
fn unnamed<F: Files>(disk: &F, folder: &Path, path: &Path, fill: &Fill<'_, F>) -> Result<Option<Attempt>> {
    let opened = match disk.unnamed(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Attempt::Vanished)),
        other => other.context("create a file in", folder)?,
    };
    let Some(opened) = opened else { return Ok(None) };
    fill(&opened)?;
    match disk.link(&opened, path) {
        Ok(()) => Ok(Some(Attempt::Published)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Some(Attempt::Taken)),
        // `/proc` may be missing or hidden. The caller uses a draft instead, and reports the error
        // of the draft.
        Err(_) => Ok(None),
    }
}

/// Publishes a file that has another name until it is complete. A process that is killed leaves the
/// file behind. Such a file is never read as an entry, and is swept when it is old.
fn named<F: Files>(disk: &F, folder: &Path, (path, present): (&Path, Present), fill: &Fill<'_, F>) -> Result<Attempt> {
    let (opened, draft) = match disk.draft(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Attempt::Vanished),
        other => other.context("create a file in", folder)?,
    };
    let attempt = fill(&opened).and_then(|()| name_draft(disk, &draft, (path, present)));
    if !matches!(attempt, Ok(Attempt::Published)) {
        let _ = disk.remove(&draft);
    }
    attempt
}

/// Gives a complete draft the name of an entry.
pub(super) fn name_draft<F: Files>(disk: &F, draft: &Path, (path, present): (&Path, Present)) -> Result<Attempt> {
    match present {
        Present::Stays => rename(disk, draft, path),
        Present::IsReplaced => replace(disk, draft, path),
    }
}

fn rename<F: Files>(disk: &F, draft: &Path, path: &Path) -> Result<Attempt> {
    match disk.rename_new(draft, path) {
        Ok(()) => Ok(Attempt::Published),
        // The error code differs between systems, so check the name instead.
        Err(_) if disk.is_taken(path) => Ok(Attempt::Taken),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Attempt::Vanished),
        // The file system has neither hard links nor a rename that does not replace (FAT, some FUSE
        // and cloud ones). An entry that another process stores between the check above and this
        // rename is replaced by an equal one.
        Err(_) => replace(disk, draft, path),
    }
}

fn replace<F: Files>(disk: &F, draft: &Path, path: &Path) -> Result<Attempt> {
    match disk.replace(draft, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Attempt::Vanished),
        replaced => replaced.context("write", path).map(|()| Attempt::Published),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::path::PathBuf;

    use super::super::files::Real;
    use super::super::permissions::Access;
    use super::*;

    type Way = fn(&Path, &Path, &Fill<'_, Real>) -> Result<Attempt>;

    const REAL: Real = Real { access: Access::Private };

    const WAYS: [Way; 2] = [
        |folder, path, fill| {
            let attempt = unnamed(&REAL, folder, path, fill)?;
            attempt.map_or_else(|| named(&REAL, folder, (path, Present::Stays), fill), Ok)
        },
        |folder, path, fill| named(&REAL, folder, (path, Present::Stays), fill),
    ];

    fn names(folder: &Path) -> Vec<PathBuf> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()).collect();
        names.sort();
        names
    }

    #[test]
    fn each_method_publishes_once_and_leaves_no_other_file() {
        for way in WAYS {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("entry");
            let write = |text: &'static [u8]| {
                way(folder.path(), &path, &|file| REAL.write(file, text).context("write", &path)).unwrap()
            };
            assert_eq!(write(b"first"), Attempt::Published);
            assert_eq!(write(b"second"), Attempt::Taken);
            assert_eq!(fs::read(&path).unwrap(), b"first");
            assert_eq!(names(folder.path()), [path]);
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entry");
        let replace =
            |fill: &Fill<'_, Real>| place(&REAL, folder.path(), folder.path(), (&path, Present::IsReplaced), fill);
        for text in [b"first", b"other"] {
            assert!(replace(&|file| REAL.write(file, text).context("write", &path)).unwrap());
            assert_eq!(fs::read(&path).unwrap(), text);
        }
        assert!(replace(&|_| Err(io::Error::other("disk on fire")).context("write", &path)).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"other");
        assert_eq!(names(folder.path()), [path]);
    }

    #[test]
    fn each_method_leaves_no_file_if_writing_or_syncing_fails() {
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
    fn each_method_detects_a_deleted_folder() {
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
    fn a_deleted_folder_is_created_again() {
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
        assert!(place(&REAL, above.path(), &folder, (&path, Present::Stays), &vanish).unwrap());
        assert_eq!(names(&folder), [path]);
    }

    #[cfg(unix)] // Windows keeps a folder that holds an open file.
    #[test]
    fn a_folder_that_is_deleted_repeatedly_is_an_error() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("folder");
        let vanish = |_: &File| {
            fs::remove_dir_all(&folder).unwrap();
            Ok(())
        };
        let error = place(&REAL, above.path(), &folder, (&folder.join("entry"), Present::Stays), &vanish).unwrap_err();
        assert!(error.to_string().contains("folder"), "{error}");
        assert!(names(above.path()).len() <= 1);
    }

    #[cfg(unix)]
    #[test]
    fn the_error_number_of_the_system_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        File::create(&file).unwrap();
        let error = place(&REAL, folder.path(), &file, (&file.join("entry"), Present::Stays), &|_| Ok(())).unwrap_err();
        let crate::error::Error::Io { source, .. } = error else { panic!("{error}") };
        assert_eq!(source.raw_os_error(), Some(rustix::io::Errno::NOTDIR.raw_os_error()));
    }

    #[cfg(unix)]
    #[test]
    fn a_deleted_draft_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entry");
        let times = std::cell::Cell::new(0);
        let sweep = |_: &File| {
            times.set(times.get() + 1);
            if times.get() < 3 {
                for draft in names(folder.path()) {
                    fs::remove_file(draft).unwrap();
                }
            }
            Ok(())
        };
        let tried = std::iter::repeat_with(|| named(&REAL, folder.path(), (&path, Present::Stays), &sweep).unwrap());
        let outcomes: Vec<_> = tried.take(3).collect();
        assert_eq!(outcomes, [Attempt::Vanished, Attempt::Vanished, Attempt::Published]);
        assert_eq!(names(folder.path()), [path]);
    }
}
