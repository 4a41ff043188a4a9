//! Hashes the attributes of objects, without caches and opaque resources.

use std::ptr;

use funes_core::tags;
use pyo3::exceptions::PyAttributeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PySet, PyString};

use crate::hash::strategy::AttributeRules;
use crate::hash::walk::Walk;
use crate::hash::walk_error::{WalkError, Walked};
use crate::hooks;

impl<'py> Walk<'py> {
    /// Writes `__dict__` and slots as one dict: where an attribute is stored does not count.
    pub(super) fn attributes(&mut self, object: &Bound<'py, PyAny>, rules: &AttributeRules) -> Walked {
        let attributes = attributes_of(object, &rules.slots)
            .map_err(|error| WalkError::raised(self.py, "reading its attributes", error))?;
        let attributes = self.without_caches(object, attributes, rules)?;
        let attributes = self.without_orders(attributes)?;
        self.state(&attributes, rules)
    }

    /// Removes attributes whose order follows from a set, for a third-party object in a definition.
    #[inline]
    pub(super) fn without_orders(&mut self, attributes: Bound<'py, PyDict>) -> Walked<Bound<'py, PyDict>> {
        if self.third_party_depth == 0 { Ok(attributes) } else { self.ask_without_orders(attributes) }
    }

    #[cold]
    fn ask_without_orders(&mut self, attributes: Bound<'py, PyDict>) -> Walked<Bound<'py, PyDict>> {
        let is_set = |part: Bound<'py, PyAny>| {
            part.is_exact_instance_of::<PySet>() || part.is_exact_instance_of::<PyFrozenSet>()
        };
        if !attributes.values().iter().any(is_set) {
            return Ok(attributes);
        }
        self.is_abridged = true;
        hooks::WITHOUT_ORDERS
            .get(self.py)
            .and_then(|without| Ok(without.call1((attributes,))?.cast_into::<PyDict>()?))
            .map_err(|error| WalkError::raised(self.py, "leaving out attributes made of sets", error))
    }

    /// Removes attributes that are caches.
    #[inline]
    pub(super) fn without_caches(
        &mut self,
        object: &Bound<'py, PyAny>,
        attributes: Bound<'py, PyDict>,
        rules: &AttributeRules,
    ) -> Walked<Bound<'py, PyDict>> {
        if !rules.caches.iter().any(|name| attributes.contains(name).unwrap_or(false)) {
            return Ok(attributes);
        }
        self.ask_without_caches(object, attributes)
    }

    /// Asks the Python layer which of the attributes are caches; this may run user code.
    #[cold]
    fn ask_without_caches(
        &mut self,
        object: &Bound<'py, PyAny>,
        attributes: Bound<'py, PyDict>,
    ) -> Walked<Bound<'py, PyDict>> {
        let py = self.py;
        let answer = hooks::WITHOUT_CACHES.get(py).and_then(|without| without.call1((object, attributes))?.extract());
        let (counted, warnings): (Bound<'py, PyDict>, Vec<String>) =
            answer.map_err(|error| WalkError::raised(py, "finding its cached attributes", error))?;
        self.rare().warnings.extend(warnings);
        Ok(counted)
    }

    pub(super) fn state(&mut self, attributes: &Bound<'py, PyDict>, rules: &AttributeRules) -> Walked {
        self.composite(attributes.as_any(), false, |walk| {
            let attribute = |walk: &mut Self, value: &Bound<'py, PyAny>| match walk.walk(value) {
                Err(stop) if rules.is_user_code && stop.is_opaque() => walk.opaque(value),
                walked => walked,
            };
            walk.items(attributes, attribute, |name| match name.cast::<PyString>() {
                Ok(name) => format!(".{}", name.to_string_lossy()),
                Err(_) => format!("[{}]", crate::hash::containers::shown(name)),
            })
        })
    }

    /// Writes the type of an opaque resource (lock, thread, handler) that is stored in an
    /// attribute.
    #[cold]
    fn opaque(&mut self, value: &Bound<'py, PyAny>) -> Walked {
        let mark = self.encoder.begin(tags::RULE, 2);
        self.encoder.blob(tags::STR, b"tool");
        self.definition(value.get_type().as_any())?;
        self.encoder.end(mark, None);
        Ok(())
    }
}

#[inline]
pub(super) fn attributes_of<'py>(object: &Bound<'py, PyAny>, slots: &[Py<PyString>]) -> PyResult<Bound<'py, PyDict>> {
    let py = object.py();
    let own = own_dict(object)?.unwrap_or_else(|| PyDict::new(py));
    if slots.is_empty() {
        return Ok(own);
    }
    let all = own.copy()?;
    for slot in slots {
        if let Some(value) = slot_of(object, slot)? {
            all.set_item(slot, value)?;
        }
    }
    Ok(all)
}

/// Reads a slot, bypassing `__getattribute__` of the class.
fn slot_of<'py>(object: &Bound<'py, PyAny>, slot: &Py<PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = object.py();
    // SAFETY: both objects are alive, and the second is a str. The result is a new reference, or
    // null with an exception set.
    let found =
        unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyObject_GenericGetAttr(object.as_ptr(), slot.as_ptr())) };
    match found {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_instance_of::<PyAttributeError>(py) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the `__dict__` of an object, bypassing `__getattribute__` of the class.
fn own_dict<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = object.py();
    // SAFETY: the object and its type are alive. `tp_dictoffset` is 0 if objects have no dict. The
    // result is a new reference, or null with an exception set.
    let dict = unsafe {
        if (*object.get_type().as_type_ptr()).tp_dictoffset == 0 {
            return Ok(None);
        }
        Bound::from_owned_ptr_or_err(py, ffi::PyObject_GenericGetDict(object.as_ptr(), ptr::null_mut()))?
    };
    Ok(Some(dict.cast_into::<PyDict>()?))
}
