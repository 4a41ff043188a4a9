//! Hashes objects of all types without an own tag: by a type rule, by attributes, or by reduction.

use std::ptr;

use funes_core::encode::Sealed;
use funes_core::tags;
use pyo3::exceptions::{PyAttributeError, PyBaseException};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PyNotImplemented, PySet, PyString, PyTuple, PyType};

use crate::errors;
use crate::hash::containers::for_each_item;
use crate::hash::strategy::{AttributeRules, Reduction, Strategy, strategy};
use crate::hash::walk::{Composite, Definitions, Walk, address_of};
use crate::hash::walk_error::{WalkError, Walked};
use crate::hooks;
use crate::lazy::intern;

impl<'py> Walk<'py> {
    pub(crate) fn object(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        let strategy = strategy(&object.get_type())
            .map_err(|error| WalkError::raised(self.py, "looking up the rule of its type", error))?;
        let strategy = &strategy.get().0;
        match strategy {
            // The usual case, without the calls of the general one.
            Strategy::Attributes(rules) if rules.is_user_code => self.attributed(object, rules),
            _ => self.apply_strategy(object, strategy),
        }
    }

    /// Writes an object as its class and its attributes.
    #[inline]
    fn attributed(&mut self, object: &Bound<'py, PyAny>, rules: &AttributeRules) -> Walked {
        self.nested(object, |walk| {
            let mark = walk.encoder.begin(tags::OBJECT, 2);
            walk.class_of(object)?;
            walk.attributes(object, rules)?;
            Ok(mark.into())
        })
    }

    #[inline(never)]
    fn apply_strategy(&mut self, object: &Bound<'py, PyAny>, strategy: &Strategy) -> Walked {
        let py = self.py;
        match strategy {
            Strategy::PerhapsDefinition { is_code, otherwise } => {
                let is_code = is_code
                    .call1(py, (object,))
                    .and_then(|answer| answer.is_truthy(py))
                    .map_err(|error| WalkError::raised(py, "asking whether it is code", error))?;
                if is_code { self.definition(object) } else { self.apply_strategy(object, otherwise) }
            }
            Strategy::Definition => self.definition(object),
            Strategy::Refuse { culprit, reason } => Err(WalkError::refused_as(*culprit, reason.clone())),
            Strategy::Attributes(rules) | Strategy::Reduce(rules) | Strategy::Set { rules, .. }
                if !rules.is_user_code && matches!(self.definitions, Definitions::Open { .. }) =>
            {
                self.third_party(object, strategy)
            }
            _ => self.decompose(object, strategy),
        }
    }

