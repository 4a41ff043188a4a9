//! State that computed calls changed: it counts with the value that it had before the first of them.
//!
//! A call may change what its own definition rests on: a counter, a table that a helper fills, a singleton. Would that
//! count as it is, each call would have a key of its own, which depends on the calls before it. So the guards are asked
//! again when a function has run, and what differs is noted here: what it was, and what the call left behind. As long
//! as it is what the last call left behind, it counts as what it was. Any other value is an edit, and counts itself.
//!
//! Code that becomes other code is always an edit. So is what changes while there are other threads, or while a call is
//! awaited, unless a statement in its code changes something of that name.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ThreadId};

use funes_core::digest::Digest;
use funes_core::encode::Snapshot;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyFunction, PyModule, PyType};
use rustc_hash::FxHashMap;

use crate::definition::graph::Definition;
use crate::definition::guard::{self, is_constant, is_fixed};
use crate::definition::namespace::{missing, pointer_to};
use crate::gil_cell::GilCell;
use crate::hash::walk::{Address, address_of};
use crate::hooks;
use crate::lazy::{Lazy, intern};

/// What a value that can change in place counts as.
pub(crate) struct Counted {
    pub(crate) digest: Digest,
    pub(crate) snapshot: Snapshot,
    /// The code that the snapshot refers to, in its order.
    pub(crate) code: Vec<Py<PyAny>>,
}

/// Something that a definition rests on and that is not as it was.
pub(crate) enum Difference {
    /// A name stands for something else. `holder`: a namespace, class or cell; `key`: the name in it.
    Name { holder: Py<PyAny>, key: String, name: String, then: Option<Py<PyAny>>, now: Option<Py<PyAny>> },
    /// A value changed in place.
    Value { value: Py<PyAny>, name: String, counted: Arc<Counted> },
    /// Something that a call cannot change.
    Edit,
}

/// What a call made of a name.
struct Name {
    holder: Py<PyAny>,
    /// As code spells it.
    spelling: String,
    before: Option<Py<PyAny>>,
    after: Option<Py<PyAny>>,
    /// What is there now, if that can change in place.
    content: Option<Digest>,
    by: Py<Definition>,
}

/// What a call made of a value.
struct Value {
    object: Py<PyAny>,
    /// As code spells it, and those of its attributes that statements change.
    names: Vec<String>,
    counted: Arc<Counted>,
    /// None if another thread changed it meanwhile.
    after: Option<Digest>,
    by: Py<Definition>,
}

#[derive(Default)]
struct Changes {
    names: FxHashMap<Address, FxHashMap<String, Arc<Name>>>,
    values: FxHashMap<Address, Arc<Value>>,
}

static CHANGES: GilCell<Option<Changes>> = GilCell::new(None);

/// Whether there are any, so that nothing is looked up where there are none.
static ANY: AtomicBool = AtomicBool::new(false);

/// How often something was noted.
static NOTED: AtomicU64 = AtomicU64::new(0);

/// How what is there compares with what a call left behind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// It is something else.
    Not,
    /// It is that, and cannot change in place.
    Fixed,
    /// It is that, and may change in place, so that it has to be compared again.
    Mutable,
}

pub(crate) fn are_any() -> bool {
    ANY.load(Ordering::Relaxed) && !AS_IS.get()
}

thread_local! {
    /// Whether this thread looks at state as it is, and not as it counts.
    static AS_IS: Cell<bool> = const { Cell::new(false) };
}

/// Lets state count as it is while `find` runs.
pub(crate) fn as_it_is<T>(find: impl FnOnce() -> T) -> T {
    AS_IS.set(true);
    let found = find();
    AS_IS.set(false);
    found
}

/// Whether state counts as it is in this thread.
pub(crate) fn is_as_it_is() -> bool {
    AS_IS.get()
}

fn name_of(py: Python<'_>, holder: Address, key: &str) -> Option<Arc<Name>> {
    if !are_any() {
        return None;
    }
    CHANGES.with(py, |changes| changes.as_ref()?.names.get(&holder)?.get(key).cloned())
}

