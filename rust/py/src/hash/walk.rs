//! Walks a Python value and writes each object to the encoder.
//!
//! This file dispatches over types, common types first. One file per kind of type writes the bytes.
//! Recursion is bounded by [`RECURSION_LIMIT`]: a deeper part leaves a hole, and is walked later
//! from a queue. Cycles are detected only from [`TRACKING_DEPTH`] on.

mod composites;
mod definitions;

use funes_core::digest::Digest;
use funes_core::domain::Domain;
use funes_core::encode::{Boundary, Encoder};
use funes_core::tags;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyEllipsis, PyFrozenSet, PyInt, PyList, PyNotImplemented, PySet,
    PyString, PyTuple,
};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::definition::graph::Definition;
use crate::hash::buffer::ArrayBytes;
pub(crate) use crate::hash::walk::composites::Composite;
use crate::hash::walk::composites::{Deep, Met, here};
pub(crate) use crate::hash::walk::definitions::{Definitions, Digests};
use crate::hash::walk_error::{WalkError, Walked};

/// A walk in progress.
pub(crate) struct Walk<'py> {
    pub(crate) py: Python<'py>,
    pub(crate) encoder: Encoder,
    pub(crate) definitions: Definitions<'py>,
    /// Boundaries of the children of open unordered composites, those of the innermost last.
    pub(crate) boundaries: SmallVec<[Boundary; 8]>,
    /// State that few walks need.
    pub(crate) rare: Option<Box<Rare<'py>>>,
    /// The definitions of functions and classes in the value that were not known before.
    pub(crate) found: Found<'py>,
    /// The parts of code that functions in the value inspect.
    pub(crate) read_parts: ReadParts,
    /// The number of third-party objects that enclose the current object.
    pub(crate) third_party_depth: usize,
    /// True if a third-party object was not written as a full value since this was last reset.
    pub(crate) is_abridged: bool,
    /// Parts that were written already, by address. `kept` holds them so that no address is reused.
    memo: FxHashMap<Address, Met>,
    kept: SmallVec<[Bound<'py, PyAny>; 4]>,
    /// The number of opened composites.
    opened: u32,
    /// The number of composites that were not written inline.
    sealed: u32,
    depth: usize,
    /// The address at which the stack ends.
    stack_end: usize,
}

/// Definitions that a walk found; most values have at most four.
pub(crate) type Found<'py> = SmallVec<[Bound<'py, Definition>; 4]>;

/// State that few walks need, made on demand.
#[derive(Default)]
pub(crate) struct Rare<'py> {
    /// Names of objects that were written by name since this was last emptied.
    pub(crate) names: Vec<String>,
    /// Warnings about parts that were left out or not hashed in full.
    pub(crate) warnings: Vec<String>,
    /// Classes that have a weak container, by address, with the reason to refuse their instances.
    pub(crate) weak_containers: FxHashMap<Address, String>,
    /// The position of the walk, once the value turned out to be deep.
    deep: Option<Deep<'py>>,
}

/// The parts of code that code inspects (docstrings, names, ...), as bits: `ReadParts` in
/// `funes/_code/node.py`.
pub(crate) type ReadParts = u8;

/// The address of an object as a number; it is only compared.
pub(crate) type Address = usize;

pub(crate) fn address_of(object: &Bound<'_, PyAny>) -> Address {
    object.as_ptr() as Address
}

impl<'py> Walk<'py> {
    #[inline]
    pub(crate) fn new(py: Python<'py>, definitions: Definitions<'py>) -> Self {
        Self {
            py,
            encoder: Encoder::new(),
            boundaries: SmallVec::new(),
            rare: if definitions.have_changes() { Some(Box::default()) } else { None },
            definitions,
            found: SmallVec::new(),
            third_party_depth: 0,
            is_abridged: false,
            memo: FxHashMap::default(),
            read_parts: 0,
            kept: SmallVec::new(),
            opened: 0,
            sealed: 0,
            depth: 0,
            stack_end: stacker::remaining_stack().map_or(0, |remaining| here().saturating_sub(remaining)),
        }
    }

