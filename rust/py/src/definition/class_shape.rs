//! The recorded state of one class.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyString, PyTuple, PyType};

use crate::class_version::{assigned_version_of, has_version};
use crate::definition::changed_names::{Changed, changed, differences, left};
use crate::definition::changed_state::{self, Difference, Left};
use crate::definition::namespace::{is_missing, pointer_to};
use crate::hooks;
use crate::lazy::intern;

/// The recorded bases, metaclass and attributes of a class.
pub(crate) struct Shape {
    class: Py<PyType>,
    bases: Py<PyTuple>,
    metaclass: Py<PyType>,
    names: Names,
    /// The attributes that count.
    attributes: Py<PyDict>,
    /// The name of the only attribute that counts; None if all attributes count.
    only: Option<Py<PyString>>,
    /// The interpreter's version tag of the class at the last successful check; 0 for none.
    version: AtomicU32,
}

impl Shape {
    pub(crate) fn of(class: &Bound<'_, PyType>) -> PyResult<Self> {
        let attributes = attributes_of(class)?;
        changed_state::count_attributes(class, &attributes)?;
        Ok(Self {
            class: class.clone().unbind(),
            bases: class.bases().unbind(),
            metaclass: class.get_type().unbind(),
            names: Names::of(class),
            attributes: attributes.unbind(),
            only: None,
            version: AtomicU32::new(0),
        })
    }

    /// Records a class from which only one attribute was read.
    pub(crate) fn of_attribute(
        class: &Bound<'_, PyType>,
        name: &Bound<'_, PyString>,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let attributes = PyDict::new(class.py());
        if !is_missing(value)? {
            attributes.set_item(name, value)?;
        }
        Ok(Self { attributes: attributes.unbind(), only: Some(name.clone().unbind()), ..Self::of(class)? })
    }

    /// Returns the current attributes that count.
    fn attributes_of<'py>(&self, class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyDict>> {
        let Some(only) = &self.only else { return attributes_of(class) };
        let py = class.py();
        let (all, chosen) = (class.getattr(intern!(py, "__dict__"))?, PyDict::new(py));
        if all.contains(only)? {
            chosen.set_item(only, all.get_item(only)?)?;
        }
        Ok(chosen)
    }

    /// Compares the class with its recorded state, or with the state that the last call left behind.
    pub(crate) fn held(&self, py: Python<'_>) -> Left {
        let class = self.class.bind(py);
        if !is_of_metaclass(&self.class, &self.metaclass) || !self.names.hold(class) {
            return Left::Not;
        }
        if has_version(class, &self.version) {
            return Left::Fixed;
        }
        // Read first: a change during the comparison is noticed at the next check.
        let now = assigned_version_of(class);
        let held = self.compare(class).unwrap_or(Left::Not);
        if held == Left::Fixed {
            self.version.store(now, Ordering::Relaxed);
        }
        held
    }

    /// Returns the class.
    pub(crate) fn class<'py>(&self, py: Python<'py>) -> &Bound<'py, PyType> {
        self.class.bind(py)
    }

    /// Compares bases and attributes, see [`Self::held`].
    fn compare(&self, class: &Bound<'_, PyType>) -> PyResult<Left> {
        // Setting the bases of a class creates another tuple.
        if !class.bases().is(&self.bases) {
            return Ok(Left::Not);
        }
        Ok(left(class.as_any(), &self.changed(class)?))
    }

    /// Returns the attributes that refer to different objects.
    fn changed<'py>(&self, class: &Bound<'py, PyType>) -> PyResult<Vec<Changed<'py>>> {
        changed(&self.attributes_of(class)?, self.attributes.bind(class.py()))
    }

    pub(crate) fn differences(&self, py: Python<'_>, found: &mut Vec<Difference>) -> PyResult<()> {
        let class = self.class.bind(py);
        if !class.get_type().is(&self.metaclass) || !class.bases().is(&self.bases) || !self.names.hold(class) {
            found.push(Difference::Edit);
        }
        differences(class.as_any(), self.changed(class)?, found);
        Ok(())
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.class)?;
        visit.call(&self.bases)?;
        visit.call(&self.metaclass)?;
        visit.call(&self.attributes)
    }
}

/// The name and the qualified name of a class, which its version tag does not cover.
pub(crate) struct Names([Option<Py<PyAny>>; 2]);

impl Names {
    pub(crate) fn of(class: &Bound<'_, PyType>) -> Self {
        // SAFETY: the class keeps its names alive, and nothing replaces them between the two lines.
        Self(
            addresses_of_names(class)
                .map(|name| unsafe { Bound::from_borrowed_ptr_or_opt(class.py(), name) }.map(Bound::unbind)),
        )
    }

    /// True if the class has the same names.
    #[inline]
    pub(crate) fn hold(&self, class: &Bound<'_, PyType>) -> bool {
        let [name, qualified] = addresses_of_names(class);
        name == pointer_to(self.0[0].as_ref()) && qualified == pointer_to(self.0[1].as_ref())
    }
}

/// Returns the addresses of the names of a class; null for a class whose names cannot be set.
#[inline]
fn addresses_of_names(class: &Bound<'_, PyType>) -> [*mut ffi::PyObject; 2] {
    let object = class.as_type_ptr();
    // SAFETY: the class is alive, and a heap type has the layout of this struct. The addresses are only compared, or used
    // before other code runs. A field that another thread sets at the same time (only without the GIL) has its old or its
    // new value.
    unsafe {
        if ffi::PyType_HasFeature(object, ffi::Py_TPFLAGS_HEAPTYPE) == 0 {
            return [std::ptr::null_mut(); 2];
        }
        let object = object.cast::<ffi::PyHeapTypeObject>();
        [(&raw const (*object).ht_name).read_volatile(), (&raw const (*object).ht_qualname).read_volatile()]
    }
}

/// True if a class has this metaclass, which the version tag does not cover.
#[inline]
pub(crate) fn is_of_metaclass(class: &Py<PyType>, metaclass: &Py<PyType>) -> bool {
    // SAFETY: the class is alive, and the addresses are only compared.
    unsafe { ffi::Py_TYPE(class.as_ptr()) == metaclass.as_ptr().cast() }
}

/// Returns the attributes of a class that count: without annotations and the caches of `copyreg`, `abc` and `typing`,
/// which are added later.
fn attributes_of<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyDict>> {
    let py = class.py();
    let noise = hooks::CLASS_NOISE.get(py)?.cast::<PyFrozenSet>()?;
    let attributes = PyDict::new(py);
    attributes.call_method1(intern!(py, "update"), (class.getattr(intern!(py, "__dict__"))?,))?;
    for name in noise {
        attributes.call_method1(intern!(py, "pop"), (name, py.None()))?;
    }
    Ok(attributes)
}
