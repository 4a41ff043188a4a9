//! Tests of packed results on the real file system.

use std::fs;
use std::path::PathBuf;

use super::super::footer::{Head, Pickle};
use super::super::{Content, Key, SigningKey, Store};
use super::format::Digest;
use super::*;

pub(super) const DEFINITION: &str = "0123456789abcdef0123456789abcdef01234567";

pub(super) fn digest(number: usize) -> Digest {
    *blake3::hash(number.to_string().as_bytes()).as_bytes().first_chunk().unwrap()
}

pub(super) fn arguments(number: usize) -> String {
    crate::digest::hex(&digest(number))
}

pub(super) fn body(number: usize) -> Vec<u8> {
    [format!("the result of call {number} is {}", number * number).into_bytes(), vec![b'x'; number % 50], b".".to_vec()]
        .concat()
}

pub(super) fn key(arguments: &str) -> Key<'_> {
    Key::new("f", DEFINITION, arguments).unwrap()
}

pub(super) fn definition() -> Definition<'static> {
    Definition::new("f", DEFINITION).unwrap()
}

struct Cache {
    _folder: tempfile::TempDir,
    store: Store,
}

impl Cache {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: Store::new(folder.path()).unwrap(), _folder: folder }
    }

    fn open(&self) -> Packed {
        let mut packed = self.store.packed(&definition());
        packed.follow(true).unwrap();
        packed
    }

    fn folder(&self) -> PathBuf {
        self.store.folder(&definition()).join(FOLDER)
    }

    fn names(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.folder()) else { return Vec::new() };
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.names().iter().map(|name| self.folder().join(name)).collect()
    }
}

fn put(packed: &mut Packed, number: usize) {
    let (arguments, body) = (arguments(number), body(number));
    let pieces = [&body[..]];
    let head = Head { seconds: 0.5, inputs: Pickle { bytes: b"inputs.", buffers: &[] }, main: None };
    let content = Content { head: Some(head), ..Content::new(&pieces) };
    assert!(packed.write(&key(&arguments), &content, false).unwrap().is_some());
}

fn found(packed: &mut Packed, number: usize) -> bool {
    let entry = packed.read(&key(&arguments(number))).unwrap();
    if let Some(entry) = &entry {
        assert_eq!(entry.body(), body(number));
        assert_eq!(entry.footer().head().unwrap().seconds.to_bits(), 0.5_f64.to_bits());
    }
    entry.is_some()
}

fn all_found(packed: &mut Packed, count: usize) {
    assert_eq!((0..count).filter(|&number| !found(packed, number)).collect::<Vec<_>>(), Vec::<usize>::new());
    assert!((count..count + 50).all(|number| !found(packed, number)));
    let folder = packed.results.folder.parent().unwrap().to_owned();
    let mut listed: Vec<_> = list(&folder, usize::MAX).unwrap().into_iter().map(|entry| entry.arguments).collect();
    let mut expected: Vec<_> = (0..count).map(arguments).collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
}

fn is_clean(cache: &Cache) -> bool {
    cache.open().verify().unwrap().iter().all(|file| file.damage.is_empty())
}

#[test]
fn records_of_any_length_are_read_after_records_of_another_length() {
    let cache = Cache::new();
    let mut writer = cache.open();
    let body = |number: usize| [vec![number as u8; [0, 300, 600, 5000, 20_000][number / 100]], b".".to_vec()].concat();
    for number in 0..500 {
        writer.write(&key(&arguments(number)), &Content::new(&[&body(number)]), false).unwrap().unwrap();
    }
    // The lengths of a group of records tell how much is read with the head of the next ones.
    let check = |packed: &mut Packed| {
        for number in (0..500).chain((0..500).rev()).chain((0..500).map(|number| number * 103 % 500)) {
            assert_eq!(packed.read(&key(&arguments(number))).unwrap().unwrap().body(), body(number));
        }
    };
    check(&mut writer);
    check(&mut cache.open());
    writer.close();
    check(&mut cache.open());
}

