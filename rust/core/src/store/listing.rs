//! Lists the entries in a folder without reading them.

use std::collections::HashSet;
use std::fs::{self, ReadDir};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::vec::IntoIter;

use super::layout;
use super::packed;
use super::remove::unless_absent;
use super::sweep;
use crate::error::{Context, Result};

/// An entry in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The argument digest, or the content hash of a large argument.
    pub arguments: String,
    /// The number of bytes that the entry takes on disk: the size of its file, or of its record.
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
    extension: &'static str,
    /// None if the folder does not exist.
    files: Option<ReadDir>,
    /// The names of the files, if there are packed entries too.
    seen: Option<HashSet<String>>,
    packed: Option<IntoIter<Listed>>,
    /// About the number of files, and of packed entries, that are listed.
    most: usize,
    /// The number of files that were listed.
    count: usize,
}

impl Listing {
    /// Lists a folder of entries: of a definition, of large arguments, or of damaged files.
    pub fn of(folder: impl Into<PathBuf>) -> Result<Self> {
        Self::with_extension(folder.into(), layout::EXTENSION)
    }

    /// Lists the remembered errors in a folder.
    pub fn of_errors(folder: impl Into<PathBuf>) -> Result<Self> {
        Self::with_extension(folder.into(), layout::ERROR_EXTENSION)
    }

    fn with_extension(folder: PathBuf, extension: &'static str) -> Result<Self> {
        let files = unless_absent(fs::read_dir(&folder)).context("list", &folder)?;
        let has_packed = extension == layout::EXTENSION && folder.join(packed::FOLDER).is_dir();
        let seen = has_packed.then(HashSet::new);
        Ok(Self { folder, extension, files, seen, packed: None, most: usize::MAX, count: 0 })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn extension(&self) -> &'static str {
        self.extension
    }

    /// Returns the next files, about `count`, of which most are entries; none after the last one.
    pub(super) fn next_files(&mut self, count: usize) -> Result<Vec<fs::DirEntry>> {
        let Some(files) = &mut self.files else { return Ok(Vec::new()) };
        files.by_ref().take(count).collect::<io::Result<_>>().context("list", &self.folder)
    }

    /// Remembers an entry that was taken with [`Listing::next_files`], and deletes an old unfinished
    /// file.
    pub(super) fn note(&mut self, file: &fs::DirEntry) {
        let name = file.file_name();
        let Some(name) = name.to_str() else { return };
        if sweep::is_unfinished(name) {
            sweep::file(file);
        } else if let Some(seen) = &mut self.seen
            && let Some(arguments) = layout::arguments_of(name, self.extension)
        {
            seen.insert(arguments.to_owned());
        }
    }

    /// Ends the listing before the packed entries. Returns the names of the files; none if there are
    /// no packed entries.
    pub(super) fn end(&mut self) -> Option<HashSet<String>> {
        self.files = None;
        self.seen.take()
    }

    /// Lists only about `most` of the files, and of the packed entries.
    #[must_use]
    pub fn at_most(self, most: usize) -> Self {
        Self { most, ..self }
    }
}

impl Iterator for Listing {
    type Item = Result<Listed>;

    fn next(&mut self) -> Option<Self::Item> {
        for file in self.files.as_mut()?.take(self.most.saturating_sub(self.count)) {
            match file.context("list", &self.folder) {
                Ok(file) => {
                    if let Some(listed) = listed(&file, self.extension) {
                        if let Some(seen) = &mut self.seen {
                            seen.insert(listed.arguments.clone());
                        }
                        self.count += 1;
                        return Some(Ok(listed));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
        let seen = self.seen.as_ref()?;
        if self.packed.is_none() {
            match packed::list(&self.folder, self.most) {
                Ok(packed) => self.packed = Some(packed.into_iter()),
                Err(error) => {
                    self.seen = None;
                    return Some(Err(error));
                }
            }
        }
        // A result may be both in a file and packed.
        self.packed.as_mut()?.find(|listed| !seen.contains(&listed.arguments)).map(Ok)
    }
}

/// Passes the argument digest of each entry in a folder to `visit`, in no order. An entry that is
/// both in a file and packed is passed twice.
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
        } else if let Some(arguments) = layout::arguments_of(name, layout::EXTENSION)
            && file.file_type().is_ok_and(|kind| kind.is_file())
        {
            visit(arguments);
        }
    }
    if folder.join(packed::FOLDER).is_dir() {
        packed::list(folder, usize::MAX)?.iter().for_each(|listed| visit(&listed.arguments));
    }
    Ok(())
}

/// Returns the total size of the files in a folder and below, in bytes, without following links. Files
/// that cannot be seen are left out.
pub fn size_of(folder: &Path) -> u64 {
    let Ok(files) = fs::read_dir(folder) else { return 0 };
    let size = |file: fs::DirEntry| match file.file_type() {
        Ok(kind) if kind.is_dir() => size_of(&file.path()),
        Ok(kind) if kind.is_file() => file.metadata().map_or(0, |metadata| metadata.len()),
        _ => 0,
    };
    files.flatten().map(size).sum()
}

/// Returns the argument digests of the entries in a folder, sorted; empty if the folder does not
/// exist.
pub(super) fn entries(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    visit_names(folder, |arguments| found.push(arguments.to_owned()))?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Returns a listed entry for a file; none if the file is not regular, or does not have the name of
/// an entry.
pub(super) fn listed(file: &fs::DirEntry, extension: &str) -> Option<Listed> {
    let name = file.file_name();
    let name = name.to_str()?;
    if sweep::is_unfinished(name) {
        sweep::file(file);
        return None;
    }
    let arguments = layout::arguments_of(name, extension)?;
    // A file that is deleted meanwhile is skipped.
    let metadata = file.metadata().ok().filter(fs::Metadata::is_file)?;
    let modified = metadata.modified().map_or(0, nanoseconds);
    Some(Listed { arguments: arguments.to_owned(), bytes: metadata.len(), modified })
}

/// Returns a time in nanoseconds since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> i64 {
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
        assert_eq!([size_of(folder.path()), size_of(&folder.path().join("missing"))], [5, 0]);
        assert_eq!(nanoseconds(UNIX_EPOCH - Duration::from_nanos(3)), -3);
    }
}
