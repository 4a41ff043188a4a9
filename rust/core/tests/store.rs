//! Tests the store on a real file system: races, other objects with the name of an entry, failures.
//! The bytes are tested in `store/entry.rs`, the names in `store/layout.rs`.

use std::fs;
use std::mem::discriminant;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use funes_core::error::Error;
use funes_core::store::{Content, Damage, Definition, Head, Key, Origin, Pickle, ReadOutcome, Span, Store};
use tempfile::TempDir;

const DEFINITION: &str = "0123456789abcdef0123456789abcdef01234567";
const ARGUMENTS: &str = "89abcdef0123456789abcdef0123456789abcdef";
const BODY: &[u8] = b"\x80\x05K*.";

/// A store in a temporary folder.
struct Place {
    folder: TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::new(folder.path().join("cache")).unwrap();
        Self { folder, store }
    }

    /// Makes a store with one entry.
    fn with_entry() -> Self {
        let place = Self::new();
        assert!(place.write(BODY));
        place
    }

    fn entry(&self) -> PathBuf {
        self.store.path(&key())
    }

    fn damaged(&self) -> PathBuf {
        self.folder_of_entries().join("damaged").join(self.entry().file_name().unwrap())
    }

    fn folder_of_entries(&self) -> PathBuf {
        self.store.folder(&key().definition())
    }

    fn write(&self, body: &[u8]) -> bool {
        self.put(&key(), body)
    }

    fn put(&self, key: &Key, body: &[u8]) -> bool {
        self.store.write(key, &Content::new(&[body]), false).unwrap()
    }

    /// Reads with each method, and asserts that the results agree.
    fn read(&self) -> ReadOutcome {
        let reading = self.store.read(&key()).unwrap();
        for other in [self.store.read_expecting_miss(&key()), self.store.read_refreshed(&key())] {
            assert_eq!(discriminant(&other.unwrap()), discriminant(&reading));
        }
        reading
    }

    fn entries(&self) -> Vec<String> {
        self.store.entries(&key().definition()).unwrap()
    }

    fn body(&self) -> Vec<u8> {
        body(&self.store, &key())
    }

    /// Makes a store with an empty folder of entries.
    fn with_empty_folder() -> Self {
        let place = Self::new();
        fs::create_dir_all(place.folder_of_entries()).unwrap();
        place
    }
}

fn key() -> Key<'static> {
    Key::new("double", DEFINITION, ARGUMENTS).unwrap()
}

fn body(store: &Store, key: &Key) -> Vec<u8> {
    match store.read(key).unwrap() {
        ReadOutcome::Found(entry) => entry.body().to_vec(),
        other => panic!("{other:?}"),
    }
}

/// Returns a body of `length` bytes and STOP.
fn large(byte: u8, length: usize) -> Vec<u8> {
    let mut body = vec![byte; length];
    body.push(b'.');
    body
}

/// Returns every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).unwrap() {
        let item = item.unwrap();
        if item.file_type().unwrap().is_dir() {
            found.extend(files(&item.path()));
        } else {
            found.push(item.path());
        }
    }
    found
}

#[test]
fn a_written_entry_is_read_by_any_store_of_the_same_folder() {
    for durable in [false, true] {
        let place = Place::new();
        assert!(matches!(place.read(), ReadOutcome::Absent));
        let buffers = &[Span { offset: 1, length: 3 }];
        let fast = Pickle { bytes: b"fast.", buffers };
        let head = Head { seconds: 0.5, inputs: Pickle { bytes: b"inputs.", buffers }, main: None };
        let content = Content { body: &[BODY], head: Some(head), fast: Some(fast), ..Content::new(&[]) };
        assert!(place.store.write(&key(), &content, durable).unwrap());

        let ReadOutcome::Found(entry) = Store::new(place.store.root()).unwrap().read(&key()).unwrap() else {
            panic!("it was written");
        };
        assert_eq!((entry.footer().head(), entry.footer().fast()), (content.head, content.fast));
        assert_eq!(entry.body(), BODY);
        assert!(fs::read(place.entry()).unwrap().starts_with(BODY));
        assert_eq!(files(place.folder.path()), [place.entry()]);

        // Stored again, the file differs only in the checksum, which is before version and magic
        // bytes.
        let other = Key::new("double", ARGUMENTS, ARGUMENTS).unwrap();
        assert!(place.store.write_again(&other, entry.body(), entry.footer(), durable).unwrap().is_written);
        let ReadOutcome::Found(again) = place.store.read(&other).unwrap() else { panic!("it was written") };
        assert_eq!((again.footer().head(), again.footer().fast()), (content.head, content.fast));
        assert_eq!(again.body(), BODY);
        let unnamed =
            |path: &Path| fs::read(path).unwrap().split_last_chunk::<{ 32 + 4 + 4 + 8 }>().unwrap().0.to_vec();
        assert_eq!(unnamed(&place.entry()), unnamed(&place.store.path(&other)));
    }
}

