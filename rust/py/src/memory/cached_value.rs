//! A result in memory. An immutable result is shared; of any other result, each caller gets a copy.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple,
};

use crate::lazy::Lazy;
use rustc_hash::FxHashSet;

/// The nesting depth up to which a result is copied part by part. A deeper result is pickled.
const DEPTH_LIMIT: usize = 50;

/// A result in memory.
pub(crate) enum CachedValue {
    /// An immutable result. All callers get the same object.
    Shared(Py<PyAny>),
    /// The parts of a container. Each caller gets a container that is made from the parts.
    Parts(Parts),
    /// The pickle of an entry. Each caller gets a result that is unpickled from it.
    Pickled(Py<PyBytes>),
}

/// A built-in container that is mutable or contains a mutable object.
pub(crate) enum Parts {
    List(Box<[Part]>),
    Tuple(Box<[Part]>),
    Dict(Box<[(Part, Part)]>),
    Set(Box<[Part]>),
    Bytes(Box<[u8]>),
}

pub(crate) enum Part {
    /// An immutable object.
    Leaf(Py<PyAny>),
    Parts(Box<Parts>),
}

impl CachedValue {
    /// Copies a result as it is now. `entry` is the pickle from which the result can be loaded, if
    /// there is one. Returns `None` if the result cannot be kept in memory.
    pub(crate) fn of(output: &Bound<'_, PyAny>, entry: Option<&Bound<'_, PyBytes>>) -> Option<Self> {
        match (Copier { seen: FxHashSet::default(), depth: 0 }).part(output) {
            Some(Part::Leaf(leaf)) => Some(Self::Shared(leaf)),
            Some(Part::Parts(parts)) => Some(Self::Parts(*parts)),
            None => entry.map(|entry| Self::Pickled(entry.clone().unbind())),
        }
    }

    /// Returns the result for one caller.
    pub(crate) fn for_caller<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Shared(output) => Ok(output.bind(py).clone()),
            Self::Parts(parts) => parts.make(py),
            Self::Pickled(entry) => load_entry(entry.bind(py))?.get_item("output"),
        }
    }

    /// Estimates the memory of the result in bytes.
    pub(crate) fn size(&self, py: Python<'_>) -> usize {
        match self {
            Self::Shared(output) => size_of_leaf(output.bind(py)),
            Self::Parts(parts) => parts.size(py),
            Self::Pickled(entry) => entry.as_bytes(py).len() + 48,
        }
    }
}

/// Unpickles an entry with the C unpickler.
pub(crate) fn load_entry<'py>(body: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: Lazy<Py<PyAny>> = Lazy::new();
    LOADS.import(body.py(), "_pickle", "loads")?.call1((body,))
}

struct Copier {
    /// The containers that were visited. A container that occurs twice is left to pickle, which
    /// keeps shared references and cycles.
    seen: FxHashSet<*mut ffi::PyObject>,
    depth: usize,
}

impl Copier {
    fn part(&mut self, object: &Bound<'_, PyAny>) -> Option<Part> {
        if is_leaf(object) {
            return Some(Part::Leaf(object.clone().unbind()));
        }
        if self.depth == DEPTH_LIMIT || !self.seen.insert(object.as_ptr()) {
            return None;
        }
        self.depth += 1;
        let parts = self.parts(object);
        self.depth -= 1;
        parts.map(|parts| Part::Parts(Box::new(parts)))
    }

    fn parts(&mut self, object: &Bound<'_, PyAny>) -> Option<Parts> {
        if let Ok(list) = object.cast_exact::<PyList>() {
            list.iter().map(|element| self.part(&element)).collect::<Option<_>>().map(Parts::List)
        } else if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            tuple.iter().map(|element| self.part(&element)).collect::<Option<_>>().map(Parts::Tuple)
        } else if let Ok(dict) = object.cast_exact::<PyDict>() {
            let mut parts = Vec::with_capacity(dict.len());
            // The iterator of PyO3 panics if another thread changes the dict meanwhile.
            for item in dict.items().iter() {
                let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract().ok()?;
                parts.push((self.part(&key)?, self.part(&value)?));
            }
            Some(Parts::Dict(parts.into()))
        } else if object.is_exact_instance_of::<PySet>() {
            // Copy the set in one step, since another thread may change it meanwhile.
            let elements = object.py().get_type::<PyTuple>().call1((object,)).ok()?.cast_into::<PyTuple>().ok()?;
            elements.iter().map(|element| self.part(&element)).collect::<Option<_>>().map(Parts::Set)
        } else if let Ok(bytes) = object.cast_exact::<PyByteArray>() {
            Some(Parts::Bytes(bytes.to_vec().into()))
        } else {
            None
        }
    }
}

