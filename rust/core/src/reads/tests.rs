use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::*;

const LONG: f64 = 1e9;
const SHORT: f64 = 0.0;

/// Makes the last change of a file old enough that its stamp is settled.
fn settle(path: &Path) {
    // On Unix, the time of the last change cannot be set, so the test waits for the resolution of
    // local file systems.
    std::thread::sleep(crate::file_stamp::LOCAL_RESOLUTION + Duration::from_millis(5));
    assert!(path.exists());
}

fn opened(path: &Path) -> Opened {
    Opened { path: path.to_owned(), stamp: noting::stamp_now(path) }
}

fn noted(path: &Path, seconds: f64) -> CheckedReads {
    CheckedReads::new(note(&[opened(path)], seconds, &[]).unwrap())
}

fn holds(reads: &CheckedReads) -> bool {
    reads.check(None) == Verdict::Holds
}

fn write(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
}

#[test]
fn bytes_are_read_as_they_were_written() {
    let stamp = Stamp { inode: 1, size: 2, modified: -3, changed: 4 };
    let content = Some(Digest([7; 32]));
    let states = [
        FileState::Absent,
        FileState::Listed,
        FileState::Present { stamp, content: None, is_settled: true },
        FileState::Present { stamp, content, is_settled: true },
        FileState::Present { stamp, content, is_settled: false },
    ];
    let files: Vec<_> = [Base::AsOpened, Base::Project]
        .into_iter()
        .flat_map(|base| states.map(|state| FileRead { base, path: "a/b.csv".into(), state }))
        .collect();
    for summary in [None, content] {
        for earlier in [vec![], vec![ReadsName([1; 8]), ReadsName([2; 8])]] {
            let reads = Reads { files: files.clone(), summary, earlier };
            let bytes = reads.to_bytes();
            assert_eq!(Reads::from_bytes(&bytes), Some(reads));
            for end in 0..bytes.len() {
                assert_eq!(Reads::from_bytes(&bytes[..end]), None, "cut to {end}");
            }
            assert_eq!(Reads::from_bytes(&[&bytes[..], b"\0"].concat()), None);
        }
    }
    assert_eq!(Reads::from_bytes(&[0xff; 64]), None);
}

#[test]
fn the_name_depends_on_paths_and_contents_but_not_on_stamps_of_hashed_files() {
    let stamp = Stamp { inode: 1, size: 2, modified: 3, changed: 4 };
    let name = |path: &str, stamp, content, is_settled| {
        let state = FileState::Present { stamp, content, is_settled };
        Reads { files: vec![FileRead { base: Base::AsOpened, path: path.into(), state }], ..Reads::default() }.name()
    };
    let (content, other) = (Some(Digest([7; 32])), Some(Digest([8; 32])));
    let base = name("a", stamp, content, true);
    assert_eq!(base, name("a", Stamp { modified: 9, ..stamp }, content, false));
    assert_ne!(base, name("b", stamp, content, true));
    assert_ne!(base, name("a", stamp, other, true));
    assert_ne!(name("a", stamp, None, true), name("a", Stamp { modified: 9, ..stamp }, None, true));
    assert_eq!(base.to_hex().len(), 16);
}

#[test]
fn a_hashed_file_holds_after_a_touch_a_move_and_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (path, aside) = (folder.path().join("data"), folder.path().join("aside"));
    write(&path, "content");
    settle(&path);
    let reads = noted(&path, LONG);
    assert!(holds(&reads));
    File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert!(holds(&reads));
    fs::rename(&path, &aside).unwrap();
    assert!(matches!(reads.check(None), Verdict::Missing(file) if file.path == path));
    fs::rename(&aside, &path).unwrap();
    assert!(holds(&reads));
    fs::copy(&path, &aside).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert!(holds(&reads));
}

#[test]
fn a_file_with_another_content_of_equal_size_and_times_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, aside) = (folder.path().join("data"), folder.path().join("aside"));
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    for (path, content) in [(&path, "one"), (&aside, "two")] {
        write(path, content);
        File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    }
    settle(&path);
    for seconds in [LONG, SHORT] {
        let reads = noted(&path, seconds);
        assert!(holds(&reads));
        let backup = folder.path().join("backup");
        fs::rename(&path, &backup).unwrap();
        fs::rename(&aside, &path).unwrap();
        assert!(matches!(reads.check(None), Verdict::Changed(_)));
        fs::rename(&path, &aside).unwrap();
        fs::rename(&backup, &path).unwrap();
    }
}

