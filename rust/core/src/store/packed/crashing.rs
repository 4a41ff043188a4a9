//! Packed results on a simulated machine: processes are killed and the power is lost at every
//! operation, files are damaged, the disk is full, and processes run between two operations of
//! another one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::crashing::{Chance, Machine, Named, Node, Way};
use super::super::files::Files;
use super::super::layout::Key;
use super::super::publish::Present;
use super::super::watched_folder::{FolderState, WatchedFolder};
use super::super::write::write;
use super::FOLDER;
use super::disk::Disk;
use super::results::Results;
use super::tests::{arguments, body, definition, key};
use crate::error::Result;
use crate::file_stamp::FileStamp;

const ROOT: &str = "/home/reader/cache";

impl Disk for Machine {
    fn list(&self, folder: &Path) -> io::Result<Option<Vec<String>>> {
        self.step()?;
        if !self.is_folder(folder) {
            return Ok(None);
        }
        let names = self.names.borrow();
        let here = names.keys().filter(|path| path.parent() == Some(folder));
        Ok(Some(here.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()))
    }

    fn folder_state(&self, folder: &mut WatchedFolder) -> io::Result<Option<FolderState>> {
        self.step()?;
        let stamp = FileStamp::simulated(0, if self.is_remote { 0 } else { self.changes.get() });
        Ok(self.is_folder(&folder.path).then_some(FolderState { stamp, is_settled: !self.is_remote }))
    }

