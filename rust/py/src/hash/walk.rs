//! One walk over a Python value: every object to what the encoder writes for it.
//!
//! The one dispatch over types stands here, the common kinds first; each kind's own file says what it writes. The
//! recursion is bounded by [`RECURSION_LIMIT`]: what is deeper leaves a hole, and is walked afterwards from a queue.
//! Cycles are looked for only in values that are deep enough to hold one.

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

/// How deep a value may be nested. An object whose reduction makes new objects without an end has to be refused.
const DEPTH_LIMIT: usize = 10_000;

/// How many levels are walked by recursion.
const RECURSION_LIMIT: usize = 900;

/// Signals are looked for each time that so many composites have been opened.
const SIGNAL_STEP: u32 = 1 << 12;

/// How much of the stack is left alone, in bytes: a level of the walk takes about one KiB, and the Python code that an
/// object brings along (`__reduce__`) wants its share.
const STACK_RESERVE: usize = 64 << 10;

/// The same before the first level: a rule of the user's may call `hash_value` again, level after level. Less, since a
/// short value shall be hashed on the smallest of stacks.
const FIRST_RESERVE: usize = 32 << 10;

/// Values this deep may be cyclic: from here on the walk keeps track of where it is.
const TRACKING_DEPTH: usize = 40;

/// A walk in progress.
pub(crate) struct Walk<'py> {
    pub(crate) py: Python<'py>,
    pub(crate) encoder: Encoder,
    pub(crate) definitions: Definitions<'py>,
    /// Where the children are of the unordered composites that are open, those of the innermost last.
    pub(crate) boundaries: SmallVec<[Boundary; 8]>,
    /// What few walks need.
    pub(crate) rare: Option<Box<Rare<'py>>>,
    /// The definitions of what was met, other than those that were known before.
    pub(crate) found: Found<'py>,
    /// What the code that was met in a value reads of code.
    pub(crate) reads: Reading,
    /// How many objects of libraries lie around this place.
    pub(crate) in_library: usize,
    /// Whether an object of a library was written otherwise than as a value since this was last reset.
    pub(crate) is_abridged: bool,
    /// Parts that were met already, by address; `kept` holds them so that no address is used again.
    memo: FxHashMap<Address, Met>,
    kept: SmallVec<[Bound<'py, PyAny>; 4]>,
    /// How many composites were opened.
    opened: u32,
    /// How many of them do not stand inline.
    sealed: u32,
    depth: usize,
    /// The end of what the recursion may use of the stack, as an address.
    stack_end: usize,
}

/// Definitions that a walk met, as many as most values bring along.
pub(crate) type Found<'py> = SmallVec<[Bound<'py, Definition>; 4]>;

/// What few walks need, so that the others need not make and drop it.
#[derive(Default)]
pub(crate) struct Rare<'py> {
    /// What was written by its name since this was last emptied.
    pub(crate) names: Vec<String>,
    /// What had to be left out or could not be taken in full, for a warning.
    pub(crate) doubts: Vec<String>,
    /// Classes that hold something weakly, by address, and what that is.
    pub(crate) weakly: FxHashMap<Address, String>,
    /// Where the walk is, once the value turned out to be deep.
    deep: Option<Deep<'py>>,
}

/// Where a walk is in a deep value.
#[derive(Default)]
struct Deep<'py> {
    /// The objects between the root and here, with the node of those that hold themselves.
    open: FxHashMap<Address, Option<NodeId>>,
    /// Parts that are too deep for the recursion.
    deferred: VecDeque<Deferred<'py>>,
    /// How many levels lie above the first one of the recursion.
    above: usize,
    /// The node that is reserved for the composite to be opened next.
    filling: Option<NodeId>,
}

/// What was written for a part.
enum Met {
    Sealed(Sealed),
    /// A part that stands inline and that took long parts to write: its bytes.
    InlineEncoder(Box<[u8]>),
}

/// A part that waits to be walked.
struct Deferred<'py> {
    object: Bound<'py, PyAny>,
    /// The hole that it fills.
    node: NodeId,
    /// How many levels lie above it.
    above: usize,
}

/// Digests of functions and classes, by address.
pub(crate) type Digests = Arc<FxHashMap<Address, Digest>>;

/// What code reads of other code beside what it runs, as bits: `funes._code.node.Reading`.
pub(crate) type Reading = u8;

