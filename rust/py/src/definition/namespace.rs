//! Guards for the names that a definition looked up, grouped by dict.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
#[cfg(Py_3_12)]
use pyo3::types::PyModule;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::definition::changed_state::{self, Difference, Left};
#[cfg(Py_GIL_DISABLED)]
use crate::definition::dict_watch::in_section;
#[cfg(Py_3_12)]
use crate::definition::seal::{Pin, Signs};
use crate::hash::walk::{Address, address_of};
use crate::hooks;
use crate::lazy::intern;

/// A dict, and the recorded values of some names in it.
pub(crate) struct Namespace {
    dict: Py<PyDict>,
    /// The object with these attributes, and its class; None if the code looked up names in the dict itself.
    owner: Option<(Py<PyAny>, Py<PyType>)>,
    /// The names with their values; None for a missing name. A name is an exact str, in the dict of the environment
    /// exact bytes.
    names: Vec<(Py<PyAny>, Option<Py<PyAny>>)>,
    /// The interpreter's version tag of the dict at the last successful check; 0 for none.
    version: AtomicU64,
}

impl Namespace {
    /// Compares each name with the recorded object, or with the object that the last call left there.
    #[inline]
    pub(crate) fn held(&self, py: Python<'_>) -> Left {
        let now = version_of(self.dict.bind(py));
        if self.owner.is_some() && !self.is_in_place(py) {
            return Left::Not;
        }
        if now != 0 && now == self.version.load(Ordering::Relaxed) { Left::Fixed } else { self.compare_names(py, now) }
    }

    /// Compares name by name, see [`Self::held`]. `now`: the version tag of the dict.
    #[inline(never)]
    fn compare_names(&self, py: Python<'_>, now: u64) -> Left {
        let dict = self.dict.bind(py);
        let mut held = Left::Fixed;
        for (name, value) in &self.names {
            let then = pointer_to(value.as_ref());
            let found = look_up(dict, name);
            if found == Some(then) {
                continue;
            }
            match Self::left(dict, name, then, found) {
                Left::Not => return Left::Not,
                Left::Mutable => held = Left::Mutable,
                Left::Fixed => {}
            }
        }
        if held == Left::Fixed {
            self.version.store(now, Ordering::Relaxed);
        }
        held
    }

    /// Watches its names. Returns false if that is not possible.
    #[cfg(Py_3_12)]
    pub(crate) fn watch(&self, py: Python<'_>, signs: &mut Signs) -> bool {
        if let Some((owner, class)) = &self.owner {
            // A module keeps its dict. Other objects may get another one.
            if !owner.bind(py).is_exact_instance_of::<PyModule>() {
                return false;
            }
            signs.pins.push(Pin::class_of(owner, class));
        }
        let dict = self.dict.bind(py);
        self.names.iter().all(|(name, _)| signs.watch.add(dict, Some(name.bind(py))))
    }

    /// True if it checks names in this dict.
    pub(crate) fn is_of(&self, dict: Address) -> bool {
        self.dict.as_ptr() as Address == dict
    }

    /// True if the owner still has this dict and class.
    fn is_in_place(&self, py: Python<'_>) -> bool {
        let Some((owner, class)) = &self.owner else { return true };
        if !owner.bind(py).get_type().is(class) {
            return false;
        }
        // SAFETY: the object is alive. The result is a new reference, or null with an error, which is cleared.
        let dict = unsafe {
            Bound::from_owned_ptr_or_err(py, ffi::PyObject_GenericGetDict(owner.as_ptr(), std::ptr::null_mut()))
        };
        dict.is_ok_and(|dict| dict.is(&self.dict))
    }

    /// Compares the object under a name with the recorded object, or with the one that the last call left there.
    fn compare(dict: &Bound<'_, PyDict>, name: &Py<PyAny>, value: Option<&Py<PyAny>>) -> Left {
        let then = pointer_to(value);
        Self::left(dict, name, then, look_up(dict, name))
    }

    /// Compares a looked-up object, see [`Self::compare`]; `None` if the lookup failed.
    #[cold]
    fn left(
        dict: &Bound<'_, PyDict>,
        name: &Py<PyAny>,
        then: *mut ffi::PyObject,
        found: Option<*mut ffi::PyObject>,
    ) -> Left {
        match found {
            Some(now) if now == then => Left::Fixed,
            Some(now) => {
                let name = text_of(name.bind(dict.py()));
                changed_state::name_is_left(dict.py(), address_of(dict), &name, then, now)
            }
            None => Left::Not,
        }
    }