/// Returns whether an object and everything that it contains are immutable.
pub(crate) fn is_leaf(object: &Bound<'_, PyAny>) -> bool {
    object.is_none()
        || object.is_exact_instance_of::<PyFloat>()
        || object.is_exact_instance_of::<PyInt>()
        || object.is_exact_instance_of::<PyString>()
        || object.is_exact_instance_of::<PyBool>()
        || object.is_exact_instance_of::<PyBytes>()
        || object.is_exact_instance_of::<PyComplex>()
        || object.cast_exact::<PyTuple>().is_ok_and(|tuple| is_flat(tuple.as_slice()))
        || object.cast_exact::<PyFrozenSet>().is_ok_and(|set| set.iter().all(|element| is_atom(&element)))
}

/// Returns whether a tuple contains only atoms and tuples of atoms. The limited depth limits the
/// recursion.
fn is_flat(elements: &[Bound<'_, PyAny>]) -> bool {
    elements.iter().all(|element| {
        is_atom(element) || element.cast_exact::<PyTuple>().is_ok_and(|tuple| tuple.as_slice().iter().all(is_atom))
    })
}

fn is_atom(object: &Bound<'_, PyAny>) -> bool {
    !object.is_exact_instance_of::<PyTuple>() && !object.is_exact_instance_of::<PyFrozenSet>() && is_leaf(object)
}

impl Parts {
    fn make<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::List(parts) => made(parts, py, |parts| PyList::new(py, parts).map(Bound::into_any)),
            Self::Tuple(parts) => made(parts, py, |parts| PyTuple::new(py, parts).map(Bound::into_any)),
            Self::Dict(items) => {
                let dict = PyDict::new(py);
                for (key, value) in items {
                    dict.set_item(key.make(py)?, value.make(py)?)?;
                }
                Ok(dict.into_any())
            }
            Self::Set(parts) => {
                let set = PySet::empty(py)?;
                for part in parts {
                    set.add(part.make(py)?)?;
                }
                Ok(set.into_any())
            }
            Self::Bytes(bytes) => Ok(PyByteArray::new(py, bytes).into_any()),
        }
    }

    fn size(&self, py: Python<'_>) -> usize {
        let sum = |parts: &[Part]| parts.iter().map(|part| part.size(py)).sum::<usize>();
        16 + match self {
            Self::List(parts) | Self::Tuple(parts) | Self::Set(parts) => sum(parts),
            Self::Dict(items) => items.iter().map(|(key, value)| key.size(py) + value.size(py)).sum(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Makes the parts of a container one after the other, then the container. Raises the first error.
fn made<'py>(
    parts: &[Part],
    py: Python<'py>,
    gather: impl FnOnce(&mut dyn ExactSizeIterator<Item = Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut failure = None;
    let mut parts = parts.iter().map(|part| {
        part.make(py).unwrap_or_else(|error| {
            failure.get_or_insert(error);
            py.None().into_bound(py)
        })
    });
    let made = gather(&mut parts)?;
    failure.map_or(Ok(made), Err)
}

/// Estimates the memory of an immutable object in bytes, even if other results share the object.
pub(crate) fn size_of_leaf(leaf: &Bound<'_, PyAny>) -> usize {
    if leaf.is_none() || leaf.is_exact_instance_of::<PyBool>() {
        return 0;
    }
    if let Ok(text) = leaf.cast::<PyString>() {
        return 64 + text.to_str().map_or(0, str::len);
    }
    if let Ok(bytes) = leaf.cast::<PyBytes>() {
        return 48 + bytes.as_bytes().len();
    }
    if let Ok(tuple) = leaf.cast::<PyTuple>() {
        return 48 + tuple.as_slice().iter().map(|element| 8 + size_of_leaf(element)).sum::<usize>();
    }
    if let Ok(set) = leaf.cast::<PyFrozenSet>() {
        return 224 + set.iter().map(|element| 64 + size_of_leaf(&element)).sum::<usize>();
    }
    let bits = leaf.call_method0("bit_length").and_then(|bits| bits.extract::<usize>());
    32 + bits.unwrap_or(0) / 8
}

impl Part {
    fn make<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Leaf(leaf) => Ok(leaf.bind(py).clone()),
            Self::Parts(parts) => parts.make(py),
        }
    }

    fn size(&self, py: Python<'_>) -> usize {
        size_of::<Self>()
            + match self {
                Self::Leaf(leaf) => size_of_leaf(leaf.bind(py)),
                Self::Parts(parts) => size_of::<Parts>() + parts.size(py),
            }
    }
}