#[test]
fn results_are_found_by_the_writer_and_by_readers_while_they_are_written() {
    let cache = Cache::new();
    let (mut writer, mut reader) = (cache.open(), cache.open());
    for number in 0..300 {
        put(&mut writer, number);
        reader.follow(true).unwrap();
        assert!(found(&mut writer, number) && found(&mut reader, number));
    }
    all_found(&mut writer, 300);
    all_found(&mut reader, 300);
    all_found(&mut cache.open(), 300);
    assert_eq!(cache.names().len(), 1);
    writer.close();
    all_found(&mut reader, 300);
    all_found(&mut cache.open(), 300);
    assert!(is_clean(&cache));
}

#[test]
fn processes_continue_the_segments_of_ended_ones_under_new_names() {
    let cache = Cache::new();
    let mut reader = cache.open();
    let mut names = Vec::new();
    for number in 0..200 {
        let mut writer = cache.open();
        put(&mut writer, number);
        names.push(cache.names());
        if number % 7 == 3 {
            // The process is killed: the system frees its lock.
            drop(writer);
        } else {
            writer.close();
        }
        reader.follow(true).unwrap();
        assert!(found(&mut reader, number));
    }
    assert!(names.iter().all(|names| names.len() == 1));
    names.dedup();
    assert_eq!(names.len(), 200);
    all_found(&mut reader, 200);
    all_found(&mut cache.open(), 200);
    assert!(is_clean(&cache));
    // The indexes stay few, and small.
    let bytes = fs::metadata(&cache.paths()[0]).unwrap().len();
    assert!(bytes < 200 * 400, "{bytes}");
}

#[test]
fn two_writers_have_two_segments() {
    let cache = Cache::new();
    let (mut one, mut other) = (cache.open(), cache.open());
    for number in 0..100 {
        put(if number % 2 == 0 { &mut one } else { &mut other }, number);
    }
    assert_eq!(cache.names().len(), 2);
    for packed in [&mut one, &mut other] {
        packed.follow(true).unwrap();
        all_found(packed, 100);
    }
    one.close();
    let mut third = cache.open();
    put(&mut third, 100);
    assert_eq!(cache.names().len(), 2);
    other.follow(true).unwrap();
    assert!(found(&mut other, 100));
}

#[test]
fn a_segment_without_results_is_deleted() {
    let cache = Cache::new();
    let mut writer = cache.open();
    put(&mut writer, 0);
    writer.close();
    writer.close();
    assert_eq!(cache.names().len(), 1);
    assert!(writer.remove(&key(&arguments(0))).unwrap());
    assert!(!writer.remove(&key(&arguments(0))).unwrap());
    assert!(!found(&mut writer, 0) && !found(&mut cache.open(), 0));
    put(&mut writer, 0);
    assert!(found(&mut writer, 0) && found(&mut cache.open(), 0));
    writer.close();
    assert_eq!(cache.names().len(), 1);
}

