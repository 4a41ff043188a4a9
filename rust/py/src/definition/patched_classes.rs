//! Guards for attributes that the user set on library classes.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyType};

use crate::class_version::assigned_version_of;
use crate::definition::changed_names::{changed, differences, left};
use crate::definition::changed_state::{self, Difference, Left};
use crate::hooks;

/// A library class with the attributes that the user set on it and on its bases.
pub(crate) struct Patched {
    class: Py<PyType>,
    /// The attributes that code reads from any object.
    read_names: Py<PyFrozenSet>,
    /// True if other attributes that the user certainly set count too.
    is_named: bool,
    /// The class and its bases, each with the attributes that the user set on it.
    attributes: Vec<(Py<PyType>, Py<PyDict>)>,
}

type Set<'py> = Vec<(Bound<'py, PyType>, Bound<'py, PyDict>)>;

impl Patched {
    /// Records the current attributes; for `read_names` and `is_named` see the fields.
    pub(crate) fn of(class: &Bound<'_, PyType>, read_names: &Bound<'_, PyFrozenSet>, is_named: bool) -> PyResult<Self> {
        let attributes = set_by_user(class, read_names, is_named, true)?;
        Ok(Self {
            is_named,
            class: class.clone().unbind(),
            read_names: read_names.clone().unbind(),
            attributes: attributes.into_iter().map(|(base, set)| (base.unbind(), set.unbind())).collect(),
        })
    }

    /// Returns the class.
    pub(crate) fn class<'py>(&self, py: Python<'py>) -> &Bound<'py, PyType> {
        self.class.bind(py)
    }

    /// Compares the attributes with the recorded ones, or with those that the last call left there.
    pub(crate) fn held(&self, py: Python<'_>) -> Left {
        self.compare(self.class.bind(py)).unwrap_or(Left::Not)
    }

    fn compare(&self, class: &Bound<'_, PyType>) -> PyResult<Left> {
        let mut held = Left::Fixed;
        let now = set_by_user(class, self.read_names.bind(class.py()), self.is_named, false)?;
        if !self.has_bases(&now) {
            return Ok(Left::Not);
        }
        for ((base, now), (_, then)) in now.iter().zip(&self.attributes) {
            match left(base.as_any(), &changed(now, then.bind(class.py()))?) {
                Left::Not => return Ok(Left::Not),
                Left::Mutable => held = Left::Mutable,
                Left::Fixed => {}
            }
        }
        Ok(held)
    }

    fn has_bases(&self, now: &Set<'_>) -> bool {
        now.len() == self.attributes.len() && now.iter().zip(&self.attributes).all(|((now, _), (then, _))| now.is(then))
    }

    /// Appends the differences between the recorded and the current attributes.
    pub(crate) fn differences(&self, py: Python<'_>, found: &mut Vec<Difference>) -> PyResult<()> {
        let now = set_by_user(self.class.bind(py), self.read_names.bind(py), self.is_named, false)?;
        if !self.has_bases(&now) {
            found.push(Difference::Edit);
        }
        for ((base, now), (_, then)) in now.iter().zip(&self.attributes) {
            differences(base.as_any(), changed(now, then.bind(py))?, found);
        }
        Ok(())
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.class)?;
        self.attributes.iter().try_for_each(|(base, set)| {
            visit.call(base)?;
            visit.call(set)
        })
    }
}

/// Returns the attributes that the user set on a library class and its bases.
///
/// `as_it_counts`: with the values from before calls changed them.
fn set_by_user<'py>(
    class: &Bound<'py, PyType>,
    read_names: &Bound<'py, PyFrozenSet>,
    is_named: bool,
    as_it_counts: bool,
) -> PyResult<Set<'py>> {
    let find = hooks::SET_BY_USER.get(class.py())?;
    find.call1((class, read_names, is_named, as_it_counts))?.extract()
}

/// Returns the interpreter's version tag of a class, which also covers its bases.
///
/// Returns 0 if it has none, or if counted values may differ from current values.
#[pyfunction]
pub(crate) fn class_version(class: &Bound<'_, PyType>) -> u32 {
    if changed_state::are_any() || changed_state::is_as_it_is() { 0 } else { assigned_version_of(class) }
}
