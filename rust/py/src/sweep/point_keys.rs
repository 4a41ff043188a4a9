//! The argument digests of the points of a sweep, and the state of each distinct one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use funes_core::store;
use pyo3::exceptions::{PyIndexError, PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::lazy::intern;
use crate::memory::counters::Counters;
use crate::memory::usage::Usage;
use crate::store::disk_hit::{ReadHint, recall};
use crate::store::error::raised;
use crate::store::handle::Store;

/// The bytes of an argument digest.
const DIGEST_BYTES: usize = 20;

type Digest = [u8; DIGEST_BYTES];

/// Marks an empty slot of the hash table.
const EMPTY: u32 = u32::MAX;

/// The number of slots of the first hash table; a power of two.
const FIRST_SLOTS: usize = 64;

/// The keys of the points of a sweep in their order. Equal points share a key, which has a number
/// and a state.
///
/// A point takes 4 bytes, and a distinct key 37 to 66 bytes.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct PointKeys {
    /// Never held while Python code runs.
    table: Mutex<Table>,
    /// Counts the results that were read, as hits of the definition.
    hits: OnceLock<(Arc<Counters>, Arc<Usage>)>,
}

#[derive(Default)]
struct Table {
    definition: String,
    /// The number of the key of each point.
    numbers: Vec<u32>,
    keys: Vec<Digest>,
    /// The first point of each key.
    firsts: Vec<u32>,
    states: Vec<u8>,
    /// A hash table with open addressing: numbers of keys.
    slots: Vec<u32>,
}

