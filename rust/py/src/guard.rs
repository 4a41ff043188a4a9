//! What a definition rests on, and whether it is still so.
//!
//! Each guard compares pointers, or, for a value that may change in place, its hash. What a guard compares with it also
//! holds, so that no address is used for something else meanwhile. For names, see `namespace`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use funes_core::digest::Digest;
use funes_core::domain::Domain;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyFunction, PyInt, PyList, PyModule, PyString, PyTuple,
    PyType,
};

use crate::changes::{self, Counted, Difference, Left};
use crate::definition::Definition;
use crate::namespace::{Namespaces, is_missing, pointer_to};
use crate::refusal::Walked;
use crate::walk::{Definitions, Digests, Walk, address_of};

pub(crate) enum Guard {
    /// A function has the code, defaults, captured variables and place for attributes that it had.
    Function { function: Py<PyFunction>, parts: [Option<Py<PyAny>>; 5], cells: Vec<(Py<PyAny>, Option<Py<PyAny>>)> },
    /// A class has the bases, metaclass and attributes that it had.
    Class(Box<Shape>),
    /// A value that can change in place is what it was. `counted`: its name, and what it counts as.
    Value { value: Py<PyAny>, digest: Digest, counted: Option<(String, Arc<Counted>)> },
}

/// What a class was.
pub(crate) struct Shape {
    class: Py<PyType>,
    bases: Py<PyTuple>,
    metaclass: Py<PyType>,
    /// Those that count.
    attributes: Py<PyDict>,
    /// Their names, if no others count, not even those of the bases.
    only: Option<Py<PyFrozenSet>>,
    /// The interpreter's number for the state in which all this was last seen to hold.
    version: AtomicU32,
}

