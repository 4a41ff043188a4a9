//! Lists the objects that a pickle refers to by name.

use funes_core::pickle::Names;
use pyo3::prelude::*;

/// The global objects, and the arguments of calls with two arguments of which the second is a text.
type Found = (Vec<(String, String)>, Vec<(Option<String>, String)>);

/// Lists the names in a pickle. Returns None if picklers of protocol 5 do not write such a pickle.
#[pyfunction]
#[pyo3(signature = (pickle, /))]
pub(crate) fn pickled_names(pickle: &[u8]) -> Option<Found> {
    let Names { globals, calls } = Names::of(pickle)?;
    let globals = globals.into_iter().map(|(module, name)| (module.to_owned(), name.to_owned())).collect();
    let calls = calls.into_iter().map(|(first, second)| (first.map(str::to_owned), second.to_owned())).collect();
    Some((globals, calls))
}
