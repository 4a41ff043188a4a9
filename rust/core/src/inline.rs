//! Encodes a short composite of scalars on the stack. The arguments of most calls are such a
//! composite.
//!
//! The bytes are the same as those of an [`Encoder`](crate::encode::Encoder), which needs heap
//! memory and a graph.

use arrayvec::ArrayVec;

use crate::encode::{INLINE_LIMIT, float, header, int};

/// A composite that is inline. Each method returns false if a value does not fit; the caller then
/// uses the full encoder.
#[derive(Debug)]
pub struct InlineEncoder {
    bytes: ArrayVec<u8, INLINE_LIMIT>,
}

impl InlineEncoder {
    /// Opens a composite of `count` children.
    pub fn begin(tag: u8, count: usize) -> Self {
        let (header, length) = header(tag, count as u64);
        let mut bytes = ArrayVec::new();
        bytes.extend(header);
        bytes.truncate(length);
        Self { bytes }
    }

    /// Writes a node that consists of its tag.
    pub fn atom(&mut self, tag: u8) -> bool {
        self.bytes.try_push(tag).is_ok()
    }

    /// Writes an int that fits 64 bits.
    pub fn int(&mut self, value: i64) -> bool {
        let (node, length) = int(value);
        let end = self.bytes.len() + length;
        let fits = self.bytes.try_extend_from_slice(&node).is_ok();
        self.bytes.truncate(end);
        fits
    }

    /// Writes a float.
    pub fn float(&mut self, value: f64) -> bool {
        self.bytes.try_extend_from_slice(&float(value)).is_ok()
    }

    /// Writes bytes under a tag that is followed by a length.
    pub fn blob(&mut self, tag: u8, bytes: &[u8]) -> bool {
        // A length that fits takes at most two bytes.
        let Ok(length) = u8::try_from(bytes.len()) else { return false };
        let header = if length < 0x80 { &[tag, length][..] } else { &[tag, length, 1][..] };
        self.bytes.try_extend_from_slice(header).is_ok() && self.bytes.try_extend_from_slice(bytes).is_ok()
    }

    /// Returns the encoding.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Encoder;
    use crate::tags;

    #[test]
    fn it_writes_the_same_bytes_as_the_encoder() {
        for length in [0, 1, 127, 128, 200, 230] {
            let text = vec![b'x'; length];
            for value in [0, 1, -1, 127, 128, -128, -129, i64::MAX, i64::MIN] {
                let mut short = InlineEncoder::begin(tags::ARGUMENTS, 4);
                let fits =
                    short.int(value) && short.float(-0.0) && short.blob(tags::STR, &text) && short.atom(tags::NONE);
                let mut encoder = Encoder::new();
                let mark = encoder.begin(tags::ARGUMENTS, 4);
                encoder.int(value);
                encoder.float(-0.0);
                encoder.blob(tags::STR, &text);
                encoder.atom(tags::NONE);
                encoder.end(mark, None);
                assert!(fits);
                assert_eq!(short.bytes(), encoder.into_bytes());
            }
        }
    }

    #[test]
    fn a_value_that_is_too_long_does_not_fit() {
        let mut short = InlineEncoder::begin(tags::ARGUMENTS, 1);
        assert!(!short.blob(tags::STR, &[0; INLINE_LIMIT - 4]));
        assert!(!InlineEncoder::begin(tags::ARGUMENTS, 1).blob(tags::STR, &[0; 1000]));
        let mut short = InlineEncoder::begin(tags::ARGUMENTS, 300);
        let mut written = 0;
        while short.float(1.0) {
            written += 1;
        }
        assert_eq!(written, (INLINE_LIMIT - 3) / 9);
    }
}
