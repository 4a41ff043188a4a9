//! The files that a call reads: recorded while it computes, and compared at each hit.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use funes_core::file_stamp::FileStamp;
use funes_core::reads::{CheckedReads, FileRead, Opened, Reads, ReadsName, Verdict, note};
use funes_core::store::{self, Key};
use pyo3::import_exception;
use pyo3::prelude::*;

use crate::call::core::Core;
use crate::call::mode::Mode;
use crate::call::switched_call::is_fresh;
use crate::hooks;
use crate::lazy::{Lazy, field, intern};
use crate::reads::recording::{Recording, Unseen};
use crate::reads::running::{Running, current};
use crate::store::disk_hit::{Accepts, Recalled, Which, read_entry};
use crate::store::entry::Entry;
use crate::store::error::raised;
use crate::store::handle::Store;

import_exception!(funes.errors, FunesError);

/// How a function treats the files that it reads.
pub(crate) struct Files {
    /// False if they do not count.
    are_tracked: bool,
    /// True if there is a `depends_on=`, which names inputs that are not seen.
    are_declared: bool,
    /// True if a missing file makes a hit a miss.
    is_strict: bool,
    /// The folder from which the function's module is imported: as its path is spelled, and with
    /// links resolved. Empty if the module has no file.
    project: Lazy<Vec<PathBuf>>,
    /// True once inputs of which no event tells were looked for in the code.
    has_looked_for_unseen: AtomicBool,
    /// True once a missing file has been reported.
    has_reported_missing: AtomicBool,
}

/// The files of one call.
#[derive(Default)]
pub(super) struct FilesOfCall {
    /// Set while the function runs.
    running: Option<Running>,
    /// Set after it has run.
    recording: Option<Arc<Recording>>,
    /// The reads of the entry on disk, if its files have changed.
    outdated: Option<Reads>,
}

impl Files {
    /// Reads the options of a function.
    pub(super) fn of(options: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = options.py();
        let option: String = field(options, intern!(py, "files"))?;
        Ok(Self {
            are_tracked: option != "ignore",
            are_declared: options.getattr(intern!(py, "depends_on"))?.is_truthy()?,
            is_strict: field(options, intern!(py, "strict"))?,
            project: Lazy::new(),
            has_looked_for_unseen: AtomicBool::new(false),
            has_reported_missing: AtomicBool::new(false),
        })
    }
}

/// Returns the folders to which the paths of a function's files are relative; none without a file.
pub(crate) fn project_of(function: &Bound<'_, PyAny>) -> Vec<PathBuf> {
    let ask = || hooks::PROJECT_FOLDERS.get(function.py())?.call1((function,))?.extract();
    ask().unwrap_or_default()
}

/// Adds the files of a hit to the recordings of the calls within which it happened.
pub(super) fn pass_on(py: Python<'_>, reads: &CheckedReads, project: Option<&Path>) {
    let recordings = current(py);
    if recordings.is_empty() {
        return;
    }
    let opened: Vec<_> = reads.reads().files.iter().map(|file| opened_now(file, project)).collect();
    for recording in recordings {
        recording.add(&opened);
    }
}

fn opened_now(file: &FileRead, project: Option<&Path>) -> Opened {
    let path = file.resolve(project);
    let stamp = std::fs::metadata(&path).ok().map(|metadata| FileStamp::of(&metadata));
    Opened { path, stamp }
}

/// Accepts the entries that a call of a function may use.
pub(super) struct AcceptsForCall<'a, 'py> {
    pub(super) core: &'a Core,
    pub(super) memo: &'a Bound<'py, PyAny>,
    /// True for a look at the cache that reports nothing.
    pub(super) is_silent: bool,
    /// True if no earlier entry may be used.
    pub(super) is_latest_only: bool,
}

impl AcceptsForCall<'_, '_> {
    /// Returns whether an entry is so old that it may not be used, or reports that it is used since
    /// nothing may be stored. Of the latest entry, the state machine has decided this.
    fn is_too_old(&self, py: Python<'_>, which: Which) -> PyResult<bool> {
        let (Which::Earlier { stored }, Some(max_age)) = (which, self.core.max_age) else { return Ok(false) };
        if is_fresh(stored, max_age) {
            return Ok(false);
        }
        if self.is_silent || Mode::now(py)?.writes() {
            return Ok(true);
        }
        hooks::WARN_EXPIRED.get(py)?.call1((self.memo,)).map(|_| false)
    }
}