impl Guard {
    /// The guards of one function or class. `reads`: the names that were looked up, see `Description`.
    pub(crate) fn of(
        object: &Bound<'_, PyAny>,
        reads: &Bound<'_, PyList>,
        namespaces: &mut Namespaces,
        guards: &mut Vec<Self>,
    ) -> PyResult<()> {
        for read in reads.iter() {
            let (namespace, name, value): (Bound<'_, PyAny>, Bound<'_, PyString>, Bound<'_, PyAny>) = read.extract()?;
            if let Ok(class) = namespace.cast::<PyType>() {
                guards.push(Self::Class(Box::new(Shape::of_attribute(class, &name, &value)?)));
            } else {
                namespaces.note(&namespace, name, value)?;
            }
        }
        if let Ok(function) = object.cast::<PyFunction>() {
            // The dict of keyword defaults may be changed in place.
            if let Ok(defaults) = function.getattr(intern!(function.py(), "__kwdefaults__"))?.cast_into::<PyDict>() {
                for (name, value) in &defaults {
                    namespaces.note(defaults.as_any(), name.cast_into::<PyString>()?, value)?;
                }
            }
            guards.push(Self::Function {
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
            guards.push(Self::Class(Box::new(Shape::of(class)?)));
        }
        Ok(())
    }

    pub(crate) fn value(value: &Bound<'_, PyAny>, known: &Digests) -> Walked<Self> {
        Ok(Self::Value { value: value.clone().unbind(), digest: digest(value, known)?, counted: None })
    }

    pub(crate) fn holds(&self, py: Python<'_>, known: &Digests) -> bool {
        match self {
            Self::Function { function, parts, cells } => {
                part_addresses(function.bind(py)).iter().zip(parts).all(|(&now, then)| now == pointer_to(then.as_ref()))
                    && cells.iter().all(|(cell, then)| holds_content(cell.bind(py), then.as_ref()))
            }
            Self::Class(shape) => shape.holds(py),
            Self::Value { value, digest: then, counted } => digest(value.bind(py), known).is_ok_and(|now| {
                now == *then
                    || counted.as_ref().is_some_and(|(_, counted)| {
                        changes::value_is_left(py, address_of(value.bind(py)), counted.digest, now)
                    })
            }),
        }
    }

    /// Adds what is not as it was.
    pub(crate) fn differences(&self, py: Python<'_>, known: &Digests, found: &mut Vec<Difference>) {
        match self {
            Self::Function { function, parts, cells } => {
                if !part_addresses(function.bind(py))
                    .iter()
                    .zip(parts)
                    .all(|(&now, then)| now == pointer_to(then.as_ref()))
                {
                    found.push(Difference::Edit);
                }
                for (index, (cell, then)) in cells.iter().enumerate() {
                    if !holds_content(cell.bind(py), then.as_ref()) {
                        found.push(Difference::Name {
                            holder: cell.clone_ref(py),
                            key: String::new(),
                            name: captured_name(function.bind(py), index).unwrap_or_default(),
                            then: then.as_ref().map(|then| then.clone_ref(py)),
                            now: content_of(cell.bind(py)).map(Bound::unbind),
                        });
                    }
                }
            }
            Self::Class(shape) => {
                if shape.differences(py, found).is_err() {
                    found.push(Difference::Edit);
                }
            }
            Self::Value { value, counted, .. } if !self.holds(py, known) => found.push(match counted {
                Some((name, counted)) => {
                    Difference::Value { value: value.clone_ref(py), name: name.clone(), counted: counted.clone() }
                }
                None => Difference::Edit,
            }),
            Self::Value { .. } => {}
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
            Self::Class(shape) => {
                visit.call(&shape.class)?;
                visit.call(&shape.bases)?;
                visit.call(&shape.metaclass)?;
                visit.call(&shape.attributes)
            }
            Self::Value { value, counted, .. } => {
                visit.call(value)?;
                counted.iter().flat_map(|(_, counted)| &counted.code).try_for_each(|code| visit.call(code))
            }
        }
    }
}

/// Whether a value stays what it is as long as nobody binds its name to another one, and its code has guards.
pub(crate) fn is_fixed(value: &Bound<'_, PyAny>) -> bool {
    // Code has guards of its own.
    is_constant(value)
        || value.is_exact_instance_of::<PyFunction>()
        || value.is_instance_of::<PyType>()
        || value.is_exact_instance_of::<PyModule>()
        || value.cast_exact::<PyTuple>().is_ok_and(|tuple| tuple.iter().all(|element| is_fixed(&element)))
}

/// Whether a value can never change.
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

/// The digest of a value for a definition that it belongs to.
pub(crate) fn digest_of(value: &Bound<'_, PyAny>, definition: &Definition) -> Walked<Digest> {
    digest(value, &definition.known)
}

pub(crate) fn digest(value: &Bound<'_, PyAny>, known: &Digests) -> Walked<Digest> {
    let mut walk = Walk::new(value.py(), Definitions::settled(Some(known.clone())));
    walk.run(|walk| walk.walk(value))?;
    Ok(walk.finish(Domain::Value))
}

/// Code, defaults, keyword defaults, closure and attributes: addresses to compare, never to follow.
fn part_addresses(function: &Bound<'_, PyFunction>) -> [*mut ffi::PyObject; 5] {
    let function = function.as_ptr().cast::<ffi::PyFunctionObject>();
    // SAFETY: it is a function, whose layout is this struct's. A field that another thread sets meanwhile (only without
    // the interpreter's lock) has its old or its new value: a call at the same moment would see one of them as well.
    unsafe {
        [
            (&raw const (*function).func_code).read_volatile(),
            (&raw const (*function).func_defaults).read_volatile(),
            (&raw const (*function).func_kwdefaults).read_volatile(),
            (&raw const (*function).func_closure).read_volatile(),
            (&raw const (*function).func_dict).read_volatile(),
        ]
    }
}

/// The same as objects, to hold. None for what the function does not have.
fn function_parts<'py>(function: &Bound<'py, PyFunction>) -> [Option<Bound<'py, PyAny>>; 5] {
    // SAFETY: what the function refers to lives as long as nobody rebinds it, and no code runs between here and there.
    part_addresses(function).map(|part| unsafe { Bound::from_borrowed_ptr_or_opt(function.py(), part) })
}

/// Whether a cell holds this very object, or nothing, or what a call left there.
fn holds_content(cell: &Bound<'_, PyAny>, content: Option<&Py<PyAny>>) -> bool {
    let now = content_of(cell).as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr);
    let then = pointer_to(content);
    now == then || changes::name_is_left(cell.py(), address_of(cell), "", then, now) != Left::Not
}

/// What a cell counts as holding.
fn counted_content<'py>(cell: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    changes::counted_or_none(cell, "", content_of(cell))
}

