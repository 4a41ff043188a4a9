//! Segments and packs that are exchanged with another place as whole files.

use std::fs::File;
use std::path::PathBuf;

use super::super::files::{Files as _, Real};
use super::super::folders;
use super::disk::{Disk, read_full};
use super::format::{HEADER, Sums, header, is_pack};
use super::is_gone;
use super::reader::{Reader, name_of};
use super::results::Results;
use super::source::Source;
use super::verify::verify_source;
use crate::error::{Context, Error, Result};

/// Returns the names of the files that never change any more.
pub(super) fn finished<D: Disk>(results: &Results<D>) -> Result<Vec<String>> {
    let (disk, folder) = (&results.disk, &results.folder);
    let mut reader = Reader::new(folder.clone(), results.sums.clone());
    reader.follow(disk).context("read", folder)?;
    let mut names = Vec::new();
    for source in reader.sources.iter_mut().flatten() {
        let name = name_of(&source.path);
        let is_finished = match is_pack(&name) {
            _ if source.other_version.is_some() || !source.is_sealed => Ok(false),
            Some(true) => Ok(true),
            _ => freeze(disk, source),
        };
        match is_finished {
            Err(error) if is_gone(&error) => {}
            is_finished => names.extend(is_finished.context("read", &source.path)?.then_some(name)),
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Marks a closed segment. Returns false if a process continues it.
fn freeze<D: Disk>(disk: &D, source: &mut Source<D>) -> std::io::Result<bool> {
    let file = source.file(disk)?;
    if !disk.is_local(&file) {
        // No process continues it there.
        return Ok(true);
    }
    if !disk.lock(&file) {
        return Ok(false);
    }
    // A process that continues a segment renames it.
    let is_there = disk.is_named(&file, &source.path);
    let frozen = if is_there { disk.freeze(&file) } else { Ok(()) };
    disk.unlock(&file);
    frozen.map(|()| is_there)
}

/// A segment or pack that is being received. It is in an unfinished file, which is deleted if it is dropped.
pub struct IncomingPacked {
    disk: Real,
    file: File,
    draft: PathBuf,
    path: PathBuf,
    sums: Sums,
    header: Vec<u8>,
    is_pack: bool,
    is_published: bool,
}

/// What became of a received segment or pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceivedPacked {
    /// It is in the folder; the number of results in it.
    Published(usize),
    /// It is damaged, or belongs to another definition; the reason.
    Damaged(String),
}

impl IncomingPacked {
    pub(super) fn begin(results: &Results<Real>, name: &str) -> Result<Self> {
        let Some(is_pack) = is_pack(name) else {
            return Err(Error::Invalid(format!("{name:?} is not the name of a segment or pack")));
        };
        let folder = &results.folder;
        folders::create_with(&results.disk, folder, &results.root).context("create the folder", folder)?;
        super::super::sweep::once(folder);
        let (file, draft) = results.disk.draft(folder).context("create a file in", folder)?;
        Ok(Self {
            disk: results.disk,
            file,
            draft,
            path: folder.join(name),
            sums: results.sums.clone(),
            header: header(is_pack, &results.definition()),
            is_pack,
            is_published: false,
        })
    }

    /// Adds the next bytes of the file.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.disk.write(&self.file, bytes).context("write", &self.draft)
    }

    /// Verifies every record of the file, and gives it its name.
    pub fn publish(mut self) -> Result<ReceivedPacked> {
        let mut start = [0; HEADER as usize];
        let length = read_full(&self.disk, &self.file, &mut start, 0).context("read", &self.draft)?;
        if start[..length] != self.header {
            return Ok(ReceivedPacked::Damaged("its header is not that of its definition".to_owned()));
        }
        let source = Source::open(&self.disk, self.draft.clone(), &self.sums);
        let mut source = source.context("read", &self.draft)?;
        let verified = verify_source(&self.disk, &self.sums, &mut source, true).context("read", &self.draft)?;
        if let Some((offset, damage)) = verified.damage.first() {
            return Ok(ReceivedPacked::Damaged(format!("at byte {offset}, {damage}")));
        }
        if !self.is_pack {
            // A process that continued it would send its content again, under another name.
            self.disk.freeze(&self.file).context("change the permissions of", &self.draft)?;
        }
        // A file of this name is this one, or damaged.
        self.disk.replace(&self.draft, &self.path).context("write", &self.path)?;
        self.is_published = true;
        Ok(ReceivedPacked::Published(verified.results))
    }
}

impl std::fmt::Debug for IncomingPacked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("IncomingPacked").field(&self.path).finish()
    }
}

