//! Hashes objects by their reduction: the parts of `__reduce_ex__`.

use funes_core::tags;
use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::errors;
use crate::hash::attributes::attributes_of;
use crate::hash::containers::for_each_item;
use crate::hash::objects::kind_of;
use crate::hash::strategy::{AttributeRules, Reduction};
use crate::hash::walk::{Composite, Walk};
use crate::hash::walk_error::{WalkError, Walked};
use crate::hooks;
use crate::lazy::intern;

impl<'py> Walk<'py> {
    /// Writes the parts of `__reduce_ex__` that pickle uses: constructor, arguments, state, items.
    pub(super) fn reduced(&mut self, object: &Bound<'py, PyAny>, rules: &AttributeRules) -> Walked<Composite> {
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