    /// Appends the differences between the recorded and the current names.
    pub(crate) fn differences(&self, py: Python<'_>, found: &mut Vec<Difference>) {
        if !self.is_in_place(py) {
            found.push(Difference::Edit);
            return;
        }
        let dict = self.dict.bind(py);
        for (name, value) in &self.names {
            if Self::compare(dict, name, value.as_ref()) == Left::Not {
                found.push(Difference::Name {
                    holder: self.dict.clone_ref(py).into_any(),
                    name: text_of(name.bind(py)),
                    key: name.clone_ref(py),
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

/// The namespaces of a definition while it is described.
#[derive(Default)]
pub(crate) struct Namespaces {
    all: Vec<Namespace>,
    /// The position of each namespace by the address of its dict.
    positions: FxHashMap<Address, usize>,
    noted: FxHashSet<(Address, String)>,
}

impl Namespaces {
    /// Records a lookup of a name in a dict or among the attributes of an object.
    ///
    /// `value`: the result, or the mark of a missing name.
    pub(crate) fn note(
        &mut self,
        holder: &Bound<'_, PyAny>,
        name: Bound<'_, PyAny>,
        value: Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if !name.is_exact_instance_of::<PyString>() && !name.is_exact_instance_of::<PyBytes>() {
            return Err(PyTypeError::new_err("a name that was looked up is neither str nor bytes"));
        }
        let (dict, owner) = if let Ok(dict) = holder.cast::<PyDict>() {
            (dict.clone(), None)
        } else {
            let dict = holder.getattr(intern!(holder.py(), "__dict__"))?.cast_into::<PyDict>()?;
            (dict, Some((holder.clone().unbind(), holder.get_type().unbind())))
        };
        let address = address_of(&dict);
        if !self.noted.insert((address, text_of(&name))) {
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

/// Returns the text of a key of a dict. Equal texts mean equal keys: a dict has names as str, or all of them as bytes.
pub(crate) fn text_of(key: &Bound<'_, PyAny>) -> String {
    if let Ok(name) = key.cast::<PyString>() {
        return name.to_string_lossy().into_owned();
    }
    key.cast::<PyBytes>()
        .map_or_else(|_| String::new(), |name| name.as_bytes().iter().map(|&byte| char::from(byte)).collect())
}

/// Returns the mark of a missing name.
pub(crate) fn missing(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    hooks::MISSING.get(py)
}

/// True for the mark of a missing name.
pub(crate) fn is_missing(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(value.is(missing(value.py())?))
}

/// Returns the interpreter's version tag of a dict, which every change replaces; 0 if it has none.
///
/// Returns 0 for a dict whose values are stored in an object: they may be set without changing the tag.
#[cfg(not(any(Py_3_14, Py_GIL_DISABLED)))]
pub(crate) fn version_of(dict: &Bound<'_, PyDict>) -> u64 {
    let dict = dict.as_ptr().cast::<ffi::PyDictObject>();
    // SAFETY: the object is a dict, so it has the layout of this struct, and only a thread that holds the GIL writes to
    // it. The field is deprecated, because 3.14 removed it; earlier versions keep it.
    #[allow(deprecated)]
    unsafe {
        if (*dict).ma_values.is_null() { (*dict).ma_version_tag } else { 0 }
    }
}

#[cfg(any(Py_3_14, Py_GIL_DISABLED))]
pub(crate) fn version_of(_dict: &Bound<'_, PyDict>) -> u64 {
    0
}

/// Returns the address of the object under a name in a dict, null if there is none; `None` if the lookup fails.
#[cfg(not(Py_GIL_DISABLED))]
#[inline]
fn look_up(namespace: &Bound<'_, PyDict>, name: &Py<PyAny>) -> Option<*mut ffi::PyObject> {
    // SAFETY: the arguments are a dict and an exact str or bytes, so no `__hash__` of a user class runs. The result is borrowed,
    // or null with or without an error; it is only compared.
    unsafe {
        let found = ffi::PyDict_GetItemWithError(namespace.as_ptr(), name.as_ptr());
        if found.is_null() && !ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        Some(found)
    }
}

/// Returns the address of the object under a name in a dict. Without the GIL the lookup must return a new reference.
#[cfg(Py_GIL_DISABLED)]
fn look_up(namespace: &Bound<'_, PyDict>, name: &Py<PyAny>) -> Option<*mut ffi::PyObject> {
    in_section(namespace, || {
        let mut found = std::ptr::null_mut();
        // SAFETY: the arguments are a dict, an exact str or bytes, and a pointer for the result, which is a new reference or null.
        // After the reference has been released, the address is only compared.
        unsafe {
            if ffi::compat::PyDict_GetItemRef(namespace.as_ptr(), name.as_ptr(), &raw mut found) < 0 {
                ffi::PyErr_Clear();
                return None;
            }
            ffi::Py_XDECREF(found);
        }
        Some(found)
    })
}

/// Returns the address of an object, null for None.
pub(crate) fn pointer_to(object: Option<&Py<PyAny>>) -> *mut ffi::PyObject {
    object.map_or(std::ptr::null_mut(), Py::as_ptr)
}
