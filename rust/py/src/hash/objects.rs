//! Everything that has no tag of its own: by a rule, by attributes, by reduction.

use std::ptr;

use funes_core::encode::Sealed;
use funes_core::tags;
use pyo3::exceptions::{PyAttributeError, PyBaseException};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PyNotImplemented, PySet, PyString, PyTuple, PyType};

use crate::errors;
use crate::hash::containers::for_each_item;
use crate::hash::strategy::{Kept, Reduction, Strategy, strategy};
use crate::hash::walk::{Composite, Definitions, Walk, address_of};
use crate::hash::walk_error::{WalkError, Walked};
use crate::hooks;
use crate::lazy::intern;

impl<'py> Walk<'py> {
    pub(crate) fn object(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        let strategy = strategy(&object.get_type())
            .map_err(|error| WalkError::raised(self.py, "looking up the rule of its type", error))?;
        self.planned(object, &strategy.get().0)
    }

    #[inline(never)]
    fn planned(&mut self, object: &Bound<'py, PyAny>, strategy: &Strategy) -> Walked {
        let py = self.py;
        match strategy {
            Strategy::PerhapsDefinition { is_code, otherwise } => {
                let is_code = is_code
                    .call1(py, (object,))
                    .and_then(|answer| answer.is_truthy(py))
                    .map_err(|error| WalkError::raised(py, "asking whether it is code", error))?;
                if is_code { self.definition(object) } else { self.planned(object, otherwise) }
            }
            Strategy::Definition => self.definition(object),
            Strategy::Refuse { culprit, reason } => Err(WalkError::refused_as(*culprit, reason.clone())),
            Strategy::Attributes(kept) | Strategy::Reduce(kept) | Strategy::Set { kept, .. }
                if !kept.is_own && matches!(self.definitions, Definitions::Open { .. }) =>
            {
                self.of_library(object, strategy)
            }
            _ => self.taken_apart(object, strategy),
        }
    }

    /// Writes an object of a library in a definition: one that the library keeps in another one of its objects by the name
    /// that it has in the library's module, if it has one there.
    fn of_library(&mut self, object: &Bound<'py, PyAny>, strategy: &Strategy) -> Walked {
        if self.in_library > 0 {
            let name: Option<String> = hooks::NAME_IN_ITS_LIBRARY
                .get(self.py)
                .and_then(|name| name.call1((object,))?.extract())
                .map_err(|error| WalkError::raised(self.py, "looking for its name", error))?;
            if let Some(name) = name {
                self.named(&name);
                self.is_abridged = true;
                return Ok(());
            }
        }
        self.in_library += 1;
        let walked = self.taken_apart(object, strategy);
        self.in_library -= 1;
        walked
    }

    fn taken_apart(&mut self, object: &Bound<'py, PyAny>, strategy: &Strategy) -> Walked {
        let py = self.py;
        match strategy {
            Strategy::PerhapsDefinition { .. } | Strategy::Definition | Strategy::Refuse { .. } => {
                self.planned(object, strategy)
            }
            Strategy::Rule { name, reduce } => self.nested(object, |walk| walk.ruled(name, reduce.bind(py), object)),
            Strategy::Attributes(kept) => self.nested(object, |walk| {
                let mark = walk.encoder.begin(tags::OBJECT, 2);
                walk.class_of(object)?;
                walk.attributes(object, kept)?;
                Ok(mark.into())
            }),
            Strategy::Set { tag, kept } => self.nested(object, |walk| {
                let mark = walk.encoder.begin(tags::OBJECT, 3);
                walk.class_of(object)?;
                walk.attributes(object, kept)?;
                let set = walk.elements(object, *tag)?;
                walk.end(set, None);
                Ok(mark.into())
            }),
            Strategy::Reduce(kept) => self.nested(object, |walk| walk.reduced(object, kept)),
        }
    }

