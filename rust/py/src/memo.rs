//! A memorious function: what happens at a call before Python code runs.

use std::sync::{Arc, Mutex, PoisonError};

use funes_core::digest::HEX_LENGTH;
use funes_core::domain::Domain;
use funes_core::tags;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyFunction, PyList, PyString, PyTuple};
use rustc_hash::FxHashMap;

use crate::definition::{Definition, with_extras};
use crate::record;
use crate::refusal::{Stop, Walked};
use crate::signature::{Arguments, SEED, Signature};
use crate::walk::{Definitions, Walk};

/// The part of `funes.Memo` that runs at each call. Everything that a hit does not need is Python, in the subclass.
#[pyclass(frozen, subclass, dict, weakref, module = "funes._funes")]
pub(crate) struct MemoBase {
    function: Py<PyFunction>,
    signature: Signature,
    /// The signature's own name objects, so that a pointer tells.
    ignored: Vec<Py<PyString>>,
    is_async: bool,
    definition: Mutex<Option<Arc<Settled>>>,
}

/// A definition hash, and how to tell that it still holds.
struct Settled {
    hex: String,
    /// `None` if the hash came with the function from another process.
    rests_on: Option<Arc<Definition>>,
}

/// One call that is not remembered yet.
#[pyclass(frozen, get_all, module = "funes._funes")]
pub(crate) struct Call {
    /// Definition hash.
    definition: String,
    /// Argument hash.
    arguments: String,
    /// What the entry shows as input: the bound arguments, then `global_seed` if it was given.
    inputs: Py<PyDict>,
    /// Whether to seed, and with what.
    is_seeded: bool,
    seed: Py<PyAny>,
}

/// What the road up to the store led to.
enum Keyed {
    Call(Call),
    /// The function would raise a `TypeError`.
    Mismatch,
    /// An argument, or the definition, cannot be hashed.
    Refused(PyErr),
}

#[pymethods]
impl MemoBase {
    #[new]
    fn new(function: Bound<'_, PyFunction>, options: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = function.py();
        let signature = Signature::of(&function)?;
        let ignored = options.getattr("ignore")?;
        let flags: u32 = function.getattr(intern!(py, "__code__"))?.getattr("co_flags")?.extract()?;
        Ok(Self {
            ignored: signature.own_names(py, &ignored)?,
            signature,
            // CO_COROUTINE and CO_ITERABLE_COROUTINE.
            is_async: flags & 0x180 != 0,
            function: function.unbind(),
            definition: Mutex::new(None),
        })
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let this = slf.get();
        if this.is_async {
            return match this.signature.bind(this.function.bind(py), args, kwargs)? {
                None => this.call_plainly(args, kwargs),
                Some(_) => slf.call_method1(intern!(py, "_call_async"), (args, kwargs)),
            };
        }
        match Self::keyed(slf, args, kwargs)? {
            Keyed::Mismatch => this.call_plainly(args, kwargs),
            Keyed::Refused(error) => slf.call_method1(intern!(py, "_call_uncached"), (args, kwargs, error)),
            Keyed::Call(call) => slf.call_method1(intern!(py, "_call_cached"), (args, kwargs, call)),
        }
    }

    /// The key of a call, or the error for which it has none.
    #[pyo3(signature = (args, kwargs))]
    fn _key<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Call> {
        match Self::keyed(slf, args, kwargs)? {
            Keyed::Call(call) => Ok(call),
            Keyed::Refused(error) => Err(error),
            Keyed::Mismatch => {
                // `inspect` words the error as the function would, without running it.
                let signature = slf.py().import("inspect")?.call_method1("signature", (&slf.get().function,))?;
                signature.call_method("bind", args, slf.get().without_seed(kwargs)?.as_ref())?;
                Err(PyValueError::new_err("these arguments do not fit the function"))
            }
        }
    }

    /// The seed of a call: whether there is one, and which.
    #[pyo3(signature = (args, kwargs))]
    fn _seed<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<(bool, Option<Bound<'py, PyAny>>)> {
        let bound = self.signature.bind(self.function.bind(py), args, kwargs)?;
        let seed = bound.and_then(|arguments| self.signature.seed(&arguments));
        Ok((seed.is_some(), seed))
    }

    /// `kwargs` as the plain function takes them.
    #[pyo3(signature = (kwargs))]
    fn _plain<'py>(&self, kwargs: Option<&Bound<'py, PyDict>>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.without_seed(kwargs)
    }

    /// The definition hash of the function as it is now.
    fn _definition(slf: &Bound<'_, Self>) -> PyResult<String> {
        let settled = Self::settled(slf).map_err(|stop| stop.into_error(slf.py(), "the definition"))?;
        Ok(settled.hex.clone())
    }

    /// Library modules that the definition refers to; empty for a definition from another process.
    fn _modules<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyFrozenSet>> {
        let settled = Self::settled(slf).ok();
        let modules = settled.as_ref().and_then(|settled| settled.rests_on.as_ref()).map(|own| own.modules.clone());
        PyFrozenSet::new(slf.py(), modules.unwrap_or_default())
    }

    /// The nodes of the definition, for people; empty for a definition from another process.
    fn _graph<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        let settled = Self::settled(slf).map_err(|stop| stop.into_error(slf.py(), "the definition"))?;
        let nodes = settled.rests_on.as_ref().map_or(&[][..], |definition| &definition.nodes);
        record::as_objects(slf.py(), nodes)
    }

    /// Takes over the definition hash that another process found for the same code.
    fn _pin(&self, definition: String) -> PyResult<()> {
        if definition.len() != HEX_LENGTH {
            return Err(PyValueError::new_err("a definition hash has 40 characters"));
        }
        self.set(Some(Arc::new(Settled { hex: definition, rests_on: None })));
        Ok(())
    }

    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        visit.call(&self.function)?;
        // A lock that is taken means that the definition is in use: nothing to collect.
        if let Ok(settled) = self.definition.try_lock()
            && let Some(definition) = settled.as_ref().and_then(|settled| settled.rests_on.as_ref())
            // Shared with the definitions that are kept: then it is theirs.
            && Arc::strong_count(definition) == 1
        {
            definition.traverse(&visit)?;
        }
        Ok(())
    }

    fn __clear__(&self) {
        self.set(None);
    }
}

