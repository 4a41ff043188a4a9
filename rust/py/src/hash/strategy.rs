//! The hash strategy of each type. `strategy` in `funes/_values/rules.py` chooses it once per type.

use std::ffi::c_ulong;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType, PyWeakrefMethods, PyWeakrefReference};
use rustc_hash::FxHashMap;

use crate::class_version::{assigned_version_of, version_of};
use crate::gil_cell::GilCell;
use crate::hash::walk::{Address, address_of};
use crate::hash::walk_error::Culprit;
use crate::hooks;

/// How an object is hashed.
pub(crate) enum Strategy {
    /// By a simpler value with the same content.
    Rule { name: String, reduce: Py<PyAny> },
    /// By its definition: functions and classes.
    Definition,
    /// By its definition if `is_code` returns true for the object.
    PerhapsDefinition { is_code: Py<PyAny>, otherwise: Box<Strategy> },
    /// By its attributes: an ordinary object that pickles as its `__dict__` and its slots.
    Attributes(AttributeRules),
    /// By the result of `__reduce_ex__`.
    Reduce(AttributeRules),
    /// As a set or frozenset with a class and attributes.
    Set { tag: u8, rules: AttributeRules },
    /// Not at all: the object is refused.
    Refuse { culprit: Culprit, reason: String },
}

/// How the attributes of a type's objects are hashed.
#[derive(Default)]
pub(crate) struct AttributeRules {
    pub(crate) slots: Names,
    /// Names of attributes that may be caches; the Python layer decides per object.
    pub(crate) caches: Names,
    /// True for a type of user code: an opaque resource in an attribute then counts by its type.
    pub(crate) is_user_code: bool,
    pub(crate) reduction: Reduction,
}

/// Where the reduction of a type comes from.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// `object.__reduce_ex__`, which iterates over a list or dict; a subclass may override that.
    Default,
    /// A third-party base class, which omits the attributes of a subclass.
    Partial,
    #[default]
    Own,
}

/// Names of attributes.
pub(crate) type Names = Vec<Py<PyString>>;

impl Strategy {
    fn new(answer: &Bound<'_, PyTuple>) -> PyResult<Self> {
        let name: String = answer.get_item(0)?.extract()?;
        let rules = || -> PyResult<AttributeRules> {
            let reduction = match part::<String>(answer, 4)?.as_str() {
                "default" => Reduction::Default,
                "partial" => Reduction::Partial,
                _ => Reduction::Own,
            };
            Ok(AttributeRules {
                slots: names(answer, 1)?,
                caches: names(answer, 2)?,
                is_user_code: part(answer, 3)?,
                reduction,
            })
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
            "attributes" => rules().map(Self::Attributes),
            "reduce" => rules().map(Self::Reduce),
            "set" => Ok(Self::Set { tag: funes_core::tags::SET, rules: rules()? }),
            "frozenset" => Ok(Self::Set { tag: funes_core::tags::FROZENSET, rules: rules()? }),
            "refuse" => refuse(Culprit::Other),
            "refuse opaque" => refuse(Culprit::Opaque),
            "refuse weak" => refuse(Culprit::Weak),
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

/// A strategy as a Python object, so that a walk can hold it by reference.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct TypeStrategy(pub(crate) Strategy);

/// The maximum number of cached strategies.
const MAX_STRATEGIES: usize = 4096;

/// The cached strategy of one type.
struct StrategyCache {
    /// A weak reference to the type, by which a reused address is detected.
    reference: Py<PyWeakrefReference>,
    strategy: Py<TypeStrategy>,
    /// The version tag of the type when the strategy was made; 0 if it had none.
    version: u32,
}

/// The cached strategies, by the address of the type.
static STRATEGIES: GilCell<Option<FxHashMap<Address, StrategyCache>>> = GilCell::new(None);

/// Returns the strategy of a type.
pub(crate) fn strategy<'py>(kind: &Bound<'py, PyType>) -> PyResult<Bound<'py, TypeStrategy>> {
    let py = kind.py();
    let address = address_of(kind);
    let known = STRATEGIES.with(py, |cache| {
        let StrategyCache { reference, strategy, version } = cache.as_ref()?.get(&address)?;
        (is_of(reference, kind) && is_unchanged(kind, *version)).then(|| strategy.bind(py).clone())
    });
    if let Some(strategy) = known {
        return Ok(strategy);
    }
    let version = assigned_version_of(kind);
    let answer = hooks::STRATEGY.get(py)?.call1((kind,))?;
    let strategy = Bound::new(py, TypeStrategy(Strategy::new(answer.cast::<PyTuple>()?)?))?;
    let entry = StrategyCache {
        reference: PyWeakrefReference::new(kind)?.unbind(),
        strategy: strategy.clone().unbind(),
        version,
    };
    // The replaced entries are dropped after the table is released: dropping may run Python code.
    let _replaced = STRATEGIES.with(py, |cache| {
        let cache = cache.get_or_insert_default();
        let cleared = if cache.len() >= MAX_STRATEGIES { std::mem::take(cache) } else { FxHashMap::default() };
        (cache.insert(address, entry), cleared)
    });
    Ok(strategy)
}

/// Clears the cached strategies after a change of the type rules.
#[pyfunction]
pub(crate) fn forget_strategies(py: Python<'_>) {
    let _forgotten = STRATEGIES.with(py, Option::take);
}

/// Returns whether a weak reference refers to this type. No other object has its address while it
/// is alive.
fn is_of(reference: &Py<PyWeakrefReference>, kind: &Bound<'_, PyType>) -> bool {
    reference.bind(kind.py()).upgrade().is_some_and(|referent| referent.is(kind))
}

/// Returns whether a type is unchanged. Immutable types need no check of the version tag.
fn is_unchanged(kind: &Bound<'_, PyType>, then: u32) -> bool {
    // SAFETY: the type is alive. The function reads the flags as each build stores them: atomically
    // without the interpreter lock. This flag is set before the type becomes visible, and does not
    // change.
    let is_immutable = unsafe { ffi::PyType_HasFeature(kind.as_type_ptr(), IMMUTABLE) != 0 };
    is_immutable || (then != 0 && version_of(kind) == then)
}

/// `Py_TPFLAGS_IMMUTABLETYPE`: attributes of the type cannot be set.
const IMMUTABLE: c_ulong = 1 << 8;
