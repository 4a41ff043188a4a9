//! What a definition rests on, and whether it is still so.
//!
//! Each guard compares pointers, or, for a value that may change in place, its hash. What a guard compares with it also
//! holds, so that no address is used for something else meanwhile. For names, see `namespace`.

use std::sync::atomic::{AtomicU32, Ordering};

use funes_core::digest::Digest;
use funes_core::domain::Domain;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyFunction, PyInt, PyList, PyModule, PyString, PyTuple,
    PyType,
};

use rustc_hash::FxHashSet;

use crate::namespace::{Namespaces, pointer_to};
use crate::refusal::Walked;
use crate::walk::{Address, Definitions, Digests, Walk, address_of};

pub(crate) enum Guard {
    /// A function has the code, defaults, captured variables and place for attributes that it had.
    Function { function: Py<PyFunction>, parts: [Option<Py<PyAny>>; 5], cells: Vec<(Py<PyAny>, Option<Py<PyAny>>)> },
    /// A class has the bases, metaclass and attributes that it had.
    Class(Box<Shape>),
    /// A value that can change in place is what it was.
    Value { value: Py<PyAny>, digest: Digest },
}

/// What a class was.
pub(crate) struct Shape {
    class: Py<PyType>,
    bases: Py<PyTuple>,
    metaclass: Py<PyType>,
    /// Those that count.
    attributes: Py<PyDict>,
    /// Names that the code assigns while it runs, which do not count.
    left_out: FxHashSet<String>,
    /// The interpreter's number for the state in which all this was last seen to hold.
    version: AtomicU32,
}

