//! The keys that a process holds beyond its byte locks of a file.
//!
//! The kernel keeps the byte locks of a file in a list, and walks through it at each lock: beside
//! 10,000 locks, one takes 425 us. So a process locks the bytes of its [`BYTES`] latest keys, and
//! writes all earlier ones into a table in the lock file. A process has a table of its own, and locks one
//! byte for it: when the process dies, its table no longer counts.

use std::fs::File;
use std::io;

use crate::store::pread;

/// The maximum number of keys that a process locks by bytes of one file.
pub(super) const BYTES: usize = 32;

/// The maximum number of tables in a file. The owner of table N locks byte N.
const TABLES: u64 = 64;

/// The number of keys with the same last bits that a table can have.
const SLOTS: usize = 16;

/// The number of buckets of a table, a power of two: 32,768 keys in all.
const BUCKETS: u64 = 2048;

/// The length of a slot in bytes: the offset of a key plus one, or zero.
const SLOT: usize = 8;

const BUCKET: usize = SLOTS * SLOT;

/// The length of a table in bytes. Unused parts are holes of the file.
const TABLE: u64 = BUCKETS * BUCKET as u64;

/// What a process holds in a lock file.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The process, since a forked child inherits this and holds nothing.
    process: u32,
    /// The keys of which it has locked the bytes, the latest last.
    pub(super) bytes: Vec<u64>,
    table: Option<Table>,
}

/// The table of this process.
#[derive(Debug)]
struct Table {
    number: u64,
    /// The content of the file.
    slots: Vec<u64>,
}

impl Held {
    /// Forgets what the parent of a forked process holds.
    pub(super) fn own(&mut self) -> &mut Self {
        let process = crate::process::id();
        if self.process != process {
            *self = Self { process, ..Self::default() };
        }
        self
    }

    /// Returns the number of the table of this process.
    pub(super) fn number(&self) -> Option<u64> {
        self.table.as_ref().map(|table| table.number)
    }

    /// Adds a key to the table. Returns false if that is not possible.
    ///
    /// `lock`: locks a byte.
    pub(super) fn add(&mut self, file: &File, offset: u64, lock: impl Fn(u64) -> bool) -> bool {
        if self.table.is_none() {
            self.table = (0..TABLES).find(|number| lock(*number)).and_then(|number| Table::open(file, number).ok());
        }
        self.table.as_mut().is_some_and(|table| table.exchange(file, (0, offset + 1)))
    }

    /// Removes a key from the table, if it is there.
    pub(super) fn remove(&mut self, file: &File, offset: u64) {
        self.table.as_mut().map(|table| table.exchange(file, (offset + 1, 0)));
    }
}

impl Table {
    /// Empties a table that a dead process may have left, and makes the file long enough. Nothing is
    /// cut off, since other processes do the same.
    fn open(file: &File, number: u64) -> io::Result<Self> {
        let mut bytes = vec![0; TABLE as usize];
        let mut length = 0;
        while length < bytes.len() {
            match pread::read(file, &mut bytes[length..], number * TABLE + length as u64)? {
                0 => break,
                count => length += count,
            }
        }
        if bytes[..length].iter().any(|byte| *byte != 0) {
            bytes[..length].fill(0);
            write(file, &bytes[..length], number * TABLE)?;
        }
        if length < bytes.len() {
            write(file, &[0], (number + 1) * TABLE - 1)?;
        }
        Ok(Self { number, slots: vec![0; bytes.len() / SLOT] })
    }

    /// Replaces the content of a slot of the key. Returns false if there is no such slot, or if
    /// writing fails.
    fn exchange(&mut self, file: &File, (from, to): (u64, u64)) -> bool {
        let start = bucket(from.max(to) - 1) as usize * SLOTS;
        let found = self.slots[start..start + SLOTS].iter().position(|slot| *slot == from);
        let Some(place) = found.map(|place| start + place) else { return false };
        let written = write(file, &to.to_le_bytes(), self.number * TABLE + (place * SLOT) as u64);
        // A key that could not be removed stays there until the slot is used again: another process
        // waits for it until this process has used no processor time for a while.
        if written.is_ok() || to == 0 {
            self.slots[place] = to;
        }
        written.is_ok() || to == 0
    }
}

/// Returns the number of the table, of a file with a length, that has a key and whose owner lives.
///
/// `own`: the table of this process. `is_locked`: returns whether another process has locked a byte.
pub(super) fn find(
    file: &File,
    length: u64,
    own: Option<u64>,
    offset: u64,
    is_locked: impl Fn(u64) -> bool,
) -> Option<u64> {
    let mut bytes = [0; BUCKET];
    let place = bucket(offset) * BUCKET as u64;
    (0..(length / TABLE).min(TABLES)).find(|number| {
        Some(*number) != own
            && pread::read_exact(file, &mut bytes, number * TABLE + place).is_ok()
            && bytes.chunks(SLOT).any(|slot| slot == (offset + 1).to_le_bytes())
            && is_locked(*number)
    })
}

fn bucket(offset: u64) -> u64 {
    offset % BUCKETS
}

fn write(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}
