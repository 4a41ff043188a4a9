//! A definition as people see it: what is followed, what stops where.

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
                shown.set_item("shown", &link.shown)?;
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
