//! Opens and closes composites: bounds the recursion, detects cycles, and remembers parts that occur
//! again.

use std::collections::VecDeque;

use funes_core::encode::{Boundary, Mark, Sealed};
use funes_core::graph::NodeId;
use pyo3::ffi;
use pyo3::prelude::*;
use rustc_hash::FxHashMap;

use crate::definition::changed_state;
use crate::hash::walk::{Address, Walk, address_of};
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

/// The position of a walk in a deep value.
#[derive(Default)]
pub(super) struct Deep<'py> {
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
pub(super) enum Met {
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

impl<'py> Walk<'py> {
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
            && let Some((counted, _)) = changed_state::counted_value(object)
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
    pub(super) fn put_met(&mut self, address: Address) -> bool {
        match self.memo.get(&address) {
            None => return false,
            Some(Met::Sealed(sealed)) => self.encoder.put(*sealed),
            Some(Met::Inline(bytes)) => self.encoder.put_short(bytes),
        }
        true
    }

    pub(super) fn remember(&mut self, object: &Bound<'py, PyAny>, met: Met) {
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

    /// Returns the position of the walk if the value is deep.
    #[inline]
    pub(super) fn deep(&mut self) -> Option<&mut Deep<'py>> {
        self.rare.as_mut()?.deep.as_mut()
    }

    #[cold]
    pub(super) fn walk_deferred(&mut self) -> Walked {
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
}

/// Returns the current address of the stack.
#[inline]
pub(super) fn here() -> usize {
    let place = 0_u8;
    (&raw const place).addr()
}

/// Returns whether an object has references besides those of its parent and of the walk. Objects
/// without such references are not remembered.
fn is_shared(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: `object` is alive, and reading its reference count changes nothing.
    cfg!(Py_GIL_DISABLED) || unsafe { ffi::Py_REFCNT(object.as_ptr()) } > 2
}
