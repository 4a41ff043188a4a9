//! Values of a definition that may change in place, from their encoding to their guards.

use std::sync::Arc;

use funes_core::digest::Digest;
use funes_core::graph::NodeId;
use funes_core::snapshot::Snapshot;
use pyo3::prelude::*;

use crate::definition::changed_state::Counted;
use crate::definition::guard;
use crate::hash::walk::{Digests, ReadParts};
use crate::hash::walk_error::{WalkError, Walked};

/// A value that may change in place.
pub(crate) struct Changing<'py> {
    pub(crate) value: Bound<'py, PyAny>,
    /// The name of the value in the code.
    pub(crate) name: String,
    /// Its content before calls changed it, if they did.
    pub(crate) counted: Option<Arc<Counted>>,
    /// The digest of what the last call left behind, if `counted` stands for that.
    pub(crate) left: Option<Digest>,
    /// Its encoding, and the code to which the encoding refers.
    pub(crate) written: (Snapshot, Vec<Bound<'py, PyAny>>),
    /// Its digest, if the encoding has no nodes and a guard encodes the value in the same way.
    pub(crate) digest: Option<Digest>,
    /// True if it holds library objects that are encoded differently inside a definition.
    pub(crate) is_abridged: bool,
    /// The positions of its record, and of its reference in the record.
    pub(crate) record: usize,
    pub(crate) reference: usize,
}

impl Changing<'_> {
    /// Returns the digest that the guard compares, and whether it is certainly the digest of what was encoded: the value
    /// may have changed in between. `None` for a value that gets no guard.
    ///
    /// `digest_of`: returns the digest of a definition in the graph.
    pub(crate) fn compared(
        &self,
        (known, read_parts): (&Digests, ReadParts),
        digest_of: impl Fn(NodeId) -> Option<Digest>,
    ) -> Walked<Option<(Digest, bool)>> {
        if let Some(digest) = self.digest {
            return Ok(Some((digest, true)));
        }
        let encoded = match (&self.counted, self.left) {
            // A call is changing it, so only the value from before counts.
            (Some(counted), None) => return Ok(Some((counted.digest, true))),
            (Some(_), left) => left,
            (None, _) => {
                let definitions: Option<Vec<_>> = self.written.0.definitions().iter().copied().map(digest_of).collect();
                definitions.and_then(|definitions| self.written.0.digest(&definitions))
            }
        };
        match guard::digest(&self.value, known, read_parts) {
            // A call has begun to change it.
            Err(WalkError::Refused(_)) if let Some(counted) = &self.counted => Ok(Some((counted.digest, true))),
            // Its library objects cannot be hashed, and count by name.
            Err(WalkError::Refused(_)) if self.is_abridged => Ok(None),
            found => {
                let found = found?;
                Ok(Some((found, encoded == Some(found))))
            }
        }
    }
}
