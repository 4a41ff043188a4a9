//! Heads of entries: those of real pickles, of made-up ones, and of what is no entry.

use std::path::Path;

use funes_core::head::Head;
use serde_json::Value as Json;

struct Vector {
    name: String,
    pickle: Vec<u8>,
    head: Vec<u8>,
}

/// Entries that picklers of Python wrote: `tests/vectors/make_heads.py`, where Python's tests look at what is in the heads.
fn vectors() -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/heads.json");
    let text = std::fs::read_to_string(path).expect("the vectors are beside the tests of Python");
    let document: Vec<Json> = serde_json::from_str(&text).expect("the vectors are JSON");
    let field = |vector: &Json, name: &str| vector[name].as_str().expect("a text").to_owned();
    let vector = |vector: &Json| Vector {
        name: field(vector, "name"),
        pickle: bytes(&field(vector, "pickle")),
        head: bytes(&field(vector, "head")),
    };
    document.iter().map(vector).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn text(text: &str) -> Vec<u8> {
    [&[0x8c, text.len() as u8], text.as_bytes(), &[0x94]].concat()
}

/// An entry whose input, output and what follows the time are given as operations.
fn entry(input: &[u8], output: &[u8], rest: &[u8]) -> Vec<u8> {
    let parts: [&[u8]; 12] = [
        b"\x80\x05}\x94(",
        &text("input"),
        input,
        &text("output"),
        output,
        &text("time"),
        b"G",
        &0.25_f64.to_be_bytes(),
        rest,
        b"u",
        b".",
        b"",
    ];
    parts.concat()
}

fn head(pickle: &[u8]) -> Option<Vec<u8>> {
    Head::of(pickle).map(|head| head.pickle)
}

/// What the head must be for an input of these operations.
fn expected(input: &[u8], objects: &[u8]) -> Vec<u8> {
    let parts: [&[u8]; 7] =
        [b"\x80\x05}\x94(", &text("input"), input, b"X\x04\0\0\0timeG", &0.25_f64.to_be_bytes(), objects, b"u."];
    parts.concat()
}

#[test]
fn the_heads_of_real_pickles_are_those_that_python_has_read() {
    let vectors = vectors();
    assert!(vectors.len() > 15);
    for Vector { name, pickle, head } in vectors {
        let found = Head::of(&pickle).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(found.pickle, head, "{name}");
        assert_eq!(found.seconds.to_bits(), 0.25_f64.to_bits(), "{name}");
        assert_eq!(!found.objects.is_empty(), name.contains("large argument"), "{name}");
        for (argument, hash) in &found.objects {
            assert!(["data", "more"].contains(&argument.as_str()) && hash.len() == 40, "{name}");
        }
    }
}

#[test]
fn the_output_is_cut_out() {
    assert_eq!(head(&entry(b"}\x94", b"K*", b"")), Some(expected(b"}\x94", b"")));
    // Values that are made and dropped, as for the alignment of a buffer, belong to nobody.
    assert_eq!(head(&entry(b"N0}\x94", b"C\x01\x000K*", b"")), Some(expected(b"N0}\x94", b"")));
}

#[test]
fn frames_are_left_out_wherever_they_stand() {
    let frame = b"\x95\x03\0\0\0\0\0\0\0";
    let input = [&b"]\x94("[..], frame, b"K\x01K\x02e"].concat();
    assert_eq!(head(&entry(&input, frame.as_slice(), b"")), None, "a frame is no value");
    let output = [&frame[..], b"K*", frame].concat();
    assert_eq!(head(&entry(&input, &output, b"")), Some(expected(b"]\x94(K\x01K\x02e", b"")));
}

#[test]
fn names_may_be_fetched_from_the_memo() {
    // The input is {"time": 1}, so that the key is fetched: places 0 to 3 are entry, "input", input, "time".
    let input = [&b"}\x94"[..], &text("time"), b"K\x01s"].concat();
    let pickle =
        [&b"\x80\x05}\x94("[..], &text("input"), &input, &text("output"), b"K*h\x03G", &[0; 8], b"u."].concat();
    let found = Head::of(&pickle).unwrap();
    assert_eq!(found.seconds.to_bits(), 0);
    let other = [&b"\x80\x05}\x94("[..], &text("input"), &input, &text("output"), b"K*h\x01G", &[0; 8], b"u."].concat();
    assert_eq!(head(&other), None, "that is the name of the input");
    let unknown =
        [&b"\x80\x05}\x94("[..], &text("input"), &input, &text("output"), b"K*h\x09G", &[0; 8], b"u."].concat();
    assert_eq!(head(&unknown), None);
}

#[test]
fn large_arguments_are_told() {
    let hash = "7".repeat(40);
    let rest = [text("objects"), b"}\x94".to_vec(), text("data"), text(&hash), b"s".to_vec()].concat();
    let found = Head::of(&entry(b"}\x94", b"K*", &rest)).unwrap();
    assert_eq!(found.objects, [("data".to_owned(), hash.clone())]);
    let objects = [&b"X\x07\0\0\0objects}(X\x04\0\0\0dataX\x28\0\0\0"[..], hash.as_bytes(), b"u"];
    assert_eq!(found.pickle, expected(b"}\x94", &objects.concat()));
    for odd in [&b"K\x01"[..], b"}\x94K\x01K\x02s", b"}\x94(K\x01u"] {
        assert_eq!(head(&entry(b"}\x94", b"K*", &[&text("objects"), odd].concat())), None, "{odd:?}");
    }
}

