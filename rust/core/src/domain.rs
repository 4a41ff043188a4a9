//! Domain separation: each use of the hash has its own BLAKE3 key.
//!
//! So equal bytes in two uses never have the same digest.

use std::sync::LazyLock;

use crate::digest::Digest;
use crate::parallel;

/// The version of the encoding, which is part of every BLAKE3 key below. A change of a released
/// hash needs a new version.
pub const ENCODING_VERSION: u32 = 1;

/// A use of the hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A node inside an encoding that is too long to be inline.
    Node,
    /// A member of a cycle, in a round of the refinement that distinguishes the members.
    Round,
    /// A whole cycle, or a member of a cycle.
    Cycle,
    /// The result of `hash_value`.
    Value,
    /// The result of `hash_definition`. The digest names the folder of a definition.
    Definition,
    /// The arguments of a call. The digest names an entry.
    Arguments,
}

/// The keys, made with `derive_key`. BLAKE3 requires contexts that are unique, hard-coded and
/// dated.
static KEYS: LazyLock<[[u8; 32]; 6]> = LazyLock::new(|| {
    ["node", "round", "cycle", "value", "definition", "arguments"]
        .map(|domain| blake3::derive_key(&format!("funes 2026-11 encoding {ENCODING_VERSION} {domain}"), b""))
});

impl Domain {
    fn key(self) -> &'static [u8; 32] {
        &KEYS[self as usize]
    }

    /// Hashes `bytes` for this use.
    pub fn hash(self, bytes: &[u8]) -> Digest {
        self.hash_parts(bytes, &[])
    }

    /// Hashes `head` followed by `body` without joining them in memory.
    pub fn hash_parts(self, head: &[u8], body: &[u8]) -> Digest {
        let hash = if body.is_empty() && head.len() < parallel::PARALLEL_SIZE {
            blake3::keyed_hash(self.key(), head)
        } else {
            let mut hasher = blake3::Hasher::new_keyed(self.key());
            parallel::update(&mut hasher, head);
            parallel::update(&mut hasher, body);
            hasher.finalize()
        };
        Digest(hash.into())
    }

    /// Returns a hasher for data that comes in pieces.
    pub fn hasher(self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_separate_and_splitting_the_input_does_not_matter() {
        let bytes = vec![7; 3 << 20];
        assert_ne!(Domain::Node.hash(b"x"), Domain::Value.hash(b"x"));
        for cut in [0, 1, 1000, bytes.len()] {
            let (head, body) = bytes.split_at(cut);
            assert_eq!(Domain::Node.hash(&bytes), Domain::Node.hash_parts(head, body));
        }
    }
}
