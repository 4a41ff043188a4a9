//! Finds the stored points of a sweep that must be computed again, since files have changed.

use funes_core::reads::{CheckedReads, Reads, Verdict};
use funes_core::store::Key;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::call::files::project_of;
use crate::call::switched_call::is_fresh;
use crate::store::error::raised;
use crate::store::handle::Store;
use crate::sweep::point_keys::PointKeys;

/// Up to this many entries, all are looked at. Of more entries, so many are, evenly spread; the rest
/// only if one of them records files.
const SAMPLE: usize = 256;

/// Returns the numbers of the keys, from `start` on, that are in a state (None: in any) and have an
/// entry whose files have changed, and no earlier entry for the files as they are now that is younger
/// than `max_age` seconds.
#[pyfunction]
pub(crate) fn changed_keys(
    keys: &PointKeys,
    store: &Bound<'_, Store>,
    function: &Bound<'_, PyAny>,
    name: &Bound<'_, PyString>,
    max_age: Option<f64>,
    start: usize,
    state: Option<u8>,
) -> PyResult<Vec<usize>> {
    let (definition, digests) = keys.digests_in(start, state);
    let (name, project) = (name.to_string_lossy(), project_of(function));
    let (store, project) = (store.get(), project.first().map(std::path::PathBuf::as_path));
    let keys: Result<Vec<_>, _> = digests
        .iter()
        .map(|(number, arguments)| Key::new(&name, &definition, arguments).map(|key| (*number, key)))
        .collect();
    let keys = keys.map_err(raised)?;
    let is_changed = |key: &Key, reads: Reads| {
        let is_other = |reads: Reads| matches!(CheckedReads::new(reads).check(project), Verdict::Changed(_));
        let earlier = reads.earlier.clone();
        let is_useless = |name| {
            let is_fresh = max_age.is_none_or(|max_age| is_fresh(store.store.time_of_earlier(key, name), max_age));
            !is_fresh || store.store.earlier_reads(key, name).is_none_or(is_other)
        };
        is_other(reads) && earlier.into_iter().all(is_useless)
    };
    Ok(function.py().detach(|| {
        let step = keys.len().div_ceil(SAMPLE).max(1);
        if step > 1 && !keys.iter().step_by(step).any(|(_, key)| store.store.reads(key).is_some()) {
            return Vec::new();
        }
        let changed = keys.iter().filter(|(_, key)| store.store.reads(key).is_some_and(|reads| is_changed(key, reads)));
        changed.map(|(number, _)| *number).collect()
    }))
}
