//! Wraps the store for Python, and releases the GIL during disk access.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use funes_core::error::Error;
use funes_core::store::{
    self, Access, Content, ContentId, Definition, Head, Key, Origin, Pickle, Present, ReadOutcome, SigningKey, Verify,
    Written,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::import_exception;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::store::entry::Entry;
use crate::store::entry_buffer::map;
use crate::store::error::raised;
use crate::store::growth::Growth;
use crate::store::out_of_band::{BufferSpans, InlinedPickle};
use crate::store::run::Run;

import_exception!(funes.errors, DamagedEntryError);

/// A cache folder with one file per stored call. Nothing is created until the first write.
///
/// An entry is identified by the name of the function and two hashes of 40 lower-case hexadecimal
/// digits: those of the definition and of the arguments. An entry is written atomically, verified
/// at every read, and replaced only by a rename.
///
/// `root` is the absolute path of the cache folder. A relative path or an invalid hash raises
/// `ValueError`; errors of the system raise `OSError`, with `errno` and `filename`.
///
/// If there is a signing key (`key`), entries are signed, and entries without a signature of this
/// key are not read. If `shared` is true, the group can access new files. `verify` is "once" (large
/// entries once in a process, small entries always), "always" or "never". If `packed` is true, small
/// entries are stored packed. `growth` counts the bytes that are stored. `remote` is the URL of the remote cache that
/// calls use.
#[expect(clippy::struct_field_names, reason = "it wraps the store of the core")]
#[pyclass(frozen, module = "funes")]
pub struct Store {
    pub(crate) store: store::Store,
    pub(super) growth: Option<Py<Growth>>,
    /// The URL of the remote cache that calls use, if there is one.
    #[pyo3(get)]
    pub(crate) remote: Option<String>,
    pub(super) run: Run,
}

#[pymethods]
impl Store {
    #[new]
    #[pyo3(signature = (root, *, key=None, shared=false, verify="once", packed=false, growth=None, remote=None))]
    fn new(
        root: PathBuf,
        key: Option<&[u8]>,
        shared: bool,
        verify: &str,
        packed: bool,
        growth: Option<Py<Growth>>,
        remote: Option<String>,
    ) -> PyResult<Self> {
        let verify = match verify {
            "always" => Verify::Always,
            "once" => Verify::Once,
            "never" => Verify::Never,
            _ => return Err(PyValueError::new_err("verify must be \"always\", \"once\" or \"never\"")),
        };
        let access = if shared { Access::Shared } else { Access::Private };
        let store = store::Store::new(root).map_err(raised)?.with_access(access).with_verify(verify).with_map(map);
        let store = store.with_packed(packed);
        let store = if let Some(key) = key { store.with_signing_key(SigningKey::new(key)) } else { store };
        Ok(Self { store, growth, remote, run: Run::default() })
    }

    /// The cache folder.
    #[getter]
    fn root(&self) -> OsString {
        self.store.root().into()
    }

    /// True if small entries are stored packed.
    #[getter]
    fn packed(&self) -> bool {
        self.store.is_packed()
    }

    fn __repr__(&self) -> String {
        format!("Store('{}')", self.store.root().display())
    }

    /// Returns the folder of the entries of a definition. The folder need not exist.
    pub(crate) fn folder(&self, function: &Bound<'_, PyString>, definition: &str) -> PyResult<OsString> {
        let function = function.to_string_lossy();
        let definition = Definition::new(&function, definition).map_err(raised)?;
        Ok(self.store.folder(&definition).into())
    }

    /// Returns the path of an entry. The entry need not exist.
    pub(crate) fn path(&self, function: &Bound<'_, PyString>, definition: &str, arguments: &str) -> PyResult<OsString> {
        let function = function.to_string_lossy();
        let key = Key::new(&function, definition, arguments).map_err(raised)?;
        Ok(self.store.path(&key).into())
    }

    /// Reads and verifies an entry; returns None if there is none. `refresh`: also one that another process has
    /// stored or packed a moment ago.
    ///
    /// Raises `DamagedEntryError` if the file differs from what was written. Then call `set_aside`
    /// before a new entry is written. Raises `OSError` if the file cannot be read now, is in
    /// another version of the format (`errno.ENOTSUP`), or is not signed with the signing key
    /// (`errno.EPERM`). Then the file must stay in place.
    #[pyo3(signature = (function, definition, arguments, *, refresh=false))]
    fn read(
        &self,
        py: Python<'_>,
        function: &Bound<'_, PyString>,
        definition: &str,
        arguments: &str,
        refresh: bool,
    ) -> PyResult<Option<Entry>> {
        let function = function.to_string_lossy();
        let key = Key::new(&function, definition, arguments).map_err(raised)?;
        self.found(py, &key, refresh)
    }

    /// Verifies every byte of an entry. Returns "found", "absent", "damaged", "foreign", "format"
    /// or "unreadable", and the reason.
    fn check(
        &self,
        py: Python<'_>,
        function: &Bound<'_, PyString>,
        definition: &str,
        arguments: &str,
    ) -> PyResult<(&'static str, String)> {
        let function = function.to_string_lossy();
        let key = Key::new(&function, definition, arguments).map_err(raised)?;
        Ok(py.detach(|| self.state(&key)))
    }

    /// Verifies every byte of a large argument, as `check` does.
    fn check_object(&self, py: Python<'_>, content: &str) -> PyResult<(&'static str, String)> {
        let key = Key::object(content).map_err(raised)?;
        Ok(py.detach(|| self.state(&key)))
    }

    /// Stores an entry. Returns False if there is one already, which stays unless `replace` is true.
    ///
    /// `body` is the portable pickle, up to and including STOP: bytes, or the `InlinedPickle` of a
    /// `BufferCollector`. `fast` is the fast pickle, with the positions of its buffers. `head` has
    /// the run time in seconds and a pickle of the inputs in the form of `fast`. If there are
    /// objects of the program's own module, `head` also has a pickle of the inputs with these
    /// objects written by name. If `durable` is true, the entry survives a power cut after this
    /// method has returned, which takes milliseconds instead of microseconds.
    ///
    /// Raises `OSError` if the entry could not be stored. At most empty folders are left behind.
    /// If `like` is an entry of the same call, the new entry records the same files as read, maximum age and run.
    #[expect(clippy::too_many_arguments, reason = "three of them name the entry")]
    #[pyo3(signature = (
        function, definition, arguments, body, fast=None, head=None, *, durable=false, like=None, replace=false
    ))]
    fn write(
        &self,
        py: Python<'_>,
        function: &Bound<'_, PyString>,
        definition: &str,
        arguments: &str,
        body: &Bound<'_, PyAny>,
        fast: Option<PickleParts<'_>>,
        head: Option<HeadParts<'_>>,
        durable: bool,
        like: Option<&Bound<'_, Entry>>,
        replace: bool,
    ) -> PyResult<bool> {
        let function = function.to_string_lossy();
        let key = Key::new(&function, definition, arguments).map_err(raised)?;
        let present = if replace { Present::IsReplaced } else { Present::Stays };
        let origin = like.map_or_else(Origin::default, |like| like.get().footer.origin());
        Ok(self.put(py, &key, body, (fast, head, origin), (durable, present))?.is_written)
    }

    /// Stores an entry that was read under another key, byte for byte. Returns False if the new key
    /// has an entry already.
    ///
    /// Nothing is unpickled. Raises the same errors as `write`.
    #[pyo3(signature = (function, definition, arguments, entry, *, durable=false))]
    fn write_again(
        &self,
        py: Python<'_>,
        function: &Bound<'_, PyString>,
        definition: &str,
        arguments: &str,
        entry: &Bound<'_, Entry>,
        durable: bool,
    ) -> PyResult<bool> {
        let function = function.to_string_lossy();
        let key = Key::new(&function, definition, arguments).map_err(raised)?;
        let Entry { memory, footer } = entry.get();
        let body = memory.get().bytes();
        let written = py.detach(|| self.store.write_again(&key, body, footer, durable)).map_err(raised)?;
        Ok(self.counted(py, written)?.is_written)
    }

    /// Creates the folder of the entries of a definition, if the folder is missing.
    pub(crate) fn prepare(&self, py: Python<'_>, function: &Bound<'_, PyString>, definition: &str) -> PyResult<()> {
        let function = function.to_string_lossy();
        let definition = Definition::new(&function, definition).map_err(raised)?;
        py.detach(|| self.store.prepare(&definition)).map_err(raised)
    }

    /// Returns the path of a large argument, which need not exist. `content` is a hash of 40
    /// digits.
    fn object_path(&self, content: &str) -> PyResult<OsString> {
        Ok(self.store.path(&Key::object(content).map_err(raised)?).into())
    }

    /// Reads a large argument as `read` reads an entry. If the file is damaged, moves it to
    /// quarantine before it raises the error.
    fn read_object(&self, py: Python<'_>, content: &str) -> PyResult<Option<Entry>> {
        let key = Key::object(content).map_err(raised)?;
        let found = self.found(py, &key, false);
        if matches!(&found, Err(error) if error.is_instance_of::<DamagedEntryError>(py)) {
            py.detach(|| self.store.set_aside(&key)).map_err(raised)?;
        }
        found
    }

    /// Stores a large argument as `write` stores an entry.
    #[pyo3(signature = (content, body, fast=None, *, durable=false))]
    fn write_object(
        &self,
        py: Python<'_>,
        content: &str,
        body: &Bound<'_, PyAny>,
        fast: Option<PickleParts<'_>>,
        durable: bool,
    ) -> PyResult<bool> {
        let key = Key::object(content).map_err(raised)?;
        Ok(self.put(py, &key, body, (fast, None, Origin::default()), (durable, Present::Stays))?.is_written)
    }

    /// Deletes an entry without verifying it. Returns False if there is none.
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

    /// Moves a damaged entry to the folder `damaged` beside the entries, and returns its new path.
    ///
    /// Returns None if the entry is not damaged, since another process may have replaced the entry
    /// after the caller read it.
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

    /// Returns the time at which an entry was stored, in nanoseconds since 1970; None if there is none.
    fn time_stored(
        &self,
        py: Python<'_>,
        function: &Bound<'_, PyString>,
        definition: &str,
        arguments: &str,
    ) -> PyResult<Option<u128>> {
        let stored = self.time(py, function, definition, arguments)?;
        Ok(stored.map(|stored| stored.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()))
    }

    /// Lists the argument hashes of the entries of a definition, sorted; reads no entry.
    fn entries(&self, py: Python<'_>, function: &Bound<'_, PyString>, definition: &str) -> PyResult<Vec<String>> {
        let function = function.to_string_lossy();
        let definition = Definition::new(&function, definition).map_err(raised)?;
        py.detach(|| self.store.entries(&definition)).map_err(raised)
    }
}

