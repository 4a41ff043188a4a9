//! ArrayBytes memory: the elements of an array in C order, whatever its strides.

use std::slice;

use funes_core::encode::Sealed;
use funes_core::tags;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;

use crate::hash::walk::{DETACH_SIZE, Walk};
use crate::hash::walk_error::{WalkError, Walked};

/// What a rule gives for an object whose memory counts, byte for byte, and nothing else of it does.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct ArrayBytes {
    owner: Py<PyAny>,
}

#[pymethods]
impl ArrayBytes {
    #[new]
    fn new(owner: Py<PyAny>) -> Self {
        Self { owner }
    }
}

/// How much of a strided array is gathered at a time, in bytes: enough for every core, little beside the array.
const BLOCK: usize = 4 << 20;

impl<'py> Walk<'py> {
    pub(crate) fn raw(&mut self, raw: &Bound<'py, ArrayBytes>) -> Walked {
        let owner = raw.get().owner.bind(self.py);
        let buffer =
            PyUntypedBuffer::get(owner).map_err(|error| WalkError::raised(self.py, "asking for its memory", error))?;
        if buffer.suboffsets().is_some_and(|offsets| offsets.iter().any(|&offset| offset >= 0)) {
            return Err(WalkError::refused("its memory is scattered (suboffsets)"));
        }
        let length = buffer.len_bytes();
        let encoder = &mut self.encoder;
        let mut write = || {
            if buffer.is_c_contiguous() {
                encoder.blob(tags::BUFFER, contiguous(&buffer))
            } else {
                encoder.blob_in_pieces(tags::BUFFER, length, |feed| gather(&buffer, feed))
            }
        };
        let _: Sealed = if length < DETACH_SIZE { write() } else { self.py.detach(write) };
        Ok(())
    }
}

/// The memory of a contiguous buffer.
pub(crate) fn contiguous(buffer: &PyUntypedBuffer) -> &[u8] {
    if buffer.len_bytes() == 0 {
        // An empty buffer may have no address.
        return &[];
    }
    // SAFETY: the buffer is contiguous, so `len_bytes` bytes lie at `buf_ptr`; the export keeps them there as long as
    // `buffer` lives: an exporter must not move or free exported memory. Another thread that writes to it meanwhile
    // makes a data race, which the rules of Rust do not allow. It is accepted, as numpy accepts it: the digest is then of
    // neither state, like any result computed from an array in use, and each byte read is a valid value.
    unsafe { slice::from_raw_parts(buffer.buf_ptr().cast(), buffer.len_bytes()) }
}

/// Feeds the elements of a strided buffer in C order.
fn gather(buffer: &PyUntypedBuffer, feed: &mut dyn FnMut(&[u8])) {
    let mut gathered = Gathered {
        shape: buffer.shape(),
        strides: buffer.strides(),
        item: buffer.item_size(),
        block: Vec::with_capacity(BLOCK.min(buffer.len_bytes())),
        feed,
    };
    if buffer.len_bytes() > 0 {
        gathered.dimension(0, buffer.buf_ptr().cast());
    }
    if !gathered.block.is_empty() {
        (gathered.feed)(&gathered.block);
    }
}

struct Gathered<'a> {
    shape: &'a [usize],
    strides: &'a [isize],
    item: usize,
    block: Vec<u8>,
    feed: &'a mut dyn FnMut(&[u8]),
}

impl Gathered<'_> {
    /// The elements below index `start` of the dimensions before `axis`.
    fn dimension(&mut self, axis: usize, start: *const u8) {
        let count = self.shape[axis];
        let stride = self.strides[axis];
        let is_last = axis + 1 == self.shape.len();
        for index in 0..count {
            // An offset within one allocation, which never exceeds `isize::MAX`.
            let place = start.wrapping_offset(index.cast_signed() * stride);
            if !is_last {
                self.dimension(axis + 1, place);
                continue;
            }
            // SAFETY: `index` is below the length of each dimension, so the element lies inside the exported memory,
            // which stays as long as the buffer does; see `contiguous` for other threads.
            let element = unsafe { slice::from_raw_parts(place, self.item) };
            self.block.extend_from_slice(element);
            if self.block.len() + self.item > BLOCK {
                (self.feed)(&self.block);
                self.block.clear();
            }
        }
    }
}
