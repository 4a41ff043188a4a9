//! Merges segments, packs and single files into one pack.
//!
//! A source is deleted only after a file that contains all of its records was synced, read back and
//! durably named. That file may itself be deleted only under the same rule, for one named later. So
//! a crash leaves results twice, and never loses one.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::codec::{Encoder, train};
use super::disk::Disk;
use super::format::{
    COMPRESSED, DICTIONARY, Digest, HEADER, Head, INDEX, PACK, RESULT, Sum, TOMBSTONE, header, mark, put_record,
    put_with,
};
use super::gather::{Gathered, folder_of_entries, gather, sync_names, with_lock};
use super::index::{self, prefix};
use super::loose::{Loose, SingleFiles};
use super::results::Results;
use super::source::Source;
use crate::digest::hex;
use crate::error::{Context, Result};
use crate::file_stamp::FileStamp;

/// The number of records with which a dictionary is trained.
const SAMPLES: usize = 4000;

/// The number of single files that are read at a time.
const BATCH: usize = 1024;

/// The number of bytes that are written at a time.
const BLOCK: usize = 1 << 20;

/// What [`pack`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packing {
    /// The number of results in the pack.
    pub results: usize,
    /// The length of the pack in bytes; 0 if there was nothing to pack.
    pub bytes: u64,
    /// The number of segments and packs that the pack replaces.
    pub files: usize,
    /// The number of single files that the pack replaces.
    pub entries: usize,
    /// The number of records that were found damaged. Their files are in the quarantine.
    pub damaged: usize,
    /// The number of files that were left out: processes append to them, or they have another
    /// version.
    pub busy: usize,
}

/// Packs all results of a definition. `with_files`: also single files.
pub(super) fn pack<D: Disk>(results: &Results<D>, with_files: bool) -> Result<Packing> {
    if with_files { with_lock(results, false, |_| pack_all(results, true)) } else { pack_all(results, false) }
}

fn pack_all<D: Disk>(results: &Results<D>, with_files: bool) -> Result<Packing> {
    let mut all = Packing::default();
    loop {
        let mut gathered = gather(results).context("read", &results.folder)?;
        let packed = pack_gathered(results, &mut gathered, with_files);
        gathered.release(&results.disk);
        let packed = packed?;
        all = Packing {
            files: all.files + packed.files,
            entries: all.entries + packed.entries,
            damaged: all.damaged + packed.damaged,
            ..packed
        };
        if !gathered.has_more || packed.files == 0 {
            return Ok(all);
        }
    }
}

fn pack_gathered<D: Disk>(results: &Results<D>, gathered: &mut Gathered<D>, with_files: bool) -> Result<Packing> {
    let (disk, folder) = (&results.disk, &results.folder);
    let mut packing = Packing { busy: gathered.busy, ..Packing::default() };
    let files = SingleFiles::of(results);
    let entries = if with_files { files.list(disk)? } else { Vec::new() };
    if entries.is_empty() && is_packed(results, gathered).context("read", &results.folder)? {
        return Ok(packing);
    }
    crate::store::folders::create_with(disk, folder, &results.root).context("create the folder", folder)?;
    crate::store::sweep::once(folder);
    let (file, draft) = disk.draft(folder).context("create a file in", folder)?;
    let written = write(results, gathered, (&files, &entries), file).and_then(|written| {
        check(results, &draft, &written).context("read back", &draft)?;
        Ok(written)
    });
    let written = match written {
        Ok(written) => written,
        Err(error) => {
            let _ = disk.remove(&draft);
            return Err(error);
        }
    };
    let path = folder.join(&written.name);
    // The name is the hash of the content: a file that has it already is this one, or damaged.
    disk.replace(&draft, &path).context("write", &path)?;
    sync_names(results)?;
    // Readers that list the folder now must notice that it changes.
    disk.pause();
    gathered.retire(results, &written.name)?;
    let entries = files.remove_each(disk, &written.entries);
    if entries > 0 {
        let folder = folder_of_entries(folder);
        disk.sync_folder(&folder).context("sync", &folder)?;
    }
    packing.results = written.records;
    packing.bytes = written.length;
    packing.files = gathered.files.len();
    packing.entries = entries;
    packing.damaged = written.damaged;
    Ok(packing)
}

