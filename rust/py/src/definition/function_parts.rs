//! The parts of a function that guards compare: code, defaults, captured variables, attributes, names.

use std::mem;
#[cfg(Py_GIL_DISABLED)]
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyTuple};

use crate::definition::changed_names::{Changed, left};
use crate::definition::changed_state::{self, Left};
use crate::definition::namespace::pointer_to;
#[cfg(Py_3_12)]
use crate::definition::seal::{FunctionPin, Pin, Signs};
use crate::hash::walk::address_of;
use crate::lazy::intern;

/// The number of parts that are compared.
const PARTS: usize = 7;

/// The index of the attribute dict among the parts. The other ones lie side by side in a function, in the same order.
pub(crate) const ATTRIBUTES: usize = PARTS - 1;

/// The parts of a function: name, qualified name, code, defaults, keyword defaults, closure and attributes.
pub(crate) type Parts = [Option<Py<PyAny>>; PARTS];

const _: () = assert!(
    mem::offset_of!(ffi::PyFunctionObject, func_closure) - mem::offset_of!(ffi::PyFunctionObject, func_name)
        == (ATTRIBUTES - 1) * size_of::<*mut ffi::PyObject>()
);

/// Returns the addresses of the parts; they are only compared.
pub(crate) fn part_addresses(function: &Bound<'_, PyFunction>) -> [*mut ffi::PyObject; PARTS] {
    let function = function.as_ptr().cast::<ffi::PyFunctionObject>();
    // SAFETY: the object is a function, so it has the layout of this struct. A field that another thread sets at the
    // same time (only without the GIL) has its old or its new value: a call at the same moment would see one of them as
    // well.
    unsafe {
        [
            (&raw const (*function).func_name).read_volatile(),
            (&raw const (*function).func_qualname).read_volatile(),
            (&raw const (*function).func_code).read_volatile(),
            (&raw const (*function).func_defaults).read_volatile(),
            (&raw const (*function).func_kwdefaults).read_volatile(),
            (&raw const (*function).func_closure).read_volatile(),
            (&raw const (*function).func_dict).read_volatile(),
        ]
    }
}

/// Compares the parts of a function. It may have a new attribute dict that is empty, or that only calls filled.
#[inline]
pub(crate) fn compare_parts(function: &Bound<'_, PyFunction>, then: &Parts) -> Left {
    if !holds_code(function, then) {
        Left::Not
    } else if then[ATTRIBUTES].is_some() || has_no_attributes(function) {
        Left::Fixed
    } else {
        compare_new_attributes(function)
    }
}

/// Compares the attributes of a function that had none with those that the last call left there.
#[cold]
fn compare_new_attributes(function: &Bound<'_, PyFunction>) -> Left {
    match attributes_given(function) {
        Ok(Some(dict)) => left(dict.as_any(), &new_attributes(&dict)),
        Ok(None) => Left::Fixed,
        Err(_) => Left::Not,
    }
}

/// Adds the fields of a function and of its cells, with the recorded contents. Returns false if its attributes cannot be
/// watched.
#[cfg(Py_3_12)]
pub(crate) fn pin(
    function: &Bound<'_, PyFunction>,
    then: &Parts,
    cells: &[(Py<PyAny>, Option<Py<PyAny>>)],
    signs: &mut Signs,
) -> bool {
    // A function without attributes may have an empty dict, which is watched as a whole.
    let mut attributes = pointer_to(then[ATTRIBUTES].as_ref());
    if attributes.is_null() {
        let Ok(empty) = attributes_given(function) else { return false };
        if let Some(empty) = &empty {
            if !signs.watch.add(empty, None) {
                return false;
            }
            attributes = empty.as_ptr();
            signs.kept.push(empty.clone().into_any().unbind());
        }
    }
    signs.functions.push(FunctionPin {
        function: address_of(function),
        then: std::array::from_fn(|part| pointer_to(then[part].as_ref()).addr()),
        attributes: attributes.addr().into(),
    });
    for (cell, then) in cells {
        let cell = cell.as_ptr().cast::<ffi::PyCellObject>();
        // SAFETY: the object is a cell, so it has the layout of this struct.
        signs.pins.push(Pin::new(unsafe { &raw const (*cell).ob_ref }, pointer_to(then.as_ref())));
    }
    true
}

/// True if the parts are the same, except the attributes of a function that had none.
#[inline]
pub(crate) fn holds_code(function: &Bound<'_, PyFunction>, then: &Parts) -> bool {
    // SAFETY: an optional reference is an address, null for none.
    let recorded = unsafe { &*then.as_ptr().cast::<[usize; PARTS]>() };
    holds_fields(function, recorded)
        && (then[ATTRIBUTES].is_none() || part_addresses(function)[ATTRIBUTES].addr() == recorded[ATTRIBUTES])
}

/// True if the parts but the attributes are the same. They are compared as one block, since this
/// runs for each function at each hit.
#[cfg(not(Py_GIL_DISABLED))]
#[inline]
fn holds_fields(function: &Bound<'_, PyFunction>, then: &[usize; PARTS]) -> bool {
    let function = function.as_ptr().cast::<ffi::PyFunctionObject>();
    // SAFETY: the object is a function, so it has the layout of this struct, and the fields lie side by side. The GIL is
    // held.
    let now = unsafe { &*(&raw const (*function).func_name).cast::<[usize; ATTRIBUTES]>() };
    now.as_slice() == &then[..ATTRIBUTES]
}

