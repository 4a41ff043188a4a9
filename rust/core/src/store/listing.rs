//! Lists the entries in a folder without reading them.

use std::fs::{self, ReadDir};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::layout;
use super::remove::unless_absent;
use super::sweep;
use crate::error::{Context, Result};

/// An entry in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The argument digest, or the content hash of a large argument.
    pub arguments: String,
    /// The size of the entry's file in bytes.
    pub bytes: u64,
    /// The time at which the entry was stored, in nanoseconds since 1970.
    pub modified: i64,
}

/// Iterates over the entries of a folder, in the order of the file system. An entry that is stored
/// or deleted during the iteration may be included or not.
///
/// The iterator deletes old unfinished files of killed writers that it finds.
#[derive(Debug)]
pub struct Listing {
    folder: PathBuf,
    /// None if the folder does not exist.
    files: Option<ReadDir>,
}

impl Listing {
    /// Lists a folder of entries: of a definition, of large arguments, or of damaged files.
    pub fn of(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        let files = unless_absent(fs::read_dir(&folder)).context("list", &folder)?;
        Ok(Self { folder, files })
    }
}

impl Iterator for Listing {
    type Item = Result<Listed>;

    fn next(&mut self) -> Option<Self::Item> {
        for file in self.files.as_mut()? {
            match file.context("list", &self.folder) {
                Ok(file) => {
                    if let Some(listed) = listed(&file) {
                        return Some(Ok(listed));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }
}

/// Passes the argument digest of each entry in a folder to `visit`, in the order of the file
/// system.
///
/// Unlike [`Listing`], this does not ask for sizes and times, which takes a system call per entry.
pub fn visit_names(folder: &Path, mut visit: impl FnMut(&str)) -> Result<()> {
    let Some(files) = unless_absent(fs::read_dir(folder)).context("list", folder)? else { return Ok(()) };
    for file in files {
        let file = file.context("list", folder)?;
        let name = file.file_name();
        let Some(name) = name.to_str() else { continue };
        if sweep::is_unfinished(name) {
            sweep::file(&file);
        } else if let Some(arguments) = layout::arguments_of(name)
            && file.file_type().is_ok_and(|kind| kind.is_file())
        {
            visit(arguments);
        }
    }
    Ok(())
}

/// Returns the argument digests of the entries in a folder, sorted; empty if the folder does not
/// exist.
pub(super) fn entries(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    visit_names(folder, |arguments| found.push(arguments.to_owned()))?;
    found.sort_unstable();
    Ok(found)
}

/// Returns a listed entry for a file; none if the file is not regular, or does not have the name of
/// an entry.
fn listed(file: &fs::DirEntry) -> Option<Listed> {
    let name = file.file_name();
    let name = name.to_str()?;
    if sweep::is_unfinished(name) {
        sweep::file(file);
        return None;
    }
    let arguments = layout::arguments_of(name)?;
    // A file that is deleted meanwhile is skipped.
    let metadata = file.metadata().ok().filter(fs::Metadata::is_file)?;
    let modified = metadata.modified().map_or(0, nanoseconds);
    Some(Listed { arguments: arguments.to_owned(), bytes: metadata.len(), modified })
}

fn nanoseconds(time: SystemTime) -> i64 {
    let whole = |length: Duration| i64::try_from(length.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => whole(after),
        Err(before) => -whole(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_listing_has_names_sizes_and_times() {
        let folder = tempfile::tempdir().unwrap();
        for (name, age) in [("0", 1), ("1", 2)] {
            let path = folder.path().join(format!("{}.dill", name.repeat(40)));
            fs::write(&path, name.repeat(age)).unwrap();
            let at = UNIX_EPOCH + Duration::from_nanos(age as u64 * 1_000_000_000);
            File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        }
        fs::create_dir(folder.path().join(format!("{}.dill", "2".repeat(40)))).unwrap();
        fs::write(folder.path().join("definition.json"), "{}").unwrap();
        let mut listing: Vec<_> = Listing::of(folder.path()).unwrap().map(Result::unwrap).collect();
        listing.sort_by_key(|listed| listed.modified);
        let expected = |name: &str, age: u64| Listed {
            arguments: name.repeat(40),
            bytes: age,
            modified: age.cast_signed() * 1_000_000_000,
        };
        assert_eq!(listing, [expected("0", 1), expected("1", 2)]);
        assert_eq!(entries(folder.path()).unwrap(), ["0".repeat(40), "1".repeat(40)]);
        assert_eq!(entries(&folder.path().join("missing")).unwrap(), Vec::<String>::new());
        assert_eq!(Listing::of(folder.path().join("missing")).unwrap().count(), 0);
        assert_eq!(nanoseconds(UNIX_EPOCH - Duration::from_nanos(3)), -3);
    }
}
