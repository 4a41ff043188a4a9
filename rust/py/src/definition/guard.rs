//! Guards: cheap checks that a definition is still valid.
//!
//! Each guard compares pointers or, for a value that may change in place, its hash. A guard keeps the objects that it
//! compares alive, so that their addresses are not reused. For names in dicts, see `namespace`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use funes_core::digest::Digest;
use funes_core::domain::Domain;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyComplex, PyDict, PyFloat, PyFrozenSet, PyFunction, PyInt, PyList, PyModule, PyString, PyTuple,
    PyType,
};

use crate::definition::changed_state::{self, Counted, Difference, Left};
use crate::definition::graph::{Attributes, Computed, Definition};
use crate::definition::namespace::{Namespaces, is_missing, pointer_to, version_of as version_of_dict};
use crate::definition::source::{Source, State};
use crate::hash::walk::{Address, Definitions, Digests, Reading, Walk, address_of};
use crate::hash::walk_error::{WalkError, Walked};
use crate::hooks;
use crate::lazy::intern;

/// A check of one object.
pub(crate) enum Guard {
    /// A function has the same code, defaults, captured variables and attribute dict.
    Function { function: Py<PyFunction>, parts: [Option<Py<PyAny>>; 5], cells: Vec<(Py<PyAny>, Option<Py<PyAny>>)> },
    /// A dict of attributes holds the same objects.
    Attributes(Box<Contents>),
    /// A value that can change in place has the same digest. `counted`: its name, and its counted content. `state`: compared
    /// first.
    Value { value: Py<PyAny>, digest: Digest, counted: Option<(String, Arc<Counted>)>, state: Option<Box<State>> },
    /// A computed value has the same digest. `from`: the attributes that determine it.
    Computed { compute: Py<PyAny>, digest: Digest, from: Option<Vec<Source>> },
}

/// The recorded contents of a dict.
pub(crate) struct Contents {
    dict: Py<PyDict>,
    /// A copy, without the names that do not count.
    then: Py<PyDict>,
    ignored: Py<PyFrozenSet>,
    /// The interpreter's version tag of the dict at the last successful check; 0 for none.
    version: AtomicU64,
}

/// The state of a function or class before it was described.
pub(crate) struct Before<'py> {
    function: Option<Guard>,
    class: Option<Shape>,
    /// The dict of keyword defaults, and a copy of it.
    defaults: Option<(Bound<'py, PyDict>, Bound<'py, PyDict>)>,
}