    /// Writes a third-party object in a definition. If another third-party object contains it and a
    /// module of the library has it under a name, the name is written.
    fn third_party(&mut self, object: &Bound<'py, PyAny>, strategy: &Strategy) -> Walked {
        if self.third_party_depth > 0 {
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
        self.third_party_depth += 1;
        let walked = self.decompose(object, strategy);
        self.third_party_depth -= 1;
        walked
    }

    fn decompose(&mut self, object: &Bound<'py, PyAny>, strategy: &Strategy) -> Walked {
        let py = self.py;
        match strategy {
            Strategy::PerhapsDefinition { .. } | Strategy::Definition | Strategy::Refuse { .. } => {
                self.apply_strategy(object, strategy)
            }
            Strategy::Rule { name, reduce } => self.nested(object, |walk| walk.ruled(name, reduce.bind(py), object)),
            Strategy::Attributes(rules) => self.attributed(object, rules),
            Strategy::Set { tag, rules } => self.nested(object, |walk| {
                let mark = walk.encoder.begin(tags::OBJECT, 3);
                walk.class_of(object)?;
                walk.attributes(object, rules)?;
                let set = walk.elements(object, *tag)?;
                walk.end(set, None);
                Ok(mark.into())
            }),
            Strategy::Reduce(rules) => self.nested(object, |walk| walk.reduced(object, rules)),
        }
    }

    fn ruled(&mut self, name: &str, reduce: &Bound<'py, PyAny>, object: &Bound<'py, PyAny>) -> Walked<Composite> {
        let simpler = reduce
            .call1((object,))
            .map_err(|error| WalkError::raised(self.py, &format!("the rule for {name}"), error))?;
        if simpler.is(PyNotImplemented::get(self.py)) {
            // The rule does not apply to this object, so its reduction counts.
            return self.reduced(object, &AttributeRules::default());
        }
        // The elements of a tuple become children of the rule's node, so that the path in an error
        // message has no steps that the user does not know.
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
        if self.rare.is_some() { self.refuse_weak_state(class.as_any()) } else { Ok(()) }
    }

    /// Refuses an object if its class has a weak container, which may hold attributes of the
    /// object.
    #[cold]
    fn refuse_weak_state(&self, class: &Bound<'py, PyAny>) -> Walked {
        match self.rare.as_ref().and_then(|rare| rare.weakly.get(&address_of(class))) {
            None => Ok(()),
            Some(reason) => {
                Err(WalkError::refused(format!("its class may store attributes of it elsewhere: {reason}")))
            }
        }
    }

    /// Writes `__dict__` and slots as one dict: where an attribute is stored does not count.
    fn attributes(&mut self, object: &Bound<'py, PyAny>, rules: &AttributeRules) -> Walked {
        let attributes = attributes_of(object, &rules.slots)
            .map_err(|error| WalkError::raised(self.py, "reading its attributes", error))?;
        let attributes = self.without_caches(object, attributes, rules)?;
        let attributes = self.without_orders(attributes)?;
        self.state(&attributes, rules)
    }

    /// Removes attributes whose order follows from a set, for a third-party object in a definition.
    #[inline]
    fn without_orders(&mut self, attributes: Bound<'py, PyDict>) -> Walked<Bound<'py, PyDict>> {
        if self.third_party_depth == 0 { Ok(attributes) } else { self.ask_without_orders(attributes) }
    }

    #[cold]
    fn ask_without_orders(&mut self, attributes: Bound<'py, PyDict>) -> Walked<Bound<'py, PyDict>> {
        let is_set = |part: Bound<'py, PyAny>| {
            part.is_exact_instance_of::<PySet>() || part.is_exact_instance_of::<PyFrozenSet>()
        };
        if !attributes.values().iter().any(is_set) {
            return Ok(attributes);
        }
        self.is_abridged = true;
        hooks::WITHOUT_ORDERS
            .get(self.py)
            .and_then(|without| Ok(without.call1((attributes,))?.cast_into::<PyDict>()?))
            .map_err(|error| WalkError::raised(self.py, "leaving out attributes made of sets", error))
    }

    /// Removes attributes that are caches.
    #[inline]
    fn without_caches(
        &mut self,
        object: &Bound<'py, PyAny>,
        attributes: Bound<'py, PyDict>,
        rules: &AttributeRules,
    ) -> Walked<Bound<'py, PyDict>> {
        if !rules.caches.iter().any(|name| attributes.contains(name).unwrap_or(false)) {
            return Ok(attributes);
        }
        self.ask_without_caches(object, attributes)
    }

    /// Asks the Python layer which of the attributes are caches; this may run user code.
    #[cold]
    fn ask_without_caches(
        &mut self,
        object: &Bound<'py, PyAny>,
        attributes: Bound<'py, PyDict>,
    ) -> Walked<Bound<'py, PyDict>> {
        let py = self.py;
        let answer = hooks::WITHOUT_CACHES.get(py).and_then(|without| without.call1((object, attributes))?.extract());
        let (counted, doubts): (Bound<'py, PyDict>, Vec<String>) =
            answer.map_err(|error| WalkError::raised(py, "finding its cached attributes", error))?;
        self.rare().doubts.extend(doubts);
        Ok(counted)
    }

    fn state(&mut self, attributes: &Bound<'py, PyDict>, rules: &AttributeRules) -> Walked {
        self.composite(attributes.as_any(), false, |walk| {
            let attribute = |walk: &mut Self, value: &Bound<'py, PyAny>| match walk.walk(value) {
                Err(stop) if rules.is_user_code && stop.is_opaque() => walk.opaque(value),
                walked => walked,
            };
            walk.items(attributes, attribute, |name| match name.cast::<PyString>() {
                Ok(name) => format!(".{}", name.to_string_lossy()),
                Err(_) => format!("[{}]", crate::hash::containers::shown(name)),
            })
        })
    }

