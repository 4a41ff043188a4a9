//! Calls a memorious function: finds its result in memory, or hands the call to the state machine.
//! Looks up results on disk; `memory_hit` finds those in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use funes_core::domain::Domain;
use funes_core::store::RunId;
use pyo3::exceptions::PyRecursionError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyString, PyTuple};

use crate::call::call_args::CallArgs;
use crate::call::files::{AcceptsForCall, Files};
use crate::call::keyed_call::{Call, Encoded, Sought, normalise_seed};
use crate::call::limits::{is_finalizing, is_stack_used_up};
use crate::call::machine::{Machine, Outcome, Request};
use crate::call::memo_definition::{FormerDefinitions, RequiredDefinition};
use crate::call::mode::{self, Mode};
use crate::call::signature::{Arguments, SEED, Signature};
#[cfg(Py_GIL_DISABLED)]
use crate::call::thread_tables::ThreadTables;
use crate::definition::current_definition::CurrentDefinition;
use crate::gil_cell::GilCell;
use crate::hash::walk_error::{WalkError, Walked};
use crate::hooks;
use crate::lazy::intern;
use crate::memory::cached_value::CachedValue;
use crate::memory::counters::Counters;
use crate::memory::direct_table::DirectTable;
use crate::memory::memory_cache::{About, MemoryCache};
use crate::memory::usage::Usage;
use crate::store::disk_hit::{Found, ReadHint, Recalled, Which, recall};
use crate::store::handle::Store;

/// The part of a `funes.Memo` that a call needs. Methods that a hit does not need are written in
/// Python, in the class `Memo`. The functions here receive its instance as `memo`.
#[expect(clippy::struct_excessive_bools, reason = "most are options of the user")]
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct Core {
    pub(super) function: Py<PyFunction>,
    pub(super) signature: Signature,
    /// The name objects of the signature, so that comparing pointers suffices.
    pub(super) ignored: Vec<Py<PyString>>,
    pub(super) single_flight: bool,
    pub(super) shared: bool,
    /// Computation time in seconds from which on a result survives a power cut.
    pub(super) durability: f64,
    /// The age in seconds from which an entry is expired.
    pub(super) max_age: Option<f64>,
    /// True if a predicate decides which results are stored.
    pub(super) has_predicate: bool,
    /// A tuple of the types of the exceptions that are stored, if there are any.
    pub(super) remembered: Option<Py<PyTuple>>,
    /// The number of calls whose results were not stored, by reason.
    pub(super) uncached: GilCell<BTreeMap<String, u64>>,
    /// Size in bytes above which an argument is stored apart.
    pub(super) large_argument: usize,
    pub(super) files: Files,
    /// True for a coroutine function.
    #[pyo3(get)]
    pub(super) is_async: bool,
    pub(super) definition: GilCell<Option<Py<CurrentDefinition>>>,
    /// The number of the function in the memory cache.
    pub(super) owner: u64,
    pub(super) memory: Option<Arc<MemoryCache>>,
    /// The results of calls with scalars, in front of `memory`.
    pub(super) direct: Arc<DirectTable>,
    #[cfg(Py_GIL_DISABLED)]
    pub(super) tables: ThreadTables,
    pub(super) counters: Arc<Counters>,
    pub(super) usage: Arc<Usage>,
    pub(super) store: GilCell<Option<Py<Store>>>,
    pub(super) former: GilCell<FormerDefinitions>,
    /// The run records that were compared with the present one, see [`Self::check_run`].
    pub(super) known_runs: GilCell<BTreeSet<RunId>>,
    /// True once a call of the function has changed state of its definition, see `changed_state`.
    pub(super) changes_state: Arc<AtomicBool>,
    /// Set for a function whose code another process sent by value.
    pub(super) required: GilCell<Option<Py<RequiredDefinition>>>,
}

