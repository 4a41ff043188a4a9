//! The bytes of an entry as Python sees them: memory that arrays can lie in.

use std::cell::UnsafeCell;
use std::ffi::c_int;
use std::fs::File;
use std::io;

use funes_core::store::{Entry, Footer, Held, Span};
use memmap2::{MmapMut, MmapOptions};
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

/// The bytes of one entry, read for one reader, who may write to them: a private map of its file, or a copy of it. What
/// is written is seen by nobody else, and never reaches the file.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct EntryBuffer {
    bytes: UnsafeCell<Held>,
    length: usize,
}

/// Maps the start of a file for one reader.
pub(crate) fn map(file: &File, length: usize) -> io::Result<MmapMut> {
    // SAFETY: entries are never changed in place, so the pages behind the map stay what they are; one that is deleted
    // stays until the map has gone. A person who cuts off the file in use is the exception: the process dies by
    // SIGBUS, as docs/guarantees.md says.
    unsafe { MmapOptions::new().len(length).map_copy(file) }
}

// SAFETY: what is shared is bytes behind a buffer, as of a bytearray: Python's threads may race for them, which is theirs
// to avoid, as with any array. Nothing in here is moved or freed before the last export has gone.
unsafe impl Sync for EntryBuffer {}

impl EntryBuffer {
    /// The body of what the store has found, and its footer.
    pub(crate) fn of(entry: Entry) -> (Self, Footer) {
        let length = entry.body().len();
        let (held, footer) = entry.into_parts();
        (Self { bytes: UnsafeCell::new(held), length }, footer)
    }

    /// The bytes as they are now.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes lie there as long as `self` does. A thread of Python that writes into a view of them at the
        // same time races with the reader, as it does with any reader of an array; a byte has no invalid value.
        unsafe { std::slice::from_raw_parts(self.address(), self.length) }
    }

    /// A view of all of it.
    pub(crate) fn view<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(slf.as_any())
    }

    /// A view of one buffer.
    pub(crate) fn part<'py>(view: &Bound<'py, PyMemoryView>, span: Span) -> PyResult<Bound<'py, PyAny>> {
        let (start, end) = (span.offset, span.offset + span.length);
        view.get_item(pyo3::types::PySlice::new(view.py(), start.cast_signed() as isize, end.cast_signed() as isize, 1))
    }

    fn address(&self) -> *mut u8 {
        // SAFETY: nobody else has a reference to what is in the cell, but to the bytes that it leads to.
        match unsafe { &mut *self.bytes.get() } {
            Held::Bytes(bytes) => bytes.as_mut_ptr(),
            Held::Mapped(map) => map.as_mut_ptr(),
        }
    }
}

#[pymethods]
impl EntryBuffer {
    /// Lends the bytes. The view keeps this object alive, and with it the bytes, which stay where they are.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("there is no view to fill"));
        }
        let this = slf.get();
        let length = this.length.cast_signed();
        // SAFETY: `view` is the interpreter's to fill; the address and length are those of memory that lives as long as
        // `slf`, to which the view gets a reference.
        let filled = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), this.address().cast(), length, 0, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
