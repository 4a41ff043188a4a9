//! Tests that the core encodes the values of `tests/vectors/values.json` like the reference.
//!
//! A vector has a `tree` if its value can be built without Python; README.md beside the file
//! describes it.

use std::path::Path;

use funes_core::tags;
use funes_core::value::Value;
use serde_json::Value as Json;

/// Returns the vectors that the core can build: values, and the arguments of calls.
fn vectors(sections: &[&str]) -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/values.json");
    let text = std::fs::read_to_string(path).expect("the vectors are beside the tests of Python");
    let document: Json = serde_json::from_str(&text).expect("the vectors are JSON");
    let all = sections.iter().flat_map(|section| document[section].as_array().expect("a list"));
    all.filter(|vector| vector.get("tree").is_some()).cloned().collect()
}

fn text(json: &Json) -> &str {
    json.as_str().expect("a string")
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn float(bytes: &[u8]) -> f64 {
    f64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

/// Returns the repeat count of the last element of a description; the default is 1.
fn times(tree: &[Json]) -> usize {
    tree.get(2).map_or(1, |times| times.as_u64().expect("a count") as usize)
}

fn blob(tree: &[Json]) -> Vec<u8> {
    bytes(text(&tree[1])).repeat(times(tree))
}

fn children(tree: &[Json]) -> Vec<Value> {
    let children: Vec<Value> = tree[1].as_array().expect("children").iter().map(value).collect();
    children.iter().cycle().take(children.len() * times(tree)).cloned().collect()
}

/// Builds the value of a tree.
fn value(tree: &Json) -> Value {
    let tree = tree.as_array().expect("a list: the name of the tag, and what follows it");
    match text(&tree[0]) {
        "NONE" => Value::Atom(tags::NONE),
        "FALSE" => Value::Atom(tags::FALSE),
        "TRUE" => Value::Atom(tags::TRUE),
        "ELLIPSIS" => Value::Atom(tags::ELLIPSIS),
        "NOT_IMPLEMENTED" => Value::Atom(tags::NOT_IMPLEMENTED),
        "ABSENT" => Value::Atom(tags::ABSENT),
        "INT" => Value::Int(text(&tree[1]).parse().expect("64 bits")),
        "BIG_INT" => Value::BigInt(blob(tree)),
        "FLOAT" => Value::Float(float(&blob(tree))),
        "COMPLEX" => {
            let parts = blob(tree);
            Value::Complex(float(&parts[..8]), float(&parts[8..]))
        }
        "STR" => Value::Blob(tags::STR, blob(tree)),
        "BYTES" => Value::Blob(tags::BYTES, blob(tree)),
        "BYTEARRAY" => Value::Blob(tags::BYTEARRAY, blob(tree)),
        "BUFFER" => Value::Blob(tags::BUFFER, blob(tree)),
        "TUPLE" => Value::Ordered(tags::TUPLE, children(tree)),
        "LIST" => Value::Ordered(tags::LIST, children(tree)),
        "OBJECT" => Value::Ordered(tags::OBJECT, children(tree)),
        "RULE" => Value::Ordered(tags::RULE, children(tree)),
        "ARGUMENTS" => Value::Ordered(tags::ARGUMENTS, children(tree)),
        "NAME" => Value::Ordered(tags::NAME, children(tree)),
        "SET" => Value::Unordered(tags::SET, children(tree)),
        "FROZENSET" => Value::Unordered(tags::FROZENSET, children(tree)),
        "DICT" => {
            let items = tree[1].as_array().expect("items");
            Value::Dict(items.iter().map(|item| (value(&item[0]), value(&item[1]))).collect())
        }
        other => panic!("no tag is named {other}"),
    }
}

#[test]
fn the_core_encodes_each_vector_as_the_reference_does() {
    for vector in vectors(&["vectors", "calls"]) {
        let encoding = value(&vector["tree"]).encoding();
        assert_eq!(hex(&encoding), text(&vector["encoding"]), "{}", vector["name"]);
    }
}

#[test]
fn the_core_hashes_each_vector_as_the_reference_does() {
    for vector in vectors(&["vectors"]) {
        let digest = value(&vector["tree"]).digest();
        assert_eq!(hex(&digest.0[..20]), text(&vector["hash"]), "{}", vector["name"]);
    }
}

#[test]
fn every_tag_that_a_tree_can_have_is_in_a_vector() {
    fn collect<'a>(tree: &'a Json, found: &mut std::collections::BTreeSet<&'a str>) {
        if let Some(parts) = tree.as_array() {
            found.extend(parts.first().and_then(Json::as_str).filter(|name| name.contains(char::is_uppercase)));
            for part in parts {
                collect(part, found);
            }
        }
    }
    let vectors = vectors(&["vectors", "calls"]);
    let mut found = std::collections::BTreeSet::new();
    for vector in &vectors {
        collect(&vector["tree"], &mut found);
    }
    assert_eq!(found.len(), 23, "{found:?}");
}
