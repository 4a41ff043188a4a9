//! Everything that has no tag of its own: by a rule, by attributes, by reduction.

use std::ptr;

use funes_core::encode::Sealed;
use funes_core::tags;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyNotImplemented, PyString, PyTuple, PyType};

use crate::plan::{Names, Plan, plan, without_caches};
use crate::refusal::{Stop, Walked};
use crate::walk::{Composite, Definitions, Walk};

impl<'py> Walk<'py> {
    pub(crate) fn object(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        let plan = plan(&object.get_type())
            .map_err(|error| Stop::raised(self.py, "looking up the rule of its type", error))?;
        self.planned(object, &plan.get().0)
    }

    #[inline(never)]
    fn planned(&mut self, object: &Bound<'py, PyAny>, plan: &Plan) -> Walked {
        let py = self.py;
        match plan {
            Plan::PerhapsDefinition { is_code, otherwise } => {
                let is_code = is_code
                    .call1(py, (object,))
                    .and_then(|answer| answer.is_truthy(py))
                    .map_err(|error| Stop::raised(py, "asking whether it is code", error))?;
                if is_code { self.definition(object) } else { self.planned(object, otherwise) }
            }
            Plan::Definition => self.definition(object),
            Plan::Refuse(reason) => Err(Stop::refused(reason.clone())),
            Plan::Forbid(reason) => Err(Stop::forbidden(reason.clone())),
            Plan::Rule { name, reduce } => self.nested(object, |walk| walk.ruled(name, reduce.bind(py), object)),
            Plan::Attributes { slots, caches } => self.nested(object, |walk| {
                let mark = walk.encoder.begin(tags::OBJECT, 2);
                walk.class_of(object)?;
                walk.attributes(object, slots, caches)?;
                Ok(mark.into())
            }),
            Plan::Set { tag, slots, caches } => self.nested(object, |walk| {
                let mark = walk.encoder.begin(tags::OBJECT, 3);
                walk.class_of(object)?;
                walk.attributes(object, slots, caches)?;
                let set = walk.elements(object, *tag)?;
                walk.end(set, None);
                Ok(mark.into())
            }),
            Plan::Reduce { caches } => self.nested(object, |walk| walk.reduced(object, caches)),
        }
    }

    fn ruled(&mut self, name: &str, reduce: &Bound<'py, PyAny>, object: &Bound<'py, PyAny>) -> Walked<Composite> {
        let simpler =
            reduce.call1((object,)).map_err(|error| Stop::raised(self.py, &format!("the rule for {name}"), error))?;
        if simpler.is(PyNotImplemented::get(self.py)) {
            // The rule leaves this one object to its own reduction.
            return self.reduced(object, &Names::new());
        }
        // The elements of a tuple stand in the rule's own node, so that the way to an error has no steps that the
        // user does not know.
        let Ok(parts) = simpler.cast_exact::<PyTuple>() else {
            let mark = self.encoder.begin(tags::RULE, 2);
            self.encoder.blob(tags::STR, name.as_bytes());
            self.walk(&simpler)?;
            return Ok(mark.into());
        };
        let mark = self.encoder.begin(tags::RULE, 1 + parts.len());
        self.encoder.blob(tags::STR, name.as_bytes());
        for part in parts.iter() {
            self.walk(&part)?;
        }
        Ok(mark.into())
    }

    fn class_of(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        self.definition(object.get_type().as_any())
    }

    /// `__dict__` and slots as one dict: where an attribute is kept is no value.
    fn attributes(&mut self, object: &Bound<'py, PyAny>, slots: &Names, caches: &Names) -> Walked {
        let attributes = attributes_of(object, slots)
            .and_then(|attributes| without_caches(attributes, caches))
            .map_err(|error| Stop::raised(self.py, "reading its attributes", error))?;
        self.state(&attributes)
    }

    fn state(&mut self, attributes: &Bound<'py, PyDict>) -> Walked {
        self.nested(attributes.as_any(), |walk| {
            walk.items(attributes, |name| match name.cast::<PyString>() {
                Ok(name) => format!(".{}", name.to_string_lossy()),
                Err(_) => format!("[{}]", crate::containers::shown(name)),
            })
        })
    }

