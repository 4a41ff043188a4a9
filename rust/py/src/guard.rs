//! What a definition rests on, and whether it is still so.
//!
//! Each guard compares pointers, or, for a value that may change in place, its hash. What a guard compares with it also
//! holds, so that no address is used for something else meanwhile.

use funes_core::digest::Digest;
use funes_core::domain::Domain;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyFunction, PyInt, PyList, PyModule, PyString, PyTuple, PyType,
};
use rustc_hash::FxHashMap;

use crate::refusal::Walked;
use crate::walk::{Definitions, Walk};

pub(crate) enum Guard {
    /// A name in a namespace is bound to what it was bound to (or to nothing).
    Name { namespace: Py<PyDict>, name: Py<PyString>, value: Option<Py<PyAny>> },
    /// A function has the code, defaults and captured variables that it had.
    Function { function: Py<PyFunction>, parts: [Option<Py<PyAny>>; 3], cells: Vec<(Py<PyAny>, Option<Py<PyAny>>)> },
    /// A class has the attributes that it had.
    Class { class: Py<PyType>, attributes: Py<PyDict> },
    /// A value that can change in place is what it was.
    Value { value: Py<PyAny>, digest: Digest },
}

impl Guard {
    /// The guards of one function or class.
    pub(crate) fn of(object: &Bound<'_, PyAny>, reads: &Bound<'_, PyList>, guards: &mut Vec<Self>) -> PyResult<()> {
        let py = object.py();
        for read in reads.iter() {
            let (namespace, name, value): (Bound<'_, PyAny>, Bound<'_, PyString>, Bound<'_, PyAny>) = read.extract()?;
            let Ok(namespace) = namespace.cast_into::<PyDict>() else { continue };
            let bound = namespace.get_item(&name)?;
            // Between the description and now somebody may have rebound it: then the guard must fail, as it does for
            // a value that the namespace does not hold.
            let value = if bound.is_none() { None } else { Some(value.unbind()) };
            guards.push(Self::Name { namespace: namespace.unbind(), name: name.unbind(), value });
        }
        if let Ok(function) = object.cast::<PyFunction>() {
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
            let attributes = attributes_of(class)?;
            guards.push(Self::Class { class: class.clone().unbind(), attributes: attributes.unbind() });
        } else {
            let _ = py;
        }
        Ok(())
    }

    pub(crate) fn value(value: &Bound<'_, PyAny>, known: &FxHashMap<*mut ffi::PyObject, Digest>) -> Walked<Self> {
        Ok(Self::Value { value: value.clone().unbind(), digest: digest(value, known)? })
    }

    pub(crate) fn holds(&self, py: Python<'_>, known: &FxHashMap<*mut ffi::PyObject, Digest>) -> bool {
        match self {
            Self::Name { namespace, name, value } => {
                let bound = namespace.bind(py).get_item(name.bind(py)).ok().flatten();
                same(bound.as_ref(), value.as_ref())
            }
            Self::Function { function, parts, cells } => {
                let now = function_parts(function.bind(py));
                now.iter().zip(parts).all(|(now, then)| same(now.as_ref(), then.as_ref()))
                    && cells.iter().all(|(cell, then)| same(content_of(cell.bind(py)).as_ref(), then.as_ref()))
            }
            Self::Class { class, attributes } => class_holds(class.bind(py), attributes.bind(py)).unwrap_or(false),
            Self::Value { value, digest: then } => digest(value.bind(py), known).is_ok_and(|now| now == *then),
        }
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        match self {
            Self::Name { namespace, value, .. } => {
                visit.call(namespace)?;
                value.as_ref().map_or(Ok(()), |value| visit.call(value))
            }
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
            Self::Class { class, attributes } => {
                visit.call(class)?;
                visit.call(attributes)
            }
            Self::Value { value, .. } => visit.call(value),
        }
    }
}

/// Whether a value stays what it is as long as nobody binds its name to another one.
pub(crate) fn is_fixed(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyComplex>()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyBytes>()
        // These have guards of their own.
        || value.is_exact_instance_of::<PyFunction>()
        || value.is_instance_of::<PyType>()
        || value.is_exact_instance_of::<PyModule>()
        || value.cast_exact::<PyTuple>().is_ok_and(|tuple| tuple.iter().all(|element| is_fixed(&element)))
}

fn digest(value: &Bound<'_, PyAny>, known: &FxHashMap<*mut ffi::PyObject, Digest>) -> Walked<Digest> {
    let walk = Walk::run(value.py(), || Definitions::Settled(known.clone()), |walk| walk.walk(value))?;
    Ok(walk.finish(Domain::Value))
}

fn same(now: Option<&Bound<'_, PyAny>>, then: Option<&Py<PyAny>>) -> bool {
    match (now, then) {
        (Some(now), Some(then)) => now.is(then),
        (None, None) => true,
        _ => false,
    }
}

/// Code, defaults and keyword defaults.
fn function_parts<'py>(function: &Bound<'py, PyFunction>) -> [Option<Bound<'py, PyAny>>; 3] {
    let py = function.py();
    [intern!(py, "__code__"), intern!(py, "__defaults__"), intern!(py, "__kwdefaults__")]
        .map(|name| function.getattr(name).ok())
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
    cell.getattr(intern!(cell.py(), "cell_contents")).ok()
}

fn attributes_of<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyDict>> {
    let attributes = PyDict::new(class.py());
    attributes.call_method1(intern!(class.py(), "update"), (class.getattr(intern!(class.py(), "__dict__"))?,))?;
    Ok(attributes)
}

fn class_holds(class: &Bound<'_, PyType>, then: &Bound<'_, PyDict>) -> PyResult<bool> {
    let now = attributes_of(class)?;
    if now.len() != then.len() {
        // `__slotnames__`, the caches of `abc` and the like are added later on and say nothing of the code.
        return Ok(then
            .iter()
            .all(|(name, value)| now.get_item(name).ok().flatten().is_some_and(|now| now.is(&value)))
            && now.iter().all(|(name, _)| then.contains(&name).unwrap_or(false) || is_noise(&name)));
    }
    Ok(now.iter().all(|(name, value)| then.get_item(name).ok().flatten().is_some_and(|then| then.is(&value))))
}

fn is_noise(name: &Bound<'_, PyAny>) -> bool {
    name.extract::<String>()
        .is_ok_and(|name| name.starts_with("__") && name.ends_with("__") || name.starts_with("_abc"))
}
