//! Records from what a value was computed, so that it is computed again only if that changes.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::class_version::{assigned_version_of, has_version};
use crate::definition::changed_names::Contents;
use crate::definition::namespace::pointer_to;
use crate::hooks;
use crate::lazy::intern;

/// `funes._code.node.Source`.
pub(crate) type Described<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyString>>, bool);

/// One thing from which a value is computed.
pub(crate) enum Source {
    Attribute(Attribute),
    /// A number that changes with every relevant change. If the computed value is still the same,
    /// the new number is recorded.
    Token {
        find: Py<PyAny>,
        seen: AtomicU64,
    },
}

/// An attribute from which something is computed.
pub(crate) struct Attribute {
    object: Py<PyAny>,
    name: Py<PyString>,
    /// `None` if there is no such attribute.
    value: Option<Py<PyAny>>,
    /// The recorded contents, if it is a dict.
    contents: Option<Box<Contents>>,
    /// Set if the attribute is looked up in the class itself only, not in its bases.
    class: Option<Class>,
}

/// The class in whose `__dict__` the attribute is looked up.
struct Class {
    object: Py<PyType>,
    mro: Py<PyTuple>,
    /// The interpreter's version tag of the class at the last successful check; 0 for none.
    version: AtomicU32,
}

impl Source {
    pub(crate) fn of((object, name, is_own): &Described<'_>) -> PyResult<Self> {
        Ok(match name {
            Some(name) => Self::Attribute(Attribute::of(object, name, *is_own)?),
            None => Self::Token { find: object.clone().unbind(), seen: object.call0()?.extract::<u64>()?.into() },
        })
    }

    #[inline]
    pub(crate) fn holds(&self, py: Python<'_>) -> bool {
        match self {
            Self::Attribute(attribute) => attribute.holds(py),
            Self::Token { seen, .. } => self.token(py) == Some(seen.load(Ordering::Relaxed)),
        }
    }

    /// Returns the current number.
    pub(crate) fn token(&self, py: Python<'_>) -> Option<u64> {
        match self {
            Self::Attribute(_) => None,
            Self::Token { find, .. } => find.bind(py).call0().and_then(|now| now.extract()).ok(),
        }
    }

    /// Records a number under which the computed value is unchanged.
    pub(crate) fn note(&self, token: Option<u64>) {
        if let (Self::Token { seen, .. }, Some(token)) = (self, token) {
            seen.store(token, Ordering::Relaxed);
        }
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        match self {
            Self::Attribute(attribute) => attribute.traverse(visit),
            Self::Token { find, .. } => visit.call(find),
        }
    }
}

impl Attribute {
    fn of(object: &Bound<'_, PyAny>, name: &Bound<'_, PyString>, is_own: bool) -> PyResult<Self> {
        let class = object.cast::<PyType>().ok().filter(|_| is_own);
        let value = match class {
            Some(class) => own_attribute(class, name)?,
            None => Some(object.getattr(name)?),
        };
        let dict = value.as_ref().and_then(|value| value.cast::<PyDict>().ok());
        let contents = dict.map(|dict| Contents::of(dict, &[], dict.copy()?)).transpose()?;
        Ok(Self {
            object: object.clone().unbind(),
            name: name.clone().unbind(),
            contents: contents.map(Box::new),
            value: value.map(Bound::unbind),
            class: class.map(|class| Class {
                object: class.clone().unbind(),
                mro: class.mro().unbind(),
                version: AtomicU32::new(0),
            }),
        })
    }

    fn holds(&self, py: Python<'_>) -> bool {
        let is_same = match &self.class {
            Some(class) => class.is_as_seen(py) || self.compare(class, py).unwrap_or(false),
            None => self.object.bind(py).getattr(&self.name).is_ok_and(|now| now.as_ptr() == self.address()),
        };
        is_same && self.contents.as_ref().is_none_or(|contents| contents.holds(py))
    }

    /// Returns whether the class still has the recorded bases and attribute.
    #[cold]
    fn compare(&self, Class { object, mro, version }: &Class, py: Python<'_>) -> PyResult<bool> {
        let class = object.bind(py);
        // Read first: a change during the comparison is noticed at the next check.
        let now = assigned_version_of(class);
        let found = own_attribute(class, self.name.bind(py))?;
        let is_same =
            found.map_or(std::ptr::null_mut(), |found| found.as_ptr()) == self.address() && class.mro().is(mro);
        if is_same {
            version.store(now, Ordering::Relaxed);
        }
        Ok(is_same)
    }

    fn address(&self) -> *mut pyo3::ffi::PyObject {
        pointer_to(self.value.as_ref())
    }

    fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.object)?;
        if let Some(value) = &self.value {
            visit.call(value)?;
        }
        if let Some(Class { object, mro, .. }) = &self.class {
            visit.call(object)?;
            visit.call(mro)?;
        }
        self.contents.iter().try_for_each(|contents| contents.traverse(visit))
    }
}

/// The state of a value that differs between threads or contexts. C code compares it.
pub(crate) struct State {
    /// Returns the object that has the state.
    find: Py<PyAny>,
    /// Returns the state of that object.
    read: Py<PyAny>,
    /// The recorded state, and the object from which it was read: a copy, since parts of the state
    /// may be views.
    then: (Py<PyAny>, Py<PyAny>),
}

impl State {
    /// Returns `None` for a value that does not declare how its state is read.
    pub(crate) fn of(value: &Bound<'_, PyAny>) -> PyResult<Option<Box<Self>>> {
        let py = value.py();
        let said: Option<(Bound<'_, PyAny>, Bound<'_, PyAny>)> = hooks::STATE_OF.get(py)?.call1((value,))?.extract()?;
        let Some((find, read)) = said else { return Ok(None) };
        let copy = find.call0()?.call_method0(intern!(py, "copy"))?;
        let then = (read.call1((&copy,))?.unbind(), copy.unbind());
        Ok(Some(Box::new(Self { find: find.unbind(), read: read.unbind(), then })))
    }

    pub(crate) fn holds(&self, py: Python<'_>) -> bool {
        let state = self.find.bind(py).call0().and_then(|found| self.read.bind(py).call1((found,)));
        state.and_then(|state| state.eq(&self.then.0)).unwrap_or(false)
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        [&self.find, &self.read, &self.then.0, &self.then.1].into_iter().try_for_each(|object| visit.call(object))
    }
}

impl Class {
    #[inline]
    fn is_as_seen(&self, py: Python<'_>) -> bool {
        has_version(self.object.bind(py), &self.version)
    }
}

/// Returns an attribute of the class itself. `getattr` would create annotations.
pub(crate) fn own_attribute<'py>(
    class: &Bound<'py, PyType>,
    name: &Bound<'py, PyString>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let attributes = class.getattr(intern!(class.py(), "__dict__"))?;
    if attributes.contains(name)? { attributes.get_item(name).map(Some) } else { Ok(None) }
}
