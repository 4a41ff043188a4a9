//! Hashes int, float and str.

use funes_core::tags;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyInt, PyString};

use crate::hash::walk::Walk;
use crate::hash::walk_error::{WalkError, Walked};

impl<'py> Walk<'py> {
    /// Writes a float, or an int of 64 bits. Returns false if the object is neither. Loops over
    /// elements call this first: for a number, the call of `walk` costs as much as writing it.
    #[inline]
    pub(crate) fn number(&mut self, object: &Bound<'py, PyAny>) -> bool {
        if let Ok(float) = object.cast_exact::<PyFloat>() {
            self.encoder.float(float.value());
            true
        } else if let Ok(int) = object.cast_exact::<PyInt>()
            && let Some(small) = small(int)
        {
            self.encoder.int(small);
            true
        } else {
            false
        }
    }

    /// Writes an int of more than 64 bits.
    #[cold]
    pub(crate) fn big_int(&mut self, int: &Bound<'py, PyInt>) -> Walked {
        // `to_bytes` takes linear time and, unlike `str`, has no limit on the number of digits.
        let bytes = int
            .call_method0("bit_length")
            .and_then(|bits| bits.extract::<usize>())
            .and_then(|bits| int.call_method("to_bytes", (bits / 8 + 1, "little"), Some(&signed(self.py)?)))
            .map_err(|error| WalkError::raised(self.py, "reading an int", error))?;
        let bytes = bytes.cast_into::<PyBytes>().map_err(|_| WalkError::refused("an int without bytes"))?;
        self.encoder.big_int(bytes.as_bytes());
        Ok(())
    }

    #[inline]
    pub(crate) fn text(&mut self, text: &Bound<'py, PyString>) -> Walked {
        match utf8(text) {
            Some(bytes) => {
                self.blob(text.as_any(), tags::STR, bytes);
                Ok(())
            }
            None => self.surrogates(text),
        }
    }

    #[cold]
    fn surrogates(&mut self, text: &Bound<'py, PyString>) -> Walked {
        let bytes = text
            .call_method1("encode", ("utf-8", "surrogatepass"))
            .map_err(|error| WalkError::raised(self.py, "encoding a str", error))?;
        let bytes = bytes.cast_into::<PyBytes>().map_err(|_| WalkError::refused("a str without bytes"))?;
        self.encoder.blob(tags::STR, bytes.as_bytes());
        Ok(())
    }
}

/// Returns the UTF-8 bytes of a text; None if it has surrogates.
#[inline]
pub(crate) fn utf8<'a>(text: &'a Bound<'_, PyString>) -> Option<&'a [u8]> {
    // Most texts are ASCII, and then their characters are the bytes: 15 instructions fewer than a
    // call. From 3.14 on, PyO3 does not read these bits.
    #[cfg(all(target_endian = "little", not(Py_GIL_DISABLED)))]
    // SAFETY: `text` is a live str. An ASCII text has its characters behind the header, which do
    // not change as long as it is alive.
    unsafe {
        /// The bits `compact` and `ascii`.
        const COMPACT_ASCII: u32 = 0x60;
        let object = text.as_ptr().cast::<ffi::PyASCIIObject>();
        if (*object).state & COMPACT_ASCII == COMPACT_ASCII {
            return Some(std::slice::from_raw_parts(object.add(1).cast(), (*object).length.cast_unsigned()));
        }
    }
    encoded(text)
}

#[inline(never)]
fn encoded<'a>(text: &'a Bound<'_, PyString>) -> Option<&'a [u8]> {
    text.to_str().ok().map(str::as_bytes)
}

/// Returns the value of an int if it fits 64 bits.
#[inline]
pub(crate) fn small(int: &Bound<'_, PyInt>) -> Option<i64> {
    let mut overflow = 0;
    // SAFETY: `int` is an exact int, so no `__index__` of user code runs and no exception is set.
    // `overflow` outlives the call.
    let value = unsafe { ffi::PyLong_AsLongLongAndOverflow(int.as_ptr(), &raw mut overflow) };
    (overflow == 0).then_some(value)
}

fn signed(py: Python<'_>) -> PyResult<Bound<'_, pyo3::types::PyDict>> {
    use pyo3::types::IntoPyDict as _;
    [("signed", true)].into_py_dict(py)
}
