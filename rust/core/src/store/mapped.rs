//! Reads large entries: verifies a memory map of the file and returns that map.
//!
//! On a network file system, entries are read instead: if another host deletes or truncates the
//! file, an access to its map kills the process.

use std::fs::File;
use std::io;
use std::ops::Range;

use memmap2::MmapMut;

use super::checksum::Checksum;
use super::entry::{Entry, Fault, Held};
use super::footer::Footer;
use super::layout::Key;
use super::pread;
use super::trailer::{LENGTHS, Parts, Trailer};
use super::verified::{self, FileState, Verify};
use crate::file_stamp::FileStamp;

/// A function that maps the given number of bytes from the start of a file privately: writes to the
/// map do not change the file. Mapping needs `unsafe`, which this crate forbids. The caller that
/// provides the function is responsible for files that are truncated while they are mapped.
pub type MapFile = fn(&File, usize) -> io::Result<MmapMut>;

/// The number of bytes that are verified at a time: enough for all cores, and few enough to stay in
/// memory until they are hashed.
const WINDOW: usize = 16 << 20;

/// The number of bytes that are read at a time if the map cannot be used; they fit into the
/// processor's cache.
const BLOCK: usize = 1 << 20;

/// Verifies an entry, unless its file was verified in this state.
pub(super) fn open(
    file: &File,
    map: MmapMut,
    stamp: FileStamp,
    key: &Key,
    trailer: &Trailer,
    parts: Parts,
    verify: Verify,
) -> io::Result<Result<Entry, Fault>> {
    let mut checksum = Checksum::new(key, None);
    let state = FileState::new(&checksum.identity(), &trailer.checksum, &stamp);
    let trusted = match verify {
        Verify::Always => false,
        Verify::Once => verified::is_verified(state),
        Verify::Never => true,
    };
    if !trusted {
        feed(&mut checksum, file, &map, parts.footer.end as usize + LENGTHS, is_present)?;
        if let Err(fault) = checksum.check(trailer) {
            return Ok(Err(fault));
        }
        verified::remember(state, &stamp);
    }
    let mut footer = vec![0; (parts.footer.end - parts.footer.start) as usize];
    pread::read_exact(file, &mut footer, parts.footer.start)?;
    Ok(Footer::of(footer, parts.body)
        .map(|footer| Entry::new(Held::Mapped(map), parts.body, footer, trailer.content_id()))
        .map_err(Fault::from))
}

/// Hashes the start of a file: the pages of the map, or bytes read from the file if the system
/// cannot ensure that the pages are present. So a failing disk is an error and does not kill the
/// process.
fn feed(
    checksum: &mut Checksum,
    file: &File,
    map: &MmapMut,
    end: usize,
    is_present: impl Fn(&MmapMut, &Range<usize>) -> bool,
) -> io::Result<()> {
    let mut block = Vec::new();
    for start in (0..end).step_by(WINDOW) {
        let window = start..end.min(start + WINDOW);
        if is_present(map, &window) {
            checksum.update(&map[window]);
        } else {
            for start in window.clone().step_by(BLOCK) {
                block.resize(BLOCK.min(window.end - start), 0);
                pread::read_exact(file, &mut block, start as u64)?;
                checksum.update(&block);
            }
        }
    }
    Ok(())
}

/// Loads a part of a map into memory with one call instead of one page fault per page. Returns
/// false if this fails or is not supported (before Linux 5.14).
#[cfg(target_os = "linux")]
fn is_present(map: &MmapMut, part: &Range<usize>) -> bool {
    map.advise_range(memmap2::Advice::PopulateRead, part.start, part.len()).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn is_present(_: &MmapMut, _: &Range<usize>) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::entry::{Content, Damage};
    use super::super::{Head, Pickle, Span, Store};
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef01234567";

    fn key() -> Key<'static> {
        Key::new("f", HASH, HASH).unwrap()
    }

    /// Returns a copy of a file in anonymous memory, which stands in for a map without `unsafe`.
    fn copied(path: &std::path::Path) -> MmapMut {
        let bytes = fs::read(path).unwrap();
        let mut map = MmapMut::map_anon(bytes.len()).unwrap();
        map.copy_from_slice(&bytes);
        map
    }

    #[test]
    fn the_map_is_hashed_where_it_is_present_and_the_file_elsewhere() {
        let bytes: Vec<u8> = (0..2 * WINDOW + 3).map(|place| (place >> 12) as u8).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), &bytes).unwrap();
        let sealed = |bytes: &[u8]| {
            let mut checksum = Checksum::new(&key(), None);
            checksum.update(bytes);
            checksum.finish()
        };
        let fed = |map: &MmapMut, is_present: fn(&MmapMut, &Range<usize>) -> bool| {
            let mut checksum = Checksum::new(&key(), None);
            feed(&mut checksum, file.as_file(), map, bytes.len(), is_present).map(|()| checksum.finish())
        };
        let mut map = copied(file.path());
        assert_eq!(fed(&map, |_, _| true).unwrap(), sealed(&bytes));
        assert_eq!(fed(&map, |_, _| false).unwrap(), sealed(&bytes));

        // One byte in the second window differs between map and file.
        map[WINDOW + 1] ^= 1;
        assert_eq!(fed(&map, |_, _| true).unwrap(), sealed(&map));
        assert_eq!(fed(&map, |_, window| window.start != WINDOW).unwrap(), sealed(&bytes));

        file.as_file().set_len(5).unwrap();
        assert_eq!(fed(&map, |_, window| window.start == 0).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[cfg(target_os = "linux")] // where the pages of a map can be loaded
    #[test]
    fn the_reader_gets_the_map_that_was_verified() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path()).unwrap();
        let body = [vec![7; 300_000], b".".to_vec()].concat();
        let buffers = &[Span { offset: 64, length: 128 }];
        let fast = Pickle { bytes: b"fast.", buffers };
        let head = Head { seconds: 0.5, inputs: Pickle { bytes: b"inputs.", buffers }, main: None };
        let content = Content { body: &[&body], head: Some(head), fast: Some(fast), ..Content::new(&[]) };
        store.write(&key(), &content, false).unwrap();
        let path = store.path(&key());
        let whole = fs::read(&path).unwrap();
        let trailer = Trailer::of(&whole).unwrap();
        let parts = trailer.parts(whole.len() as u64).unwrap();
        let open = |map| {
            let file = File::open(&path).unwrap();
            let stamp = FileStamp::of(&file.metadata().unwrap());
            open(&file, map, stamp, &key(), &trailer, parts.clone(), Verify::Always).unwrap()
        };

        let entry = open(copied(&path)).unwrap();
        assert_eq!((entry.footer().head(), entry.footer().fast()), (content.head, content.fast));
        let address = entry.body().as_ptr();
        assert!(entry.body() == body);
        assert!(matches!(entry.into_parts().0, Held::Mapped(map) if map.as_ptr() == address));

        // One place in the body, one in the head.
        for place in [200, body.len() + 30] {
            let mut changed = copied(&path);
            changed[place] ^= 1;
            assert_eq!(open(changed).unwrap_err(), Fault::Damaged(Damage::Checksum));
        }
    }
}