/// True if the parts but the attributes are the same. Without the GIL each field is read by itself.
#[cfg(Py_GIL_DISABLED)]
fn holds_fields(function: &Bound<'_, PyFunction>, then: &[usize; PARTS]) -> bool {
    part_addresses(function)[..ATTRIBUTES].iter().zip(then).all(|(now, then)| now.addr() == *then)
}

/// Returns the attribute dict of a function, if it has one.
pub(crate) fn attributes_given<'py>(function: &Bound<'py, PyFunction>) -> PyResult<Option<Bound<'py, PyDict>>> {
    if part_addresses(function)[ATTRIBUTES].is_null() {
        return Ok(None);
    }
    Ok(Some(function.getattr(intern!(function.py(), "__dict__"))?.cast_into::<PyDict>()?))
}

/// Returns the attributes of a function that had none, as changes.
pub(crate) fn new_attributes<'py>(dict: &Bound<'py, PyDict>) -> Vec<Changed<'py>> {
    dict.iter().map(|(name, value)| (name.to_string(), None, Some(value))).collect()
}

/// True if a function has no attributes. Reading its `__dict__` would create the dict.
pub(crate) fn has_no_attributes(function: &Bound<'_, PyFunction>) -> bool {
    is_bare(part_addresses(function)[ATTRIBUTES])
}

/// True if this attribute dict is missing or empty.
#[cfg(not(Py_GIL_DISABLED))]
fn is_bare(attributes: *mut ffi::PyObject) -> bool {
    // SAFETY: a pointer that is not null is the dict of a live function, so it has the layout of this struct, and no
    // other thread runs.
    attributes.is_null() || unsafe { (*attributes.cast::<ffi::PyDictObject>()).ma_used } == 0
}

/// True if the attribute dict is missing. Without the GIL another thread may replace the dict, so it is not read.
#[cfg(Py_GIL_DISABLED)]
fn is_bare(attributes: *mut ffi::PyObject) -> bool {
    attributes.is_null()
}

/// Returns the parts of a function as objects; None for a missing part.
pub(crate) fn function_parts<'py>(function: &Bound<'py, PyFunction>) -> [Option<Bound<'py, PyAny>>; PARTS] {
    let mut parts = part_addresses(function);
    if is_bare(parts[ATTRIBUTES]) {
        parts[ATTRIBUTES] = std::ptr::null_mut();
    }
    // SAFETY: the function keeps its parts alive, and no code that could replace them runs between the two lines.
    parts.map(|part| unsafe { Bound::from_borrowed_ptr_or_opt(function.py(), part) })
}

/// True if each cell holds the same object.
#[inline(never)]
pub(crate) fn holds_cells(py: Python<'_>, cells: &[(Py<PyAny>, Option<Py<PyAny>>)]) -> bool {
    cells.iter().all(|(cell, then)| holds_content(cell.bind(py), then.as_ref()))
}

/// True if a cell holds this object (None: is empty), or the object that the last call left there.
pub(crate) fn holds_content(cell: &Bound<'_, PyAny>, content: Option<&Py<PyAny>>) -> bool {
    let now = address_of_content(cell);
    let then = pointer_to(content);
    now == then || changed_state::name_is_left(cell.py(), address_of(cell), "", then, now) != Left::Not
}

/// Returns the address of the value of a cell, null for an empty cell; it is only compared.
#[cfg(not(Py_GIL_DISABLED))]
fn address_of_content(cell: &Bound<'_, PyAny>) -> *mut ffi::PyObject {
    content_of(cell).as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr)
}

/// Returns the address of the value of a cell, null for an empty cell; it is only compared. The lock of the cell is not
/// taken, and the references to the value are not counted: all threads that call the function would wait for each other.
#[cfg(Py_GIL_DISABLED)]
fn address_of_content(cell: &Bound<'_, PyAny>) -> *mut ffi::PyObject {
    // SAFETY: the object is a cell, so it has the layout of this struct. The interpreter writes the field atomically.
    unsafe { AtomicPtr::from_ptr(&raw mut (*cell.as_ptr().cast::<ffi::PyCellObject>()).ob_ref) }.load(Ordering::Acquire)
}

/// Returns the counted value of a cell.
pub(crate) fn counted_content<'py>(cell: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    changed_state::counted_or_none(cell, "", content_of(cell))
}

/// Returns the name of the captured variable with this index.
pub(crate) fn captured_name(function: &Bound<'_, PyFunction>, index: usize) -> PyResult<String> {
    let py = function.py();
    function.getattr(intern!(py, "__code__"))?.getattr(intern!(py, "co_freevars"))?.get_item(index)?.extract()
}

pub(crate) fn cells_of<'py>(function: &Bound<'py, PyFunction>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let closure = function.getattr(intern!(function.py(), "__closure__"))?;
    if closure.is_none() {
        return Ok(Vec::new());
    }
    let closure = closure.cast_into::<PyTuple>().map_err(|_| PyTypeError::new_err("a closure is a tuple"))?;
    Ok(closure.iter().collect())
}

/// Returns the value of a cell; None for an empty cell.
pub(crate) fn content_of<'py>(cell: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: the object is a cell. The result is a new reference, or null without an exception for an empty cell.
    unsafe { Bound::from_owned_ptr_or_opt(cell.py(), ffi::PyCell_Get(cell.as_ptr())) }
}
