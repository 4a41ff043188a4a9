//! Sums up the entries of a folder, as listings for users show them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::footer::{Footer, RunId};
use super::listing::{Listed, Listing, nanoseconds};
use super::parts::in_parts;
use super::{packed, read};
use crate::error::Result;

/// The number of files that are opened and read in one go.
const BATCH: usize = 1 << 14;

/// What entries sum up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// The number of entries.
    pub entries: usize,
    /// The bytes that they take on disk.
    pub bytes: u64,
    /// The time at which the first one was stored, in nanoseconds since 1970.
    pub first: Option<i64>,
    /// The time at which the last one was stored.
    pub last: Option<i64>,
    /// The run time of their calls in seconds, if it was read. Entries that cannot be read add nothing.
    pub seconds: f64,
    /// The number of entries that are older than the age with which they were stored, if it was read.
    pub expired: usize,
    /// The number of entries by the id of their run record, if they were read.
    pub runs: BTreeMap<RunId, usize>,
}

impl Totals {
    fn add(&mut self, listed: &Listed, footer: Option<&Footer>, now: i64) {
        self.entries += 1;
        self.bytes += listed.bytes;
        self.first = Some(self.first.map_or(listed.modified, |first| first.min(listed.modified)));
        self.last = self.last.max(Some(listed.modified));
        self.seconds += footer.and_then(Footer::head).map_or(0.0, |head| head.seconds);
        let age = Duration::from_nanos(now.abs_diff(listed.modified)).as_secs_f64();
        self.expired += usize::from(footer.and_then(Footer::max_age).is_some_and(|max_age| age >= max_age));
        if let Some(run) = footer.and_then(Footer::run) {
            *self.runs.entry(run).or_default() += 1;
        }
    }

    /// Adds what other entries sum up to.
    pub fn merge(&mut self, other: &Self) {
        self.entries += other.entries;
        self.bytes += other.bytes;
        self.first = self.first.into_iter().chain(other.first).min();
        self.last = self.last.max(other.last);
        self.seconds += other.seconds;
        self.expired += other.expired;
        for (run, count) in &other.runs {
            *self.runs.entry(*run).or_default() += count;
        }
    }
}

impl Listing {
    /// Sums up the next entries; none at the end of the listing. `reads`: with their run times and
    /// ages, which several threads read. Nothing is verified.
    pub fn sum_up(&mut self, reads: bool) -> Result<Option<Totals>> {
        let now = nanoseconds(SystemTime::now());
        let mut totals = Totals::default();
        if !reads {
            for listed in self.by_ref().take(BATCH) {
                totals.add(&listed?, None, now);
            }
            return Ok((totals.entries > 0).then_some(totals));
        }
        let files = self.next_files(BATCH)?;
        if files.is_empty() {
            return self.sum_up_packed(now);
        }
        let extension = self.extension();
        let sums = in_parts(&files, ("funes-read", 1), |files| {
            let mut totals = Totals::default();
            for (listed, footer) in files.iter().filter_map(|file| read::listed(file, extension)) {
                totals.add(&listed, footer.as_ref(), now);
            }
            totals
        });
        for sum in &sums {
            totals.merge(sum);
        }
        for file in &files {
            self.note(file);
        }
        Ok(Some(totals))
    }

    /// Sums up the packed entries; none if there are none that are not in files too.
    fn sum_up_packed(&mut self, now: i64) -> Result<Option<Totals>> {
        let mut totals = Totals::default();
        let Some(seen) = self.end() else { return Ok(None) };
        packed::visit(self.folder(), usize::MAX, |listed, footer| {
            if !seen.contains(&listed.arguments) {
                totals.add(&listed, footer().as_ref(), now);
            }
        })?;
        Ok((totals.entries > 0).then_some(totals))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Content, Head, Key, Origin, Pickle, Present, Store, close_segments};
    use super::*;

    #[test]
    fn files_and_packed_entries_are_summed_up_as_they_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let definition = "0".repeat(40);
        let single = Store::new(folder.path()).unwrap();
        let packed = single.clone().with_packed(true);
        let mut path = folder.path().to_owned();
        for number in 0..50_u32 {
            let arguments = format!("{number:040x}");
            let key = Key::new("f", &definition, &arguments).unwrap();
            let body = [&vec![b'x'; number as usize * 100][..], b"."].concat();
            let pieces = [&body[..]];
            let head = Head { seconds: f64::from(number), inputs: Pickle { bytes: b"N.", buffers: &[] }, main: None };
            let max_age = (number % 5 == 0).then_some(if number % 10 == 0 { 1e-9 } else { 1e9 });
            let run = (number % 4 > 0).then_some([(number % 4) as u8; 16]);
            let origin = Origin { max_age, run, ..Origin::default() };
            let content = Content { head: Some(head), origin, ..Content::new(&pieces) };
            // Some are in both.
            for store in
                [(number % 2 == 0).then_some(&single), (number % 3 > 0).then_some(&packed)].into_iter().flatten()
            {
                store.write_with(&key, &content, false, Present::Stays).unwrap();
            }
            path = single.folder(&key.definition());
        }
        close_segments();
        let listed: Vec<Listed> = Listing::of(&path).unwrap().map(Result::unwrap).collect();
        for reads in [false, true] {
            let (mut listing, mut totals) = (Listing::of(&path).unwrap(), Totals::default());
            while let Some(part) = listing.sum_up(reads).unwrap() {
                totals.merge(&part);
            }
            assert_eq!(totals.entries, listed.len());
            assert_eq!(totals.bytes, listed.iter().map(|listed| listed.bytes).sum::<u64>());
            assert_eq!(totals.first, listed.iter().map(|listed| listed.modified).min());
            assert_eq!(totals.last, listed.iter().map(|listed| listed.modified).max());
            let numbers = listed.iter().map(|listed| u32::from_str_radix(&listed.arguments, 16).unwrap());
            let (seconds, expired) = numbers.fold((0.0, 0), |(seconds, expired), number| {
                (seconds + f64::from(number), expired + usize::from(number % 10 == 0))
            });
            assert_eq!((totals.seconds, totals.expired), if reads { (seconds, expired) } else { (0.0, 0) });
            let with_run = (0..50_u32)
                .filter(|number| listed.iter().any(|one| one.arguments == format!("{number:040x}")) && number % 4 > 0);
            assert_eq!(totals.runs.values().sum::<usize>(), if reads { with_run.count() } else { 0 });
            assert_eq!(totals.runs.len(), if reads { 3 } else { 0 });
        }
        assert_eq!(Listing::of(path.join("missing")).unwrap().sum_up(true).unwrap(), None);
    }
}
