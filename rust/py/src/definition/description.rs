//! The descriptions of functions and classes, as Python passes them.

use funes_core::graph::NodeId;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyFunction, PyList, PyString, PyType};

use crate::definition::function_parts::has_no_attributes;
use crate::definition::guard::Before;
use crate::definition::patched_classes::SetByUser;
use crate::definition::source;
use crate::errors;
use crate::hash::objects::kind_of;
use crate::hash::walk::ReadParts;
use crate::hash::walk_error::{WalkError, Walked};
use crate::hooks;
use crate::lazy::{field, intern};
/// A function or class of user code that has been described but not encoded yet.
pub(crate) struct Described<'py> {
    pub(crate) object: Bound<'py, PyAny>,
    pub(crate) description: Description<'py>,
    pub(crate) node: NodeId,
    pub(crate) before: Before<'py>,
}

/// A `funes._code.node.Description`, where the fields are documented.
pub(crate) struct Description<'py> {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) content: Bound<'py, PyAny>,
    pub(crate) references: Bound<'py, PyDict>,
    pub(crate) reads: Bound<'py, PyList>,
    pub(crate) modules: Bound<'py, PyAny>,
    pub(crate) source: String,
    pub(crate) changes: Bound<'py, PyAny>,
    pub(crate) opaque: Bound<'py, PyDict>,
    pub(crate) attributes: Vec<Attributes<'py>>,
    pub(crate) computed: Vec<Computed<'py>>,
    pub(crate) read_parts: ReadParts,
    pub(crate) watched: Vec<Watched<'py>>,
}

impl<'py> Description<'py> {
    /// Reads the fields. A derived implementation would keep their names in cells that hang in a child of a fork.
    fn of(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        Ok(Self {
            kind: field(object, intern!(py, "kind"))?,
            name: field(object, intern!(py, "name"))?,
            content: field(object, intern!(py, "content"))?,
            references: field(object, intern!(py, "references"))?,
            reads: field(object, intern!(py, "reads"))?,
            modules: field(object, intern!(py, "modules"))?,
            source: field(object, intern!(py, "source"))?,
            changes: field(object, intern!(py, "changes"))?,
            opaque: field(object, intern!(py, "opaque"))?,
            attributes: field(object, intern!(py, "attributes"))?,
            computed: field(object, intern!(py, "computed"))?,
            read_parts: field(object, intern!(py, "read_parts"))?,
            watched: field(object, intern!(py, "watched"))?,
        })
    }
}

/// A dict of attributes, the names in it that do not count, and a copy of the dict from before it was described.
pub(crate) type Attributes<'py> = (Bound<'py, PyDict>, Vec<Py<PyString>>, Bound<'py, PyDict>);

/// A library class, the attributes that code reads from any object, true if other attributes count too, and the
/// attributes that were found.
type Watched<'py> = (Bound<'py, PyType>, (Bound<'py, PyFrozenSet>, bool, SetByUser<'py>));

/// A function that computes a value, the attributes that determine this value, and the value that was described.
pub(crate) type Computed<'py> = (Bound<'py, PyAny>, Vec<source::Described<'py>>, Bound<'py, PyAny>);

pub(crate) fn describe<'py>(object: &Bound<'py, PyAny>, read_parts: ReadParts) -> Walked<Description<'py>> {
    let py = object.py();
    let is_bare = object.cast::<PyFunction>().is_ok_and(has_no_attributes);
    hooks::RESOLVE_LAZY_IMPORTS
        .get(py)
        .and_then(|resolve| resolve.call1((object,)))
        .map_err(|error| WalkError::raised(py, &format!("resolving what {} imports", kind_of(object)), error))?;
    hooks::DESCRIBE
        .get(py)
        .and_then(|describe| describe.call1((object, read_parts, is_bare)))
        .and_then(|description| Description::of(&description))
        .map_err(|error| {
            if errors::is_unhashable(py, &error) {
                return WalkError::forbidden(error.value(py).to_string());
            }
            WalkError::raised(py, &format!("describing {}", kind_of(object)), error)
        })
}
