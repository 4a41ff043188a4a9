//! The methods of a memorious function that Python code calls.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use funes_core::store::Key;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyFunction, PyList, PyTuple};

use crate::call::core::Core;
use crate::call::files::Files;
use crate::call::keyed_call::Call;
use crate::call::memo_definition::RequiredDefinition;
use crate::call::signature::Signature;
use crate::call::switched_call::is_fresh;
#[cfg(Py_GIL_DISABLED)]
use crate::call::thread_tables::ThreadTables;
use crate::definition::changed_state;
use crate::definition::report;
use crate::gil_cell::GilCell;
use crate::hash::walk::ReadParts;
use crate::lazy::{field, intern};
use crate::memory::memory_cache::{MemoryCache, next_owner};
use crate::memory::usage::Usage;
use crate::store::entry::Entry;
use crate::store::error::raised;
use crate::store::handle::Store;
use crate::store::incoming::text;

#[pymethods]
impl Core {
    /// Creates the core of a function with `funes._memo.options.Options`.
    #[new]
    fn new(function: Bound<'_, PyFunction>, options: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = function.py();
        // Bytes that the results may take in memory, or None for a share of the bound of the
        // process.
        let bound: Option<u64> = options.getattr("memory")?.extract()?;
        let signature = Signature::of(&function)?;
        let counters = Arc::default();
        let flags: u32 = function.getattr(intern!(py, "__code__"))?.getattr("co_flags")?.extract()?;
        Ok(Self {
            ignored: signature.own_names(py, &options.getattr("ignore")?)?,
            single_flight: field(options, intern!(py, "single_flight"))?,
            shared: field(options, intern!(py, "shared"))?,
            durability: field(options, intern!(py, "durability"))?,
            large_argument: field(options, intern!(py, "large_argument"))?,
            files: Files::of(options)?,
            max_age: field(options, intern!(py, "max_age"))?,
            has_predicate: !options.getattr(intern!(py, "cache_if"))?.is_none(),
            remembered: field::<Option<Py<PyTuple>>>(options, intern!(py, "remember_errors"))?
                .filter(|types| !types.bind(py).is_empty()),
            uncached: GilCell::default(),
            signature,
            // CO_COROUTINE and CO_ITERABLE_COROUTINE.
            is_async: flags & 0x180 != 0,
            function: function.unbind(),
            definition: GilCell::new(None),
            owner: next_owner(),
            memory: bound.map_or_else(|| MemoryCache::shared(py), |bound| Ok(MemoryCache::bounded(bound)))?,
            direct: Arc::default(),
            #[cfg(Py_GIL_DISABLED)]
            tables: ThreadTables::default(),
            usage: Usage::new(&counters),
            counters,
            store: GilCell::new(None),
            former: GilCell::default(),
            known_runs: GilCell::default(),
            changes_state: Arc::default(),
            required: GilCell::new(None),
        })
    }

    /// Returns the keyed call.
    ///
    /// Raises an error if the call has no key.
    #[pyo3(signature = (memo, args, kwargs))]
    fn key<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Call> {
        let (current, arguments, encoded) = self.encoded(memo, args, kwargs)?;
        self.keyed_call(&current, &arguments, encoded, (args.clone(), kwargs.cloned()))
    }

    /// Computes the key of a call again, after a wait or after the function has run. Returns the
    /// present call, or None if its key is unchanged.
    ///
    /// Raises an error if the call no longer has a key.
    pub(super) fn rekey(&self, memo: &Bound<'_, PyAny>, call: &Call) -> PyResult<Option<Call>> {
        let py = memo.py();
        let now = self.key(memo, call.args.bind(py), call.kwargs.as_ref().map(|kwargs| kwargs.bind(py)))?;
        Ok(Some(now).filter(|now| now.key() != call.key()))
    }

    /// Returns which reference or value differs between the definitions of two calls, or None if
    /// that is not known.
    #[staticmethod]
    fn difference(py: Python<'_>, then: &Call, now: &Call) -> Option<String> {
        let graph = |call: &Call| call.current.get().definition.clone_ref(py);
        report::difference(&graph(then).get().nodes, &graph(now).get().nodes)
    }

