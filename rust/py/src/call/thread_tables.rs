//! Results that a thread has found before: tables in front of the memory cache, which only builds without the GIL have.
//!
//! The general path takes the locks of the definition and of a part of the memory cache, and counts references to objects
//! that all threads share. A hit in a table takes no lock, and writes to no memory that other threads use, except the
//! reference count of the result. A table decides nothing by itself: an entry is made only by a hit that took the general
//! path, and repeats it.
//!
//! - A thread takes a table out of its place while it uses it. Another thread with the same number, and code that runs
//!   meanwhile in the same thread, find no table and take the general path.
//! - The table belongs to one definition, whose guards are compared at each hit.
//! - A result that leaves the memory cache is marked as withdrawn, see `Slot::withdraw`.
//! - Each [`USES`]th hit of an entry takes the general path, so that the memory cache knows which results are used.

use std::hash::Hasher;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::prelude::*;
use rustc_hash::FxHasher;

use crate::call::core::attached;
use crate::definition::current_definition::CurrentDefinition;
use crate::memory::cached_value::CachedValue;
use crate::memory::counters::Counters;
use crate::memory::memory_cache::Slot;
use crate::thread_number::{Apart, NUMBERS, thread_number};

/// The number of entries of a table, as a power of two.
const BITS: u32 = 8;

/// The size of a result in bytes from which on it gets no entry: an entry keeps its result alive.
const LARGE_BYTES: u64 = 4096;

/// The number of hits of an entry until one takes the general path.
const USES: u32 = 64;

/// The number of results that may displace another one, and one more for each hit. Then the table pauses.
const PATIENCE: u32 = 512;

/// The number of calls for which a table pauses that found few of their results.
const PAUSE: u32 = 1 << 13;

/// The tables of one function, by the numbers of threads.
#[derive(Default)]
pub(super) struct ThreadTables([Apart<AtomicPtr<Table>>; NUMBERS]);

struct Table {
    current: Py<CurrentDefinition>,
    entries: Box<[Option<Entry>]>,
    /// How many results may still displace another one.
    patience: u32,
    /// The number of calls for which the table is not asked.
    pause: u32,
}

struct Entry {
    /// The encoded arguments.
    arguments: Box<[u8]>,
    uses: u32,
    slot: Arc<Slot>,
}

impl ThreadTables {
    /// Returns a result that is in the table of this thread. Otherwise the error tells whether the general path should
    /// pass its result to [`Self::keep`].
    pub(super) fn recall<'py>(
        &self,
        py: Python<'py>,
        arguments: &[u8],
        counters: &Counters,
    ) -> Result<Bound<'py, PyAny>, bool> {
        let mut table = self.take().ok_or(true)?;
        let found = table.recall(py, arguments, counters);
        self.put(py, table);
        found
    }

    /// Makes an entry for a result that is in the memory cache now, unless it is large.
    #[cold]
    pub(super) fn keep(&self, current: &Bound<'_, CurrentDefinition>, arguments: &[u8], slot: Arc<Slot>) {
        if slot.is_drawn || slot.size() > LARGE_BYTES {
            return;
        }
        attached(current.py(), || {
            let table = self.take().filter(|table| table.current.is(current));
            let mut table = table.unwrap_or_else(|| Box::new(Table::of(current)));
            table.keep(arguments, slot);
            self.put(current.py(), table);
        });
    }

    /// Removes all tables.
    pub(super) fn clear(&self) {
        for place in &self.0 {
            drop(owned(place.0.swap(ptr::null_mut(), Ordering::Acquire)));
        }
    }

    pub(super) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        self.0.iter().try_for_each(|place| {
            // SAFETY: the collector stops all other threads, so no table is taken or freed meanwhile.
            let table = unsafe { place.0.load(Ordering::Acquire).as_ref() };
            table.map_or(Ok(()), |table| visit.call(&table.current))
        })
    }

    #[inline]
    fn take(&self) -> Option<Box<Table>> {
        owned(self.0[thread_number()].0.swap(ptr::null_mut(), Ordering::Acquire))
    }

    /// Puts a table into its place. If another one is there already, one of them is dropped.
    #[inline]
    fn put(&self, py: Python<'_>, table: Box<Table>) {
        let before = self.0[thread_number()].0.swap(Box::into_raw(table), Ordering::AcqRel);
        if !before.is_null() {
            attached(py, || drop(owned(before)));
        }
    }
}

impl Drop for ThreadTables {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Returns the table at an address that was taken out of its place; None for null.
#[inline]
fn owned(table: *mut Table) -> Option<Box<Table>> {
    // SAFETY: a place has addresses of boxes only, and the thread that swaps one out is its only owner.
    (!table.is_null()).then(|| unsafe { Box::from_raw(table) })
}

impl Table {
    fn of(current: &Bound<'_, CurrentDefinition>) -> Self {
        let entries = std::iter::repeat_with(|| None).take(1 << BITS).collect();
        Self { current: current.clone().unbind(), entries, patience: PATIENCE, pause: 0 }
    }

    #[inline]
    fn recall<'py>(
        &mut self,
        py: Python<'py>,
        arguments: &[u8],
        counters: &Counters,
    ) -> Result<Bound<'py, PyAny>, bool> {
        if self.pause > 0 {
            self.pause -= 1;
            return Err(false);
        }
        let entry = self.entries[position(arguments)].as_mut().ok_or(true)?;
        if *entry.arguments != *arguments {
            return Err(true);
        }
        entry.uses = entry.uses.checked_sub(1).ok_or(true)?;
        let current = self.current.get();
        if !current.holds(py) || current.watch.checked_state() != Some(entry.slot.seen.load(Ordering::Relaxed)) {
            return Err(true);
        }
        let output = match &entry.slot.result {
            CachedValue::Shared(output) => output.bind(py).clone(),
            result => result.for_caller(py).map_err(|_| false)?,
        };
        self.patience = PATIENCE.min(self.patience + 1);
        counters.memory_hit(entry.slot.seconds);
        Ok(output)
    }

    fn keep(&mut self, arguments: &[u8], slot: Arc<Slot>) {
        let place = &mut self.entries[position(arguments)];
        if place.as_ref().is_some_and(|present| *present.arguments != *arguments) {
            let Some(patience) = self.patience.checked_sub(1) else {
                (self.pause, self.patience) = (PAUSE, PATIENCE);
                return;
            };
            self.patience = patience;
        }
        *place = Some(Entry { arguments: arguments.into(), uses: USES, slot });
    }
}

/// Returns the position of the entry for encoded arguments.
#[inline]
fn position(arguments: &[u8]) -> usize {
    let mut hasher = FxHasher::default();
    hasher.write(arguments);
    (hasher.finish() >> (u64::BITS - BITS)) as usize
}