    fn ruled(&mut self, name: &str, reduce: &Bound<'py, PyAny>, object: &Bound<'py, PyAny>) -> Walked<Composite> {
        let simpler = reduce
            .call1((object,))
            .map_err(|error| WalkError::raised(self.py, &format!("the rule for {name}"), error))?;
        if simpler.is(PyNotImplemented::get(self.py)) {
            // The rule leaves this one object to its own reduction.
            return self.reduced(object, &Kept::default());
        }
        // The elements of a tuple stand in the rule's own node, so that the way to an error has no steps that the
        // user does not know.
        let Ok(parts) = simpler.cast_exact::<PyTuple>() else {
            let mark = self.encoder.begin(tags::RULE, 2);
            self.encoder.blob(tags::STR, name.as_bytes());
            self.walk(&simpler).map_err(|stop| stop.within(object, name, 0))?;
            return Ok(mark.into());
        };
        let mark = self.encoder.begin(tags::RULE, 1 + parts.len());
        self.encoder.blob(tags::STR, name.as_bytes());
        for (index, part) in parts.iter().enumerate() {
            self.walk(&part).map_err(|stop| stop.within(object, name, index))?;
        }
        Ok(mark.into())
    }

    #[inline]
    fn class_of(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        let class = object.get_type();
        self.definition(class.as_any())?;
        if self.rare.is_some() { self.keeps_nothing_weakly(class.as_any()) } else { Ok(()) }
    }

    /// Refuses an object whose class may keep what belongs to it.
    #[cold]
    fn keeps_nothing_weakly(&self, class: &Bound<'py, PyAny>) -> Walked {
        match self.rare.as_ref().and_then(|rare| rare.weakly.get(&address_of(class))) {
            None => Ok(()),
            Some(doubt) => Err(WalkError::refused(format!("its class may keep values of it elsewhere: {doubt}"))),
        }
    }

    /// `__dict__` and slots as one dict: where an attribute is kept is no value.
    fn attributes(&mut self, object: &Bound<'py, PyAny>, kept: &Kept) -> Walked {
        let attributes = attributes_of(object, &kept.slots)
            .map_err(|error| WalkError::raised(self.py, "reading its attributes", error))?;
        let attributes = self.without_caches(object, attributes, kept)?;
        let attributes = self.without_orders(attributes)?;
        self.state(&attributes, kept)
    }

    /// Attributes of a library's object in a definition, without what is made of a set.
    fn without_orders(&mut self, attributes: Bound<'py, PyDict>) -> Walked<Bound<'py, PyDict>> {
        let is_set = |part: Bound<'py, PyAny>| {
            part.is_exact_instance_of::<PySet>() || part.is_exact_instance_of::<PyFrozenSet>()
        };
        if self.in_library == 0 || !attributes.values().iter().any(is_set) {
            return Ok(attributes);
        }
        self.is_abridged = true;
        hooks::WITHOUT_ORDERS
            .get(self.py)
            .and_then(|without| Ok(without.call1((attributes,))?.cast_into::<PyDict>()?))
            .map_err(|error| WalkError::raised(self.py, "leaving out what it made of sets", error))
    }

