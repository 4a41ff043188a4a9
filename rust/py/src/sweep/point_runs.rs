//! Computes the points of a task, driven by `funes._sweeps.worker`.

use std::time::{Duration, Instant};

use pyo3::exceptions::{PyIndexError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::call::core::Core;
use crate::call::keyed_call::Begun;
use crate::call::machine::{Ending, Machine, Request};
use crate::gil_cell::GilCell;
use crate::memory::cached_value::{is_leaf, size_of_leaf};
use crate::sweep::point_keys::DIGEST_BYTES;

/// Outputs are due to be sent after this time.
const FLUSH_TIME: Duration = Duration::from_millis(100);

/// Outputs are due to be sent from this size in bytes on.
const FLUSH_BYTES: usize = 256 << 10;

/// Limit of the size in bytes of a collected result. The sweep reads larger ones from the store.
const SMALL_BYTES: usize = 64 << 10;

/// The calls of the points of a task, one after the other.
///
/// Results that are stored, immutable and small are collected. Every method that begins or
/// continues a call returns one of:
///
/// - `(function, args, kwargs)`: Python code to call. Then `go_on` or `fail` continues.
/// - `None`: the point is done; `True`: it is done, and the collected results are due to be sent.
/// - `(result, seconds, is_hit, is_stored)`: the point is done, and its result was not collected.
/// - `False`: the call has another key here. Nothing was run.
///
/// They raise the error of a call, which then is over.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct PointRuns {
    memo: Py<PyAny>,
    core: Py<Core>,
    definition: String,
    numbers: Vec<u32>,
    digests: Vec<u8>,
    /// Whether calls wait for points that other threads or processes compute.
    waits: bool,
    /// Whether results are collected.
    collects: bool,
    state: GilCell<State>,
}

struct State {
    /// The call that waits for Python code, and the index of its point.
    machine: Option<(Box<Machine>, usize)>,
    collected: Collected,
    /// The numbers of points that are computed elsewhere.
    busy: Vec<u32>,
    /// The size of the collected results in bytes.
    bytes: usize,
    last: Instant,
}

/// Outcomes of points: numbers, results, and run times in seconds; and the numbers of the hits.
#[derive(Default)]
struct Collected {
    numbers: Vec<u32>,
    outputs: Vec<Py<PyAny>>,
    seconds: Vec<f64>,
    hits: Vec<u32>,
}

#[pymethods]
impl PointRuns {
    /// Args:
    ///     memo: The function.
    ///     definition: The definition digest that all calls must have.
    ///     numbers: The numbers of the points.
    ///     digests: The argument digests that the calls must have, one after the other.
    ///     waits: Whether to wait for points that are computed elsewhere, instead of leaving them
    ///         to `busy`.
    ///     collects: Whether to collect results.
    #[new]
    fn new(
        memo: Bound<'_, PyAny>,
        definition: String,
        numbers: Vec<u32>,
        digests: Vec<u8>,
        waits: bool,
        collects: bool,
    ) -> PyResult<Self> {
        let core = Core::of(&memo)?.unbind();
        if digests.len() != numbers.len() * DIGEST_BYTES {
            return Err(PyValueError::new_err("each point needs a digest"));
        }
        let (collected, busy) = (Collected::default(), Vec::new());
        let state = State { machine: None, collected, busy, bytes: 0, last: Instant::now() };
        Ok(Self {
            memo: memo.unbind(),
            core,
            definition,
            numbers,
            digests,
            waits,
            collects,
            state: GilCell::new(state),
        })
    }