impl Guard {
    /// The guards of one function or class. `reads`: the names that were looked up, see `Description`. `left_out`: names
    /// that the code assigns, each with the address of its namespace.
    pub(crate) fn of(
        object: &Bound<'_, PyAny>,
        reads: &Bound<'_, PyList>,
        left_out: &FxHashSet<(Address, String)>,
        namespaces: &mut Namespaces,
        guards: &mut Vec<Self>,
    ) -> PyResult<()> {
        for read in reads.iter() {
            let (namespace, name, value): (Bound<'_, PyAny>, Bound<'_, PyString>, Bound<'_, PyAny>) = read.extract()?;
            if let Ok(namespace) = namespace.cast_into::<PyDict>() {
                namespaces.note(&namespace, name, value)?;
            }
        }
        if let Ok(function) = object.cast::<PyFunction>() {
            // The dict of keyword defaults may be changed in place.
            if let Ok(defaults) = function.getattr(intern!(function.py(), "__kwdefaults__"))?.cast_into::<PyDict>() {
                for (name, value) in &defaults {
                    namespaces.note(&defaults, name.cast_into::<PyString>()?, value)?;
                }
            }
            guards.push(Self::Function {
                function: function.clone().unbind(),
                parts: function_parts(function).map(|part| part.map(Bound::unbind)),
                cells: cells_of(function)?
                    .into_iter()
                    .map(|cell| {
                        let content = content_of(&cell);
                        (cell.unbind(), content.map(Bound::unbind))
                    })
                    .collect(),
            });
        } else if let Ok(class) = object.cast::<PyType>() {
            let address = address_of(object);
            let left_out =
                left_out.iter().filter(|(owner, _)| *owner == address).map(|(_, name)| name.clone()).collect();
            guards.push(Self::Class(Box::new(Shape::of(class, left_out)?)));
        }
        Ok(())
    }

    pub(crate) fn value(value: &Bound<'_, PyAny>, known: &Digests) -> Walked<Self> {
        Ok(Self::Value { value: value.clone().unbind(), digest: digest(value, known)? })
    }

    /// The digest of a value.
    pub(crate) fn digest(&self) -> Option<Digest> {
        match self {
            Self::Value { digest, .. } => Some(*digest),
            Self::Function { .. } | Self::Class(_) => None,
        }
    }

    pub(crate) fn holds(&self, py: Python<'_>, known: &Digests) -> bool {
        match self {
            Self::Function { function, parts, cells } => {
                part_addresses(function.bind(py)).iter().zip(parts).all(|(&now, then)| now == pointer_to(then.as_ref()))
                    && cells.iter().all(|(cell, then)| holds_content(cell.bind(py), then.as_ref()))
            }
            Self::Class(shape) => shape.holds(py),
            Self::Value { value, digest: then } => digest(value.bind(py), known).is_ok_and(|now| now == *then),
        }
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        match self {
            Self::Function { function, parts, cells } => {
                visit.call(function)?;
                for part in parts.iter().flatten() {
                    visit.call(part)?;
                }
                for (cell, content) in cells {
                    visit.call(cell)?;
                    if let Some(content) = content {
                        visit.call(content)?;
                    }
                }
                Ok(())
            }
            Self::Class(shape) => {
                visit.call(&shape.class)?;
                visit.call(&shape.bases)?;
                visit.call(&shape.metaclass)?;
                visit.call(&shape.attributes)
            }
            Self::Value { value, .. } => visit.call(value),
        }
    }
}

/// Whether a value stays what it is as long as nobody binds its name to another one, and its code has guards.
pub(crate) fn is_fixed(value: &Bound<'_, PyAny>) -> bool {
    // Code has guards of its own.
    is_constant(value)
        || value.is_exact_instance_of::<PyFunction>()
        || value.is_instance_of::<PyType>()
        || value.is_exact_instance_of::<PyModule>()
        || value.cast_exact::<PyTuple>().is_ok_and(|tuple| tuple.iter().all(|element| is_fixed(&element)))
}

/// Whether a value can never change.
pub(crate) fn is_constant(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyComplex>()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyBytes>()
        || value.cast_exact::<PyTuple>().is_ok_and(|tuple| tuple.iter().all(|element| is_constant(&element)))
}

fn digest(value: &Bound<'_, PyAny>, known: &Digests) -> Walked<Digest> {
    let mut walk = Walk::new(value.py(), Definitions::settled(Some(known.clone())));
    walk.run(|walk| walk.walk(value))?;
    Ok(walk.finish(Domain::Value))
}

/// Code, defaults, keyword defaults, closure and attributes: addresses to compare, never to follow.
fn part_addresses(function: &Bound<'_, PyFunction>) -> [*mut ffi::PyObject; 5] {
    let function = function.as_ptr().cast::<ffi::PyFunctionObject>();
    // SAFETY: it is a function, whose layout is this struct's. A field that another thread sets meanwhile (only without
    // the interpreter's lock) has its old or its new value: a call at the same moment would see one of them as well.
    unsafe {
        [
            (&raw const (*function).func_code).read_volatile(),
            (&raw const (*function).func_defaults).read_volatile(),
            (&raw const (*function).func_kwdefaults).read_volatile(),
            (&raw const (*function).func_closure).read_volatile(),
            (&raw const (*function).func_dict).read_volatile(),
        ]
    }
}

/// The same as objects, to hold. None for what the function does not have.
fn function_parts<'py>(function: &Bound<'py, PyFunction>) -> [Option<Bound<'py, PyAny>>; 5] {
    // SAFETY: what the function refers to lives as long as nobody rebinds it, and no code runs between here and there.
    part_addresses(function).map(|part| unsafe { Bound::from_borrowed_ptr_or_opt(function.py(), part) })
}

/// Whether a cell holds this very object, or nothing.
fn holds_content(cell: &Bound<'_, PyAny>, content: Option<&Py<PyAny>>) -> bool {
    content_of(cell).as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr) == pointer_to(content)
}

