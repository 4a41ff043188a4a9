//! The arguments of one call in the form in which the interpreter passes them.

use std::slice;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Positional arguments, and keyword arguments as names and values. Nothing is copied.
pub(crate) struct CallArgs<'a, 'py> {
    py: Python<'py>,
    pub(crate) positional: &'a [Bound<'py, PyAny>],
    pub(crate) names: &'a [Bound<'py, PyAny>],
    pub(crate) values: &'a [Bound<'py, PyAny>],
}

impl<'py> CallArgs<'_, 'py> {
    /// Wraps the arguments of a vectorcall (PEP 590).
    ///
    /// # Safety
    ///
    /// `arguments` contains as many valid objects as `count` (with its flag) and the tuple `names`
    /// (or null) say, and the caller holds all of them for `'a`.
    pub(crate) unsafe fn of_vectorcall(
        py: Python<'py>,
        arguments: *const *mut ffi::PyObject,
        count: usize,
        names: *mut ffi::PyObject,
    ) -> Self {
        // SAFETY: guaranteed by the caller. A `Bound` is a pointer to an object and nothing more,
        // and a `Bound` behind a shared slice is never dropped. The tuple of names does not change.
        unsafe {
            let count = ffi::PyVectorcall_NARGS(count).cast_unsigned();
            let names = if names.is_null() {
                &[]
            } else {
                let items = &raw const (*names.cast::<ffi::PyTupleObject>()).ob_item;
                slice::from_raw_parts(items.cast(), ffi::PyTuple_GET_SIZE(names).cast_unsigned())
            };
            let arguments = arguments.cast::<Bound<'py, PyAny>>();
            if arguments.is_null() {
                return Self { py, positional: &[], names, values: &[] };
            }
            let positional = slice::from_raw_parts(arguments, count);
            let values = slice::from_raw_parts(arguments.add(count), names.len());
            Self { py, positional, names, values }
        }
    }

    /// Wraps a tuple and a dict.
    pub(crate) fn with<R>(
        positional: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
        work: impl FnOnce(&CallArgs<'_, 'py>) -> R,
    ) -> R {
        let (names, values): (Vec<_>, Vec<_>) = keywords.into_iter().flatten().unzip();
        work(&CallArgs { py: positional.py(), positional: positional.as_slice(), names: &names, values: &values })
    }

    pub(crate) fn py(&self) -> Python<'py> {
        self.py
    }

    /// Returns the positional arguments as a tuple.
    pub(crate) fn tuple(&self) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(self.py, self.positional)
    }

    /// Returns the keyword arguments as a dict, or None if there are none.
    pub(crate) fn dict(&self) -> PyResult<Option<Bound<'py, PyDict>>> {
        if self.names.is_empty() {
            return Ok(None);
        }
        let dict = PyDict::new(self.py);
        for (name, value) in self.names.iter().zip(self.values) {
            dict.set_item(name, value)?;
        }
        Ok(Some(dict))
    }
}
