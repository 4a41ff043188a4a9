//! The classes in a definition. The version tag of a derived class also covers its bases.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;
use smallvec::SmallVec;

use crate::class_version::{assigned_version_of, has_version};
use crate::definition::changed_state::{Difference, Left};
use crate::definition::class_shape::{Names, Shape, is_of_metaclass};
use crate::definition::patched_classes::Patched;
use crate::hash::walk::Address;

/// The recorded bases, metaclasses and attributes of classes.
#[derive(Default)]
pub(crate) struct Classes {
    shapes: Vec<Shape>,
    /// Library classes: only the attributes that the user set on them count.
    patched: Vec<Patched>,
    /// The classes whose version tags together cover all classes here. The version tag of a class changes whenever one
    /// of its bases changes, so a library class with a derived class in this definition need not be checked itself.
    telling: Vec<Telling>,
}

/// A class whose version tag, metaclass and names are compared at each check.
struct Telling {
    class: Py<PyType>,
    metaclass: Py<PyType>,
    names: Names,
    /// The version tag at the last check that found all classes unchanged; 0 for none.
    version: AtomicU32,
}

impl Classes {
    pub(crate) fn new(py: Python<'_>, shapes: Vec<Shape>, patched: Vec<Patched>) -> Self {
        let all = || shapes.iter().map(|shape| shape.class(py)).chain(patched.iter().map(|patched| patched.class(py)));
        let classes: Vec<_> = all().map(PyTypeMethods::as_type_ptr).collect();
        // SAFETY: both pointers are classes, which the shapes and patches keep alive.
        let is_derived = |one, other| unsafe { ffi::PyType_IsSubtype(one, other) != 0 };
        let is_told = |position: usize| {
            classes.iter().enumerate().any(|(other, &class)| {
                if class == classes[position] { other < position } else { is_derived(class, classes[position]) }
            })
        };
        let telling = all().enumerate().filter(|&(position, _)| position < shapes.len() || !is_told(position));
        let telling = telling.map(|(_, class)| Telling::of(class)).collect();
        Self { shapes, patched, telling }
    }

    /// True if each class is unchanged, or as the last call left it.
    #[inline]
    pub(crate) fn hold(&self, py: Python<'_>) -> bool {
        self.telling.iter().all(|telling| telling.holds(py)) || self.compare(py)
    }

    #[cold]
    fn compare(&self, py: Python<'_>) -> bool {
        // Read first: a change during the comparison is noticed at the next check.
        let versions: SmallVec<[u32; 8]> =
            self.telling.iter().map(|telling| assigned_version_of(telling.class.bind(py))).collect();
        let mut held = Left::Fixed;
        let shapes = self.shapes.iter().map(|shape| shape.held(py));
        for each in shapes.chain(self.patched.iter().map(|patched| patched.held(py))) {
            match each {
                Left::Not => return false,
                Left::Mutable => held = Left::Mutable,
                Left::Fixed => {}
            }
        }
        if held == Left::Fixed {
            for (telling, version) in self.telling.iter().zip(versions) {
                telling.version.store(version, Ordering::Relaxed);
            }
        }
        true
    }

    /// Appends the differences between the recorded and the current classes.
    pub(crate) fn differences(&self, py: Python<'_>, found: &mut Vec<Difference>) {
        for shape in &self.shapes {
            if shape.differences(py, found).is_err() {
                found.push(Difference::Edit);
            }
        }
        for patched in &self.patched {
            if patched.differences(py, found).is_err() {
                found.push(Difference::Edit);
            }
        }
    }

    /// True if the attributes of this class are recorded.
    pub(crate) fn has(&self, py: Python<'_>, class: Address) -> bool {
        self.shapes.iter().any(|shape| shape.class(py).as_ptr() as Address == class)
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        self.shapes.iter().try_for_each(|shape| shape.traverse(visit))?;
        self.patched.iter().try_for_each(|patched| patched.traverse(visit))
    }
}

impl Telling {
    fn of(class: &Bound<'_, PyType>) -> Self {
        Self {
            class: class.clone().unbind(),
            metaclass: class.get_type().unbind(),
            names: Names::of(class),
            version: AtomicU32::new(0),
        }
    }

    #[inline]
    fn holds(&self, py: Python<'_>) -> bool {
        let class = self.class.bind(py);
        has_version(class, &self.version) && is_of_metaclass(&self.class, &self.metaclass) && self.names.hold(class)
    }
}
