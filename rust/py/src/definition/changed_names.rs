//! Compares dicts by the objects that they hold.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyString};

use crate::definition::changed_state::{self, Difference, Left};
#[cfg(Py_3_12)]
use crate::definition::dict_watch::{Watch, in_section};
use crate::definition::namespace::version_of;
use crate::hash::walk::{Address, address_of};
use crate::lazy::intern;

/// A name that refers to another object: the name, the old object and the new object.
pub(crate) type Changed<'py> = (String, Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>);

/// Returns the names that refer to different objects in two dicts.
pub(crate) fn changed<'py>(now: &Bound<'py, PyDict>, then: &Bound<'py, PyDict>) -> PyResult<Vec<Changed<'py>>> {
    let mut changed = Vec::new();
    for (name, value) in now {
        let before = then.get_item(&name)?;
        if !before.as_ref().is_some_and(|before| before.is(&value)) {
            changed.push((name.extract()?, before, Some(value)));
        }
    }
    for (name, value) in then {
        if !now.contains(&name)? {
            changed.push((name.extract()?, Some(value), None));
        }
    }
    Ok(changed)
}

/// Compares changed names in a namespace or class with the objects that calls left there.
pub(crate) fn left(holder: &Bound<'_, PyAny>, changed: &[Changed<'_>]) -> Left {
    let mut held = Left::Fixed;
    for change in changed {
        match left_of(holder, change) {
            Left::Not => return Left::Not,
            Left::Mutable => held = Left::Mutable,
            Left::Fixed => {}
        }
    }
    held
}

fn left_of(holder: &Bound<'_, PyAny>, (name, then, now): &Changed<'_>) -> Left {
    let pointer = |value: &Option<Bound<'_, PyAny>>| value.as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr);
    changed_state::name_is_left(holder.py(), address_of(holder), name, pointer(then), pointer(now))
}

/// Appends the changes that differ from the objects that calls left there.
pub(crate) fn differences(holder: &Bound<'_, PyAny>, changed: Vec<Changed<'_>>, found: &mut Vec<Difference>) {
    for change in changed {
        if left_of(holder, &change) == Left::Not {
            let (name, then, now) = change;
            found.push(Difference::Name {
                holder: holder.clone().unbind(),
                key: PyString::new(holder.py(), &name).into_any().unbind(),
                name,
                then: then.map(Bound::unbind),
                now: now.map(Bound::unbind),
            });
        }
    }
}

/// The recorded contents of a dict.
pub(crate) struct Contents {
    dict: Py<PyDict>,
    /// A copy, without the names that do not count.
    then: Py<PyDict>,
    ignored: Py<PyFrozenSet>,
    /// The interpreter's version tag of the dict at the last successful check; 0 for none.
    version: AtomicU64,
}

impl Contents {
    /// `ignored`: the names that do not count. `then`: a copy of the dict.
    pub(crate) fn of(dict: &Bound<'_, PyDict>, ignored: &[Py<PyString>], then: Bound<'_, PyDict>) -> PyResult<Self> {
        let py = dict.py();
        for name in ignored {
            then.call_method1(intern!(py, "pop"), (name, py.None()))?;
        }
        changed_state::count_attributes(dict.as_any(), &then)?;
        let ignored = PyFrozenSet::new(py, ignored)?.unbind();
        // The version tag is recorded at the first comparison: the dict may have changed since it was copied.
        Ok(Self { dict: dict.clone().unbind(), then: then.unbind(), ignored, version: AtomicU64::new(0) })
    }

    /// True if the dict holds the same objects, or those that the last call left there.
    pub(crate) fn holds(&self, py: Python<'_>) -> bool {
        self.held(py) != Left::Not
    }

    /// Compares the dict with its recorded contents, or with those that the last call left there.
    pub(crate) fn held(&self, py: Python<'_>) -> Left {
        let dict = self.dict.bind(py);
        let now = version_of(dict);
        if now != 0 && now == self.version.load(Ordering::Relaxed) {
            return Left::Fixed;
        }
        #[cfg(Py_3_12)]
        let is_empty = in_section(dict, || dict.is_empty());
        #[cfg(not(Py_3_12))]
        let is_empty = dict.is_empty();
        // Most functions have an empty dict of attributes.
        if is_empty && self.then.bind(py).is_empty() {
            return Left::Fixed;
        }
        let held = self.changed(py).map_or(Left::Not, |changed| left(dict.as_any(), &changed));
        if held == Left::Fixed {
            self.version.store(now, Ordering::Relaxed);
        }
        held
    }

    /// Watches the dict. Returns false if that is not possible.
    #[cfg(Py_3_12)]
    pub(crate) fn watch(&self, py: Python<'_>, watch: &mut Watch) -> bool {
        watch.add(self.dict.bind(py), None)
    }

    /// True if it compares this dict.
    pub(crate) fn is_of(&self, dict: Address) -> bool {
        self.dict.as_ptr() as Address == dict
    }

    /// Returns the dict.
    pub(crate) fn dict<'py>(&self, py: Python<'py>) -> &Bound<'py, PyDict> {
        self.dict.bind(py)
    }

    /// Returns the names that refer to other objects than the recorded ones.
    pub(crate) fn changed<'py>(&self, py: Python<'py>) -> PyResult<Vec<Changed<'py>>> {
        let (dict, ignored) = (self.dict.bind(py), self.ignored.bind(py));
        // The copy is made in the critical section of the dict, as comparisons must be, see `dict_watch`.
        #[cfg(Py_GIL_DISABLED)]
        let dict = &dict.copy()?;
        let mut changed = changed(dict, self.then.bind(py))?;
        if !changed.is_empty() {
            let mut counts = Vec::with_capacity(changed.len());
            for change in changed {
                if !ignored.contains(&change.0)? {
                    counts.push(change);
                }
            }
            changed = counts;
        }
        Ok(changed)
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.dict)?;
        visit.call(&self.then)
    }
}