#[test]
fn reading_creates_nothing() {
    let place = Place::new();
    assert!(matches!(place.read(), ReadOutcome::Absent));
    assert!(!place.store.remove(&key()).unwrap());
    assert_eq!(place.store.set_aside(&key()).unwrap(), None);
    assert!(place.entries().is_empty());
    assert!(!place.store.root().exists());
}

#[test]
fn an_entry_of_any_length_is_read() {
    let place = Place::new();
    // Lengths around one write, around reading the trailer first, around hashing on several
    // threads.
    let mib = 1 << 20;
    for length in [1, 65_000, 65_536, mib - 97, mib - 96, mib, 3_000_001] {
        let large = large(7, length - 1);
        let arguments = format!("{length:040x}");
        let key = Key::new("double", DEFINITION, &arguments).unwrap();
        assert!(place.put(&key, &large));
        assert!(body(&place.store, &key) == large);
    }
}

#[test]
fn the_first_of_two_writes_stays() {
    let place = Place::with_entry();
    for durable in [false, true] {
        assert!(!place.store.write(&key(), &Content::new(&[b"N."]), durable).unwrap());
        assert_eq!(place.body(), BODY);
    }
    assert_eq!(files(place.folder.path()), [place.entry()]);
}

#[test]
fn of_concurrent_writers_exactly_one_stores_a_complete_file() {
    const WRITERS: usize = 8;
    let place = Place::new();
    for round in 0..20 {
        let arguments = format!("{round:040x}");
        let key = Key::new("double", DEFINITION, &arguments).unwrap();
        let start = Barrier::new(WRITERS);
        let write = |_| {
            start.wait();
            place.put(&key, &large(round, 100_000))
        };
        let first: usize = thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
            writers.into_iter().map(|writer| usize::from(writer.join().unwrap())).sum()
        });
        assert_eq!(first, 1);
        assert_eq!(body(&place.store, &key).len(), 100_001);
    }
    assert_eq!(files(place.folder.path()).len(), 20);
}

#[test]
fn a_reader_sees_a_complete_entry_or_none() {
    let place = Place::new();
    let large = large(7, 300_000);
    for round in 0..50 {
        let arguments = format!("{round:040x}");
        let key = Key::new("double", DEFINITION, &arguments).unwrap();
        thread::scope(|scope| {
            let writer = scope.spawn(|| place.put(&key, &large));
            while !writer.is_finished() {
                match place.store.read(&key).unwrap() {
                    ReadOutcome::Absent => {}
                    ReadOutcome::Found(entry) => assert!(entry.body() == large),
                    ReadOutcome::Damaged(damage) => panic!("{damage}"),
                }
            }
        });
        assert!(body(&place.store, &key) == large);
    }
}

#[cfg(unix)] // Windows keeps a folder that holds an open file.
#[test]
fn folders_deleted_during_writes_are_created_again() {
    let place = Place::new();
    let root = place.store.root();
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..300 {
                let arguments = format!("{round:040x}");
                let key = Key::new("double", DEFINITION, &arguments).unwrap();
                match place.store.write(&key, &Content::new(&[BODY]), false) {
                    Ok(first) => assert!(first),
                    // It gives up after some attempts, with an error.
                    Err(error) => assert!(error.to_string().contains("folder"), "{error}"),
                }
            }
        });
        while !writer.is_finished() {
            let _ = fs::remove_dir_all(root);
        }
    });
    let _ = fs::remove_dir_all(root);
    assert!(place.write(BODY));
    assert_eq!(files(place.folder.path()), [place.entry()]);
}

#[test]
fn invalid_content_is_refused_before_anything_is_created() {
    let place = Place::new();
    let error = place.store.write(&key(), &Content::new(&[b"no pickle"]), false).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    assert!(!place.store.root().exists());
}