impl Name {
    /// Whether a name stands for what the last call left behind.
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

/// Whether a name stands for what a call left behind that found what it stood for.
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

/// Whether a value is what a call left behind that found it as it counts. `now`: its digest, if it has one.
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

/// What a value counts as, if it is what a call left behind.
pub(crate) fn counted_value(value: &Bound<'_, PyAny>) -> Option<Arc<Counted>> {
    let py = value.py();
    let change = value_of(py, address_of(value))?;
    if COMPARING.replace(true) {
        return None;
    }
    let now = guard::digest_of(value, change.by.get());
    COMPARING.set(false);
    // A call that changes it may have begun meanwhile.
    let is_left = now.is_ok_and(|now| Some(now) == change.after) || is_being_changed(py, &change.object, &change.names);
    is_left.then(|| change.counted.clone())
}

thread_local! {
    /// Whether this thread compares a value with what a call left behind. Classes that only the changed value brings in
    /// may lead to it again: there it counts as it is.
    static COMPARING: Cell<bool> = const { Cell::new(false) };
}

/// What a name in a namespace, class or cell counts as: `now`, or what it stood for before calls changed it.
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

/// The same where nothing is found as None.
pub(crate) fn counted_or_none<'py>(
    holder: &Bound<'py, PyAny>,
    key: &str,
    now: Option<Bound<'py, PyAny>>,
) -> Option<Bound<'py, PyAny>> {
    let py = holder.py();
    match name_of(py, address_of(holder), key) {
        Some(name) if name.is_left(py, now.as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr)) != Left::Not => {
            name.before.as_ref().map(|before| before.bind(py).clone())
        }
        _ => now,
    }
}

/// What a class counts as having, of what it has now. `attributes` is changed.
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
        if name.is_left(py, now.as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr)) == Left::Not {
            continue;
        }
        match &name.before {
            Some(before) => attributes.set_item(key, before)?,
            None => attributes.del_item(key)?,
        }
    }
    Ok(())
}

/// Notes what a call changed of what a definition rests on; the names of what had not been changed before.
fn note(definition: &Bound<'_, Definition>, is_alone: bool) -> Vec<String> {
    let py = definition.py();
    let mut names = Vec::new();
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
    names
}

/// Whether a value is a random generator or holds one: what a call drew from it depends on all calls before.
fn holds_generator(value: &Bound<'_, PyAny>) -> bool {
    hooks::HOLDS_GENERATOR.get(value.py()).and_then(|holds| holds.call1((value,))?.is_truthy()).unwrap_or(true)
}

/// The attributes of an object whose names a statement of the definition changes.
fn changed_attributes(value: &Bound<'_, PyAny>, definition: &Definition) -> Vec<String> {
    let attributes = value.getattr(intern!(value.py(), "__dict__")).and_then(|all| Ok(all.cast_into::<PyDict>()?));
    let names = attributes.iter().flat_map(|all| all.keys().iter()).filter_map(|name| name.extract::<String>().ok());
    names.filter(|name| definition.changes.contains(name)).collect()
}

/// Whether a name stands for another object of the same value.
fn is_equal(then: Option<&Bound<'_, PyAny>>, now: Option<&Bound<'_, PyAny>>, definition: &Definition) -> bool {
    let digest = |value| guard::digest_of(value, definition).ok();
    then.zip(now).is_some_and(|(then, now)| digest(then).is_some_and(|then| Some(then) == digest(now)))
}

/// Whether code became other code, or a module was loaded.
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

// Calls that run

/// A function that runs because its result was not found.
struct Running {
    number: u64,
    function: Py<PyAny>,
    /// That of the function, and those of what its arguments bring along.
    definitions: Vec<Py<Definition>>,
    thread: ThreadId,
    /// Whether nothing else runs meanwhile: it is no coroutine, and there is no other thread.
    is_alone: bool,
}

