//! Guards: cheap checks that a definition is still valid.
//!
//! Each guard compares pointers or, for a value that may change in place, its hash. A guard keeps the objects that it
//! compares alive, so that their addresses are not reused. For names in dicts, see `namespace`.

use std::sync::Arc;

use funes_core::digest::Digest;
use funes_core::domain::Domain;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyFunction, PyInt, PyList, PyModule, PyString, PyTuple, PyType,
};

use crate::definition::changed_names::{Contents, differences};
use crate::definition::changed_state::{self, Counted, Difference, Left};
use crate::definition::class_shape::Shape;
use crate::definition::description::{Attributes, Computed};
#[cfg(Py_3_12)]
use crate::definition::function_parts::pin;
use crate::definition::function_parts::{
    ATTRIBUTES, Parts, attributes_given, captured_name, cells_of, compare_parts, content_of, counted_content,
    function_parts, holds_cells, holds_code, holds_content, new_attributes,
};
use crate::definition::graph::Definition;
use crate::definition::namespace::Namespaces;
#[cfg(Py_3_12)]
use crate::definition::plain_contents::PlainContents;
#[cfg(Py_3_12)]
use crate::definition::seal::Signs;
use crate::definition::source::{Source, State};
use crate::hash::walk::{Address, Definitions, Digests, ReadParts, Walk, address_of};
use crate::hash::walk_error::{WalkError, Walked};
use crate::lazy::intern;

/// A check of one object.
pub(crate) enum Guard {
    /// A function has the same code, defaults, captured variables, attribute dict and names.
    Function { function: Py<PyFunction>, parts: Parts, cells: Vec<(Py<PyAny>, Option<Py<PyAny>>)> },
    /// A dict of attributes holds the same objects.
    Attributes(Box<Contents>),
    /// A value that can change in place has the same digest. `counted`: its name, and its counted content. `state`: compared
    /// first.
    Value { value: Py<PyAny>, digest: Digest, counted: Option<(String, Arc<Counted>)>, state: Option<Box<State>> },
    /// A computed value has the same digest. `from`: the attributes that determine it.
    Computed { compute: Py<PyAny>, digest: Digest, from: Option<Vec<Source>> },
}

/// The state of a function or class before it was described.
pub(crate) struct Before<'py> {
    function: Option<Guard>,
    class: Option<Shape>,
    /// The dict of keyword defaults, and a copy of it.
    defaults: Option<(Bound<'py, PyDict>, Bound<'py, PyDict>)>,
}

