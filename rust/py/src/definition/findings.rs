//! Collects the results of describing a graph, apart from its encoding.

use std::sync::Arc;

use funes_core::digest::Digest;
use funes_core::encode::Snapshot;
use funes_core::graph::NodeId;
use pyo3::prelude::*;
use pyo3::types::PyType;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::definition::changed_state::Counted;
use crate::definition::class_shape::Shape;
use crate::definition::description::Computed;
use crate::definition::guard::Guard;
use crate::definition::namespace::Namespaces;
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
    /// Library classes by address, with the attributes that code reads, and true if other attributes count too.
    pub(crate) watched: FxHashMap<Address, (Bound<'py, PyType>, FxHashSet<String>, bool)>,
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

/// A value that may change in place.
pub(crate) struct Changing<'py> {
    pub(crate) value: Bound<'py, PyAny>,
    /// The name of the value in the code.
    pub(crate) name: String,
    /// Its content before calls changed it, if they did.
    pub(crate) counted: Option<Arc<Counted>>,
    /// Its encoding, and the code to which the encoding refers.
    pub(crate) written: (Snapshot, Vec<Bound<'py, PyAny>>),
    /// Its digest, if that is known already.
    pub(crate) digest: Option<Digest>,
    /// True if it holds library objects that are encoded differently inside a definition.
    pub(crate) is_abridged: bool,
    /// The positions of its record, and of its reference in the record.
    pub(crate) record: usize,
    pub(crate) reference: usize,
}
