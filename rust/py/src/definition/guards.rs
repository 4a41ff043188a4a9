//! All guards of a definition.

use pyo3::prelude::*;

use crate::definition::changed_state::{Difference, Left};
use crate::definition::classes::Classes;
use crate::definition::guard::Guard;
use crate::definition::namespace::Namespace;
#[cfg(Py_3_12)]
use crate::definition::seal::Seal;
use crate::hash::walk::{Address, Digests, ReadParts};

/// The guards of a definition, and the seal that stands for them while nothing changes.
pub(crate) struct Guards {
    namespaces: Vec<Namespace>,
    classes: Classes,
    /// The guards of functions, dicts of attributes and values.
    objects: Vec<Guard>,
    #[cfg(Py_3_12)]
    seal: Seal,
}

impl Guards {
    #[cfg_attr(not(Py_3_12), allow(unused_variables))]
    pub(crate) fn new(py: Python<'_>, namespaces: Vec<Namespace>, classes: Classes, objects: Vec<Guard>) -> Self {
        Self {
            #[cfg(Py_3_12)]
            seal: Seal::new(py, &namespaces, &objects),
            namespaces,
            classes,
            objects,
        }
    }

    /// True if all guards hold.
    #[cfg(Py_3_12)]
    #[inline]
    pub(crate) fn hold(&self, py: Python<'_>, known: &Digests, read_parts: ReadParts) -> bool {
        if !self.seal.is_whole(py) {
            return self.compare(py, known, read_parts);
        }
        let is_held = |&position: &usize| self.namespaces[position].held(py) != Left::Not;
        self.classes.hold(py)
            && self.seal.other_namespaces.iter().all(is_held)
            && self.seal.other_guards.iter().all(|&position| self.objects[position].holds(py, known, read_parts))
    }

    /// Compares all, and seals the definition if nothing that is not compared at each hit may change unnoticed.
    #[cfg(Py_3_12)]
    #[cold]
    fn compare(&self, py: Python<'_>, known: &Digests, read_parts: ReadParts) -> bool {
        let recorded = self.seal.record(py, &self.objects);
        let mut is_fixed = true;
        let mut holds = |held: Left, others: &[usize], position: usize| {
            is_fixed &= held != Left::Mutable || others.contains(&position);
            held != Left::Not
        };
        let Seal { other_namespaces, other_guards, .. } = &self.seal;
        let mut namespaces = self.namespaces.iter().enumerate();
        let mut guards = self.objects.iter().enumerate();
        let all_hold = namespaces.all(|(position, namespace)| holds(namespace.held(py), other_namespaces, position))
            && self.classes.hold(py)
            && guards.all(|(position, guard)| holds(guard.held(py, known, read_parts), other_guards, position));
        if all_hold
            && is_fixed
            && let Some(recorded) = recorded
        {
            self.seal.renew(py, recorded);
        }
        all_hold
    }

    /// True if all guards hold.
    #[cfg(not(Py_3_12))]
    #[inline]
    pub(crate) fn hold(&self, py: Python<'_>, known: &Digests, read_parts: ReadParts) -> bool {
        self.namespaces.iter().all(|namespace| namespace.held(py) != Left::Not)
            && self.classes.hold(py)
            && self.objects.iter().all(|guard| guard.holds(py, known, read_parts))
    }

    /// True if a guard compares a name in this namespace, class or cell, or this value.
    pub(crate) fn are_of(&self, py: Python<'_>, holder: Address) -> bool {
        self.namespaces.iter().any(|namespace| namespace.is_of(holder))
            || self.classes.has(py, holder)
            || self.objects.iter().any(|guard| guard.is_of(holder))
    }

    /// Appends the differences between the recorded and the current state.
    pub(crate) fn differences(
        &self,
        py: Python<'_>,
        known: &Digests,
        read_parts: ReadParts,
        found: &mut Vec<Difference>,
    ) {
        for namespace in &self.namespaces {
            namespace.differences(py, found);
        }
        for guard in &self.objects {
            guard.differences(py, known, read_parts, found);
        }
        self.classes.differences(py, found);
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        self.namespaces.iter().try_for_each(|namespace| namespace.traverse(visit))?;
        self.classes.traverse(visit)?;
        #[cfg(Py_3_12)]
        self.seal.traverse(visit)?;
        self.objects.iter().try_for_each(|guard| guard.traverse(visit))
    }
}
