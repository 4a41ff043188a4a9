//! How often a function was called, and what it saved: what `cache_info` shows.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Numbers of one memorious function in this process.
#[derive(Default)]
pub(crate) struct Counters {
    memory_hits: AtomicU64,
    disk_hits: AtomicU64,
    misses: AtomicU64,
    /// Seconds, as the bits of a float.
    computed: AtomicU64,
    saved: AtomicU64,
    held: AtomicI64,
}

impl Counters {
    pub(crate) fn memory_hit(&self, seconds: f64) {
        count(&self.memory_hits);
        add(&self.saved, seconds);
    }

    pub(crate) fn disk_hit(&self, seconds: f64) {
        count(&self.disk_hits);
        add(&self.saved, seconds);
    }

    pub(crate) fn miss(&self) {
        count(&self.misses);
    }

    pub(crate) fn computed(&self, seconds: f64) {
        add(&self.computed, seconds);
    }

    /// So many bytes more, or less, are held in memory.
    pub(crate) fn held(&self, bytes: i64) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Back to zero, but for the bytes, which are what they are.
    pub(crate) fn reset(&self) {
        for counter in [&self.memory_hits, &self.disk_hits, &self.misses, &self.computed, &self.saved] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// Hits in memory, hits on disk, misses; seconds computed and saved; bytes held.
    pub(crate) fn numbers(&self) -> (u64, u64, u64, f64, f64, i64) {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let seconds = |counter: &AtomicU64| f64::from_bits(counter.load(Ordering::Relaxed));
        (
            number(&self.memory_hits),
            number(&self.disk_hits),
            number(&self.misses),
            seconds(&self.computed),
            seconds(&self.saved),
            self.held.load(Ordering::Relaxed),
        )
    }
}

/// Under the interpreter's lock nobody counts at the same time, and an addition that need not be atomic is cheaper.
#[cfg(not(Py_GIL_DISABLED))]
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

#[cfg(Py_GIL_DISABLED)]
fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(not(Py_GIL_DISABLED))]
fn add(counter: &AtomicU64, seconds: f64) {
    let sum = f64::from_bits(counter.load(Ordering::Relaxed)) + seconds;
    counter.store(sum.to_bits(), Ordering::Relaxed);
}

#[cfg(Py_GIL_DISABLED)]
fn add(counter: &AtomicU64, seconds: f64) {
    let add = |bits| Some((f64::from_bits(bits) + seconds).to_bits());
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok();
}