/// The recorded bases, metaclass and attributes of a class.
pub(crate) struct Shape {
    class: Py<PyType>,
    bases: Py<PyTuple>,
    metaclass: Py<PyType>,
    /// The attributes that count.
    attributes: Py<PyDict>,
    /// The name of the only attribute that counts; None if all attributes count.
    only: Option<Py<PyString>>,
    /// The interpreter's version tag of the class at the last successful check; 0 for none.
    version: AtomicU32,
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
            let (namespace, name, value): (Bound<'_, PyAny>, Bound<'_, PyString>, Bound<'_, PyAny>) = read.extract()?;
            if let Ok(class) = namespace.cast::<PyType>() {
                classes.push(Shape::of_attribute(class, &name, &value)?);
            } else {
                namespaces.note(&namespace, name, value)?;
            }
        }
        if let Some((defaults, then)) = &before.defaults {
            for (name, value) in then {
                namespaces.note(defaults.as_any(), name.cast_into::<PyString>()?, value)?;
            }
        }
        guards.extend(before.function.take());
        classes.extend(before.class.take());
        Ok(())
    }

    pub(crate) fn value(value: &Bound<'_, PyAny>, known: &Digests, reading: Reading) -> Walked<Self> {
        let digest = digest(value, known, reading)?;
        Ok(Self::Value { value: value.clone().unbind(), digest, counted: None, state: None })
    }

    /// The same for a value that code refers to, with its name and what it counts as.
    pub(crate) fn counted(
        value: &Bound<'_, PyAny>,
        then: Digest,
        counted: (String, Arc<Counted>),
        (known, reading): (&Digests, Reading),
    ) -> Self {
        // Taken first, so that a change that comes meanwhile is noticed; of no use if the value has changed already.
        let state = State::of(value).ok().flatten();
        let state = state.filter(|_| digest(value, known, reading).is_ok_and(|now| now == then));
        Self::Value { value: value.clone().unbind(), digest: then, counted: Some(counted), state }
    }

    pub(crate) fn computed(computed: &Computed<'_>, known: &Digests, reading: Reading) -> Walked<Self> {
        let (compute, sources) = computed;
        let raised = |error| WalkError::raised(compute.py(), "noting what code reads", error);
        // Read before the value is computed, so that a change during the computation is noticed.
        let from = sources.iter().map(Source::of).collect::<PyResult<Vec<_>>>();
        let value = compute.call0().map_err(raised)?;
        let from = from.ok().filter(|from| !from.is_empty());
        Ok(Self::Computed { compute: compute.clone().unbind(), digest: digest(&value, known, reading)?, from })
    }

    /// Creates the guard of a dict of attributes. `ignored`: the names in it that do not count.
    pub(crate) fn attributes((dict, ignored): &Attributes<'_>) -> PyResult<Self> {
        Ok(Self::Attributes(Box::new(Contents::of(dict, ignored)?)))
    }

    /// True if the object is unchanged, or as the last call left it.
    #[inline]
    pub(crate) fn holds(&self, py: Python<'_>, known: &Digests, reading: Reading) -> bool {
        match self {
            Self::Function { function, parts, cells } => {
                holds_parts(function.bind(py), parts) && (cells.is_empty() || holds_cells(py, cells))
            }
            _ => self.holds_value(py, known, reading),
        }
    }

    #[inline(never)]
    fn holds_value(&self, py: Python<'_>, known: &Digests, reading: Reading) -> bool {
        match self {
            Self::Function { .. } => false,
            Self::Attributes(contents) => contents.holds(py),
            Self::Value { state: Some(state), .. } if state.holds(py) => true,
            Self::Value { value, digest: then, counted, .. } => {
                // A container that is changing has no digest.
                let now = digest(value.bind(py), known, reading).ok();
                now == Some(*then)
                    || counted.as_ref().is_some_and(|(_, counted)| {
                        changed_state::value_is_left(py, address_of(value.bind(py)), counted.digest, now)
                    })
            }
            Self::Computed { compute, digest: then, from } => {
                if from.as_ref().is_some_and(|from| from.iter().all(|source| source.holds(py))) {
                    return true;
                }
                let from = from.as_deref().unwrap_or_default();
                let tokens: Vec<_> = from.iter().map(|source| source.token(py)).collect();
                let now = compute.bind(py).call0().ok().and_then(|value| digest(&value, known, reading).ok());
                if now == Some(*then) {
                    from.iter().zip(tokens).for_each(|(source, token)| source.note(token));
                }
                now == Some(*then)
            }
        }
    }

    /// True if it checks this cell, value or dict of attributes.
    pub(crate) fn is_of(&self, holder: Address) -> bool {
        match self {
            // The first attribute of a function is set in a new dict, to which no other guard refers.
            Self::Function { cells, .. } => cells.iter().any(|(cell, _)| cell.as_ptr() as Address == holder),
            Self::Attributes(contents) => contents.dict.as_ptr() as Address == holder,
            Self::Value { value, .. } => value.as_ptr() as Address == holder,
            Self::Computed { .. } => false,
        }
    }

    /// Appends the differences between the recorded and the current state.
    pub(crate) fn differences(&self, py: Python<'_>, known: &Digests, reading: Reading, found: &mut Vec<Difference>) {
        match self {
            Self::Function { function, parts, cells } => {
                let function = function.bind(py);
                if !holds_code(&part_addresses(function), parts) {
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
                            key: String::new(),
                            name: captured_name(function, index).unwrap_or_default(),
                            then: then.as_ref().map(|then| then.clone_ref(py)),
                            now: content_of(cell.bind(py)).map(Bound::unbind),
                        });
                    }
                }
            }
            Self::Attributes(contents) => match contents.changed(py) {
                Ok(changed) => differences(contents.dict.bind(py).as_any(), changed, found),
                Err(_) => found.push(Difference::Edit),
            },
            Self::Value { value, counted, .. } if !self.holds(py, known, reading) => found.push(match counted {
                Some((name, counted)) => {
                    Difference::Value { value: value.clone_ref(py), name: name.clone(), counted: counted.clone() }
                }
                None => Difference::Edit,
            }),
            Self::Value { .. } | Self::Computed { .. } => {}
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
    digest(value, &definition.known, definition.reading)
}

