//! How objects of a type are hashed; decided once a type by `funes._values.rules.plan`.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType, PyWeakrefMethods, PyWeakrefReference};
use rustc_hash::FxHashMap;

use crate::attached::Attached;
use crate::walk::{Address, address_of};

/// The ways to hash an object.
pub(crate) enum Plan {
    /// By a simpler value that says the same.
    Rule { name: String, reduce: Py<PyAny> },
    /// By what it is made of: functions and classes.
    Definition,
    /// By what it is made of if `is_code` says so of the object itself.
    PerhapsDefinition { is_code: Py<PyAny>, otherwise: Box<Plan> },
    /// By its attributes: an ordinary object that pickles as its `__dict__` and its slots.
    Attributes { slots: Names, caches: Names },
    /// By what `__reduce_ex__` says.
    Reduce { caches: Names },
    /// As a set or frozenset with a class and attributes of its own.
    Set { tag: u8, slots: Names, caches: Names },
    /// Not at all.
    Refuse(String),
    /// Not at all, nor is a definition that meets it.
    Forbid(String),
}

/// Names of attributes.
pub(crate) type Names = Vec<Py<PyString>>;

impl Plan {
    fn new(answer: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let name: String = answer.get_item(0)?.extract()?;
        let set =
            |tag| -> PyResult<Self> { Ok(Self::Set { tag, slots: names(answer, 1)?, caches: names(answer, 2)? }) };
        match name.as_str() {
            "rule" => Ok(Self::Rule { name: part(answer, 1)?, reduce: part(answer, 2)? }),
            "definition" => Ok(Self::Definition),
            "perhaps definition" => {
                let otherwise = answer.get_item(2)?;
                let otherwise = Box::new(Self::new(otherwise.cast::<PyTuple>()?)?);
                Ok(Self::PerhapsDefinition { is_code: part(answer, 1)?, otherwise })
            }
            "attributes" => Ok(Self::Attributes { slots: names(answer, 1)?, caches: names(answer, 2)? }),
            "reduce" => Ok(Self::Reduce { caches: names(answer, 1)? }),
            "set" => set(funes_core::tags::SET),
            "frozenset" => set(funes_core::tags::FROZENSET),
            "refuse" => Ok(Self::Refuse(part(answer, 1)?)),
            "forbid" => Ok(Self::Forbid(part(answer, 1)?)),
            _ => Err(PyTypeError::new_err(format!("unknown plan {name}"))),
        }
    }
}

fn part<'py, T: FromPyObjectOwned<'py>>(answer: &Bound<'py, PyTuple>, index: usize) -> PyResult<T> {
    answer.get_item(index)?.extract().map_err(Into::into)
}

fn names(answer: &Bound<'_, PyTuple>, index: usize) -> PyResult<Names> {
    answer.get_item(index)?.try_iter()?.map(|name| Ok(name?.cast_into::<PyString>()?.unbind())).collect()
}

/// A plan as an object, which a walk holds at no cost to speak of.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct Planned(pub(crate) Plan);

/// How many plans are kept.
const LIMIT: usize = 4096;

/// A type's plan; the reference tells whether its address is still that of the same type.
type Known = (Py<PyWeakrefReference>, Py<Planned>);

/// The plans that were found, by the address of the type.
static PLANS: Attached<Option<FxHashMap<Address, Known>>> = Attached::new(None);

/// The plan for a type.
pub(crate) fn plan<'py>(kind: &Bound<'py, PyType>) -> PyResult<Bound<'py, Planned>> {
    static FIND: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = kind.py();
    let address = address_of(kind);
    let known = PLANS.with(py, |plans| {
        let (reference, plan) = plans.as_ref()?.get(&address)?;
        is_of(reference, kind).then(|| plan.bind(py).clone())
    });
    if let Some(plan) = known {
        return Ok(plan);
    }
    let answer = FIND.import(py, "funes._values.rules", "plan")?.call1((kind,))?;
    let plan = Bound::new(py, Planned(Plan::new(answer.cast::<PyTuple>()?)?))?;
    let entry = (PyWeakrefReference::new(kind)?.unbind(), plan.clone().unbind());
    // What is replaced is dropped when the table can be used again.
    let _replaced = PLANS.with(py, |plans| {
        let plans = plans.get_or_insert_default();
        let cleared = if plans.len() >= LIMIT { std::mem::take(plans) } else { FxHashMap::default() };
        (plans.insert(address, entry), cleared)
    });
    Ok(plan)
}

/// Forgets the plans: there are new rules.
#[pyfunction]
pub(crate) fn forget_plans(py: Python<'_>) {
    let _forgotten = PLANS.with(py, Option::take);
}

/// Whether a weak reference is to this object. No other object has its address as long as it is alive.
fn is_of(reference: &Py<PyWeakrefReference>, kind: &Bound<'_, PyType>) -> bool {
    reference.bind(kind.py()).upgrade().is_some_and(|referent| referent.is(kind))
}

/// `attributes` without those that are caches.
pub(crate) fn without_caches<'py>(attributes: Bound<'py, PyDict>, caches: &Names) -> PyResult<Bound<'py, PyDict>> {
    let mut counted = None;
    for name in caches {
        if attributes.contains(name)? {
            counted.get_or_insert(attributes.copy()?).del_item(name)?;
        }
    }
    Ok(counted.unwrap_or(attributes))
}