impl Store {
    /// Returns the time at which an entry was stored; None if there is no entry.
    pub(crate) fn time(
        &self,
        py: Python<'_>,
        function: &Bound<'_, PyString>,
        definition: &str,
        arguments: &str,
    ) -> PyResult<Option<SystemTime>> {
        let function = function.to_string_lossy();
        let key = Key::new(&function, definition, arguments).map_err(raised)?;
        Ok(py.detach(|| self.store.time_stored(&key)))
    }

    /// Returns the number of an entry, by which a replaced entry is noticed; None if there is no entry.
    pub(crate) fn content_id(
        &self,
        py: Python<'_>,
        function: &Bound<'_, PyString>,
        definition: &str,
        arguments: &str,
    ) -> PyResult<Option<ContentId>> {
        let function = function.to_string_lossy();
        let key = Key::new(&function, definition, arguments).map_err(raised)?;
        Ok(py.detach(|| self.store.content_id(&key)))
    }

    fn state(&self, key: &Key) -> (&'static str, String) {
        match self.store.check(key) {
            Ok(ReadOutcome::Found(_)) => ("found", String::new()),
            Ok(ReadOutcome::Absent) => ("absent", "there is no file".to_owned()),
            Ok(ReadOutcome::Damaged(damage)) => ("damaged", damage.to_string()),
            Err(error) => {
                let state = match error {
                    Error::Foreign { .. } => "foreign",
                    Error::OtherVersion { .. } => "format",
                    _ => "unreadable",
                };
                (state, error.to_string())
            }
        }
    }

