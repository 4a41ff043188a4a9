//! The key of a call in the direct table: the arguments by exact type and value.

#[cfg(all(Py_3_12, target_pointer_width = "64"))]
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};

use crate::call::call_args::CallArgs;
use crate::hash::scalars::{small, utf8};

/// The number of arguments that a key may have.
pub(crate) const LIMIT: usize = 4;

/// The arguments of a call, without the texts and names, of which it only has the number and a hash.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Key {
    /// The kinds of the arguments, one byte each, and their numbers by position and by name.
    shape: u64,
    words: [u64; LIMIT],
}

/// The kinds of arguments: single bits, so that a mask tells whether a text is among them.
const CONSTANT: u64 = 1;
const INT: u64 = 2;
const FLOAT: u64 = 4;
const TEXT: u64 = 8;
const TEXTS: u64 = TEXT * 0x0101_0101;

/// What a key does not have: the texts and the names of a call.
#[derive(Default)]
pub(crate) struct Objects {
    texts: [Option<Py<PyString>>; LIMIT],
    names: [Option<Py<PyAny>>; LIMIT],
}

impl Key {
    /// Returns the key of a call and a hash of it. None if an argument is not a scalar, or if there are too many.
    #[inline]
    pub(crate) fn of(call_args: &CallArgs<'_, '_>) -> Option<(Self, u64)> {
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let (by_position, by_name) = (call_args.positional.len() as u64, call_args.values.len() as u64);
        if by_position + by_name > LIMIT as u64 {
            return None;
        }
        let mut key = Self { shape: by_position << 32 | by_name << 40, words: [0; LIMIT] };
        let mut hash = 0_u64;
        let mut add = |place: usize, value| {
            let (kind, word) = kind_and_word(value)?;
            key.shape |= kind << (8 * place);
            key.words[place % LIMIT] = word;
            hash = (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR);
            Some(())
        };
        // Two loops are faster than one over a chain.
        for (place, value) in call_args.positional.iter().enumerate() {
            add(place, value)?;
        }
        for (place, value) in call_args.values.iter().enumerate() {
            add(call_args.positional.len() + place, value)?;
        }
        Some((key, hash))
    }

    /// Returns whether an argument is a text.
    #[inline]
    fn has_texts(&self) -> bool {
        self.shape & TEXTS != 0
    }
}

impl Objects {
    /// Returns the texts and names of a call with this key.
    pub(crate) fn of(call_args: &CallArgs<'_, '_>) -> Self {
        let mut objects = Self::default();
        for (text, value) in objects.texts.iter_mut().zip(given(call_args)) {
            *text = value.cast_exact::<PyString>().ok().map(|text| text.clone().unbind());
        }
        for (present, name) in objects.names.iter_mut().zip(call_args.names) {
            *present = Some(name.clone().unbind());
        }
        objects
    }

    /// Returns whether a call whose key is the same has the same texts and names.
    #[inline]
    pub(crate) fn are_of(&self, key: &Key, call_args: &CallArgs<'_, '_>) -> bool {
        (!key.has_texts() || self.have_texts(call_args)) && (call_args.names.is_empty() || self.have_names(call_args))
    }

    #[inline]
    fn have_texts(&self, call_args: &CallArgs<'_, '_>) -> bool {
        self.texts.iter().zip(given(call_args)).all(|(text, value)| {
            text.as_ref().is_none_or(|text| {
                let text = text.bind(value.py());
                text.is(value) || is_same(text, value)
            })
        })
    }

    /// Names are interned, as a rule. An equal name that is another object only leads to the general path.
    #[inline]
    fn have_names(&self, call_args: &CallArgs<'_, '_>) -> bool {
        let is_same = |(own, name): (&Option<Py<PyAny>>, &Bound<'_, PyAny>)| {
            own.as_ref().is_some_and(|own| own.as_ptr() == name.as_ptr())
        };
        self.names.iter().zip(call_args.names).all(is_same)
    }

    /// Releases the objects. PyO3 need not know that the thread is attached.
    pub(crate) fn release(self, py: Python<'_>) {
        for text in self.texts.into_iter().flatten() {
            drop(text.into_bound(py));
        }
        for name in self.names.into_iter().flatten() {
            drop(name.into_bound(py));
        }
    }
}

#[inline]
fn given<'a, 'py>(call_args: &CallArgs<'a, 'py>) -> impl Iterator<Item = &'a Bound<'py, PyAny>> {
    call_args.positional.iter().chain(call_args.values)
}

/// Returns the kind and the value of a scalar. Different values of a kind have different words, except texts.
#[inline]
fn kind_and_word(value: &Bound<'_, PyAny>) -> Option<(u64, u64)> {
    if let Ok(int) = value.cast_exact::<PyInt>() {
        Some((INT, value_of(int)?.cast_unsigned()))
    } else if let Ok(float) = value.cast_exact::<PyFloat>() {
        Some((FLOAT, float.value().to_bits()))
    } else if let Ok(text) = value.cast_exact::<PyString>() {
        Some((TEXT, sample(utf8(text)?)))
    } else if value.is_none() || value.is_exact_instance_of::<PyBool>() {
        // There is one object of each, which lives as long as the process.
        Some((CONSTANT, value.as_ptr().addr() as u64))
    } else {
        None
    }
}

/// Returns the value of an int if it fits 64 bits.
#[inline]
fn value_of(int: &Bound<'_, PyInt>) -> Option<i64> {
    // The interpreter keeps the absolute value of a small int in one digit of 30 bits, behind its sign and the number of
    // its digits.
    #[cfg(all(Py_3_12, target_pointer_width = "64"))]
    {
        #[repr(C)]
        struct Long {
            base: ffi::PyObject,
            tag: usize,
            digit: u32,
        }
        // SAFETY: an int has this layout from 3.12 on, and space for at least one digit. An int does not change. If the
        // interpreter was built with digits of 15 bits, then the value read is wrong, but it still differs for
        // different ints.
        let (tag, digit) = unsafe {
            let long = int.as_ptr().cast::<Long>();
            ((*long).tag, (*long).digit)
        };
        if tag < 16 {
            return Some((1 - (tag & 3).cast_signed() as i64) * i64::from(digit));
        }
    }
    small(int)
}

/// Compares a text with an argument of the same kind and hash.
#[inline(never)]
fn is_same(text: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> bool {
    value.cast_exact::<PyString>().is_ok_and(|value| utf8(value) == utf8(text))
}

/// Returns a hash of a text: of its length and some of its bytes.
#[inline]
fn sample(text: &[u8]) -> u64 {
    let length = text.len() as u64;
    let word = if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        let middle = text[text.len() / 2..].first_chunk::<8>().unwrap_or(last);
        let [first, middle, last] = [first, middle, last].map(|bytes| u64::from_le_bytes(*bytes));
        first ^ middle.rotate_left(21) ^ last.rotate_left(42)
    } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
    } else {
        text.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
    };
    word ^ length << 56
}