#[test]
fn a_relative_root_is_refused() {
    assert!(Store::new("cache").unwrap_err().to_string().contains("absolute"));
}

#[test]
fn a_function_name_never_leads_out_of_the_cache_folder() {
    let long = "x".repeat(300);
    for function in ["<lambda>", "../x", "", ".", "..", "/etc/x", "a/b", "nul", "C:\\x", "a\0b", &long, "\u{202e}x"] {
        let place = Place::new();
        let key = Key::new(function, DEFINITION, ARGUMENTS).unwrap();
        assert!(place.put(&key, BODY));
        assert_eq!(body(&place.store, &key), BODY);
        let [file] = &files(place.folder.path())[..] else { panic!("one file") };
        let inside = file.strip_prefix(place.store.root()).unwrap();
        assert_eq!(inside.components().count(), 3, "{inside:?}");
    }
}

#[test]
fn an_entry_under_another_name_is_damaged() {
    let place = Place::with_entry();
    for other in [
        Key::new("triple", DEFINITION, ARGUMENTS),
        Key::new("double", ARGUMENTS, ARGUMENTS),
        Key::new("double", DEFINITION, DEFINITION),
    ] {
        let other = other.unwrap();
        let path = place.store.path(&other);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(place.entry(), &path).unwrap();
        assert!(matches!(place.store.read(&other).unwrap(), ReadOutcome::Damaged(Damage::Checksum)));
    }
}

#[test]
fn a_copied_cache_is_the_same_cache() {
    let place = Place::with_entry();
    let copy = Store::new(place.folder.path().join("copy")).unwrap();
    let path = copy.path(&key());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::copy(place.entry(), &path).unwrap();
    assert_eq!(body(&copy, &key()), BODY);
}

#[test]
fn a_damaged_entry_is_quarantined_and_can_be_written_again() {
    let place = Place::with_entry();
    let whole = fs::read(place.entry()).unwrap();
    for damaged in [&b""[..], &whole[..10], &[0; 500]] {
        fs::write(place.entry(), damaged).unwrap();
        assert!(matches!(place.read(), ReadOutcome::Damaged(_)));
        // Writing does not replace a damaged entry; only the quarantine makes room.
        assert!(!place.write(BODY));
        assert_eq!(place.store.set_aside(&key()).unwrap(), Some(place.damaged()));
        assert_eq!(fs::read(place.damaged()).unwrap(), damaged);
        assert!(matches!(place.read(), ReadOutcome::Absent));
        assert!(place.write(BODY));
        assert_eq!(place.body(), BODY);
    }
    assert_eq!(place.entries(), [ARGUMENTS]);
}

#[test]
fn an_intact_entry_is_not_quarantined() {
    let place = Place::with_entry();
    assert_eq!(place.store.set_aside(&key()).unwrap(), None);
    assert_eq!(place.body(), BODY);
    assert!(!place.damaged().exists());
}

#[test]
fn an_entry_of_another_format_version_is_kept() {
    for other in [1_u32, 3] {
        let place = Place::with_entry();
        let mut file = fs::read(place.entry()).unwrap();
        let version = file.len() - 16;
        file[version..version + 4].copy_from_slice(&other.to_le_bytes());
        file[version + 4..version + 8].copy_from_slice(&(!other).to_le_bytes());
        for file in [file.clone(), [vec![0; 2 << 20], file].concat()] {
            fs::write(place.entry(), &file).unwrap();
            let error = place.store.read(&key()).unwrap_err();
            assert!(matches!(error, Error::OtherVersion { version, .. } if version == other), "{error}");
            assert_eq!(place.store.set_aside(&key()).unwrap(), None);
            assert!(!place.write(BODY));
            assert!(fs::read(place.entry()).unwrap() == file);
        }
    }
}

#[test]
fn a_file_of_absurd_length_is_damage_and_is_not_loaded() {
    let place = Place::with_entry();
    // A sparse file takes no space.
    let file = fs::File::options().write(true).open(place.entry()).unwrap();
    file.set_len(1 << 40).unwrap();
    assert!(matches!(place.read(), ReadOutcome::Damaged(Damage::Ending)));

    // A large file that ends with an entry is not read as that entry.
    let place = Place::with_entry();
    let whole = [vec![0; 2 << 20], fs::read(place.entry()).unwrap()].concat();
    fs::write(place.entry(), whole).unwrap();
    assert!(matches!(place.read(), ReadOutcome::Damaged(Damage::Length)));
}

