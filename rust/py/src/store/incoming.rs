//! Receives an entry from a remote cache, for Python.

use std::time::{Duration, UNIX_EPOCH};

use funes_core::reads::ReadsName;
use funes_core::store::packed::{IncomingPacked, ReceivedPacked};
use funes_core::store::{self, Key, Present, Received};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::store::error::raised;
use crate::store::handle::Store;
use crate::store::packed::with_packed;

/// An entry, segment or pack that is being received, in an unfinished file beside the entries.
#[pyclass(module = "funes._funes")]
pub(crate) struct Incoming {
    /// None once it was published.
    incoming: Option<Kind>,
}

enum Kind {
    Entry(store::Incoming),
    Packed(IncomingPacked),
}

#[pymethods]
impl Incoming {
    /// Begins to receive an entry, or an earlier entry, named by 16 hexadecimal digits.
    #[new]
    #[pyo3(signature = (store, function, definition, arguments, earlier=None))]
    fn new(
        py: Python<'_>,
        store: &Store,
        function: &Bound<'_, PyString>,
        definition: &str,
        arguments: &str,
        earlier: Option<&str>,
    ) -> PyResult<Self> {
        let function = function.to_string_lossy();
        let key = Key::new(&function, definition, arguments).map_err(raised)?;
        let earlier = earlier.map(|digits| {
            let number = u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 16);
            let number = number.ok_or_else(|| PyValueError::new_err("an earlier entry is named by 16 digits"))?;
            Ok::<_, PyErr>(ReadsName(number.to_be_bytes()))
        });
        Self::of(py, store, &key, earlier.transpose()?)
    }

    /// Begins to receive a large argument.
    #[staticmethod]
    fn object(py: Python<'_>, store: &Store, content: &str) -> PyResult<Self> {
        Self::of(py, store, &Key::object(content).map_err(raised)?, None)
    }

    /// Begins to receive a segment or pack of a definition.
    #[staticmethod]
    fn packed(
        py: Python<'_>,
        store: &Store,
        function: &Bound<'_, PyString>,
        definition: &str,
        name: &str,
    ) -> PyResult<Self> {
        let incoming = with_packed(py, store, (function, definition), |packed| packed.receive(name))?;
        Ok(Self { incoming: Some(Kind::Packed(incoming)) })
    }

    /// Adds the next bytes of the file.
    #[pyo3(signature = (content, /))]
    fn write(&mut self, py: Python<'_>, content: &Bound<'_, PyBytes>) -> PyResult<()> {
        let Some(incoming) = &mut self.incoming else { return Err(is_over()) };
        let content = content.as_bytes();
        let write = || match incoming {
            Kind::Entry(incoming) => incoming.write(content),
            Kind::Packed(incoming) => incoming.write(content),
        };
        py.detach(write).map_err(raised)
    }

    /// Verifies the file, and makes it the entry. Nothing is unpickled.
    ///
    /// `stored` is the time at which the entry was stored first, in nanoseconds since 1970. If
    /// `replace` is true, the file replaces an entry that is there.
    ///
    /// Returns "published"; "taken" if an entry is there and stays; "damaged", "foreign" or "format"
    /// if the file is none that `Store.read` would return; and the reason.
    #[pyo3(signature = (*, stored=None, replace=false))]
    fn publish(&mut self, py: Python<'_>, stored: Option<u64>, replace: bool) -> PyResult<(&'static str, String)> {
        let Some(incoming) = self.incoming.take() else { return Err(is_over()) };
        let stored = stored.map(|stored| UNIX_EPOCH + Duration::from_nanos(stored));
        let present = if replace { Present::IsReplaced } else { Present::Stays };
        match incoming {
            Kind::Entry(incoming) => py.detach(|| incoming.publish(stored, present)).map(text).map_err(raised),
            Kind::Packed(incoming) => match py.detach(|| incoming.publish()).map_err(raised)? {
                ReceivedPacked::Published(_) => Ok(("published", String::new())),
                ReceivedPacked::Damaged(reason) => Ok(("damaged", reason)),
            },
        }
    }
}

impl Incoming {
    fn of(py: Python<'_>, store: &Store, key: &Key, earlier: Option<ReadsName>) -> PyResult<Self> {
        let incoming = py.detach(|| store.store.receive(key, earlier)).map_err(raised)?;
        Ok(Self { incoming: Some(Kind::Entry(incoming)) })
    }
}

fn is_over() -> PyErr {
    PyValueError::new_err("the entry was published")
}

/// Returns what became of a received entry, and the reason.
pub(crate) fn text(received: Received) -> (&'static str, String) {
    match received {
        Received::Published => ("published", String::new()),
        Received::Taken => ("taken", String::new()),
        Received::Damaged(damage) => ("damaged", damage.to_string()),
        Received::Foreign => ("foreign", "it is not signed with the key in use".to_owned()),
        Received::OtherVersion(version) => ("format", funes_core::error::other_version(version)),
    }
}
