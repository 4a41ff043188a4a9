//! The interpreter's version tags of classes. A change of a class or of one of its bases removes the tag of the class;
//! a later tag has another number.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyType;

/// Returns the version tag of a class, which also covers its bases; 0 if it has none now.
#[inline]
pub(crate) fn version_of(class: &Bound<'_, PyType>) -> u32 {
    tag_of(class).load(Ordering::Relaxed)
}

/// True if a class still has the version tag that was seen; 0 stands for none.
#[inline]
pub(crate) fn has_version(class: &Bound<'_, PyType>, seen: &AtomicU32) -> bool {
    let now = version_of(class);
    now != 0 && now == seen.load(Ordering::Relaxed)
}

/// Returns the version tag of a class, and makes the interpreter assign one if the class has none.
///
/// Must be called before the class is compared: a tag that is read afterwards may belong to a later state. 0 for a
/// class that gets no tags any more.
pub(crate) fn assigned_version_of(class: &Bound<'_, PyType>) -> u32 {
    if version_of(class) == 0 {
        assign(class);
    }
    // Without the GIL the attributes must not be read before the tag.
    tag_of(class).load(Ordering::Acquire)
}

fn tag_of<'a>(class: &'a Bound<'_, PyType>) -> &'a AtomicU32 {
    // SAFETY: the class is alive as long as the reference. With the GIL only a thread that holds it writes the field;
    // without the GIL the interpreter writes the field atomically.
    unsafe { AtomicU32::from_ptr(&raw mut (*class.as_type_ptr()).tp_version_tag) }
}

#[cfg(Py_3_12)]
fn assign(class: &Bound<'_, PyType>) {
    // SAFETY: the class is alive. The function runs no Python code and sets no error.
    unsafe { crate::interpreter::PyUnstable_Type_AssignVersionTag(class.as_type_ptr()) };
}

/// Looks a name up in the class itself, which makes the interpreter assign a tag.
#[cfg(not(Py_3_12))]
fn assign(class: &Bound<'_, PyType>) {
    use pyo3::ffi;

    // A name that a metaclass may have as a property, such as `__doc__`, is not looked up in the class. No class has
    // this name, so no user code runs.
    let name = crate::lazy::intern!(class.py(), "no attribute of this name");
    // SAFETY: the arguments are a class and a str. The function is the one of `type`, not that of the metaclass. It
    // returns null with an error, or a new reference, which is dropped.
    unsafe {
        if let Some(look_up) = ffi::PyType_Type.tp_getattro {
            drop(Bound::from_owned_ptr_or_err(class.py(), look_up(class.as_ptr(), name.as_ptr())));
        }
    }
}
