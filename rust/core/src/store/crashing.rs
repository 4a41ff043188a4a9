//! Simulates a machine that loses power at any moment, and the state of its disk afterwards.
//!
//! A write goes to memory; synced data is on the disk. After a crash, any part of the rest may be
//! there: blocks of a file without earlier blocks, the name of a file without its content, a rename
//! without an earlier one. Each test tries every operation on entries as the last one before the
//! crash, and many outcomes for each.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::entry::{self, Content, Damage, Fault, Span};
use super::files::{DRAFT, Files};
use super::footer::Pickle;
use super::layout::Key;
use super::publish::Present;
use super::remove;
use super::write::write;
use crate::error::Result;

/// The number of bytes that the disk writes atomically; small, so that small files are torn.
const SECTOR: usize = 64;

/// A file: its content as programs see it, and the length of the part that is certainly on the
/// disk.
#[derive(Default)]
pub(super) struct Inode {
    pub(super) bytes: Vec<u8>,
    pub(super) synced: usize,
    pub(super) is_locked: bool,
    /// The length that a remote machine has seen when it opened the file.
    pub(super) seen: usize,
}

pub(super) type Node = Rc<RefCell<Inode>>;

/// An object that has a name.
#[derive(Clone)]
pub(super) enum Named {
    File(Node),
    Folder,
}

/// A change to a folder that was not synced yet.
#[derive(Clone)]
enum Change {
    Add(PathBuf, Named),
    Remove(PathBuf),
    /// A rename within a folder, which is atomic.
    Move(PathBuf, PathBuf, Named),
}

