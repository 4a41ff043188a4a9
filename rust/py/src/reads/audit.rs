//! The audit hook, which the interpreter calls for every audit event of the process.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::interpreter::PySys_AddAuditHook;
use crate::reads::origin::{is_cleanup, is_internal, is_of_user, place};
use crate::reads::recording::{Recording, Unseen};
use crate::reads::running::{are_any, current, leave_folder};
use crate::reads::settings::Settings;
use crate::reads::threads;

/// The interpreter that has loaded the extension; null until the hook is registered. Hooks are
/// also called in other interpreters of the process.
static INTERPRETER: AtomicPtr<ffi::PyInterpreterState> = AtomicPtr::new(ptr::null_mut());

/// The events that are recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Open,
    Database,
    CreateFolder,
    Rename,
    ChangeFolder,
    StartThread,
    StartProcess,
    Connect,
    ResolveName,
    List,
    CallLibrary,
}

/// Registers the hook, once. It cannot be removed.
pub(super) fn register(py: Python<'_>) -> PyResult<()> {
    if !INTERPRETER.load(Ordering::Relaxed).is_null() {
        return Ok(());
    }
    Settings::prepare(py)?;
    threads::prepare(py)?;
    // SAFETY: the thread is attached to an interpreter.
    let interpreter = unsafe { ffi::PyInterpreterState_Get() };
    let before = INTERPRETER.compare_exchange(ptr::null_mut(), interpreter, Ordering::Relaxed, Ordering::Relaxed);
    // SAFETY: the hook is a function of this type that needs no data.
    if before.is_ok() && unsafe { PySys_AddAuditHook(hook, ptr::null_mut()) } < 0 {
        // Another hook forbids it. Then no file is recorded.
        drop(PyErr::take(py));
    }
    Ok(())
}

unsafe extern "C" fn hook(event: *const c_char, args: *mut ffi::PyObject, _: *mut c_void) -> c_int {
    if !are_any() {
        return 0;
    }
    // SAFETY: the interpreter passes the name as a C string.
    let name = unsafe { CStr::from_ptr(event) }.to_bytes();
    let event = match name {
        b"open" => Event::Open,
        b"sqlite3.connect" => Event::Database,
        b"os.mkdir" => Event::CreateFolder,
        b"os.rename" => Event::Rename,
        b"os.chdir" | b"os.fchdir" => Event::ChangeFolder,
        b"_thread.start_new_thread" | b"_thread.start_joinable_thread" => Event::StartThread,
        b"subprocess.Popen" | b"os.system" | b"os.posix_spawn" | b"os.spawn" | b"os.fork" | b"os.forkpty" => {
            Event::StartProcess
        }
        b"socket.connect" => Event::Connect,
        b"socket.getaddrinfo" => Event::ResolveName,
        b"os.listdir" | b"os.scandir" => Event::List,
        b"ctypes.dlopen" | b"ctypes.dlsym" => Event::CallLibrary,
        _ => return 0,
    };
    // SAFETY: the interpreter calls hooks in attached threads, and passes a tuple. Only the
    // interpreter that has loaded the extension is served.
    let _ = catch_unwind(AssertUnwindSafe(|| unsafe {
        if ffi::PyInterpreterState_Get() != INTERPRETER.load(Ordering::Relaxed) {
            return;
        }
        let py = Python::assume_attached();
        let raised = PyErr::take(py);
        if let Some(args) = Bound::from_borrowed_ptr_or_opt(py, args)
            && let Ok(args) = args.cast::<PyTuple>()
            && let Some(settings) = Settings::get()
        {
            // An event that cannot be understood is not recorded.
            let _ = record(py, event, args, settings);
        }
        drop(PyErr::take(py));
        if let Some(raised) = raised {
            raised.restore(py);
        }
    }));
    0
}