    /// Attributes without those that are caches.
    #[inline]
    fn without_caches(
        &mut self,
        object: &Bound<'py, PyAny>,
        attributes: Bound<'py, PyDict>,
        kept: &Kept,
    ) -> Walked<Bound<'py, PyDict>> {
        if !kept.caches.iter().any(|name| attributes.contains(name).unwrap_or(false)) {
            return Ok(attributes);
        }
        self.without_some(object, attributes)
    }

    /// The same if there are any, which the user's own code may have to tell.
    #[cold]
    fn without_some(
        &mut self,
        object: &Bound<'py, PyAny>,
        attributes: Bound<'py, PyDict>,
    ) -> Walked<Bound<'py, PyDict>> {
        let py = self.py;
        let answer = hooks::WITHOUT_CACHES.get(py).and_then(|without| without.call1((object, attributes))?.extract());
        let (counted, doubts): (Bound<'py, PyDict>, Vec<String>) =
            answer.map_err(|error| WalkError::raised(py, "telling its caches from its attributes", error))?;
        self.rare().doubts.extend(doubts);
        Ok(counted)
    }

    fn state(&mut self, attributes: &Bound<'py, PyDict>, kept: &Kept) -> Walked {
        self.composite(attributes.as_any(), false, |walk| {
            let attribute = |walk: &mut Self, value: &Bound<'py, PyAny>| match walk.walk(value) {
                Err(stop) if kept.is_own && stop.is_tool() => walk.tool(value),
                walked => walked,
            };
            walk.items(attributes, attribute, |name| match name.cast::<PyString>() {
                Ok(name) => format!(".{}", name.to_string_lossy()),
                Err(_) => format!("[{}]", crate::hash::containers::shown(name)),
            })
        })
    }

    /// A lock, thread or handler in an attribute, by its type.
    #[cold]
    fn tool(&mut self, tool: &Bound<'py, PyAny>) -> Walked {
        let mark = self.encoder.begin(tags::RULE, 2);
        self.encoder.blob(tags::STR, b"tool");
        self.definition(tool.get_type().as_any())?;
        self.encoder.end(mark, None);
        Ok(())
    }

    /// By what `__reduce_ex__` says, with the same parts as pickle sees: how to make it, state, items.
    fn reduced(&mut self, object: &Bound<'py, PyAny>, kept: &Kept) -> Walked<Composite> {
        let py = self.py;
        let reduction = reduction_of(object)
            .map_err(|error| WalkError::raised(py, &format!("reducing {}", kind_of(object)), error))?;
        if let Ok(name) = reduction.cast::<PyString>() {
            let (module, text) = (module_of(object), name.to_string_lossy());
            // A function that numpy made of the user's has no module, and a name that no module can hold.
            let is_elsewhere =
                if module == NOWHERE { text.contains([' ', '<']) } else { !stands_in(object, &module, &text) };
            if is_elsewhere {
                return Err(WalkError::refused(format!("it says that it is {module}.{text}, which is something else")));
            }
            if is_own(py, &module).map_err(|error| WalkError::raised(py, "asking whose it is", error))? {
                // Where the user's own code stands is no value, nor whether it was imported or run.
                let mark = self.encoder.begin(tags::OBJECT, 2);
                self.class_of(object)?;
                self.text(name)?;
                return Ok(mark.into());
            }
            let mark = self.encoder.begin(tags::OBJECT, 1);
            self.named(&format!("{module}.{text}"));
            return Ok(mark.into());
        }
        let Ok(parts) = reduction.cast::<PyTuple>() else {
            return Err(WalkError::refused(format!(
                "{}.__reduce_ex__ returned neither a str nor a tuple",
                kind_of(object)
            )));
        };
        let part = |index: usize| parts.get_item(index).ok().filter(|part| !part.is_none());
        let (Some(make), Some(arguments)) = (part(0), part(1)) else {
            return Err(WalkError::refused(format!("{}.__reduce_ex__ returned too little", kind_of(object))));
        };

        if !arguments.is_instance_of::<PyTuple>() {
            return Err(WalkError::refused(format!(
                "{}.__reduce_ex__ gave arguments that are no tuple",
                kind_of(object)
            )));
        }

        let further = further(object, part(2).as_ref(), kept)
            .and_then(|further| {
                // A `__reduce__` of the user's may leave out what the object holds.
                if kept.is_own && part(3).is_none() && part(4).is_none() {
                    if let Ok(list) = object.cast::<PyList>() {
                        further.set_item("[items]", PyList::new(py, list)?)?;
                    } else if let Ok(dict) = object.cast::<PyDict>() {
                        let items = PyDict::new(py);
                        for_each_item(dict, |key, value| items.set_item(key, value).map_err(WalkError::interrupted))
                            .map_err(|stop| stop.into_error(py, "its items"))?;
                        further.set_item("[items]", items)?;
                    }
                }
                Ok(further)
            })
            .map_err(|error| WalkError::raised(py, "reading its attributes", error))?;
        let mark = self.encoder.begin(tags::OBJECT, if further.is_empty() { 5 } else { 6 });
        self.walk(&make)?;
        self.walk(&arguments)?;
        match part(2) {
            None => self.encoder.atom(tags::ABSENT),
            Some(state) => match state.cast_exact::<PyDict>() {
                Ok(attributes) => {
                    let attributes = self.without_caches(object, attributes.clone(), kept)?;
                    if attributes.is_empty() {
                        // Python 3.10 gives an empty dict where later ones give None.
                        self.encoder.atom(tags::ABSENT);
                    } else {
                        let attributes = self.without_orders(attributes)?;
                        self.state(&attributes, kept)?;
                    }
                }
                Err(_) => self.walk(&state)?,
            },
        }
        match part(3) {
            None => self.encoder.atom(tags::ABSENT),
            Some(items) => {
                let items = match object.cast::<PyList>() {
                    Ok(list) if kept.reduction == Reduction::Default => PyList::new(py, list),
                    _ => collect(&items),
                };
                let items = items.map_err(|error| WalkError::raised(py, "reading its items", error))?;
                self.walk(items.as_any())?;
            }
        }
        match part(4) {
            None => self.encoder.atom(tags::ABSENT),
            Some(items) => match object.cast::<PyDict>() {
                Ok(dict) if kept.reduction == Reduction::Default => {
                    let items = PyDict::new(py);
                    for_each_item(dict, |key, value| items.set_item(key, value).map_err(WalkError::interrupted))?;
                    self.walk(items.as_any())?;
                }
                _ => {
                    let items =
                        collect_items(&items).map_err(|error| WalkError::raised(py, "reading its items", error))?;
                    self.walk(items.as_any())?;
                }
            },
        }
        if !further.is_empty() {
            let further = self.without_caches(object, further, kept)?;
            self.state(&further, kept)?;
        }
        Ok(mark.into())
    }

    /// Something that counts by its qualified name.
    pub(crate) fn named(&mut self, name: &str) -> Sealed {
        if matches!(self.definitions, Definitions::Open { .. }) {
            self.rare().names.push(name.to_owned());
        }
        let mark = self.encoder.begin(tags::NAME, 1);
        self.encoder.blob(tags::STR, name.as_bytes());
        self.encoder.end(mark, None)
    }
}