impl Change {
    fn path(&self) -> &Path {
        match self {
            Self::Add(path, _) | Self::Remove(path) | Self::Move(_, path, _) => path,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Way {
    Unnamed,
    RenameNew,
    Replace,
}

/// A machine. Its clones share the disk.
#[derive(Clone)]
pub(super) struct Machine {
    way: Way,
    /// The names as programs see them.
    pub(super) names: Rc<RefCell<BTreeMap<PathBuf, Named>>>,
    /// The names that are certainly on the disk.
    lasting: Rc<RefCell<BTreeMap<PathBuf, Named>>>,
    pending: Rc<RefCell<Vec<Change>>>,
    pub(super) operations: Rc<Cell<usize>>,
    /// The number of changes of names.
    pub(super) changes: Rc<Cell<i64>>,
    /// The number of operations after which the power is lost: all later ones fail.
    until: usize,
    /// True if only the next operation fails, without a loss of power.
    pub(super) goes_on: bool,
    /// True if the disk is one of another machine, whose folders this machine looks at again only
    /// when it lists them, and whose files only when it opens them.
    pub(super) is_remote: bool,
    /// What another process does before the operation with a number.
    pub(super) meanwhile: Rc<RefCell<Option<(usize, Meanwhile)>>>,
}

type Meanwhile = Box<dyn FnOnce(&Machine)>;

impl Machine {
    pub(super) fn new(way: Way, until: usize) -> Self {
        Self::with(way, until, Self::empty())
    }

    /// Makes a machine on which one operation fails.
    pub(super) fn refusing(way: Way, until: usize) -> Self {
        Self { goes_on: true, ..Self::new(way, until) }
    }

    fn empty() -> BTreeMap<PathBuf, Named> {
        BTreeMap::from([("/".into(), Named::Folder), ("/home".into(), Named::Folder)])
    }

    fn with(way: Way, until: usize, names: BTreeMap<PathBuf, Named>) -> Self {
        Self {
            way,
            lasting: Rc::new(RefCell::new(names.clone())),
            names: Rc::new(RefCell::new(names)),
            pending: Rc::default(),
            operations: Rc::default(),
            changes: Rc::default(),
            until,
            goes_on: false,
            is_remote: false,
            meanwhile: Rc::default(),
        }
    }

    /// Starts a machine with files on its disk.
    pub(super) fn started(files: BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let mut names = Self::empty();
        for (path, bytes) in files {
            names.extend(path.ancestors().skip(1).map(|folder| (folder.to_owned(), Named::Folder)));
            let synced = bytes.len();
            names.insert(
                path,
                Named::File(Rc::new(RefCell::new(Inode { bytes, synced, is_locked: false, seen: synced }))),
            );
        }
        Self::with(Way::Unnamed, usize::MAX, names)
    }

    /// Counts one operation, and fails if the power is off.
    pub(super) fn step(&self) -> io::Result<()> {
        let is_due = |(at, _): &mut (usize, Meanwhile)| *at == self.operations.get();
        let meanwhile = self.meanwhile.borrow_mut().take_if(is_due);
        if let Some((_, meanwhile)) = meanwhile {
            meanwhile(&Machine { until: usize::MAX, ..self.clone() });
        }
        self.operations.set(self.operations.get() + 1);
        let fails = if self.goes_on { self.operations.get() == self.until + 1 } else { !self.is_on() };
        if fails { Err(io::Error::other("refused, or power lost")) } else { Ok(()) }
    }

    pub(super) fn is_on(&self) -> bool {
        self.goes_on || self.operations.get() <= self.until
    }

    /// Returns the files as programs see them.
    pub(super) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let names = self.names.borrow();
        let files = names.iter().filter_map(|(path, named)| match named {
            Named::File(node) => Some((path.clone(), node.borrow().bytes.clone())),
            Named::Folder => None,
        });
        files.collect()
    }

    fn change(&self, change: Change) {
        self.changes.set(self.changes.get() + 1);
        apply(&mut self.names.borrow_mut(), &change);
        self.pending.borrow_mut().push(change);
    }

    /// Changes a byte of a file, synced or not.
    fn damage(&self, path: &Path) {
        if let Some(Named::File(node)) = self.names.borrow().get(path) {
            node.borrow_mut().bytes[100] ^= 1;
        }
    }

    /// Returns one of the possible states of the disk after the crash.
    pub(super) fn after_crash(&self, chance: &mut Chance) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut names = self.lasting.borrow().clone();
        let mut pending = self.pending.borrow().clone();
        pending.retain(|_| chance.next(2) == 0);
        for index in (1..pending.len()).rev() {
            pending.swap(index, chance.next(index + 1));
        }
        for change in &pending {
            apply(&mut names, change);
        }
        let folders: BTreeSet<_> =
            names.iter().filter(|(_, named)| matches!(named, Named::Folder)).map(|(path, _)| path.clone()).collect();
        let reachable = |path: &Path| path.ancestors().skip(1).all(|folder| folders.contains(folder));
        let files = names.iter().filter(|(path, _)| reachable(path));
        files
            .filter_map(|(path, named)| match named {
                Named::File(node) => Some((path.clone(), node.borrow().after_crash(chance))),
                Named::Folder => None,
            })
            .collect()
    }
}

impl Inode {
    fn after_crash(&self, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let kept = self.synced + chance.next(bytes.len() - self.synced + 1);
        // The length may be that of all written data, or of a part.
        if chance.next(2) == 0 {
            bytes.truncate(kept);
        }
        for start in (0..bytes.len()).step_by(SECTOR) {
            let end = (start + SECTOR).min(bytes.len());
            let start = start.max(self.synced);
            if start < end {
                match chance.next(4) {
                    0 => bytes[start..end].fill(0),
                    1 => bytes[start..end].fill(0xa5),
                    _ => {}
                }
            }
        }
        bytes
    }
}

fn apply(tree: &mut BTreeMap<PathBuf, Named>, change: &Change) {
    match change {
        Change::Add(path, named) => tree.insert(path.clone(), named.clone()),
        Change::Remove(path) => tree.remove(path),
        Change::Move(from, to, named) => {
            tree.remove(from);
            tree.insert(to.clone(), named.clone())
        }
    };
}

/// Pseudorandom numbers, the same in every run.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % below
    }
}

impl Files for Machine {
    type File = Node;

