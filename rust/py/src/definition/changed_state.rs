//! Tracks state that calls change: it counts with its value from before the first computed call.
//!
//! A call may change state that belongs to its own definition: a counter, a table that a helper fills, a singleton. If
//! the current value counted, each call would have another cache key, which depends on the calls before it. So the
//! guards are checked again after a function has run. Each difference is recorded here with two values: the value
//! before the call, and the value that the call left behind. While the state equals the value that the last call left
//! behind, the value from before the call counts. Any other value is an edit, and counts itself.
//!
//! This holds for the function whose calls change the state, or whose statements do. For a function that only reads the
//! state, each change is an edit: its result depends on the current value. See `Definition::changes_what_differs`.
//!
//! A function or class that is replaced by another one is always an edit. A change while other threads run, or while a
//! call is awaited, is an edit unless a statement of the called code changes that name.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use funes_core::digest::Digest;
use funes_core::snapshot::Snapshot;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rustc_hash::FxHashMap;

use crate::definition::graph::Definition;
use crate::definition::guard;
use crate::definition::namespace::{missing, pointer_to, text_of};
pub(crate) use crate::definition::running_calls::{ATTEMPTS, begun, ended, note_running};
use crate::definition::running_calls::{is_being_changed, is_ending};
use crate::gil_cell::GilCell;
use crate::hash::walk::{Address, address_of};

/// The counted content of a value that can change in place.
pub(crate) struct Counted {
    pub(crate) digest: Digest,
    pub(crate) snapshot: Snapshot,
    /// The functions and classes to which the snapshot refers, in its order.
    pub(crate) code: Vec<Py<PyAny>>,
}

/// A difference between the current state and the state that a definition depends on.
pub(crate) enum Difference {
    /// A name refers to another object. `holder`: a namespace, class or cell; `key`: the name in it.
    Name { holder: Py<PyAny>, key: Py<PyAny>, name: String, then: Option<Py<PyAny>>, now: Option<Py<PyAny>> },
    /// A value changed in place.
    Value { value: Py<PyAny>, name: String, counted: Arc<Counted> },
    /// A change that is always an edit, never the effect of a call.
    Edit,
}

/// A name that a call bound to another object.
pub(crate) struct Name {
    pub(crate) holder: Py<PyAny>,
    /// The name in the code.
    pub(crate) spelling: String,
    pub(crate) before: Option<Py<PyAny>>,
    pub(crate) after: Option<Py<PyAny>>,
    /// The digest of `after`, if that can change in place.
    pub(crate) content: Option<Digest>,
    pub(crate) by: Py<Definition>,
}

/// A value that a call changed in place.
pub(crate) struct Value {
    pub(crate) object: Py<PyAny>,
    /// The name of the value in the code, and its attributes that statements change.
    pub(crate) names: Vec<String>,
    pub(crate) counted: Arc<Counted>,
    /// The digest after the call; None if another thread changed the value meanwhile.
    pub(crate) after: Option<Digest>,
    pub(crate) by: Py<Definition>,
}

#[derive(Default)]
pub(crate) struct Changes {
    pub(crate) names: FxHashMap<Address, FxHashMap<String, Arc<Name>>>,
    pub(crate) values: FxHashMap<Address, Arc<Value>>,
}

pub(crate) static CHANGES: GilCell<Option<Changes>> = GilCell::new(None);

/// True once a change has been recorded. Until then nothing is looked up.
pub(crate) static ANY: AtomicBool = AtomicBool::new(false);

/// The number of changes that were recorded.
pub(crate) static NOTED: AtomicU64 = AtomicU64::new(0);

/// The result of comparing a current value with the value that the last call left behind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The values differ.
    Not,
    /// The values are equal, and the value cannot change in place.
    Fixed,
    /// The values are equal, but the value may change in place, so it has to be compared again.
    Mutable,
}

/// True if changes were recorded and count in this thread.
pub(crate) fn are_any() -> bool {
    ANY.load(Ordering::Relaxed) && !AS_IS.get()
}

thread_local! {
    /// True while this thread uses current values instead of counted values.
    static AS_IS: Cell<bool> = const { Cell::new(false) };
}

/// True if changes were recorded, whether or not they count in this thread.
pub(crate) fn are_recorded() -> bool {
    ANY.load(Ordering::Relaxed)
}

/// Runs `find` with current values instead of counted values.
pub(crate) fn as_it_is<T>(find: impl FnOnce() -> T) -> T {
    let before = AS_IS.replace(true);
    let found = find();
    AS_IS.set(before);
    found
}

/// True while this thread uses current values instead of counted values.
pub(crate) fn is_as_it_is() -> bool {
    AS_IS.get()
}

/// Returns whether a description made by this thread now must not be kept: it uses other values
/// than the counted ones.
pub(crate) fn is_passing() -> bool {
    AS_IS.get() || COMPARING.get() || is_ending()
}

fn name_of(py: Python<'_>, holder: Address, key: &str) -> Option<Arc<Name>> {
    if !are_any() {
        return None;
    }
    CHANGES.with(py, |changes| changes.as_ref()?.names.get(&holder)?.get(key).cloned())
}

