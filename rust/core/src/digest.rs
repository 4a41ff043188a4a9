//! Digests of values, definitions and calls.

use std::fmt;

/// The number of hexadecimal characters of a digest that are shown: 160 bits, as in git and ccache.
pub const HEX_LENGTH: usize = 40;

/// A BLAKE3 hash of 32 bytes. Encodings contain all 32 bytes; paths and the Python API contain the
/// first 20.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Returns the first [`HEX_LENGTH`] hexadecimal characters, in lower case.
    pub fn to_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex()[..HEX_LENGTH].to_owned()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_forty_lower_case_characters_of_the_first_twenty_bytes() {
        let mut bytes = [0; 32];
        bytes[0] = 0xAB;
        bytes[19] = 0x01;
        bytes[20] = 0xFF;
        let hex = Digest(bytes).to_hex();
        assert_eq!(hex.len(), HEX_LENGTH);
        assert!(hex.starts_with("ab00"));
        assert!(hex.ends_with("01"));
    }
}