/// How often something is described or noted at most while calls in other threads change it.
pub(crate) const ATTEMPTS: usize = 100;

static RUNNING: GilCell<Vec<Arc<Running>>> = GilCell::new(Vec::new());

thread_local! {
    /// Whether this thread notes what calls changed.
    static NOTING: Cell<bool> = const { Cell::new(false) };
    /// Whether it notes what a call left behind that is over, so that what has changed since the last note counts.
    static ENDING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a function runs that rests on this holder or value and whose statements change something of one of its names.
/// What is there counts as what it was, since it may become something else at any moment.
fn is_being_changed(py: Python<'_>, holder: &Py<PyAny>, names: &[String]) -> bool {
    let is_changed_by = |definition: &Py<Definition>| {
        let definition = definition.get();
        names.iter().any(|name| definition.changes.contains(name))
            && definition.rests_on(py, holder.as_ptr() as Address)
    };
    !ENDING.get() && RUNNING.with(py, |all| all.iter().any(|running| running.definitions.iter().any(is_changed_by)))
}

/// Notes that a function begins to run; the number is for [`ended`].
pub(crate) fn begun(py: Python<'_>, function: &Py<PyAny>, definitions: Vec<Py<Definition>>, is_whole: bool) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let is_alone = is_whole && is_only_thread(py).unwrap_or(false);
    let function = function.clone_ref(py);
    let running = Arc::new(Running { number, function, definitions, thread: thread::current().id(), is_alone });
    RUNNING.with(py, |all| all.push(running));
    number
}

/// Notes what a function changed that has run.
pub(crate) fn ended(py: Python<'_>, number: u64) -> PyResult<()> {
    let find = |all: &Vec<Arc<Running>>| all.iter().rposition(|running| running.number == number);
    let Some(running) = RUNNING.with(py, |all| find(all).map(|position| all[position].clone())) else { return Ok(()) };
    // It runs until all is noted: another thread would take what is not noted yet for an edit.
    let was_ending = ENDING.replace(true);
    let noted = running.note(py);
    ENDING.set(was_ending);
    let _removed = RUNNING.with(py, |all| find(all).map(|position| all.remove(position)));
    noted
}

/// Notes what the functions that run at this moment have changed by now, before something is described or compared.
///
/// Returns a number that becomes another one whenever something is noted.
pub(crate) fn note_running(py: Python<'_>) -> PyResult<u64> {
    if !NOTING.get() && !AS_IS.get() {
        for running in RUNNING.with(py, |all| all.clone()) {
            running.note(py)?;
        }
    }
    Ok(NOTED.load(Ordering::Relaxed))
}

impl Running {
    fn note(&self, py: Python<'_>) -> PyResult<()> {
        let is_alone = self.is_alone && self.thread == thread::current().id();
        for definition in &self.definitions {
            let was_noting = NOTING.replace(true);
            let definition = definition.bind(py);
            let mut names = Vec::new();
            // Until it holds: what another thread did between the look and the note would be an edit.
            for _ in 0..ATTEMPTS {
                if definition.get().holds(py, None) {
                    break;
                }
                let noted = note(definition, is_alone);
                if noted.is_empty() {
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

/// Whether no other thread runs Python code, as far as `threading` knows: then what changes is changed by the call.
///
/// Its tables are looked at, since every miss asks and `threading.active_count` takes a lock.
fn is_only_thread(py: Python<'_>) -> PyResult<bool> {
    static TABLES: Lazy<[Py<PyDict>; 2]> = Lazy::new();
    let [running, starting] = TABLES.get_or_try_init(py, || {
        let threading = py.import(intern!(py, "threading"))?;
        let table = |name| -> PyResult<_> { Ok(threading.getattr(name)?.cast_into::<PyDict>()?.unbind()) };
        Ok([table(intern!(py, "_active"))?, table(intern!(py, "_limbo"))?])
    })?;
    Ok(running.bind(py).len() == 1 && starting.bind(py).is_empty())
}
