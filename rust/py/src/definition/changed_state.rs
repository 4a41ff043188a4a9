//! Tracks state that calls change: it counts with its value from before the first computed call.
//!
//! A call may change state that belongs to its own definition: a counter, a table that a helper fills, a singleton. If
//! the current value counted, each call would have another cache key, which depends on the calls before it. So the
//! guards are checked again after a function has run. Each difference is recorded here with two values: the value
//! before the call, and the value that the call left behind. While the state equals the value that the last call left
//! behind, the value from before the call counts. Any other value is an edit, and counts itself.
//!
//! A function or class that is replaced by another one is always an edit. A change while other threads run, or while a
//! call is awaited, is an edit unless a statement of the called code changes that name.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use funes_core::digest::Digest;
use funes_core::encode::Snapshot;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyFunction, PyModule, PyString, PyType};
use rustc_hash::FxHashMap;

use crate::definition::graph::Definition;
use crate::definition::guard::{self, is_constant, is_fixed};
use crate::definition::namespace::{missing, pointer_to};
use crate::definition::source::own_attribute;
use crate::gil_cell::GilCell;
use crate::hash::walk::{Address, address_of};
use crate::hooks;
use crate::lazy::{Lazy, intern};

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
    Name { holder: Py<PyAny>, key: String, name: String, then: Option<Py<PyAny>>, now: Option<Py<PyAny>> },
    /// A value changed in place.
    Value { value: Py<PyAny>, name: String, counted: Arc<Counted> },
    /// A change that is always an edit, never the effect of a call.
    Edit,
}

/// A name that a call bound to another object.
struct Name {
    holder: Py<PyAny>,
    /// The name in the code.
    spelling: String,
    before: Option<Py<PyAny>>,
    after: Option<Py<PyAny>>,
    /// The digest of `after`, if that can change in place.
    content: Option<Digest>,
    by: Py<Definition>,
}

/// A value that a call changed in place.
struct Value {
    object: Py<PyAny>,
    /// The name of the value in the code, and its attributes that statements change.
    names: Vec<String>,
    counted: Arc<Counted>,
    /// The digest after the call; None if another thread changed the value meanwhile.
    after: Option<Digest>,
    by: Py<Definition>,
}

#[derive(Default)]
struct Changes {
    names: FxHashMap<Address, FxHashMap<String, Arc<Name>>>,
    values: FxHashMap<Address, Arc<Value>>,
}

static CHANGES: GilCell<Option<Changes>> = GilCell::new(None);

/// True once a change has been recorded. Until then nothing is looked up.
static ANY: AtomicBool = AtomicBool::new(false);

/// The number of changes that were recorded.
static NOTED: AtomicU64 = AtomicU64::new(0);

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

/// Runs `find` with current values instead of counted values.
pub(crate) fn as_it_is<T>(find: impl FnOnce() -> T) -> T {
    AS_IS.set(true);
    let found = find();
    AS_IS.set(false);
    found
}

/// True while this thread uses current values instead of counted values.
pub(crate) fn is_as_it_is() -> bool {
    AS_IS.get()
}