    /// Returns whether the next call would find the result in memory.
    fn is_in_memory(&self, memo: &Bound<'_, PyAny>, call: &Call) -> bool {
        let current = call.current.get();
        let Some(memory) = &self.memory else { return false };
        let Some(slot) = memory.peek(memo.py(), current.partition, &call.encoded) else { return false };
        let state = current.watch.state(|| self.folder(memo, current));
        let is_seen = slot.seen.load(Ordering::Relaxed) == state;
        self.max_age.is_none_or(|max_age| is_fresh(slot.stored, max_age))
            && (is_seen || self.is_still_there(memo, current, &call.encoded, &slot, state))
            && slot.reads.as_ref().is_none_or(|reads| self.accepts_in_memory(memo.py(), reads) == Some(true))
    }

    /// Reads the entry that a call with this key would use: an entry whose files are as they were, or
    /// an earlier one. Returns None if there is none. Raises the same errors as `Store.read`.
    ///
    /// `is_silent`: nothing is reported, and the files do not count for a call around this one.
    fn read(
        &self,
        memo: &Bound<'_, PyAny>,
        definition: &str,
        arguments: &str,
        is_silent: bool,
    ) -> PyResult<Option<Entry>> {
        self.read_entry(memo, (definition, arguments), is_silent)
    }

    /// Verifies the file of an entry, which is in memory, and returns the entry that a call with this key would use.
    ///
    /// Returns the entry, or None if it cannot be used; "found", or the state as `Incoming.publish` returns it; and
    /// the reason.
    fn open_bytes(
        &self,
        memo: &Bound<'_, PyAny>,
        definition: &str,
        arguments: &str,
        file: &[u8],
    ) -> PyResult<(Option<Entry>, &'static str, String)> {
        let (store, name) = (self.store(memo)?, self.name(memo.py())?);
        let name = name.bind(memo.py()).to_string_lossy();
        let key = Key::new(&name, definition, arguments).map_err(raised)?;
        match store.get().store.open_bytes(&key, file.to_vec()) {
            Ok(entry) => {
                let entry = self.accepted(memo, (store.get(), &key), entry, false)?;
                Ok((entry, "found", String::new()))
            }
            Err(received) => {
                let (state, reason) = text(received);
                Ok((None, state, reason))
            }
        }
    }

    /// Returns the path of the first file that has changed since the entry of a key was computed, and
    /// whether it is missing; None if all files are as they were.
    fn changed_file(
        &self,
        memo: &Bound<'_, PyAny>,
        definition: &str,
        arguments: &str,
    ) -> PyResult<Option<(PathBuf, bool)>> {
        self.find_changed_file(memo, (definition, arguments))
    }

    /// Lets the next call use no result in memory whose entry is gone by now. Otherwise this is noticed within a second.
    fn recheck_folder(&self, py: Python<'_>) {
        if let Some(current) = self.valid_definition(py) {
            current.get().watch.expire();
        }
    }

    /// Forgets a result in memory.
    fn forget(&self, py: Python<'_>, call: &Call) {
        if let Some(memory) = &self.memory {
            memory.forget(py, call.current.get().partition, &call.encoded);
        }
    }

    /// Returns hits in memory, hits on disk, misses; seconds computed and saved; bytes in memory.
    fn statistics(&self) -> (u64, u64, u64, f64, f64, i64) {
        self.counters.numbers()
    }

    /// Returns the number of calls whose results were not stored, by reason.
    #[pyo3(name = "uncached")]
    fn uncached_calls(&self, py: Python<'_>) -> BTreeMap<String, u64> {
        self.uncached.with(py, |uncached| uncached.clone())
    }

    /// Counts a call whose result is not stored.
    #[pyo3(name = "count_uncached")]
    fn count_uncached_call(&self, py: Python<'_>, reason: &str) {
        self.count_uncached(py, reason);
    }

    /// Forgets all results in memory, and the statistics.
    fn clear(&self, py: Python<'_>) {
        self.uncached.with(py, BTreeMap::clear);
        self.forget_all(py);
        self.usage.reset();
    }

    /// Returns the store, opened if it is not open.
    #[pyo3(name = "store")]
    fn opened_store(&self, memo: &Bound<'_, PyAny>) -> PyResult<Py<Store>> {
        self.store(memo)
    }

