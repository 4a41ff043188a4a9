//! How objects of a type are hashed; decided once a type by `funes._rules.plan`.

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyFrozenSet, PyTuple, PyType};

use crate::refusal::{Stop, Walked};
use crate::walk::Walk;

/// The ways to hash an object.
pub(crate) enum Plan {
    /// By a simpler value that says the same.
    Rule { name: String, reduce: Py<PyAny> },
    /// By what it is made of: functions and classes.
    Definition,
    /// By what it is made of if `is_code` says so of the object itself.
    PerhapsDefinition { is_code: Py<PyAny>, otherwise: Box<Plan> },
    /// By its attributes: an ordinary object that pickles as its `__dict__` and its slots.
    Attributes { slots: Py<PyTuple>, caches: Py<PyFrozenSet> },
    /// By what `__reduce_ex__` says.
    Reduce { caches: Py<PyFrozenSet> },
    /// As a set or frozenset with a class and attributes of its own.
    Set { tag: u8, slots: Py<PyTuple>, caches: Py<PyFrozenSet> },
    /// Not at all.
    Refuse(String),
}

impl Plan {
    fn new(answer: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let name: String = answer.get_item(0)?.extract()?;
        let set = |tag| -> PyResult<Self> { Ok(Self::Set { tag, slots: part(answer, 1)?, caches: part(answer, 2)? }) };
        match name.as_str() {
            "rule" => Ok(Self::Rule { name: part(answer, 1)?, reduce: part(answer, 2)? }),
            "definition" => Ok(Self::Definition),
            "perhaps definition" => {
                let otherwise = answer.get_item(2)?;
                let otherwise = Box::new(Self::new(otherwise.cast::<PyTuple>()?)?);
                Ok(Self::PerhapsDefinition { is_code: part(answer, 1)?, otherwise })
            }
            "attributes" => Ok(Self::Attributes { slots: part(answer, 1)?, caches: part(answer, 2)? }),
            "reduce" => Ok(Self::Reduce { caches: part(answer, 1)? }),
            "set" => set(funes_core::tags::SET),
            "frozenset" => set(funes_core::tags::FROZENSET),
            "refuse" => Ok(Self::Refuse(part(answer, 1)?)),
            _ => Err(PyTypeError::new_err(format!("unknown plan {name}"))),
        }
    }

    /// A handle that does not keep the walk borrowed.
    fn share(&self, py: Python<'_>) -> Self {
        match self {
            Self::Rule { name, reduce } => Self::Rule { name: name.clone(), reduce: reduce.clone_ref(py) },
            Self::Definition => Self::Definition,
            Self::PerhapsDefinition { is_code, otherwise } => {
                Self::PerhapsDefinition { is_code: is_code.clone_ref(py), otherwise: Box::new(otherwise.share(py)) }
            }
            Self::Attributes { slots, caches } => {
                Self::Attributes { slots: slots.clone_ref(py), caches: caches.clone_ref(py) }
            }
            Self::Reduce { caches } => Self::Reduce { caches: caches.clone_ref(py) },
            Self::Set { tag, slots, caches } => {
                Self::Set { tag: *tag, slots: slots.clone_ref(py), caches: caches.clone_ref(py) }
            }
            Self::Refuse(reason) => Self::Refuse(reason.clone()),
        }
    }
}

fn part<'py, T: FromPyObjectOwned<'py>>(answer: &Bound<'py, PyTuple>, index: usize) -> PyResult<T> {
    answer.get_item(index)?.extract().map_err(Into::into)
}

impl<'py> Walk<'py> {
    /// The plan for the type of `object`.
    pub(crate) fn plan(&mut self, object: &Bound<'py, PyAny>) -> Walked<Plan> {
        static FIND: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = self.py;
        let kind: Bound<'py, PyType> = object.get_type();
        if let Some(plan) = self.plans.get(&kind.as_type_ptr()) {
            return Ok(plan.share(py));
        }
        let plan = FIND
            .import(py, "funes._rules", "plan")
            .and_then(|find| find.call1((&kind,)))
            .and_then(|answer| Plan::new(answer.cast::<PyTuple>()?))
            .map_err(|error| Stop::raised(py, "looking up the rule of its type", error))?;
        let shared = plan.share(py);
        self.plans.insert(kind.as_type_ptr(), plan);
        // Held as long as the walk, so that the address stays its own.
        self.keep(kind.into_any());
        Ok(shared)
    }
}

/// `attributes` without those that are caches.
pub(crate) fn without_caches<'py>(
    attributes: Bound<'py, PyDict>,
    caches: &Bound<'py, PyFrozenSet>,
) -> PyResult<Bound<'py, PyDict>> {
    if caches.is_empty() {
        return Ok(attributes);
    }
    let counted = attributes.copy()?;
    for name in caches.try_iter()? {
        counted.call_method1(intern!(counted.py(), "pop"), (name?, counted.py().None()))?;
    }
    Ok(counted)
}