    /// Returns the state that few walks need, and makes it if necessary.
    #[cold]
    pub(crate) fn rare(&mut self) -> &mut Rare<'py> {
        self.rare.get_or_insert_default()
    }

    /// Calls `write`, and calls it a second time if the value turns out to be deep.
    pub(crate) fn run(&mut self, mut write: impl FnMut(&mut Self) -> Walked) -> Walked {
        // The loop contains the only call of `write`, so that the compiler inlines it.
        while let Err(stop) = write(self) {
            if !matches!(stop, WalkError::Deep) || self.deep().is_some() {
                return Err(stop);
            }
            *self = Self::new(self.py, self.definitions.anew());
            self.rare().deep = Some(Deep::default());
        }
        if matches!(self.definitions, Definitions::Settled { .. }) && !self.encoder.fill_holes() {
            return Err(entangled());
        }
        Ok(())
    }

    /// Writes one top-level object, including the parts that are too deep for recursion.
    pub(crate) fn whole(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        self.walk(object)?;
        if self.rare.is_some() { self.walk_deferred() } else { Ok(()) }
    }

    /// Writes one object.
    pub(crate) fn walk(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        if let Ok(text) = object.cast_exact::<PyString>() {
            self.text(text)
        } else if self.number(object) {
            Ok(())
        } else if let Ok(int) = object.cast_exact::<PyInt>() {
            self.big_int(int)
        } else if object.is_none() {
            self.encoder.atom(tags::NONE);
            Ok(())
        } else if let Ok(truth) = object.cast_exact::<PyBool>() {
            self.encoder.atom(if truth.is_true() { tags::TRUE } else { tags::FALSE });
            Ok(())
        } else if let Ok(tuple) = object.cast_exact::<PyTuple>() {
            self.tuple(tuple)
        } else if let Ok(list) = object.cast_exact::<PyList>() {
            self.list(list)
        } else if let Ok(dict) = object.cast_exact::<PyDict>() {
            self.dict(dict)
        } else {
            self.rarer(object)
        }
    }

    #[inline(never)]
    fn rarer(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            self.blob(object, tags::BYTES, bytes.as_bytes());
            Ok(())
        } else if object.is_exact_instance_of::<PySet>() {
            self.set(object, tags::SET)
        } else if object.is_exact_instance_of::<PyFrozenSet>() {
            self.set(object, tags::FROZENSET)
        } else if let Ok(complex) = object.cast_exact::<PyComplex>() {
            self.encoder.complex(complex.real(), complex.imag());
            Ok(())
        } else if let Ok(bytearray) = object.cast_exact::<PyByteArray>() {
            // Copied first: another thread may resize it once the interpreter lock is released.
            self.encoder.blob(tags::BYTEARRAY, &bytearray.to_vec());
            Ok(())
        } else if let Ok(bytes) = object.cast_exact::<ArrayBytes>() {
            self.array_bytes(bytes)
        } else if object.is(PyEllipsis::get(self.py)) {
            self.encoder.atom(tags::ELLIPSIS);
            Ok(())
        } else if object.is(PyNotImplemented::get(self.py)) {
            self.encoder.atom(tags::NOT_IMPLEMENTED);
            Ok(())
        } else {
            self.object(object)
        }
    }

    /// Writes bytes; releases the interpreter lock if there are many.
    #[inline]
    pub(crate) fn blob(&mut self, owner: &Bound<'py, PyAny>, tag: u8, bytes: &[u8]) {
        if bytes.len() < DETACH_SIZE {
            self.encoder.blob(tag, bytes);
        } else {
            self.large_blob(owner, tag, bytes);
        }
    }

    #[cold]
    fn large_blob(&mut self, owner: &Bound<'py, PyAny>, tag: u8, bytes: &[u8]) {
        if self.put_met(address_of(owner)) {
            return;
        }
        let encoder = &mut self.encoder;
        let sealed = self.py.detach(|| encoder.blob(tag, bytes));
        self.remember(owner, Met::Sealed(sealed));
    }

    /// Keeps an object alive during the walk, so that its address is not reused.
    pub(crate) fn keep(&mut self, object: Bound<'py, PyAny>) {
        self.kept.push(object);
    }

    /// Returns the digest of the written bytes.
    pub(crate) fn finish(self, domain: Domain) -> Digest {
        self.encoder.finish(domain)
    }
}

/// Refuses a value if it has so many similar parts that refer to each other that they cannot be
/// ordered.
#[cold]
pub(crate) fn entangled() -> WalkError {
    WalkError::refused("too many similar parts of it refer to each other")
}

/// The number of bytes from which the interpreter lock is released while they are hashed. 64 KiB
/// take about 20 us; releasing and reacquiring the lock takes a few us.
pub(crate) const DETACH_SIZE: usize = 64 << 10;