impl MemoBase {
    fn keyed<'py>(
        slf: &Bound<'py, Self>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Keyed> {
        let py = slf.py();
        let this = slf.get();
        let Some(mut arguments) = this.signature.bind(this.function.bind(py), args, kwargs)? else {
            return Ok(Keyed::Mismatch);
        };
        if let Some(seed) = arguments.seed.take() {
            // 7, True and numpy.int64(7) seed alike, so they are one key; what is no seed raises.
            arguments.seed = Some(slf.call_method1(intern!(py, "_normalise_seed"), (seed,))?);
        }
        let settled = match Self::settled(slf) {
            Ok(settled) => settled,
            Err(stop) => return Self::refused(py, stop, "the definition"),
        };
        let mut subject = String::new();
        let hashed = this.hash(py, &arguments, &mut subject);
        let digest = match hashed {
            Ok(digest) => digest,
            Err(stop) => return Self::refused(py, stop, &subject),
        };
        let inputs = PyDict::new(py);
        this.signature.visit(
            &arguments,
            |name, value| {
                if this.is_ignored(name) { Ok(()) } else { inputs.set_item(name, value) }
            },
        )?;
        if let Some(seed) = &arguments.seed {
            inputs.set_item(SEED, seed)?;
        }
        let seed = this.signature.seed(&arguments);
        Ok(Keyed::Call(Call {
            definition: settled.hex.clone(),
            arguments: digest.to_hex(),
            inputs: inputs.unbind(),
            is_seeded: seed.is_some(),
            seed: seed.map_or_else(|| py.None(), Bound::unbind),
        }))
    }

    fn refused(py: Python<'_>, stop: Stop, subject: &str) -> PyResult<Keyed> {
        match stop {
            Stop::Raised(error) => Err(error),
            stop => Ok(Keyed::Refused(stop.into_error(py, subject))),
        }
    }

    fn hash<'py>(
        &self,
        py: Python<'py>,
        arguments: &Arguments<'py>,
        subject: &mut String,
    ) -> Walked<funes_core::digest::Digest> {
        let walk = Walk::run(
            py,
            || Definitions::Settled(FxHashMap::default()),
            |walk| {
                let mark = walk.encoder.begin(tags::ARGUMENTS, self.signature.len() + 1);
                self.signature.visit(arguments, |name, value| {
                    if self.is_ignored(name) {
                        walk.encoder.atom(tags::ABSENT);
                        return Ok(());
                    }
                    walk.walk(value).inspect_err(|_| *subject = format!("argument '{}'", name.bind(py)))
                })?;
                match &arguments.seed {
                    None => walk.encoder.atom(tags::ABSENT),
                    Some(seed) => walk.walk(seed)?,
                }
                walk.encoder.end(mark, None);
                Ok(())
            },
        )?;
        Ok(walk.finish(Domain::Arguments))
    }

    fn is_ignored(&self, name: &Py<PyString>) -> bool {
        self.ignored.iter().any(|ignored| ignored.is(name))
    }

    /// The definition, found again if something that it rests on has changed.
    fn settled(slf: &Bound<'_, Self>) -> Walked<Arc<Settled>> {
        let py = slf.py();
        let this = slf.get();
        let known = this.definition.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(settled) = known
            && settled.rests_on.as_ref().is_none_or(|definition| definition.holds(py))
        {
            return Ok(settled);
        }
        let Some(definition) = Definition::of(this.function.bind(py).as_any(), true)? else {
            return Err(Stop::refused("the function counts by its name only"));
        };
        let extras = slf.call_method0(intern!(py, "_extras")).map_err(Stop::Raised)?;
        let digest = with_extras(&definition, py, extras.cast::<PyTuple>().ok())?;
        for doubt in &definition.doubts {
            slf.call_method1(intern!(py, "_doubt"), (doubt,)).map_err(Stop::Raised)?;
        }
        let settled = Arc::new(Settled { hex: digest.to_hex(), rests_on: Some(definition) });
        this.set(Some(settled.clone()));
        Ok(settled)
    }

    fn set(&self, settled: Option<Arc<Settled>>) {
        let mut place = self.definition.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = std::mem::replace(&mut *place, settled);
        // Dropped outside the lock: dropping may run the user's code.
        drop(place);
        drop(replaced);
    }

    /// Lets the plain function raise its own error for arguments that do not fit it.
    fn call_plainly<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let kwargs = self.without_seed(kwargs)?;
        self.function.bind(args.py()).call(args, kwargs.as_ref())
    }

    fn without_seed<'py>(&self, kwargs: Option<&Bound<'py, PyDict>>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(kwargs) = kwargs else { return Ok(None) };
        if self.signature.declares_seed() || !kwargs.contains(SEED)? {
            return Ok(Some(kwargs.clone()));
        }
        let plain = kwargs.copy()?;
        plain.del_item(SEED)?;
        Ok(Some(plain))
    }
}