impl Name {
    /// Compares the object under the name with the object that the last call left behind.
    fn is_left(&self, py: Python<'_>, now: *mut ffi::PyObject) -> Left {
        let left = match (&self.after, self.content) {
            _ if now != pointer_to(self.after.as_ref()) => Left::Not,
            (Some(after), Some(then)) => match digest_of_left(after.bind(py), self.by.get()) {
                Some(content) if content == then => Left::Mutable,
                _ => Left::Not,
            },
            _ => Left::Fixed,
        };
        let is_changing = left == Left::Not && is_being_changed(py, &self.holder, std::slice::from_ref(&self.spelling));
        if is_changing { Left::Mutable } else { left }
    }
}

/// Compares a name with the result of the last call, if the name referred to `then` before that call.
pub(crate) fn name_is_left(
    py: Python<'_>,
    holder: Address,
    key: &str,
    then: *mut ffi::PyObject,
    now: *mut ffi::PyObject,
) -> Left {
    match name_of(py, holder, key) {
        Some(name) if pointer_to(name.before.as_ref()) == then => name.is_left(py, now),
        _ => Left::Not,
    }
}

/// True if a value equals the result of the last call, and counted as `counted` before that call.
///
/// `now`: the current digest, if the value has one.
pub(crate) fn value_is_left(py: Python<'_>, value: Address, counted: Digest, now: Option<Digest>) -> bool {
    value_of(py, value).is_some_and(|value| {
        value.counted.digest == counted
            && ((now.is_some() && now == value.after) || is_being_changed(py, &value.object, &value.names))
    })
}

fn value_of(py: Python<'_>, value: Address) -> Option<Arc<Value>> {
    if !are_any() {
        return None;
    }
    CHANGES.with(py, |changes| changes.as_ref()?.values.get(&value).cloned())
}

/// Returns the counted content of a value, if the value equals the result of the last call, and the digest of that
/// result. There is no digest while a call changes the value.
pub(crate) fn counted_value(value: &Bound<'_, PyAny>) -> Option<(Arc<Counted>, Option<Digest>)> {
    let py = value.py();
    let change = value_of(py, address_of(value))?;
    if COMPARING.get() {
        return None;
    }
    let left = digest_of_left(value, change.by.get()).filter(|&now| Some(now) == change.after);
    // A call that changes it may have started meanwhile.
    let counts = left.is_some() || is_being_changed(py, &change.object, &change.names);
    counts.then(|| (change.counted.clone(), left))
}

thread_local! {
    /// True while this thread compares a value with the result of a call. The code to which the value refers may lead to
    /// changed state again, also to the same value: there the current state counts. Otherwise each change would be
    /// compared within the comparison of each other one, and of itself.
    static COMPARING: Cell<bool> = const { Cell::new(false) };
}

/// Returns the digest of a value that a call left behind; none if it has none, or while this thread compares another
/// one.
pub(crate) fn digest_of_left(value: &Bound<'_, PyAny>, definition: &Definition) -> Option<Digest> {
    if COMPARING.replace(true) {
        return None;
    }
    let digest = guard::digest_of(value, definition);
    COMPARING.set(false);
    digest.ok()
}

/// Returns the counted value of a name in a namespace, class or cell: `now`, or the value from before calls changed it.
#[pyfunction]
pub(crate) fn counted<'py>(
    holder: &Bound<'py, PyAny>,
    key: &Bound<'py, PyAny>,
    now: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = holder.py();
    if !are_any() {
        return Ok(now);
    }
    let Some(name) = name_of(py, address_of(holder), &text_of(key)) else { return Ok(now) };
    let missing = missing(py)?;
    let found = if now.is(missing) { std::ptr::null_mut() } else { now.as_ptr() };
    if name.is_left(py, found) == Left::Not {
        return Ok(now);
    }
    Ok(name.before.as_ref().map_or_else(|| missing.clone(), |before| before.bind(py).clone()))
}

/// Works like [`counted`], with None for a missing name.
pub(crate) fn counted_or_none<'py>(
    holder: &Bound<'py, PyAny>,
    key: &str,
    now: Option<Bound<'py, PyAny>>,
) -> Option<Bound<'py, PyAny>> {
    let py = holder.py();
    match name_of(py, address_of(holder), key) {
        Some(name) if name.is_left(py, pointer_of(now.as_ref())) != Left::Not => {
            name.before.as_ref().map(|before| before.bind(py).clone())
        }
        _ => now,
    }
}

/// Replaces the current values in `attributes` by the counted values of the attributes of `holder`. Returns false if a
/// call has changed some, so that other values may count at another time or for another function.
#[pyfunction]
pub(crate) fn count_attributes(holder: &Bound<'_, PyAny>, attributes: &Bound<'_, PyDict>) -> PyResult<bool> {
    let py = holder.py();
    if !are_recorded() {
        return Ok(true);
    }
    let changed: Vec<(String, Arc<Name>)> = CHANGES.with(py, |changes| {
        let names = changes.as_ref().and_then(|changes| changes.names.get(&address_of(holder)));
        names.into_iter().flatten().map(|(key, name)| (key.clone(), name.clone())).collect()
    });
    let is_fixed = changed.is_empty();
    for (key, name) in changed.into_iter().filter(|_| !is_as_it_is()) {
        let now = attributes.get_item(&key)?;
        if name.is_left(py, pointer_of(now.as_ref())) == Left::Not {
            continue;
        }
        match &name.before {
            Some(before) => attributes.set_item(key, before)?,
            None => attributes.del_item(key)?,
        }
    }
    Ok(is_fixed)
}

pub(crate) fn pointer_of(object: Option<&Bound<'_, PyAny>>) -> *mut ffi::PyObject {
    object.map_or(std::ptr::null_mut(), Bound::as_ptr)
}
