//! Watches dicts: as long as the epoch number is unchanged, nothing in them has changed.
//!
//! From 3.12 on the interpreter calls a dict watcher before each change of a watched dict. [`on_change`] raises the epoch
//! if a definition uses the changed name. Guards that were compared under an epoch hold as long as it is the present one.
//!
//! An old value is never accepted under a new epoch:
//! - The GIL is held from the call of [`on_change`] until the dict has changed. Without the GIL it is the lock of the dict
//!   (its critical section), and comparisons look up within the critical section, see [`in_section`]: a look-up before it
//!   reads the epoch before the change, a look-up after it finds the new value.
//! - The watcher has the highest id, so it is called last. Another watcher may run Python code (if it fails, the
//!   interpreter calls a hook), but only before the epoch is raised. If another library has this id, nothing is watched.
//!   A dict that another library watched before is not watched either, see [`can_be_watched`].
//! - A comparison reads the epoch first, so that a change in the middle of it has a later epoch.
//! - Without the GIL `PyDict_Watch` is atomic from 3.14.7 on. Before, another library that begins to watch the same dict at
//!   the same moment could end the watch of this one, so nothing is watched.
//!
//! A dict is never unwatched: other definitions may use it, and a call of [`on_change`] takes some nanoseconds. Nothing is
//! known about single dicts, so a dict that is freed leaves nothing behind, and a later one at its address is not mistaken
//! for it.

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
#[cfg(Py_GIL_DISABLED)]
use pyo3::sync::critical_section::with_critical_section;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::interpreter::PyDict_AddWatcher;

/// The number of the last change of anything that a definition uses. Never 0.
static EPOCH: AtomicU64 = AtomicU64::new(1);

/// The id of the watcher that the interpreter calls last.
const LAST_ID: c_int = 7;

/// True if the watcher has this id.
static HAS_ID: AtomicBool = AtomicBool::new(false);

/// How many definitions use a name in a dict, by a hash of both. Names with the same hash only cost comparisons.
static USES: [AtomicU16; 1 << USES_BITS] = [const { AtomicU16::new(0) }; 1 << USES_BITS];
const USES_BITS: u32 = 15;

/// Stands for all names in a dict: no object has this hash.
const ANY_NAME: ffi::Py_hash_t = -1;

/// Returns the present epoch.
#[inline]
pub(crate) fn epoch() -> u64 {
    EPOCH.load(Ordering::Relaxed)
}

/// Returns the present epoch, before a comparison.
pub(crate) fn epoch_before() -> u64 {
    // Nothing may be looked up before the epoch is read.
    EPOCH.load(Ordering::Acquire)
}

/// Looks something up in a dict, where no change of the dict is under way.
#[cfg(not(Py_GIL_DISABLED))]
#[inline]
pub(crate) fn in_section<R>(_: &Bound<'_, PyDict>, look_up: impl FnOnce() -> R) -> R {
    look_up()
}

/// Looks something up in a dict, where no change of the dict is under way. `look_up` must not wait for anything.
#[cfg(Py_GIL_DISABLED)]
pub(crate) fn in_section<R>(dict: &Bound<'_, PyDict>, look_up: impl FnOnce() -> R) -> R {
    // Where nothing is watched, a look-up may find the value from before or after a change.
    if HAS_ID.load(Ordering::Relaxed) { with_critical_section(dict, look_up) } else { look_up() }
}

/// Registers the dict watcher, at the import of the extension.
pub(crate) fn register(_: Python<'_>) {
    #[cfg(Py_GIL_DISABLED)]
    if !is_watch_atomic() {
        return;
    }
    let mut ids = Vec::new();
    // SAFETY: the thread is attached. The error, which says that no id is left, is cleared. The ids that are given
    // back were taken here, and no dict has been watched with them.
    unsafe {
        loop {
            let id = PyDict_AddWatcher(on_change);
            if id < 0 {
                break;
            }
            ids.push(id);
        }
        ffi::PyErr_Clear();
        for &id in ids.iter().filter(|&&id| id != LAST_ID) {
            ffi::PyDict_ClearWatcher(id);
        }
    }
    HAS_ID.store(ids.contains(&LAST_ID), Ordering::Relaxed);
}

/// True from the version on in which `PyDict_Watch` is atomic.
#[cfg(Py_GIL_DISABLED)]
fn is_watch_atomic() -> bool {
    // SAFETY: a constant of the interpreter that runs.
    unsafe { ffi::Py_Version >= 0x030e_07f0 }
}

