//! Makes the portable pickle from the fast pickle, without copying arrays.

use std::sync::{Mutex, PoisonError};

use funes_core::pickle::Body;
use funes_core::store::Span;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::hash::buffer::contiguous;

/// The size in bytes from which a buffer is stored out of band. Copying a smaller buffer takes less
/// time than a page fault.
const LARGE_BYTES: usize = 32 << 10;

/// A `buffer_callback` for a pickler: collects large buffers, and leaves small ones in the pickle.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct BufferCollector {
    buffers: Mutex<Vec<PyUntypedBuffer>>,
}

#[pymethods]
impl BufferCollector {
    #[new]
    fn new() -> Self {
        Self { buffers: Mutex::default() }
    }

    /// Keeps a large buffer, and returns whether the pickler must write the buffer itself.
    fn __call__(&self, buffer: &Bound<'_, PyAny>) -> bool {
        match PyUntypedBuffer::get(buffer) {
            Ok(buffer)
                if buffer.len_bytes() >= LARGE_BYTES && buffer.is_c_contiguous() | buffer.is_fortran_contiguous() =>
            {
                self.lock().push(buffer);
                false
            }
            _ => true,
        }
    }

    fn __len__(&self) -> usize {
        self.lock().len()
    }

    /// Makes the body of an entry from the output of a pickler with this callback, and moves the
    /// buffers into it. Returns None if the output has unknown opcodes.
    fn body(&self, stream: &[u8]) -> Option<InlinedPickle> {
        let mut buffers = self.lock();
        let lengths: Vec<_> = buffers.iter().map(PyUntypedBuffer::len_bytes).collect();
        let body = Body::of(stream, &lengths)?;
        let buffers = std::mem::take(&mut *buffers);
        Some(InlinedPickle { body, buffers })
    }

    /// Finds the buffers of this pickler in the body of another pickler. Returns None if any buffer
    /// is missing.
    fn within(&self, body: &InlinedPickle) -> Option<BufferSpans> {
        let place = |buffer: &PyUntypedBuffer| {
            let is_same = |other: &PyUntypedBuffer| {
                other.buf_ptr() == buffer.buf_ptr() && other.len_bytes() == buffer.len_bytes()
            };
            Some(body.body.spans[body.buffers.iter().position(is_same)?])
        };
        let spans = self.lock().iter().map(place).collect::<Option<_>>()?;
        Some(BufferSpans { spans })
    }
}

impl BufferCollector {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<PyUntypedBuffer>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The positions of the buffers of a pickle in a body.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct BufferSpans {
    pub(crate) spans: Vec<Span>,
}

/// A pickle with its buffers in band and aligned. The buffers are not copied.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct InlinedPickle {
    body: Body,
    buffers: Vec<PyUntypedBuffer>,
}

#[pymethods]
impl InlinedPickle {
    /// The positions of the buffers in the pickle.
    #[getter]
    fn spans(&self) -> BufferSpans {
        BufferSpans { spans: self.body.spans.clone() }
    }

    /// The total size of the buffers in bytes.
    #[getter]
    fn buffered(&self) -> usize {
        self.buffers.iter().map(PyUntypedBuffer::len_bytes).sum()
    }

    /// Joins the pieces to one `bytes` object.
    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.pieces().concat())
    }
}

impl InlinedPickle {
    pub(crate) fn pieces(&self) -> Vec<&[u8]> {
        let buffers: Vec<_> = self.buffers.iter().map(contiguous).collect();
        self.body.pieces(&buffers)
    }
}
