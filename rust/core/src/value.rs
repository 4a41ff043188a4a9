//! Values without a Python interpreter, for vectors, property tests and benchmarks of the encoding.

use crate::digest::Digest;
use crate::domain::Domain;
use crate::encode::Encoder;
use crate::tags;

/// A value that is written in the same way as by the extension.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A node of one tag: `None`, a bool, `...`.
    Atom(u8),
    /// An int that fits 64 bits.
    Int(i64),
    /// An int of any size: two's complement, little-endian.
    BigInt(Vec<u8>),
    /// A float.
    Float(f64),
    /// A complex number.
    Complex(f64, f64),
    /// A str, bytes or bytearray, by its tag.
    Blob(u8, Vec<u8>),
    /// A composite whose children are ordered, by its tag.
    Ordered(u8, Vec<Value>),
    /// A set or frozenset, by its tag.
    Unordered(u8, Vec<Value>),
    /// A dict.
    Dict(Vec<(Value, Value)>),
}

impl Value {
    /// Writes the value.
    pub fn encode(&self, encoder: &mut Encoder) {
        match self {
            Self::Atom(tag) => encoder.atom(*tag),
            Self::Int(value) => encoder.int(*value),
            Self::BigInt(bytes) => encoder.big_int(bytes),
            Self::Float(value) => encoder.float(*value),
            Self::Complex(real, imaginary) => encoder.complex(*real, *imaginary),
            Self::Blob(tag, bytes) => {
                encoder.blob(*tag, bytes);
            }
            Self::Ordered(tag, children) => {
                let mark = encoder.begin(*tag, children.len());
                for child in children {
                    child.encode(encoder);
                }
                encoder.end(mark, None);
            }
            Self::Unordered(tag, children) => {
                let mark = encoder.begin(*tag, children.len());
                let mut boundaries = vec![encoder.boundary()];
                for child in children {
                    child.encode(encoder);
                    boundaries.push(encoder.boundary());
                }
                encoder.end_unordered(mark, &boundaries, None);
            }
            Self::Dict(items) => {
                let mark = encoder.begin(tags::DICT, items.len());
                let mut boundaries = vec![encoder.boundary()];
                for (key, value) in items {
                    key.encode(encoder);
                    value.encode(encoder);
                    boundaries.push(encoder.boundary());
                }
                encoder.end_unordered(mark, &boundaries, None);
            }
        }
    }

    /// Returns the encoding of the value: inline bytes or a digest.
    pub fn encoding(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder);
        encoder.into_bytes()
    }

    /// Returns the result of `hash_value`.
    pub fn digest(&self) -> Digest {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder);
        encoder.finish(Domain::Value)
    }
}