impl Accepts for AcceptsForCall<'_, '_> {
    fn accepts(&self, py: Python<'_>, reads: &CheckedReads, which: Which, may_miss: bool) -> PyResult<bool> {
        let Self { core, memo, is_silent, is_latest_only } = self;
        let is_earlier = matches!(which, Which::Earlier { .. });
        let files = &core.files;
        if !files.are_tracked {
            return Ok(!is_earlier);
        }
        if is_earlier && *is_latest_only {
            return Ok(false);
        }
        let project = core.project(py);
        let verdict = py.detach(|| reads.check(project));
        let accepted = match verdict {
            Verdict::Holds => !self.is_too_old(py, which)?,
            Verdict::Missing(_) if *is_silent => may_miss && !files.is_strict,
            Verdict::Missing(file) if may_miss && !files.is_strict => {
                let path = file.resolve(project);
                let text = format!(
                    "the file {} is missing, which the function read; the stored result was returned",
                    path.display()
                );
                memo.call_method1(intern!(py, "_warn_once"), ("missing file", text))?;
                files.has_reported_missing.store(true, Ordering::Relaxed);
                true
            }
            Verdict::Missing(_) | Verdict::Changed(_) => false,
        };
        if accepted && !*is_silent {
            pass_on(py, reads, project);
        }
        Ok(accepted)
    }
}

impl Core {
    fn project(&self, py: Python<'_>) -> Option<&Path> {
        let project = self.files.project.get_or_init(py, || project_of(self.function.bind(py)));
        project.first().map(PathBuf::as_path)
    }

    /// Returns whether a result in memory may be returned; `None` if the entry on disk decides.
    #[cold]
    pub(super) fn accepts_in_memory(&self, py: Python<'_>, reads: &CheckedReads) -> Option<bool> {
        let files = &self.files;
        if !files.are_tracked {
            return Some(true);
        }
        let project = self.project(py);
        match py.detach(|| reads.check(project)) {
            Verdict::Changed(_) => return Some(false),
            // An earlier entry may be that of the files as they are now.
            Verdict::Missing(_)
                if !reads.reads().earlier.is_empty()
                    || files.is_strict
                    || !files.has_reported_missing.load(Ordering::Relaxed) =>
            {
                return None;
            }
            Verdict::Holds | Verdict::Missing(_) => {}
        }
        pass_on(py, reads, project);
        Some(true)
    }

    /// Makes way for another entry of a key: an entry of files that have changed becomes an earlier
    /// one. Returns the names of the earlier entries.
    ///
    /// `present`: the reads of the entry that is there. `replaces`: the other entry replaces the
    /// results of the files as they are now.
    pub(super) fn make_way(
        &self,
        py: Python<'_>,
        (store, key): (&store::Store, &Key),
        present: Reads,
        replaces: bool,
    ) -> PyResult<Vec<ReadsName>> {
        let (are_tracked, project) = (self.files.are_tracked, self.project(py));
        let is_of_now = |reads: Reads| !are_tracked || CheckedReads::new(reads).check(project) == Verdict::Holds;
        // An earlier entry of the files as they are now was not used because it is refreshed or
        // expired. It must not be found any more.
        let drops = are_tracked && (replaces || self.max_age.is_some());
        let (name, mut earlier) = (present.name(), present.earlier.clone());
        let made = py.detach(|| {
            earlier.retain(|each| {
                let is_dropped = drops && store.earlier_reads(key, *each).is_none_or(is_of_now);
                !(is_dropped && store.remove_earlier(key, *each).is_ok())
            });
            if replaces && is_of_now(present) {
                return Ok(earlier);
            }
            if store.set_earlier(key, name)? {
                earlier.retain(|each| *each != name);
                earlier.push(name);
            } else if !replaces {
                earlier.clear();
            }
            Ok(earlier)
        });
        made.map_err(raised)
    }

    /// Notes what the run of a call has read. Raises an error if a file changed meanwhile.
    fn note_files(&self, py: Python<'_>, recording: &Recording, seconds: f64, root: &Path) -> PyResult<Option<Reads>> {
        let mut opened = recording.take_opened();
        // The files of the cache are no inputs.
        opened.retain(|each| !each.path.starts_with(root));
        if opened.is_empty() {
            return Ok(None);
        }
        let _ = self.project(py);
        let project = self.files.project.get().map_or(&[][..], Vec::as_slice);
        let noted = py.detach(|| note(&opened, seconds, project));
        noted.map(Some).map_err(|changed| {
            FunesError::new_err(format!("{changed}, so that it is not known which content the result belongs to"))
        })
    }
}

impl Core {
    /// Reads the entry that a call would use, see `Core.read`.
    pub(super) fn read_entry(
        &self,
        memo: &Bound<'_, PyAny>,
        (definition, arguments): (&str, &str),
        is_silent: bool,
    ) -> PyResult<Option<Entry>> {
        let py = memo.py();
        let (store, name) = (self.store(memo)?, self.name(py)?);
        let name = name.bind(py).to_string_lossy();
        let key = Key::new(&name, definition, arguments).map_err(raised)?;
        let Some(entry) = store.get().found_entry(py, &key, false)? else { return Ok(None) };
        self.accepted(memo, (store.get(), &key), entry, is_silent)
    }

