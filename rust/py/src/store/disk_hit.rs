//! Looks up entries on disk, and loads them without Python code if possible.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::SystemTime;

use funes_core::pickle::contains;
use funes_core::reads::{CheckedReads, Reads};
use funes_core::store::{self, ContentId, Key, ReadOutcome, RunId};
use pyo3::exceptions::{PyException, PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::call::random_draws;
use crate::hooks;
use crate::lazy::{Lazy, intern};
use crate::memory::cached_value::load_entry;
use crate::store::entry::Entry;
use crate::store::handle::Store;

/// A body of at least this size is not copied into a `bytes` object, and not kept in memory.
const LARGE_BYTES: usize = 1 << 20;

/// The number of threads that read entries, which mostly wait for the file system.
const MAX_READERS: usize = 8;

/// The outcome of a lookup on disk.
pub(crate) enum Recalled<'py> {
    Output(Bound<'py, PyAny>),
    /// There is no entry.
    Absent,
    /// There is an entry that was computed when files had another content, and none for the files
    /// as they are now.
    Outdated(Box<Reads>),
    /// Python code must handle the entry: it is damaged, cannot be read now, or cannot be loaded.
    NeedsPython,
}

/// An entry that was loaded.
pub(crate) struct Found<'py> {
    pub(crate) output: Bound<'py, PyAny>,
    pub(crate) seconds: f64,
    /// True if the result was drawn from the global random generators.
    pub(crate) is_drawn: bool,
    pub(crate) content_id: ContentId,
    /// The pickle of the entry, if it is small and the C unpickler alone can load it.
    pub(crate) body: Option<Bound<'py, PyBytes>>,
    /// The files that the computation read, if it read any.
    pub(crate) reads: Option<Arc<CheckedReads>>,
    pub(crate) which: Which,
    /// The id of the run record, if there is one.
    pub(crate) run: Option<RunId>,
}

/// An entry whose files are as they were, and these files.
type Accepted = (store::Entry, Option<Arc<CheckedReads>>, Which);

/// Which entry of a key it is.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    /// The one that was stored last.
    Latest,
    /// An earlier one, for which another one was stored. `stored`: its time stamp.
    Earlier { stored: Option<SystemTime> },
}

/// Decides whether the files of an entry are as they were.
pub(crate) trait Accepts {
    /// Returns whether the entry can be used. `may_miss`: also if a file that it read is missing.
    fn accepts(&self, py: Python<'_>, reads: &CheckedReads, which: Which, may_miss: bool) -> PyResult<bool>;
}

/// Selects the cheapest way to look for an entry.
#[derive(Clone, Copy)]
pub(crate) enum ReadHint {
    ExpectHit,
    ExpectMiss,
    /// Another process may have stored the entry meanwhile, perhaps on another host.
    Refresh,
}

/// Looks for an entry of a function and loads it. Raises errors that are no `Exception`, such as
/// `KeyboardInterrupt`, unless loading the result raises it each time.
pub(crate) fn recall<'py>(
    store: &Bound<'py, Store>,
    (function, name): (&Bound<'py, PyAny>, &Bound<'py, PyString>),
    (definition, arguments): (&str, &str),
    hint: ReadHint,
    accepts: &impl Accepts,
) -> PyResult<Result<Found<'py>, Recalled<'py>>> {
    let py = store.py();
    let name = name.to_string_lossy();
    let Ok(key) = Key::new(&name, definition, arguments) else {
        return Ok(Err(Recalled::NeedsPython));
    };
    let store = store.get();
    let read = || match hint {
        ReadHint::ExpectHit => store.store.read(&key),
        ReadHint::ExpectMiss => store.store.read_expecting_miss(&key),
        ReadHint::Refresh => store.store.read_refreshed(&key),
    };
    match py.detach(read) {
        Ok(ReadOutcome::Found(entry)) => match read_entry(py, store, &key, entry, accepts)? {
            Ok((entry, reads, which)) => load(py, function, entry, (reads, which)),
            Err(reads) => Ok(Err(Recalled::Outdated(reads))),
        },
        Ok(ReadOutcome::Absent) => Ok(Err(Recalled::Absent)),
        Ok(ReadOutcome::Damaged(_)) | Err(_) => Ok(Err(Recalled::NeedsPython)),
    }
}