#[test]
fn remove_returns_whether_there_was_an_entry() {
    let place = Place::with_entry();
    assert!(place.store.remove(&key()).unwrap());
    assert!(!place.store.remove(&key()).unwrap());
    assert!(matches!(place.read(), ReadOutcome::Absent));
    assert!(place.write(BODY));
}

#[test]
fn only_entries_are_listed_in_order() {
    let place = Place::with_entry();
    let folder = place.folder_of_entries();
    let early = "00".repeat(20);
    let late = "ff".repeat(20);
    for arguments in [&late, &early] {
        let key = Key::new("double", DEFINITION, arguments).unwrap();
        place.put(&key, BODY);
    }
    fs::write(folder.join("definition.json"), "{}").unwrap();
    fs::write(folder.join(".tmp-abc.dill"), "").unwrap();
    fs::write(folder.join(format!("{}.dill", "FE".repeat(20))), "").unwrap();
    fs::create_dir(folder.join("damaged")).unwrap();
    fs::create_dir(folder.join(format!("{}.dill", "aa".repeat(20)))).unwrap();
    assert_eq!(place.entries(), [early.as_str(), ARGUMENTS, &late]);
    let other = Definition::new("double", ARGUMENTS).unwrap();
    assert!(place.store.entries(&other).unwrap().is_empty());
}

#[test]
fn a_folder_with_the_name_of_an_entry_is_a_miss() {
    let place = Place::with_empty_folder();
    fs::create_dir(place.entry()).unwrap();
    assert!(matches!(place.read(), ReadOutcome::Absent));
    assert!(!place.write(BODY));
    assert_eq!(place.store.set_aside(&key()).unwrap(), None);
    assert!(place.entry().is_dir());
    assert!(files(place.folder.path()).is_empty());
}

