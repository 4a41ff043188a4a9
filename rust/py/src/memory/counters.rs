//! Counts the calls of a function and the run time that hits saved, for `cache_info`.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

#[cfg(Py_GIL_DISABLED)]
use crate::thread_number::{Apart, NUMBERS, thread_number};

/// The numbers of one memorious function in this process.
#[derive(Default)]
pub(crate) struct Counters {
    memory_hits: HitCounters,
    disk_hits: AtomicU64,
    misses: AtomicU64,
    /// The run time of the misses in seconds, as the bits of an `f64`.
    computed: AtomicU64,
    /// The run time in seconds that hits on disk saved, as the bits of an `f64`.
    saved: AtomicU64,
    /// The size of the results in memory, in bytes.
    held: AtomicI64,
}

/// The number of hits in memory, and the run time that they saved.
#[cfg(not(Py_GIL_DISABLED))]
#[derive(Default)]
struct HitCounters(HitCounter);

/// The same by the number of the thread. If all threads added to one number, each hit would wait for the
/// processor that added last.
#[cfg(Py_GIL_DISABLED)]
#[derive(Default)]
struct HitCounters([Apart<HitCounter>; NUMBERS]);

#[derive(Default)]
struct HitCounter {
    hits: AtomicU64,
    /// In seconds, as the bits of an `f64`.
    saved: AtomicU64,
}

impl HitCounters {
    /// The counter of the present thread.
    #[inline]
    fn own(&self) -> &HitCounter {
        #[cfg(not(Py_GIL_DISABLED))]
        return &self.0;
        #[cfg(Py_GIL_DISABLED)]
        return &self.0[thread_number()].0;
    }

    fn all(&self) -> impl Iterator<Item = &HitCounter> {
        #[cfg(not(Py_GIL_DISABLED))]
        return std::iter::once(&self.0);
        #[cfg(Py_GIL_DISABLED)]
        return self.0.iter().map(|apart| &apart.0);
    }
}

impl Counters {
    #[inline]
    pub(crate) fn memory_hit(&self, seconds: f64) {
        let own = self.memory_hits.own();
        count(&own.hits);
        add(&own.saved, seconds);
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

    /// Adds to the number of bytes in memory; `bytes` may be negative.
    pub(crate) fn held(&self, bytes: i64) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Sets all numbers to zero except the bytes in memory.
    pub(crate) fn reset(&self) {
        let of_hits = self.memory_hits.all().flat_map(|counter| [&counter.hits, &counter.saved]);
        for counter in [&self.disk_hits, &self.misses, &self.computed, &self.saved].into_iter().chain(of_hits) {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// Returns the numbers of hits in memory, of hits on disk and of misses; the run time of the
    /// misses and the time saved, in seconds; and the size of the results in memory, in bytes.
    pub(crate) fn numbers(&self) -> (u64, u64, u64, f64, f64, i64) {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let seconds = |counter: &AtomicU64| f64::from_bits(counter.load(Ordering::Relaxed));
        (
            self.memory_hits.all().map(|counter| number(&counter.hits)).sum(),
            number(&self.disk_hits),
            number(&self.misses),
            seconds(&self.computed),
            seconds(&self.saved) + self.memory_hits.all().map(|counter| seconds(&counter.saved)).sum::<f64>(),
            self.held.load(Ordering::Relaxed),
        )
    }
}

/// Increments a counter. Only the thread that holds the GIL counts, so that no atomic addition,
/// which is slower, is needed.
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