/// What an object has that its reduction says nothing of: attributes that a derived class adds, the causes of an
/// exception.
fn further<'py>(
    object: &Bound<'py, PyAny>,
    state: Option<&Bound<'py, PyAny>>,
    kept: &Kept,
) -> PyResult<Bound<'py, PyDict>> {
    let py = object.py();
    if kept.is_own && kept.reduction == Reduction::Partial {
        let attributes = attributes_of(object, &kept.slots)?;
        if !state.is_some_and(|state| mentions(state, &attributes)) {
            return Ok(attributes);
        }
    }
    let further = PyDict::new(py);
    if object.is_instance_of::<PyBaseException>() {
        for name in [intern!(py, "__cause__"), intern!(py, "__context__")] {
            let value = object.getattr(name)?;
            if !value.is_none() {
                further.set_item(name, value)?;
            }
        }
        if !further.is_empty() {
            let name = intern!(py, "__suppress_context__");
            further.set_item(name, object.getattr(name)?)?;
        }
    }
    Ok(further)
}

/// Whether a state has any of the attributes in it.
fn mentions(state: &Bound<'_, PyAny>, attributes: &Bound<'_, PyDict>) -> bool {
    if let Ok(parts) = state.cast::<PyTuple>() {
        return parts.iter().any(|part| mentions(&part, attributes));
    }
    let Ok(state) = state.cast::<PyDict>() else { return false };
    attributes.is_empty() || attributes.iter().any(|(name, _)| state.contains(name).unwrap_or(false))
}