    fn found(&self, py: Python<'_>, key: &Key, refresh: bool) -> PyResult<Option<Entry>> {
        self.found_entry(py, key, refresh)?.map(|entry| Entry::new(py, entry)).transpose()
    }

    pub(crate) fn found_entry(&self, py: Python<'_>, key: &Key, refresh: bool) -> PyResult<Option<store::Entry>> {
        let read = || if refresh { self.store.read_refreshed(key) } else { self.store.read(key) };
        match py.detach(read).map_err(raised)? {
            ReadOutcome::Absent => Ok(None),
            ReadOutcome::Found(entry) => Ok(Some(entry)),
            ReadOutcome::Damaged(damage) => {
                let path = self.store.path(key);
                let message = format!("{} is damaged: {damage}", path.display());
                Err(DamagedEntryError::new_err(message))
            }
        }
    }

    pub(crate) fn put(
        &self,
        py: Python<'_>,
        key: &Key,
        body: &Bound<'_, PyAny>,
        (fast, head, origin): EntryParts<'_, '_>,
        (durable, present): (bool, Present),
    ) -> PyResult<Written> {
        let pieces = if let Ok(bytes) = body.cast::<PyBytes>() {
            vec![bytes.as_bytes()]
        } else if let Ok(body) = body.cast::<InlinedPickle>() {
            body.get().pieces()
        } else {
            return Err(PyTypeError::new_err("body must be bytes or InlinedPickle"));
        };
        let head = head.as_ref().map(|(seconds, inputs, main)| Head {
            seconds: *seconds,
            inputs: pickle(inputs),
            main: main.as_ref().map(pickle),
        });
        let content = Content { body: &pieces, head, fast: fast.as_ref().map(pickle), origin };
        let written = py.detach(|| self.store.write_with(key, &content, durable, present)).map_err(raised)?;
        self.counted(py, written)
    }
}

/// A pickle, and the positions of its buffers in the body.
pub(crate) type PickleParts<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, BufferSpans>>);

/// The fast pickle, the head, and what else is known of the computation.
pub(crate) type EntryParts<'a, 'py> = (Option<PickleParts<'py>>, Option<HeadParts<'py>>, Origin<'a>);

/// The run time in seconds; a pickle of the inputs; and a pickle of the inputs in which objects of
/// the program's own module are written by name, if there are any.
pub(crate) type HeadParts<'py> = (f64, PickleParts<'py>, Option<PickleParts<'py>>);

fn pickle<'a>((bytes, spans): &'a PickleParts<'_>) -> Pickle<'a> {
    let buffers = spans.as_ref().map_or(&[][..], |spans| &spans.get().spans);
    Pickle { bytes: bytes.as_bytes(), buffers }
}
