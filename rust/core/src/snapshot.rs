//! Copies of encoded values.

use crate::digest::Digest;
use crate::domain::Domain;
use crate::encode::{Encoder, Sealed};
use crate::graph::{Hole, Node, NodeId};

/// The encoding of a value at one time. It can be written after the value has changed, also by
/// another encoder.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) content: Vec<u8>,
    pub(crate) holes: Vec<Hole>,
    pub(crate) composites: Vec<(NodeId, Node)>,
    pub(crate) definitions: Vec<NodeId>,
}

impl Snapshot {
    /// Returns the nodes of the definitions that the value refers to, in the encoder that wrote it.
    pub fn definitions(&self) -> &[NodeId] {
        &self.definitions
    }

    /// Returns the digest of the value, as an encoder computes it that writes the digests of the definitions; `None` if
    /// that takes too long.
    ///
    /// `definitions`: their digests, in the order of [`Snapshot::definitions`].
    pub fn digest(&self, definitions: &[Digest]) -> Option<Digest> {
        let mut encoder = Encoder::new();
        let nodes: Vec<NodeId> = definitions
            .iter()
            .map(|&digest| {
                let (mark, node) = (encoder.mark(), encoder.reserve());
                encoder.put(Sealed::Digest(digest));
                encoder.fill(mark, node, false);
                node
            })
            .collect();
        encoder.replay(self, &nodes);
        encoder.fill_holes().then(|| encoder.finish(Domain::Value))
    }
}
