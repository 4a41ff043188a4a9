//! Fuzzes the encoding with random values: it is self-delimiting, so that no two values share an
//! encoding, and the order of unordered children does not count.

#![no_main]

use arbitrary::Arbitrary;
use funes_core::encode::INLINE_LIMIT;
use funes_core::tags;
use funes_core::value::Value;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Clone, Debug)]
enum Any {
    Atom(u8),
    Int(i64),
    BigInt(Vec<u8>),
    Float(f64),
    Complex(f64, f64),
    Blob(u8, Vec<u8>),
    Ordered(bool, Vec<Any>),
    Unordered(bool, Vec<Any>),
    Dict(Vec<(Any, Any)>),
}

impl Any {
    fn value(&self, turned: bool) -> Value {
        let children = |children: &[Any]| {
            let mut values: Vec<Value> = children.iter().map(|child| child.value(turned)).collect();
            if turned {
                values.reverse();
            }
            values
        };
        match self {
            Self::Atom(tag) => Value::Atom(tag % (tags::ABSENT + 1)),
            Self::Int(value) => Value::Int(*value),
            Self::BigInt(bytes) => Value::BigInt(bytes.clone()),
            Self::Float(value) => Value::Float(*value),
            Self::Complex(real, imaginary) => Value::Complex(*real, *imaginary),
            Self::Blob(tag, bytes) => Value::Blob(tags::STR + tag % 4, bytes.clone()),
            Self::Ordered(tuple, elements) => {
                let elements = elements.iter().map(|element| element.value(turned)).collect();
                Value::Ordered(if *tuple { tags::TUPLE } else { tags::LIST }, elements)
            }
            Self::Unordered(frozen, elements) => {
                Value::Unordered(if *frozen { tags::FROZENSET } else { tags::SET }, children(elements))
            }
            Self::Dict(items) => {
                let mut items: Vec<(Value, Value)> =
                    items.iter().map(|(key, value)| (key.value(turned), value.value(turned))).collect();
                if turned {
                    items.reverse();
                }
                Value::Dict(items)
            }
        }
    }
}

/// Returns the bytes after one node; panics if there is no node.
fn skip(bytes: &[u8]) -> &[u8] {
    let (&tag, rest) = bytes.split_first().expect("a node has a tag");
    match tag {
        tags::NONE..=tags::ABSENT => rest,
        tags::FLOAT => &rest[8..],
        tags::COMPLEX => &rest[16..],
        tags::BIG_INT | tags::STR..=tags::BUFFER => {
            let (length, rest) = length(rest);
            &rest[length..]
        }
        tags::INT..=0x18 => &rest[usize::from(tag - tags::INT)..],
        tags::TUPLE | tags::LIST | tags::SET | tags::FROZENSET => {
            let (count, rest) = length(rest);
            (0..count).fold(rest, |rest, _| skip(rest))
        }
        tags::DICT => {
            let (count, rest) = length(rest);
            (0..2 * count).fold(rest, |rest, _| skip(rest))
        }
        tags::DIGEST => &rest[32..],
        _ => panic!("unknown tag {tag:#04x}"),
    }
}

fn length(bytes: &[u8]) -> (usize, &[u8]) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).expect("a length ends") + 1;
    let value = bytes[..end].iter().rev().fold(0, |value, byte| value << 7 | usize::from(byte & 0x7F));
    (value, &bytes[end..])
}

fuzz_target!(|any: Any| {
    let encoding = any.value(false).encoding();
    assert!(encoding.len() <= INLINE_LIMIT, "a long node is replaced by its digest");
    assert!(skip(&encoding).is_empty(), "a node is self-delimiting");
    assert_eq!(encoding, any.value(true).encoding(), "order does not count");
});
