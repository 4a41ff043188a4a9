//! What a definition rests on, and whether it is still so.
//!
//! Each guard compares pointers, or, for a value that may change in place, its hash. What a guard compares with it also
//! holds, so that no address is used for something else meanwhile.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use funes_core::digest::Digest;
use funes_core::domain::Domain;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyFunction, PyInt, PyList, PyModule, PyString, PyTuple, PyType,
};

use rustc_hash::FxHashSet;

use crate::refusal::Walked;
use crate::walk::{Address, Definitions, Digests, Walk, address_of};

pub(crate) enum Guard {
    /// Names in a namespace are bound to what they were bound to (or to nothing).
    Names { namespace: Py<PyDict>, names: Vec<(Py<PyString>, Option<Py<PyAny>>)>, version: AtomicU64 },
    /// A function has the code, defaults and captured variables that it had.
    Function { function: Py<PyFunction>, parts: [Option<Py<PyAny>>; 4], cells: Vec<(Py<PyAny>, Option<Py<PyAny>>)> },
    /// A class has the attributes that it had.
    Class { class: Py<PyType>, attributes: Py<PyDict>, version: AtomicU32 },
    /// A value that can change in place is what it was.
    Value { value: Py<PyAny>, digest: Digest },
}

impl Guard {
    /// The guards of one function or class. `guarded`: names, each with its namespace, that have guards already.
    pub(crate) fn of(
        object: &Bound<'_, PyAny>,
        reads: &Bound<'_, PyList>,
        guarded: &mut FxHashSet<(Address, String)>,
        guards: &mut Vec<Self>,
    ) -> PyResult<()> {
        for read in reads.iter() {
            let (namespace, name, value): (Bound<'_, PyAny>, Bound<'_, PyString>, Bound<'_, PyAny>) = read.extract()?;
            let Ok(namespace) = namespace.cast_into::<PyDict>() else { continue };
            if !guarded.insert((address_of(&namespace), name.to_string_lossy().into_owned())) {
                continue;
            }
            // Between the description and now somebody may have rebound it: then the guard must fail, as it does for
            // a value that the namespace does not hold.
            let value = if namespace.contains(&name)? { Some(value.unbind()) } else { None };
            Self::push_name(guards, &namespace, name.unbind(), value);
        }
        if let Ok(function) = object.cast::<PyFunction>() {
            // The dict of keyword defaults may be changed in place.
            if let Ok(defaults) = function.getattr(intern!(function.py(), "__kwdefaults__"))?.cast_into::<PyDict>() {
                for (name, value) in &defaults {
                    Self::push_name(guards, &defaults, name.cast_into::<PyString>()?.unbind(), Some(value.unbind()));
                }
            }
            guards.push(Self::Function {
                function: function.clone().unbind(),
                parts: function_parts(function).map(|part| part.map(Bound::unbind)),
                cells: cells_of(function)?
                    .into_iter()
                    .map(|cell| {
                        let content = content_of(&cell);
                        (cell.unbind(), content.map(Bound::unbind))
                    })
                    .collect(),
            });
        } else if let Ok(class) = object.cast::<PyType>() {
            guards.push(Self::Class {
                class: class.clone().unbind(),
                attributes: attributes_of(class)?.unbind(),
                version: AtomicU32::new(0),
            });
        }
        Ok(())
    }

    /// One more name of a namespace, beside its others.
    fn push_name(guards: &mut Vec<Self>, of: &Bound<'_, PyDict>, name: Py<PyString>, value: Option<Py<PyAny>>) {
        for guard in &mut *guards {
            if let Self::Names { namespace, names, .. } = guard
                && namespace.is(of)
            {
                names.push((name, value));
                return;
            }
        }
        let (namespace, version) = (of.clone().unbind(), AtomicU64::new(0));
        guards.push(Self::Names { namespace, names: vec![(name, value)], version });
    }

    pub(crate) fn value(value: &Bound<'_, PyAny>, known: &Digests) -> Walked<Self> {
        Ok(Self::Value { value: value.clone().unbind(), digest: digest(value, known)? })
    }

    pub(crate) fn holds(&self, py: Python<'_>, known: &Digests) -> bool {
        match self {
            Self::Names { namespace, names, version } => {
                let namespace = namespace.bind(py);
                // A script that sets its globals in a loop changes the number all the time: then each name is looked up.
                let now = version_of_dict(namespace);
                if now != 0 && now == version.load(Ordering::Relaxed) {
                    return true;
                }
                let holds = names.iter().all(|(name, value)| is_bound_to(namespace, name, value.as_ref()));
                if holds {
                    version.store(now, Ordering::Relaxed);
                }
                holds
            }
            Self::Function { function, parts, cells } => {
                part_addresses(function.bind(py)).iter().zip(parts).all(|(&now, then)| now == pointer_to(then.as_ref()))
                    && cells.iter().all(|(cell, then)| holds_content(cell.bind(py), then.as_ref()))
            }
            Self::Class { class, attributes, version } => {
                let class = class.bind(py);
                let now = version_of(class);
                if now != 0 && now == version.load(Ordering::Relaxed) {
                    return true;
                }
                let holds = class_holds(class, attributes.bind(py)).unwrap_or(false);
                if holds {
                    version.store(assigned_version_of(class), Ordering::Relaxed);
                }
                holds
            }
            Self::Value { value, digest: then } => digest(value.bind(py), known).is_ok_and(|now| now == *then),
        }
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        match self {
            Self::Names { namespace, names, .. } => {
                visit.call(namespace)?;
                names.iter().filter_map(|(_, value)| value.as_ref()).try_for_each(|value| visit.call(value))
            }
            Self::Function { function, parts, cells } => {
                visit.call(function)?;
                for part in parts.iter().flatten() {
                    visit.call(part)?;
                }
                for (cell, content) in cells {
                    visit.call(cell)?;
                    if let Some(content) = content {
                        visit.call(content)?;
                    }
                }
                Ok(())
            }
            Self::Class { class, attributes, .. } => {
                visit.call(class)?;
                visit.call(attributes)
            }
            Self::Value { value, .. } => visit.call(value),
        }
    }
}

/// Whether a value stays what it is as long as nobody binds its name to another one.
pub(crate) fn is_fixed(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyComplex>()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyBytes>()
        // These have guards of their own.
        || value.is_exact_instance_of::<PyFunction>()
        || value.is_instance_of::<PyType>()
        || value.is_exact_instance_of::<PyModule>()
        || value.cast_exact::<PyTuple>().is_ok_and(|tuple| tuple.iter().all(|element| is_fixed(&element)))
}

fn digest(value: &Bound<'_, PyAny>, known: &Digests) -> Walked<Digest> {
    let mut walk = Walk::new(value.py(), Definitions::settled(Some(known.clone())));
    walk.run(|walk| walk.walk(value))?;
    Ok(walk.finish(Domain::Value))
}

/// The number that the interpreter gives to a state of a dict, another one for every change of any dict; 0 if it does not
/// count them.
#[cfg(not(any(Py_3_14, Py_GIL_DISABLED)))]
#[allow(deprecated, reason = "it is there up to Python 3.13, and the names are looked up where it is not")]
fn version_of_dict(namespace: &Bound<'_, PyDict>) -> u64 {
    // SAFETY: it is a dict, whose layout is this struct's, and only whoever holds the interpreter's lock writes the field.
    unsafe { (*namespace.as_ptr().cast::<ffi::PyDictObject>()).ma_version_tag }
}

#[cfg(any(Py_3_14, Py_GIL_DISABLED))]
fn version_of_dict(_namespace: &Bound<'_, PyDict>) -> u64 {
    0
}

/// Whether `namespace[name]` is this very object, or missing.
fn is_bound_to(namespace: &Bound<'_, PyDict>, name: &Py<PyString>, value: Option<&Py<PyAny>>) -> bool {
    look_up(namespace, name).is_some_and(|now| now == pointer_to(value))
}

/// The address of what a dict has under a name, null for nothing; `None` if the look-up fails.
#[cfg(not(Py_GIL_DISABLED))]
fn look_up(namespace: &Bound<'_, PyDict>, name: &Py<PyString>) -> Option<*mut ffi::PyObject> {
    // SAFETY: a dict and an exact str, so that no `__hash__` of the user's runs. The result is borrowed, or null with or
    // without an error; it is compared, never followed.
    unsafe {
        let found = ffi::PyDict_GetItemWithError(namespace.as_ptr(), name.as_ptr());
        if found.is_null() && !ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        Some(found)
    }
}

/// Without the interpreter's lock the dict must give a reference of one's own.
#[cfg(Py_GIL_DISABLED)]
fn look_up(namespace: &Bound<'_, PyDict>, name: &Py<PyString>) -> Option<*mut ffi::PyObject> {
    let mut found = std::ptr::null_mut();
    // SAFETY: a dict, an exact str, and a place for the result, which is a new reference or null; what it named is
    // compared, never followed, after it has been given back.
    unsafe {
        if ffi::compat::PyDict_GetItemRef(namespace.as_ptr(), name.as_ptr(), &raw mut found) < 0 {
            ffi::PyErr_Clear();
            return None;
        }
        ffi::Py_XDECREF(found);
    }
    Some(found)
}

fn pointer_to(object: Option<&Py<PyAny>>) -> *mut ffi::PyObject {
    object.map_or(std::ptr::null_mut(), Py::as_ptr)
}

/// Code, defaults, keyword defaults and closure: addresses to compare, never to follow.
fn part_addresses(function: &Bound<'_, PyFunction>) -> [*mut ffi::PyObject; 4] {
    let function = function.as_ptr().cast::<ffi::PyFunctionObject>();
    // SAFETY: it is a function, whose layout is this struct's. A field that another thread sets meanwhile (only without
    // the interpreter's lock) has its old or its new value: a call at the same moment would see one of them as well.
    unsafe {
        [
            (&raw const (*function).func_code).read_volatile(),
            (&raw const (*function).func_defaults).read_volatile(),
            (&raw const (*function).func_kwdefaults).read_volatile(),
            (&raw const (*function).func_closure).read_volatile(),
        ]
    }
}

/// The same as objects, to hold. None for what the function does not have.
fn function_parts<'py>(function: &Bound<'py, PyFunction>) -> [Option<Bound<'py, PyAny>>; 4] {
    // SAFETY: what the function refers to lives as long as nobody rebinds it, and no code runs between here and there.
    part_addresses(function).map(|part| unsafe { Bound::from_borrowed_ptr_or_opt(function.py(), part) })
}