/// Returns an entry whose files are as they were: the given one, or else an earlier one, or else the
/// given one if files are only missing. Returns the reads of the given one if there is none.
pub(crate) fn read_entry(
    py: Python<'_>,
    store: &Store,
    key: &Key,
    entry: store::Entry,
    accepts: &impl Accepts,
) -> PyResult<Result<Accepted, Box<Reads>>> {
    let Some(reads) = entry.footer().reads() else { return Ok(Ok((entry, None, Which::Latest))) };
    let reads = CheckedReads::new(reads.clone());
    let has_earlier = !reads.reads().earlier.is_empty();
    if accepts.accepts(py, &reads, Which::Latest, !has_earlier)? {
        return Ok(Ok((entry, Some(Arc::new(reads)), Which::Latest)));
    }
    for name in reads.reads().earlier.iter().rev() {
        if let Ok(ReadOutcome::Found(earlier)) = py.detach(|| store.store.read_earlier(key, *name)) {
            let then = CheckedReads::new(earlier.footer().reads().cloned().unwrap_or_default());
            let which = Which::Earlier { stored: store.store.time_of_earlier(key, *name) };
            if accepts.accepts(py, &then, which, false)? {
                return Ok(Ok((earlier, Some(Arc::new(then)), which)));
            }
        }
    }
    if has_earlier && accepts.accepts(py, &reads, Which::Latest, true)? {
        return Ok(Ok((entry, Some(Arc::new(reads)), Which::Latest)));
    }
    Ok(Err(Box::new(reads.into_reads())))
}

/// Looks for entries of a function and loads them, up to the first that is absent, or whose files
/// have changed, or that Python code must handle, or whose result was drawn from the global random generators. Raises the same
/// errors as [`recall`]. Several threads read.
///
/// Returns the results and the run times in seconds.
pub(crate) fn recall_all<'py>(
    store: &Bound<'py, Store>,
    (function, name): (&Bound<'py, PyAny>, &Bound<'py, PyString>),
    definition: &str,
    digests: &[String],
    accepts: &impl Accepts,
) -> PyResult<Vec<(Bound<'py, PyAny>, f64)>> {
    static THREADS: Lazy<usize> = Lazy::new();
    let py = store.py();
    let name = name.to_string_lossy();
    let keys: Result<Vec<_>, _> = digests.iter().map(|arguments| Key::new(&name, definition, arguments)).collect();
    let Ok(keys) = keys else { return Ok(Vec::new()) };
    let threads = *THREADS.get_or_init(py, || available_parallelism().map_or(1, usize::from).min(MAX_READERS));
    let store = store.get();
    let entries = py.detach(|| store.store.read_ahead(&keys, threads, LARGE_BYTES));
    let mut loaded = Vec::with_capacity(entries.len());
    for entry in entries {
        if let Some(reads) = entry.footer().reads()
            && !accepts.accepts(py, &CheckedReads::new(reads.clone()), Which::Latest, false)?
        {
            break;
        }
        match load(py, function, entry, (None, Which::Latest))? {
            Ok(found) if !found.is_drawn => loaded.push((found.output, found.seconds)),
            _ => break,
        }
    }
    Ok(loaded)
}