    /// Begins the call of a point.
    #[pyo3(signature = (index, args, kwargs))]
    fn begin<'py>(
        &self,
        index: usize,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = args.py();
        if index >= self.numbers.len() {
            return Err(PyIndexError::new_err("there is no such point"));
        }
        let digest = &self.digests[index * DIGEST_BYTES..][..DIGEST_BYTES];
        let kwargs = kwargs.filter(|kwargs| !kwargs.is_empty());
        let memo = self.memo.bind(py);
        match self.core.get().begin_sent(memo, (args, kwargs), (&self.definition, digest))? {
            None => Ok(false.into_pyobject(py)?.to_owned().into_any()),
            Some(Begun::Machine(machine)) => self.advance(py, machine, index, None),
            Some(Begun::Done(output)) => {
                self.end(index, output, Ending { seconds: 0.0, is_hit: true, is_stored: true })
            }
        }
    }

    /// Continues with what the Python code returned.
    fn go_on<'py>(&self, returned: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = returned.py();
        let (machine, index) = self.take(py)?;
        self.advance(py, machine, index, Some(Ok(returned)))
    }

    /// Continues with the error that the Python code raised.
    fn fail<'py>(&self, error: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = error.py();
        let (machine, index) = self.take(py)?;
        self.advance(py, machine, index, Some(Err(PyErr::from_value(error))))
    }

    /// Returns the outcomes that were collected since the last call of this method: numbers of
    /// points, results, run times in seconds, and the numbers of the hits.
    #[expect(clippy::type_complexity, reason = "four lists")]
    fn collected<'py>(&self, py: Python<'py>) -> PyResult<(Vec<u32>, Bound<'py, PyList>, Vec<f64>, Vec<u32>)> {
        let now = Instant::now();
        let collected = self.state.with(py, |state| {
            (state.bytes, state.last) = (0, now);
            std::mem::take(&mut state.collected)
        });
        Ok((collected.numbers, PyList::new(py, collected.outputs)?, collected.seconds, collected.hits))
    }

    /// The numbers of the points that are computed elsewhere.
    #[getter]
    fn busy(&self, py: Python<'_>) -> Vec<u32> {
        self.state.with(py, |state| state.busy.clone())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: the collector runs in an attached thread.
        let py = unsafe { Python::assume_attached() };
        visit.call(&self.memo)?;
        visit.call(&self.core)?;
        let outputs = |state: &mut State| state.collected.outputs.iter().try_for_each(|output| visit.call(output));
        self.state.try_with(py, outputs).unwrap_or(Ok(()))
    }
}

impl PointRuns {
    fn take(&self, py: Python<'_>) -> PyResult<(Box<Machine>, usize)> {
        let machine = self.state.with(py, |state| state.machine.take());
        machine.ok_or_else(|| PyRuntimeError::new_err("no call waits for Python code"))
    }

    fn advance<'py>(
        &self,
        py: Python<'py>,
        mut machine: Box<Machine>,
        index: usize,
        answer: Option<PyResult<Bound<'py, PyAny>>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(output) = machine.advance(py, answer)? {
            return self.end(index, output, machine.ending());
        }
        if machine.is_waiting() && !self.waits {
            self.state.with(py, |state| state.busy.push(self.numbers[index]));
            return self.done(py);
        }
        let Request { callable, args, kwargs } = machine.request.take().expect("it asks for something");
        let kwargs = kwargs.unwrap_or_else(|| PyDict::new(py).unbind());
        let replaced = self.state.with(py, |state| state.machine.replace((machine, index)));
        debug_assert!(replaced.is_none(), "points are computed one after the other");
        Ok((callable, args, kwargs).into_pyobject(py)?.into_any())
    }

    /// Ends the call of a point.
    fn end<'py>(&self, index: usize, output: Bound<'py, PyAny>, ending: Ending) -> PyResult<Bound<'py, PyAny>> {
        let py = output.py();
        let Ending { seconds, is_hit, is_stored } = ending;
        let size = if self.collects && is_stored && is_leaf(&output) { size_of_leaf(&output) } else { usize::MAX };
        if size > SMALL_BYTES {
            return Ok((output, seconds, is_hit, is_stored).into_pyobject(py)?.into_any());
        }
        self.state.with(py, |state| {
            state.collected.numbers.push(self.numbers[index]);
            state.collected.outputs.push(output.unbind());
            state.collected.seconds.push(seconds);
            if is_hit {
                state.collected.hits.push(self.numbers[index]);
            }
            state.bytes += size;
        });
        self.done(py)
    }

    fn done<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let now = Instant::now();
        let is_due = self.state.with(py, |state| state.bytes > FLUSH_BYTES || now - state.last > FLUSH_TIME);
        if is_due { Ok(true.into_pyobject(py)?.to_owned().into_any()) } else { Ok(py.None().into_bound(py)) }
    }
}