#[test]
fn packing_and_unpacking_keep_every_result() {
    let cache = Cache::new();
    for start in [0, 100, 200] {
        let mut writer = cache.open();
        (start..start + 120).for_each(|number| put(&mut writer, number));
    }
    let head = Head { seconds: 0.5, inputs: Pickle { bytes: b"inputs.", buffers: &[] }, main: None };
    let mut files = Vec::new();
    for number in 310..400 {
        let (arguments, body) = (arguments(number), body(number));
        let pieces = [&body[..]];
        let content = Content { head: Some(head), ..Content::new(&pieces) };
        cache.store.write(&key(&arguments), &content, false).unwrap();
        let path = cache.store.path(&key(&arguments));
        if number < 320 {
            // It is in a segment too, which has an earlier time.
            continue;
        }
        files.push((fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap(), path));
    }
    let mut reader = cache.open();
    all_found_up_to(&mut reader, 320);
    let packing = cache.open().pack(true).unwrap();
    assert_eq!((packing.results, packing.entries, packing.damaged, packing.busy), (400, 90, 0, 0));
    assert_eq!(cache.names().len(), 1);
    assert_eq!(fs::metadata(&cache.paths()[0]).unwrap().len(), packing.bytes);
    assert!(files.iter().all(|(_, _, path)| !path.exists()));
    assert!(is_clean(&cache));
    // A reader that knew the sources still finds them, and then the pack.
    all_found_up_to(&mut reader, 320);
    reader.follow(true).unwrap();
    all_found(&mut reader, 400);
    all_found(&mut cache.open(), 400);
    // There is nothing left to do.
    assert_eq!(cache.open().pack(true).unwrap().bytes, 0);

    assert_eq!(cache.open().unpack().unwrap().results, 400);
    assert!(cache.names().is_empty());
    for (bytes, modified, path) in files {
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
    }
    for number in 0..400 {
        let arguments = arguments(number);
        let outcome = cache.store.check(&key(&arguments)).unwrap();
        assert!(matches!(outcome, super::super::ReadOutcome::Found(entry) if entry.body() == body(number)));
    }
}

fn all_found_up_to(packed: &mut Packed, count: usize) {
    assert!((0..count).all(|number| found(packed, number)));
}

#[test]
fn a_segment_that_is_written_to_is_not_packed() {
    let cache = Cache::new();
    let (mut live, mut ended) = (cache.open(), cache.open());
    (0..10).for_each(|number| put(&mut live, number));
    (10..20).for_each(|number| put(&mut ended, number));
    ended.close();
    let packing = cache.open().pack(true).unwrap();
    assert_eq!((packing.results, packing.files, packing.busy), (10, 1, 1));
    put(&mut live, 20);
    let mut reader = cache.open();
    all_found_up_to(&mut reader, 21);
}

#[test]
fn packing_frees_the_space_of_results_that_a_running_process_deleted() {
    let cache = Cache::new();
    let mut live = cache.open();
    (0..200).for_each(|number| put(&mut live, number));
    live.close();
    let before = cache.open().pack(true).unwrap().bytes;
    for number in 0..150 {
        assert!(live.remove(&key(&arguments(number))).unwrap());
    }
    let packing = cache.open().pack(true).unwrap();
    assert_eq!((packing.results, packing.files, packing.busy), (50, 1, 1));
    assert!(packing.bytes < before);
    assert!((0..200).all(|number| found(&mut cache.open(), number) == (number >= 150)));
    // There is nothing left to do until the process closes its segment.
    assert_eq!(cache.open().pack(true).unwrap().bytes, 0);
    live.close();
    let packing = cache.open().pack(true).unwrap();
    assert_eq!((packing.results, packing.files), (50, 2));
    assert!(packing.bytes < before / 2);
    assert!((150..200).all(|number| found(&mut cache.open(), number)));
}

#[test]
fn deleted_results_stay_deleted_through_packing() {
    let cache = Cache::new();
    let (mut live, mut ended) = (cache.open(), cache.open());
    put(&mut live, 0);
    (1..10).for_each(|number| put(&mut ended, number));
    for number in [0, 5] {
        ended.follow(true).unwrap();
        assert!(ended.remove(&key(&arguments(number))).unwrap());
    }
    ended.close();
    for _ in 0..3 {
        cache.open().pack(false).unwrap();
        let mut reader = cache.open();
        assert_eq!((0..10).filter(|&number| !found(&mut reader, number)).collect::<Vec<_>>(), [0, 5]);
    }
    live.close();
    for _ in 0..3 {
        put(&mut live, 10);
        live.close();
        cache.open().pack(false).unwrap();
        let mut reader = cache.open();
        assert_eq!((0..11).filter(|&number| !found(&mut reader, number)).collect::<Vec<_>>(), [0, 5]);
    }
    // A result that is stored later is another record.
    put(&mut live, 5);
    assert!(found(&mut live, 5) && found(&mut cache.open(), 5));
}

