//! The store as Python sees it: the GIL is released around the disk, errors become Python's own.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use funes_core::error::Error;
use funes_core::store::{self, Content, Definition, Key, Reading};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

import_exception!(funes.errors, DamagedEntryError);

/// A cache folder: one file for one remembered call. Nothing is created until the first write.
///
/// An entry is named by the function's name and two hashes of 40 lower-case hexadecimal digits: of
/// the definition and of the arguments. It appears whole or not at all, is verified by every read,
/// and is never replaced.
///
/// `root` is the absolute path of the cache folder. A relative one, or a hash that is none, raises
/// `ValueError`; what the system refuses raises `OSError`, with `errno` and `filename`.
#[pyclass(frozen, module = "funes")]
pub struct Store {
    store: store::Store,
}

#[pymethods]
impl Store {
    #[new]
    fn new(root: PathBuf) -> PyResult<Self> {
        Ok(Self { store: store::Store::new(root).map_err(raised)? })
    }

    /// The cache folder.
    #[getter]
    fn root(&self) -> OsString {
        self.store.root().into()
    }

    fn __repr__(&self) -> String {
        format!("Store('{}')", self.store.root().display())
    }

    /// The folder of a definition's entries, whether it exists or not.
    fn folder(&self, function: &Bound<'_, PyString>, definition: &str) -> PyResult<OsString> {
        let function = function.to_string_lossy();
        let definition = Definition::new(&function, definition).map_err(raised)?;
        Ok(self.store.folder(&definition).into())
    }

    /// The file of an entry, whether it exists or not.
    fn path(&self, function: &Bound<'_, PyString>, definition: &str, arguments: &str) -> PyResult<OsString> {
        let function = function.to_string_lossy();
        let key = Key::new(&function, definition, arguments).map_err(raised)?;
        Ok(self.store.path(&key).into())
    }

    /// Reads and verifies an entry; None if there is none.
    ///
    /// Raises `DamagedEntryError` if the file is not what was written: `set_aside` makes room for
    /// a new one. Raises `OSError` if it cannot be read now, or was written by a newer funes
    /// (`errno.ENOTSUP`): it is to be left alone.
    fn read(
        &self,
        py: Python<'_>,
        function: &Bound<'_, PyString>,
        definition: &str,
        arguments: &str,
    ) -> PyResult<Option<Entry>> {
        let function = function.to_string_lossy();
        let key = Key::new(&function, definition, arguments).map_err(raised)?;
        match py.detach(|| self.store.read(&key)).map_err(raised)? {
            Reading::Absent => Ok(None),
            Reading::Found(entry) => Ok(Some(Entry { entry })),
            Reading::Damaged(damage) => {
                let path = self.store.path(&key);
                let message = format!("{} is damaged: {damage}", path.display());
                Err(DamagedEntryError::new_err(message))
            }
        }
    }

    /// Stores an entry; False if there is one already, which stays.
    ///
    /// `body` is a pickle, up to and with its STOP; `second` another reading of the same value,
    /// which only funes sees. With `durable` a power cut cannot undo the write once this has
    /// returned, which takes milliseconds instead of microseconds.
    ///
    /// Raises `OSError` if it could not be stored; nothing but, perhaps, empty folders is left behind.
    #[expect(clippy::too_many_arguments, reason = "three of them name the entry")]
    #[pyo3(signature = (function, definition, arguments, body, second=None, *, durable=false))]
    fn write(
        &self,
        py: Python<'_>,
        function: &Bound<'_, PyString>,
        definition: &str,
        arguments: &str,
        body: &[u8],
        second: Option<&[u8]>,
        durable: bool,
    ) -> PyResult<bool> {
        let function = function.to_string_lossy();
        let key = Key::new(&function, definition, arguments).map_err(raised)?;
        let content = Content { body, second, buffers: &[] };
        py.detach(|| self.store.write(&key, &content, durable)).map_err(raised)
    }

    /// Deletes an entry, sound or not; False if there is none.
    fn remove(
        &self,
        py: Python<'_>,
        function: &Bound<'_, PyString>,
        definition: &str,
        arguments: &str,
    ) -> PyResult<bool> {
        let function = function.to_string_lossy();
        let key = Key::new(&function, definition, arguments).map_err(raised)?;
        py.detach(|| self.store.remove(&key)).map_err(raised)
    }

    /// Moves a damaged entry to the folder `damaged` beside the entries and returns its new path.
    ///
    /// None if nothing is damaged there: another process may have put it right since it was read.
    fn set_aside(
        &self,
        py: Python<'_>,
        function: &Bound<'_, PyString>,
        definition: &str,
        arguments: &str,
    ) -> PyResult<Option<OsString>> {
        let function = function.to_string_lossy();
        let key = Key::new(&function, definition, arguments).map_err(raised)?;
        let moved = py.detach(|| self.store.set_aside(&key)).map_err(raised)?;
        Ok(moved.map(PathBuf::into_os_string))
    }

    /// The argument hashes of the entries of a definition, sorted; none of them is read.
    fn entries(&self, py: Python<'_>, function: &Bound<'_, PyString>, definition: &str) -> PyResult<Vec<String>> {
        let function = function.to_string_lossy();
        let definition = Definition::new(&function, definition).map_err(raised)?;
        py.detach(|| self.store.entries(&definition)).map_err(raised)
    }
}

/// An entry that was read and found to be what was written.
#[pyclass(frozen, module = "funes")]
pub struct Entry {
    entry: store::Entry,
}

#[pymethods]
impl Entry {
    /// The ordinary pickle; a new copy each time.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.entry.body())
    }

    /// The second reading, if there is one; a new copy each time.
    #[getter]
    fn second<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.entry.second().map(|second| PyBytes::new(py, second))
    }
}

/// What Python itself would raise.
fn raised(error: Error) -> PyErr {
    match error {
        Error::Io { doing, path, source } => system_error(doing, path, &source),
        Error::Newer { path, version } => {
            let text = format!("written by a newer funes (entry format {version}), which is needed to read it");
            // A number that differs between systems.
            let code = Python::attach(|py| py.import("errno")?.getattr("ENOTSUP")?.extract::<i32>());
            code.map_or_else(|error| error, |code| PyOSError::new_err((code, text, path.into_os_string())))
        }
        Error::Invalid(message) => PyValueError::new_err(message),
    }
}

/// `OSError`, which picks its own subclass by the number.
fn system_error(doing: &str, path: PathBuf, source: &io::Error) -> PyErr {
    let path = path.into_os_string();
    let text = format!("could not {doing}: {source}");
    let Some(code) = source.raw_os_error() else {
        return PyOSError::new_err((number(source.kind()), text, path));
    };
    // Python says the number in its own way.
    let text = text.trim_end_matches(&format!(" (os error {code})")).to_owned();
    if cfg!(windows) {
        // The system's numbers are others than errno's, which Python derives from them.
        PyOSError::new_err((0, text, path, code))
    } else {
        PyOSError::new_err((code, text, path))
    }
}

/// ENOENT, EEXIST, ENOMEM or EIO, which are the same everywhere, for an error that did not come from the system.
fn number(kind: io::ErrorKind) -> i32 {
    match kind {
        io::ErrorKind::NotFound => 2,
        io::ErrorKind::AlreadyExists => 17,
        io::ErrorKind::OutOfMemory => 12,
        _ => 5,
    }
}
