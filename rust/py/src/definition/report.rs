//! The records of a definition graph for `definition.json`, `explain` and warnings.

use std::borrow::Cow;
use std::collections::VecDeque;

use funes_core::graph::NodeId;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rustc_hash::FxHashMap;

/// A function or class in a definition.
pub(crate) struct Record {
    pub(crate) node: NodeId,
    pub(crate) kind: String,
    pub(crate) name: String,
    /// The hash of its content without its references.
    pub(crate) own: String,
    pub(crate) source: String,
    pub(crate) references: Vec<Reference>,
}

/// A reference from a function or class to a value or to other code.
pub(crate) struct Reference {
    pub(crate) label: String,
    /// The digest of the value, unless it is code itself.
    pub(crate) value: Option<String>,
    /// A short representation of the value.
    pub(crate) shown: String,
    /// The names of the objects in it that count by name.
    pub(crate) names: Vec<String>,
    /// The reason why the value counts by its type only, if it does.
    pub(crate) warning: Option<String>,
    pub(crate) nodes: Vec<NodeId>,
    /// The positions of these nodes among the records.
    pub(crate) positions: Vec<usize>,
}

/// Parts of names that mark a value as a secret.
pub(crate) const SECRET_WORDS: [&str; 5] = ["key", "token", "secret", "password", "credential"];

/// The start of the label of an environment variable.
pub(crate) const VARIABLE: &str = "environment variable ";

impl Reference {
    /// Returns the short representation of the value; for a secret, and for an environment variable, only the start of its
    /// digest.
    fn for_people(&self) -> Cow<'_, str> {
        if self.label.starts_with(VARIABLE) && self.shown == "None" {
            return Cow::Borrowed("not set");
        }
        let name = self.label.split_once(' ').map_or(&*self.label, |(_, name)| name).to_lowercase();
        if !self.label.starts_with(VARIABLE) && !SECRET_WORDS.iter().any(|secret| name.contains(secret)) {
            return Cow::Borrowed(&self.shown);
        }
        let digest = self.value.as_ref().and_then(|value| value.get(..8)).unwrap_or("?");
        Cow::Owned(format!("<digest {digest}>"))
    }
}

/// Returns the records that are reachable from `root`, itself first, and sets the positions of their references.
///
/// Records that are not reachable were described for a value that was refused later.
pub(crate) fn reachable(records: Vec<Record>, root: NodeId) -> Vec<Record> {
    let mut waiting: FxHashMap<NodeId, Record> = records.into_iter().map(|record| (record.node, record)).collect();
    let mut positions = FxHashMap::default();
    let mut found: Vec<Record> = Vec::new();
    let mut next = VecDeque::from([root]);
    while let Some(node) = next.pop_front() {
        let Some(record) = waiting.remove(&node) else { continue };
        positions.insert(node, found.len());
        next.extend(record.references.iter().flat_map(|reference| &reference.nodes));
        found.push(record);
    }
    for reference in found.iter_mut().flat_map(|record| &mut record.references) {
        reference.positions = reference.nodes.iter().filter_map(|node| positions.get(node).copied()).collect();
    }
    found
}

/// Names the first difference between two definitions; None if the records show none.
pub(crate) fn difference(then: &[Record], now: &[Record]) -> Option<String> {
    for record in then {
        let Some(other) = now.iter().find(|other| other.name == record.name && other.kind == record.kind) else {
            continue;
        };
        for reference in &record.references {
            let is_same = |other: &Reference| other.value == reference.value && other.names == reference.names;
            let same = other.references.iter().find(|other| other.label == reference.label).is_some_and(is_same);
            if !same {
                return Some(format!("'{}', which {} uses,", reference.label, record.name));
            }
        }
        if other.own != record.own {
            return Some(record.name.clone());
        }
    }
    None
}

/// Converts records to the `nodes` of `definition.json`, which docs/format.md describes.
pub(crate) fn as_objects<'py>(py: Python<'py>, records: &[Record]) -> PyResult<Bound<'py, PyList>> {
    let nodes = PyList::empty(py);
    for record in records {
        let references = PyDict::new(py);
        for reference in &record.references {
            let shown = PyDict::new(py);
            if let Some(warning) = &reference.warning {
                shown.set_item("type", &reference.names)?;
                shown.set_item("warning", warning)?;
            } else if !reference.positions.is_empty() {
                shown.set_item("nodes", &reference.positions)?;
                if reference.value.is_some() {
                    shown.set_item("value", &reference.value)?;
                    shown.set_item("shown", &reference.shown)?;
                }
            } else if !reference.names.is_empty() {
                shown.set_item("names", &reference.names)?;
            } else {
                shown.set_item("value", &reference.value)?;
                shown.set_item("shown", &*reference.for_people())?;
            }
            references.set_item(&reference.label, shown)?;
        }
        let node = PyDict::new(py);
        node.set_item("name", &record.name)?;
        node.set_item("kind", &record.kind)?;
        node.set_item("own", &record.own)?;
        node.set_item("source", &record.source)?;
        node.set_item("links", references)?;
        nodes.append(node)?;
    }
    Ok(nodes)
}
