//! Cells that are filled at their first use, possibly by several threads at once.
//!
//! A `PyOnceLock` may release the interpreter's lock before it is filled. If another thread forks
//! then, the cell is never filled in the child, and every use hangs. A cell of this module creates
//! the value first and stores it afterwards. No thread waits. If two threads create a value, one of
//! the values is dropped.

use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::PyString;

/// A value created at its first use. Creating it may run Python code.
pub(crate) struct Lazy<T>(OnceLock<T>);

impl<T> Lazy<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.0.get()
    }

    /// Returns the value, created by `make` if there is none.
    ///
    /// While the value is stored, the thread is attached and runs no Python code, so no fork can
    /// happen.
    pub(crate) fn get_or_try_init(&self, _: Python<'_>, make: impl FnOnce() -> PyResult<T>) -> PyResult<&T> {
        if let Some(value) = self.0.get() {
            return Ok(value);
        }
        let value = make()?;
        Ok(self.0.get_or_init(|| value))
    }

    /// Returns the value, created by `make` if there is none.
    pub(crate) fn get_or_init(&self, _: Python<'_>, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.0.get() {
            return value;
        }
        let value = make();
        self.0.get_or_init(|| value)
    }
}

impl Lazy<Py<PyAny>> {
    /// Returns an attribute of a module, imported at the first use.
    pub(crate) fn import<'py>(&self, py: Python<'py>, module: &str, name: &str) -> PyResult<&Bound<'py, PyAny>> {
        let found = self.get_or_try_init(py, || Ok(py.import(module)?.getattr(name)?.unbind()))?;
        Ok(found.bind(py))
    }
}

/// A name that is interned at its first use.
pub(crate) struct Name(&'static str, Lazy<Py<PyString>>);

impl Name {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self(text, Lazy::new())
    }

    pub(crate) fn get<'py>(&self, py: Python<'py>) -> &Bound<'py, PyString> {
        self.1.get_or_init(py, || PyString::intern(py, self.0).unbind()).bind(py)
    }
}

/// Interns a string at its first use, like PyO3's macro of the same name, but without a cell that
/// makes a thread wait.
macro_rules! intern {
    ($py:expr, $text:expr) => {{
        static NAME: $crate::lazy::Name = $crate::lazy::Name::new($text);
        NAME.get($py)
    }};
}
pub(crate) use intern;

/// Returns a field of an object.
pub(crate) fn field<'py, T: FromPyObjectOwned<'py>>(
    object: &Bound<'py, PyAny>,
    name: &Bound<'py, PyString>,
) -> PyResult<T> {
    object.getattr(name)?.extract().map_err(Into::into)
}