pub(crate) fn digest(value: &Bound<'_, PyAny>, known: &Digests, reading: Reading) -> Walked<Digest> {
    let mut walk = Walk::new(value.py(), Definitions::settled(Some(known.clone()), reading));
    walk.run(|walk| walk.whole(value))?;
    Ok(walk.finish(Domain::Value))
}

/// Returns the addresses of code, defaults, keyword defaults, closure and attributes; they are only compared.
fn part_addresses(function: &Bound<'_, PyFunction>) -> [*mut ffi::PyObject; 5] {
    let function = function.as_ptr().cast::<ffi::PyFunctionObject>();
    // SAFETY: the object is a function, so it has the layout of this struct. A field that another thread sets at the
    // same time (only without the GIL) has its old or its new value: a call at the same moment would see one of them as
    // well.
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

/// The index of the attribute dict among these parts.
const ATTRIBUTES: usize = 4;

/// True if a function has the same parts. It may have a new attribute dict that is empty, or that only calls filled.
fn holds_parts(function: &Bound<'_, PyFunction>, then: &[Option<Py<PyAny>>; 5]) -> bool {
    let now = part_addresses(function);
    holds_code(&now, then) && (then[ATTRIBUTES].is_some() || is_bare(now[ATTRIBUTES]) || holds_new_attributes(function))
}

/// True if only calls set the attributes of a function that had none.
#[cold]
fn holds_new_attributes(function: &Bound<'_, PyFunction>) -> bool {
    attributes_given(function)
        .is_ok_and(|dict| dict.is_none_or(|dict| left(dict.as_any(), &new_attributes(&dict)) != Left::Not))
}

/// True if the parts are the same, except the attributes of a function that had none.
#[inline]
fn holds_code(now: &[*mut ffi::PyObject; 5], then: &[Option<Py<PyAny>>; 5]) -> bool {
    let is_same = |part: usize| now[part] == pointer_to(then[part].as_ref());
    // Unrolled, since this runs for each function at each hit.
    is_same(0) && is_same(1) && is_same(2) && is_same(3) && (then[ATTRIBUTES].is_none() || is_same(ATTRIBUTES))
}

/// Returns the attribute dict of a function, if it has one.
fn attributes_given<'py>(function: &Bound<'py, PyFunction>) -> PyResult<Option<Bound<'py, PyDict>>> {
    if part_addresses(function)[ATTRIBUTES].is_null() {
        return Ok(None);
    }
    Ok(Some(function.getattr(intern!(function.py(), "__dict__"))?.cast_into::<PyDict>()?))
}

/// Returns the attributes of a function that had none, as changes.
fn new_attributes<'py>(dict: &Bound<'py, PyDict>) -> Vec<Changed<'py>> {
    dict.iter().map(|(name, value)| (name.to_string(), None, Some(value))).collect()
}

/// True if a function has no attributes. Reading its `__dict__` would create the dict.
pub(crate) fn has_no_attributes(function: &Bound<'_, PyFunction>) -> bool {
    is_bare(part_addresses(function)[ATTRIBUTES])
}

/// True if this attribute dict is missing or empty.
#[cfg(not(Py_GIL_DISABLED))]
fn is_bare(attributes: *mut ffi::PyObject) -> bool {
    // SAFETY: a pointer that is not null is the dict of a live function, so it has the layout of this struct, and no
    // other thread runs.
    attributes.is_null() || unsafe { (*attributes.cast::<ffi::PyDictObject>()).ma_used } == 0
}