/// Where an object is, as a number, which is compared only.
pub(crate) type Address = usize;

pub(crate) fn address_of(object: &Bound<'_, PyAny>) -> Address {
    object.as_ptr() as Address
}

/// What a walk does with functions and classes of the user's own code.
pub(crate) enum Definitions<'py> {
    /// It writes their digests, as found by a walk of their own.
    CurrentDefinition {
        known: Option<Digests>,
        /// Those that were met on the way.
        met: FxHashMap<Address, Digest>,
        /// The one that was met last: instances come in rows.
        last: Option<(Address, Digest)>,
        /// What the code that gets the value reads of code.
        reading: Reading,
    },
    /// It leaves holes for them and describes them later, one after the other: a chain of helpers is no recursion.
    Open {
        nodes: FxHashMap<Address, NodeId>,
        queue: VecDeque<Described<'py>>,
        /// What the code of the graph reads of code.
        reading: Reading,
        /// The attributes of memorious functions that were seen through.
        watched: Vec<Attributes<'py>>,
        /// The objects of the nodes.
        objects: FxHashMap<NodeId, Bound<'py, PyAny>>,
        /// Whether calls have changed anything that counts as it was before them.
        has_changes: bool,
    },
}

impl Definitions<'_> {
    /// With digests that are known.
    pub(crate) fn settled(known: Option<Digests>, reading: Reading) -> Self {
        Self::CurrentDefinition { known, met: FxHashMap::default(), last: None, reading }
    }

    /// To be described as they come up.
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

    /// Returns whether a function or class of the user's own code came up in the value.
    pub(crate) fn met_own_code(&self) -> bool {
        match self {
            Self::CurrentDefinition { met, last, .. } => last.is_some() || !met.is_empty(),
            Self::Open { nodes, .. } => !nodes.is_empty(),
        }
    }

    /// Whether calls have changed anything that counts as it was before them.
    #[inline]
    fn have_changes(&self) -> bool {
        matches!(self, Self::Open { has_changes: true, .. })
    }

    /// As it was at the start.
    fn anew(&self) -> Self {
        match self {
            Self::CurrentDefinition { known, reading, .. } => Self::settled(known.clone(), *reading),
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
            in_library: 0,
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

    /// What few walks need, made if it is not there.
    #[cold]
    pub(crate) fn rare(&mut self) -> &mut Rare<'py> {
        self.rare.get_or_insert_default()
    }

    /// Where the walk is in a deep value.
    #[inline]
    fn deep(&mut self) -> Option<&mut Deep<'py>> {
        self.rare.as_mut()?.deep.as_mut()
    }

    /// Walks with `write`, a second time if the value turns out to be deep.
    pub(crate) fn run(&mut self, mut write: impl FnMut(&mut Self) -> Walked) -> Walked {
        // One call in a loop, so that it is compiled into this function.
        while let Err(stop) = write(self) {
            if !matches!(stop, WalkError::Deep) || self.deep().is_some() {
                return Err(stop);
            }
            *self = Self::new(self.py, self.definitions.anew());
            self.rare().deep = Some(Deep::default());
        }
        if matches!(self.definitions, Definitions::CurrentDefinition { .. }) && !self.encoder.fill_holes() {
            return Err(entangled());
        }
        Ok(())
    }

    /// Writes one object that lies in no other one, with all that is too deep for the recursion.
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
                // What is remembered may lead to a hole that stays empty.
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
            // Copied first: another thread may resize it as soon as the interpreter is released.
            self.encoder.blob(tags::BYTEARRAY, &bytearray.to_vec());
            Ok(())
        } else if let Ok(raw) = object.cast_exact::<ArrayBytes>() {
            self.raw(raw)
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

    /// Writes a composite: `write` walks the children. Takes care of depth, of cycles and of what was met before.
    pub(crate) fn nested(
        &mut self,
        object: &Bound<'py, PyAny>,
        write: impl FnOnce(&mut Self) -> Walked<Composite>,
    ) -> Walked {
        self.composite(object, true, write)
    }

    /// The same. `may_wait`: whether [`Walk::walk`] writes the same for the object, so that this can be put off.
    pub(crate) fn composite(
        &mut self,
        object: &Bound<'py, PyAny>,
        may_wait: bool,
        write: impl FnOnce(&mut Self) -> Walked<Composite>,
    ) -> Walked {
        let address = address_of(object);
        let mut reserved = None;
        if self.rare.is_some() {
            reserved = self.reserved();
            if self.is_written(object, reserved)? {
                return Ok(());
            }
        } else if self.put_met(address) {
            return Ok(());
        } else if self.depth >= TRACKING_DEPTH {
            return Err(WalkError::Deep);
        }
        self.opened = self.opened.wrapping_add(1);
        if self.opened.is_multiple_of(SIGNAL_STEP) {
            self.py.check_signals().map_err(WalkError::interrupted)?;
        }
        if may_wait && self.is_too_deep() {
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
        if sealed == Sealed::Inline {
            // It is short, but what it took to write it may not be.
            if self.sealed != sealed_before && may_be_met_again(object) {
                let short = self.encoder.since(start).into();
                self.remember(object, Met::InlineEncoder(short));
            }
            return Ok(());
        }
        self.sealed = self.sealed.wrapping_add(1);
        // What refers to itself is met again, whatever its count of references says.
        if may_be_met_again(object) || (matches!(sealed, Sealed::Node(_)) && self.deep().is_some()) {
            self.remember(object, Met::Sealed(sealed));
        }
        Ok(())
    }

    /// Writes a composite that was met before, that holds itself, or that counts as something else than it is. Whether it
    /// is one of these. `reserved`: the node that is to be given to it.
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

    /// Takes the node that is reserved for the composite to be opened next.
    #[inline]
    fn reserved(&mut self) -> Option<NodeId> {
        self.deep()?.filling.take()
    }

    /// Writes again what was met before.
    #[inline]
    fn put_met(&mut self, address: Address) -> bool {
        match self.memo.get(&address) {
            None => return false,
            Some(Met::Sealed(sealed)) => self.encoder.put(*sealed),
            Some(Met::InlineEncoder(bytes)) => self.encoder.put_short(bytes),
        }
        true
    }

    fn remember(&mut self, object: &Bound<'py, PyAny>, met: Met) {
        self.memo.insert(address_of(object), met);
        self.kept.push(object.clone());
    }

    /// Whether the recursion may go no further, by its depth or by what is left of the stack.
    #[inline]
    fn is_too_deep(&self) -> bool {
        let reserve = if self.depth == 0 { FIRST_RESERVE } else { STACK_RESERVE };
        self.depth >= RECURSION_LIMIT || here().saturating_sub(self.stack_end) < reserve
    }

    /// Leaves a hole for an object, to be walked once the recursion has ended.
    #[cold]
    fn defer(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        if self.depth == 0 {
            return Err(WalkError::refused("it is nested too deep for what is left of this thread's stack"));
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

    /// Writes bytes, without the interpreter if there are many.
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

    /// Holds an object as long as the walk, so that its address stays its own.
    pub(crate) fn keep(&mut self, object: Bound<'py, PyAny>) {
        self.kept.push(object);
    }

    /// The digest of what was written.
    pub(crate) fn finish(self, domain: Domain) -> Digest {
        self.encoder.finish(domain)
    }
}

/// Where the stack is, as an address.
#[inline]
fn here() -> usize {
    let place = 0_u8;
    (&raw const place).addr()
}

/// Parts that refer to each other are too many to be told apart.
#[cold]
pub(crate) fn entangled() -> WalkError {
    WalkError::refused("too many parts of it refer to each other and are alike")
}

/// From here on other threads may run while bytes are hashed: 64 KiB take about 20 us, and giving up the interpreter
/// and getting it back costs a few.
pub(crate) const DETACH_SIZE: usize = 64 << 10;

/// A composite that was written and is to be closed.
pub(crate) struct Composite {
    pub(crate) mark: Mark,
    /// If its children have no order: from where on [`Walk::boundaries`] are its own.
    pub(crate) first_boundary: Option<usize>,
}

impl From<Mark> for Composite {
    fn from(mark: Mark) -> Self {
        Self { mark, first_boundary: None }
    }
}

/// Whether anything but its one parent refers to an object. What nobody else refers to is not worth remembering.
/// The walk itself holds one reference.
fn may_be_met_again(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: `object` is a live object, and reading its count changes nothing.
    cfg!(Py_GIL_DISABLED) || unsafe { ffi::Py_REFCNT(object.as_ptr()) } > 2
}