    /// Writes the type of an opaque resource (lock, thread, handler) that is stored in an
    /// attribute.
    #[cold]
    fn opaque(&mut self, value: &Bound<'py, PyAny>) -> Walked {
        let mark = self.encoder.begin(tags::RULE, 2);
        self.encoder.blob(tags::STR, b"tool");
        self.definition(value.get_type().as_any())?;
        self.encoder.end(mark, None);
        Ok(())
    }

    /// Writes the parts of `__reduce_ex__` that pickle uses: constructor, arguments, state, items.
    fn reduced(&mut self, object: &Bound<'py, PyAny>, rules: &AttributeRules) -> Walked<Composite> {
        let py = self.py;
        let reduction = reduction_of(object)
            .map_err(|error| WalkError::raised(py, &format!("reducing {}", kind_of(object)), error))?;
        if let Ok(name) = reduction.cast::<PyString>() {
            let (module, text) = (module_of(object), name.to_string_lossy());
            // A ufunc that numpy made of a Python function has no module, and its name is not an
            // identifier.
            let is_elsewhere =
                if module == NOWHERE { text.contains([' ', '<']) } else { !stands_in(object, &module, &text) };
            if is_elsewhere {
                return Err(WalkError::refused(format!("it pickles as {module}.{text}, which is another object")));
            }
            if is_user_code(py, &module).map_err(|error| WalkError::raised(py, "classifying its module", error))? {
                // The module of user code does not count, nor whether it was imported or run as a
                // script.
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
            return Err(WalkError::refused(format!("{}.__reduce_ex__ returned too few parts", kind_of(object))));
        };

        if !arguments.is_instance_of::<PyTuple>() {
            return Err(WalkError::refused(format!(
                "{}.__reduce_ex__ returned arguments that are not a tuple",
                kind_of(object)
            )));
        }

        let (state, further) = state_and_further(object, &arguments, part(2), rules)
            .and_then(|(state, further)| {
                // A `__reduce__` of user code may leave out the items of the object.
                if rules.is_user_code && part(3).is_none() && part(4).is_none() {
                    if let Ok(list) = object.cast::<PyList>() {
                        further.set_item("[items]", PyList::new(py, list)?)?;
                    } else if let Ok(dict) = object.cast::<PyDict>() {
                        let items = PyDict::new(py);
                        for_each_item(dict, |key, value| items.set_item(key, value).map_err(WalkError::interrupted))
                            .map_err(|stop| stop.into_error(py, "its items"))?;
                        further.set_item("[items]", items)?;
                    }
                }
                Ok((state, further))
            })
            .map_err(|error| WalkError::raised(py, "reading its attributes", error))?;
        let mark = self.encoder.begin(tags::OBJECT, if further.is_empty() { 5 } else { 6 });
        self.walk(&make)?;
        self.walk(&arguments)?;
        match state {
            None => self.encoder.atom(tags::ABSENT),
            Some(state) => match state.cast_exact::<PyDict>() {
                Ok(attributes) => {
                    let attributes = self.without_caches(object, attributes.clone(), rules)?;
                    if attributes.is_empty() {
                        // Python 3.10 returns an empty dict where later versions return None.
                        self.encoder.atom(tags::ABSENT);
                    } else {
                        let attributes = self.without_orders(attributes)?;
                        self.state(&attributes, rules)?;
                    }
                }
                Err(_) => self.walk(&state)?,
            },
        }
        match part(3) {
            None => self.encoder.atom(tags::ABSENT),
            Some(items) => {
                let items = match object.cast::<PyList>() {
                    Ok(list) if rules.reduction == Reduction::Default => PyList::new(py, list),
                    _ => collect(&items),
                };
                let items = items.map_err(|error| WalkError::raised(py, "reading its items", error))?;
                self.walk(items.as_any())?;
            }
        }
        match part(4) {
            None => self.encoder.atom(tags::ABSENT),
            Some(items) => match object.cast::<PyDict>() {
                Ok(dict) if rules.reduction == Reduction::Default => {
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
            let further = self.without_caches(object, further, rules)?;
            self.state(&further, rules)?;
        }
        Ok(mark.into())
    }

    /// Writes the qualified name of an object that counts by its name.
    pub(crate) fn named(&mut self, name: &str) -> Sealed {
        if matches!(self.definitions, Definitions::Open { .. }) {
            self.rare().names.push(name.to_owned());
        }
        let mark = self.encoder.begin(tags::NAME, 1);
        self.encoder.blob(tags::STR, name.as_bytes());
        self.encoder.end(mark, None)
    }
}

/// Returns the state of an object, and what its reduction omits: attributes of a subclass; of an
/// exception its fields and causes.
fn state_and_further<'py>(
    object: &Bound<'py, PyAny>,
    arguments: &Bound<'py, PyAny>,
    state: Option<Bound<'py, PyAny>>,
    rules: &AttributeRules,
) -> PyResult<(Option<Bound<'py, PyAny>>, Bound<'py, PyDict>)> {
    let py = object.py();
    if object.is_instance_of::<PyBaseException>() {
        let parts = hooks::EXCEPTION_STATE.get(py)?.call1((object, arguments, state))?.cast_into::<PyTuple>()?;
        let state = Some(parts.get_item(0)?).filter(|state| !state.is_none());
        return Ok((state, parts.get_item(1)?.cast_into::<PyDict>()?));
    }
    if rules.is_user_code && rules.reduction == Reduction::Partial {
        let attributes = attributes_of(object, &rules.slots)?;
        if !state.as_ref().is_some_and(|state| mentions(state, &attributes)) {
            return Ok((state, attributes));
        }
    }
    Ok((state, PyDict::new(py)))
}

/// Returns whether a state contains any of the attributes.
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

/// Reads a slot, bypassing `__getattribute__` of the class.
fn slot_of<'py>(object: &Bound<'py, PyAny>, slot: &Py<PyString>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = object.py();
    // SAFETY: both objects are alive, and the second is a str. The result is a new reference, or
    // null with an exception set.
    let found =
        unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyObject_GenericGetAttr(object.as_ptr(), slot.as_ptr())) };
    match found {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_instance_of::<PyAttributeError>(py) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the `__dict__` of an object, bypassing `__getattribute__` of the class.
fn own_dict<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = object.py();
    // SAFETY: the object and its type are alive. `tp_dictoffset` is 0 if objects have no dict. The
    // result is a new reference, or null with an exception set.
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
        // tblib registers reducers for all exceptions, which include their tracebacks.
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

/// Returns the name of an object's type for an error message.
pub(crate) fn kind_of(object: &Bound<'_, PyAny>) -> String {
    name_of_type(&object.get_type())
}

pub(crate) fn name_of_type(kind: &Bound<'_, PyType>) -> String {
    kind.fully_qualified_name().map_or_else(|_| "?".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn is_user_code(py: Python<'_>, module: &str) -> PyResult<bool> {
    hooks::IS_USER_CODE.get(py)?.call1((module,))?.is_truthy()
}

/// Returns whether a module has this object under the name.
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

/// The module name of objects without a module.
const NOWHERE: &str = "?";