#[test]
fn a_file_where_a_folder_should_be_is_a_miss_and_an_error_to_write() {
    for level in 1..=3 {
        let place = Place::new();
        let obstacle = place.entry().ancestors().nth(level).unwrap().to_owned();
        fs::create_dir_all(obstacle.parent().unwrap()).unwrap();
        fs::write(&obstacle, "in the way").unwrap();
        assert!(matches!(place.read(), ReadOutcome::Absent));
        assert!(!place.store.remove(&key()).unwrap());
        assert!(place.entries().is_empty());
        for durable in [false, true] {
            let error = place.store.write(&key(), &Content::new(&[BODY]), durable).unwrap_err();
            assert!(matches!(error, Error::Io { .. }), "{error}");
        }
        assert_eq!(files(place.folder.path()), [obstacle.as_path()]);

        // Writing works once the obstacle is gone.
        fs::remove_file(&obstacle).unwrap();
        assert!(place.write(BODY));
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_link_with_the_name_of_an_entry_is_not_followed() {
        let place = Place::with_entry();
        let elsewhere = place.folder.path().join("elsewhere");
        fs::rename(place.entry(), &elsewhere).unwrap();
        for target in [elsewhere.clone(), place.folder.path().join("nothing"), place.entry()] {
            symlink(&target, place.entry()).unwrap();
            assert!(matches!(place.read(), ReadOutcome::Absent));
            assert_eq!(place.store.set_aside(&key()).unwrap(), None);
            assert!(!place.write(BODY));
            assert!(place.entries().is_empty());
            assert!(place.store.remove(&key()).unwrap());
        }
        assert_eq!(files(place.folder.path()), [elsewhere]);
    }

    #[test]
    fn a_link_to_a_cache_folder_elsewhere_is_followed() {
        let place = Place::new();
        fs::create_dir(place.folder.path().join("disk")).unwrap();
        symlink("disk", place.store.root()).unwrap();
        assert!(place.store.write(&key(), &Content::new(&[BODY]), true).unwrap());
        assert_eq!(place.body(), BODY);
    }

    #[test]
    fn a_pipe_or_socket_with_the_name_of_an_entry_is_a_miss_and_does_not_block() {
        let place = Place::with_empty_folder();
        let status = Command::new("mkfifo").arg(place.entry()).status().unwrap();
        assert!(status.success());
        assert!(matches!(place.read(), ReadOutcome::Absent));
        assert!(!place.write(BODY));
        fs::remove_file(place.entry()).unwrap();

        // The path of a socket is limited to about 100 bytes: bind it elsewhere, then move it.
        let socket = place.folder.path().join("s");
        let _listener = UnixListener::bind(&socket).unwrap();
        fs::rename(socket, place.entry()).unwrap();
        assert!(matches!(place.read(), ReadOutcome::Absent));
    }

    #[test]
    fn a_root_that_is_not_utf8_works() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let folder = TempDir::new().unwrap();
        let root = folder.path().join(OsStr::from_bytes(b"caf\xe9"));
        // Some systems, such as macOS, refuse such names.
        if fs::create_dir(&root).is_err() {
            return;
        }
        let store = Store::new(root).unwrap();
        assert!(store.write(&key(), &Content::new(&[BODY]), false).unwrap());
        assert_eq!(body(&store, &key()), BODY);
    }

    #[test]
    fn existing_folders_keep_their_permissions() {
        let place = Place::new();
        fs::create_dir(place.store.root()).unwrap();
        fs::set_permissions(place.store.root(), fs::Permissions::from_mode(0o2770)).unwrap();
        place.write(BODY);
        assert_eq!(mode(place.store.root()), 0o2770);
        assert_eq!(mode(&place.folder_of_entries()) & 0o777, 0o700);
    }

    /// The umask belongs to the process, so this test runs itself in a new process per umask.
    #[test]
    fn folders_and_files_are_for_their_owner_alone_under_any_umask() {
        const VARIABLE: &str = "FUNES_TEST_UMASK_ROOT";
        if let Some(root) = std::env::var_os(VARIABLE) {
            let store = Store::new(PathBuf::from(root)).unwrap();
            assert!(store.write(&key(), &Content::new(&[BODY]), false).unwrap());
            return;
        }
        let this = "unix::folders_and_files_are_for_their_owner_alone_under_any_umask";
        for umask in ["000", "022", "077", "277", "777"] {
            let place = Place::new();
            let script = format!("umask {umask} && exec \"$0\" --exact {this}");
            let mut child = Command::new("sh");
            child.args(["-c", &script]).arg(std::env::current_exe().unwrap());
            let output = child.env(VARIABLE, place.store.root()).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            assert_eq!(mode(&place.entry()), 0o600, "umask {umask}");
            for folder in place.entry().ancestors().skip(1).take(3) {
                assert_eq!(mode(folder), 0o700, "umask {umask}: {}", folder.display());
            }
        }
    }
}

#[test]
fn an_entry_whose_files_changed_becomes_an_earlier_one() {
    use funes_core::reads::{Base, FileRead, FileState, Reads, ReadsName};

    let place = Place::new();
    let store = &place.store;
    let of = |path: &str, earlier: &[ReadsName]| {
        let file = FileRead { base: Base::AsOpened, path: path.into(), state: FileState::Absent };
        Reads { files: vec![file], summary: None, earlier: earlier.to_vec() }
    };
    let write = |body: &[u8], reads: &Reads| {
        let body = [body];
        let content = Content { origin: Origin { reads: Some(reads), ..Origin::default() }, ..Content::new(&body) };
        assert!(store.write(&key(), &content, false).unwrap());
    };
    let first = of("a", &[]);
    write(b"1.", &first);
    assert_eq!(store.reads(&key()), Some(first.clone()));
    assert!(!store.set_earlier(&key(), of("b", &[]).name()).unwrap());
    assert!(store.set_earlier(&key(), first.name()).unwrap());
    assert_eq!(store.reads(&key()), None);
    let second = of("b", &[first.name()]);
    write(b"2.", &second);
    // It is no entry of a listing, and is read by its name.
    assert_eq!(store.entries(&key().definition()).unwrap(), [key().arguments()]);
    let ReadOutcome::Found(entry) = store.read_earlier(&key(), first.name()).unwrap() else { panic!("it was renamed") };
    assert_eq!((entry.body(), entry.footer().reads()), (&b"1."[..], Some(&first)));
    assert!(store.remove(&key()).unwrap());
    assert!(matches!(store.read_earlier(&key(), first.name()).unwrap(), ReadOutcome::Absent));
}
