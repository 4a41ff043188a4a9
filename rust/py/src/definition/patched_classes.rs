//! Guards for attributes that the user set on library classes.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyType};
use rustc_hash::FxHashSet;

use crate::class_version::assigned_version_of;
use crate::definition::changed_names::{changed, differences, left};
use crate::definition::changed_state::{self, Difference, Left};
use crate::definition::namespace::text_of;
use crate::hash::walk::{Address, address_of};
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

/// A class and its bases, each with the attributes that the user set on it.
pub(crate) type SetByUser<'py> = Vec<(Bound<'py, PyType>, Bound<'py, PyDict>)>;

/// A library class that nodes of a definition refer to. For `read_names` and `is_named` see [`Patched`].
pub(crate) struct Watched<'py> {
    class: Bound<'py, PyType>,
    read_names: FxHashSet<String>,
    is_named: bool,
    /// The attributes that were found for each node.
    found: Vec<SetByUser<'py>>,
}

impl<'py> Watched<'py> {
    pub(crate) fn new(class: Bound<'py, PyType>) -> Self {
        Self { class, read_names: FxHashSet::default(), is_named: false, found: Vec::new() }
    }

    /// Adds the needs of a node, and the attributes that were found for it.
    pub(crate) fn add(&mut self, read_names: &Bound<'py, PyFrozenSet>, is_named: bool, found: SetByUser<'py>) {
        self.read_names.extend(read_names.iter().filter_map(|name| name.extract::<String>().ok()));
        self.is_named |= is_named;
        self.found.push(found);
    }

    /// Records the current attributes. Returns with them whether they are those that were found for the nodes.
    pub(crate) fn recorded(self) -> PyResult<(Patched, bool)> {
        let Self { class, read_names, is_named, found } = self;
        let read_names = PyFrozenSet::new(class.py(), read_names)?;
        let attributes = set_by_user(&class, &read_names, is_named, true)?;
        let is_same = entries([&attributes]) == entries(&found);
        let attributes = attributes.into_iter().map(|(base, set)| (base.unbind(), set.unbind())).collect();
        Ok((Patched { is_named, class: class.unbind(), read_names: read_names.unbind(), attributes }, is_same))
    }
}

/// Returns the attributes in `all`: class, name and value.
fn entries<'a, 'py: 'a>(all: impl IntoIterator<Item = &'a SetByUser<'py>>) -> FxHashSet<(Address, String, Address)> {
    let of_class = |(class, attributes): &(Bound<'py, PyType>, Bound<'py, PyDict>)| {
        let class = address_of(class);
        let entries: Vec<_> =
            attributes.iter().map(|(name, value)| (class, text_of(&name), address_of(&value))).collect();
        entries
    };
    all.into_iter().flatten().flat_map(of_class).collect()
}

impl Patched {
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

    fn has_bases(&self, now: &SetByUser<'_>) -> bool {
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
) -> PyResult<SetByUser<'py>> {
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