/// Whether a cell holds this very object, or nothing.
fn holds_content(cell: &Bound<'_, PyAny>, content: Option<&Py<PyAny>>) -> bool {
    content_of(cell).as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr) == pointer_to(content)
}

fn cells_of<'py>(function: &Bound<'py, PyFunction>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let closure = function.getattr(intern!(function.py(), "__closure__"))?;
    if closure.is_none() {
        return Ok(Vec::new());
    }
    let closure = closure.cast_into::<PyTuple>().map_err(|_| PyTypeError::new_err("a closure is a tuple"))?;
    Ok(closure.iter().collect())
}

/// What a cell holds; nothing for a variable that has no value yet.
fn content_of<'py>(cell: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: it is a cell; the result is a new reference, or null without an exception for an empty one.
    unsafe { Bound::from_owned_ptr_or_opt(cell.py(), ffi::PyCell_Get(cell.as_ptr())) }
}

/// The number that the interpreter gives to a state of a class and of its bases; 0 if it has none now.
#[cfg(not(Py_GIL_DISABLED))]
fn version_of(class: &Bound<'_, PyType>) -> u32 {
    // SAFETY: the type is alive, and only whoever holds the interpreter's lock writes the field.
    unsafe { (*class.as_type_ptr()).tp_version_tag }
}

