//! Detects that a function drew random numbers, by a few words of the states of the global
//! generators.
//!
//! Both `random` and numpy use a Mersenne Twister: 624 words and a position. Each draw moves the
//! position, and where it wraps around all words change. So the position and two words distinguish
//! a state from all later ones. They are read from memory in tens of nanoseconds; the whole state
//! as Python returns it takes tens of microseconds.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::gil_cell::GilCell;
use crate::hooks;
use crate::lazy::{Lazy, intern};

/// True while a seeded run is active in any thread.
static IS_SEEDED: AtomicBool = AtomicBool::new(false);

/// Number of words in the state of a Mersenne Twister.
const LENGTH: usize = 624;

/// The states of the generators at one moment.
pub(crate) struct GeneratorWords {
    random: Option<[u32; 3]>,
    numpy: Option<[u32; 3]>,
    /// The states of other libraries' generators, as `funes._call.generators` saves them; None if
    /// no such library is loaded.
    others: Option<Py<PyAny>>,
}

impl GeneratorWords {
    /// Reads the present states.
    pub(crate) fn now(py: Python<'_>) -> PyResult<Self> {
        let modules = Modules::get(py)?;
        let has_others = modules.has(intern!(py, "torch"))
            || modules.has(intern!(py, "tensorflow"))
            || modules.has(intern!(py, "cupy"));
        let others = if has_others { Some(others(py)?.unbind()) } else { None };
        Ok(Self { random: modules.random(py), numpy: modules.numpy(py), others })
    }

    /// Returns whether a generator has moved since. A generator that could not be read then or now
    /// has not.
    pub(crate) fn have_moved(&self, py: Python<'_>) -> PyResult<bool> {
        let modules = Modules::get(py)?;
        let differ =
            |then: Option<[u32; 3]>, now: Option<[u32; 3]>| then.zip(now).is_some_and(|(then, now)| then != now);
        if differ(self.random, modules.random(py)) || differ(self.numpy, modules.numpy(py)) {
            return Ok(true);
        }
        let Some(then) = &self.others else { return Ok(false) };
        let same = hooks::HAVE_SAME_STATES.get(py)?.call1((then, others(py)?))?;
        Ok(!same.is_truthy()?)
    }
}

/// Returns the states of the generators of other libraries.
fn others(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    hooks::SAVE_OTHER_GENERATORS.get(py)?.call0()
}

/// `sys.modules`.
struct Modules<'a, 'py>(&'a Bound<'py, PyAny>);