/// Returns whether packing would change nothing: there is at most one pack, and no result in it was deleted.
fn is_packed<D: Disk>(results: &Results<D>, gathered: &mut Gathered<D>) -> io::Result<bool> {
    Ok(match &gathered.files[..] {
        [] => true,
        [file] if file.name.ends_with(PACK) => !gathered.reader.has_deleted(&results.disk, file.slot)?,
        _ => false,
    })
}

/// A pack that was written to a draft.
struct Written {
    name: String,
    records: usize,
    length: u64,
    /// The single files in the pack.
    entries: Vec<(Digest, FileStamp)>,
    damaged: usize,
}

/// Writes a file in blocks.
struct Output<'a, D: Disk> {
    disk: &'a D,
    file: D::File,
    hasher: blake3::Hasher,
    block: Vec<u8>,
    /// The number of bytes before the block.
    start: u64,
}

impl<D: Disk> Output<'_, D> {
    fn offset(&self) -> u64 {
        self.start + self.block.len() as u64
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hasher.update(&self.block);
        self.disk.write(&self.file, &self.block)?;
        self.start += self.block.len() as u64;
        self.block.clear();
        Ok(())
    }
}

/// The records of a pack that is being written.
struct Pack<'a, D: Disk> {
    output: Output<'a, D>,
    encoder: Encoder,
    /// The starts of the digests that may occur more than once.
    doubles: HashSet<u64>,
    seen: HashSet<Digest>,
    records: Vec<(u64, u64)>,
}

impl<D: Disk> Pack<'_, D> {
    fn put(&mut self, head: &Head, payload: &[u8], sum: Sum) -> io::Result<()> {
        let start = prefix(&head.digest);
        if self.doubles.contains(&start) && !self.seen.insert(head.digest) {
            return Ok(());
        }
        self.records.push((start, self.output.offset()));
        match self.encoder.encode(payload)? {
            Some(frame) => {
                let head = Head { length: frame.len() as u32, flags: head.flags | COMPRESSED, ..*head };
                put_with(&mut self.output.block, &head, frame, sum);
            }
            None => put_with(&mut self.output.block, &Head { length: payload.len() as u32, ..*head }, payload, sum),
        }
        if self.output.block.len() >= BLOCK { self.output.flush() } else { Ok(()) }
    }
}

/// Writes the pack to a file, and syncs it.
fn write<D: Disk>(
    results: &Results<D>,
    gathered: &mut Gathered<D>,
    (files, entries): (&SingleFiles, &[Digest]),
    file: D::File,
) -> Result<Written> {
    let (disk, sums) = (&results.disk, &results.sums);
    let places = places(results, gathered).context("read", &results.folder)?;
    let mut starts: Vec<u64> = places.iter().map(|(digest, ..)| prefix(digest)).collect();
    starts.extend(entries.iter().map(prefix));
    starts.sort_unstable();
    let doubles = starts.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    let dictionary = train(&samples(results, gathered, &places, (files, entries)).context("read", &results.folder)?);
    let output = Output { disk, file, hasher: sums.of_content(), block: header(true, &results.definition()), start: 0 };
    let encoder = Encoder::new(&dictionary).context("compress", &results.folder)?;
    let mut pack = Pack { output, encoder, doubles, seen: HashSet::new(), records: Vec::with_capacity(starts.len()) };
    if !dictionary.is_empty() {
        put_record(&mut pack.output.block, sums, (DICTIONARY, 0), [0; 20], &dictionary);
    }
    for source in gathered.reader.sources.iter_mut().flatten() {
        source.read_ahead();
    }
    let mut damaged = 0;
    let mut kept: BTreeMap<Digest, Vec<Sum>> = BTreeMap::new();
    for (digest, number, offset) in places {
        let slot = gathered.files[number].slot;
        let Some(source) = &mut gathered.reader.sources[slot] else { continue };
        let read = source.record(disk, sums, offset).context("read", &source.path)?;
        let Some((head, sum)) = read.filter(|(found, _)| found.digest == digest) else {
            damaged += 1;
            source.is_damaged = true;
            continue;
        };
        let Some(source) = &gathered.reader.sources[slot] else { continue };
        if gathered.reader.is_killed(&head.digest, &sum) {
            kept.entry(head.digest).or_default().push(sum);
        } else {
            pack.put(&head, source.payload(), sum).context("write", &results.folder)?;
        }
    }
    let mut packed_entries = Vec::with_capacity(entries.len());
    for batch in entries.chunks(BATCH) {
        for Loose { digest, payload, flags, stamp } in files.read_each(disk, batch) {
            let head = Head { length: payload.len() as u32, kind: RESULT, flags, digest };
            pack.put(&head, &payload, sums.sum(&head, &payload)).context("write", &results.folder)?;
            packed_entries.push((digest, stamp));
        }
    }
    for (digest, sum) in gathered.deleted_elsewhere(results).context("read", &results.folder)? {
        kept.entry(digest).or_default().push(sum);
    }
    let written = finish(results, pack, (&dictionary, kept)).context("write", &results.folder)?;
    Ok(Written { entries: packed_entries, damaged, ..written })
}

