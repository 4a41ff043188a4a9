//! A definition as people see it: what is followed, what stops where.

use std::borrow::Cow;
use std::collections::VecDeque;

use funes_core::graph::NodeId;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use rustc_hash::FxHashMap;

/// One function or class.
pub(crate) struct Record {
    pub(crate) node: NodeId,
    pub(crate) kind: String,
    pub(crate) name: String,
    /// The hash of what it says itself, without what it refers to.
    pub(crate) own: String,
    pub(crate) source: String,
    pub(crate) links: Vec<Link>,
}

/// Something that it refers to.
pub(crate) struct Link {
    pub(crate) label: String,
    /// The digest of the value, unless it is code itself.
    pub(crate) value: Option<String>,
    /// The value in short.
    pub(crate) shown: String,
    /// What counts by its name in it.
    pub(crate) names: Vec<String>,
    /// Why the value counts by its type only, if it does.
    pub(crate) doubt: Option<String>,
    pub(crate) nodes: Vec<NodeId>,
    /// The same as positions among the records.
    pub(crate) positions: Vec<usize>,
}

/// What a name has in it that stands for a secret.
const SECRETS: [&str; 5] = ["key", "token", "secret", "password", "credential"];

impl Link {
    /// The value in short; of a secret only the start of its digest, as this goes into files and on the screen.
    fn for_people(&self) -> Cow<'_, str> {
        let name = self.label.split_once(' ').map_or(&*self.label, |(_, name)| name).to_lowercase();
        if !SECRETS.iter().any(|secret| name.contains(secret)) {
            return Cow::Borrowed(&self.shown);
        }
        let digest = self.value.as_ref().and_then(|value| value.get(..8)).unwrap_or("?");
        Cow::Owned(format!("<digest {digest}>"))
    }
}

/// The records that `root` leads to, itself first, with the positions of links filled in.
///
/// Others may have been described for a value that was refused later on.
pub(crate) fn reachable(records: Vec<Record>, root: NodeId) -> Vec<Record> {
    let mut waiting: FxHashMap<NodeId, Record> = records.into_iter().map(|record| (record.node, record)).collect();
    let mut positions = FxHashMap::default();
    let mut found: Vec<Record> = Vec::new();
    let mut next = VecDeque::from([root]);
    while let Some(node) = next.pop_front() {
        let Some(record) = waiting.remove(&node) else { continue };
        positions.insert(node, found.len());
        next.extend(record.links.iter().flat_map(|link| &link.nodes));
        found.push(record);
    }
    for link in found.iter_mut().flat_map(|record| &mut record.links) {
        link.positions = link.nodes.iter().filter_map(|node| positions.get(node).copied()).collect();
    }
    found
}

/// Names something that one definition refers to and that is not so in another one; None if nothing tells.
pub(crate) fn difference(then: &[Record], now: &[Record]) -> Option<String> {
    for record in then {
        let Some(other) = now.iter().find(|other| other.name == record.name && other.kind == record.kind) else {
            continue;
        };
        for link in &record.links {
            let is_same = |other: &Link| other.value == link.value && other.names == link.names;
            let same = other.links.iter().find(|other| other.label == link.label).is_some_and(is_same);
            if !same {
                return Some(format!("'{}', which {} uses,", link.label, record.name));
            }
        }
        if other.own != record.own {
            return Some(record.name.clone());
        }
    }
    None
}

/// The records as `definition.json` has them; docs/format.md describes it.
pub(crate) fn as_objects<'py>(py: Python<'py>, records: &[Record]) -> PyResult<Bound<'py, PyList>> {
    let nodes = PyList::empty(py);
    for record in records {
        let links = PyDict::new(py);
        for link in &record.links {
            let shown = PyDict::new(py);
            if let Some(doubt) = &link.doubt {
                shown.set_item("type", &link.names)?;
                shown.set_item("doubt", doubt)?;
            } else if !link.positions.is_empty() {
                shown.set_item("nodes", &link.positions)?;
                if link.value.is_some() {
                    shown.set_item("value", &link.value)?;
                    shown.set_item("shown", &link.shown)?;
                }
            } else if !link.names.is_empty() {
                shown.set_item("names", &link.names)?;
            } else {
                shown.set_item("value", &link.value)?;
                shown.set_item("shown", &*link.for_people())?;
            }
            links.set_item(&link.label, shown)?;
        }
        let node = PyDict::new(py);
        node.set_item("name", &record.name)?;
        node.set_item("kind", &record.kind)?;
        node.set_item("own", &record.own)?;
        node.set_item("source", &record.source)?;
        node.set_item("links", links)?;
        nodes.append(node)?;
    }
    Ok(nodes)
}