    /// Returns an entry, or an earlier one, whose files are as they were; None if there is none.
    pub(super) fn accepted(
        &self,
        memo: &Bound<'_, PyAny>,
        (store, key): (&Store, &Key),
        entry: store::Entry,
        is_silent: bool,
    ) -> PyResult<Option<Entry>> {
        let py = memo.py();
        let accepts = AcceptsForCall { core: self, memo, is_silent, is_latest_only: false };
        match read_entry(py, store, key, entry, &accepts)? {
            Ok((entry, ..)) => Entry::new(py, entry).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Returns the first file that has changed, see `Core.changed_file`.
    pub(super) fn find_changed_file(
        &self,
        memo: &Bound<'_, PyAny>,
        (definition, arguments): (&str, &str),
    ) -> PyResult<Option<(PathBuf, bool)>> {
        let py = memo.py();
        let (store, name) = (self.store(memo)?, self.name(py)?);
        let name = name.bind(py).to_string_lossy();
        let key = Key::new(&name, definition, arguments).map_err(raised)?;
        let Some(reads) = store.get().store.reads(&key).filter(|_| self.files.are_tracked) else { return Ok(None) };
        let (reads, project) = (CheckedReads::new(reads), self.project(py));
        Ok(match py.detach(|| reads.check(project)) {
            Verdict::Holds => None,
            Verdict::Missing(file) => Some((file.resolve(project), true)),
            Verdict::Changed(file) => Some((file.resolve(project), false)),
        })
    }
}

impl FilesOfCall {
    /// Begins to record the files that the function reads. Those of a call without a key only count
    /// for the calls around it, if at all.
    pub(super) fn begin(&mut self, py: Python<'_>, core: &Core, has_key: bool) -> PyResult<()> {
        let ignores = !core.files.are_tracked;
        if has_key || ignores {
            self.running = Some(Running::begin(py, ignores, core.is_async)?);
        }
        Ok(())
    }

    /// Lets files not count until the recording ends.
    pub(super) fn begin_ignoring(&mut self, py: Python<'_>, core: &Core) -> PyResult<()> {
        self.running = Some(Running::begin(py, true, core.is_async)?);
        Ok(())
    }

    /// Ends the recording.
    pub(super) fn end(&mut self, py: Python<'_>) {
        if let Some(running) = self.running.take() {
            self.recording = Some(running.end(py));
        }
    }

    /// Returns whether the function runs.
    pub(super) fn are_recorded(&self) -> bool {
        self.running.is_some()
    }

    /// Notes the result of a lookup. An entry whose files have changed is absent.
    pub(super) fn look<'py>(&mut self, recalled: Recalled<'py>) -> Recalled<'py> {
        match recalled {
            Recalled::Outdated(reads) => {
                self.outdated = Some(*reads);
                Recalled::Absent
            }
            other => other,
        }
    }

    /// Returns what the entry to store records of the files that the function has read.
    pub(super) fn note(
        &mut self,
        memo: &Bound<'_, PyAny>,
        core: &Core,
        root: &Path,
        seconds: f64,
    ) -> PyResult<Option<Reads>> {
        let py = memo.py();
        let is_reported = core.files.are_tracked && !core.files.are_declared;
        if !core.files.has_looked_for_unseen.swap(true, Ordering::Relaxed) {
            memo.call_method1(intern!(py, "_warn_of_unseen"), (is_reported,))?;
        }
        let recording = self.recording.take();
        for (unseen, place) in recording.iter().flat_map(|recording| recording.take_reports()) {
            if !is_reported && unseen != Unseen::Network {
                continue;
            }
            let (kind, what, advice) = unseen.texts();
            let place = if place.is_empty() { String::new() } else { format!(" ({place})") };
            memo.call_method1(intern!(py, "_warn_once"), (kind, format!("it {what}{place}. {advice}")))?;
        }
        let noted = recording.map(|recording| core.note_files(py, &recording, seconds, root));
        let reads = noted.transpose()?.flatten();
        if let Some(reads) = reads.as_ref().filter(|reads| reads.summary.is_some()) {
            let text = format!(
                "it read {} files, of which only sizes and times are compared at a hit; pass files=\"ignore\" if they never \
                 change",
                reads.files.len()
            );
            memo.call_method1(intern!(py, "_warn_once"), ("many files", text))?;
        }
        Ok(reads)
    }

    /// Returns what the result to store records, and makes an outdated entry an earlier one.
    /// `replaces`: the result replaces that of the files as they are now.
    pub(super) fn store(
        &mut self,
        memo: &Bound<'_, PyAny>,
        core: &Core,
        (store, key): (&store::Store, &Key),
        (seconds, replaces): (f64, bool),
    ) -> PyResult<Option<Reads>> {
        let py = memo.py();
        let mut reads = self.note(memo, core, store.root(), seconds)?;
        let outdated = self.outdated.take();
        let present = if replaces { py.detach(|| store.reads(key)) } else { outdated };
        if let Some(present) = present {
            let earlier = core.make_way(py, (store, key), present, replaces)?;
            if !earlier.is_empty() {
                reads.get_or_insert_default().earlier = earlier;
            }
        }
        Ok(reads)
    }
}