impl<'py> Modules<'_, 'py> {
    fn get(py: Python<'py>) -> PyResult<Self> {
        static MODULES: Lazy<Py<PyAny>> = Lazy::new();
        MODULES.import(py, "sys", "modules").map(Self)
    }

    fn find(&self, name: &Bound<'py, PyString>) -> Option<Bound<'py, PyAny>> {
        // Uses the C function of the dict, which raises no exception for a missing name.
        self.0.cast::<PyDict>().ok()?.get_item(name).ok()?.filter(|module| !module.is_none())
    }

    fn has(&self, name: &Bound<'py, PyString>) -> bool {
        self.0.contains(name).unwrap_or(false)
    }

    /// Reads the state of the generator behind the functions of `random`.
    fn random(&self, py: Python<'py>) -> Option<[u32; 3]> {
        static LAYOUT: Layout = Layout::new();
        let generator = self.find(intern!(py, "random"))?.getattr(intern!(py, "_inst")).ok()?;
        LAYOUT.read(
            &generator,
            // SAFETY: `_random.Random` has an int after its head, and then the words. `Layout`
            // compares them with the state that the object returns before anything else is read
            // this way. The generator is held. A thread that draws meanwhile (only without the
            // interpreter's lock) leaves one state or the other, and both are words.
            || unsafe {
                let position = generator.as_ptr().byte_add(size_of::<ffi::PyObject>()).cast::<u32>();
                Some([position.read_volatile(), position.add(1).read_volatile(), position.add(LENGTH).read_volatile()])
            },
            || {
                let base = generator.get_type().mro().iter().rev().nth(1)?;
                let size: usize = base.getattr("__basicsize__").ok()?.extract().ok()?;
                let expected = (size_of::<ffi::PyObject>() + 4 * (LENGTH + 1)).next_multiple_of(align_of::<usize>());
                let state = generator.call_method0("getstate").ok()?.get_item(1).ok()?.cast_into::<PyTuple>().ok()?;
                let word = |index: usize| state.get_item(index).ok()?.extract::<u32>().ok();
                (size == expected).then_some([word(LENGTH)?, word(0)?, word(LENGTH - 1)?])
            },
        )
    }

    /// Reads the state of the generator behind the functions of `numpy.random`; None if it is not a
    /// Mersenne Twister.
    fn numpy(&self, py: Python<'py>) -> Option<[u32; 3]> {
        static LAYOUT: Layout = Layout::new();
        let generator = self.find(intern!(py, "numpy.random.mtrand"))?.getattr(intern!(py, "_rand")).ok()?;
        let generator = generator.getattr(intern!(py, "_bit_generator")).ok()?;
        let capsule = generator.getattr(intern!(py, "capsule")).ok()?;
        // SAFETY: any object may be passed; null means that it is not a capsule of this name, with
        // an error set.
        let interface = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), c"BitGenerator".as_ptr()) };
        if interface.is_null() {
            drop(PyErr::take(py));
            return None;
        }
        LAYOUT.read(
            &generator,
            // SAFETY: this is numpy's C interface, which other libraries are compiled against: the
            // struct begins with a pointer to the state, which is the words and an int. `Layout`
            // also compares it with the state that the object returns. The generator is held, and
            // its state with it. A thread that draws meanwhile leaves one state or the other.
            || unsafe {
                let state = interface.cast::<*const u32>().read();
                if state.is_null() {
                    return None;
                }
                let word = |index| state.add(index).read_volatile();
                Some([word(LENGTH), word(0), word(LENGTH - 1)])
            },
            || {
                let state = generator.getattr("state").ok()?.get_item("state").ok()?;
                let key = state.get_item("key").ok()?;
                let word = |index: usize| key.get_item(index).ok()?.extract::<u32>().ok();
                Some([state.get_item("pos").ok()?.extract().ok()?, word(0)?, word(LENGTH - 1)?])
            },
        )
    }
}

/// Records whether one type of generators has the expected layout in memory. It is compared once,
/// with the state that a generator returns.
struct Layout(GilCell<Option<(Py<PyType>, bool)>>);

impl Layout {
    const fn new() -> Self {
        Self(GilCell::new(None))
    }

    /// Returns whether the type of a generator has the expected layout, if it has been compared.
    fn known(&self, generator: &Bound<'_, PyAny>) -> Option<bool> {
        let kind = generator.get_type_ptr();
        self.0.with(generator.py(), |known| {
            known.as_ref().filter(|(known, _)| known.as_ptr() == kind.cast()).map(|(_, is_so)| *is_so)
        })
    }

    fn read(
        &self,
        generator: &Bound<'_, PyAny>,
        memory: impl Fn() -> Option<[u32; 3]>,
        object: impl FnOnce() -> Option<[u32; 3]>,
    ) -> Option<[u32; 3]> {
        match self.known(generator) {
            Some(true) => memory(),
            Some(false) => None,
            None => {
                let said = object();
                // Reads memory only if the object has a state of that size.
                let is_so = said.is_some() && said == memory();
                let known = (generator.get_type().unbind(), is_so);
                let _before = self.0.with(generator.py(), |present| present.replace(known));
                said.filter(|_| is_so)
            }
        }
    }
}

/// Sets whether a seeded run is active. Calls without a seed then compare whole states, see
/// `funes._call.generator_lock`.
#[pyfunction]
pub(crate) fn set_seeded(is_seeded: bool) {
    IS_SEEDED.store(is_seeded, Ordering::Relaxed);
}

/// Returns whether a seeded run is active in any thread.
pub(crate) fn is_seeded() -> bool {
    IS_SEEDED.load(Ordering::Relaxed)
}
