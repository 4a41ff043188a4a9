//! Records which state a call has changed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyFunction, PyModule, PyString, PyType};

use crate::definition::changed_state::{ANY, CHANGES, Difference, NOTED, Name, Value, digest_of_left, pointer_of};
use crate::definition::function_parts;
use crate::definition::graph::Definition;
use crate::definition::guard::{self, is_constant, is_fixed};
use crate::definition::namespace::text_of;
use crate::definition::source::own_attribute;
use crate::hash::walk::address_of;
use crate::hooks;
use crate::lazy::intern;

/// Records the changes that a call made to the state of a definition.
///
/// Returns the names that it changed, and true if there was a further change meanwhile.
pub(crate) fn note(definition: &Bound<'_, Definition>, is_alone: bool) -> (Vec<String>, bool) {
    let py = definition.py();
    let (mut names, mut is_changing) = (Vec::new(), false);
    for difference in definition.get().differences(py) {
        let is_own = is_alone || is_stated(py, &difference, definition.get());
        let by = definition.clone().unbind();
        match difference {
            Difference::Name { holder, key, name, then, now } => {
                let (then, now) = (then.map(|then| then.into_bound(py)), now.map(|now| now.into_bound(py)));
                if !is_own
                    || is_edit(then.as_ref(), now.as_ref())
                    || is_equal(then.as_ref(), now.as_ref(), definition.get())
                {
                    continue;
                }
                let changing = now.as_ref().filter(|now| !is_constant(now) && !is_fixed(now));
                let content = changing.and_then(|now| digest_of_left(now, definition.get()));
                let (address, text) = (address_of(holder.bind(py)), text_of(key.bind(py)));
                // Another thread may have recorded and compared a newer state. From then on the
                // version tag of a class or dict stands for the comparison, so an older state
                // recorded here would never be noticed. No Python code runs from here on.
                if content_of(holder.bind(py), key.bind(py)) != Some(pointer_of(now.as_ref())) {
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
                    names.entry(address).or_default().insert(text, Arc::new(change))
                });
                NOTED.fetch_add(1, Ordering::Relaxed);
                names.push(name);
            }
            Difference::Value { value, name, counted } => {
                let value = value.into_bound(py);
                let after = guard::digest_of(&value, definition.get()).ok();
                if !is_own || holds_generator(&value) {
                    continue;
                }
                let mut known_as = changed_attributes(&value, definition.get());
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

/// Returns the address of the object to which a name in a namespace, class or cell refers now, null
/// if there is none; `None` if the lookup fails.
fn content_of(holder: &Bound<'_, PyAny>, key: &Bound<'_, PyAny>) -> Option<*mut ffi::PyObject> {
    let found = if let Ok(dict) = holder.cast::<PyDict>() {
        dict.get_item(key).ok()?
    } else if let Ok(class) = holder.cast::<PyType>() {
        own_attribute(class, key.cast::<PyString>().ok()?).ok()?
    } else {
        function_parts::content_of(holder)
    };
    Some(pointer_of(found.as_ref()))
}

/// True for a random generator, or a value that holds one: its numbers depend on all earlier calls.
fn holds_generator(value: &Bound<'_, PyAny>) -> bool {
    hooks::HOLDS_GENERATOR.get(value.py()).and_then(|holds| holds.call1((value,))?.is_truthy()).unwrap_or(true)
}

/// True if a statement of the definition changes the state that differs.
pub(crate) fn is_stated(py: Python<'_>, difference: &Difference, definition: &Definition) -> bool {
    match difference {
        Difference::Name { name, .. } => definition.changes.contains(name),
        Difference::Value { value, name, .. } => {
            definition.changes.contains(name) || !changed_attributes(value.bind(py), definition).is_empty()
        }
        Difference::Edit => false,
    }
}

/// Returns the attributes of an object that a statement of the definition may change, by their
/// names.
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