/// The name of the captured variable of this number.
fn captured_name(function: &Bound<'_, PyFunction>, index: usize) -> PyResult<String> {
    let py = function.py();
    function.getattr(intern!(py, "__code__"))?.getattr(intern!(py, "co_freevars"))?.get_item(index)?.extract()
}

fn cells_of<'py>(function: &Bound<'py, PyFunction>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let closure = function.getattr(intern!(function.py(), "__closure__"))?;
    if closure.is_none() {
        return Ok(Vec::new());
    }
    let closure = closure.cast_into::<PyTuple>().map_err(|_| PyTypeError::new_err("a closure is a tuple"))?;
    Ok(closure.iter().collect())
}

/// What a cell holds; nothing for a variable that has no value yet.
fn content_of<'py>(cell: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: it is a cell; the result is a new reference, or null without an exception for an empty one.
    unsafe { Bound::from_owned_ptr_or_opt(cell.py(), ffi::PyCell_Get(cell.as_ptr())) }
}

/// The number that the interpreter gives to a state of a class and of its bases; 0 if it has none now.
#[cfg(not(Py_GIL_DISABLED))]
fn version_of(class: &Bound<'_, PyType>) -> u32 {
    // SAFETY: the type is alive, and only whoever holds the interpreter's lock writes the field.
    unsafe { (*class.as_type_ptr()).tp_version_tag }
}

/// Without the interpreter's lock the field must not be read plainly: the attributes are compared each time.
#[cfg(Py_GIL_DISABLED)]
fn version_of(_class: &Bound<'_, PyType>) -> u32 {
    0
}

/// The same, after a look-up, which makes the interpreter give a number to a class that has none.
fn assigned_version_of(class: &Bound<'_, PyType>) -> u32 {
    // Not a name that metaclasses have, such as `__doc__`: the class itself would not be asked.
    let _ = class.getattr(intern!(class.py(), "__init_subclass__"));
    version_of(class)
}

/// What a class has of its own, without what says nothing about it: the caches of `copyreg`, `abc` and `typing`, which
/// are added later on, and annotations.
fn attributes_of<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyDict>> {
    static NOISE: PyOnceLock<Py<PyFrozenSet>> = PyOnceLock::new();
    let py = class.py();
    let noise = NOISE.get_or_try_init(py, || -> PyResult<_> {
        let noise = py.import("funes._definitions.classes")?.getattr("NOISE")?;
        Ok(noise.cast_into::<PyFrozenSet>()?.unbind())
    })?;
    let attributes = PyDict::new(py);
    attributes.call_method1(intern!(py, "update"), (class.getattr(intern!(py, "__dict__"))?,))?;
    for name in noise.bind(py) {
        attributes.call_method1(intern!(py, "pop"), (name, py.None()))?;
    }
    Ok(attributes)
}

impl Shape {
    fn of(class: &Bound<'_, PyType>) -> PyResult<Self> {
        let attributes = attributes_of(class)?;
        changes::count_attributes(class, &attributes)?;
        Ok(Self {
            class: class.clone().unbind(),
            bases: class.bases().unbind(),
            metaclass: class.get_type().unbind(),
            attributes: attributes.unbind(),
            only: None,
            version: AtomicU32::new(0),
        })
    }