/// Loads an entry.
fn load<'py>(
    py: Python<'py>,
    function: &Bound<'py, PyAny>,
    entry: store::Entry,
    (reads, which): (Option<Arc<CheckedReads>>, Which),
) -> PyResult<Result<Found<'py>, Recalled<'py>>> {
    let (content_id, run) = (entry.content_id(), entry.footer().run());
    let plain = match entry.plain_body() {
        // Names of dill and of the program's own module need `funes._entries.pickler`.
        Some(body) if body.len() < LARGE_BYTES => {
            Some(PyBytes::new(py, body)).filter(|body| !mentions_dill(body) && !names_main(body))
        }
        _ => None,
    };
    let entry = match &plain {
        Some(_) => None,
        None => Some(Bound::new(py, Entry::new(py, entry)?)?),
    };
    let load = || match (&plain, &entry) {
        (Some(body), _) => load_entry(body),
        (None, Some(entry)) => load_by_python(function, entry),
        (None, None) => Err(PyValueError::new_err("there is no entry")),
    };
    let loaded = match load() {
        // An error that is no `Exception` comes from the keyboard or a signal, or the object itself
        // raises it. In the last case, the object raises the error again.
        Err(error) if !is_load_error(py, &error) => match load() {
            Err(again) if again.get_type(py).is(error.get_type(py)) => return Ok(Err(Recalled::NeedsPython)),
            _ => return Err(error),
        },
        loaded => loaded,
    };
    let found = loaded.and_then(|entry| {
        let entry = entry.cast_into::<PyDict>()?;
        let is_drawn = entry.contains(intern!(py, "drawn"))?;
        if is_drawn && random_draws::is_seeded() {
            return Ok(Err(Recalled::NeedsPython));
        }
        let part = |name: &Bound<'py, PyString>| {
            entry.get_item(name)?.ok_or_else(|| PyKeyError::new_err(name.clone().unbind()))
        };
        let (output, seconds) = (part(intern!(py, "output"))?, part(intern!(py, "time"))?.extract()?);
        let (body, reads) = (plain.clone(), reads.clone());
        Ok(Ok(Found { output, seconds, is_drawn, content_id, body, reads, which, run }))
    });
    match found {
        Ok(found) => Ok(found),
        Err(error) if is_load_error(py, &error) => Ok(Err(Recalled::NeedsPython)),
        Err(error) => Err(error),
    }
}

/// Returns whether an error means that a value cannot be loaded. A library written in Rust may
/// panic, as polars does on data of another polars version; `PanicException` is no `Exception`.
fn is_load_error(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyException>(py) || error.get_type(py).name().is_ok_and(|name| name == "PanicException")
}

fn load_by_python<'py>(function: &Bound<'py, PyAny>, entry: &Bound<'py, Entry>) -> PyResult<Bound<'py, PyAny>> {
    let py = entry.py();
    let entry = entry.get();
    hooks::LOAD_ENTRY.get(py)?.call1((entry.body(py)?, entry.fast(py)?, function.getattr(intern!(py, "__module__"))?))
}

/// Returns whether a pickle refers to a module with the importable name of the program's own
/// module. Then the program itself may define the classes and functions of that module, see
/// `funes._entries.main_module`.
fn names_main(body: &Bound<'_, PyBytes>) -> bool {
    static NAME: Lazy<Option<Vec<u8>>> = Lazy::new();
    let py = body.py();
    let name = NAME.get_or_try_init(py, || {
        let name: Option<String> = hooks::MAIN_MODULE_NAME.get(py)?.call0()?.extract()?;
        // The module name, MEMOIZE, and the opcode of a second short string: the object name.
        Ok(name.map(|name| [name.as_bytes(), b"\x94\x8c"].concat()))
    });
    let Ok(name) = name else { return true };
    let Some(name) = name else { return false };
    let bytes = body.as_bytes();
    // The opcode that takes an object by its names: the pickle of plain data has none.
    if !bytes.contains(&b'\x93') || !contains(bytes, name) {
        return false;
    }
    let ends =
        bytes.windows(name.len()).enumerate().filter(|(_, part)| *part == &name[..]).map(|(at, _)| at + name.len());
    ends.map(|at| &bytes[at..]).any(|rest| {
        let name = rest.first().map_or(0, |length| usize::from(*length));
        rest.get(1 + name..3 + name) == Some(b"\x94\x93")
    })
}

fn mentions_dill(body: &Bound<'_, PyBytes>) -> bool {
    contains(body.as_bytes(), b"dill")
}
