//! A cell that the interpreter's lock protects, at no cost for a hit. In builds without that lock,
//! a mutex protects the cell.

#[cfg(not(Py_GIL_DISABLED))]
use std::cell::RefCell;
#[cfg(Py_GIL_DISABLED)]
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

/// A value for threads that are attached to the interpreter.
pub(crate) struct GilCell<T>(#[cfg(not(Py_GIL_DISABLED))] RefCell<T>, #[cfg(Py_GIL_DISABLED)] Mutex<T>);

// SAFETY: the value is reached only through methods that take a `Python`, so by threads that hold
// the interpreter's lock, one at a time. The lock orders their accesses, including the counting of
// borrows. If the lock were released within `with`, another thread would find the value borrowed,
// and panic. There is only one such lock: PyO3 refuses to import the extension into a second
// interpreter of the process (PEP 684).
#[cfg(not(Py_GIL_DISABLED))]
unsafe impl<T: Send> Sync for GilCell<T> {}

impl<T: Default> Default for GilCell<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> GilCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        #[cfg(not(Py_GIL_DISABLED))]
        return Self(RefCell::new(value));
        #[cfg(Py_GIL_DISABLED)]
        return Self(Mutex::new(value));
    }

    /// Passes the value to `work`. No Python code may run within `work`, not even by dropping an
    /// object: it could enter the same cell.
    pub(crate) fn with<R>(&self, _: Python<'_>, work: impl FnOnce(&mut T) -> R) -> R {
        #[cfg(not(Py_GIL_DISABLED))]
        return work(&mut self.0.borrow_mut());
        #[cfg(Py_GIL_DISABLED)]
        return work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Passes the value to `work` like `with`, unless the value is in use. It is for the garbage
    /// collector, which may run while the value is in use.
    pub(crate) fn try_with<R>(&self, _: Python<'_>, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        #[cfg(not(Py_GIL_DISABLED))]
        return self.0.try_borrow_mut().ok().map(|mut value| work(&mut value));
        #[cfg(Py_GIL_DISABLED)]
        return self.0.try_lock().ok().map(|mut value| work(&mut value));
    }
}