/// Raises the epoch if a definition uses what is about to change.
///
/// Runs no Python code, allocates nothing and takes no lock.
unsafe extern "C" fn on_change(
    event: c_int,
    dict: *mut ffi::PyObject,
    key: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> c_int {
    // The events of `PyDict_WatchEvent`: added, modified, deleted (with a key), cloned, cleared, deallocated.
    let is_used = match event {
        // SAFETY: the key of these events is an object. A str has its hash, or gets it without running Python code, and
        // so does a bytes object, as which the dict of the environment has the names of variables.
        0..=2 if unsafe { ffi::PyUnicode_CheckExact(key) != 0 || ffi::PyBytes_CheckExact(key) != 0 } => {
            // SAFETY: as above.
            is_used(dict, unsafe { ffi::PyObject_Hash(key) }) || is_used(dict, ANY_NAME)
        }
        // A definition keeps its dicts alive, so no definition uses a dict that is deallocated.
        5 => false,
        _ => true,
    };
    if is_used && USES[place_of_all(dict)].load(Ordering::Relaxed) != 0 {
        EPOCH.fetch_add(1, Ordering::Relaxed);
    }
    0
}

fn is_used(dict: *mut ffi::PyObject, name: ffi::Py_hash_t) -> bool {
    USES[place(dict, name)].load(Ordering::Relaxed) != 0
}

/// Returns the position of a name of a dict in [`USES`].
fn place(dict: *mut ffi::PyObject, name: ffi::Py_hash_t) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = (dict.addr() as u64).wrapping_mul(FACTOR).rotate_left(29) ^ name.cast_unsigned() as u64;
    (mixed.wrapping_mul(FACTOR) >> (64 - USES_BITS)) as usize
}

/// Returns the position of a dict in [`USES`], where each use of a name in it counts too.
fn place_of_all(dict: *mut ffi::PyObject) -> usize {
    // No dict has an odd address.
    place(dict.wrapping_byte_add(1), ANY_NAME)
}

fn add_use(place: usize) {
    let add = |count: u16| count.checked_add(1);
    USES[place].fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok();
}

fn remove_use(place: usize) {
    // A count that has reached its maximum stays there: it may be too low.
    let remove = |count| (count < u16::MAX).then(|| count - 1);
    USES[place].fetch_update(Ordering::Relaxed, Ordering::Relaxed, remove).ok();
}

/// Names in dicts whose changes raise the epoch, as long as this exists.
#[derive(Default)]
pub(crate) struct Watch(Vec<u16>);

impl Watch {
    /// Watches a name in a dict, or all of the dict. Returns false if that is not possible.
    pub(crate) fn add(&mut self, dict: &Bound<'_, PyDict>, name: Option<&Bound<'_, PyAny>>) -> bool {
        let hash = match name {
            None => ANY_NAME,
            Some(name) if name.is_exact_instance_of::<PyString>() || name.is_exact_instance_of::<PyBytes>() => {
                // SAFETY: the object is a str or bytes.
                unsafe { ffi::PyObject_Hash(name.as_ptr()) }
            }
            Some(_) => return false,
        };
        for place in [place(dict.as_ptr(), hash), place_of_all(dict.as_ptr())] {
            add_use(place);
            self.0.push(place as u16);
        }
        in_section(dict, || {
            if !can_be_watched(dict) {
                return false;
            }
            // SAFETY: the object is a dict, and the id is that of this watcher.
            let is_watched = unsafe { ffi::PyDict_Watch(LAST_ID, dict.as_ptr()) } >= 0;
            if !is_watched {
                // SAFETY: the thread is attached.
                unsafe { ffi::PyErr_Clear() };
            }
            is_watched
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for &place in &self.0 {
            remove_use(place as usize);
        }
    }
}

/// True for a plain dict of which all changes from now on raise the epoch.
///
/// The attributes of an object may lie in the object itself, where they can be set without an
/// event. If another library watches the dict already, its watcher may be running Python code for a
/// change that this watcher no longer sees. The watchers of the interpreter itself run none.
fn can_be_watched(dict: &Bound<'_, PyDict>) -> bool {
    const OWN: u64 = 1 << LAST_ID;
    const LIBRARIES: u64 = if cfg!(Py_3_15) {
        0b0111_1000
    } else if cfg!(Py_3_13) {
        0b0111_1100
    } else {
        0b0111_1111
    };
    if !HAS_ID.load(Ordering::Relaxed) || !dict.is_exact_instance_of::<PyDict>() {
        return false;
    }
    // SAFETY: the object is a dict, so it has the layout of this struct. The GIL or the lock of the dict is held. The lower eight bits of the field
    // after the number of items (`ma_version_tag`, `_ma_watcher_tag` from 3.14 on) are the watchers.
    let (has_values, watchers) = unsafe {
        let object = dict.as_ptr().cast::<ffi::PyDictObject>();
        let tag = (&raw const (*object).ma_used).add(1).cast::<u64>();
        (!(*object).ma_values.is_null(), tag.read())
    };
    !has_values && (watchers & OWN != 0 || watchers & LIBRARIES == 0)
}
