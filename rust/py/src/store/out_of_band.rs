//! The portable and the fast form of one pickle, made while the arrays in it stay where they are.

use std::sync::{Mutex, PoisonError};

use funes_core::pickle::Body;
use funes_core::store::Span;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::hash::buffer::contiguous;

/// From this size on a buffer stands for itself in a file. A smaller one is copied in less time than a page fault takes.
const LARGE: usize = 32 << 10;

/// A `buffer_callback` for a pickler: it keeps large buffers out of band, and leaves the others in it.
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

    /// Whether the pickler is to write the buffer itself.
    fn __call__(&self, buffer: &Bound<'_, PyAny>) -> bool {
        match PyUntypedBuffer::get(buffer) {
            Ok(buffer) if buffer.len_bytes() >= LARGE && buffer.is_c_contiguous() | buffer.is_fortran_contiguous() => {
                self.lock().push(buffer);
                false
            }
            _ => true,
        }
    }

    fn __len__(&self) -> usize {
        self.lock().len()
    }

    /// The body of an entry, from the stream that a pickler wrote with this callback. None if it cannot be made.
    fn body(&self, stream: &[u8]) -> Option<InlinedPickle> {
        let mut buffers = self.lock();
        let lengths: Vec<_> = buffers.iter().map(PyUntypedBuffer::len_bytes).collect();
        let body = Body::of(stream, &lengths)?;
        let buffers = std::mem::take(&mut *buffers);
        Some(InlinedPickle { body, buffers })
    }

    /// Where the buffers of this pickler lie in a body that another one has given; None if it lacks one.
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

/// Where the buffers of a pickle lie in a body.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct BufferSpans {
    pub(crate) spans: Vec<Span>,
}

/// A pickle with its buffers in band, aligned. They are not copied.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct InlinedPickle {
    body: Body,
    buffers: Vec<PyUntypedBuffer>,
}

#[pymethods]
impl InlinedPickle {
    /// Where the buffers lie.
    #[getter]
    fn spans(&self) -> BufferSpans {
        BufferSpans { spans: self.body.spans.clone() }
    }

    /// How many of the bytes are buffers'.
    #[getter]
    fn buffered(&self) -> usize {
        self.buffers.iter().map(PyUntypedBuffer::len_bytes).sum()
    }

    /// The bytes, copied together.
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