impl Core {
    /// Calls the function, or finds its result in memory.
    ///
    /// Attaches the thread in PyO3 (which takes as long as a lookup) only if the result is not in
    /// memory. Dropped objects are then freed at once.
    pub(crate) fn call<'py, const IS_AWAITED: bool>(
        &self,
        memo: &Bound<'py, PyAny>,
        call_args: &CallArgs<'_, 'py>,
    ) -> PyResult<Outcome<'py>> {
        let py = memo.py();
        if mode::are_set() {
            let mode = Mode::now(py)?;
            if !mode.is_usual() {
                if mode == Mode::Off && (IS_AWAITED || !self.is_async) {
                    self.count_uncached(py, "mode off");
                }
                return self.call_in_mode(memo, call_args, IS_AWAITED, mode);
            }
        }
        if (IS_AWAITED || !self.is_async)
            && let Some(output) = self.recall_by_fast_key(memo, call_args)
        {
            return Ok(Outcome::Done(output));
        }
        let Some(mut arguments) = self.signature.bind(self.function.bind(py), call_args)? else {
            return attached(py, || self.call_unbound(memo, call_args, IS_AWAITED));
        };
        if !IS_AWAITED && self.is_async {
            return self.coroutine(memo, call_args);
        }
        normalise_seed(&mut arguments)?;
        let mut subject = String::new();
        let key = self.keyed(memo, &arguments, &mut subject);
        if let Ok((current, encoded)) = &key
            && let Some(output) = self.recall_from_memory(memo, current.get(), &encoded.bytes, None)
        {
            return Ok(Outcome::Done(output));
        }
        self.call_beyond_memory(memo, call_args, &arguments, key, &subject)
    }

    /// Returns the present definition and the encoded arguments. If one of them cannot be hashed, `subject` names it.
    #[inline]
    pub(super) fn keyed<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        arguments: &Arguments<'py>,
        subject: &mut String,
    ) -> Walked<(Bound<'py, CurrentDefinition>, Encoded<'py>)> {
        let current = self.current_definition(memo).inspect_err(|_| "the definition".clone_into(subject))?;
        let encoded = self.encode(current.get(), memo, arguments, subject)?;
        Ok((current, encoded))
    }

    /// Continues a call whose result is not in memory. If the call has no key, because the
    /// definition or an argument cannot be hashed, `subject` names which of them.
    #[cold]
    fn call_beyond_memory<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call_args: &CallArgs<'_, 'py>,
        arguments: &Arguments<'py>,
        key: Walked<(Bound<'py, CurrentDefinition>, Encoded<'py>)>,
        subject: &str,
    ) -> PyResult<Outcome<'py>> {
        let py = memo.py();
        attached(py, || {
            if let Ok((current, encoded)) = &key
                && let Some(output) = self.recall_quickly(memo, current.get(), encoded)?
            {
                return Ok(Outcome::Done(output));
            }
            let mode = Mode::now(py)?;
            self.machine_beyond_memory(memo, call_args, arguments, Some(key), subject, mode)?.go_on(py, None)
        })
    }

    /// Returns the state machine of such a call, which has not begun.
    pub(super) fn machine_beyond_memory<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call_args: &CallArgs<'_, 'py>,
        arguments: &Arguments<'py>,
        key: Option<Walked<(Bound<'py, CurrentDefinition>, Encoded<'py>)>>,
        subject: &str,
        mode: Mode,
    ) -> PyResult<Box<Machine>> {
        let py = memo.py();
        if is_stack_used_up() {
            let text = "maximum recursion depth exceeded: the thread's stack is used up";
            return Err(PyRecursionError::new_err(text));
        }
        let seed = self.signature.seed(arguments);
        let call = match key {
            _ if mode == Mode::Off || (seed.is_none() && is_finalizing(py)) => None,
            None => None,
            Some(Err(WalkError::Raised(error))) => return Err(*error),
            Some(Err(stop)) => Some(Err(stop.into_error(py, subject))),
            Some(Ok((current, encoded))) => {
                let args = (call_args.tuple()?, call_args.dict()?);
                Some(Ok(Py::new(py, self.keyed_call(&current, arguments, encoded, args)?)?))
            }
        };
        self.machine(memo, call_args, seed, call, mode)
    }

    /// Creates the state machine of a call.
    pub(super) fn machine<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call_args: &CallArgs<'_, 'py>,
        seed: Option<Bound<'py, PyAny>>,
        key: Option<PyResult<Py<Call>>>,
        mode: Mode,
    ) -> PyResult<Box<Machine>> {
        let py = memo.py();
        let function_call = Request {
            callable: self.function.clone_ref(py).into_any(),
            args: call_args.tuple()?.unbind(),
            kwargs: self.without_seed(call_args.dict()?)?.map(Bound::unbind),
        };
        Ok(Machine::new(memo, Self::of(memo)?, function_call, seed, key, mode))
    }

    /// Returns the core of a memorious function.
    pub(crate) fn of<'py>(memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        Ok(memo.getattr(intern!(memo.py(), "_core"))?.cast_into()?)
    }

    pub(super) fn folder(&self, memo: &Bound<'_, PyAny>, current: &CurrentDefinition) -> Option<PathBuf> {
        let py = memo.py();
        let name = self.name(py).ok()?;
        Some(self.store(memo).ok()?.get().folder(name.bind(py), &current.hex).ok()?.into())
    }

    /// Looks for the result of a usual call on disk before a state machine is made for it. Returns none
    /// if there is none, or if more than that has to be decided.
    fn recall_quickly<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        current: &CurrentDefinition,
        encoded: &Encoded<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = memo.py();
        let is_usual = mode::are_none() && self.max_age.is_none() && !current.has_missed.load(Ordering::Relaxed);
        if !is_usual || is_stack_used_up() || is_finalizing(py) {
            return Ok(None);
        }
        let arguments = Domain::Arguments.hash(&encoded.bytes).to_hex();
        let sought = Sought { current, arguments: &arguments, encoded: &encoded.bytes };
        match self.recall(memo, &sought, ReadHint::ExpectHit)? {
            Recalled::Output(output) => Ok(Some(output)),
            // The state machine looks again, once.
            Recalled::Absent | Recalled::Outdated(_) | Recalled::NeedsPython => Ok(None),
        }
    }

    /// Looks for the result of a call on disk. With `ReadHint::Refresh` it looks in memory first,
    /// where another thread may have put the result.
    pub(super) fn recall<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        sought: &Sought<'_>,
        hint: ReadHint,
    ) -> PyResult<Recalled<'py>> {
        let py = memo.py();
        if matches!(hint, ReadHint::Refresh)
            && let Some(output) = self.recall_from_memory(memo, sought.current, sought.encoded, None)
        {
            return Ok(Recalled::Output(output));
        }
        let Ok(store) = self.store(memo) else { return Ok(Recalled::NeedsPython) };
        // Before the entry is read: it may be replaced meanwhile.
        let state = self.memory.as_ref().map(|_| self.folder_state(memo, sought.current));
        let stored = self.max_age.and_then(|_| self.time_stored(memo, sought));
        let function = (self.function.bind(py).as_any(), self.name(py)?.bind(py).clone());
        let accepts = AcceptsForCall { core: self, memo, is_silent: false, is_latest_only: false };
        let found = match recall(
            store.bind(py),
            (function.0, &function.1),
            (&sought.current.hex, sought.arguments),
            hint,
            &accepts,
        )? {
            Ok(found) => found,
            Err(outcome) => return Ok(outcome),
        };
        self.counters.disk_hit(found.seconds);
        if let Some(run) = found.run {
            self.check_run(memo, sought.current, run)?;
        }
        if let Some(state) = state
            && let Some(result) = CachedValue::of(&found.output, found.body.as_ref())
        {
            let Found { seconds, is_drawn, content_id, reads, which, .. } = found;
            let stored = match which {
                Which::Latest => stored,
                Which::Earlier { stored } => stored,
            };
            let about = About { seconds, is_drawn, content_id, state, reads, stored };
            self.cache_value(memo, sought, result, about);
        }
        Ok(Recalled::Output(found.output))
    }

    /// Warns if a result was computed under another major version of a library that the definition names. Asks Python
    /// code once for each record.
    #[inline]
    fn check_run(&self, memo: &Bound<'_, PyAny>, current: &CurrentDefinition, run: RunId) -> PyResult<()> {
        let py = memo.py();
        let names_none = current.definition.get().modules.is_empty();
        if names_none || self.known_runs.with(py, |known| !known.insert(run)) {
            return Ok(());
        }
        // Only the warning may raise, if the user turns warnings into errors.
        let Ok(check) = hooks::CHECK_RUN.get(py) else { return Ok(()) };
        check.call1((memo, &run[..])).map(drop)
    }

    /// Returns the folder of a call's definition. In a shared cache the folder is created here,
    /// since a lock file would create it without the permissions of the group.
    pub(super) fn prepared_folder(&self, memo: &Bound<'_, PyAny>, call: &Call) -> PyResult<OsString> {
        let py = memo.py();
        let (store, name) = (self.store(memo)?, self.name(py)?);
        if self.shared {
            let _ = store.get().prepare(py, name.bind(py), &call.definition);
        }
        store.get().folder(name.bind(py), &call.definition)
    }

    /// Returns whether `definition.json` is beside the entries.
    pub(super) fn is_described(&self, memo: &Bound<'_, PyAny>, current: &CurrentDefinition) -> bool {
        current.description_watch.holds(memo.py(), || self.folder(memo, current))
    }

    /// Keeps a value in memory.
    pub(super) fn cache_value(&self, memo: &Bound<'_, PyAny>, sought: &Sought<'_>, result: CachedValue, about: About) {
        if let Some(memory) = &self.memory {
            let owner = (&self.counters, &self.direct);
            memory.keep(memo.py(), (sought.current.partition, sought.encoded), result, about, owner);
        }
    }

    /// Returns the state of the folder of a definition.
    pub(super) fn folder_state(&self, memo: &Bound<'_, PyAny>, current: &CurrentDefinition) -> u64 {
        current.watch.state(|| self.folder(memo, current))
    }

    /// Returns the store, opened at the first call that needs it.
    pub(super) fn store(&self, memo: &Bound<'_, PyAny>) -> PyResult<Py<Store>> {
        let py = memo.py();
        let opened = |store: &mut Option<Py<Store>>| store.as_ref().map(|store| store.clone_ref(py));
        if let Some(store) = self.store.with(py, opened) {
            return Ok(store);
        }
        let store: Py<Store> = memo.call_method0(intern!(py, "_open"))?.extract()?;
        let _replaced = self.store.with(py, |present| present.replace(store.clone_ref(py)));
        self.update_usage_folder(py);
        Ok(store)
    }

    /// Forgets all results in memory.
    pub(super) fn forget_all(&self, py: Python<'_>) {
        #[cfg(Py_GIL_DISABLED)]
        self.tables.clear();
        if let Some(memory) = &self.memory {
            memory.clear(py, self.owner);
        }
    }

    /// Returns whether the function was made by another function, so that there may be many of it.
    #[cfg(all(Py_3_14, Py_GIL_DISABLED))]
    pub(super) fn is_nested(&self, py: Python<'_>) -> PyResult<bool> {
        const NESTED: u32 = 0x10;
        let code = self.function.bind(py).getattr(intern!(py, "__code__"))?;
        Ok(code.getattr(intern!(py, "co_flags"))?.extract::<u32>()? & NESTED != 0)
    }

    /// Returns the function's name, which names the folder of its results.
    pub(super) fn name(&self, py: Python<'_>) -> PyResult<Py<PyString>> {
        Ok(self.function.bind(py).getattr(intern!(py, "__name__"))?.extract()?)
    }

    /// Lets the undecorated function raise its own error for arguments that do not fit it.
    pub(super) fn call_plainly<'py>(
        &self,
        py: Python<'py>,
        call_args: &CallArgs<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let kwargs = self.without_seed(call_args.dict()?)?;
        self.function.bind(py).call(call_args.tuple()?, kwargs.as_ref())
    }

    pub(super) fn without_seed<'py>(&self, kwargs: Option<Bound<'py, PyDict>>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(kwargs) = kwargs else { return Ok(None) };
        if self.signature.declares_seed() || !kwargs.contains(SEED)? {
            return Ok(Some(kwargs));
        }
        let rest = kwargs.copy()?;
        rest.del_item(SEED)?;
        Ok(Some(rest))
    }
}

/// Runs `work` with PyO3 informed that the thread is attached; see [`Core::call`].
pub(super) fn attached<R>(_: Python<'_>, work: impl FnOnce() -> R) -> R {
    // SAFETY: the thread is attached. PyO3 does not check by itself: at the interpreter's end its
    // check would say no.
    unsafe { Python::attach_unchecked(|_| work()) }
}