impl Guard {
    /// Records a function or class before it is described, so that a change during the description is noticed.
    pub(crate) fn before<'py>(object: &Bound<'py, PyAny>) -> PyResult<Before<'py>> {
        let mut before = Before { function: None, class: None, defaults: None };
        if let Ok(function) = object.cast::<PyFunction>() {
            // The dict of keyword defaults may be changed in place.
            if let Ok(defaults) = function.getattr(intern!(function.py(), "__kwdefaults__"))?.cast_into::<PyDict>() {
                let then = defaults.copy()?;
                changed_state::count_attributes(defaults.as_any(), &then)?;
                before.defaults = Some((defaults, then));
            }
            before.function = Some(Self::Function {
                function: function.clone().unbind(),
                parts: function_parts(function).map(|part| part.map(Bound::unbind)),
                cells: cells_of(function)?
                    .into_iter()
                    .map(|cell| {
                        let content = counted_content(&cell);
                        (cell.unbind(), content.map(Bound::unbind))
                    })
                    .collect(),
            });
        } else if let Ok(class) = object.cast::<PyType>() {
            before.class = Some(Shape::of(class)?);
        }
        Ok(before)
    }

    /// Adds the guards of one function or class. `reads`: the names that were looked up, see `Description`.
    pub(crate) fn of(
        before: &mut Before<'_>,
        reads: &Bound<'_, PyList>,
        namespaces: &mut Namespaces,
        (guards, classes): (&mut Vec<Self>, &mut Vec<Shape>),
    ) -> PyResult<()> {
        for read in reads.iter() {
            let (namespace, name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>) = read.extract()?;
            if let Ok(class) = namespace.cast::<PyType>() {
                classes.push(Shape::of_attribute(class, name.cast::<PyString>()?, &value)?);
            } else {
                namespaces.note(&namespace, name, value)?;
            }
        }
        if let Some((defaults, then)) = &before.defaults {
            for (name, value) in then {
                namespaces.note(defaults.as_any(), name, value)?;
            }
        }
        guards.extend(before.function.take());
        classes.extend(before.class.take());
        Ok(())
    }

    /// Creates the guard of a value with this digest.
    pub(crate) fn value(value: Bound<'_, PyAny>, digest: Digest) -> Self {
        Self::Value { value: value.unbind(), digest, counted: None, state: None }
    }

    /// Creates the guard of a value to which code refers. `counted`: its name, and its counted
    /// content.
    pub(crate) fn counted(
        value: &Bound<'_, PyAny>,
        then: Digest,
        counted: (String, Arc<Counted>),
        (known, read_parts): (&Digests, ReadParts),
    ) -> Self {
        // Read first, so that a change meanwhile is noticed. It is dropped if the value has changed
        // already.
        let state = State::of(value).ok().flatten();
        let state = state.filter(|_| digest(value, known, read_parts).is_ok_and(|now| now == then));
        Self::Value { value: value.clone().unbind(), digest: then, counted: Some(counted), state }
    }

    /// Creates the guard of a computed value. Returns with it whether the value is still the one that was described.
    pub(crate) fn computed(computed: &Computed<'_>, known: &Digests, read_parts: ReadParts) -> Walked<(Self, bool)> {
        let (compute, sources, described) = computed;
        let raised = |error| WalkError::raised(compute.py(), "noting what code reads", error);
        // Read before the value is computed, so that a change during the computation is noticed.
        let from = sources.iter().map(Source::of).collect::<PyResult<Vec<_>>>();
        let value = compute.call0().map_err(raised)?;
        let from = from.ok().filter(|from| !from.is_empty());
        let now = digest(&value, known, read_parts)?;
        let is_same = value.is(described) || digest(described, known, read_parts)? == now;
        Ok((Self::Computed { compute: compute.clone().unbind(), digest: now, from }, is_same))
    }

    /// Creates the guard of a dict of attributes.
    pub(crate) fn attributes((dict, ignored, then): &Attributes<'_>) -> PyResult<Self> {
        Ok(Self::Attributes(Box::new(Contents::of(dict, ignored, then.clone())?)))
    }

    /// True if the object is unchanged, or as the last call left it.
    pub(crate) fn holds(&self, py: Python<'_>, known: &Digests, read_parts: ReadParts) -> bool {
        self.held(py, known, read_parts) != Left::Not
    }

    /// Compares the object with its recorded state, or with the state that the last call left behind.
    #[inline]
    pub(crate) fn held(&self, py: Python<'_>, known: &Digests, read_parts: ReadParts) -> Left {
        match self {
            Self::Function { function, parts, cells } => match compare_parts(function.bind(py), parts) {
                held if held == Left::Not || cells.is_empty() || holds_cells(py, cells) => held,
                _ => Left::Not,
            },
            _ => self.compare_value(py, known, read_parts),
        }
    }

    #[inline(never)]
    fn compare_value(&self, py: Python<'_>, known: &Digests, read_parts: ReadParts) -> Left {
        let held = |holds| if holds { Left::Fixed } else { Left::Not };
        match self {
            Self::Function { .. } => Left::Not,
            Self::Attributes(contents) => contents.held(py),
            Self::Value { state: Some(state), .. } if state.holds(py) => Left::Fixed,
            Self::Value { value, digest: then, counted, .. } => {
                // A container that is changing has no digest.
                let now = digest(value.bind(py), known, read_parts).ok();
                let is_left = || {
                    counted.as_ref().is_some_and(|(_, counted)| {
                        changed_state::value_is_left(py, address_of(value.bind(py)), counted.digest, now)
                    })
                };
                if now != Some(*then) && is_left() { Left::Mutable } else { held(now == Some(*then)) }
            }
            Self::Computed { compute, digest: then, from } => {
                if from.as_ref().is_some_and(|from| from.iter().all(|source| source.holds(py))) {
                    return Left::Fixed;
                }
                let from = from.as_deref().unwrap_or_default();
                let tokens: Vec<_> = from.iter().map(|source| source.token(py)).collect();
                let now = compute.bind(py).call0().ok().and_then(|value| digest(&value, known, read_parts).ok());
                if now == Some(*then) {
                    from.iter().zip(tokens).for_each(|(source, token)| source.note(token));
                }
                held(now == Some(*then))
            }
        }
    }

    /// Watches what the guard compares. Returns false if that is not possible.
    #[cfg(Py_3_12)]
    pub(crate) fn watch(&self, py: Python<'_>, signs: &mut Signs) -> bool {
        match self {
            Self::Function { function, parts, cells } => pin(function.bind(py), parts, cells, signs),
            Self::Attributes(contents) => contents.watch(py, &mut signs.watch),
            Self::Value { .. } | Self::Computed { .. } => false,
        }
    }

    /// Records the contents of a container with constants. Returns false for anything else, and without the GIL, where a
    /// list or set cannot be read in place.
    #[cfg(Py_3_12)]
    pub(crate) fn record(&self, py: Python<'_>, contents: &mut PlainContents) -> bool {
        !cfg!(Py_GIL_DISABLED) && matches!(self, Self::Value { value, state: None, .. } if contents.add(value.bind(py)))
    }

    /// True if it checks this cell, value or dict of attributes.
    pub(crate) fn is_of(&self, holder: Address) -> bool {
        match self {
            // The first attribute of a function is set in a new dict, to which no other guard refers.
            Self::Function { cells, .. } => cells.iter().any(|(cell, _)| cell.as_ptr() as Address == holder),
            Self::Attributes(contents) => contents.is_of(holder),
            Self::Value { value, .. } => value.as_ptr() as Address == holder,
            Self::Computed { .. } => false,
        }
    }

    /// Appends the differences between the recorded and the current state.
    pub(crate) fn differences(
        &self,
        py: Python<'_>,
        known: &Digests,
        read_parts: ReadParts,
        found: &mut Vec<Difference>,
    ) {
        match self {
            Self::Function { function, parts, cells } => {
                let function = function.bind(py);
                if !holds_code(function, parts) {
                    found.push(Difference::Edit);
                }
                if parts[ATTRIBUTES].is_none()
                    && let Ok(Some(dict)) = attributes_given(function)
                {
                    differences(dict.as_any(), new_attributes(&dict), found);
                }
                for (index, (cell, then)) in cells.iter().enumerate() {
                    if !holds_content(cell.bind(py), then.as_ref()) {
                        found.push(Difference::Name {
                            holder: cell.clone_ref(py),
                            key: PyString::new(py, "").into_any().unbind(),
                            name: captured_name(function, index).unwrap_or_default(),
                            then: then.as_ref().map(|then| then.clone_ref(py)),
                            now: content_of(cell.bind(py)).map(Bound::unbind),
                        });
                    }
                }
            }
            Self::Attributes(contents) => match contents.changed(py) {
                Ok(changed) => differences(contents.dict(py).as_any(), changed, found),
                Err(_) => found.push(Difference::Edit),
            },
            Self::Value { value, digest, counted, .. } => {
                // The digest is that of the current value, also if the value from before calls changed it counts.
                let is_current = |counted: &Counted| !changed_state::is_as_it_is() || counted.digest == *digest;
                match counted {
                    Some((_, counted)) if is_current(counted) && self.holds(py, known, read_parts) => {}
                    Some((name, counted)) => {
                        let (name, counted) = (name.clone(), counted.clone());
                        found.push(Difference::Value { value: value.clone_ref(py), name, counted });
                    }
                    None if self.holds(py, known, read_parts) => {}
                    None => found.push(Difference::Edit),
                }
            }
            Self::Computed { .. } => {}
        }
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        match self {
            Self::Function { function, parts, cells } => {
                visit.call(function)?;
                for part in parts.iter().flatten() {
                    visit.call(part)?;
                }
                for (cell, content) in cells {
                    visit.call(cell)?;
                    if let Some(content) = content {
                        visit.call(content)?;
                    }
                }
                Ok(())
            }
            Self::Attributes(contents) => contents.traverse(visit),
            Self::Value { value, counted, state, .. } => {
                visit.call(value)?;
                state.iter().try_for_each(|state| state.traverse(visit))?;
                counted.iter().flat_map(|(_, counted)| &counted.code).try_for_each(|code| visit.call(code))
            }
            Self::Computed { compute, from, .. } => {
                visit.call(compute)?;
                from.iter().flatten().try_for_each(|source| source.traverse(visit))
            }
        }
    }
}