    /// A class of which one attribute was taken.
    fn of_attribute(class: &Bound<'_, PyType>, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let attributes = PyDict::new(class.py());
        if !is_missing(value)? {
            attributes.set_item(name, value)?;
        }
        let only = PyFrozenSet::new(class.py(), [name])?.unbind();
        Ok(Self { attributes: attributes.unbind(), only: Some(only), ..Self::of(class)? })
    }

    /// A class of a library's on which the user may set these attributes.
    pub(crate) fn watched(class: &Bound<'_, PyType>, names: &Bound<'_, PyFrozenSet>) -> PyResult<Self> {
        let mut shape = Self { only: Some(names.clone().unbind()), ..Self::of(class)? };
        shape.attributes = shape.attributes_of(class)?.unbind();
        Ok(shape)
    }

    /// What the class has of what counts.
    fn attributes_of<'py>(&self, class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyDict>> {
        let Some(only) = &self.only else { return attributes_of(class) };
        let py = class.py();
        let (all, chosen) = (class.getattr(intern!(py, "__dict__"))?, PyDict::new(py));
        for name in only.bind(py) {
            if all.contains(&name)? {
                chosen.set_item(&name, all.get_item(&name)?)?;
            }
        }
        Ok(chosen)
    }

    fn holds(&self, py: Python<'_>) -> bool {
        let class = self.class.bind(py);
        if !class.get_type().is(&self.metaclass) {
            return false;
        }
        let now = version_of(class);
        if now != 0 && now == self.version.load(Ordering::Relaxed) {
            return true;
        }
        let held = self.compare(class).unwrap_or(Left::Not);
        if held == Left::Fixed {
            self.version.store(assigned_version_of(class), Ordering::Relaxed);
        }
        held != Left::Not
    }

    /// How the class compares with what it was, or with what a call made of that.
    fn compare(&self, class: &Bound<'_, PyType>) -> PyResult<Left> {
        // A class whose bases are set has another tuple of them.
        if !class.bases().is(&self.bases) {
            return Ok(Left::Not);
        }
        let mut held = Left::Fixed;
        let pointer = |value: &Option<Bound<'_, PyAny>>| value.as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr);
        for (name, then, now) in self.changed(class)? {
            let (then, now) = (pointer(&then), pointer(&now));
            match changes::name_is_left(class.py(), address_of(class), &name, then, now) {
                Left::Not => return Ok(Left::Not),
                Left::Mutable => held = Left::Mutable,
                Left::Fixed => {}
            }
        }
        Ok(held)
    }

    /// The attributes that are not the very objects that they were: name, then, now.
    #[expect(clippy::type_complexity, reason = "it is only handed on")]
    fn changed<'py>(
        &self,
        class: &Bound<'py, PyType>,
    ) -> PyResult<Vec<(String, Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>)>> {
        let (now, then) = (self.attributes_of(class)?, self.attributes.bind(class.py()));
        let mut changed = Vec::new();
        for (name, value) in &now {
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

    fn differences(&self, py: Python<'_>, found: &mut Vec<Difference>) -> PyResult<()> {
        let class = self.class.bind(py);
        if !class.get_type().is(&self.metaclass) || !class.bases().is(&self.bases) {
            found.push(Difference::Edit);
        }
        for (name, then, now) in self.changed(class)? {
            let pointer = |value: &Option<Bound<'_, PyAny>>| value.as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr);
            if changes::name_is_left(py, address_of(class), &name, pointer(&then), pointer(&now)) == Left::Not {
                found.push(Difference::Name {
                    holder: class.clone().into_any().unbind(),
                    key: name.clone(),
                    name,
                    then: then.map(Bound::unbind),
                    now: now.map(Bound::unbind),
                });
            }
        }
        Ok(())
    }
}