fn record(py: Python<'_>, event: Event, args: &Bound<'_, PyTuple>, settings: &Settings) -> PyResult<()> {
    let first = || args.get_item(0);
    match event {
        Event::StartThread => return threads::started(py, &first()?),
        Event::ChangeFolder => {
            leave_folder(py);
            return Ok(());
        }
        Event::Open if is_import(args)? => return Ok(()),
        _ => {}
    }
    let recordings = current(py);
    if recordings.is_empty() || is_internal(py, settings) {
        return Ok(());
    }
    if let Some(unseen) = unseen(event, args, settings)? {
        for recording in &recordings {
            if event != Event::List || !path_of(&first()?).is_some_and(|path| recording.is_product(&path)) {
                recording.report(unseen, || place(py, settings));
            }
        }
    }
    let has_path = !matches!(event, Event::StartProcess | Event::Connect | Event::ResolveName | Event::CallLibrary);
    let path = if has_path { path_of(&first()?) } else { None };
    for recording in &recordings {
        match (event, &path) {
            (Event::Open, Some(path)) => open(py, recording, path, args.get_item(2)?.extract()?, settings),
            (Event::Database, Some(path)) => open_database(py, recording, path, settings),
            (Event::CreateFolder, Some(path)) if !path.exists() => recording.create_folder(path),
            (Event::Rename, Some(path)) => {
                let Some(to) = path_of(&args.get_item(1)?) else { continue };
                if path.is_dir() { recording.create_folder(&to) } else { recording.write(&to) }
            }
            (Event::StartProcess, _) => recording.spawn(),
            _ => {}
        }
    }
    Ok(())
}

/// Programs that libraries start to learn about the machine.
const PROGRAMS: [&str; 8] = ["lscpu", "uname", "ldconfig", "gcc", "cc", "nvidia-smi", "sysctl", "objdump"];

/// Returns the input that is not seen, of which an event tells.
fn unseen(event: Event, args: &Bound<'_, PyTuple>, settings: &Settings) -> PyResult<Option<Unseen>> {
    let py = args.py();
    Ok(match event {
        Event::StartProcess => {
            let program = args.get_item(0).ok().and_then(|program| path_of(&program));
            let name = program.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
            let is_known = name.is_some_and(|name| PROGRAMS.contains(&name));
            Some(Unseen::Process).filter(|_| !is_known)
        }
        // The address of a socket in the file system is a text.
        Event::Connect => args.get_item(1)?.is_instance_of::<PyTuple>().then_some(Unseen::Network),
        Event::ResolveName => Some(Unseen::Network),
        Event::List => path_of(&args.get_item(0)?)
            .is_none_or(|path| !settings.skips(&path))
            .then_some(Unseen::Listing)
            .filter(|_| !is_cleanup(py)),
        Event::CallLibrary => Some(Unseen::Library).filter(|_| is_of_user(py, settings)),
        _ => None,
    })
}

/// Returns whether an event comes from `io.open_code`, with which modules are imported: only there
/// the flags are zero.
fn is_import(args: &Bound<'_, PyTuple>) -> PyResult<bool> {
    Ok(!args.get_item(1)?.is_none() && args.get_item(2)?.extract::<i64>().is_ok_and(|flags| flags == 0))
}

/// Returns a path; none for a file descriptor.
fn path_of(object: &Bound<'_, PyAny>) -> Option<PathBuf> {
    if object.is_instance_of::<PyString>() {
        return object.extract::<std::ffi::OsString>().ok().map(PathBuf::from);
    }
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return path_of_bytes(bytes.as_bytes());
    }
    object.extract().ok()
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have bytes that are no path")]
fn path_of_bytes(bytes: &[u8]) -> Option<PathBuf> {
    Some(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes).into())
}

#[cfg(not(unix))]
fn path_of_bytes(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

/// Records that a file is opened with flags as for `os.open`.
fn open(py: Python<'_>, recording: &Recording, path: &Path, flags: i64, settings: &Settings) {
    let has = |flag: i64| flags & flag != 0;
    let known = settings.flags;
    let (only_writes, writes) = (has(1), has(1) || has(2));
    if !writes {
        recording.read(py, path, settings);
    } else if only_writes && has(known.append) {
        // What was in the file does not count, and stays.
    } else if only_writes || has(known.truncate) || has(known.exclusive) || (has(known.create) && !path.exists()) {
        recording.write(path);
    } else {
        recording.read(py, path, settings);
    }
}

/// Records that `sqlite3` opens a database.
fn open_database(py: Python<'_>, recording: &Recording, path: &Path, settings: &Settings) {
    let text = path.to_string_lossy();
    let path = match text.strip_prefix("file:") {
        Some(address) => {
            let (path, options) = address.split_once('?').unwrap_or((address, ""));
            if options.contains("mode=memory") {
                return;
            }
            PathBuf::from(path.strip_prefix("//localhost").or_else(|| path.strip_prefix("//")).unwrap_or(path))
        }
        None => path.to_owned(),
    };
    if path.as_os_str().is_empty() || text.starts_with(":memory:") {
        return;
    }
    if !path.exists() {
        recording.write(&path);
        return;
    }
    recording.read(py, &path, settings);
    // Changes that are not in the main file yet.
    let mut log = path.into_os_string();
    log.push("-wal");
    if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        recording.read(py, Path::new(&log), settings);
    }
}
