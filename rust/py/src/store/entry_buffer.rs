//! Lends the bytes of an entry to Python, so that arrays can use the memory without a copy.

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

/// The bytes of one entry for one reader: a private map of the file, or a copy of its content. The
/// reader may write to these bytes, which changes neither the file nor the bytes of other readers.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct EntryBuffer {
    /// The owner of the memory at `address`. Nothing reads it; it keeps the memory alive.
    _held: Held,
    address: NonNull<u8>,
    length: usize,
}

/// Maps the start of a file for one reader.
pub(crate) fn map(file: &File, length: usize) -> io::Result<MmapMut> {
    // SAFETY: entries are never changed in place, so the mapped pages do not change. The pages of a
    // deleted file exist until the file is unmapped. If another program truncates the file while it
    // is mapped, the process ends with SIGBUS, as docs/guarantees.md says.
    unsafe { MmapOptions::new().len(length).map_copy(file) }
}

// SAFETY: this object owns the memory at the address. The memory is neither moved nor freed before
// the last view is released, whichever thread holds the object. For data races see `bytes`.
unsafe impl Send for EntryBuffer {}
// SAFETY: as above.
unsafe impl Sync for EntryBuffer {}

impl EntryBuffer {
    /// Moves the body of an entry into a buffer, and returns the buffer and the footer.
    pub(crate) fn of(entry: Entry) -> (Self, Footer) {
        let length = entry.body().len();
        let (mut held, footer) = entry.into_parts();
        let address = NonNull::from(match &mut held {
            Held::Bytes(bytes) => &mut bytes[..],
            Held::Mapped(map) => &mut map[..],
        });
        (Self { _held: held, address: address.cast(), length }, footer)
    }

    /// Returns the current bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `length` bytes are valid at the address while `self` lives. A Python thread that
        // writes to a view meanwhile causes a data race, which Rust does not allow. It is accepted
        // here, as in every extension that reads memory lent by the buffer protocol: the reader
        // gets old or new bytes, and each is a valid value.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.length) }
    }

    /// Makes a view of all bytes.
    pub(crate) fn view<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(slf.as_any())
    }

    /// Makes a view of one buffer.
    pub(crate) fn part<'py>(view: &Bound<'py, PyMemoryView>, span: Span) -> PyResult<Bound<'py, PyAny>> {
        let (start, end) = (span.offset, span.offset + span.length);
        view.get_item(pyo3::types::PySlice::new(view.py(), start.cast_signed() as isize, end.cast_signed() as isize, 1))
    }
}

#[pymethods]
impl EntryBuffer {
    /// Lends the bytes. The view keeps this object alive, and with it the bytes, which do not move.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("there is no view to fill"));
        }
        let this = slf.get();
        let length = this.length.cast_signed();
        // SAFETY: `view` is not null, and the interpreter lets this function fill it. The memory at
        // the address lives as long as `slf`, to which the view gets a reference.
        let filled =
            unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), this.address.as_ptr().cast(), length, 0, flags) };
        if filled == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}
