//! Shares out many files among threads.
//!
//! The threads end before the function returns: a pool of threads would not survive a fork.

use std::thread::{self, Builder};

/// The maximum number of threads. More do not make a local disk faster.
const MAX_THREADS: usize = 8;

/// Passes `items` to `work` in parts of at least `fewest`, on which threads with a name work. Returns what `work`
/// returns for each part, in order.
pub(super) fn in_parts<T: Sync, R: Default + Send>(
    items: &[T],
    (name, fewest): (&str, usize),
    work: impl Fn(&[T]) -> R + Sync,
) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let mut parts = items.chunks(items.len().div_ceil(threads).max(fewest));
    let own = parts.next().unwrap_or_default();
    let work = &work;
    thread::scope(|scope| {
        // A thread that cannot be started leaves its part to this one.
        let start =
            |part| Builder::new().name(name.to_owned()).spawn_scoped(scope, move || work(part)).map_err(|_| part);
        let started: Vec<_> = parts.map(start).collect();
        let mut done = vec![work(own)];
        done.extend(started.into_iter().map(|thread| match thread {
            Ok(thread) => thread.join().unwrap_or_default(),
            Err(part) => work(part),
        }));
        done
    })
}