impl Table {
    /// Returns the slot that contains a key, or the empty slot where it belongs.
    fn slot(&self, digest: &Digest) -> usize {
        let mask = self.slots.len() - 1;
        // The bytes of a digest are uniformly distributed.
        let mut slot = usize::from_le_bytes(digest[..size_of::<usize>()].try_into().expect("20 bytes")) & mask;
        while self.slots[slot] != EMPTY && self.keys[self.slots[slot] as usize] != *digest {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn number_of(&self, digest: &Digest) -> Option<u32> {
        (!self.slots.is_empty()).then(|| self.slots[self.slot(digest)]).filter(|&number| number != EMPTY)
    }

    fn add(&mut self, digest: Digest) -> PyResult<()> {
        let too_many = || PyOverflowError::new_err("a sweep has at most 4,294,967,294 points");
        let point = u32::try_from(self.numbers.len()).ok().filter(|&point| point != EMPTY).ok_or_else(too_many)?;
        // At most three quarters of the slots are used.
        if self.keys.len() * 4 >= self.slots.len() * 3 {
            self.grow();
        }
        let slot = self.slot(&digest);
        if self.slots[slot] == EMPTY {
            self.slots[slot] = u32::try_from(self.keys.len()).map_err(|_| too_many())?;
            self.keys.push(digest);
            self.firsts.push(point);
            self.states.push(0);
        }
        self.numbers.push(self.slots[slot]);
        Ok(())
    }

    fn grow(&mut self) {
        self.slots = vec![EMPTY; (self.slots.len() * 2).max(FIRST_SLOTS)];
        for number in 0..self.keys.len() {
            let slot = self.slot(&self.keys[number]);
            self.slots[slot] = u32::try_from(number).expect("a number was given to each key");
        }
    }
}

#[pymethods]
impl PointKeys {
    #[new]
    fn new() -> Self {
        Self { table: Mutex::default(), hits: OnceLock::new() }
    }

    /// Takes the keys of calls, in their order. An error leaves the keys of the calls before it.
    ///
    /// Args:
    ///     key: `Core.key` of the function.
    ///     memo: The function.
    ///     calls: Positional arguments as tuples, or keyword arguments as dicts.
    ///     first: The positional arguments of a call with keyword arguments.
    ///
    /// Returns the number of calls. Raises `ValueError` if the definition differs from that of the
    /// first call.
    fn extend(
        &self,
        key: &Bound<'_, PyAny>,
        memo: &Bound<'_, PyAny>,
        calls: &Bound<'_, PyAny>,
        first: &Bound<'_, PyTuple>,
    ) -> PyResult<usize> {
        let py = memo.py();
        let none = py.None();
        let mut count = 0;
        for call in calls.try_iter()? {
            let call = call?;
            let keyed = match call.cast::<PyDict>() {
                Ok(kwargs) => key.call1((memo, first, kwargs))?,
                Err(_) => key.call1((memo, call, &none))?,
            };
            let definition = keyed.getattr(intern!(py, "definition"))?;
            let arguments = keyed.getattr(intern!(py, "arguments"))?;
            let (definition, digest) = (definition.extract::<&str>()?, parsed(arguments.extract::<&str>()?)?);
            let mut table = self.table();
            if table.numbers.is_empty() {
                definition.clone_into(&mut table.definition);
            } else if table.definition != definition {
                return Err(PyValueError::new_err("the definition changed"));
            }
            table.add(digest)?;
            count += 1;
        }
        Ok(count)
    }

    /// The definition digest of all points; empty without points.
    #[getter]
    fn definition(&self) -> String {
        self.table().definition.clone()
    }

    /// Returns the number of points.
    fn __len__(&self) -> usize {
        self.table().numbers.len()
    }

    /// The number of distinct keys.
    #[getter]
    fn distinct(&self) -> usize {
        self.table().keys.len()
    }

    /// Returns the number of the key of a point.
    fn number(&self, point: usize) -> PyResult<u32> {
        self.table().numbers.get(point).copied().ok_or_else(|| PyIndexError::new_err("there is no such point"))
    }

    /// Returns the first point of a key.
    fn first(&self, number: usize) -> PyResult<u32> {
        self.table().firsts.get(number).copied().ok_or_else(no_key)
    }

    /// Returns the argument digest of a key, as hexadecimal digits.
    fn arguments(&self, number: usize) -> PyResult<String> {
        self.table().keys.get(number).map(hex).ok_or_else(no_key)
    }

    /// Reads the result of a point from the store.
    ///
    /// Returns the result and its run time in seconds. None if the key of the point is in another
    /// state than `state`, there is no sound entry, or Python code must handle it.
    fn recall<'py>(
        &self,
        store: &Bound<'py, Store>,
        function: &Bound<'py, PyAny>,
        name: &Bound<'py, PyString>,
        point: usize,
        state: u8,
    ) -> PyResult<Option<(Bound<'py, PyAny>, f64)>> {
        let (definition, arguments) = {
            let table = self.table();
            let Some(&number) = table.numbers.get(point) else { return Ok(None) };
            if table.states[number as usize] != state {
                return Ok(None);
            }
            (table.definition.clone(), hex(&table.keys[number as usize]))
        };
        let Ok(found) = recall(store, (function, name), (&definition, &arguments), ReadHint::ExpectHit)? else {
            return Ok(None);
        };
        let (counters, _) = self.hits.get_or_init(|| {
            let counters = Arc::default();
            let usage = Usage::new(&counters);
            usage.turn_to(store.get().folder(name, &definition).ok().map(PathBuf::from));
            (counters, usage)
        });
        counters.disk_hit(found.seconds);
        Ok(Some((found.output, found.seconds)))
    }

    /// Returns the state of a key; 0 at first.
    fn state(&self, number: usize) -> PyResult<u8> {
        self.table().states.get(number).copied().ok_or_else(no_key)
    }

    /// Sets the state of a key.
    fn set_state(&self, number: usize, state: u8) -> PyResult<()> {
        *self.table().states.get_mut(number).ok_or_else(no_key)? = state;
        Ok(())
    }

    /// Returns the number of keys with a state.
    #[expect(clippy::naive_bytecount, reason = "a million keys take 30 us")]
    fn count(&self, state: u8) -> usize {
        self.table().states.iter().filter(|&&each| each == state).count()
    }

    /// Returns the first key with a state, from a number on; None if there is none.
    fn find(&self, state: u8, start: usize) -> Option<usize> {
        let table = self.table();
        let found = table.states.get(start..)?.iter().position(|&each| each == state);
        found.map(|offset| start + offset)
    }

    /// Lists a folder of entries, and gives each key in state `from` that has an entry the state
    /// `to`.
    fn mark_listed(&self, py: Python<'_>, folder: PathBuf, from_: u8, to: u8) -> PyResult<()> {
        py.detach(|| {
            for listed in store::Listing::of(folder)? {
                let listed = listed?;
                let mut table = self.table();
                if let Some(number) = digest(&listed.arguments).and_then(|digest| table.number_of(&digest)) {
                    let state = &mut table.states[number as usize];
                    *state = if *state == from_ { to } else { *state };
                }
            }
            Ok(())
        })
        .map_err(raised)
    }

    /// Returns how many of the keys have an entry in a folder.
    fn count_listed(&self, py: Python<'_>, folder: PathBuf) -> PyResult<usize> {
        py.detach(|| {
            let mut found = vec![false; self.table().keys.len()];
            for listed in store::Listing::of(folder)? {
                let number = digest(&listed?.arguments).and_then(|digest| self.table().number_of(&digest));
                if let Some(found) = number.and_then(|number| found.get_mut(number as usize)) {
                    *found = true;
                }
            }
            Ok(found.into_iter().filter(|&found| found).count())
        })
        .map_err(raised)
    }
}

impl PointKeys {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_key() -> PyErr {
    PyIndexError::new_err("there is no such key")
}

fn parsed(hex: &str) -> PyResult<Digest> {
    digest(hex).ok_or_else(|| PyValueError::new_err("an argument digest has 40 hexadecimal digits"))
}

fn hex(digest: &Digest) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).expect("a nibble is below 16");
    digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn digest(hex: &str) -> Option<Digest> {
    let mut digest = [0; DIGEST_BYTES];
    if hex.len() != 2 * DIGEST_BYTES || !hex.is_ascii() {
        return None;
    }
    for (byte, digits) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(digest)
}