/// True if the attribute dict is missing. Without the GIL another thread may replace the dict, so it is not read.
#[cfg(Py_GIL_DISABLED)]
fn is_bare(attributes: *mut ffi::PyObject) -> bool {
    attributes.is_null()
}

/// Returns the parts of a function as objects; None for a missing part.
fn function_parts<'py>(function: &Bound<'py, PyFunction>) -> [Option<Bound<'py, PyAny>>; 5] {
    let mut parts = part_addresses(function);
    if is_bare(parts[ATTRIBUTES]) {
        parts[ATTRIBUTES] = std::ptr::null_mut();
    }
    // SAFETY: the function keeps its parts alive, and no code that could replace them runs between the two lines.
    parts.map(|part| unsafe { Bound::from_borrowed_ptr_or_opt(function.py(), part) })
}

/// True if each cell holds the same object.
#[inline(never)]
fn holds_cells(py: Python<'_>, cells: &[(Py<PyAny>, Option<Py<PyAny>>)]) -> bool {
    cells.iter().all(|(cell, then)| holds_content(cell.bind(py), then.as_ref()))
}

/// True if a cell holds this object (None: is empty), or the object that the last call left there.
fn holds_content(cell: &Bound<'_, PyAny>, content: Option<&Py<PyAny>>) -> bool {
    let now = content_of(cell).as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr);
    let then = pointer_to(content);
    now == then || changed_state::name_is_left(cell.py(), address_of(cell), "", then, now) != Left::Not
}

/// Returns the counted value of a cell.
fn counted_content<'py>(cell: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    changed_state::counted_or_none(cell, "", content_of(cell))
}

/// Returns the name of the captured variable with this index.
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

/// Returns the value of a cell; None for an empty cell.
pub(crate) fn content_of<'py>(cell: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    // SAFETY: the object is a cell. The result is a new reference, or null without an exception for an empty cell.
    unsafe { Bound::from_owned_ptr_or_opt(cell.py(), ffi::PyCell_Get(cell.as_ptr())) }
}

/// Returns the interpreter's version tag of a class, which also covers its bases; 0 if it has none now.
#[cfg(not(Py_GIL_DISABLED))]
#[inline]
fn version_of(class: &Bound<'_, PyType>) -> u32 {
    // SAFETY: the type is alive, and only a thread that holds the GIL writes the field.
    unsafe { (*class.as_type_ptr()).tp_version_tag }
}

/// Returns 0, so that the attributes are compared each time: without the GIL the field must not be read plainly.
#[cfg(Py_GIL_DISABLED)]
fn version_of(_class: &Bound<'_, PyType>) -> u32 {
    0
}

/// True if a class still has the version tag that was seen; 0 stands for none.
#[inline]
pub(crate) fn has_version(class: &Bound<'_, PyType>, seen: &AtomicU32) -> bool {
    let now = version_of(class);
    now != 0 && now == seen.load(Ordering::Relaxed)
}

/// True if a class has this metaclass, which the version tag does not cover.
#[inline]
pub(crate) fn is_of_metaclass(class: &Py<PyType>, metaclass: &Py<PyType>) -> bool {
    // SAFETY: the class is alive, and the addresses are only compared.
    unsafe { ffi::Py_TYPE(class.as_ptr()) == metaclass.as_ptr().cast() }
}