#[inline]
fn attributes_of<'py>(object: &Bound<'py, PyAny>, slots: &[Py<PyString>]) -> PyResult<Bound<'py, PyDict>> {
    let py = object.py();
    let own = own_dict(object)?.unwrap_or_else(|| PyDict::new(py));
    if slots.is_empty() {
        return Ok(own);
    }
    let all = own.copy()?;
    for slot in slots {
        if let Some(value) = slot_of(object, slot)? {
            all.set_item(slot, value)?;
        }
    }
    Ok(all)
}

/// What a slot holds, whatever the class says when it is asked for an attribute.
fn slot_of<'py>(object: &Bound<'py, PyAny>, slot: &Py<PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = object.py();
    // SAFETY: both are alive, and the second is a str. The result is a new reference, or null with an exception.
    let found =
        unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyObject_GenericGetAttr(object.as_ptr(), slot.as_ptr())) };
    match found {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_instance_of::<PyAttributeError>(py) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The dict of an object's attributes, whatever the class says when it is asked for it.
fn own_dict<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = object.py();
    // SAFETY: the object and its type are alive; the type says whether its objects have a dict. The result is a new
    // reference, or null with an exception.
    let dict = unsafe {
        if (*object.get_type().as_type_ptr()).tp_dictoffset == 0 {
            return Ok(None);
        }
        Bound::from_owned_ptr_or_err(py, ffi::PyObject_GenericGetDict(object.as_ptr(), ptr::null_mut()))?
    };
    Ok(Some(dict.cast_into::<PyDict>()?))
}

fn reduction_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    let kind = object.get_type();
    let table = py.import(intern!(py, "copyreg"))?.getattr(intern!(py, "dispatch_table"))?;
    match table.cast::<PyDict>()?.get_item(&kind)? {
        // Libraries that send exceptions elsewhere (tblib) register all of them, with their tracebacks.
        Some(reduce) if !object.is_instance_of::<PyBaseException>() => reduce.call1((object,)),
        _ => object.call_method1(intern!(py, "__reduce_ex__"), (4,)),
    }
}

fn collect<'py>(items: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(items.py());
    for item in items.try_iter()? {
        list.append(item?)?;
    }
    Ok(list)
}

fn collect_items<'py>(items: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(items.py());
    for item in items.try_iter()? {
        let (key, value): (Bound<'py, PyAny>, Bound<'py, PyAny>) = item?.extract()?;
        dict.set_item(key, value)?;
    }
    Ok(dict)
}

/// The name of an object's type, for errors.
pub(crate) fn kind_of(object: &Bound<'_, PyAny>) -> String {
    name_of_type(&object.get_type())
}

pub(crate) fn name_of_type(kind: &Bound<'_, PyType>) -> String {
    kind.fully_qualified_name().map_or_else(|_| "?".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn is_own(py: Python<'_>, module: &str) -> PyResult<bool> {
    hooks::IS_USER_CODE.get(py)?.call1((module,))?.is_truthy()
}

/// Whether an object is what stands under a name in a module.
pub(crate) fn stands_in(object: &Bound<'_, PyAny>, module: &str, name: &str) -> bool {
    let py = object.py();
    let found = || -> PyResult<bool> {
        let mut holder = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?.get_item(module)?;
        for part in name.split('.') {
            holder = holder.getattr(part)?;
        }
        Ok(holder.is(object))
    };
    errors::quietly(py, found()).unwrap_or(false)
}

fn module_of(object: &Bound<'_, PyAny>) -> String {
    let module = object.getattr(intern!(object.py(), "__module__")).and_then(|module| module.extract());
    errors::quietly(object.py(), module).unwrap_or_else(|| NOWHERE.to_owned())
}

/// Stands for the module of what has none.
const NOWHERE: &str = "?";