#[test]
fn what_the_output_may_do_to_the_input_is_not_cut_out() {
    // Place 2 is the input: a list.
    for output in [
        &b"h\x02K\x01a"[..],             // APPEND
        b"h\x02(K\x01e",                 // APPENDS
        b"h\x02(K\x01\x90",              // ADDITEMS
        b"h\x02K\x01K\x01s",             // SETITEM
        b"h\x02(K\x01K\x01u",            // SETITEMS
        b"h\x02}b",                      // BUILD
        b"cmine\nchange\nh\x02\x85R0K*", // a call whose result is dropped
        b"(cmine\nchange\nh\x02\x85R1K*",
    ] {
        assert_eq!(head(&entry(b"]\x94", output, b"")), None, "{output:?}");
    }
    // What refers to the input, or changes what is the output's own, does nothing to it.
    for output in [&b"h\x02"[..], b"]\x94h\x02a", b"cmine\nmake\nh\x02\x85R}b", b"(h\x02h\x02t"] {
        assert_eq!(head(&entry(b"]\x94", output, b"")), Some(expected(b"]\x94", b"")), "{output:?}");
    }
}

#[test]
fn what_is_no_entry_has_no_head() {
    let sound = entry(b"}\x94", b"K*", b"");
    assert!(head(&sound).is_some());
    for length in 0..sound.len() {
        assert_eq!(head(&sound[..length]), None, "cut off at {length}");
    }
    assert_eq!(head(&[&sound[..], b"x"].concat()), None);
    for pickle in [
        &b"\x80\x05."[..],
        b"\x80\x05N.",
        b"\x80\x05}\x94.",
        b"\x80\x04}\x94(u.",
        b"\x80\x05}\x94(u.",
        b"\x80\x05]\x94(K\x01K\x01u.",
        b"\x80\x05(u.",
        b"\x80\x051.",
        b"\x80\x050.",
        b"\x80\x05\x94.",
        b"\x80\x05R.",
        b"\x80\x05\x87.",
        b"\x80\x05t.",
        b"\x80\x05N(0t.",
        b"\x80\x05\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x80\x05q\x01.",
        b"\x80\x05\x82\x01.",
        b"\x80\x05P1\n.",
        b"\x80\x05\x98.",
    ] {
        assert_eq!(head(pickle), None, "{pickle:?}");
    }
    for (key, other) in [("input", "inpux"), ("output", "outpux"), ("time", "timx")] {
        let at = sound.windows(key.len()).position(|window| window == key.as_bytes()).unwrap();
        let renamed = [&sound[..at], other.as_bytes(), &sound[at + other.len()..]].concat();
        assert_eq!(head(&renamed), None, "{other}");
    }
    let whole_seconds = [&entry(b"}\x94", b"K*", b"")[..sound.len() - 11], b"K\x01u."].concat();
    assert_eq!(head(&whole_seconds), None, "the time is a float");
}

/// A sequence that looks random, and is the same each time (xorshift64).
struct Noise(u64);

impl Noise {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

#[test]
fn whatever_is_changed_it_is_understood_or_refused() {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    let mut understood = 0;
    for Vector { pickle, .. } in vectors().iter().filter(|vector| vector.pickle.len() < 2_000) {
        for _ in 0..2_000 {
            let mut changed = pickle.clone();
            for _ in 0..=noise.next(3) {
                let at = noise.next(changed.len());
                match noise.next(4) {
                    0 => changed[at] = noise.next(256) as u8,
                    1 => changed[at] ^= 1 << noise.next(8),
                    2 => drop(changed.remove(at)),
                    _ => changed.insert(at, noise.next(256) as u8),
                }
            }
            let Some(head) = Head::of(&changed) else { continue };
            understood += 1;
            // What is left is a pickle from its first byte to its last, of an entry whose output could be put back.
            let length = head.pickle.len();
            assert_eq!(&head.pickle[..2], b"\x80\x05");
            assert_eq!(&head.pickle[length - 2..], b"u.");
            let output = [&head.pickle[..output_place(&head)], &text("output"), b"N"].concat();
            let restored = [&output[..], &head.pickle[output_place(&head)..]].concat();
            let again = Head::of(&restored).expect("the head of a head with an output");
            assert_eq!(again.pickle, head.pickle);
            assert_eq!(again.seconds.to_bits(), head.seconds.to_bits());
            assert_eq!(again.objects, head.objects);
        }
    }
    assert!(understood > 1_000, "{understood}");
}

/// Where the time starts in a head, before which the output was.
fn output_place(head: &Head) -> usize {
    let time = [&b"X\x04\0\0\0timeG"[..], &head.seconds.to_be_bytes()].concat();
    let windows: Vec<_> = head.pickle.windows(time.len()).collect();
    windows.iter().rposition(|window| *window == time).expect("the time")
}
