//! What shows that a file is what was written under its name: a checksum, and, where there is a secret, a MAC.

use std::fmt;
use std::sync::LazyLock;

use super::entry::{Damage, Fault};
use super::layout::Key;
use super::trailer::Trailer;
use crate::parallel;

/// The length of a MAC, and of a checksum.
pub(super) const HASH: usize = blake3::OUT_LEN;

/// What entries are signed with. Who does not have it can neither make an entry nor move one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; blake3::KEY_LEN]);

impl Secret {
    /// From bytes of any length: as many as nobody can guess, not fewer.
    pub fn new(secret: &[u8]) -> Self {
        Self(blake3::derive_key("funes 2026-11 entry 2 mac", secret))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// Both hashes of a file, fed from its start up to its MAC. Boxed: a hasher is 2 KB, and moved as often as this is.
pub(super) struct Checksum {
    checksum: Box<blake3::Hasher>,
    mac: Option<Box<blake3::Hasher>>,
}

/// Deriving the key anew would cost as much as hashing a small entry.
static CHECKSUM: LazyLock<blake3::Hasher> =
    LazyLock::new(|| blake3::Hasher::new_derive_key("funes 2026-11 entry 2 checksum"));

impl Checksum {
    pub(super) fn new(key: &Key, secret: Option<&Secret>) -> Self {
        let mac = secret.map(|Secret(key)| Box::new(blake3::Hasher::new_keyed(key)));
        let mut seal = Self { checksum: Box::new(CHECKSUM.clone()), mac };
        let mut names = Vec::with_capacity(256);
        for name in [key.definition().function(), key.definition().hash(), key.arguments()] {
            names.extend((name.len() as u64).to_le_bytes());
            names.extend(name.as_bytes());
        }
        seal.update(&names);
        seal
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        parallel::update(&mut self.checksum, bytes);
        if let Some(mac) = &mut self.mac {
            parallel::update(mac, bytes);
        }
    }

    /// Stands for the names, of a seal that was fed nothing yet.
    pub(super) fn identity(&self) -> [u8; HASH] {
        *self.checksum.finalize().as_bytes()
    }

    /// The MAC, zero without a secret, and the checksum.
    pub(super) fn finish(mut self) -> [[u8; HASH]; 2] {
        let mac = self.mac.take().map_or([0; HASH], |mac| *mac.finalize().as_bytes());
        self.checksum.update(&mac);
        [mac, *self.checksum.finalize().as_bytes()]
    }

    /// Compares with what the file says of itself.
    pub(super) fn check(mut self, trailer: &Trailer) -> Result<(), Fault> {
        self.checksum.update(&trailer.mac);
        if *self.checksum.finalize().as_bytes() != trailer.checksum {
            return Err(Damage::Checksum.into());
        }
        // `blake3::Hash` compares in constant time: how far a forgery got right must not be measurable.
        match self.mac {
            Some(mac) if mac.finalize() != blake3::Hash::from_bytes(trailer.mac) => Err(Fault::Foreign),
            _ => Ok(()),
        }
    }
}
