//! The argument digests of the points of a sweep, and the state of each distinct one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use funes_core::digest::hex;
use funes_core::store;
use pyo3::exceptions::{PyIndexError, PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::call::core::Core;
use crate::call::unchanged_files::AcceptsUnchanged;
use crate::definition::current_definition::CurrentDefinition;
use crate::memory::counters::Counters;
use crate::memory::usage::Usage;
use crate::store::disk_hit::{ReadHint, recall, recall_all};
use crate::store::error::raised;
use crate::store::handle::Store;

/// The bytes of an argument digest.
pub(super) const DIGEST_BYTES: usize = 20;

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

    /// Returns the numbers of the keys of consecutive points that are in a state.
    fn run(&self, start: usize, count: usize, state: u8) -> impl Iterator<Item = u32> {
        let points = self.numbers.get(start..).unwrap_or_default().iter().take(count);
        points.copied().take_while(move |&number| self.states[number as usize] == state)
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
    ///     core: The core of the function.
    ///     memo: The function.
    ///     calls: Positional arguments as tuples, or keyword arguments as dicts.
    ///     first: The positional arguments of a call with keyword arguments.
    ///
    /// Returns the number of calls. Raises `ValueError` if the definition differs from that of the
    /// first call.
    fn extend(
        &self,
        core: &Bound<'_, Core>,
        memo: &Bound<'_, PyAny>,
        calls: &Bound<'_, PyAny>,
        first: &Bound<'_, PyTuple>,
    ) -> PyResult<usize> {
        let mut count = 0;
        let mut known: Option<Bound<'_, CurrentDefinition>> = None;
        for call in calls.try_iter()? {
            let call = call?;
            let (current, digest) = match call.cast::<PyDict>() {
                Ok(kwargs) => core.get().digest(memo, first, Some(kwargs))?,
                Err(_) => core.get().digest(memo, call.cast()?, None)?,
            };
            let is_known = known.as_ref().is_some_and(|known| known.is(&current));
            let mut table = self.table();
            if table.numbers.is_empty() {
                current.get().hex.clone_into(&mut table.definition);
            } else if !is_known && table.definition != current.get().hex {
                return Err(PyValueError::new_err("the definition changed"));
            }
            table.add(first_bytes(&digest))?;
            drop(table);
            known = Some(current);
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
        self.table().keys.get(number).map(|key| hex(key)).ok_or_else(no_key)
    }

    /// Reads the result of a point from the store. `max_age`: the age in seconds from which an earlier
    /// entry is expired.
    ///
    /// Returns the result and its run time in seconds. None if the key of the point is in another
    /// state than `state`, there is no sound entry, or Python code must handle it.
    fn recall<'py>(
        &self,
        store: &Bound<'py, Store>,
        function: &Bound<'py, PyAny>,
        name: &Bound<'py, PyString>,
        max_age: Option<f64>,
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
        let (key, accepts) = ((&*definition, &*arguments), AcceptsUnchanged::new(function, max_age));
        let Ok(found) = recall(store, (function, name), key, ReadHint::ExpectHit, &accepts)? else {
            return Ok(None);
        };
        self.hits(store, name, &definition).disk_hit(found.seconds);
        Ok(Some((found.output, found.seconds)))
    }

    /// Reads the results of consecutive points from the store: of `points[1]` points, from
    /// `points[0]` on.
    ///
    /// Returns fewer results if the key of the next point is in another state than
    /// `state`, if there is no sound entry of it, if Python code must handle it, or if the results
    /// are large.
    fn recall_run<'py>(
        &self,
        store: &Bound<'py, Store>,
        function: &Bound<'py, PyAny>,
        name: &Bound<'py, PyString>,
        max_age: Option<f64>,
        points: (usize, usize),
        state: u8,
    ) -> PyResult<Bound<'py, PyList>> {
        let (definition, digests) = {
            let table = self.table();
            let numbers = table.run(points.0, points.1, state);
            (table.definition.clone(), numbers.map(|number| hex(&table.keys[number as usize])).collect::<Vec<_>>())
        };
        let outputs = PyList::empty(store.py());
        for (output, seconds) in
            recall_all(store, (function, name), &definition, &digests, &AcceptsUnchanged::new(function, max_age))?
        {
            self.hits(store, name, &definition).disk_hit(seconds);
            outputs.append(output)?;
        }
        Ok(outputs)
    }

    /// Returns the numbers of the keys of consecutive points, from the point `start` on, that are
    /// in a state; at most `count`.
    fn run(&self, start: usize, count: usize, state: u8) -> Vec<u32> {
        self.table().run(start, count, state).collect()
    }

    /// Moves the next keys from the state `from` to the state `to`: at most `count`, with numbers
    /// from `start` to `end`. Returns their numbers.
    #[pyo3(signature = (from_, to, start, count, end=None))]
    fn claim(&self, from_: u8, to: u8, start: usize, count: usize, end: Option<usize>) -> Vec<usize> {
        let mut table = self.table();
        let end = end.unwrap_or(usize::MAX).min(table.states.len());
        let rest = table.states.get_mut(start..end).unwrap_or_default();
        let found = rest.iter_mut().enumerate().filter(|(_, state)| **state == from_).take(count);
        found
            .map(|(offset, state)| {
                *state = to;
                start + offset
            })
            .collect()
    }

    /// Moves keys from the state `from` to the state `to`. Returns the numbers of those that were
    /// in another state, which keep it.
    fn move_all(&self, numbers: Vec<usize>, from_: u8, to: u8) -> PyResult<Vec<usize>> {
        let mut table = self.table();
        let mut others = Vec::new();
        for number in numbers {
            let state = table.states.get_mut(number).ok_or_else(no_key)?;
            if *state == from_ { *state = to } else { others.push(number) }
        }
        Ok(others)
    }

    /// Returns the argument digests of keys, one after the other.
    fn digests<'py>(&self, py: Python<'py>, numbers: Vec<usize>) -> PyResult<Bound<'py, PyBytes>> {
        let table = self.table();
        let digests = numbers.into_iter().map(|number| table.keys.get(number).ok_or_else(no_key));
        let bytes = digests.collect::<PyResult<Vec<_>>>()?.into_iter().flatten().copied().collect::<Vec<_>>();
        Ok(PyBytes::new(py, &bytes))
    }

    /// Returns the first points of keys.
    fn firsts(&self, numbers: Vec<usize>) -> PyResult<Vec<u32>> {
        let table = self.table();
        numbers.into_iter().map(|number| table.firsts.get(number).copied().ok_or_else(no_key)).collect()
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
            store::visit_names(&folder, |arguments| {
                let mut table = self.table();
                if let Some(number) = digest(arguments).and_then(|digest| table.number_of(&digest)) {
                    let state = &mut table.states[number as usize];
                    *state = if *state == from_ { to } else { *state };
                }
            })
        })
        .map_err(raised)
    }

    /// Returns how many of the keys have an entry in a folder.
    fn count_listed(&self, py: Python<'_>, folder: PathBuf) -> PyResult<usize> {
        py.detach(|| {
            let mut found = vec![false; self.table().keys.len()];
            store::visit_names(&folder, |arguments| {
                let number = digest(arguments).and_then(|digest| self.table().number_of(&digest));
                if let Some(found) = number.and_then(|number| found.get_mut(number as usize)) {
                    *found = true;
                }
            })?;
            Ok(found.into_iter().filter(|&found| found).count())
        })
        .map_err(raised)
    }
}

