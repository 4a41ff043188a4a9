//! What the user set on a library's classes, and whether it is still so.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyType};

use crate::definition::changed_state::{self, Difference, Left};
use crate::definition::guard::{assigned_version_of, changed, differences, left};
use crate::hooks;

/// A library's class as the user changed it.
pub(crate) struct Patched {
    class: Py<PyType>,
    /// Attributes that code takes.
    spelled: Py<PyFrozenSet>,
    /// Whether the others count, too.
    is_named: bool,
    /// The class and its bases, each with what the user set on it.
    attributes: Vec<(Py<PyType>, Py<PyDict>)>,
}

type Set<'py> = Vec<(Bound<'py, PyType>, Bound<'py, PyDict>)>;

impl Patched {
    /// `spelled`: attributes that code takes. `is_named`: whether the others count, too.
    pub(crate) fn of(class: &Bound<'_, PyType>, spelled: &Bound<'_, PyFrozenSet>, is_named: bool) -> PyResult<Self> {
        let attributes = set_by_user(class, spelled, is_named, true)?;
        Ok(Self {
            is_named,
            class: class.clone().unbind(),
            spelled: spelled.clone().unbind(),
            attributes: attributes.into_iter().map(|(base, set)| (base.unbind(), set.unbind())).collect(),
        })
    }

    /// The class.
    pub(crate) fn class<'py>(&self, py: Python<'py>) -> &Bound<'py, PyType> {
        self.class.bind(py)
    }

    /// How what the user set compares with what it was, or with what a call made of that.
    pub(crate) fn held(&self, py: Python<'_>) -> Left {
        self.compare(self.class.bind(py)).unwrap_or(Left::Not)
    }

    fn compare(&self, class: &Bound<'_, PyType>) -> PyResult<Left> {
        let mut held = Left::Fixed;
        let now = set_by_user(class, self.spelled.bind(class.py()), self.is_named, false)?;
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

    /// Adds what is not as it was.
    pub(crate) fn differences(&self, py: Python<'_>, found: &mut Vec<Difference>) -> PyResult<()> {
        let now = set_by_user(self.class.bind(py), self.spelled.bind(py), self.is_named, false)?;
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

/// What the user set on a library's class and its bases. `as_it_counts`: as it was before calls changed it.
fn set_by_user<'py>(
    class: &Bound<'py, PyType>,
    spelled: &Bound<'py, PyFrozenSet>,
    is_named: bool,
    as_it_counts: bool,
) -> PyResult<Set<'py>> {
    let find = hooks::SET_BY_USER.get(class.py())?;
    find.call1((class, spelled, is_named, as_it_counts))?.extract()
}

/// The interpreter's number for a state of a class and of its bases; 0 if it has none, or if calls have changed what
/// counts.
#[pyfunction]
pub(crate) fn class_version(class: &Bound<'_, PyType>) -> u32 {
    if changed_state::are_any() || changed_state::is_as_it_is() { 0 } else { assigned_version_of(class) }
}
