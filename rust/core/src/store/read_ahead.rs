//! Reads many entries with several threads.
//!
//! The threads end before the function returns: a pool of threads would not survive a fork.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Builder};

use super::entry::Entry;

/// The number of entries for which another thread is worth its start, which takes as long as
/// reading a few small entries.
const ENTRIES_PER_THREAD: usize = 16;

/// Calls `read` with 0, 1, 2 ... up to `count`, and returns the entries before the first `None`.
///
/// No further entry is begun once the bodies take `max_bytes` or more.
pub(super) fn read_ahead(
    count: usize,
    threads: usize,
    max_bytes: usize,
    read: impl Fn(usize) -> Option<Entry> + Sync,
) -> Vec<Entry> {
    let (next, bytes, is_over) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        let mut found = Vec::new();
        while !is_over.load(Ordering::Relaxed) && bytes.load(Ordering::Relaxed) < max_bytes {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            match read(index) {
                Some(entry) => {
                    bytes.fetch_add(entry.body().len(), Ordering::Relaxed);
                    found.push((index, entry));
                }
                None => is_over.store(true, Ordering::Relaxed),
            }
        }
        found
    };
    let others = threads.min(count / ENTRIES_PER_THREAD).saturating_sub(1);
    let mut found = if others == 0 {
        work()
    } else {
        thread::scope(|scope| {
            // A thread that cannot be started leaves its share to the other threads.
            let name = || Builder::new().name("funes-read".to_owned());
            let started: Vec<_> = (0..others).filter_map(|_| name().spawn_scoped(scope, work).ok()).collect();
            let mut found = work();
            for thread in started {
                found.extend(thread.join().unwrap_or_default());
            }
            found
        })
    };
    found.sort_unstable_by_key(|(index, _)| *index);
    found
        .into_iter()
        .enumerate()
        .take_while(|(place, (index, _))| place == index)
        .map(|(_, (_, entry))| entry)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Content, Key, Store};

    /// A store with `count` entries, of which the one with the number `gap` is missing.
    fn with_entries(count: usize, gap: usize, work: impl FnOnce(&Store, &[Key])) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path()).unwrap();
        let definition = "a".repeat(40);
        let digests: Vec<_> = (0..count).map(|number| format!("{number:040x}")).collect();
        let keys: Vec<_> = digests.iter().map(|digest| Key::new("f", &definition, digest).unwrap()).collect();
        for (number, key) in keys.iter().enumerate().filter(|(number, _)| *number != gap) {
            let body = [format!("{number:08}.").as_bytes()].concat();
            store.write(key, &Content::new(&[&body]), false).unwrap();
        }
        work(&store, &keys);
    }

    #[test]
    fn entries_come_in_order_up_to_the_first_absent_one() {
        with_entries(200, 150, |store, keys| {
            for threads in [1, 2, 7] {
                let found = store.read_ahead(keys, threads, usize::MAX);
                let expected: Vec<_> = (0..150).map(|number| format!("{number:08}.").into_bytes()).collect();
                assert_eq!(found.iter().map(|entry| entry.body().to_vec()).collect::<Vec<_>>(), expected);
            }
            assert_eq!(store.read_ahead(&keys[150..], 2, usize::MAX).len(), 0);
            assert_eq!(store.read_ahead(&[], 2, usize::MAX).len(), 0);
        });
    }

    #[test]
    fn few_bytes_are_read_beyond_the_limit() {
        with_entries(100, 100, |store, keys| {
            // Each body has 9 bytes, and each thread may have begun an entry.
            assert_eq!(store.read_ahead(keys, 1, 90).len(), 10);
            assert!((10..=11).contains(&store.read_ahead(keys, 2, 90).len()));
        });
    }
}
