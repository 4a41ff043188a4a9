//! Collects the results of describing a graph, apart from its encoding.

use funes_core::graph::NodeId;
use pyo3::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::definition::changing::Changing;
use crate::definition::class_shape::Shape;
use crate::definition::description::Computed;
use crate::definition::guard::Guard;
use crate::definition::namespace::Namespaces;
use crate::definition::patched_classes::Watched;
use crate::definition::report::Record;
use crate::hash::walk::{Address, ReadParts};
use crate::hash::walk_error::WalkError;

/// The results of describing a graph, apart from its encoding.
#[derive(Default)]
pub(crate) struct Findings<'py> {
    pub(crate) guards: Vec<Guard>,
    pub(crate) classes: Vec<Shape>,
    pub(crate) namespaces: Namespaces,
    /// Values that may change in place.
    pub(crate) values: Vec<Changing<'py>>,
    /// Values that guards compute again, see `Description`.
    pub(crate) computed: Vec<Computed<'py>>,
    /// The parts of other code that the code reads.
    pub(crate) read_parts: ReadParts,
    pub(crate) modules: Vec<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) weak_container: Option<String>,
    pub(crate) records: Vec<Record>,
    /// The names that statements of the code change.
    pub(crate) changes: FxHashSet<String>,
    /// Library classes by address.
    pub(crate) watched: FxHashMap<Address, Watched<'py>>,
    pub(crate) kept: Vec<Py<PyAny>>,
    /// Helpers under `functools.lru_cache`.
    pub(crate) memoized: Vec<Bound<'py, PyAny>>,
    /// The root and the code that it holds, with the path to each. The objects that they hold must
    /// be hashable, see [`Purpose`].
    pub(crate) alone: FxHashMap<NodeId, Way>,
}

/// The path to a node: the node before it, and the step from there.
#[derive(Clone, Default)]
pub(crate) struct Way {
    pub(crate) from: Option<NodeId>,
    pub(crate) step: String,
}

impl Findings<'_> {
    /// Adds the path to a node to an error. The path may be very long.
    pub(crate) fn at(&self, stop: WalkError, way: &Way) -> WalkError {
        let mut stop = stop.at(|| way.step.clone());
        let mut from = way.from;
        while let Some(way) = from.and_then(|node| self.alone.get(&node)) {
            stop = stop.at(|| way.step.clone());
            from = way.from;
        }
        stop
    }
}
