//! Hashes array memory: the elements in C order, for any strides.

use std::slice;

use funes_core::encode::Sealed;
use funes_core::tags;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::prelude::*;

use crate::hash::walk::{DETACH_SIZE, Walk};
use crate::hash::walk_error::{WalkError, Walked};

/// The value that a type rule returns for an object of which only the memory counts, byte for byte.
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

/// Bytes of a strided array that are copied at a time: enough to use every core, little compared to
/// the array.
const BLOCK: usize = 4 << 20;

impl<'py> Walk<'py> {
    pub(crate) fn array_bytes(&mut self, array: &Bound<'py, ArrayBytes>) -> Walked {
        let owner = array.get().owner.bind(self.py);
        let buffer =
            PyUntypedBuffer::get(owner).map_err(|error| WalkError::raised(self.py, "reading its memory", error))?;
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
    // SAFETY: the buffer is contiguous, so there are `len_bytes` bytes at `buf_ptr`. They stay
    // there while `buffer` lives: an exporter must not move or free exported memory. A thread that
    // writes to the memory meanwhile causes a data race, which Rust does not allow. It is accepted
    // here, as numpy accepts it: each byte that is read is a valid value, and the digest then
    // describes neither state, like any result that is computed from an array in use.
    unsafe { slice::from_raw_parts(buffer.buf_ptr().cast(), buffer.len_bytes()) }
}

/// Feeds the elements of a strided buffer in C order.
fn gather(buffer: &PyUntypedBuffer, feed: &mut dyn FnMut(&[u8])) {
    let mut gatherer = Gatherer {
        shape: buffer.shape(),
        strides: buffer.strides(),
        item: buffer.item_size(),
        block: Vec::with_capacity(BLOCK.min(buffer.len_bytes())),
        feed,
    };
    if buffer.len_bytes() > 0 {
        gatherer.dimension(0, buffer.buf_ptr().cast());
    }
    if !gatherer.block.is_empty() {
        (gatherer.feed)(&gatherer.block);
    }
}

struct Gatherer<'a> {
    shape: &'a [usize],
    strides: &'a [isize],
    item: usize,
    block: Vec<u8>,
    feed: &'a mut dyn FnMut(&[u8]),
}

impl Gatherer<'_> {
    /// Copies the elements of dimension `axis` and the following ones, which begin at `start`.
    fn dimension(&mut self, axis: usize, start: *const u8) {
        let count = self.shape[axis];
        let stride = self.strides[axis];
        let is_last = axis + 1 == self.shape.len();
        for index in 0..count {
            // The offset stays within one allocation, which never exceeds `isize::MAX` bytes.
            let place = start.wrapping_offset(index.cast_signed() * stride);
            if !is_last {
                self.dimension(axis + 1, place);
                continue;
            }
            // SAFETY: `index` is below the length of each dimension, so the element is inside the
            // exported memory, which stays while the buffer lives. See `contiguous` for threads
            // that write to it.
            let element = unsafe { slice::from_raw_parts(place, self.item) };
            self.block.extend_from_slice(element);
            if self.block.len() + self.item > BLOCK {
                (self.feed)(&self.block);
                self.block.clear();
            }
        }
    }
}
