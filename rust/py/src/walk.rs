//! One walk over a Python value: every object to what the encoder writes for it.
//!
//! The one dispatch over types stands here, the common kinds first; each kind's own file says what it writes. The
//! recursion is bounded by [`DEPTH_LIMIT`]. Cycles are looked for only in values that are deep enough to hold one.

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
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::definition::Described;
use crate::memory::Raw;
use crate::refusal::{Stop, Walked};

/// How deep a value may be nested. Pickle's own limit is about the same, so what is deeper could not be stored.
pub(crate) const DEPTH_LIMIT: usize = 900;

/// How much of the stack is left alone, in bytes: a level of the walk takes about one KiB, and the Python code that an
/// object brings along (`__reduce__`) wants its share.
const STACK_RESERVE: usize = 64 << 10;

/// The same before the first level: a rule of the user's may call `hash_value` again, level after level. Less, since a
/// short value shall be hashed on the smallest of stacks.
const FIRST_RESERVE: usize = 32 << 10;

/// Every so many levels it is looked how much of the stack is left.
const STACK_STEP: usize = 8;

/// Values this deep may be cyclic: from here on the walk keeps track of where it is.
const TRACKING_DEPTH: usize = 40;

/// A walk in progress.
pub(crate) struct Walk<'py> {
    pub(crate) py: Python<'py>,
    pub(crate) encoder: Encoder,
    pub(crate) definitions: Definitions<'py>,
    /// Where the children are of the unordered composites that are open, those of the innermost last.
    pub(crate) boundaries: SmallVec<[Boundary; 8]>,
    /// What was written by its name since somebody last emptied this.
    pub(crate) names: Vec<String>,
    /// Long parts that were met already, by address; `kept` holds them so that no address is used again.
    memo: FxHashMap<Address, Sealed>,
    kept: SmallVec<[Bound<'py, PyAny>; 4]>,
    /// The objects between the root and here, once cycles are looked for; with the node of those that hold themselves.
    open: Option<FxHashMap<Address, Option<NodeId>>>,
    depth: usize,
}

/// Digests of functions and classes, by address.
pub(crate) type Digests = Arc<FxHashMap<Address, Digest>>;

/// Where an object is, as a number, which is compared only.
pub(crate) type Address = usize;

pub(crate) fn address_of(object: &Bound<'_, PyAny>) -> Address {
    object.as_ptr() as Address
}

/// What a walk does with functions and classes of the user's own code.
pub(crate) enum Definitions<'py> {
    /// It writes their digests, as found by a walk of their own.
    Settled {
        known: Option<Digests>,
        /// Those that were met on the way.
        met: FxHashMap<Address, Digest>,
        /// The one that was met last: instances come in rows.
        last: Option<(Address, Digest)>,
    },
    /// It leaves holes for them and describes them later, one after the other: a chain of helpers is no recursion.
    Open {
        nodes: FxHashMap<Address, NodeId>,
        queue: VecDeque<Described<'py>>,
        /// Names that are assigned while the program runs, each with the address of its namespace: no inputs.
        left_out: FxHashSet<(usize, String)>,
    },
}

impl Definitions<'_> {
    /// With digests that are known.
    pub(crate) fn settled(known: Option<Digests>) -> Self {
        Self::Settled { known, met: FxHashMap::default(), last: None }
    }

    /// To be described as they come up, without these names.
    pub(crate) fn open(left_out: FxHashSet<(usize, String)>) -> Self {
        Self::Open { nodes: FxHashMap::default(), queue: VecDeque::new(), left_out }
    }

    /// Returns whether a function or class of the user's own code came up in the value.
    pub(crate) fn met_own_code(&self) -> bool {
        match self {
            Self::Settled { met, last, .. } => last.is_some() || !met.is_empty(),
            Self::Open { nodes, .. } => !nodes.is_empty(),
        }
    }

    /// As it was at the start.
    fn anew(&self) -> Self {
        match self {
            Self::Settled { known, .. } => Self::settled(known.clone()),
            Self::Open { left_out, .. } => Self::open(left_out.clone()),
        }
    }
}

impl<'py> Walk<'py> {
    pub(crate) fn new(py: Python<'py>, definitions: Definitions<'py>) -> Self {
        Self {
            py,
            encoder: Encoder::new(),
            boundaries: SmallVec::new(),
            names: Vec::new(),
            definitions,
            memo: FxHashMap::default(),
            kept: SmallVec::new(),
            open: None,
            depth: 0,
        }
    }

    /// Walks with `write`, a second time if the value turns out to be deep.
    pub(crate) fn run(&mut self, mut write: impl FnMut(&mut Self) -> Walked) -> Walked {
        match write(self) {
            Err(Stop::Deep) => {
                *self = Self::new(self.py, self.definitions.anew());
                self.open = Some(FxHashMap::default());
                write(self)
            }
            outcome => outcome,
        }
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
        } else if let Ok(raw) = object.cast_exact::<Raw>() {
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
        let address = address_of(object);
        if let Some(&sealed) = self.memo.get(&address) {
            self.encoder.put(sealed);
            return Ok(());
        }
        if let Some(open) = &mut self.open {
            if let Some(node) = open.get_mut(&address) {
                let node = *node.get_or_insert_with(|| self.encoder.reserve());
                self.encoder.put(Sealed::Node(node));
                return Ok(());
            }
            open.insert(address, None);
        } else if self.depth >= TRACKING_DEPTH {
            return Err(Stop::Deep);
        }
        if self.depth >= DEPTH_LIMIT {
            return Err(Stop::refused(format!("it is nested more than {DEPTH_LIMIT} levels deep")));
        }
        let reserve = if self.depth == 0 { FIRST_RESERVE } else { STACK_RESERVE };
        if self.depth.is_multiple_of(STACK_STEP)
            && stacker::remaining_stack().is_some_and(|remaining| remaining < reserve)
        {
            return Err(Stop::refused("it is nested too deep for what is left of this thread's stack"));
        }
        self.depth += 1;
        let written = write(self);
        self.depth -= 1;
        let cycle = self.open.as_mut().and_then(|open| open.remove(&address)).flatten();
        let sealed = self.end(written?, cycle);
        if sealed != Sealed::Inline && may_be_met_again(object) {
            self.memo.insert(address, sealed);
            self.kept.push(object.clone());
        }
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
        if let Some(&sealed) = self.memo.get(&address_of(owner)) {
            self.encoder.put(sealed);
            return;
        }
        let encoder = &mut self.encoder;
        let sealed = self.py.detach(|| encoder.blob(tag, bytes));
        self.memo.insert(address_of(owner), sealed);
        self.kept.push(owner.clone());
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
