//! The bytes of an entry as Python sees them: memory that arrays can lie in.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::ptr::NonNull;

use funes_core::store::{Entry, Footer, Held, Span};
use memmap2::{MmapMut, MmapOptions};
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyMemoryView;

/// The bytes of one entry for one reader, which may write to them: a private map of the file, or a copy of it. No other
/// reader sees what it writes, and the file does not change.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct EntryBuffer {
    /// Owns the memory behind `address`; it is never used again.
    _held: Held,
    address: NonNull<u8>,
    length: usize,
}

/// Maps the start of a file for one reader.
pub(crate) fn map(file: &File, length: usize) -> io::Result<MmapMut> {
    // SAFETY: entries are never changed in place, so the pages behind the map stay what they are; one that is deleted
    // stays until the map has gone. A person who cuts off the file in use is the exception: the process dies by
    // SIGBUS, as docs/guarantees.md says.
    unsafe { MmapOptions::new().len(length).map_copy(file) }
}

// SAFETY: the address is that of memory that this object owns: it moves with the object to another thread, and is not
// moved or freed before the last export has gone. Threads share bytes as those of a bytearray: see `bytes` on races.
unsafe impl Send for EntryBuffer {}
// SAFETY: as above.
unsafe impl Sync for EntryBuffer {}

impl EntryBuffer {
    /// The body of what the store has found, and its footer.
    pub(crate) fn of(entry: Entry) -> (Self, Footer) {
        let length = entry.body().len();
        let (mut held, footer) = entry.into_parts();
        let address = NonNull::from(match &mut held {
            Held::Bytes(bytes) => &mut bytes[..],
            Held::Mapped(map) => &mut map[..],
        });
        (Self { _held: held, address: address.cast(), length }, footer)
    }

    /// The bytes as they are now.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `length` bytes lie there as long as `self` lives. A Python thread that writes into a view of them
        // meanwhile makes a data race, which the rules of Rust do not allow. It is accepted here, as in every extension
        // that reads memory lent by the buffer protocol: the reader gets old or new bytes, and each is a valid value.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.length) }
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
        let filled =
            unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), this.address.as_ptr().cast(), length, 0, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
