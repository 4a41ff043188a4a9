//! How objects of a type are hashed; decided once a type by `funes._values.rules.strategy`.

use std::ffi::c_ulong;
use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType, PyWeakrefMethods, PyWeakrefReference};
use rustc_hash::FxHashMap;

use crate::gil_cell::GilCell;
use crate::hash::walk::{Address, address_of};
use crate::hash::walk_error::Culprit;
use crate::hooks;
use crate::lazy::intern;

/// The ways to hash an object.
pub(crate) enum Strategy {
    /// By a simpler value that says the same.
    Rule { name: String, reduce: Py<PyAny> },
    /// By what it is made of: functions and classes.
    Definition,
    /// By what it is made of if `is_code` says so of the object itself.
    PerhapsDefinition { is_code: Py<PyAny>, otherwise: Box<Strategy> },
    /// By its attributes: an ordinary object that pickles as its `__dict__` and its slots.
    Attributes(Kept),
    /// By what `__reduce_ex__` says.
    Reduce(Kept),
    /// As a set or frozenset with a class and attributes of its own.
    Set { tag: u8, kept: Kept },
    /// Not at all.
    Refuse { culprit: Culprit, reason: String },
}

/// What is to be known of the attributes of a type's objects.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) slots: Names,
    /// Names of attributes that may be caches: Python code tells.
    pub(crate) caches: Names,
    /// Whether the type is the user's own, so that a tool in an attribute counts by its type.
    pub(crate) is_own: bool,
    pub(crate) reduction: Reduction,
}

/// What a type's reduction is like.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// That of every object, which asks a list or dict for its items: a derived class may answer as it likes.
    Default,
    /// It knows nothing of the attributes of a derived class.
    Partial,
    #[default]
    Own,
}

/// Names of attributes.
pub(crate) type Names = Vec<Py<PyString>>;

impl Strategy {
    fn new(answer: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let name: String = answer.get_item(0)?.extract()?;
        let kept = || -> PyResult<Kept> {
            let reduction = match part::<String>(answer, 4)?.as_str() {
                "default" => Reduction::Default,
                "partial" => Reduction::Partial,
                _ => Reduction::Own,
            };
            Ok(Kept { slots: names(answer, 1)?, caches: names(answer, 2)?, is_own: part(answer, 3)?, reduction })
        };
        let refuse = |culprit| -> PyResult<Self> { Ok(Self::Refuse { culprit, reason: part(answer, 1)? }) };
        match name.as_str() {
            "rule" => Ok(Self::Rule { name: part(answer, 1)?, reduce: part(answer, 2)? }),
            "definition" => Ok(Self::Definition),
            "perhaps definition" => {
                let otherwise = answer.get_item(2)?;
                let otherwise = Box::new(Self::new(otherwise.cast::<PyTuple>()?)?);
                Ok(Self::PerhapsDefinition { is_code: part(answer, 1)?, otherwise })
            }
            "attributes" => kept().map(Self::Attributes),
            "reduce" => kept().map(Self::Reduce),
            "set" => Ok(Self::Set { tag: funes_core::tags::SET, kept: kept()? }),
            "frozenset" => Ok(Self::Set { tag: funes_core::tags::FROZENSET, kept: kept()? }),
            "refuse" => refuse(Culprit::Other),
            "refuse a tool" => refuse(Culprit::Tool),
            "refuse weakly" => refuse(Culprit::Weak),
            "forbid" => refuse(Culprit::Final),
            _ => Err(PyTypeError::new_err(format!("unknown strategy {name}"))),
        }
    }
}

fn part<'py, T: FromPyObjectOwned<'py>>(answer: &Bound<'py, PyTuple>, index: usize) -> PyResult<T> {
    answer.get_item(index)?.extract().map_err(Into::into)
}