impl Drop for IncomingPacked {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = self.disk.remove(&self.draft);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::super::{Content, Key, ReadOutcome, Store};
    use super::*;

    const DEFINITION: &str = "0123456789abcdef0123456789abcdef01234567";

    fn name(number: usize) -> String {
        format!("{number:040x}")
    }

    /// Returns a store, and what it has packed: a segment, or a pack.
    fn packed(is_pack: bool) -> (tempfile::TempDir, Store, Vec<(String, Vec<u8>)>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path()).unwrap();
        let definition = super::super::super::Definition::new("f", DEFINITION).unwrap();
        let mut packed = store.packed(&definition);
        for number in 0..20 {
            let name = name(number);
            let key = Key::new("f", DEFINITION, &name).unwrap();
            packed.write(&key, &Content::new(&[b"1."]), false).unwrap();
        }
        assert_eq!(packed.finished().unwrap(), Vec::<String>::new());
        packed.close();
        if is_pack {
            packed.pack(true).unwrap();
        }
        let folder_of_files = store.folder(&definition).join(super::super::FOLDER);
        let read = |name: String| (name.clone(), fs::read(folder_of_files.join(name)).unwrap());
        let files = packed.finished().unwrap().into_iter().map(read).collect();
        (folder, store, files)
    }

    fn receive(store: &Store, name: &str, bytes: &[u8]) -> ReceivedPacked {
        let definition = super::super::super::Definition::new("f", DEFINITION).unwrap();
        let mut incoming = store.packed(&definition).receive(name).unwrap();
        for part in bytes.chunks(1000) {
            incoming.write(part).unwrap();
        }
        incoming.publish().unwrap()
    }

    #[test]
    fn received_files_are_read_and_damaged_ones_refused() {
        for is_pack in [false, true] {
            let (_folder, _store, files) = packed(is_pack);
            let [(file, bytes)] = &files[..] else { panic!("{} files", files.len()) };
            let there = tempfile::tempdir().unwrap();
            let store = Store::new(there.path()).unwrap();
            for length in 0..bytes.len() {
                assert!(matches!(receive(&store, file, &bytes[..length]), ReceivedPacked::Damaged(_)), "{length}");
            }
            for at in (0..bytes.len()).step_by(7) {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                let received = receive(&store, file, &changed);
                // Between two records are zeros that nothing reads.
                let is_padding = bytes[at] == 0 && received == ReceivedPacked::Published(20);
                assert!(is_padding || matches!(received, ReceivedPacked::Damaged(_)), "{at}: {received:?}");
            }
            assert_eq!(receive(&store, file, bytes), ReceivedPacked::Published(20));
            assert_eq!(receive(&store, file, bytes), ReceivedPacked::Published(20));
            for number in 0..20 {
                let name = name(number);
                let key = Key::new("f", DEFINITION, &name).unwrap();
                assert!(matches!(store.read_refreshed(&key).unwrap(), ReadOutcome::Found(_)));
            }
            let other = super::super::super::Definition::new("g", DEFINITION).unwrap();
            let mut incoming = store.packed(&other).receive(file).unwrap();
            incoming.write(bytes).unwrap();
            assert!(matches!(incoming.publish().unwrap(), ReceivedPacked::Damaged(_)));
            assert!(store.packed(&other).receive("../x.seg").is_err());
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_process_continues_a_segment_that_was_sent_or_received() {
        let (_folder, store, files) = packed(false);
        let definition = super::super::super::Definition::new("f", DEFINITION).unwrap();
        let folder = store.folder(&definition).join(super::super::FOLDER);
        let mut packed = store.packed(&definition);
        let name = name(77);
        let key = Key::new("f", DEFINITION, &name).unwrap();
        packed.write(&key, &Content::new(&[b"2."]), false).unwrap();
        packed.close();
        assert_eq!(fs::read(folder.join(&files[0].0)).unwrap(), files[0].1);
        assert_eq!(packed.finished().unwrap().len(), 2);
        assert_eq!(packed.pack(true).unwrap().results, 21);
        assert_eq!(packed.finished().unwrap().len(), 1);
    }
}