    /// Returns the cache folder, if the store is open.
    pub(super) fn root(&self, py: Python<'_>) -> Option<OsString> {
        self.store.with(py, |store| Some(store.as_ref()?.get().store.root().into()))
    }

    /// Drops the store and its results in memory. The next call opens it again.
    fn close(&self, py: Python<'_>) {
        let _closed = self.store.with(py, Option::take);
        if let Some(current) = self.definition.with(py, |current| Some(current.as_ref()?.clone_ref(py))) {
            // The next store may be another folder, without the description.
            current.get().description_watch.note(false);
        }
        self.update_usage_folder(py);
        self.forget_all(py);
    }

    /// Returns the present definition digest.
    fn definition(&self, memo: &Bound<'_, PyAny>) -> PyResult<String> {
        let current = self.raising_definition(memo)?;
        Ok(current.get().hex.clone())
    }

    /// Returns the third-party modules that the definition refers to; empty if the definition has
    /// no digest.
    fn modules<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyFrozenSet>> {
        let current = self.current_definition(memo).ok();
        let modules = current.map(|current| current.get().definition.get().modules.clone());
        PyFrozenSet::new(memo.py(), modules.unwrap_or_default())
    }

    /// Returns which parts of other code the code of the definition reads, in bits of
    /// `funes._code.read_parts`.
    fn read_parts(&self, memo: &Bound<'_, PyAny>) -> PyResult<ReadParts> {
        let current = self.raising_definition(memo)?;
        Ok(current.get().read_parts())
    }

    /// Returns a number that changes whenever a call may have found earlier results: on disk, or
    /// because the function returned to an earlier definition.
    fn reuse_count(&self, py: Python<'_>) -> u64 {
        self.counters.numbers().1 + self.former.with(py, |former| former.returns)
    }

    /// Returns the nodes of the definition in readable form.
    fn graph<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let current = self.raising_definition(memo)?;
        report::as_objects(memo.py(), &current.get().definition.get().nodes)
    }

    /// Returns the functions and classes of the definition.
    fn code<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let current = self.raising_definition(memo)?;
        PyList::new(memo.py(), current.get().definition.get().code())
    }

    /// Returns the digest of the definition with the state that calls left behind, which code by
    /// value carries along.
    fn definition_as_it_is(&self, memo: &Bound<'_, PyAny>) -> PyResult<String> {
        let found = if changed_state::are_any() {
            self.digest_as_it_is(memo)
        } else {
            self.current_definition(memo).map(|current| current.get().hex.clone())
        };
        found.map_err(|stop| stop.into_error(memo.py(), "the definition"))
    }

    /// Lets the next access compute the definition anew, although all guards hold.
    fn forget_definition(&self, py: Python<'_>) {
        let _replaced = self.definition.with(py, Option::take);
    }

    /// Lets calls run only while the definition has the digest `as_sent`.
    ///
    /// Another process sent the code, whose digest there is `definition`. On a mismatch, or if
    /// `refuses_code` and arguments contain functions or classes of the user, calls raise what
    /// `mismatch` returns.
    fn require_definition(
        &self,
        py: Python<'_>,
        as_sent: String,
        definition: String,
        refuses_code: bool,
        mismatch: Py<PyAny>,
    ) -> PyResult<()> {
        let required = Py::new(py, RequiredDefinition { as_sent, definition, refuses_code, mismatch })?;
        let _replaced = self.required.with(py, |present| present.replace(required));
        Ok(())
    }

    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        // SAFETY: the collector runs in an attached thread.
        let py = unsafe { Python::assume_attached() };
        visit.call(&self.function)?;
        self.remembered.as_ref().map_or(Ok(()), |types| visit.call(types))?;
        #[cfg(Py_GIL_DISABLED)]
        self.tables.traverse(&visit)?;
        self.definition
            .try_with(py, |current| current.as_ref().map_or(Ok(()), |current| visit.call(current)))
            .unwrap_or(Ok(()))?;
        self.required
            .try_with(py, |required| required.as_ref().map_or(Ok(()), |required| visit.call(required)))
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        #[cfg(Py_GIL_DISABLED)]
        self.tables.clear();
        let _cleared = self.definition.try_with(py, Option::take);
        let _expected = self.required.try_with(py, Option::take);
    }
}
