//! The contents of plain containers, compared by the addresses of their elements.

use std::slice;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PySet, PyTuple};

use crate::definition::dict_watch::Watch;
use crate::definition::guard::is_constant;

/// The recorded contents of containers with constants: dicts are watched, lists and sets are compared.
///
/// A container may hold other ones. All of them are recorded.
#[derive(Default)]
pub(crate) struct PlainContents {
    lists: Vec<(Py<PyList>, Py<PyTuple>)>,
    sets: Vec<SetContents>,
    /// The number of containers; one that occurs twice is counted twice.
    count: usize,
    watch: Watch,
}

/// The contents of a set: its elements, and its table.
struct SetContents {
    set: Py<PySet>,
    elements: Py<PyTuple>,
    table: Box<[usize]>,
}

/// Limits of the nesting depth and of the number of containers: a container may contain itself.
const MAX_DEPTH: usize = 16;
const MAX_COUNT: usize = 10_000;

impl PlainContents {
    /// Adds the contents of a container. Returns false if it holds anything but constants and such containers.
    ///
    /// No Python code runs meanwhile, so the contents are those of one moment.
    pub(crate) fn add(&mut self, value: &Bound<'_, PyAny>) -> bool {
        self.add_at(value, 0)
    }

    fn add_at(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> bool {
        if is_constant(value) {
            true
        } else if depth == MAX_DEPTH || self.count == MAX_COUNT {
            false
        } else if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            self.count += 1;
            tuple.iter().all(|element| self.add_at(&element, depth + 1))
        } else if let Ok(dict) = value.cast_exact::<PyDict>() {
            self.count += 1;
            // Watched first, so that a change after this moment is noticed.
            self.watch.add(dict, None)
                && dict.iter().all(|(key, value)| is_constant(&key) && self.add_at(&value, depth + 1))
        } else if let Ok(list) = value.cast_exact::<PyList>() {
            self.count += 1;
            let elements = list.to_tuple();
            let is_plain = elements.iter().all(|element| self.add_at(&element, depth + 1));
            self.lists.push((list.clone().unbind(), elements.unbind()));
            is_plain
        } else if let Ok(set) = value.cast_exact::<PySet>() {
            let Ok(elements) = PyTuple::new(set.py(), set.iter().collect::<Vec<_>>()) else { return false };
            let is_plain = elements.iter().all(|element| is_constant(&element));
            let table = table_of(set).into();
            self.sets.push(SetContents { set: set.clone().unbind(), elements: elements.unbind(), table });
            is_plain
        } else {
            value.cast_exact::<PyFrozenSet>().is_ok_and(|frozen| frozen.iter().all(|element| is_constant(&element)))
        }
    }

    /// True if the lists and sets hold the same elements.
    #[inline]
    pub(crate) fn hold(&self, py: Python<'_>) -> bool {
        self.lists.iter().all(|(list, elements)| is_same_list(list.bind(py), elements.bind(py)))
            && self.sets.iter().all(|contents| contents.holds(py))
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        for (list, elements) in &self.lists {
            visit.call(list)?;
            visit.call(elements)?;
        }
        self.sets.iter().try_for_each(|contents| {
            visit.call(&contents.set)?;
            visit.call(&contents.elements)
        })
    }
}

impl SetContents {
    fn holds(&self, py: Python<'_>) -> bool {
        table_of(self.set.bind(py)) == &*self.table
    }
}

/// True if a list holds the same objects.
#[inline]
fn is_same_list(list: &Bound<'_, PyList>, then: &Bound<'_, PyTuple>) -> bool {
    // SAFETY: the objects are a list and a tuple, so they have the layouts of these structs. The GIL is held. The
    // elements are only compared, as numbers, which takes one call of `memcmp`. A list without elements may have no array.
    unsafe {
        let list = &*list.as_ptr().cast::<ffi::PyListObject>();
        let then = &*then.as_ptr().cast::<ffi::PyTupleObject>();
        let length = list.ob_base.ob_size.cast_unsigned();
        let addresses = |elements: *const *mut ffi::PyObject| slice::from_raw_parts(elements.cast::<usize>(), length);
        length == then.ob_base.ob_size.cast_unsigned()
            && (length == 0 || addresses(list.ob_item) == addresses(then.ob_item.as_ptr()))
    }
}

/// Returns the table of a set: the address of each element and its hash.
fn table_of<'a>(set: &'a Bound<'_, PySet>) -> &'a [usize] {
    // SAFETY: the object is a set, so it has the layout of this struct. The mask is the length of the table less one. An
    // entry is two words, both initialized. The GIL is held, and no Python code runs while the table is read.
    unsafe {
        let set = &*set.as_ptr().cast::<ffi::PySetObject>();
        slice::from_raw_parts(set.table.cast::<usize>(), (set.mask.cast_unsigned() + 1) * WORDS)
    }
}

const WORDS: usize = size_of::<ffi::setentry>() / size_of::<usize>();