/// Returns the places of all results in the files.
fn places<D: Disk>(results: &Results<D>, gathered: &mut Gathered<D>) -> io::Result<Vec<Place>> {
    let mut places = Vec::new();
    for (number, file) in gathered.files.iter().enumerate() {
        let Some(source) = &mut gathered.reader.sources[file.slot] else { continue };
        source.walk(&results.disk, &results.sums, 0, |head, offset| {
            if head.kind == RESULT {
                places.push((head.digest, number, offset));
            }
            Ok(())
        })?;
    }
    Ok(places)
}

/// The digest of a result, the number of its file, and its offset.
type Place = (Digest, usize, u64);

fn samples<D: Disk>(
    results: &Results<D>,
    gathered: &mut Gathered<D>,
    places: &[Place],
    (files, entries): (&SingleFiles, &[Digest]),
) -> io::Result<Vec<Vec<u8>>> {
    let mut samples = Vec::new();
    let step = (places.len() + entries.len()).div_ceil(SAMPLES).max(1);
    for (_, number, offset) in places.iter().step_by(step) {
        let Some(source) = &mut gathered.reader.sources[gathered.files[*number].slot] else { continue };
        if source.record(&results.disk, &results.sums, *offset)?.is_some() {
            samples.push(source.payload().to_vec());
        }
    }
    let chosen: Vec<_> = entries.iter().copied().step_by(step).collect();
    samples.extend(files.read_each(&results.disk, &chosen).into_iter().map(|entry| entry.payload));
    Ok(samples)
}

/// Writes what follows the results.
fn finish<D: Disk>(
    results: &Results<D>,
    mut pack: Pack<D>,
    (dictionary, kept): (&[u8], BTreeMap<Digest, Vec<Sum>>),
) -> io::Result<Written> {
    let sums = &results.sums;
    let mut tombstones = Vec::new();
    for (digest, killed) in kept {
        for part in killed.chunks(super::LARGEST / super::format::SUM) {
            tombstones.push(pack.output.offset());
            put_record(&mut pack.output.block, sums, (TOMBSTONE, 0), digest, &part.concat());
        }
    }
    let mut copy = 0;
    if !dictionary.is_empty() {
        copy = pack.output.offset();
        put_record(&mut pack.output.block, sums, (DICTIONARY, 0), [0; 20], dictionary);
    }
    let index = pack.output.offset();
    let records = pack.records.len();
    put_record(&mut pack.output.block, sums, (INDEX, 0), [0; 20], &index::payload(&mut pack.records, &tombstones, 0));
    pack.output.block.extend(mark(sums, index, copy));
    pack.output.flush()?;
    results.disk.sync(&pack.output.file)?;
    let name = hex(&pack.output.hasher.finalize().as_bytes()[..16]) + PACK;
    Ok(Written { name, records, length: pack.output.start, entries: Vec::new(), damaged: 0 })
}

/// Reads a pack back, and verifies every record.
fn check<D: Disk>(results: &Results<D>, draft: &Path, written: &Written) -> io::Result<()> {
    let mut source: Source<D> = Source::open(&results.disk, PathBuf::from(draft), &results.sums)?;
    let mut offsets = Vec::with_capacity(written.records);
    let (walked, length) = source.walk(&results.disk, &results.sums, HEADER, |_, offset| {
        offsets.push(offset);
        Ok(())
    })?;
    let mut records = 0;
    source.read_ahead();
    for offset in offsets {
        let (head, _) = source.record(&results.disk, &results.sums, offset)?.ok_or(io::ErrorKind::InvalidData)?;
        records += usize::from(head.kind == RESULT);
    }
    let is_whole = source.is_sealed && walked.holes.is_empty() && walked.end == length && length == written.length;
    if is_whole && records == written.records { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}
