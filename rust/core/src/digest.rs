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
        hex(&self.0[..HEX_LENGTH / 2])
    }
}

/// Returns the hexadecimal digits of bytes, in lower case.
pub fn hex(bytes: &[u8]) -> String {
    // Without a table, the processor converts many bytes at once.
    let digit = |value: u8| value + if value < 10 { b'0' } else { b'a' - 10 };
    let mut text = vec![0; 2 * bytes.len()];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    String::from_utf8(text).unwrap_or_default()
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
