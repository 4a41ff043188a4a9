//! Tests that the core reads and writes `tests/vectors/entries.json` like the reference.

use std::fs;
use std::path::Path;

use funes_core::error::Error;
use funes_core::store::{Content, Head, Key, Origin, Pickle, ReadOutcome, SigningKey, Span, Store};
use serde_json::Value as Json;

fn vectors() -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/entries.json");
    let text = fs::read_to_string(path).expect("the vectors are beside the tests of Python");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

fn text<'a>(vector: &'a Json, field: &str) -> &'a str {
    vector[field].as_str().expect("a text")
}

fn bytes(vector: &Json, field: &str) -> Vec<u8> {
    let hex = text(vector, field);
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// Returns a pickle with buffers, if the vector has it.
fn pickle(vector: &Json, field: &str) -> Option<(Vec<u8>, Vec<Span>)> {
    let pickle = vector[field].as_object()?;
    let number = |row: &Json, index: usize| row[index].as_u64().expect("a number");
    let span = |row: &Json| Span { offset: number(row, 0), length: number(row, 1) };
    let buffers = pickle["buffers"].as_array().expect("a list").iter().map(span).collect();
    Some((bytes(&vector[field], "pickle"), buffers))
}

fn borrowed(pickle: &(Vec<u8>, Vec<Span>)) -> Pickle<'_> {
    Pickle { bytes: &pickle.0, buffers: &pickle.1 }
}

#[test]
fn files_are_read_and_written_as_the_reference_does() {
    let vectors = vectors();
    assert!(vectors.len() > 5);
    for vector in vectors {
        let name = text(&vector, "name");
        let (definition, arguments) = (text(&vector, "definition"), text(&vector, "arguments"));
        let key = match text(&vector, "function") {
            "" => Key::object(arguments).unwrap(),
            function => Key::new(function, definition, arguments).unwrap(),
        };
        let parts = ["head", "main", "fast"].map(|part| pickle(&vector, part));
        let [inputs, main, fast] = parts.each_ref().map(|part| part.as_ref().map(borrowed));
        let head = inputs.map(|inputs| Head { seconds: vector["seconds"].as_f64().expect("a number"), inputs, main });
        let (body, file) = (bytes(&vector, "body"), bytes(&vector, "file"));
        let signing_key = vector["key"].is_string().then(|| SigningKey::new(&bytes(&vector, "key")));

        let folder = tempfile::tempdir().unwrap();
        let plain = Store::new(folder.path()).unwrap();
        let store = signing_key.map_or(plain.clone(), |signing_key| plain.clone().with_signing_key(signing_key));
        let path = store.path(&key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &file).unwrap();
        let ReadOutcome::Found(entry) = store.read(&key).unwrap() else { panic!("{name}") };
        assert_eq!(entry.body(), body, "{name}");
        assert_eq!((entry.footer().head(), entry.footer().fast()), (head, fast), "{name}");
        let max_age = vector["max_age"].as_f64();
        assert_eq!(entry.footer().max_age(), max_age, "{name}");
        let run = vector["run"].is_string().then(|| bytes(&vector, "run").try_into().expect("16 bytes"));
        assert_eq!(entry.footer().run(), run, "{name}");

        let other = plain.clone().with_signing_key(SigningKey::new(b"another key"));
        assert!(matches!(other.read(&key), Err(Error::Foreign { .. })), "{name}");
        assert!(matches!(plain.read(&key), Ok(ReadOutcome::Found(_))), "{name}");

        fs::remove_file(&path).unwrap();
        let origin = Origin { max_age, run, ..Origin::default() };
        let content = Content { body: &[&body], head, fast, origin };
        if vector["unknown"] == 0 {
            assert!(store.write(&key, &content, false).unwrap(), "{name}");
        } else {
            assert!(store.write_again(&key, entry.body(), entry.footer(), false).unwrap().is_written, "{name}");
        }
        assert_eq!(fs::read(&path).unwrap(), file, "{name}");
    }
}
