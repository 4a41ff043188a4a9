//! The checksum of an entry, and its MAC if there is a signing key.

use std::fmt;
use std::sync::LazyLock;

use super::entry::{Damage, Fault};
use super::layout::Key;
use super::trailer::Trailer;
use crate::parallel;

/// The length of a MAC and of a checksum, in bytes.
pub(super) const HASH: usize = blake3::OUT_LEN;

/// A signing key. A program without the key can neither make a valid entry nor store an entry under
/// another name.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey([u8; blake3::KEY_LEN]);

impl SigningKey {
    /// Derives a signing key from bytes of any length. There must be enough bytes that they cannot
    /// be guessed.
    pub fn new(signing_key: &[u8]) -> Self {
        Self(blake3::derive_key("funes 2026-11 entry 2 mac", signing_key))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(..)")
    }
}

/// Hashes a file from its start up to its MAC, for its checksum and its MAC. The hashers are boxed
/// since each has 2 KB and this value is moved often.
#[derive(Clone)]
pub(super) struct Checksum {
    checksum: Box<blake3::Hasher>,
    mac: Option<Box<blake3::Hasher>>,
}

/// A hasher with the derived key. It is kept, since deriving the key takes as long as hashing a
/// small entry.
static CHECKSUM: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key("funes 2026-11 entry 2 checksum"));

impl Checksum {
    pub(super) fn new(key: &Key, signing_key: Option<&SigningKey>) -> Self {
        let mac = signing_key.map(|SigningKey(key)| Box::new(blake3::Hasher::new_keyed(key)));
        let mut hashes = Self { checksum: Box::new(CHECKSUM.clone()), mac };
        let mut names = Vec::with_capacity(256);
        for name in [key.definition().function(), key.definition().hash(), key.arguments()] {
            names.extend((name.len() as u64).to_le_bytes());
            names.extend(name.as_bytes());
        }
        hashes.update(&names);
        hashes
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        parallel::update(&mut self.checksum, bytes);
        if let Some(mac) = &mut self.mac {
            parallel::update(mac, bytes);
        }
    }

    /// Returns a hash of the names in the checksum. No bytes of a file may have been hashed yet.
    pub(super) fn identity(&self) -> [u8; HASH] {
        *self.checksum.finalize().as_bytes()
    }

    /// Returns the MAC, which is zero without a signing key, and the checksum.
    pub(super) fn finish(mut self) -> [[u8; HASH]; 2] {
        let mac = self.mac.take().map_or([0; HASH], |mac| *mac.finalize().as_bytes());
        self.checksum.update(&mac);
        [mac, *self.checksum.finalize().as_bytes()]
    }

    /// Returns the checksum of an entry whose MAC is known.
    pub(super) fn finish_with(mut self, mac: &[u8; HASH]) -> [u8; HASH] {
        self.checksum.update(mac);
        *self.checksum.finalize().as_bytes()
    }

    /// Compares the hashes with those in the trailer of the file.
    pub(super) fn check(mut self, trailer: &Trailer) -> Result<(), Fault> {
        self.checksum.update(&trailer.mac);
        if *self.checksum.finalize().as_bytes() != trailer.checksum {
            return Err(Damage::Checksum.into());
        }
        // `blake3::Hash` compares in constant time, so that timing does not help to forge a MAC.
        match self.mac {
            Some(mac) if mac.finalize() != blake3::Hash::from_bytes(trailer.mac) => Err(Fault::Foreign),
            _ => Ok(()),
        }
    }
}
