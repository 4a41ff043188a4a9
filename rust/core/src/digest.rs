//! A digest: what stands for a value, a definition or a call.

use std::fmt;

/// How many hexadecimal characters of a digest people see: 160 bits, as git and ccache show.
pub const HEX_LENGTH: usize = 40;

/// 32 bytes of BLAKE3. Inside encodings all of them count; in paths and in Python the first 20 do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The first [`HEX_LENGTH`] hexadecimal characters, lower case.
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