/// Returns the version tag of a class after a lookup, which makes the interpreter assign a missing tag.
pub(crate) fn assigned_version_of(class: &Bound<'_, PyType>) -> u32 {
    // A name that metaclasses have, such as `__doc__`, would not be looked up in the class itself.
    let _ = class.getattr(intern!(class.py(), "__init_subclass__"));
    version_of(class)
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

/// A name that refers to another object: the name, the old object and the new object.
pub(crate) type Changed<'py> = (String, Option<Bound<'py, PyAny>>, Option<Bound<'py, PyAny>>);

/// Returns the names that refer to different objects in two dicts.
pub(crate) fn changed<'py>(now: &Bound<'py, PyDict>, then: &Bound<'py, PyDict>) -> PyResult<Vec<Changed<'py>>> {
    let mut changed = Vec::new();
    for (name, value) in now {
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

/// Compares changed names in a namespace or class with the objects that calls left there.
pub(crate) fn left(holder: &Bound<'_, PyAny>, changed: &[Changed<'_>]) -> Left {
    let mut held = Left::Fixed;
    for change in changed {
        match left_of(holder, change) {
            Left::Not => return Left::Not,
            Left::Mutable => held = Left::Mutable,
            Left::Fixed => {}
        }
    }
    held
}

fn left_of(holder: &Bound<'_, PyAny>, (name, then, now): &Changed<'_>) -> Left {
    let pointer = |value: &Option<Bound<'_, PyAny>>| value.as_ref().map_or(std::ptr::null_mut(), Bound::as_ptr);
    changed_state::name_is_left(holder.py(), address_of(holder), name, pointer(then), pointer(now))
}

/// Appends the changes that differ from the objects that calls left there.
pub(crate) fn differences(holder: &Bound<'_, PyAny>, changed: Vec<Changed<'_>>, found: &mut Vec<Difference>) {
    for change in changed {
        if left_of(holder, &change) == Left::Not {
            let (name, then, now) = change;
            found.push(Difference::Name {
                holder: holder.clone().unbind(),
                key: name.clone(),
                name,
                then: then.map(Bound::unbind),
                now: now.map(Bound::unbind),
            });
        }
    }
}

impl Contents {
    pub(crate) fn of(dict: &Bound<'_, PyDict>, ignored: &[Py<PyString>]) -> PyResult<Self> {
        let py = dict.py();
        let then = dict.copy()?;
        for name in ignored {
            then.call_method1(intern!(py, "pop"), (name, py.None()))?;
        }
        changed_state::count_attributes(dict.as_any(), &then)?;
        let ignored = PyFrozenSet::new(py, ignored)?.unbind();
        // The version tag is recorded at the first comparison: the dict may have changed since it was copied.
        Ok(Self { dict: dict.clone().unbind(), then: then.unbind(), ignored, version: AtomicU64::new(0) })
    }

    pub(crate) fn holds(&self, py: Python<'_>) -> bool {
        let dict = self.dict.bind(py);
        let now = version_of_dict(dict);
        if now != 0 && now == self.version.load(Ordering::Relaxed) {
            return true;
        }
        let held = self.changed(py).map_or(Left::Not, |changed| left(dict.as_any(), &changed));
        if held == Left::Fixed {
            self.version.store(now, Ordering::Relaxed);
        }
        held != Left::Not
    }

    fn changed<'py>(&self, py: Python<'py>) -> PyResult<Vec<Changed<'py>>> {
        let (dict, ignored) = (self.dict.bind(py), self.ignored.bind(py));
        let mut changed = changed(dict, self.then.bind(py))?;
        if !changed.is_empty() {
            let mut counts = Vec::with_capacity(changed.len());
            for change in changed {
                if !ignored.contains(&change.0)? {
                    counts.push(change);
                }
            }
            changed = counts;
        }
        Ok(changed)
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.dict)?;
        visit.call(&self.then)
    }
}

impl Shape {
    fn of(class: &Bound<'_, PyType>) -> PyResult<Self> {
        let attributes = attributes_of(class)?;
        changed_state::count_attributes(class, &attributes)?;
        Ok(Self {
            class: class.clone().unbind(),
            bases: class.bases().unbind(),
            metaclass: class.get_type().unbind(),
            attributes: attributes.unbind(),
            only: None,
            version: AtomicU32::new(0),
        })
    }

    /// Records a class from which only one attribute was read.
    fn of_attribute(class: &Bound<'_, PyType>, name: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<Self> {
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
        if !is_of_metaclass(&self.class, &self.metaclass) {
            return Left::Not;
        }
        if has_version(class, &self.version) {
            return Left::Fixed;
        }
        // Taken first: a change that comes meanwhile is seen the next time.
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
        if !class.get_type().is(&self.metaclass) || !class.bases().is(&self.bases) {
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