    fn open(&self, path: &Path, _: bool) -> io::Result<Node> {
        self.step()?;
        match self.names.borrow().get(path) {
            Some(Named::File(node)) => {
                let synced = node.borrow().synced;
                node.borrow_mut().seen = synced;
                Ok(node.clone())
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Node> {
        let node = Node::default();
        self.link(&node, path)?;
        Ok(node)
    }

    fn length(&self, file: &Node) -> io::Result<u64> {
        let file = file.borrow();
        Ok(if self.is_remote { file.seen } else { file.bytes.len() } as u64)
    }

    fn stamp(&self, file: &Node) -> io::Result<FileStamp> {
        Ok(FileStamp::simulated(Rc::as_ptr(file) as u64, 0))
    }

    fn stamp_of(&self, path: &Path) -> io::Result<FileStamp> {
        self.stamp(&self.open(path, false)?)
    }

    fn is_named(&self, file: &Node, path: &Path) -> bool {
        matches!(self.names.borrow().get(path), Some(Named::File(node)) if Rc::ptr_eq(node, file))
    }

    fn read_at(&self, file: &Node, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        // Reads change nothing, so that a crash before one is no state of its own.
        let file = file.borrow();
        let here = file.bytes.get(offset as usize..).unwrap_or_default();
        let length = here.len().min(bytes.len());
        bytes[..length].copy_from_slice(&here[..length]);
        Ok(length)
    }

    fn write_at(&self, file: &Node, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.step()?;
        let half = bytes.len() / 2;
        let put = |part: &[u8]| {
            let mut file = file.borrow_mut();
            assert!(file.bytes.len() as u64 >= offset, "a write beyond the end");
            file.bytes.extend_from_slice(part);
        };
        assert_eq!(file.borrow().bytes.len() as u64, offset, "two writers");
        put(&bytes[..half]);
        match self.step() {
            Ok(()) => put(&bytes[half..]),
            // The disk is full.
            Err(_) if self.goes_on => return Ok(half),
            Err(error) => return Err(error),
        }
        Ok(bytes.len())
    }

    fn truncate(&self, file: &Node, length: u64) -> io::Result<()> {
        self.step()?;
        let mut file = file.borrow_mut();
        file.bytes.truncate(length as usize);
        file.synced = file.synced.min(length as usize);
        Ok(())
    }

    fn lock(&self, file: &Node) -> bool {
        self.step().is_ok() && !std::mem::replace(&mut file.borrow_mut().is_locked, true)
    }

    fn unlock(&self, file: &Node) {
        file.borrow_mut().is_locked = false;
    }

    fn is_local(&self, _: &Node) -> bool {
        !self.is_remote
    }

    fn sync_all(&self, _: &Path) -> io::Result<bool> {
        self.step()?;
        for named in self.names.borrow().values() {
            if let Named::File(node) = named {
                let mut node = node.borrow_mut();
                node.synced = node.bytes.len();
            }
        }
        Ok(true)
    }

    fn set_time(&self, _: &Path, _: i64) {}

    fn pause(&self) {}

    fn now(&self) -> i64 {
        // The number of a write, so that no two records are equal.
        i64::try_from(self.operations.get()).unwrap()
    }
}

type Process = Results<Machine>;

fn process(machine: &Machine) -> Process {
    Results::new(machine.clone(), PathBuf::from(ROOT), &definition(), None)
}

/// What a program does. Numbers are those of results.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put(usize),
    Durable(usize),
    /// Stores a single file.
    File(usize),
    Forget(usize),
    /// The process ends.
    Exit,
    /// The process is killed, and another one starts.
    Kill,
    Pack,
    Unpack,
}

use Step::{Durable, Exit, File, Forget, Kill, Pack, Put, Unpack};

/// What a program was promised.
#[derive(Clone, Debug, Default)]
struct Promised {
    /// The results that survive a killed process.
    stored: BTreeSet<usize>,
    /// The results that survive a power cut.
    durable: BTreeSet<usize>,
    /// The results that are gone, unless the power is cut.
    forgotten: BTreeSet<usize>,
}

fn take(machine: &Machine, process: &mut Process, step: Step, promised: &mut Promised) -> Result<()> {
    match step {
        Put(number) | Durable(number) => {
            promised.forgotten.remove(&number);
            let (arguments, body) = (arguments(number), body(number));
            let durable = matches!(step, Durable(_));
            process.append(&key(&arguments), (&[&body], b""), (machine.now(), None), durable)?;
            promised.stored.insert(number);
            if durable {
                promised.durable.insert(number);
            }
        }
        File(number) => {
            let (arguments, body) = (arguments(number), body(number));
            let (key, root) = (key(&arguments), Path::new(ROOT));
            write(machine, root, (&key, &key.path(root)), None, (&[&body], b""), (true, Present::Stays))?;
            promised.stored.insert(number);
            promised.durable.insert(number);
        }
        Forget(number) => {
            promised.stored.remove(&number);
            promised.durable.remove(&number);
            process.forget(&key(&arguments(number)), None)?;
            promised.forgotten.insert(number);
        }
        Exit => {
            process.close();
            *process = self::process(machine);
        }
        Kill => {
            unlock_all(machine);
            *process = self::process(machine);
        }
        Pack => {
            process.close();
            super::pack::pack(process, true)?;
            promised.durable = promised.stored.clone();
        }
        Unpack => {
            process.close();
            super::unpack::unpack(process)?;
            promised.durable = promised.stored.clone();
        }
    }
    Ok(())
}

/// Frees the locks of all processes.
fn unlock_all(machine: &Machine) {
    for named in machine.names.borrow().values() {
        if let Named::File(node) = named {
            node.borrow_mut().is_locked = false;
        }
    }
}

/// Runs a plan until an operation fails.
fn run(machine: &Machine, plan: &[Step]) -> Promised {
    let (mut process, mut promised) = (process(machine), Promised::default());
    for &step in plan {
        if take(machine, &mut process, step, &mut promised).is_err() && !machine.goes_on {
            break;
        }
    }
    promised
}

/// Returns the results that are found, in packed form or as a file. Each must be right.
fn found(machine: &Machine) -> BTreeSet<usize> {
    let mut process = process(machine);
    process.follow(true).unwrap();
    let files = machine.files();
    let mut there = BTreeSet::new();
    for number in 0..NUMBERS {
        let arguments = arguments(number);
        let key: Key = key(&arguments);
        if let Some(entry) = process.look_up(&key, None).unwrap() {
            assert_eq!(entry.body(), body(number));
            there.insert(number);
        }
        if let Some(bytes) = files.get(&key.path(Path::new(ROOT)))
            && let Ok(entry) = super::super::entry::open(&key, None, false, bytes.clone())
        {
            assert_eq!(entry.body(), body(number));
            there.insert(number);
        }
    }
    there
}

const NUMBERS: usize = 16;

/// Checks the state after a crash, and that a process goes on from there: it stores a result and
/// packs all of them, and nothing is lost.
fn check(files: &BTreeMap<PathBuf, Vec<u8>>, expected: &BTreeSet<usize>, absent: &BTreeSet<usize>, is_clean: bool) {
    let machine = Machine::started(files.clone());
    let there = found(&machine);
    let lost: Vec<_> = expected.difference(&there).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let back: Vec<_> = absent.intersection(&there).collect();
    assert!(back.is_empty(), "came back: {back:?}");
    if is_clean {
        let verified = super::verify::verify(&process(&machine)).unwrap();
        assert!(verified.iter().all(|file| file.damage.is_empty()), "{verified:?}");
    }
    let mut next = process(&machine);
    for step in [Put(NUMBERS - 1), Exit] {
        take(&machine, &mut next, step, &mut Promised::default()).unwrap();
    }
    let then = found(&machine);
    assert!(then.is_superset(&there) && then.contains(&(NUMBERS - 1)), "{there:?} became {then:?}");
    take(&machine, &mut next, Pack, &mut Promised::default()).unwrap();
    assert_eq!(found(&machine), then);
    assert_eq!(packed(&machine).len(), 1);
}

/// Returns the paths of segments and packs.
fn packed(machine: &Machine) -> Vec<PathBuf> {
    let is_packed = |path: &PathBuf| super::format::is_pack(&super::reader::name_of(path)).is_some();
    machine.files().into_keys().filter(|path| is_packed(path) && path.parent().unwrap().ends_with(FOLDER)).collect()
}

/// A reader on another host sees what was synced when it opened the file, and the names that were
/// there when it listed the folder.
#[test]
fn readers_on_other_hosts_find_results_as_soon_as_they_are_returned() {
    let mut machine = Machine::new(Way::Unnamed, usize::MAX);
    machine.is_remote = true;
    let (mut one, mut two, mut reader) = (process(&machine), process(&machine), process(&machine));
    let mut promised = Promised::default();
    for number in 0..6 {
        let writer = if number % 2 == 0 { &mut one } else { &mut two };
        take(&machine, writer, Put(number), &mut promised).unwrap();
        reader.follow(true).unwrap();
        let arguments = arguments(number);
        assert!(reader.look_up(&key(&arguments), None).unwrap().is_some(), "{number}");
    }
    // No process continues a segment there.
    one.close();
    take(&machine, &mut process(&machine), Put(7), &mut promised).unwrap();
    assert_eq!(packed(&machine).len(), 3);
}

/// Appends, seals, continues.
const WRITING: &[Step] = &[
    Put(0),
    Durable(1),
    Put(2),
    Exit,
    Put(3),
    Durable(4),
    Kill,
    Durable(5),
    Put(6),
    Exit,
    Put(7),
    Forget(2),
    Durable(2),
    Forget(0),
    Exit,
    Exit,
];

const PACKING: &[Step] = &[
    Put(0),
    Put(1),
    Exit,
    File(2),
    Put(3),
    Kill,
    Pack,
    Put(4),
    Durable(5),
    File(6),
    Forget(1),
    Exit,
    Put(3),
    Pack,
    Put(7),
    Forget(3),
    Pack,
    Pack,
];

const UNPACKING: &[Step] =
    &[Put(0), Put(1), Exit, Put(2), Forget(1), Pack, Put(3), Forget(2), Put(4), Unpack, Put(5), Pack, Unpack, Pack];

fn crash_everywhere(plan: &[Step]) {
    for way in [Way::Unnamed, Way::Replace] {
        let machine = Machine::new(way, usize::MAX);
        let promised = run(&machine, plan);
        let operations = machine.operations.get();
        check(&machine.files(), &promised.stored, &promised.forgotten, true);
        for until in 0..operations {
            let machine = Machine::new(way, until);
            let promised = run(&machine, plan);
            // The process was killed.
            check(&machine.files(), &promised.stored, &promised.forgotten, true);
            for seed in 0..4 {
                let files = machine.after_crash(&mut Chance(seed * 1000 + until as u64));
                check(&files, &promised.durable, &BTreeSet::new(), false);
            }
        }
    }
}

#[test]
fn a_crash_while_segments_are_written_loses_no_promised_result() {
    crash_everywhere(WRITING);
}

#[test]
fn a_crash_while_results_are_packed_loses_no_promised_result() {
    crash_everywhere(PACKING);
}

#[test]
fn a_crash_while_results_are_unpacked_loses_no_promised_result() {
    crash_everywhere(UNPACKING);
}

#[test]
fn a_full_disk_loses_no_promised_result() {
    for plan in [WRITING, PACKING, UNPACKING] {
        let whole = Machine::new(Way::Unnamed, usize::MAX);
        run(&whole, plan);
        for until in 0..whole.operations.get() {
            let machine = Machine::refusing(Way::Unnamed, until);
            let promised = run(&machine, plan);
            unlock_all(&machine);
            check(&machine.files(), &promised.stored, &BTreeSet::new(), true);
        }
    }
}

/// Runs a plan, and another one between two operations of it, for each pair of operations. The
/// second may be killed, or the power may be lost, at the end of the first.
fn interleave(before: &[Step], first: &[Step], second: &'static [Step]) {
    let mut at = 0;
    loop {
        let machine = Machine::new(Way::Unnamed, usize::MAX);
        let mut promised = run(&machine, before);
        let start = machine.operations.get();
        let meanwhile = Rc::new(RefCell::new(None));
        let done = meanwhile.clone();
        let run_second = move |machine: &Machine| {
            // A process that is alive keeps its lock, and reads what the other one changes.
            let mut other = process(machine);
            let mut promised = Promised::default();
            other.follow(true).unwrap();
            for &step in second {
                take(machine, &mut other, step, &mut promised).unwrap();
            }
            let there = found(machine);
            *done.borrow_mut() = Some((promised, there, other));
        };
        *machine.meanwhile.borrow_mut() = Some((start + at, Box::new(run_second)));
        let (mut process, mut later) = (process(&machine), Promised::default());
        for &step in first {
            take(&machine, &mut process, step, &mut later).unwrap();
        }
        let Some((other, there, mut reader)) = meanwhile.borrow_mut().take() else { break };
        promised.stored.extend(&other.stored);
        // The first process may have deleted some already.
        let is_kept = |number: &&usize| {
            !other.forgotten.contains(number)
                && !first.iter().any(|step| matches!(step, Forget(each) if each == *number))
        };
        let expected: BTreeSet<_> = promised.stored.iter().filter(is_kept).copied().collect();
        let lost: Vec<_> = expected.difference(&there).collect();
        assert!(lost.is_empty(), "{first:?} at {at}, {second:?}: a reader missed {lost:?}");
        promised.stored.extend(&later.stored);
        for forgotten in [&other.forgotten, &later.forgotten] {
            promised.stored.retain(|number| !forgotten.contains(number));
            promised.forgotten.extend(forgotten);
        }
        // The reader that knew the folder before finds everything, in packed form or in a file.
        reader.follow(true).unwrap();
        for &number in &promised.stored {
            let arguments = arguments(number);
            let is_there = reader.look_up(&key(&arguments), None).unwrap().is_some()
                || machine.is_taken(&key(&arguments).path(Path::new(ROOT)));
            assert!(is_there, "{at}: {number}");
        }
        reader.close();
        process.close();
        check(&machine.files(), &promised.stored, &promised.forgotten, true);
        for seed in 0..4 {
            let files = machine.after_crash(&mut Chance(seed + 100 * at as u64));
            let durable: BTreeSet<_> = promised.durable.difference(&promised.forgotten).copied().collect();
            check(&files, &durable, &BTreeSet::new(), false);
        }
        at += 1;
    }
    assert!(at > 5);
}

const SEVERAL: &[Step] = &[Durable(0), Durable(1), Exit, File(2), Durable(3), Kill, File(4), Pack, Durable(5), Exit];

#[test]
fn two_packs_at_once_lose_no_result() {
    interleave(SEVERAL, &[Pack], &[Pack]);
    interleave(SEVERAL, &[Pack], &[Put(10), Pack, Put(11)]);
}

#[test]
fn readers_and_writers_during_a_pack_lose_no_result() {
    interleave(SEVERAL, &[Pack], &[Put(10), Put(11)]);
    interleave(SEVERAL, &[Put(12), Exit, Pack], &[Put(10), Exit]);
    interleave(SEVERAL, &[Put(12), Pack, Put(13)], &[Put(10), Forget(0), File(14)]);
    interleave(SEVERAL, &[Forget(0), Forget(10)], &[Pack]);
    interleave(SEVERAL, &[Put(10), Exit], &[Put(11), Exit]);
    interleave(SEVERAL, &[Unpack], &[Put(10), Pack]);
    interleave(SEVERAL, &[Unpack], &[Unpack]);
    let single = &[Durable(0), Exit, File(2), File(4)];
    interleave(single, &[Pack], &[Unpack]);
    interleave(single, &[Unpack], &[Pack]);
}

/// Returns a machine with one closed segment of two indexes, or one pack, and its path.
fn one_file(is_pack: bool) -> (Machine, PathBuf) {
    let machine = Machine::new(Way::Unnamed, usize::MAX);
    for number in 0..12 {
        run(&machine, if number % 6 == 5 { &[Put(5), Exit] } else { &[] });
        run(&machine, &[Put(number), Exit]);
    }
    if is_pack {
        run(&machine, &[Pack]);
    }
    let path = packed(&machine).pop().unwrap();
    (machine, path)
}

#[test]
fn no_changed_byte_gives_a_wrong_result_or_costs_more_than_one() {
    for is_pack in [false, true] {
        let (machine, path) = one_file(is_pack);
        let files = machine.files();
        for at in 0..files[&path].len() {
            let mut files = files.clone();
            let changed = files.get_mut(&path).unwrap();
            let was = changed[at];
            changed[at] ^= 0x10;
            let there = found(&Machine::started(files.clone()));
            assert!(there.len() >= 11, "{at}: {there:?}");
            let machine = Machine::started(files.clone());
            let damage = super::verify::verify(&process(&machine)).unwrap().remove(0).damage;
            // Padding is neither read nor covered by a sum.
            assert!(!damage.is_empty() || was == 0 || there.len() == 12, "{at}: {damage:?}");
            if at % 5 == 0 {
                check(&files, &there, &BTreeSet::new(), false);
            }
        }
    }
}

#[test]
fn a_file_that_is_cut_keeps_the_results_before_the_cut() {
    for is_pack in [false, true] {
        let (machine, path) = one_file(is_pack);
        let files = machine.files();
        let mut before = BTreeSet::new();
        for length in 0..files[&path].len() {
            let mut files = files.clone();
            files.get_mut(&path).unwrap().truncate(length);
            let there = found(&Machine::started(files.clone()));
            assert!(there.is_superset(&before), "{length}");
            before.clone_from(&there);
            if length % 5 == 0 {
                check(&files, &there, &BTreeSet::new(), false);
            }
        }
        assert_eq!(before.len(), 12);
    }
}

#[test]
fn a_hole_costs_only_the_records_in_it() {
    for is_pack in [false, true] {
        let (machine, path) = one_file(is_pack);
        let files = machine.files();
        for start in (0..files[&path].len() - 64).step_by(7) {
            for fill in [0, 0xa5] {
                let mut files = files.clone();
                files.get_mut(&path).unwrap()[start..start + 64].fill(fill);
                let there = found(&Machine::started(files.clone()));
                assert!(there.len() >= 9, "{start}: {there:?}");
                check(&files, &there, &BTreeSet::new(), false);
            }
        }
    }
}