    fn unnamed(&self, folder: &Path) -> io::Result<Option<Node>> {
        self.step()?;
        if !self.is_folder(folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok((self.way == Way::Unnamed).then(Node::default))
    }

    fn draft(&self, folder: &Path) -> io::Result<(Node, PathBuf)> {
        self.step()?;
        if !self.is_folder(folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let path = folder.join(format!(".tmp-{}", self.operations.get()));
        let node = Node::default();
        self.change(Change::Add(path.clone(), Named::File(node.clone())));
        Ok((node, path))
    }

    fn write(&self, file: &Node, bytes: &[u8]) -> io::Result<()> {
        // Two halves, so that the power may be lost between them.
        for half in [&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]] {
            self.step()?;
            file.borrow_mut().bytes.extend_from_slice(half);
        }
        Ok(())
    }

    fn sync(&self, file: &Node) -> io::Result<()> {
        self.step()?;
        let mut file = file.borrow_mut();
        file.synced = file.bytes.len();
        Ok(())
    }

    fn sync_named(&self, path: &Path) -> io::Result<()> {
        let named = self.names.borrow().get(path).cloned();
        match named {
            Some(Named::File(node)) => self.sync(&node),
            _ => self.step(),
        }
    }

    fn link(&self, file: &Node, path: &Path) -> io::Result<()> {
        self.step()?;
        if self.is_taken(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(Change::Add(path.to_owned(), Named::File(file.clone())));
        Ok(())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.way != Way::RenameNew && self.way != Way::Unnamed {
            self.step()?;
            return Err(io::ErrorKind::Unsupported.into());
        }
        if self.is_taken(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.replace(from, to)
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        let named = self.names.borrow().get(from).cloned().ok_or(io::ErrorKind::NotFound)?;
        let is_draft = from.file_name().is_some_and(|name| name.to_string_lossy().starts_with(DRAFT));
        if from.parent() == to.parent() && !is_draft {
            self.change(Change::Move(from.to_owned(), to.to_owned(), named));
            return Ok(());
        }
        // As on a file system that does not even promise this.
        self.change(Change::Add(to.to_owned(), named));
        self.change(Change::Remove(from.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        if !self.is_taken(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change(Change::Remove(path.to_owned()));
        Ok(())
    }

    fn is_taken(&self, path: &Path) -> bool {
        self.is_on() && self.names.borrow().contains_key(path)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        if self.is_taken(folder) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !folder.parent().is_some_and(|above| self.is_folder(above)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change(Change::Add(folder.to_owned(), Named::Folder));
        Ok(())
    }

    fn is_folder(&self, folder: &Path) -> bool {
        self.is_on() && matches!(self.names.borrow().get(folder), Some(Named::Folder))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        let mut lasting = self.lasting.borrow_mut();
        self.pending.borrow_mut().retain(|change| {
            let is_here = change.path().parent() == Some(folder);
            if is_here {
                apply(&mut lasting, change);
            }
            !is_here
        });
        Ok(())
    }
}

/// The cache folder. It and its parent do not exist at the start.
const ROOT: &str = "/home/reader/cache";

fn value(number: usize) -> Vec<u8> {
    // Several sectors; the last value is longer than a sector of a real disk.
    [vec![b'0' + number as u8; 150 + 300 * number], b".".to_vec()].concat()
}

fn hashes(number: usize) -> [String; 2] {
    // The first two have the same definition, the third another one.
    [format!("{:040x}", number / 2), format!("{number:040x}")]
}

/// An operation on the entry with a number.
#[derive(Clone, Copy)]
enum Step {
    Durable(usize),
    Cheap(usize),
    /// A durable write that replaces the entry.
    Replace(usize),
    /// A byte of the entry changes on the disk.
    Damage(usize),
    SetAside(usize),
    Remove(usize),
}

use Step::{Cheap, Damage as Spoil, Durable, Remove, Replace, SetAside};

type Plan = [Step];

const DURABLE: &Plan = &[Durable(0), Durable(1), Durable(2), Durable(0)];
const CHEAP: &Plan = &[Cheap(0), Cheap(1), Cheap(2), Cheap(0)];
/// An entry that was stored without durability is stored again with it.
const MIXED: &Plan = &[Cheap(0), Durable(1), Cheap(2), Durable(0)];
/// Entries are removed and stored again, beside one that stays.
const GOING: &Plan = &[
    Durable(0),
    Durable(1),
    Spoil(1),
    SetAside(1),
    Durable(1),
    Spoil(1),
    SetAside(1),
    Cheap(1),
    Durable(1),
    Remove(1),
    Durable(1),
    Remove(1),
    Cheap(2),
];

/// Entries are replaced, by equal ones.
const REPLACING: &Plan = &[Durable(0), Durable(1), Replace(0), Cheap(2), Replace(2), Replace(0)];

/// The entries that must survive.
type Promised = BTreeSet<usize>;

/// Runs a plan until the power is lost. Returns the entries that must survive, and the machine.
fn run(way: Way, plan: &Plan, until: usize) -> (Promised, Machine) {
    let machine = Machine::new(way, until);
    let mut promised = Promised::new();
    for &step in plan {
        if take(&machine, step, &mut promised).is_err() {
            break;
        }
    }
    (promised, machine)
}

fn take(machine: &Machine, step: Step, promised: &mut Promised) -> Result<()> {
    let (Durable(number) | Cheap(number) | Replace(number) | Spoil(number) | SetAside(number) | Remove(number)) = step;
    let [definition, arguments] = hashes(number);
    let key = Key::new("f", &definition, &arguments).unwrap();
    let root = ROOT.as_ref();
    let path = key.path(root);
    let is_durable = matches!(step, Durable(_) | Replace(_));
    let present = if matches!(step, Replace(_)) { Present::IsReplaced } else { Present::Stays };
    match step {
        Durable(_) | Cheap(_) | Replace(_) => {
            let body = value(number);
            let buffers = &[Span { offset: 64, length: 64 }];
            let content = Content { fast: Some(Pickle { bytes: b"fast.", buffers }), ..Content::new(&[]) };
            write(machine, root, (&key, &path), None, (&[&body], &content.footer()), (is_durable, present))?;
            if is_durable {
                promised.insert(number);
            }
        }
        Spoil(_) | SetAside(_) | Remove(_) => {
            promised.remove(&number);
            match step {
                Spoil(_) => machine.damage(&path),
                SetAside(_) => drop(remove::set_aside(machine, root, &path, key.damaged_path(root))?),
                _ => drop(remove::remove(machine, &path)?),
            }
        }
    }
    Ok(())
}

/// Reads all entries. No value may be wrong, and the promised entries must be there.
fn check(disk: &BTreeMap<PathBuf, Vec<u8>>, promised: &Promised) {
    for number in 0..3 {
        let [definition, arguments] = hashes(number);
        let key = Key::new("f", &definition, &arguments).unwrap();
        let found = disk.get(&key.path(ROOT.as_ref())).map(|bytes| entry::open(&key, None, false, bytes.clone()));
        match found {
            Some(Ok(entry)) => assert_eq!(entry.body(), value(number)),
            Some(Err(Fault::Damaged(Damage::Buffers | Damage::Sections))) => panic!("a checksum let it through"),
            Some(Err(Fault::Damaged(_))) | None => {
                assert!(!promised.contains(&number), "entry {number} was promised to last");
            }
            Some(Err(fault)) => panic!("entry {number}: {fault:?}"),
        }
    }
}

/// Crashes after each operation of a plan, and checks many states of the disk.
fn crash_everywhere(plan: &Plan, all: &[usize]) {
    for way in [Way::Unnamed, Way::RenameNew, Way::Replace] {
        let (promised, machine) = run(way, plan, usize::MAX);
        assert_eq!(promised, all.iter().copied().collect());
        for until in 0..=machine.operations.get() {
            let (promised, machine) = run(way, plan, until);
            for seed in 0..200 {
                check(&machine.after_crash(&mut Chance(seed)), &promised);
            }
        }
    }
}

#[test]
fn a_crash_loses_no_durable_entry_and_leaves_no_wrong_entry() {
    crash_everywhere(DURABLE, &[0, 1, 2]);
}

#[test]
fn a_crash_leaves_no_wrong_entry() {
    crash_everywhere(CHEAP, &[]);
}

#[test]
fn a_crash_loses_no_entry_that_became_durable() {
    crash_everywhere(MIXED, &[0, 1]);
}

#[test]
fn a_crash_while_replacing_loses_no_durable_entry() {
    crash_everywhere(REPLACING, &[0, 1, 2]);
}

#[test]
fn a_crash_during_quarantine_and_deletion_loses_no_other_entry() {
    crash_everywhere(GOING, &[0]);
}

#[test]
fn without_a_crash_only_the_entries_are_on_disk() {
    for way in [Way::Unnamed, Way::RenameNew, Way::Replace] {
        let (_, machine) = run(way, CHEAP, usize::MAX);
        let files = machine.files();
        check(&files, &[0, 1, 2].into());
        assert_eq!(files.len(), 3);
    }
}

#[test]
fn a_failed_operation_leaves_no_entry_or_a_durable_one() {
    let refusing = |way, until| {
        let machine = Machine::refusing(way, until);
        // Create the folder above the cache folder: failing to sync it would not be reported.
        for names in [&machine.names, &machine.lasting] {
            names.borrow_mut().insert("/home/reader".into(), Named::Folder);
        }
        let done = take(&machine, Durable(0), &mut Promised::new());
        (done.is_ok(), machine)
    };
    for way in [Way::Unnamed, Way::RenameNew, Way::Replace] {
        let operations = refusing(way, usize::MAX - 1).1.operations.get();
        for until in 0..operations {
            let (is_stored, machine) = refusing(way, until);
            assert_eq!(machine.files().len(), usize::from(is_stored), "{until}");
            // The next attempt succeeds.
            take(&machine, Durable(0), &mut Promised::new()).unwrap();
            for seed in 0..20 {
                check(&machine.after_crash(&mut Chance(seed)), &[0].into());
            }
        }
    }
}

#[test]
fn the_machine_loses_unsynced_data() {
    // Otherwise the tests above would prove nothing.
    let (_, machine) = run(Way::Unnamed, CHEAP, usize::MAX);
    let lost = (0..200).filter(|&seed| machine.after_crash(&mut Chance(seed)).len() < 3).count();
    assert!(lost > 20, "{lost}");
}
