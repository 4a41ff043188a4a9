//! Walks a Python value and writes each object to the encoder.
//!
//! This file dispatches over types, common types first; one file per kind of type says what is
//! written. Recursion is bounded by [`RECURSION_LIMIT`]: a deeper part leaves a hole, and is walked
//! later from a queue. Cycles are detected only from [`TRACKING_DEPTH`] on.

use std::collections::VecDeque;
use std::sync::Arc;

use funes_core::digest::Digest;
use funes_core::domain::Domain;
use funes_core::encode::{Boundary, Encoder, Mark, Sealed};
use funes_core::graph::NodeId;
use funes_core::tags;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyComplex, PyDict, PyEllipsis, PyFrozenSet, PyInt, PyList, PyNotImplemented, PySet,
    PyString, PyTuple,
};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::definition::changed_state;
use crate::definition::graph::{Attributes, Definition, Described};
use crate::hash::buffer::ArrayBytes;
use crate::hash::walk_error::{WalkError, Walked};

/// The maximum nesting depth of a value. It stops the walk of an object whose reduction creates new
/// objects forever.
const DEPTH_LIMIT: usize = 10_000;

/// The number of levels that are walked by recursion.
const RECURSION_LIMIT: usize = 900;

/// The number of opened composites between two checks for signals.
const SIGNAL_STEP: u32 = 1 << 12;

/// Stack space in bytes that recursion leaves free. A level of the walk takes about one KiB; Python
/// code that runs for an object (`__reduce__`) needs space too.
const STACK_RESERVE: usize = 64 << 10;

/// Stack space in bytes that must be free before the first level: a type rule of user code may call
/// `hash_value` recursively. It is less than [`STACK_RESERVE`], so that a short value can be hashed
/// on a small stack.
const FIRST_STACK_RESERVE: usize = 32 << 10;

/// The depth from which a value may be cyclic, so that the walk tracks open objects.
const TRACKING_DEPTH: usize = 40;

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
    pub(crate) reads: Reading,
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
    pub(crate) doubts: Vec<String>,
    /// Classes that have a weak container, by address, with the reason to refuse their instances.
    pub(crate) weakly: FxHashMap<Address, String>,
    /// The position of the walk, once the value turned out to be deep.
    deep: Option<Deep<'py>>,
}

/// The position of a walk in a deep value.
#[derive(Default)]
struct Deep<'py> {
    /// The objects between the root and the current one, with the node of those that contain
    /// themselves.
    open: FxHashMap<Address, Option<NodeId>>,
    /// Parts that are too deep for recursion.
    deferred: VecDeque<Deferred<'py>>,
    /// The number of levels above the first level of the recursion.
    above: usize,
    /// The node that is reserved for the next composite.
    filling: Option<NodeId>,
}

/// The output for a part that was written before.
enum Met {
    Sealed(Sealed),
    /// The bytes of a part that is written inline but has large parts.
    Inline(Box<[u8]>),
}

/// A part that will be walked later.
struct Deferred<'py> {
    object: Bound<'py, PyAny>,
    /// The hole that it fills.
    node: NodeId,
    /// The number of levels above it.
    above: usize,
}

/// Digests of functions and classes, by address.
pub(crate) type Digests = Arc<FxHashMap<Address, Digest>>;

/// The parts of code that code inspects (docstrings, names, ...), as bits: `Reading` in
/// `funes/_code/node.py`.
pub(crate) type Reading = u8;

/// The address of an object as a number; it is only compared.
pub(crate) type Address = usize;

pub(crate) fn address_of(object: &Bound<'_, PyAny>) -> Address {
    object.as_ptr() as Address
}

