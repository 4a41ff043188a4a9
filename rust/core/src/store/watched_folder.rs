//! The state of a folder, which shows whether names in it were added, renamed or deleted.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::filesystem;
use super::remove::unless_absent;
use crate::file_stamp::{FileStamp, LOCAL_RESOLUTION};
use crate::throttle::Throttle;

/// The minimum time between two checks that an open folder still has its path.
const PERIOD: Duration = Duration::from_millis(1);

/// The state of a folder. Two equal states mean that no name was added, renamed or deleted between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FolderState {
    pub(super) stamp: FileStamp,
    /// False if the next change may leave the same stamp.
    pub(super) is_settled: bool,
}

/// A folder, which is kept open on a local file system: looking at it then takes a third of the time.
#[derive(Debug)]
pub(super) struct WatchedFolder {
    pub(super) path: PathBuf,
    /// The open folder, and its stamp at that time.
    open: Option<(File, FileStamp)>,
    look: Throttle,
}

impl WatchedFolder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: None, look: Throttle::every(PERIOD) }
    }

    /// Returns the state of the folder; none if it does not exist.
    pub(super) fn state(&mut self) -> io::Result<Option<FolderState>> {
        let here = self.here().filter(|_| !self.look.is_due());
        let metadata = match here {
            Some(here) => Some(here),
            None => unless_absent(fs::metadata(&self.path))?,
        };
        let Some(metadata) = metadata else {
            self.close();
            return Ok(None);
        };
        let stamp = FileStamp::of(&metadata);
        if self.open.as_ref().is_none_or(|(_, opened)| !opened.is_same_file(&stamp)) {
            self.close();
            self.open = open(&self.path);
        }
        // On a network file system, the system remembers the times for up to a minute.
        let is_settled = self.is_local() && stamp.is_settled(SystemTime::now(), LOCAL_RESOLUTION);
        Ok(Some(FolderState { stamp, is_settled }))
    }

    /// Returns whether the folder is known to be on a disk of this machine.
    pub(super) fn is_local(&self) -> bool {
        self.open.is_some()
    }

    /// Returns the metadata of the open folder, unless it was deleted, or the program has closed the
    /// descriptor, which may then be that of another file.
    fn here(&self) -> Option<Metadata> {
        let (file, opened) = self.open.as_ref()?;
        let metadata = file.metadata().ok()?;
        (FileStamp::of(&metadata).is_same_file(opened) && has_name(&metadata)).then_some(metadata)
    }

    fn close(&mut self) {
        let is_ours = self.open.as_ref().is_some_and(|(file, opened)| {
            file.metadata().is_ok_and(|metadata| FileStamp::of(&metadata).is_same_file(opened))
        });
        let open = self.open.take();
        if !is_ours {
            // The descriptor belongs to another part of the program.
            std::mem::forget(open);
        }
    }
}

impl Drop for WatchedFolder {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(unix)]
fn open(path: &Path) -> Option<(File, FileStamp)> {
    let file = File::open(path).ok().filter(filesystem::is_local)?;
    let metadata = file.metadata().ok().filter(Metadata::is_dir)?;
    Some((file, FileStamp::of(&metadata)))
}

/// Returns none: a folder that is open on Windows cannot be renamed.
#[cfg(not(unix))]
fn open(_: &Path) -> Option<(File, FileStamp)> {
    None
}

#[cfg(unix)]
fn has_name(metadata: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(metadata) > 0
}

#[cfg(not(unix))]
fn has_name(_: &Metadata) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn changes_of_the_folder_and_of_its_path_are_seen() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("folder");
        let mut folder = WatchedFolder::new(path.clone());
        assert_eq!(folder.state().unwrap(), None);
        fs::create_dir(&path).unwrap();
        let empty = folder.state().unwrap().unwrap();
        assert_eq!(folder.state().unwrap().unwrap().stamp, empty.stamp);
        std::thread::sleep(LOCAL_RESOLUTION);
        fs::write(path.join("name"), "").unwrap();
        let one = folder.state().unwrap().unwrap();
        assert_ne!(one.stamp, empty.stamp);
        // Another folder, under the same path.
        fs::rename(&path, root.path().join("aside")).unwrap();
        fs::create_dir(&path).unwrap();
        std::thread::sleep(PERIOD);
        let other = folder.state().unwrap().unwrap();
        assert!(!other.stamp.is_same_file(&one.stamp));
        fs::remove_dir(&path).unwrap();
        assert_eq!(folder.state().unwrap(), None);
    }
}
