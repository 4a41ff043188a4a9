//! A table of results by the arguments themselves, in front of the encoder and the memory cache.
//!
//! Most programs call a function again and again with few different arguments. The table answers such a call by some
//! comparisons, without encoding the arguments. It never decides anything by itself: an entry is made only by a hit that
//! took the general path, and repeats it.
//!
//! - Arguments are compared by exact type and by value. Only immutable scalars have an entry: 1, True and 1.0 differ, 0.0
//!   and -0.0 as well.
//! - An entry exists only as long as its result is in the memory cache: whatever removes the result there calls
//!   [`Slot::leave_direct_table`].
//! - The table belongs to one definition. The caller checks that this definition holds, and the state of its folder.
//! - Each [`USES`]th hit of an entry takes the general path, so that the memory cache knows which results are used.
//!
//! The GIL protects the table. Builds without the GIL do not use it, since all threads would wait for its lock.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyFunction, PyInt, PyString, PyTuple};

use crate::call::call_args::CallArgs;
use crate::gil_cell::GilCell;
use crate::memory::direct_key::{Key, Objects};
use crate::memory::memory_cache::{Partition, Slot};

/// True if this build uses the table.
const IS_USED: bool = cfg!(not(Py_GIL_DISABLED));

/// The number of hits of an entry until one takes the general path.
const USES: u32 = 64;

/// The numbers of places, as powers of two: at first, and if these are too few.
const SMALL_BITS: u32 = 6;
const LARGE_BITS: u32 = 10;

/// The number of results that may displace another one, and [`USES`] more for as many hits of an entry. Then the table
/// grows, or pauses.
const PATIENCE: u32 = 256;

/// The number of calls for which a table pauses that found few of their results.
const PAUSE: u32 = 1 << 14;

/// A table of results, empty at first.
#[derive(Default)]
pub(crate) struct DirectTable {
    /// False until the first entry is made.
    is_filled: AtomicBool,
    table: GilCell<Table>,
}

#[derive(Default)]
struct Table {
    /// As many as a power of two, or none.
    entries: Box<[Option<Entry>]>,
    /// The number of bits by which a hash is shifted to the right to be a position in `entries`.
    shift: u32,
    /// The definition to which the entries belong.
    partition: Option<Partition>,
    /// Changes whenever an entry changes.
    generation: u64,
    /// How many results may still displace another one.
    patience: u32,
    /// The number of calls for which the table is not asked.
    pause: u32,
}

struct Entry {
    key: Key,
    objects: Objects,
    /// The defaults of the function, if the call uses some of them.
    defaults: Option<Py<PyTuple>>,
    /// The number of hits until one takes the general path.
    uses: u32,
    slot: Arc<Slot>,
}

/// The entry that was found for a call.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    position: usize,
    generation: u64,
}

/// The place of the entry of a result, from the side of the result.
#[derive(Default)]
pub(crate) struct Listed {
    /// The table of the function.
    table: Weak<DirectTable>,
    /// The position of the last entry and 1; 0 for none, [`SEVERAL`] if there may be more than one.
    position: AtomicU32,
}

const SEVERAL: u32 = u32::MAX;

impl DirectTable {
    /// False if the table has never had an entry.
    #[inline]
    pub(crate) fn is_filled(&self) -> bool {
        IS_USED && self.is_filled.load(Ordering::Relaxed)
    }

    /// Returns the place of the entry for a call, or None if the call must take the general path.
    #[inline]
    pub(crate) fn find(&self, call_args: &CallArgs<'_, '_>, function: &Bound<'_, PyFunction>) -> Option<Place> {
        self.table.with(call_args.py(), |table| {
            if table.pause > 0 {
                table.pause -= 1;
                return None;
            }
            let (key, hash) = Key::of(call_args)?;
            let position = (hash >> table.shift) as usize;
            let entry = table.entries.get_mut(position)?.as_mut()?;
            if entry.key != key || !entry.objects.are_of(&key, call_args) || !entry.has_defaults_of(function) {
                return None;
            }
            entry.uses = entry.uses.checked_sub(1)?;
            Some(Place { position, generation: table.generation })
        })
    }

    /// Passes the result at a place to `look`, unless it is of another definition, or the table has changed since.
    #[inline]
    pub(crate) fn look_up<R>(
        &self,
        py: Python<'_>,
        place: Place,
        partition: Partition,
        look: impl FnOnce(&Arc<Slot>) -> R,
    ) -> Option<R> {
        self.table.with(py, |table| {
            if table.generation != place.generation || table.partition != Some(partition) {
                return None;
            }
            Some(look(&table.entries.get(place.position)?.as_ref()?.slot))
        })
    }