/// Without the interpreter's lock the field must not be read plainly: the attributes are compared each time.
#[cfg(Py_GIL_DISABLED)]
fn version_of(_class: &Bound<'_, PyType>) -> u32 {
    0
}

/// The same, after a look-up, which makes the interpreter give a number to a class that has none.
fn assigned_version_of(class: &Bound<'_, PyType>) -> u32 {
    let _ = class.getattr(intern!(class.py(), "__doc__"));
    version_of(class)
}

fn attributes_of<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyDict>> {
    let attributes = PyDict::new(class.py());
    attributes.call_method1(intern!(class.py(), "update"), (class.getattr(intern!(class.py(), "__dict__"))?,))?;
    Ok(attributes)
}

fn class_holds(class: &Bound<'_, PyType>, then: &Bound<'_, PyDict>) -> PyResult<bool> {
    let now = attributes_of(class)?;
    if now.len() != then.len() {
        // `__slotnames__`, the caches of `abc` and the like are added later on and say nothing of the code.
        return Ok(then
            .iter()
            .all(|(name, value)| now.get_item(name).ok().flatten().is_some_and(|now| now.is(&value)))
            && now.iter().all(|(name, _)| then.contains(&name).unwrap_or(false) || is_noise(&name)));
    }
    Ok(now.iter().all(|(name, value)| then.get_item(name).ok().flatten().is_some_and(|then| then.is(&value))))
}

fn is_noise(name: &Bound<'_, PyAny>) -> bool {
    name.extract::<String>()
        .is_ok_and(|name| name.starts_with("__") && name.ends_with("__") || name.starts_with("_abc"))
}
