//! Hashes tuple, list, dict, set and frozenset.
//!
//! User code such as the `__reduce__` of an element may change a container while it is walked.
//! Every loop detects this.

use funes_core::tags;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple, PyType};

use crate::hash::walk::{Composite, Walk};
use crate::hash::walk_error::{WalkError, Walked};

impl<'py> Walk<'py> {
    #[inline(never)]
    pub(crate) fn tuple(&mut self, tuple: &Bound<'py, PyTuple>) -> Walked {
        self.nested(tuple.as_any(), |walk| {
            let mark = walk.encoder.begin(tags::TUPLE, tuple.len());
            for (index, element) in tuple.iter().enumerate() {
                if !walk.number(&element) {
                    walk.walk(&element).map_err(|stop| stop.at(|| format!("[{index}]")))?;
                }
            }
            Ok(mark.into())
        })
    }

    #[inline(never)]
    pub(crate) fn list(&mut self, list: &Bound<'py, PyList>) -> Walked {
        self.nested(list.as_any(), |walk| {
            let length = list.len();
            let mark = walk.encoder.begin(tags::LIST, length);
            let mut walked = 0;
            for (index, element) in list.iter().enumerate() {
                if !walk.number(&element) {
                    walk.walk(&element).map_err(|stop| stop.at(|| format!("[{index}]")))?;
                }
                walked += 1;
            }
            if walked != length || list.len() != length {
                return Err(changed("list"));
            }
            Ok(mark.into())
        })
    }

    #[inline(never)]
    pub(crate) fn dict(&mut self, dict: &Bound<'py, PyDict>) -> Walked {
        self.nested(dict.as_any(), |walk| walk.items(dict, Self::walk, |key| format!("[{}]", shown(key))))
    }

    /// Writes the items of a dict. `walk` writes a value; `step` returns the path to a value for an
    /// error message.
    pub(crate) fn items(
        &mut self,
        dict: &Bound<'py, PyDict>,
        walk: impl Fn(&mut Self, &Bound<'py, PyAny>) -> Walked,
        step: impl Fn(&Bound<'py, PyAny>) -> String,
    ) -> Walked<Composite> {
        let mark = self.encoder.begin(tags::DICT, dict.len());
        let first = self.boundaries.len();
        for_each_item(dict, |key, value| {
            self.boundaries.push(self.encoder.boundary());
            match key.cast_exact::<PyString>() {
                Ok(text) => self.text(text)?,
                Err(_) => self.walk(key).map_err(|stop| stop.at(|| format!(" (the key {})", shown(key))))?,
            }
            walk(self, value).map_err(|stop| stop.at(|| step(key)))
        })?;
        self.boundaries.push(self.encoder.boundary());
        Ok(Composite { mark, first_boundary: Some(first) })
    }

    #[inline(never)]
    pub(crate) fn set(&mut self, set: &Bound<'py, PyAny>, tag: u8) -> Walked {
        self.nested(set, |walk| walk.elements(set, tag))
    }

    /// Writes the elements of a set or frozenset, or of an instance of a subclass.
    pub(crate) fn elements(&mut self, set: &Bound<'py, PyAny>, tag: u8) -> Walked<Composite> {
        // SAFETY: `set` is an instance of set or frozenset or of a subclass.
        let length = unsafe { ffi::PySet_Size(set.as_ptr()) }.cast_unsigned();
        let mark = self.encoder.begin(tag, length);
        let first = self.boundaries.len();
        let mut walked = 0;
        let elements = if set.is_exact_instance_of::<PySet>() || set.is_exact_instance_of::<PyFrozenSet>() {
            set.try_iter()
        } else {
            // A subclass may override `__iter__` and hide elements.
            let kind: Bound<'py, PyType> =
                if tag == tags::SET { self.py.get_type::<PySet>() } else { self.py.get_type::<PyFrozenSet>() };
            kind.call_method1("__iter__", (set,)).and_then(|elements| elements.try_iter())
        };
        let elements = elements.map_err(|error| WalkError::raised(self.py, "iterating a set", error))?;
        for element in elements {
            let element = element.map_err(|_| changed("set"))?;
            self.boundaries.push(self.encoder.boundary());
            walked += 1;
            self.walk(&element).map_err(|stop| stop.at(|| format!(" (the element {})", shown(&element))))?;
        }
        if walked != length {
            return Err(changed("set"));
        }
        self.boundaries.push(self.encoder.boundary());
        Ok(Composite { mark, first_boundary: Some(first) })
    }
}

fn changed(kind: &str) -> WalkError {
    WalkError::refused(format!("a {kind} changed while it was hashed"))
}

/// Calls `visit` for each item, and refuses the dict if it changes. The iterator of PyO3 panics if
/// the size changes.
pub(crate) fn for_each_item<'py>(
    dict: &Bound<'py, PyDict>,
    mut visit: impl FnMut(&Bound<'py, PyAny>, &Bound<'py, PyAny>) -> Walked,
) -> Walked {
    let length = dict.len();
    let mut position = 0;
    let mut visited = 0;
    loop {
        let mut key = std::ptr::null_mut();
        let mut value = std::ptr::null_mut();
        let more = pyo3::sync::critical_section::with_critical_section(dict.as_any(), || {
            // SAFETY: `dict` is a dict, and the three pointers outlive the call. Inside the
            // critical section, no thread changes the dict between the lookup and taking the
            // references. `PyDict_Next` checks `position` against the current size, so a dict that
            // was changed by `visit` is not read out of bounds.
            unsafe {
                if ffi::PyDict_Next(dict.as_ptr(), &raw mut position, &raw mut key, &raw mut value) == 0 {
                    return None;
                }
                Some((Bound::from_borrowed_ptr(dict.py(), key), Bound::from_borrowed_ptr(dict.py(), value)))
            }
        });
        let Some((key, value)) = more else { break };
        visited += 1;
        if visited > length {
            break;
        }
        visit(&key, &value)?;
    }
    if visited == length && dict.len() == length { Ok(()) } else { Err(changed("dict")) }
}

/// Returns a short text for a key or value, without calling a `__repr__` of user code.
pub(crate) fn shown(value: &Bound<'_, PyAny>) -> String {
    let text = if has_own_repr(value) { value.repr().ok() } else { None };
    let text = text.map_or_else(
        || value.get_type().name().map_or_else(|_| "?".to_owned(), |name| format!("<{name}>")),
        |text| text.to_string_lossy().into_owned(),
    );
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Returns whether `repr` runs no user code: built-in scalars, and short tuples of them.
fn has_own_repr(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyBool>()
        || value
            .cast_exact::<PyTuple>()
            .is_ok_and(|tuple| tuple.len() <= 4 && tuple.iter().all(|element| has_own_repr(&element)))
}
