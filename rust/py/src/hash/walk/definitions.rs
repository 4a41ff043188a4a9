//! How a walk writes the functions and classes of user code in a value.

use std::collections::VecDeque;
use std::sync::Arc;

use funes_core::digest::Digest;
use funes_core::graph::NodeId;
use pyo3::prelude::*;
use rustc_hash::FxHashMap;

use crate::definition::changed_state;
use crate::definition::graph::{Attributes, Described};
use crate::hash::walk::{Address, ReadParts};

/// Digests of functions and classes, by address.
pub(crate) type Digests = Arc<FxHashMap<Address, Digest>>;

/// How a walk writes functions and classes of user code.
pub(crate) enum Definitions<'py> {
    /// Writes their digests. Separate walks compute these.
    Settled {
        known: Option<Digests>,
        /// Digests that this walk has looked up.
        met: FxHashMap<Address, Digest>,
        /// The most recent lookup: instances of one class often follow each other.
        last: Option<(Address, Digest)>,
        /// The parts of code that the function that receives the value inspects.
        read_parts: ReadParts,
    },
    /// Leaves holes for them and describes them later from a queue, so that a chain of helpers
    /// needs no recursion.
    Open {
        nodes: FxHashMap<Address, NodeId>,
        queue: VecDeque<Described<'py>>,
        /// The parts of code that the code of the graph inspects.
        read_parts: ReadParts,
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
    pub(crate) fn settled(known: Option<Digests>, read_parts: ReadParts) -> Self {
        Self::Settled { known, met: FxHashMap::default(), last: None, read_parts }
    }

    /// Makes the variant that describes definitions as they are found.
    pub(crate) fn open(read_parts: ReadParts) -> Self {
        Self::Open {
            nodes: FxHashMap::default(),
            queue: VecDeque::new(),
            read_parts,
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
    pub(super) fn have_changes(&self) -> bool {
        matches!(self, Self::Open { has_changes: true, .. })
    }

    /// Returns a copy in the initial state, for a second walk.
    pub(super) fn anew(&self) -> Self {
        match self {
            Self::Settled { known, read_parts, .. } => Self::settled(known.clone(), *read_parts),
            Self::Open { read_parts, .. } => Self::open(*read_parts),
        }
    }
}
