//! Which large files this process has verified already: an array of gigabytes is hashed once, and mapped many times.

use std::collections::HashMap;
use std::fs::Metadata;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::seal::HASH;

/// How often an entry is compared with its checksum. What is not large is always verified, unless it is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// At every read.
    Always,
    /// A large file once in a process, and again when it has changed.
    #[default]
    Once,
    /// Not at all.
    Never,
}

/// What changes when a file does: number, size and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    device: u64,
    number: u64,
    size: u64,
    modified: [i64; 2],
    changed: [i64; 2],
}

/// How many are remembered; beyond that, some are verified once more.
const MOST: usize = 1 << 16;

static VERIFIED: LazyLock<Mutex<HashMap<[u8; HASH], Version>>> = LazyLock::new(Mutex::default);

impl Version {
    #[cfg(unix)]
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere there is none")]
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;

        Some(Self {
            device: metadata.dev(),
            number: metadata.ino(),
            size: metadata.size(),
            modified: [metadata.mtime(), metadata.mtime_nsec()],
            // Nobody can set this one.
            changed: [metadata.ctime(), metadata.ctime_nsec()],
        })
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata) -> Option<Self> {
        None
    }

    /// Whether it was this version that was verified for a name and a secret.
    pub(super) fn is_verified(self, identity: &[u8; HASH]) -> bool {
        VERIFIED.lock().unwrap_or_else(PoisonError::into_inner).get(identity) == Some(&self)
    }

    pub(super) fn remember(self, identity: [u8; HASH]) {
        let mut verified = VERIFIED.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= MOST {
            verified.clear();
        }
        verified.insert(identity, self);
    }
}