    /// By what `__reduce_ex__` says, with the same parts as pickle sees: how to make it, state, items.
    fn reduced(&mut self, object: &Bound<'py, PyAny>, caches: &Names) -> Walked<Composite> {
        let py = self.py;
        let reduction =
            reduction_of(object).map_err(|error| Stop::raised(py, &format!("reducing {}", kind_of(object)), error))?;
        if let Ok(name) = reduction.cast::<PyString>() {
            let (module, text) = (module_of(object), name.to_string_lossy());
            // A function that numpy made of the user's has no module, and a name that no module can hold.
            let is_elsewhere =
                if module == NOWHERE { text.contains([' ', '<']) } else { !stands_in(object, &module, &text) };
            if is_elsewhere {
                return Err(Stop::refused(format!("it says that it is {module}.{text}, which is something else")));
            }
            if is_own(py, &module).map_err(|error| Stop::raised(py, "asking whose it is", error))? {
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
            return Err(Stop::refused(format!("{}.__reduce_ex__ returned neither a str nor a tuple", kind_of(object))));
        };
        let part = |index: usize| parts.get_item(index).ok().filter(|part| !part.is_none());
        let (Some(make), Some(arguments)) = (part(0), part(1)) else {
            return Err(Stop::refused(format!("{}.__reduce_ex__ returned too little", kind_of(object))));
        };

        if !arguments.is_instance_of::<PyTuple>() {
            return Err(Stop::refused(format!("{}.__reduce_ex__ gave arguments that are no tuple", kind_of(object))));
        }

        let mark = self.encoder.begin(tags::OBJECT, 5);
        self.walk(&make)?;
        self.walk(&arguments)?;
        match part(2) {
            None => self.encoder.atom(tags::ABSENT),
            Some(state) => match state.cast_exact::<PyDict>() {
                Ok(attributes) => {
                    let attributes = without_caches(attributes.clone(), caches)
                        .map_err(|error| Stop::raised(py, "reading its state", error))?;
                    if attributes.is_empty() {
                        // Python 3.10 gives an empty dict where later ones give None.
                        self.encoder.atom(tags::ABSENT);
                    } else {
                        self.state(&attributes)?;
                    }
                }
                Err(_) => self.walk(&state)?,
            },
        }
        match part(3) {
            None => self.encoder.atom(tags::ABSENT),
            Some(items) => {
                let items = collect(&items).map_err(|error| Stop::raised(py, "reading its items", error))?;
                self.walk(items.as_any())?;
            }
        }
        match part(4) {
            None => self.encoder.atom(tags::ABSENT),
            Some(items) => {
                let items = collect_items(&items).map_err(|error| Stop::raised(py, "reading its items", error))?;
                self.walk(items.as_any())?;
            }
        }
        Ok(mark.into())
    }

    /// Something that counts by its qualified name.
    pub(crate) fn named(&mut self, name: &str) -> Sealed {
        if matches!(self.definitions, Definitions::Open { .. }) {
            self.names.push(name.to_owned());
        }
        let mark = self.encoder.begin(tags::NAME, 1);
        self.encoder.blob(tags::STR, name.as_bytes());
        self.encoder.end(mark, None)
    }
}

fn attributes_of<'py>(object: &Bound<'py, PyAny>, slots: &Names) -> PyResult<Bound<'py, PyDict>> {
    let py = object.py();
    let own = own_dict(object)?.unwrap_or_else(|| PyDict::new(py));
    if slots.is_empty() {
        return Ok(own);
    }
    let all = own.copy()?;
    for slot in slots {
        if let Some(value) = object.getattr_opt(slot)? {
            all.set_item(slot, value)?;
        }
    }
    Ok(all)
}

/// The dict of an object's attributes: the shorter way, unless the class has its own ways with attributes.
fn own_dict<'py>(object: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = object.py();
    // SAFETY: the object and its type are alive; the type says whether its objects have a dict, and how attributes are
    // found. The result is a new reference, or null with an exception.
    let dict = unsafe {
        let kind = object.get_type().as_type_ptr();
        if (*kind)
            .tp_getattro
            .is_some_and(|get| ptr::fn_addr_eq(get, ffi::PyObject_GenericGetAttr as ffi::getattrofunc))
        {
            if (*kind).tp_dictoffset == 0 {
                return Ok(None);
            }
            Some(Bound::from_owned_ptr_or_err(py, ffi::PyObject_GenericGetDict(object.as_ptr(), ptr::null_mut()))?)
        } else {
            object.getattr_opt(intern!(py, "__dict__"))?
        }
    };
    dict.map(|dict| dict.cast_into::<PyDict>().map_err(Into::into)).transpose()
}

fn reduction_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    let kind = object.get_type();
    let table = py.import(intern!(py, "copyreg"))?.getattr(intern!(py, "dispatch_table"))?;
    match table.cast::<PyDict>()?.get_item(&kind)? {
        Some(reduce) => reduce.call1((object,)),
        None => object.call_method1(intern!(py, "__reduce_ex__"), (4,)),
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
    static IS_OWN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    IS_OWN.import(py, "funes._definitions.origin", "is_own")?.call1((module,))?.is_truthy()
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
    found().unwrap_or(false)
}

fn module_of(object: &Bound<'_, PyAny>) -> String {
    object
        .getattr(intern!(object.py(), "__module__"))
        .and_then(|module| module.extract())
        .unwrap_or_else(|_| NOWHERE.to_owned())
}

/// Stands for the module of what has none.
const NOWHERE: &str = "?";