#[test]
fn a_write_within_the_time_resolution_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    for number in 0..200 {
        write(&path, &format!("{number:04}"));
        let reads = noted(&path, SHORT);
        assert!(holds(&reads));
        write(&path, &format!("{:04}", number + 1));
        assert!(matches!(reads.check(None), Verdict::Changed(_)), "{number}");
        let bytes = reads.reads().to_bytes();
        let loaded = CheckedReads::new(Reads::from_bytes(&bytes).unwrap());
        assert!(matches!(loaded.check(None), Verdict::Changed(_)), "{number}");
        write(&path, &format!("{number:04}"));
        assert!(holds(&reads) && holds(&loaded));
    }
}

#[test]
fn an_absent_file_that_exists_now_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let reads = noted(&path, SHORT);
    assert!(holds(&reads));
    write(&path, "");
    assert!(matches!(reads.check(None), Verdict::Changed(_)));
}

#[test]
fn a_file_that_changes_during_the_computation_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    write(&path, "before");
    let before = opened(&path);
    write(&path, "after, longer");
    assert!(note(std::slice::from_ref(&before), LONG, &[]).is_err());
    fs::remove_file(&path).unwrap();
    assert!(note(&[before], LONG, &[]).is_err());
}

#[test]
fn files_in_the_project_are_relative_to_it() {
    let [here, there] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let path = here.path().join("data/table.csv");
    for folder in [&here, &there] {
        fs::create_dir(folder.path().join("data")).unwrap();
        write(&folder.path().join("data/table.csv"), "1,2");
    }
    let project = [PathBuf::from("/elsewhere"), here.path().to_owned()];
    let reads = CheckedReads::new(note(&[opened(&path)], LONG, &project).unwrap());
    let file = &reads.reads().files[0];
    assert_eq!((file.base, file.path.as_path()), (Base::Project, Path::new("data/table.csv")));
    assert_eq!(reads.check(Some(there.path())), Verdict::Holds);
    write(&there.path().join("data/table.csv"), "1,3");
    assert!(matches!(reads.check(Some(there.path())), Verdict::Changed(_)));
    assert_eq!(reads.check(Some(here.path())), Verdict::Holds);
}

#[test]
fn many_files_have_one_summary() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..=MAX_FILES).map(|number| folder.path().join(number.to_string())).collect();
    let all = || paths.iter().map(|path| opened(path)).collect::<Vec<_>>();
    // Absent files are always settled.
    let reads = CheckedReads::new(note(&all(), LONG, &[]).unwrap());
    assert!(reads.reads().summary.is_some());
    assert!(holds(&reads));
    write(&paths[7], "");
    assert!(matches!(reads.check(None), Verdict::Changed(_)));
    // A fresh file is hashed, since its stamp proves nothing.
    let reads = CheckedReads::new(note(&all(), LONG, &[]).unwrap());
    assert!(holds(&reads));
    write(&paths[7], "x");
    assert!(matches!(reads.check(None), Verdict::Changed(_)));
}

#[test]
fn a_large_file_is_hashed_only_if_the_computation_took_long() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    write(&path, &"x".repeat(1 << 20));
    let content_of = |reads: &CheckedReads| match reads.reads().files[0].state {
        FileState::Present { content, .. } => content,
        _ => None,
    };
    // A fresh file is hashed in any case.
    assert!(content_of(&noted(&path, SHORT)).is_some());
    std::thread::sleep(crate::file_stamp::RESOLUTION + Duration::from_millis(50));
    assert!(content_of(&noted(&path, SHORT)).is_none());
    let reads = noted(&path, SHORT);
    assert!(holds(&reads));
    assert!(content_of(&noted(&path, LONG)).is_some());
    // The hash is known now.
    assert!(content_of(&noted(&path, SHORT)).is_some());
    write(&path, &"y".repeat(1 << 20));
    assert!(matches!(reads.check(None), Verdict::Changed(_)));
}