#[test]
fn copied_caches_are_merged_by_copying_files() {
    let (one, other) = (Cache::new(), Cache::new());
    let mut writer = one.open();
    (0..10).for_each(|number| put(&mut writer, number));
    // A growing segment is copied.
    fs::create_dir_all(other.folder()).unwrap();
    for path in one.paths() {
        fs::copy(&path, other.folder().join(path.file_name().unwrap())).unwrap();
    }
    (10..20).for_each(|number| put(&mut writer, number));
    writer.close();
    let mut second = other.open();
    (20..30).for_each(|number| put(&mut second, number));
    second.close();
    for path in other.paths() {
        fs::copy(&path, one.folder().join(path.file_name().unwrap())).unwrap();
    }
    assert_eq!(one.names().len(), 2);
    all_found(&mut one.open(), 30);
    assert!(is_clean(&one) && is_clean(&other));
    assert_eq!(one.open().pack(true).unwrap().results, 30);
}

#[test]
fn a_deleted_folder_is_noticed_and_created_again() {
    let cache = Cache::new();
    let mut writer = cache.open();
    put(&mut writer, 0);
    fs::remove_dir_all(cache.folder()).unwrap();
    writer.follow(true).unwrap();
    assert!(!found(&mut writer, 0));
    put(&mut writer, 1);
    assert!(found(&mut writer, 1) && found(&mut cache.open(), 1));
    for path in cache.paths() {
        fs::remove_file(path).unwrap();
    }
    writer.follow(true).unwrap();
    put(&mut writer, 2);
    assert!(!found(&mut writer, 1) && found(&mut cache.open(), 2));
}

#[test]
fn signed_entries_are_read_with_their_key_only() {
    let cache = Cache::new();
    let signing_key = SigningKey::new(b"secret");
    let mut writer = cache.store.clone().with_signing_key(signing_key.clone()).packed(&definition());
    (0..100).for_each(|number| put(&mut writer, number));
    writer.close();
    for step in 0..2 {
        let open = |signing_key| {
            let mut packed = cache.store.clone().with_signing_key(signing_key).packed(&definition());
            packed.follow(true).unwrap();
            packed
        };
        all_found(&mut open(signing_key.clone()), 100);
        all_found(&mut cache.open(), 100);
        let foreign = open(SigningKey::new(b"other")).read(&key(&arguments(7)));
        assert!(matches!(foreign, Err(Error::Foreign { .. })), "{step}");
        cache.open().pack(true).unwrap();
    }
    let mut unsigned = cache.open();
    put(&mut unsigned, 100);
    let mut reader = cache.store.clone().with_signing_key(signing_key.clone()).packed(&definition());
    reader.follow(true).unwrap();
    assert!(matches!(reader.read(&key(&arguments(100))), Err(Error::Foreign { .. })));
    // The signature is in the restored files.
    unsigned.close();
    cache.open().unpack().unwrap();
    let store = cache.store.clone().with_signing_key(signing_key);
    assert!(matches!(store.check(&key(&arguments(7))), Ok(super::super::ReadOutcome::Found(_))));
    assert!(matches!(store.check(&key(&arguments(100))), Err(Error::Foreign { .. })));
}

#[test]
fn a_large_entry_is_refused_and_a_large_file_stays() {
    let cache = Cache::new();
    let mut writer = cache.open();
    let large = [vec![7; LARGEST], b".".to_vec()].concat();
    assert_eq!(writer.write(&key(&arguments(0)), &Content::new(&[&large]), false).unwrap(), None);
    cache.store.write(&key(&arguments(0)), &Content::new(&[&large]), false).unwrap();
    put(&mut writer, 1);
    writer.close();
    assert_eq!(cache.open().pack(true).unwrap().results, 1);
    assert!(cache.store.path(&key(&arguments(0))).exists());
}