/// True for a value that cannot change in place, and for code, which has its own guards.
pub(crate) fn is_fixed(value: &Bound<'_, PyAny>) -> bool {
    is_constant(value)
        || value.is_exact_instance_of::<PyFunction>()
        || value.is_instance_of::<PyType>()
        || value.is_exact_instance_of::<PyModule>()
        || value.cast_exact::<PyTuple>().is_ok_and(|tuple| tuple.iter().all(|element| is_fixed(&element)))
}

/// True for an immutable value.
pub(crate) fn is_constant(value: &Bound<'_, PyAny>) -> bool {
    value.is_none()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyComplex>()
        || value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyBytes>()
        || value.cast_exact::<PyTuple>().is_ok_and(|tuple| tuple.iter().all(|element| is_constant(&element)))
}

/// Returns the digest of a value that belongs to a definition.
pub(crate) fn digest_of(value: &Bound<'_, PyAny>, definition: &Definition) -> Walked<Digest> {
    digest(value, &definition.known, definition.read_parts)
}

pub(crate) fn digest(value: &Bound<'_, PyAny>, known: &Digests, read_parts: ReadParts) -> Walked<Digest> {
    let mut walk = Walk::new(value.py(), Definitions::settled(Some(known.clone()), read_parts));
    walk.run(|walk| walk.whole(value))?;
    Ok(walk.finish(Domain::Value))
}