fn cells_of<'py>(function: &Bound<'py, PyFunction>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let closure = function.getattr(intern!(function.py(), "__closure__"))?;
    if closure.is_none() {
        return Ok(Vec::new());
    }
    let closure = closure.cast_into::<PyTuple>().map_err(|_| PyTypeError::new_err("a closure is a tuple"))?;
    Ok(closure.iter().collect())
}

/// What a cell holds; nothing for a variable that has no value yet.
fn content_of<'py>(cell: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: it is a cell; the result is a new reference, or null without an exception for an empty one.
    unsafe { Bound::from_owned_ptr_or_opt(cell.py(), ffi::PyCell_Get(cell.as_ptr())) }
}

/// The number that the interpreter gives to a state of a class and of its bases; 0 if it has none now.
#[cfg(not(Py_GIL_DISABLED))]
fn version_of(class: &Bound<'_, PyType>) -> u32 {
    // SAFETY: the type is alive, and only whoever holds the interpreter's lock writes the field.
    unsafe { (*class.as_type_ptr()).tp_version_tag }
}

/// Without the interpreter's lock the field must not be read plainly: the attributes are compared each time.
#[cfg(Py_GIL_DISABLED)]
fn version_of(_class: &Bound<'_, PyType>) -> u32 {
    0
}

/// The same, after a look-up, which makes the interpreter give a number to a class that has none.
fn assigned_version_of(class: &Bound<'_, PyType>) -> u32 {
    let _ = class.getattr(intern!(class.py(), "__doc__"));
    version_of(class)
}

/// What a class has of its own, without what says nothing about it: the caches of `copyreg`, `abc` and `typing`, which
/// are added later on, annotations, and what the code assigns.
fn attributes_of<'py>(class: &Bound<'py, PyType>, left_out: &FxHashSet<String>) -> PyResult<Bound<'py, PyDict>> {
    static NOISE: PyOnceLock<Py<PyFrozenSet>> = PyOnceLock::new();
    let py = class.py();
    let noise = NOISE.get_or_try_init(py, || -> PyResult<_> {
        let noise = py.import("funes._definitions.classes")?.getattr("NOISE")?;
        Ok(noise.cast_into::<PyFrozenSet>()?.unbind())
    })?;
    let attributes = PyDict::new(py);
    attributes.call_method1(intern!(py, "update"), (class.getattr(intern!(py, "__dict__"))?,))?;
    for name in noise.bind(py) {
        attributes.call_method1(intern!(py, "pop"), (name, py.None()))?;
    }
    for name in left_out {
        attributes.call_method1(intern!(py, "pop"), (name, py.None()))?;
    }
    Ok(attributes)
}

impl Shape {
    fn of(class: &Bound<'_, PyType>, left_out: FxHashSet<String>) -> PyResult<Self> {
        Ok(Self {
            class: class.clone().unbind(),
            bases: class.bases().unbind(),
            metaclass: class.get_type().unbind(),
            attributes: attributes_of(class, &left_out)?.unbind(),
            left_out,
            version: AtomicU32::new(0),
        })
    }

    fn holds(&self, py: Python<'_>) -> bool {
        let class = self.class.bind(py);
        if !class.get_type().is(&self.metaclass) {
            return false;
        }
        let now = version_of(class);
        if now != 0 && now == self.version.load(Ordering::Relaxed) {
            return true;
        }
        let holds = self.compare(class).unwrap_or(false);
        if holds {
            self.version.store(assigned_version_of(class), Ordering::Relaxed);
        }
        holds
    }

    fn compare(&self, class: &Bound<'_, PyType>) -> PyResult<bool> {
        let py = class.py();
        // A class whose bases are set has another tuple of them.
        if !class.bases().is(&self.bases) {
            return Ok(false);
        }
        let (now, then) = (attributes_of(class, &self.left_out)?, self.attributes.bind(py));
        Ok(now.len() == then.len()
            && now.iter().all(|(name, value)| then.get_item(name).ok().flatten().is_some_and(|then| then.is(&value))))
    }
}