#[test]
fn a_file_of_another_version_stays_as_it_is() {
    let cache = Cache::new();
    let mut writer = cache.open();
    put(&mut writer, 0);
    writer.close();
    let path = cache.paths()[0].clone();
    let mut bytes = fs::read(&path).unwrap();
    bytes[8..12].copy_from_slice(&9_u32.to_le_bytes());
    bytes[12..16].copy_from_slice(&(!9_u32).to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    let mut other = cache.open();
    assert!(!found(&mut other, 0));
    put(&mut other, 1);
    other.close();
    assert_eq!(cache.open().pack(true).unwrap().busy, 1);
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert!(!is_clean(&cache));
}

#[test]
fn more_files_than_may_be_open_are_read_and_packed() {
    let cache = Cache::new();
    let mut locked = Vec::new();
    for number in 0..300 {
        let mut writer = cache.store.packed(&definition());
        put(&mut writer, number);
        writer.close();
        // No later process continues this segment.
        for path in cache.paths() {
            let file = fs::File::open(path).unwrap();
            if disk::Disk::lock(&cache.store.files(), &file) {
                locked.push(file);
            }
        }
    }
    assert_eq!((cache.names().len(), locked.len()), (300, 300));
    let mut reader = cache.open();
    all_found(&mut reader, 300);
    drop(locked);
    all_found(&mut cache.open(), 300);
    let packing = cache.open().pack(true).unwrap();
    assert_eq!((packing.results, cache.names().len()), (300, 1));
    reader.follow(true).unwrap();
    all_found(&mut reader, 300);
}

fn bytes(vector: &serde_json::Value, field: &str) -> Vec<u8> {
    let hex = vector[field].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn segments_are_read_and_written_as_the_reference_does() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/packed.json");
    let vectors: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    for vector in vectors.as_array().unwrap() {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let (function, hash) = (text(&vector["function"]), text(&vector["definition"]));
        let definition = Definition::new(&function, &hash).unwrap();
        let signing_key = vector["key"].is_string().then(|| SigningKey::new(&bytes(vector, "key")));
        let entries: Vec<_> = vector["entries"].as_array().unwrap().iter().collect();
        let (one, other) = (Cache::new(), Cache::new());

        let root = one.store.root().to_owned();
        let mut results = results::Results::new(one.store.files(), root, &definition, signing_key.clone());
        for entry in &entries {
            let (body, file) = (bytes(entry, "body"), bytes(entry, "file"));
            let arguments = text(&entry["arguments"]);
            let key = Key::new(&function, &hash, &arguments).unwrap();
            let footer = &file[body.len()..file.len() - 96];
            results
                .append(&key, (&[&body], footer), (entry["time"].as_i64().unwrap(), signing_key.as_ref()), false)
                .unwrap();
        }
        for arguments in vector["deleted"].as_array().unwrap() {
            assert!(results.forget(&Key::new(&function, &hash, &text(arguments)).unwrap(), None).unwrap());
        }
        results.close();
        let folder = one.store.folder(&definition).join(FOLDER);
        let written = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        assert_eq!(fs::read(&written).unwrap(), bytes(vector, "file"), "{}", vector["name"]);

        let folder = other.store.folder(&definition).join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(&written, folder.join(format!("{}.seg", "0".repeat(32)))).unwrap();
        other.store.packed(&definition).unpack().unwrap();
        for entry in &entries {
            let arguments = text(&entry["arguments"]);
            let path = other.store.path(&Key::new(&function, &hash, &arguments).unwrap());
            assert_eq!(path.exists(), entry["is_deleted"] == false);
            assert!(!path.exists() || fs::read(&path).unwrap() == bytes(entry, "file"));
        }
    }
}
