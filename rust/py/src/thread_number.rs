//! Small numbers of threads, by which they use different memory. Only builds without the GIL need them.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of different numbers. If there are more threads, some have the same number.
pub(crate) const NUMBERS: usize = 16;

/// Returns the number of the present thread, less than [`NUMBERS`].
#[inline]
pub(crate) fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        /// The number and 1; 0 for a thread that has none yet.
        static NUMBER: Cell<usize> = const { Cell::new(0) };
    }
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed) % NUMBERS + 1);
        }
        number.get() - 1
    })
}

/// A value on cache lines of its own, so that threads do not wait for each other's writes to values beside it.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Apart<T>(pub(crate) T);
