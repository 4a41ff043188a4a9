//! Wraps a verified entry for Python.

use funes_core::digest::hex;
use funes_core::store::{self, Footer, Pickle};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyMemoryView};

use crate::store::entry_buffer::EntryBuffer;

/// A pickle from the footer of an entry, and its buffers.
type Buffered<'py> = (Bound<'py, PyBytes>, Bound<'py, PyList>);

/// A verified entry for one reader, which may write to the arrays in it.
#[pyclass(frozen, module = "funes")]
pub struct Entry {
    pub(super) memory: Py<EntryBuffer>,
    pub(super) footer: Footer,
}

impl Entry {
    pub(crate) fn new(py: Python<'_>, entry: store::Entry) -> PyResult<Self> {
        let (memory, footer) = EntryBuffer::of(entry);
        Ok(Self { memory: Py::new(py, memory)?, footer })
    }

    fn buffered<'py>(&self, py: Python<'py>, pickle: Pickle) -> PyResult<Buffered<'py>> {
        let buffers = PyList::empty(py);
        if !pickle.buffers.is_empty() {
            let view = EntryBuffer::view(self.memory.bind(py))?;
            pickle.buffers.iter().try_for_each(|&span| buffers.append(EntryBuffer::part(&view, span)?))?;
        }
        Ok((PyBytes::new(py, pickle.bytes), buffers))
    }
}

#[pymethods]
impl Entry {
    /// The portable pickle.
    #[getter]
    pub(crate) fn body<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        EntryBuffer::view(self.memory.bind(py))
    }

    /// The fast pickle and its buffers; None if there is none.
    #[getter]
    pub(crate) fn fast<'py>(&self, py: Python<'py>) -> PyResult<Option<Buffered<'py>>> {
        self.footer.fast().map(|fast| self.buffered(py, fast)).transpose()
    }

    /// The age in seconds from which the entry is expired for the function that stored it; None for no age.
    #[getter]
    fn max_age(&self) -> Option<f64> {
        self.footer.max_age()
    }

    /// The id of the run record as hexadecimal digits; None if there is none.
    #[getter]
    fn run(&self) -> Option<String> {
        self.footer.run().map(|run| hex(&run))
    }

    /// The run time in seconds; a pickle of the inputs with its buffers; and a pickle of the inputs
    /// in which objects of the program's own module are written by name, if there are any. None for
    /// a large argument.
    #[getter]
    fn head<'py>(&self, py: Python<'py>) -> PyResult<Option<(f64, Buffered<'py>, Option<Buffered<'py>>)>> {
        let Some(head) = self.footer.head() else { return Ok(None) };
        let main = head.main.map(|main| self.buffered(py, main)).transpose()?;
        Ok(Some((head.seconds, self.buffered(py, head.inputs)?, main)))
    }
}