/// Whether what is described by this thread now says nothing about later: state counts otherwise than it does elsewhere.
pub(crate) fn is_passing() -> bool {
    AS_IS.get() || ENDING.get()
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
            (Some(after), Some(then)) => match guard::digest_of(after.bind(py), self.by.get()) {
                Ok(content) if content == then => Left::Mutable,
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

/// Returns the counted content of a value, if the value equals the result of the last call.
pub(crate) fn counted_value(value: &Bound<'_, PyAny>) -> Option<Arc<Counted>> {
    let py = value.py();
    let change = value_of(py, address_of(value))?;
    if COMPARING.replace(true) {
        return None;
    }
    let now = guard::digest_of(value, change.by.get());
    COMPARING.set(false);
    // A call that changes it may have started meanwhile.
    let is_left = now.is_ok_and(|now| Some(now) == change.after) || is_being_changed(py, &change.object, &change.names);
    is_left.then(|| change.counted.clone())
}

thread_local! {
    /// True while this thread compares a value with the result of a call. Classes that only the changed value refers to
    /// may lead to the value again: there its current content counts.
    static COMPARING: Cell<bool> = const { Cell::new(false) };
}

/// Returns the counted value of a name in a namespace, class or cell: `now`, or the value from before calls changed it.
#[pyfunction]
pub(crate) fn counted<'py>(
    holder: &Bound<'py, PyAny>,
    key: &str,
    now: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = holder.py();
    let Some(name) = name_of(py, address_of(holder), key) else { return Ok(now) };
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

/// Replaces the current values in `attributes` by the counted values of the attributes of `holder`.
#[pyfunction]
pub(crate) fn count_attributes(holder: &Bound<'_, PyAny>, attributes: &Bound<'_, PyDict>) -> PyResult<()> {
    let py = holder.py();
    if !are_any() {
        return Ok(());
    }
    let changed: Vec<(String, Arc<Name>)> = CHANGES.with(py, |changes| {
        let names = changes.as_ref().and_then(|changes| changes.names.get(&address_of(holder)));
        names.into_iter().flatten().map(|(key, name)| (key.clone(), name.clone())).collect()
    });
    for (key, name) in changed {
        let now = attributes.get_item(&key)?;
        if name.is_left(py, pointer_of(now.as_ref())) == Left::Not {
            continue;
        }
        match &name.before {
            Some(before) => attributes.set_item(key, before)?,
            None => attributes.del_item(key)?,
        }
    }
    Ok(())
}

/// Records the changes that a call made to the state of a definition.
///
/// Returns the names that it changed, and true if something changed once more meanwhile.
fn note(definition: &Bound<'_, Definition>, is_alone: bool) -> (Vec<String>, bool) {
    let py = definition.py();
    let (mut names, mut is_changing) = (Vec::new(), false);
    for difference in definition.get().differences(py) {
        let is_stated = |name: &str| is_alone || definition.get().changes.contains(name);
        let by = definition.clone().unbind();
        match difference {
            Difference::Name { holder, key, name, then, now } => {
                let (then, now) = (then.map(|then| then.into_bound(py)), now.map(|now| now.into_bound(py)));
                if !is_stated(&name)
                    || is_edit(then.as_ref(), now.as_ref())
                    || is_equal(then.as_ref(), now.as_ref(), definition.get())
                {
                    continue;
                }
                let changing = now.as_ref().filter(|now| !is_constant(now) && !is_fixed(now));
                let content = changing.and_then(|now| guard::digest_of(now, definition.get()).ok());
                let address = address_of(holder.bind(py));
                // A newer state may have been noted by another thread, and compared: that a class or dict holds is known
                // by its version from then on, so that an older one would stay. No Python code runs from here on.
                if content_of(holder.bind(py), &key) != Some(pointer_of(now.as_ref())) {
                    is_changing = true;
                    continue;
                }
                let change = Name {
                    holder,
                    spelling: name.clone(),
                    before: then.map(Bound::unbind),
                    after: now.map(Bound::unbind),
                    content,
                    by,
                };
                ANY.store(true, Ordering::Relaxed);
                let _replaced = CHANGES.with(py, |changes| {
                    let names = &mut changes.get_or_insert_default().names;
                    names.entry(address).or_default().insert(key, Arc::new(change))
                });
                NOTED.fetch_add(1, Ordering::Relaxed);
                names.push(name);
            }
            Difference::Value { value, name, counted } => {
                let value = value.into_bound(py);
                let after = guard::digest_of(&value, definition.get()).ok();
                let mut known_as = changed_attributes(&value, definition.get());
                if (!is_stated(&name) && known_as.is_empty()) || holds_generator(&value) {
                    continue;
                }
                known_as.push(name.clone());
                let address = address_of(&value);
                let change = Value { object: value.unbind(), names: known_as, counted, after, by };
                ANY.store(true, Ordering::Relaxed);
                let _replaced = CHANGES
                    .with(py, |changes| changes.get_or_insert_default().values.insert(address, Arc::new(change)));
                NOTED.fetch_add(1, Ordering::Relaxed);
                names.push(name);
            }
            Difference::Edit => {}
        }
    }
    (names, is_changing)
}

/// The address of what a name in a namespace, class or cell stands for now, null for nothing; `None` if the look-up fails.
fn content_of(holder: &Bound<'_, PyAny>, key: &str) -> Option<*mut ffi::PyObject> {
    let found = if let Ok(dict) = holder.cast::<PyDict>() {
        dict.get_item(key).ok()?
    } else if let Ok(class) = holder.cast::<PyType>() {
        own_attribute(class, &PyString::new(class.py(), key)).ok()?
    } else {
        guard::content_of(holder)
    };
    Some(pointer_of(found.as_ref()))
}

fn pointer_of(object: Option<&Bound<'_, PyAny>>) -> *mut ffi::PyObject {
    object.map_or(std::ptr::null_mut(), Bound::as_ptr)
}

/// True for a random generator, or a value that holds one: its numbers depend on all earlier calls.
fn holds_generator(value: &Bound<'_, PyAny>) -> bool {
    hooks::HOLDS_GENERATOR.get(value.py()).and_then(|holds| holds.call1((value,))?.is_truthy()).unwrap_or(true)
}

/// Returns the attributes of an object whose names are changed by a statement of the definition.
fn changed_attributes(value: &Bound<'_, PyAny>, definition: &Definition) -> Vec<String> {
    let attributes = value.getattr(intern!(value.py(), "__dict__")).and_then(|all| Ok(all.cast_into::<PyDict>()?));
    let names = attributes.iter().flat_map(|all| all.keys().iter()).filter_map(|name| name.extract::<String>().ok());
    names.filter(|name| definition.changes.contains(name)).collect()
}

/// True if two objects have the same digest.
fn is_equal(then: Option<&Bound<'_, PyAny>>, now: Option<&Bound<'_, PyAny>>, definition: &Definition) -> bool {
    let digest = |value| guard::digest_of(value, definition).ok();
    then.zip(now).is_some_and(|(then, now)| digest(then).is_some_and(|then| Some(then) == digest(now)))
}

/// True if code was replaced by other code, or a module was loaded.
fn is_edit(then: Option<&Bound<'_, PyAny>>, now: Option<&Bound<'_, PyAny>>) -> bool {
    let is_module = |thing: Option<&Bound<'_, PyAny>>| thing.is_some_and(PyAnyMethods::is_instance_of::<PyModule>);
    let is_code = |thing: Option<&Bound<'_, PyAny>>| {
        thing.is_some_and(|thing| {
            thing.is_instance_of::<PyFunction>()
                || thing.is_instance_of::<PyType>()
                || thing.is_instance_of::<PyCFunction>()
                || thing.hasattr(intern!(thing.py(), "__wrapped__")).unwrap_or(false)
        })
    };
    is_module(then) || is_module(now) || (is_code(then) && is_code(now))
}

// Running calls.

/// A function that runs after a cache miss.
struct Running {
    number: u64,
    function: Py<PyAny>,
    /// The definitions of the function and of the user code in its arguments.
    definitions: Vec<Py<Definition>>,
    thread: ThreadId,
    /// True if no other code runs meanwhile: it is no coroutine, and there is no other thread.
    is_alone: bool,
    /// How many need it here: the call itself, and each thread that notes what it has changed. Written under the lock of
    /// [`RUNNING`].
    users: AtomicUsize,
}

/// The number of attempts to describe or record state while calls in other threads change it.
pub(crate) const ATTEMPTS: usize = 100;

static RUNNING: GilCell<Vec<Arc<Running>>> = GilCell::new(Vec::new());

thread_local! {
    /// True while this thread records changes.
    static NOTING: Cell<bool> = const { Cell::new(false) };
    /// True while this thread records the changes of a finished call, which include those since the last record.
    static ENDING: Cell<bool> = const { Cell::new(false) };
}

/// True while a function runs whose definition contains this holder or value, and whose statements change one of the
/// names.
///
/// The value may change at any moment, so the recorded value counts.
fn is_being_changed(py: Python<'_>, holder: &Py<PyAny>, names: &[String]) -> bool {
    let is_changed_by = |definition: &Py<Definition>| {
        let definition = definition.get();
        names.iter().any(|name| definition.changes.contains(name))
            && definition.rests_on(py, holder.as_ptr() as Address)
    };
    !ENDING.get() && RUNNING.with(py, |all| all.iter().any(|running| running.definitions.iter().any(is_changed_by)))
}

/// Records that a function starts to run; returns the number for [`ended`].
///
/// `is_whole`: the function runs to its end without interruption, unlike a coroutine.
pub(crate) fn begun(py: Python<'_>, function: &Py<PyAny>, definitions: Vec<Py<Definition>>, is_whole: bool) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let is_alone = is_whole && is_only_thread(py).unwrap_or(false);
    let function = function.clone_ref(py);
    let (thread, users) = (thread::current().id(), AtomicUsize::new(1));
    let running = Arc::new(Running { number, function, definitions, thread, is_alone, users });
    RUNNING.with(py, |all| all.push(running));
    number
}

/// Records the changes of a function that has finished.
pub(crate) fn ended(py: Python<'_>, number: u64) -> PyResult<()> {
    let find = |all: &Vec<Arc<Running>>| all.iter().rposition(|running| running.number == number);
    let Some(running) = RUNNING.with(py, |all| find(all).map(|position| all[position].clone())) else { return Ok(()) };
    let noted = running.note_at_end(py);
    running.leave(py, true).and(noted)
}

/// Records the changes so far of the functions that are running, before something is described or compared.
///
/// Returns the number of recorded changes.
pub(crate) fn note_running(py: Python<'_>) -> PyResult<u64> {
    if !NOTING.get() && !AS_IS.get() {
        let entered = RUNNING.with(py, |all| {
            for running in all.iter() {
                running.users.fetch_add(1, Ordering::Relaxed);
            }
            all.clone()
        });
        let mut noted = Ok(());
        for running in entered {
            noted = noted.and_then(|()| running.note(py));
            noted = running.leave(py, false).and(noted);
        }
        noted?;
    }
    Ok(NOTED.load(Ordering::Relaxed))
}

impl Running {
    /// Lets one user go.
    ///
    /// A call that has returned runs until the last one goes. What another thread notes for it may be out of date when it
    /// is written down; were the call over by then, what it left behind would be taken for an edit.
    ///
    /// `is_noted`: whether this thread has noted what the call left behind.
    fn leave(&self, py: Python<'_>, mut is_noted: bool) -> PyResult<()> {
        let mut noted = Ok(());
        loop {
            let (is_over, _removed) = RUNNING.with(py, |all| {
                let is_last = self.users.load(Ordering::Relaxed) == 1;
                if is_last && !is_noted {
                    return (false, None);
                }
                self.users.fetch_sub(1, Ordering::Relaxed);
                let position = all.iter().rposition(|running| running.number == self.number).filter(|_| is_last);
                (true, position.map(|position| all.remove(position)))
            });
            if is_over {
                return noted;
            }
            noted = self.note_at_end(py);
            is_noted = true;
        }
    }

    /// Notes what the call left behind.
    fn note_at_end(&self, py: Python<'_>) -> PyResult<()> {
        let was_ending = ENDING.replace(true);
        let noted = self.note(py);
        ENDING.set(was_ending);
        noted
    }

    fn note(&self, py: Python<'_>) -> PyResult<()> {
        let is_alone = self.is_alone && self.thread == thread::current().id();
        for definition in &self.definitions {
            let was_noting = NOTING.replace(true);
            let definition = definition.bind(py);
            let mut names = Vec::new();
            // Repeated until the definition is valid: a change by another thread between the comparison and the record
            // would be an edit.
            for _ in 0..ATTEMPTS {
                if definition.get().holds(py, None) {
                    break;
                }
                let (noted, is_changing) = note(definition, is_alone);
                if noted.is_empty() && !is_changing {
                    break;
                }
                names.extend(noted);
            }
            NOTING.set(was_noting);
            if !names.is_empty() {
                hooks::WARN_OF_CHANGES.get(py)?.call1((&self.function, names))?;
            }
        }
        Ok(())
    }
}

/// True if no other thread runs Python code, as far as `threading` knows. Then all changes come from the call.
///
/// Reads the tables of `threading` directly, since this runs at every miss and `threading.active_count` takes a lock.
fn is_only_thread(py: Python<'_>) -> PyResult<bool> {
    static TABLES: Lazy<[Py<PyDict>; 2]> = Lazy::new();
    let [running, starting] = TABLES.get_or_try_init(py, || {
        let threading = py.import(intern!(py, "threading"))?;
        let table = |name| -> PyResult<_> { Ok(threading.getattr(name)?.cast_into::<PyDict>()?.unbind()) };
        Ok([table(intern!(py, "_active"))?, table(intern!(py, "_limbo"))?])
    })?;
    Ok(running.bind(py).len() == 1 && starting.bind(py).is_empty())
}
