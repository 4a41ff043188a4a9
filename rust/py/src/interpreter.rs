//! Functions of the interpreter that PyO3 does not declare.

use std::ffi::{c_char, c_int, c_void};

use pyo3::ffi;

/// A function that the interpreter calls for each audit event: name, arguments as a tuple, and the data
/// with which it was registered.
pub(crate) type AuditHook = unsafe extern "C" fn(*const c_char, *mut ffi::PyObject, *mut c_void) -> c_int;

/// The function that a dict watcher calls before a change: event, dict, key and new value.
#[cfg(Py_3_12)]
pub(crate) type DictCallback =
    unsafe extern "C" fn(c_int, *mut ffi::PyObject, *mut ffi::PyObject, *mut ffi::PyObject) -> c_int;

// On Windows PyO3 links no import library, so the library is named here.
#[cfg_attr(all(windows, not(Py_3_11)), link(name = "python310", kind = "raw-dylib"))]
#[cfg_attr(all(windows, Py_3_11, not(Py_3_12)), link(name = "python311", kind = "raw-dylib"))]
#[cfg_attr(all(windows, Py_3_12, not(Py_3_13)), link(name = "python312", kind = "raw-dylib"))]
#[cfg_attr(all(windows, Py_3_13, not(Py_3_14)), link(name = "python313", kind = "raw-dylib"))]
#[cfg_attr(all(windows, Py_3_14, not(Py_3_15), not(Py_GIL_DISABLED)), link(name = "python314", kind = "raw-dylib"))]
#[cfg_attr(all(windows, Py_3_14, not(Py_3_15), Py_GIL_DISABLED), link(name = "python314t", kind = "raw-dylib"))]
#[cfg_attr(all(windows, Py_3_15, not(Py_GIL_DISABLED)), link(name = "python315", kind = "raw-dylib"))]
#[cfg_attr(all(windows, Py_3_15, Py_GIL_DISABLED), link(name = "python315t", kind = "raw-dylib"))]
unsafe extern "C" {
    /// Registers an audit hook. Returns 0, or -1 with an error if another hook forbids it.
    pub(crate) fn PySys_AddAuditHook(hook: AuditHook, data: *mut c_void) -> c_int;

    /// Gives a class a version tag if it has none. Returns 0 if it cannot have one.
    #[cfg(Py_3_12)]
    pub(crate) fn PyUnstable_Type_AssignVersionTag(class: *mut ffi::PyTypeObject) -> c_int;

    /// Lets threads hold an object without counting their references to it. Only the collector frees it then. Returns 0 if
    /// the object cannot be held like this.
    #[cfg(all(Py_3_14, Py_GIL_DISABLED))]
    pub(crate) fn PyUnstable_Object_EnableDeferredRefcount(object: *mut ffi::PyObject) -> c_int;

    /// Registers a dict watcher. Returns its id, or -1 with an error.
    #[cfg(Py_3_12)]
    pub(crate) fn PyDict_AddWatcher(callback: DictCallback) -> c_int;
}
