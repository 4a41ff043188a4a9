//! Names that a definition rests on, by the dict in which they stand.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::definition::changed_state::{self, Difference, Left};
use crate::hash::walk::{Address, address_of};
use crate::hooks;
use crate::lazy::intern;

/// A dict, and what some names in it stand for.
pub(crate) struct Namespace {
    dict: Py<PyDict>,
    /// The object whose attributes these are, and its class; none if the dict stands for itself.
    owner: Option<(Py<PyAny>, Py<PyType>)>,
    /// Without a value: there is nothing of that name.
    names: Vec<(Py<PyString>, Option<Py<PyAny>>)>,
    /// The interpreter's number for the state in which all this was last seen to hold; 0 for none.
    version: AtomicU64,
}

impl Namespace {
    /// Whether each name stands for the very object that it stood for.
    #[inline]
    pub(crate) fn holds(&self, py: Python<'_>) -> bool {
        let now = version_of(self.dict.bind(py));
        if self.owner.is_some() && !self.is_in_place(py) {
            return false;
        }
        (now != 0 && now == self.version.load(Ordering::Relaxed)) || self.names_hold(py, now)
    }

    /// The same, name by name. `now`: the number of the dict's state.
    #[inline(never)]
    fn names_hold(&self, py: Python<'_>, now: u64) -> bool {
        let dict = self.dict.bind(py);
        let mut held = Left::Fixed;
        for (name, value) in &self.names {
            let then = pointer_to(value.as_ref());
            let found = look_up(dict, name);
            if found == Some(then) {
                continue;
            }
            match Self::left(dict, name, then, found) {
                Left::Not => return false,
                Left::Mutable => held = Left::Mutable,
                Left::Fixed => {}
            }
        }
        if held == Left::Fixed {
            self.version.store(now, Ordering::Relaxed);
        }
        true
    }

    /// Whether it is this dict.
    pub(crate) fn is_of(&self, dict: Address) -> bool {
        self.dict.as_ptr() as Address == dict
    }

    /// Whether the object still has this dict and its class.
    fn is_in_place(&self, py: Python<'_>) -> bool {
        let Some((owner, class)) = &self.owner else { return true };
        if !owner.bind(py).get_type().is(class) {
            return false;
        }
        // SAFETY: the object is alive; the result is a new reference, or null with an error, which is cleared.
        let dict = unsafe {
            Bound::from_owned_ptr_or_err(py, ffi::PyObject_GenericGetDict(owner.as_ptr(), std::ptr::null_mut()))
        };
        dict.is_ok_and(|dict| dict.is(&self.dict))
    }

    /// How what a name stands for compares with what it stood for, or with what a call made of that.
    fn compare(dict: &Bound<'_, PyDict>, name: &Py<PyString>, value: Option<&Py<PyAny>>) -> Left {
        let then = pointer_to(value);
        Self::left(dict, name, then, look_up(dict, name))
    }

    /// The same for what was found; `None` if the look-up failed.
    #[cold]
    fn left(
        dict: &Bound<'_, PyDict>,
        name: &Py<PyString>,
        then: *mut ffi::PyObject,
        found: Option<*mut ffi::PyObject>,
    ) -> Left {
        match found {
            Some(now) if now == then => Left::Fixed,
            Some(now) => {
                let name = name.bind(dict.py()).to_string_lossy();
                changed_state::name_is_left(dict.py(), address_of(dict), &name, then, now)
            }
            None => Left::Not,
        }
    }

    /// Adds what is not as it was.
    pub(crate) fn differences(&self, py: Python<'_>, found: &mut Vec<Difference>) {
        if !self.is_in_place(py) {
            found.push(Difference::Edit);
            return;
        }
        let dict = self.dict.bind(py);
        for (name, value) in &self.names {
            if Self::compare(dict, name, value.as_ref()) == Left::Not {
                let key = name.bind(py).to_string_lossy().into_owned();
                found.push(Difference::Name {
                    holder: self.dict.clone_ref(py).into_any(),
                    name: key.clone(),
                    key,
                    then: value.as_ref().map(|value| value.clone_ref(py)),
                    now: dict.get_item(name).ok().flatten().map(Bound::unbind),
                });
            }
        }
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.dict)?;
        if let Some((owner, class)) = &self.owner {
            visit.call(owner)?;
            visit.call(class)?;
        }
        self.names.iter().filter_map(|(_, value)| value.as_ref()).try_for_each(|value| visit.call(value))
    }
}

/// Namespaces while a definition is described.
#[derive(Default)]
pub(crate) struct Namespaces {
    all: Vec<Namespace>,
    /// Where each of them is.
    positions: FxHashMap<Address, usize>,
    noted: FxHashSet<(Address, String)>,
}

impl Namespaces {
    /// Notes that a name was looked up in a dict or among the attributes of an object, and what was found: the mark of a missing name for nothing.
    pub(crate) fn note(
        &mut self,
        holder: &Bound<'_, PyAny>,
        name: Bound<'_, PyString>,
        value: Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let (dict, owner) = if let Ok(dict) = holder.cast::<PyDict>() {
            (dict.clone(), None)
        } else {
            let dict = holder.getattr(intern!(holder.py(), "__dict__"))?.cast_into::<PyDict>()?;
            (dict, Some((holder.clone().unbind(), holder.get_type().unbind())))
        };
        let address = address_of(&dict);
        if !self.noted.insert((address, name.to_string_lossy().into_owned())) {
            return Ok(());
        }
        let value = if is_missing(&value)? { None } else { Some(value.unbind()) };
        let position = *self.positions.entry(address).or_insert_with(|| {
            let dict = dict.clone().unbind();
            self.all.push(Namespace { dict, owner, names: Vec::new(), version: AtomicU64::new(0) });
            self.all.len() - 1
        });
        self.all[position].names.push((name.unbind(), value));
        Ok(())
    }

    pub(crate) fn into_vec(self) -> Vec<Namespace> {
        self.all
    }
}

/// What stands for nothing where a name was looked up: the mark of a missing name.
pub(crate) fn missing(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    hooks::MISSING.get(py)
}

/// Whether nothing was found.
pub(crate) fn is_missing(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(value.is(missing(value.py())?))
}

/// The number that the interpreter gives to each state of each dict; 0 if it has none.
///
/// Not for a dict whose values lie with an object: they may be set without it.
#[cfg(not(any(Py_3_14, Py_GIL_DISABLED)))]
pub(crate) fn version_of(dict: &Bound<'_, PyDict>) -> u64 {
    let dict = dict.as_ptr().cast::<ffi::PyDictObject>();
    // SAFETY: it is a dict, whose layout is this struct's, and only whoever holds the interpreter's lock writes to it.
    // Deprecated, since it is gone from 3.14 on; the versions before have it for good.
    #[allow(deprecated)]
    unsafe {
        if (*dict).ma_values.is_null() { (*dict).ma_version_tag } else { 0 }
    }
}

#[cfg(any(Py_3_14, Py_GIL_DISABLED))]
pub(crate) fn version_of(_dict: &Bound<'_, PyDict>) -> u64 {
    0
}

/// The address of what a dict has under a name, null for nothing; `None` if the look-up fails.
#[cfg(not(Py_GIL_DISABLED))]
#[inline]
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

/// The address of an object, null for none.
pub(crate) fn pointer_to(object: Option<&Py<PyAny>>) -> *mut ffi::PyObject {
    object.map_or(std::ptr::null_mut(), Py::as_ptr)
}
