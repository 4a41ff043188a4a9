//! Finds out which run records the entries of a folder carry.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::footer::RunId;
use super::layout::{ERROR_EXTENSION, EXTENSION};
use super::open::is_absence;
use super::remove::unless_absent;
use super::{packed, read};
use crate::error::{Context, Result};

/// Returns the id of the run record that the entry in a file carries, without verifying the file.
pub fn run_of(path: &Path) -> Option<RunId> {
    read::footer(path)?.run()
}

/// Removes those run records from `runs` whose ids an entry in a folder carries: a result, an earlier result or a
/// remembered error. Ends when none is left. Nothing is verified.
///
/// # Errors
///
/// A file cannot be read, so that it may carry any record.
pub fn remove_carried(folder: &Path, runs: &mut BTreeSet<RunId>) -> Result<()> {
    let Some(files) = unless_absent(fs::read_dir(folder)).context("list", folder)? else { return Ok(()) };
    for file in files {
        if runs.is_empty() {
            return Ok(());
        }
        let file = file.context("list", folder)?;
        let name = file.file_name();
        let is_entry = name.to_str().is_some_and(|name| name.ends_with(EXTENSION) || name.ends_with(ERROR_EXTENSION));
        if is_entry && let Some(run) = run_in(&file.path()).context("read", &file.path())? {
            runs.remove(&run);
        }
    }
    if !runs.is_empty() && folder.join(packed::FOLDER).is_dir() {
        packed::visit(folder, usize::MAX, |_, footer| {
            footer().and_then(|footer| footer.run()).map(|run| runs.remove(&run));
        })?;
    }
    Ok(())
}

/// Returns the id of the run record that the entry in a file carries; none if there is no entry.
fn run_in(path: &Path) -> io::Result<Option<RunId>> {
    match read::readable_footer(path) {
        Err(error) if is_absence(&error) || error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        footer => Ok(footer?.and_then(|footer| footer.run())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Content, Key, Origin, Store, close_segments};
    use super::*;

    #[test]
    fn records_that_entries_carry_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let definition = "0".repeat(40);
        let store = Store::new(root.path().to_owned()).unwrap();
        let packed = Store::new(root.path().to_owned()).unwrap().with_packed(true);
        let write = |store: &Store, number: u8, extension: &str| {
            let arguments = format!("{number:040x}{extension}");
            let key = Key::new("f", &definition, &arguments).unwrap();
            let origin = Origin { run: Some([number; 16]), ..Origin::default() };
            let content = Content { origin, ..Content::new(&[b"N."]) };
            store.write(&key, &content, false).unwrap();
            key.path(root.path())
        };
        let path = write(&store, 1, "");
        write(&store, 2, ERROR_EXTENSION);
        write(&packed, 3, "");
        close_segments();
        let folder = path.parent().unwrap();
        fs::write(folder.join("notes.txt"), "mine").unwrap();
        fs::write(folder.join(format!("{}.dill", "f".repeat(40))), "damaged").unwrap();
        let mut runs: BTreeSet<RunId> = (0..5).map(|number| [number; 16]).collect();
        remove_carried(folder, &mut runs).unwrap();
        assert_eq!(runs, [[0; 16], [4; 16]].into());
        remove_carried(&root.path().join("missing"), &mut runs).unwrap();
        assert_eq!(runs.len(), 2);
    }
}