/// How a walk writes functions and classes of user code.
pub(crate) enum Definitions<'py> {
    /// Writes their digests, which separate walks compute.
    Settled {
        known: Option<Digests>,
        /// Digests that this walk has looked up.
        met: FxHashMap<Address, Digest>,
        /// The most recent lookup: instances of one class often follow each other.
        last: Option<(Address, Digest)>,
        /// The parts of code that the function that receives the value inspects.
        reading: Reading,
    },
    /// Leaves holes for them and describes them later from a queue, so that a chain of helpers
    /// needs no recursion.
    Open {
        nodes: FxHashMap<Address, NodeId>,
        queue: VecDeque<Described<'py>>,
        /// The parts of code that the code of the graph inspects.
        reading: Reading,
        /// The attributes of memorious functions that were replaced by their wrapped functions.
        watched: Vec<Attributes<'py>>,
        /// The objects of the nodes.
        objects: FxHashMap<NodeId, Bound<'py, PyAny>>,
        /// True if calls have changed state that counts as it was before them.
        has_changes: bool,
    },
}

impl Definitions<'_> {
    /// Makes the variant that writes digests; `known` has the ones that are known already.
    pub(crate) fn settled(known: Option<Digests>, reading: Reading) -> Self {
        Self::Settled { known, met: FxHashMap::default(), last: None, reading }
    }

    /// Makes the variant that describes definitions as they are found.
    pub(crate) fn open(reading: Reading) -> Self {
        Self::Open {
            nodes: FxHashMap::default(),
            queue: VecDeque::new(),
            reading,
            watched: Vec::new(),
            objects: FxHashMap::default(),
            has_changes: changed_state::are_any(),
        }
    }

    /// Returns whether the value contains a function or class of user code.
    pub(crate) fn met_own_code(&self) -> bool {
        match self {
            Self::Settled { met, last, .. } => last.is_some() || !met.is_empty(),
            Self::Open { nodes, .. } => !nodes.is_empty(),
        }
    }

    /// True if calls have changed state that counts as it was before them.
    #[inline]
    fn have_changes(&self) -> bool {
        matches!(self, Self::Open { has_changes: true, .. })
    }

    /// Returns a copy in the initial state, for a second walk.
    fn anew(&self) -> Self {
        match self {
            Self::Settled { known, reading, .. } => Self::settled(known.clone(), *reading),
            Self::Open { reading, .. } => Self::open(*reading),
        }
    }
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
            reads: 0,
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

    /// Returns the position of the walk if the value is deep.
    #[inline]
    fn deep(&mut self) -> Option<&mut Deep<'py>> {
        self.rare.as_mut()?.deep.as_mut()
    }

    /// Calls `write`, and calls it a second time if the value turns out to be deep.
    pub(crate) fn run(&mut self, mut write: impl FnMut(&mut Self) -> Walked) -> Walked {
        // A loop has one call of `write`, so that it is inlined.
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

    #[cold]
    fn walk_deferred(&mut self) -> Walked {
        while let Some(deep) = self.deep()
            && let Some(Deferred { object, node, above }) = deep.deferred.pop_front()
        {
            deep.above = above;
            deep.filling = Some(node);
            let mark = self.encoder.mark();
            let walked = self.walk(&object);
            let is_closed = self.reserved().is_none();
            if let Some(deep) = self.deep() {
                deep.above = 0;
            }
            if let Err(stop) = walked {
                // A remembered part may refer to a hole that stays empty.
                if let Some(deep) = self.deep() {
                    deep.deferred.clear();
                }
                self.memo.clear();
                return Err(stop.at(|| format!(" ... ({above} levels) ... ")));
            }
            self.encoder.fill(mark, node, is_closed);
        }
        Ok(())
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

    /// Writes a composite, whose children `write` walks. Handles depth, cycles and parts that were
    /// written before.
    pub(crate) fn nested(
        &mut self,
        object: &Bound<'py, PyAny>,
        write: impl FnOnce(&mut Self) -> Walked<Composite>,
    ) -> Walked {
        self.composite(object, true, write)
    }

    /// Writes a composite like [`Walk::nested`]. `may_defer`: [`Walk::walk`] would write the same
    /// for the object, so it can be deferred.
    pub(crate) fn composite(
        &mut self,
        object: &Bound<'py, PyAny>,
        may_defer: bool,
        write: impl FnOnce(&mut Self) -> Walked<Composite>,
    ) -> Walked {
        if self.rare.is_some() {
            return self.composite_of_rare(object, may_defer, write);
        }
        if self.put_met(address_of(object)) {
            return Ok(());
        }
        if self.depth >= TRACKING_DEPTH {
            return Err(WalkError::Deep);
        }
        self.count_opened()?;
        if may_defer && self.is_too_deep() {
            return self.defer(object);
        }
        let start = self.encoder.boundary();
        let sealed_before = self.sealed;
        self.depth += 1;
        let written = write(self);
        self.depth -= 1;
        let sealed = self.end(written?, None);
        self.note_sealed(object, sealed, (start, sealed_before), false);
        Ok(())
    }

    /// Writes a composite if the value is deep, has parts to warn of, or depends on changed state.
    #[inline(never)]
    fn composite_of_rare(
        &mut self,
        object: &Bound<'py, PyAny>,
        may_defer: bool,
        write: impl FnOnce(&mut Self) -> Walked<Composite>,
    ) -> Walked {
        let address = address_of(object);
        let reserved = self.reserved();
        if self.is_written(object, reserved)? {
            return Ok(());
        }
        self.count_opened()?;
        if may_defer && self.is_too_deep() {
            return self.defer(object);
        }
        if let Some(deep) = self.deep() {
            deep.open.insert(address, reserved);
        }
        let start = self.encoder.boundary();
        let sealed_before = self.sealed;
        self.depth += 1;
        let written = write(self);
        self.depth -= 1;
        let node = self.deep().and_then(|deep| deep.open.remove(&address)).flatten();
        let sealed = self.end(written?, node);
        // A part that refers to itself is found again, whatever its reference count is.
        let is_cycle = matches!(sealed, Sealed::Node(_)) && self.deep().is_some();
        self.note_sealed(object, sealed, (start, sealed_before), is_cycle);
        Ok(())
    }

    /// Counts an opened composite, and checks for signals from time to time.
    #[inline]
    fn count_opened(&mut self) -> Walked {
        self.opened = self.opened.wrapping_add(1);
        if self.opened.is_multiple_of(SIGNAL_STEP) {
            self.py.check_signals().map_err(WalkError::interrupted)?;
        }
        Ok(())
    }

    /// Remembers a closed composite if it may be met again. `before`: the position and the number
    /// of sealed composites before it.
    #[inline]
    fn note_sealed(&mut self, object: &Bound<'py, PyAny>, sealed: Sealed, before: (Boundary, u32), is_cycle: bool) {
        let (start, sealed_before) = before;
        if sealed == Sealed::Inline {
            // The output is short, but its parts may have been long.
            if self.sealed != sealed_before && is_shared(object) {
                let short = self.encoder.since(start).into();
                self.remember(object, Met::Inline(short));
            }
            return;
        }
        self.sealed = self.sealed.wrapping_add(1);
        if is_cycle || is_shared(object) {
            self.remember(object, Met::Sealed(sealed));
        }
    }

    /// Writes a composite that was written before, that contains itself, or that counts as its
    /// state before a call. Returns false if none of these applies. `reserved`: the node that is
    /// reserved for it.
    #[inline(never)]
    fn is_written(&mut self, object: &Bound<'py, PyAny>, reserved: Option<NodeId>) -> Walked<bool> {
        let address = address_of(object);
        if reserved.is_none() && self.put_met(address) {
            return Ok(true);
        }
        if self.depth > 0
            && self.definitions.have_changes()
            && let Some(counted) = changed_state::counted_value(object)
        {
            self.replay(&counted)?;
            return Ok(true);
        }
        if let Some(deep) = self.rare.as_mut().and_then(|rare| rare.deep.as_mut()) {
            if let Some(node) = deep.open.get_mut(&address) {
                let node = *node.get_or_insert_with(|| self.encoder.reserve());
                self.encoder.put(Sealed::Node(node));
                return Ok(true);
            }
        } else if self.depth >= TRACKING_DEPTH {
            return Err(WalkError::Deep);
        }
        Ok(false)
    }

    /// Takes the node that is reserved for the next composite.
    #[inline]
    fn reserved(&mut self) -> Option<NodeId> {
        self.deep()?.filling.take()
    }

    /// Writes a part again if it was written before; else returns false.
    #[inline]
    fn put_met(&mut self, address: Address) -> bool {
        match self.memo.get(&address) {
            None => return false,
            Some(Met::Sealed(sealed)) => self.encoder.put(*sealed),
            Some(Met::Inline(bytes)) => self.encoder.put_short(bytes),
        }
        true
    }

    fn remember(&mut self, object: &Bound<'py, PyAny>, met: Met) {
        self.memo.insert(address_of(object), met);
        self.kept.push(object.clone());
    }

    /// Returns whether recursion must stop, because of its depth or the remaining stack space.
    #[inline]
    fn is_too_deep(&self) -> bool {
        let reserve = if self.depth == 0 { FIRST_STACK_RESERVE } else { STACK_RESERVE };
        self.depth >= RECURSION_LIMIT || here().saturating_sub(self.stack_end) < reserve
    }

    /// Leaves a hole for an object, which is walked after the recursion has ended.
    #[cold]
    fn defer(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        if self.depth == 0 {
            return Err(WalkError::refused("it is nested too deep for the free stack space of this thread"));
        }
        let Some(deep) = self.rare.as_mut().and_then(|rare| rare.deep.as_mut()) else { return Err(WalkError::Deep) };
        let above = deep.above + self.depth;
        if above >= DEPTH_LIMIT {
            return Err(WalkError::refused(format!("it is nested more than {DEPTH_LIMIT} levels deep")));
        }
        let node = self.encoder.reserve();
        self.encoder.put(Sealed::Node(node));
        deep.deferred.push_back(Deferred { object: object.clone(), node, above });
        self.remember(object, Met::Sealed(Sealed::Node(node)));
        Ok(())
    }

    /// Closes a composite.
    pub(crate) fn end(&mut self, composite: Composite, cycle: Option<NodeId>) -> Sealed {
        let Some(first) = composite.first_boundary else { return self.encoder.end(composite.mark, cycle) };
        let sealed = self.encoder.end_unordered(composite.mark, &self.boundaries[first..], cycle);
        self.boundaries.truncate(first);
        sealed
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

/// Returns the current address of the stack.
#[inline]
fn here() -> usize {
    let place = 0_u8;
    (&raw const place).addr()
}

/// Refuses a value with too many similar parts that refer to each other to order them.
#[cold]
pub(crate) fn entangled() -> WalkError {
    WalkError::refused("too many similar parts of it refer to each other")
}

/// The number of bytes from which the interpreter lock is released while they are hashed. 64 KiB
/// take about 20 us; releasing and reacquiring the lock takes a few us.
pub(crate) const DETACH_SIZE: usize = 64 << 10;

/// A composite that was written and must be closed.
pub(crate) struct Composite {
    pub(crate) mark: Mark,
    /// The index of its first boundary in [`Walk::boundaries`], if its children are unordered.
    pub(crate) first_boundary: Option<usize>,
}

impl From<Mark> for Composite {
    fn from(mark: Mark) -> Self {
        Self { mark, first_boundary: None }
    }
}

/// Returns whether an object has references besides those of its parent and of the walk. Objects
/// without are not remembered.
fn is_shared(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: `object` is alive, and reading its reference count changes nothing.
    cfg!(Py_GIL_DISABLED) || unsafe { ffi::Py_REFCNT(object.as_ptr()) } > 2
}