impl PointKeys {
    /// Returns what counts the hits of the definition.
    fn hits(&self, store: &Bound<'_, Store>, name: &Bound<'_, PyString>, definition: &str) -> &Counters {
        let (counters, _) = self.hits.get_or_init(|| {
            let counters = Arc::default();
            let usage = Usage::new(&counters);
            usage.turn_to(store.get().folder(name, definition).ok().map(PathBuf::from));
            (counters, usage)
        });
        counters
    }

    /// Returns the definition digest, and numbers and argument digests of the keys that are in a
    /// state (none: in any), from the number `start` on.
    pub(super) fn digests_in(&self, start: usize, state: Option<u8>) -> (String, Vec<(usize, String)>) {
        let table = self.table();
        let numbers =
            (start..table.keys.len()).filter(|&number| state.is_none_or(|state| table.states[number] == state));
        (table.definition.clone(), numbers.map(|number| (number, hex(&table.keys[number]))).collect())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_key() -> PyErr {
    PyIndexError::new_err("there is no such key")
}

fn first_bytes(digest: &funes_core::digest::Digest) -> Digest {
    *digest.0.first_chunk().expect("a digest has 32 bytes")
}

fn digest(hex: &str) -> Option<Digest> {
    let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let mut digest = [0; DIGEST_BYTES];
    if hex.len() != 2 * DIGEST_BYTES {
        return None;
    }
    for (byte, digits) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = value(digits[0])? << 4 | value(digits[1])?;
    }
    Some(digest)
}