    /// Makes an entry for a call whose result is in the memory cache now. `defaults`: those that the call uses.
    pub(crate) fn keep(
        &self,
        call_args: &CallArgs<'_, '_>,
        defaults: Option<Bound<'_, PyTuple>>,
        partition: Partition,
        slot: &Arc<Slot>,
    ) {
        if !IS_USED || !can_be_dropped(call_args, defaults.as_ref()) {
            return;
        }
        let py = call_args.py();
        self.table.with(py, |table| {
            if table.pause > 0 {
                return;
            }
            let Some((key, hash)) = Key::of(call_args) else { return };
            if table.partition != Some(partition) || table.entries.is_empty() {
                table.begin(py, SMALL_BITS);
                table.partition = Some(partition);
            }
            let mut position = table.position(hash);
            if let Some(present) = &table.entries[position] {
                if Arc::ptr_eq(&present.slot, slot) {
                    // The entry has been used up, so the table is worth its while.
                    table.patience = PATIENCE.min(table.patience + USES);
                } else if table.patience > 0 {
                    table.patience -= 1;
                } else {
                    let is_small = table.entries.len() < 1 << LARGE_BITS;
                    table.begin(py, if is_small { LARGE_BITS } else { SMALL_BITS });
                    if !is_small {
                        table.pause = PAUSE;
                        return;
                    }
                    position = table.position(hash);
                }
            }
            let entry = Entry {
                key,
                objects: Objects::of(call_args),
                defaults: defaults.map(Bound::unbind),
                uses: USES,
                slot: slot.clone(),
            };
            table.replace(py, position, Some(entry));
            self.is_filled.store(true, Ordering::Relaxed);
            let known = slot.listed.position.load(Ordering::Relaxed);
            let is_elsewhere =
                known == SEVERAL || known != 0 && known as usize != position + 1 && table.has(known as usize - 1, slot);
            slot.listed.position.store(if is_elsewhere { SEVERAL } else { position as u32 + 1 }, Ordering::Relaxed);
        });
    }
}

/// Returns whether dropping the names and defaults of a call runs no code: an entry is dropped while the table is in use.
fn can_be_dropped(call_args: &CallArgs<'_, '_>, defaults: Option<&Bound<'_, PyTuple>>) -> bool {
    let is_scalar = |value: Bound<'_, PyAny>| {
        value.is_none()
            || value.is_exact_instance_of::<PyBool>()
            || value.is_exact_instance_of::<PyInt>()
            || value.is_exact_instance_of::<PyFloat>()
            || value.is_exact_instance_of::<PyString>()
    };
    call_args.names.iter().all(PyAnyMethods::is_exact_instance_of::<PyString>)
        && defaults.is_none_or(|values| values.is_exact_instance_of::<PyTuple>() && values.iter().all(is_scalar))
}

impl Table {
    #[inline]
    fn position(&self, hash: u64) -> usize {
        (hash >> self.shift) as usize
    }

    /// Makes all places anew, without entries.
    #[cold]
    fn begin(&mut self, py: Python<'_>, bits: u32) {
        for position in 0..self.entries.len() {
            self.replace(py, position, None);
        }
        self.entries = std::iter::repeat_with(|| None).take(1 << bits).collect();
        (self.shift, self.patience) = (u64::BITS - bits, PATIENCE);
    }

    fn replace(&mut self, py: Python<'_>, position: usize, entry: Option<Entry>) {
        self.generation += 1;
        if let Some(before) = std::mem::replace(&mut self.entries[position], entry) {
            before.objects.release(py);
            drop(before.defaults.map(|defaults| defaults.into_bound(py)));
        }
    }

    fn has(&self, position: usize, slot: &Slot) -> bool {
        self.entries
            .get(position)
            .is_some_and(|entry| entry.as_ref().is_some_and(|entry| ptr::eq(&raw const *entry.slot, slot)))
    }
}

impl Entry {
    /// True if the function has the defaults that the call used, if it used some.
    #[inline]
    fn has_defaults_of(&self, function: &Bound<'_, PyFunction>) -> bool {
        // SAFETY: the argument is a function. The result is only compared.
        let now = || unsafe { ffi::PyFunction_GetDefaults(function.as_ptr()) };
        self.defaults.as_ref().is_none_or(|defaults| defaults.as_ptr() == now())
    }
}

impl Listed {
    /// Creates the place of a result of the function that has the table.
    pub(crate) fn new(table: &Arc<DirectTable>) -> Self {
        Self { table: Arc::downgrade(table), position: AtomicU32::new(0) }
    }
}

impl Slot {
    /// Removes the entries of a result that leaves the memory cache.
    #[inline]
    pub(super) fn leave_direct_table(&self, py: Python<'_>) {
        let position = self.listed.position.swap(0, Ordering::Relaxed);
        if position == 0 {
            return;
        }
        let Some(table) = self.listed.table.upgrade() else { return };
        table.table.with(py, |table| {
            let all =
                if position == SEVERAL { 0..table.entries.len() } else { position as usize - 1..position as usize };
            for position in all {
                if table.has(position, self) {
                    table.replace(py, position, None);
                }
            }
        });
    }
}