fn names(answer: &Bound<'_, PyTuple>, index: usize) -> PyResult<Names> {
    answer.get_item(index)?.try_iter()?.map(|name| Ok(name?.cast_into::<PyString>()?.unbind())).collect()
}

/// A strategy as an object, which a walk holds at no cost to speak of.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct PlannedStrategy(pub(crate) Strategy);

/// How many plans are kept.
const LIMIT: usize = 4096;

/// A type's strategy.
struct StrategyCache {
    /// Tells whether its address is still that of the same type.
    reference: Py<PyWeakrefReference>,
    strategy: Py<PlannedStrategy>,
    /// The interpreter's number for the state of the type and its bases when the strategy was made; 0 if it had none.
    version: u32,
}

/// The plans that were found, by the address of the type.
static STRATEGIES: GilCell<Option<FxHashMap<Address, StrategyCache>>> = GilCell::new(None);

/// The strategy for a type.
pub(crate) fn strategy<'py>(kind: &Bound<'py, PyType>) -> PyResult<Bound<'py, PlannedStrategy>> {
    let py = kind.py();
    let address = address_of(kind);
    let known = STRATEGIES.with(py, |plans| {
        let StrategyCache { reference, strategy, version } = plans.as_ref()?.get(&address)?;
        (is_of(reference, kind) && is_unchanged(kind, *version)).then(|| strategy.bind(py).clone())
    });
    if let Some(strategy) = known {
        return Ok(strategy);
    }
    let version = assigned_version_of(kind);
    let answer = hooks::STRATEGY.get(py)?.call1((kind,))?;
    let strategy = Bound::new(py, PlannedStrategy(Strategy::new(answer.cast::<PyTuple>()?)?))?;
    let entry = StrategyCache {
        reference: PyWeakrefReference::new(kind)?.unbind(),
        strategy: strategy.clone().unbind(),
        version,
    };
    // What is replaced is dropped when the table can be used again.
    let _replaced = STRATEGIES.with(py, |plans| {
        let plans = plans.get_or_insert_default();
        let cleared = if plans.len() >= LIMIT { std::mem::take(plans) } else { FxHashMap::default() };
        (plans.insert(address, entry), cleared)
    });
    Ok(strategy)
}

/// Forgets the plans: there are new rules.
#[pyfunction]
pub(crate) fn forget_strategies(py: Python<'_>) {
    let _forgotten = STRATEGIES.with(py, Option::take);
}

/// Whether a weak reference is to this object. No other object has its address as long as it is alive.
fn is_of(reference: &Py<PyWeakrefReference>, kind: &Bound<'_, PyType>) -> bool {
    reference.bind(kind.py()).upgrade().is_some_and(|referent| referent.is(kind))
}

/// Whether a type is as it was. The version of a type that cannot be changed says nothing.
fn is_unchanged(kind: &Bound<'_, PyType>, then: u32) -> bool {
    // SAFETY: the type is alive. Its flags, as far as this one, are set before anything else can see it.
    let is_immutable = unsafe { (*kind.as_type_ptr()).tp_flags & IMMUTABLE != 0 };
    is_immutable || (then != 0 && version_of(kind) == then)
}

/// `Py_TPFLAGS_IMMUTABLETYPE`: no attribute of the type can be set.
const IMMUTABLE: c_ulong = 1 << 8;

/// The interpreter's number for a state of a type and of its bases; 0 if it has none now.
fn version_of(kind: &Bound<'_, PyType>) -> u32 {
    // SAFETY: the type is alive; without the interpreter's lock others write the field atomically, as it is read here.
    unsafe { AtomicU32::from_ptr(&raw mut (*kind.as_type_ptr()).tp_version_tag) }.load(Ordering::Relaxed)
}

/// The same, after a look-up, which makes the interpreter give a number to a type that has none.
fn assigned_version_of(kind: &Bound<'_, PyType>) -> u32 {
    let _ = kind.getattr(intern!(kind.py(), "__doc__"));
    version_of(kind)
}
