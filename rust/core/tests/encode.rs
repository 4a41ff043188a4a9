//! Tests that equal values have equal encodings and different values different ones.

use funes_core::domain::Domain;
use funes_core::encode::{Encoder, INLINE_LIMIT, Sealed};
use funes_core::tags;
use funes_core::value::Value;

fn text(text: &str) -> Value {
    Value::Blob(tags::STR, text.as_bytes().to_vec())
}

fn list(children: &[Value]) -> Value {
    Value::Ordered(tags::LIST, children.to_vec())
}

fn dict(items: &[(Value, Value)]) -> Value {
    Value::Dict(items.to_vec())
}

#[test]
fn ints_are_as_short_as_they_can_be() {
    for (value, encoding) in [
        (0, vec![0x10]),
        (1, vec![0x11, 1]),
        (-1, vec![0x11, 0xFF]),
        (127, vec![0x11, 127]),
        (128, vec![0x12, 128, 0]),
        (-128, vec![0x11, 0x80]),
        (-129, vec![0x12, 0x7F, 0xFF]),
        (i64::MAX, vec![0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
        (i64::MIN, vec![0x18, 0, 0, 0, 0, 0, 0, 0, 0x80]),
    ] {
        assert_eq!(Value::Int(value).encoding(), encoding, "{value}");
    }
}

#[test]
fn redundant_sign_bytes_of_an_int_do_not_count() {
    for value in [0, 1, -1, 127, 128, -128, -129, 65_535, i64::MAX, i64::MIN] {
        for extra in 0..4 {
            let mut bytes = value.to_le_bytes().to_vec();
            bytes.extend(vec![if value < 0 { 0xFF } else { 0 }; extra]);
            assert_eq!(Value::BigInt(bytes).encoding(), Value::Int(value).encoding(), "{value}");
        }
    }
    let beyond = Value::BigInt(vec![0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0]);
    assert_eq!(beyond.encoding(), [0x06, 9, 0, 0, 0, 0, 0, 0, 0, 0x80, 0]);
}

#[test]
fn zeros_have_signs_and_nans_have_none() {
    assert_ne!(Value::Float(0.0).encoding(), Value::Float(-0.0).encoding());
    assert_eq!(Value::Float(f64::NAN).encoding(), Value::Float(-f64::NAN).encoding());
}

#[test]
fn a_node_is_inline_up_to_the_limit_and_a_digest_beyond() {
    for (length, stands_inline) in [(INLINE_LIMIT - 3, true), (INLINE_LIMIT - 2, false)] {
        let encoding = text(&"x".repeat(length)).encoding();
        assert_eq!(encoding[0] == tags::STR, stands_inline);
        assert_eq!(encoding.len() == 33, !stands_inline);
    }
    let long = list(&vec![Value::Float(1.5); 100]);
    assert_eq!(long.encoding().len(), 33);
    assert_eq!(list(&[long.clone(), long]).encoding().len(), 2 + 66);
}

#[test]
fn the_order_of_items_and_elements_does_not_count() {
    let items = [(text("b"), Value::Int(1)), (text("a"), list(&[])), (Value::Int(3), text("c"))];
    let mut turned = items.clone();
    turned.reverse();
    assert_eq!(dict(&items).encoding(), dict(&turned).encoding());
    let set = |elements: &[Value]| Value::Unordered(tags::SET, elements.to_vec()).encoding();
    assert_eq!(set(&[Value::Int(2), text("x")]), set(&[text("x"), Value::Int(2)]));
}

#[test]
fn boundaries_between_parts_count() {
    let pairs = [
        (list(&[text("a"), text("b")]), list(&[text("ab")])),
        (list(&[Value::Int(1), Value::Int(11)]), list(&[Value::Int(11), Value::Int(1)])),
        (list(&[list(&[]), list(&[])]), list(&[list(&[list(&[])])])),
        (dict(&[(text("a"), text("b=1"))]), dict(&[(text("a=b"), text("1"))])),
    ];
    for (one, other) in pairs {
        assert_ne!(one.digest(), other.digest());
    }
}

#[test]
fn domains_have_different_hashes() {
    let finish = |domain| {
        let mut encoder = Encoder::new();
        encoder.int(1);
        encoder.finish(domain)
    };
    assert_ne!(finish(Domain::Value), finish(Domain::Arguments));
}

/// Returns the digest of the first node of a graph of lists. Each node has a label and children.
fn graph(nodes: &[(i64, &[usize])]) -> funes_core::digest::Digest {
    let mut encoder = Encoder::new();
    let ids: Vec<_> = nodes.iter().map(|_| encoder.reserve()).collect();
    for (&node, (label, children)) in ids.iter().zip(nodes) {
        let mark = encoder.begin(tags::LIST, 1 + children.len());
        encoder.int(*label);
        for &child in *children {
            encoder.put(Sealed::Node(ids[child]));
        }
        encoder.define(mark, node);
    }
    encoder.settle().digest(ids[0]).expect("every node is defined")
}

#[test]
fn equal_cycles_have_equal_digests() {
    let itself = graph(&[(1, &[0])]);
    assert_eq!(itself, graph(&[(1, &[1]), (1, &[0])]), "two steps round");
    assert_eq!(itself, graph(&[(1, &[1]), (1, &[2]), (1, &[2])]), "a way in");
    assert_eq!(itself, graph(&[(1, &[2]), (7, &[0]), (1, &[0])]), "another one in the graph");
    assert_ne!(itself, graph(&[(2, &[0])]));
    assert_ne!(itself, graph(&[(1, &[1]), (2, &[0])]));
    assert_ne!(itself, graph(&[(1, &[0, 0])]));
}

#[test]
fn cycles_that_lead_into_equal_cycles_are_equal() {
    let tree = graph(&[(1, &[0, 0])]);
    assert_eq!(tree, graph(&[(1, &[1, 0]), (1, &[1, 1])]));
    assert_eq!(tree, graph(&[(1, &[2, 1]), (1, &[0, 2]), (1, &[2, 2])]));
    assert_ne!(tree, graph(&[(1, &[1, 0]), (2, &[1, 1])]));
}

#[test]
fn the_members_of_a_cycle_are_distinguished() {
    let ring = |labels: &[i64]| {
        let next: Vec<[usize; 1]> = (0..labels.len()).map(|index| [(index + 1) % labels.len()]).collect();
        let nodes: Vec<(i64, &[usize])> = labels.iter().zip(&next).map(|(&label, next)| (label, &next[..])).collect();
        graph(&nodes)
    };
    assert_ne!(ring(&[1, 2, 3]), ring(&[2, 3, 1]));
    assert_ne!(ring(&[1, 2, 3]), ring(&[1, 3, 2]));
    assert_eq!(ring(&[1, 2]), ring(&[1, 2, 1, 2]));
    assert_ne!(ring(&[1, 1, 2]), ring(&[1, 2, 2]));
}

#[test]
fn distant_members_of_a_cycle_count() {
    // All labels differ, so one round distinguishes the nodes. The digest must include far ones.
    let ring = |last: i64| {
        let labels: Vec<i64> = (0..49).chain([last]).collect();
        let next: Vec<[usize; 1]> = (1..=labels.len()).map(|index| [index % labels.len()]).collect();
        let nodes: Vec<(i64, &[usize])> = labels.iter().zip(&next).map(|(&label, next)| (label, &next[..])).collect();
        graph(&nodes)
    };
    assert_ne!(ring(1000), ring(1001));
}

#[test]
fn a_chain_of_a_hundred_thousand_nodes_settles() {
    let next: Vec<Vec<usize>> =
        (0..100_000).map(|index| if index == 99_999 { vec![] } else { vec![index + 1] }).collect();
    let nodes: Vec<(i64, &[usize])> = next.iter().map(|next| (1, &next[..])).collect();
    graph(&nodes);
}

#[test]
fn digest_of_a_snapshot_is_that_of_the_value_with_the_digests_of_its_definitions() {
    let digest = Domain::Node.hash(b"a definition");
    for (length, is_cycle) in [(1, false), (INLINE_LIMIT, false), (1, true), (INLINE_LIMIT, true)] {
        let write = |encoder: &mut Encoder, definition: Sealed| {
            let own = encoder.reserve();
            let list = encoder.begin(tags::LIST, 3);
            encoder.blob(tags::STR, &vec![b'a'; length]);
            encoder.put(if is_cycle { Sealed::Node(own) } else { definition });
            encoder.put(definition);
            encoder.end(list, is_cycle.then_some(own));
        };
        let mut open = Encoder::new();
        let (start, node) = (open.mark(), open.reserve());
        write(&mut open, Sealed::Node(node));
        let mut settled = Encoder::new();
        write(&mut settled, Sealed::Digest(digest));
        let snapshot = open.snapshot_since(&start);
        assert_eq!(snapshot.definitions(), [node]);
        assert_eq!(snapshot.digest(&[digest]), Some(settled.finish(Domain::Value)));
        assert_ne!(snapshot.digest(&[digest]), snapshot.digest(&[Domain::Node.hash(b"another one")]));
    }
}
