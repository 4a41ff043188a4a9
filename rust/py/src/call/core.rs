//! A call of a memorious function up to the point where Python code must run.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use funes_core::domain::Domain;
use funes_core::store;
use funes_core::tags;
use pyo3::exceptions::{PyRecursionError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFrozenSet, PyFunction, PyList, PyString, PyTuple};
use rustc_hash::FxHashSet;

use crate::call::call_args::CallArgs;
use crate::call::fast_key;
use crate::call::fast_miss;
use crate::call::keyed_call::Call;
use crate::call::limits::{is_finalizing, is_stack_used_up};
use crate::call::random_draws;
use crate::call::signature::{Arguments, SEED, Signature};
use crate::call::trampoline::{FunctionCall, Outcome};
use crate::definition::changed_state;
use crate::definition::current_definition::CurrentDefinition;
use crate::definition::graph::{Definition, Purpose, with_extras};
use crate::definition::guard::is_constant;
use crate::definition::report;
use crate::gil_cell::GilCell;
use crate::hash::walk::{Definitions, Found, Reading, Walk};
use crate::hash::walk_error::{WalkError, Walked};
use crate::hooks::{self, Hook};
use crate::lazy::intern;
use crate::memory::cached_value::CachedValue;
use crate::memory::counters::Counters;
use crate::memory::memory_cache::{MemoryCache, Slot, next_owner};
use crate::memory::usage::Usage;
use crate::store::disk_hit::{ReadHint, Recalled, recall};
use crate::store::handle::Store;

/// Prefixes the arguments of a wrapper that do not fit the function behind it, so that their key
/// differs from all keys of that function. No class or function has this name.
const RAW: &str = "*args, **kwargs";

/// Arguments in the canonical encoding, and the definitions of the functions and classes among
/// them.
struct Encoded<'py> {
    bytes: Vec<u8>,
    found: Found<'py>,
}

/// The part of a `funes.Memo` that a call needs. Methods that a hit does not need are written in
/// Python, in the class itself, whose instance the functions here receive as `memo`.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct Core {
    function: Py<PyFunction>,
    signature: Signature,
    /// The name objects of the signature, so that comparing pointers suffices.
    ignored: Vec<Py<PyString>>,
    pub(crate) options: fast_miss::Options,
    /// True for a coroutine function.
    #[pyo3(get)]
    is_async: bool,
    definition: GilCell<Option<Py<CurrentDefinition>>>,
    /// The number of the function in the memory cache.
    owner: u64,
    memory: Option<Arc<MemoryCache>>,
    counters: Arc<Counters>,
    usage: Arc<Usage>,
    store: GilCell<Option<Py<Store>>>,
    former: GilCell<FormerDefinitions>,
    /// Set for a function whose code another process sent by value.
    required: GilCell<Option<Py<RequiredDefinition>>>,
}

/// The definitions that a function has had in this process.
#[derive(Default)]
struct FormerDefinitions {
    known: FxHashSet<String>,
    last: String,
    /// How often the function returned to an earlier definition.
    returns: u64,
}

impl FormerDefinitions {
    fn note(&mut self, hex: &str) {
        if hex != self.last {
            hex.clone_into(&mut self.last);
            self.returns += u64::from(!self.known.insert(hex.to_owned()));
        }
    }
}

/// The definition that code from another process must have to run here.
#[pyclass(frozen)]
struct RequiredDefinition {
    /// The digest that the code must have with the state with which it was sent.
    as_sent: String,
    /// The digest that is part of the key: the sender's, also where calls have changed this state.
    definition: String,
    /// True if arguments must not contain functions or classes of the user, because this process
    /// has other code than the sender.
    refuses_code: bool,
    /// Creates the error for a mismatch, from the word "definition" or "arguments".
    mismatch: Py<PyAny>,
}

impl RequiredDefinition {
    #[cold]
    fn refused(&self, py: Python<'_>, what: &str) -> WalkError {
        let made = self.mismatch.call1(py, (what,));
        WalkError::Raised(Box::new(made.map_or_else(|error| error, |made| PyErr::from_value(made.into_bound(py)))))
    }
}

impl Core {
    /// Calls the function, or finds its result in memory.
    ///
    /// PyO3 is told that the thread is attached (which takes as long as a lookup) only where more
    /// is done than finding a result in memory. Dropped objects are then freed at once.
    pub(crate) fn call<'py>(&self, memo: &Bound<'py, PyAny>, call_args: &CallArgs<'_, 'py>) -> PyResult<Outcome<'py>> {
        let py = memo.py();
        if !self.is_async
            && let Some(output) = self.recall_by_fast_key(memo, call_args)
        {
            return Ok(Outcome::Done(output));
        }
        let Some(mut arguments) = self.signature.bind(self.function.bind(py), call_args)? else {
            return attached(py, || self.call_plainly(py, call_args).map(Outcome::Done));
        };
        if self.is_async {
            // The rest happens when the coroutine is awaited, as for any coroutine function.
            let args = (memo, call_args.tuple()?, call_args.dict()?).into_pyobject(py)?;
            return Ok(match hooks::CALL_ASYNC.get(py) {
                Ok(function) => Outcome::call(function.clone(), args),
                Err(_) => Outcome::Done(self.call_plainly(py, call_args)?),
            });
        }
        normalise_seed(&mut arguments)?;
        let current = match self.current_definition(memo) {
            Ok(current) => current,
            Err(stop) => return self.call_uncached(memo, call_args, &arguments, stop, "the definition"),
        };
        let mut subject = String::new();
        let encoded = match self.encode(current.get(), memo, &arguments, &mut subject) {
            Ok(encoded) => encoded,
            Err(stop) => return self.call_uncached(memo, call_args, &arguments, stop, &subject),
        };
        if let Some(output) = self.recall_from_memory(memo, current.get(), &encoded.bytes) {
            return Ok(Outcome::Done(output));
        }
        attached(py, || self.call_beyond_memory(memo, call_args, current, &arguments, encoded))
    }

    /// Continues a call whose result is not in memory.
    #[cold]
    fn call_beyond_memory<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call_args: &CallArgs<'_, 'py>,
        current: Bound<'py, CurrentDefinition>,
        arguments: &Arguments<'py>,
        encoded: Encoded<'py>,
    ) -> PyResult<Outcome<'py>> {
        let py = memo.py();
        let is_seeded = self.signature.seed(arguments).is_some();
        if is_stack_used_up() {
            return Err(PyRecursionError::new_err("maximum recursion depth exceeded: the thread's stack is used up"));
        }
        if !is_seeded && is_finalizing(py) {
            return Ok(self.function_call(py, call_args, None)?.run(py));
        }
        let args = (call_args.tuple()?, call_args.dict()?);
        let call = Bound::new(py, self.keyed_call(&current, arguments, encoded, args)?)?;
        // After a miss another one is likely. Then the entry is read once, after the key is taken.
        let takes_key_first =
            self.options.single_flight && !is_seeded && current.get().has_missed.load(Ordering::Relaxed);
        if takes_key_first && let Some(fast_miss) = self.fast_miss(memo, &call)? {
            return fast_miss.start(py, self.function_call(py, call_args, Some(call.get()))?);
        }
        let hint = if takes_key_first { ReadHint::ExpectMiss } else { ReadHint::ExpectHit };
        if let Some(output) = self.look_on_disk(memo, call.get(), hint)? {
            return Ok(Outcome::Done(output));
        }
        if call.get().is_absent()
            && !is_seeded
            && !takes_key_first
            && let Some(fast_miss) = self.fast_miss(memo, &call)?
        {
            return fast_miss.start(py, self.function_call(py, call_args, Some(call.get()))?);
        }
        let steps = (&hooks::CALL_SEEDED, &hooks::BEGIN_MISS);
        self.continue_in_python(memo, call_args, is_seeded, steps, call.into_any())
    }

    /// Looks for the entry of a call, and notes if it is absent.
    pub(crate) fn look_on_disk<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call: &Call,
        hint: ReadHint,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(match self.recall_from_disk(memo, call, call.key(), hint)? {
            Recalled::Output(output) => {
                call.note_missed(false);
                Some(output)
            }
            Recalled::Absent => {
                call.note_missed(true);
                call.is_absent.store(true, Ordering::Relaxed);
                None
            }
            Recalled::NeedsPython => None,
        })
    }

    /// Runs the function without the cache, because the definition or an argument cannot be hashed.
    #[cold]
    fn call_uncached<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call_args: &CallArgs<'_, 'py>,
        arguments: &Arguments<'py>,
        stop: WalkError,
        subject: &str,
    ) -> PyResult<Outcome<'py>> {
        let py = memo.py();
        let is_seeded = self.signature.seed(arguments).is_some();
        if !is_seeded && is_finalizing(py) {
            return Ok(self.function_call(py, call_args, None)?.run(py));
        }
        let error = match stop {
            WalkError::Raised(error) => return Err(*error),
            stop => stop.into_error(py, subject),
        };
        let steps = (&hooks::CALL_SEEDED_UNCACHED, &hooks::BEGIN_UNCACHED);
        self.continue_in_python(memo, call_args, is_seeded, steps, error.into_value(py).into_bound(py).into_any())
    }

    /// Passes a call to Python code: all of it if there is a seed, else only what precedes the run
    /// of the function, which then runs without frames of funes on the stack.
    ///
    /// `about` is the call, or the error because of which it has no key.
    fn continue_in_python<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call_args: &CallArgs<'_, 'py>,
        is_seeded: bool,
        (seeded, begin): (&Hook, &Hook),
        about: Bound<'py, PyAny>,
    ) -> PyResult<Outcome<'py>> {
        let py = memo.py();
        if is_seeded {
            let args = (memo, call_args.tuple()?, call_args.dict()?, about).into_pyobject(py)?;
            return Ok(Outcome::call(seeded.get(py)?.clone(), args));
        }
        let function_call = self.function_call(py, call_args, about.cast::<Call>().ok().map(Bound::get))?;
        Ok(fast_miss::begin_by_python(begin, (memo, about).into_pyobject(py)?, function_call))
    }

    /// Returns the call of the undecorated function with the same arguments.
    fn function_call<'py>(
        &self,
        py: Python<'py>,
        call_args: &CallArgs<'_, 'py>,
        call: Option<&Call>,
    ) -> PyResult<FunctionCall> {
        Ok(FunctionCall {
            function: self.function.clone_ref(py).into_any(),
            args: call_args.tuple()?.unbind(),
            kwargs: self.without_seed(call_args.dict()?)?.map(Bound::unbind),
            counters: self.counters.clone(),
            definitions: self.definitions(py, call),
        })
    }

    /// Returns the result if it is in memory and the fast key covers the call.
    fn recall_by_fast_key<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call_args: &CallArgs<'_, 'py>,
    ) -> Option<Bound<'py, PyAny>> {
        let py = memo.py();
        if !self.ignored.is_empty() {
            return None;
        }
        self.memory.as_ref()?;
        let encoded = fast_key::encode(&self.signature, self.function.bind(py), call_args)?;
        let current = self.valid_definition(py)?;
        self.recall_from_memory(memo, current.get(), encoded.bytes())
    }

    fn recall_from_memory<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        current: &CurrentDefinition,
        encoded: &[u8],
    ) -> Option<Bound<'py, PyAny>> {
        enum Found<'py> {
            Output(Bound<'py, PyAny>),
            Slot(Arc<Slot>),
            /// Drawn without a seed: Python code decides whether a seeded run may use it.
            Drawn,
        }
        let py = memo.py();
        let memory = self.memory.as_ref()?;
        let state = current.watch.state(|| self.folder(memo, current));
        let found = memory.look_up(py, current.section, encoded, |slot| match &slot.result {
            _ if slot.is_drawn && random_draws::is_seeded() => Found::Drawn,
            CachedValue::Shared(output) if slot.seen.load(Ordering::Relaxed) == state => {
                self.counters.memory_hit(slot.seconds);
                Found::Output(output.bind(py).clone())
            }
            _ => Found::Slot(slot.clone()),
        });
        let slot = match found? {
            Found::Output(output) => return Some(output),
            Found::Slot(slot) => slot,
            Found::Drawn => return None,
        };
        if slot.seen.load(Ordering::Relaxed) != state && !self.is_still_there(memo, current, encoded, &slot, state) {
            memory.forget(py, current.section, encoded);
            return None;
        }
        let output = slot.result.thaw(py).ok()?;
        self.counters.memory_hit(slot.seconds);
        Some(output)
    }

    /// Returns whether the entry of a result in memory still exists on disk.
    #[cold]
    fn is_still_there(
        &self,
        memo: &Bound<'_, PyAny>,
        current: &CurrentDefinition,
        encoded: &[u8],
        slot: &Slot,
        state: u64,
    ) -> bool {
        let py = memo.py();
        let hex = Domain::Arguments.hash(encoded).to_hex();
        let path = self.store(memo).and_then(|store| store.get().path(self.name(py)?.bind(py), &current.hex, &hex));
        let is_there = path.is_ok_and(|path| py.detach(|| std::fs::symlink_metadata(path).is_ok()));
        if is_there {
            slot.seen.store(state, Ordering::Relaxed);
        }
        is_there
    }

    fn folder(&self, memo: &Bound<'_, PyAny>, current: &CurrentDefinition) -> Option<PathBuf> {
        let py = memo.py();
        let name = self.name(py).ok()?;
        Some(self.store(memo).ok()?.get().folder(name.bind(py), &current.hex).ok()?.into())
    }

    /// Reads an entry.
    ///
    /// `key` is the definition digest and argument digest of the entry.
    pub(crate) fn recall_from_disk<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call: &Call,
        key: (&str, &str),
        hint: ReadHint,
    ) -> PyResult<Recalled<'py>> {
        let py = memo.py();
        let Ok(store) = self.store(memo) else { return Ok(Recalled::NeedsPython) };
        let function = (self.function.bind(py).as_any(), self.name(py)?.bind(py).clone());
        let found = match recall(store.bind(py), (function.0, &function.1), key, hint)? {
            Ok(found) => found,
            Err(outcome) => return Ok(outcome),
        };
        self.counters.disk_hit(found.seconds);
        self.cache_output(memo, call, &found.output, (found.seconds, found.is_drawn), found.body.as_ref());
        Ok(Recalled::Output(found.output))
    }

    /// Keeps a result of the store in memory, if it can be kept there.
    fn cache_output(
        &self,
        memo: &Bound<'_, PyAny>,
        call: &Call,
        output: &Bound<'_, PyAny>,
        about: (f64, bool),
        body: Option<&Bound<'_, PyBytes>>,
    ) {
        if self.memory.is_some()
            && let Some(result) = CachedValue::of(output, body)
        {
            self.cache_value(memo, call, result, about);
        }
    }

    /// Keeps a value in memory.
    ///
    /// `about`: the computation time in seconds, and whether the call drew from the global random
    /// generators.
    pub(crate) fn cache_value(&self, memo: &Bound<'_, PyAny>, call: &Call, result: CachedValue, about: (f64, bool)) {
        if let Some(memory) = &self.memory {
            let (current, encoded) = (call.current.get(), &call.encoded);
            let state = current.watch.state(|| self.folder(memo, current));
            memory.keep(memo.py(), (current.section, encoded), result, about, state, &self.counters);
        }
    }

    fn keyed_call(
        &self,
        current: &Bound<'_, CurrentDefinition>,
        arguments: &Arguments<'_>,
        encoded: Encoded<'_>,
        (args, kwargs): (Bound<'_, PyTuple>, Option<Bound<'_, PyDict>>),
    ) -> PyResult<Call> {
        let py = current.py();
        let hex = Domain::Arguments.hash(&encoded.bytes).to_hex();
        let inputs = PyDict::new(py);
        self.signature.visit(arguments, |name, value| {
            if self.is_ignored(arguments, name) { Ok(()) } else { inputs.set_item(name, value) }
        })?;
        if let Some(seed) = &arguments.seed {
            inputs.set_item(SEED, seed)?;
        }
        let seed = self.signature.seed(arguments);
        Ok(Call {
            definition: current.get().hex.clone(),
            arguments: hex,
            inputs: inputs.unbind(),
            is_seeded: seed.is_some(),
            seed: seed.map_or_else(|| py.None(), Bound::unbind),
            is_absent: AtomicBool::new(false),
            current: current.clone().unbind(),
            args: args.unbind(),
            kwargs: kwargs.map(Bound::unbind),
            found: encoded.found.into_iter().map(Bound::unbind).collect(),
            encoded: encoded.bytes,
        })
    }

    /// Returns the canonical encoding of the arguments if it is short, else the digest in its
    /// place.
    fn encode<'py>(
        &self,
        current: &CurrentDefinition,
        memo: &Bound<'py, PyAny>,
        arguments: &Arguments<'py>,
        subject: &mut String,
    ) -> Walked<Encoded<'py>> {
        let py = memo.py();
        let reading = current.reading();
        let mut walk = Walk::new(py, Definitions::settled(None, reading));
        self.write_arguments(&mut walk, arguments, subject)?;
        if walk.reads & !reading != 0 {
            self.encode_again(reading, &mut walk, arguments, subject)?;
        }
        if let Some(rare) = &walk.rare {
            Self::warn_of(memo, &rare.doubts)?;
        }
        Ok(Encoded { found: walk.found, bytes: walk.encoder.into_bytes() })
    }

    /// Encodes the arguments again, because a function among them reads the code of another one,
    /// whose docstrings or annotations then count.
    #[cold]
    fn encode_again<'py>(
        &self,
        mut reading: Reading,
        walk: &mut Walk<'py>,
        arguments: &Arguments<'py>,
        subject: &mut String,
    ) -> Walked {
        while walk.reads & !reading != 0 {
            reading |= walk.reads;
            *walk = Walk::new(walk.py, Definitions::settled(None, reading));
            self.write_arguments(walk, arguments, subject)?;
        }
        Ok(())
    }

    /// Warns of values that count by their type only.
    #[cold]
    fn warn_of(memo: &Bound<'_, PyAny>, warnings: &[String]) -> Walked {
        let name = intern!(memo.py(), "_warn_of_opaque");
        warnings
            .iter()
            .try_for_each(|warning| memo.call_method1(name, (warning,)).map(drop))
            .map_err(WalkError::interrupted)
    }

    /// Encodes the arguments.
    #[inline]
    fn write_arguments<'py>(&self, walk: &mut Walk<'py>, arguments: &Arguments<'py>, subject: &mut String) -> Walked {
        let py = walk.py;
        walk.run(|walk| {
            let count = if arguments.is_raw { 3 } else { self.signature.len() };
            let mark = walk.encoder.begin(tags::ARGUMENTS, count + 1);
            if arguments.is_raw {
                walk.named(RAW);
            }
            self.signature.visit(arguments, |name, value| {
                if self.is_ignored(arguments, name) {
                    walk.encoder.atom(tags::ABSENT);
                    return Ok(());
                }
                let known = walk.rare.as_ref().map_or(0, |rare| rare.doubts.len());
                walk.whole(value).inspect_err(|_| *subject = format!("argument '{}'", name.bind(py)))?;
                if let Some(rare) = &mut walk.rare {
                    for warning in &mut rare.doubts[known..] {
                        warning.insert_str(0, &format!("argument '{}' -> ", name.bind(py)));
                    }
                }
                Ok(())
            })?;
            match &arguments.seed {
                None => walk.encoder.atom(tags::ABSENT),
                Some(seed) => walk.walk(seed)?,
            }
            walk.encoder.end(mark, None);
            Ok(())
        })?;
        if walk.definitions.met_own_code()
            && let Some(required) = self.required(py)
            && required.get().refuses_code
        {
            return Err(required.get().refused(py, "arguments"));
        }
        Ok(())
    }

    fn required<'py>(&self, py: Python<'py>) -> Option<Bound<'py, RequiredDefinition>> {
        self.required.with(py, |required| Some(required.as_ref()?.bind(py).clone()))
    }

    /// Returns whether a parameter is left out of the key. Arguments that only the wrapper accepts
    /// have no parameters, even if a name is the same.
    fn is_ignored(&self, arguments: &Arguments<'_>, name: &Py<PyString>) -> bool {
        !arguments.is_raw && self.ignored.iter().any(|ignored| ignored.is(name))
    }

    /// Computes the definition, for the first time or because a guard no longer holds.
    #[cold]
    fn find_definition<'py>(&self, memo: &Bound<'py, PyAny>) -> Walked<Bound<'py, CurrentDefinition>> {
        let py = memo.py();
        changed_state::note_running(py).map_err(WalkError::interrupted)?;
        if let Some(current) = self.valid_definition(py) {
            return Ok(current);
        }
        if !self.signature.is_of(self.function.bind(py)).map_err(WalkError::interrupted)? {
            return Err(WalkError::refused("it has other parameters than when it was decorated; decorate it again"));
        }
        let (definition, extras, mut hex) = self.describe(memo)?;
        if let Some(required) = self.required(py) {
            let required = required.get();
            // Calls made here before may have left state that looks like the state of the sender.
            if required.as_sent != hex && self.digest_as_it_is(memo)? != required.as_sent {
                return Err(required.refused(py, "definition"));
            }
            hex.clone_from(&required.definition);
        }
        let extras = if is_constant(&extras) { None } else { Some(definition.get().guard(&extras)?) };
        Self::warn_of(memo, &definition.get().doubts)?;
        let current = Bound::new(py, CurrentDefinition::new(self.owner, hex, definition.unbind(), extras))
            .map_err(WalkError::interrupted)?;
        self.replace(current.clone());
        Ok(current)
    }

    /// Returns the definitions that say what a call may change: those of the function, and of
    /// functions and classes among the arguments.
    fn definitions(&self, py: Python<'_>, call: Option<&Call>) -> Vec<Py<Definition>> {
        let own = match call {
            Some(call) => Some(call.current.get().rests_on.clone_ref(py)),
            None if is_finalizing(py) => None,
            // With an outdated one, an edit before the call would be taken for a change by the
            // call.
            None => self.valid_definition(py).map(|current| current.get().rests_on.clone_ref(py)),
        };
        let found = call.into_iter().flat_map(|call| &call.found);
        own.into_iter().chain(found.map(|found| found.clone_ref(py))).collect()
    }

    /// Returns the digest of the definition with the present state, not the state that counts.
    #[cold]
    fn digest_as_it_is(&self, memo: &Bound<'_, PyAny>) -> Walked<String> {
        changed_state::as_it_is(|| self.describe(memo)).map(|(_, _, hex)| hex)
    }

    /// Describes the function: returns its definition, the value of `depends_on=`, and the digest
    /// of both.
    fn describe<'py>(&self, memo: &Bound<'py, PyAny>) -> Walked<(Bound<'py, Definition>, Bound<'py, PyAny>, String)> {
        let py = memo.py();
        let function = self.function.bind(py).as_any();
        let definition = match Definition::of(function, Purpose::Kept, 0)? {
            Some(definition) => definition,
            None => Definition::named(function)?,
        };
        let extras = memo
            .call_method0(intern!(py, "_extras"))
            .map_err(|error| WalkError::raised(py, "looking at what it depends on", error))?;
        let hex = with_extras(definition.get(), py, extras.cast::<PyTuple>().ok())?.to_hex();
        Ok((definition, extras, hex))
    }

    /// Returns the present definition.
    fn current_definition<'py>(&self, memo: &Bound<'py, PyAny>) -> Walked<Bound<'py, CurrentDefinition>> {
        self.valid_definition(memo.py()).map_or_else(|| attached(memo.py(), || self.find_definition(memo)), Ok)
    }

    /// Returns the last definition, if its guards still hold.
    fn valid_definition<'py>(&self, py: Python<'py>) -> Option<Bound<'py, CurrentDefinition>> {
        let current = self.definition.with(py, |current| Some(current.as_ref()?.bind(py).clone()))?;
        current.get().holds(py).then_some(current)
    }

    fn replace(&self, current: Bound<'_, CurrentDefinition>) {
        self.former.with(current.py(), |former| former.note(&current.get().hex));
        let _replaced = self.definition.with(current.py(), |present| present.replace(current.clone().unbind()));
        self.update_usage_folder(current.py());
    }

    /// Counts the hits from now on as saved by the present definition in the present store.
    fn update_usage_folder(&self, py: Python<'_>) {
        let root = self.root(py).map(PathBuf::from);
        let definition = self.definition.with(py, |current| Some(current.as_ref()?.clone_ref(py)));
        let folder = root.zip(definition).and_then(|(root, definition)| {
            let name = self.name(py).ok()?;
            let name = name.bind(py).to_string_lossy();
            Some(store::Definition::new(&name, &definition.get().hex).ok()?.folder(&root))
        });
        self.usage.turn_to(folder);
    }

    /// Returns the store, opened at the first call that needs it.
    pub(crate) fn store(&self, memo: &Bound<'_, PyAny>) -> PyResult<Py<Store>> {
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
    fn forget_all(&self, py: Python<'_>) {
        if let Some(memory) = &self.memory {
            memory.clear(py, self.owner);
        }
    }

    /// Returns the function's name, which names the folder of its results.
    pub(crate) fn name(&self, py: Python<'_>) -> PyResult<Py<PyString>> {
        Ok(self.function.bind(py).getattr(intern!(py, "__name__"))?.extract()?)
    }

    /// Lets the undecorated function raise its own error for arguments that do not fit it.
    fn call_plainly<'py>(&self, py: Python<'py>, call_args: &CallArgs<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let kwargs = self.without_seed(call_args.dict()?)?;
        self.function.bind(py).call(call_args.tuple()?, kwargs.as_ref())
    }

    fn without_seed<'py>(&self, kwargs: Option<Bound<'py, PyDict>>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(kwargs) = kwargs else { return Ok(None) };
        if self.signature.declares_seed() || !kwargs.contains(SEED)? {
            return Ok(Some(kwargs));
        }
        let rest = kwargs.copy()?;
        rest.del_item(SEED)?;
        Ok(Some(rest))
    }
}

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
            options: fast_miss::Options::of(options)?,
            signature,
            // CO_COROUTINE and CO_ITERABLE_COROUTINE.
            is_async: flags & 0x180 != 0,
            function: function.unbind(),
            definition: GilCell::new(None),
            owner: next_owner(),
            memory: bound.map_or_else(MemoryCache::shared, MemoryCache::bounded),
            usage: Usage::new(&counters),
            counters,
            store: GilCell::new(None),
            former: GilCell::default(),
            required: GilCell::new(None),
        })
    }

    /// Returns the keyed call.
    ///
    /// Raises the error because of which a call has no key.
    #[pyo3(signature = (memo, args, kwargs))]
    fn key<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Call> {
        let py = memo.py();
        let bound = CallArgs::with(args, kwargs, |call_args| self.signature.bind(self.function.bind(py), call_args))?;
        let Some(mut arguments) = bound else {
            // `inspect` raises the error of the function without running it.
            let signature = py.import("inspect")?.call_method1("signature", (&self.function,))?;
            signature.call_method("bind", args, self.without_seed(kwargs.cloned())?.as_ref())?;
            return Err(PyValueError::new_err("these arguments do not fit the function"));
        };
        normalise_seed(&mut arguments)?;
        let current = self.current_definition(memo).map_err(|stop| stop.into_error(py, "the definition"))?;
        let mut subject = String::new();
        let encoded =
            self.encode(current.get(), memo, &arguments, &mut subject).map_err(|stop| stop.into_error(py, &subject))?;
        self.keyed_call(&current, &arguments, encoded, (args.clone(), kwargs.cloned()))
    }

    /// Computes the key of a call again, after a wait or after the function has run. Returns the
    /// present call, or None if its key is unchanged.
    ///
    /// Raises the error because of which it has no key any more.
    fn rekey(&self, memo: &Bound<'_, PyAny>, call: &Call) -> PyResult<Option<Call>> {
        let py = memo.py();
        let now = self.key(memo, call.args.bind(py), call.kwargs.as_ref().map(|kwargs| kwargs.bind(py)))?;
        Ok(Some(now).filter(|now| now.key() != call.key()))
    }

    /// Returns which reference or value differs between the definitions of two calls, or None if
    /// that is not known.
    #[staticmethod]
    fn difference(py: Python<'_>, then: &Call, now: &Call) -> Option<String> {
        let graph = |call: &Call| call.current.get().rests_on.clone_ref(py);
        report::difference(&graph(then).get().nodes, &graph(now).get().nodes)
    }

    /// Returns the result as `(output,)` if it is in memory and the fast key covers the call, else
    /// None.
    #[pyo3(signature = (memo, args, kwargs))]
    fn recall_fast<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> Option<(Bound<'py, PyAny>,)> {
        CallArgs::with(args, kwargs, |call_args| self.recall_by_fast_key(memo, call_args)).map(|output| (output,))
    }

    /// Returns the stored result as `(output,)`; `()` if there is none; None if Python code must
    /// decide.
    fn recall<'py>(&self, memo: &Bound<'py, PyAny>, call: &Call) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let py = memo.py();
        if let Some(output) = self.recall_from_memory(memo, call.current.get(), &call.encoded) {
            return PyTuple::new(py, [output]).map(Some);
        }
        match self.recall_from_disk(memo, call, call.key(), ReadHint::Refresh)? {
            Recalled::Output(output) => PyTuple::new(py, [output]).map(Some),
            Recalled::Absent => Ok(Some(PyTuple::empty(py))),
            Recalled::NeedsPython => Ok(None),
        }
    }

    /// Returns whether the next call would find the result in memory.
    fn is_in_memory(&self, memo: &Bound<'_, PyAny>, call: &Call) -> bool {
        let current = call.current.get();
        let Some(memory) = &self.memory else { return false };
        let Some(slot) = memory.peek(memo.py(), current.section, &call.encoded) else { return false };
        let state = current.watch.state(|| self.folder(memo, current));
        slot.seen.load(Ordering::Relaxed) == state || self.is_still_there(memo, current, &call.encoded, &slot, state)
    }

    /// Keeps a result in memory that has just been stored. `body`: its entry, if pickle alone can
    /// load it.
    #[pyo3(signature = (memo, call, output, seconds, is_drawn, body))]
    fn remember(
        &self,
        memo: &Bound<'_, PyAny>,
        call: &Call,
        output: &Bound<'_, PyAny>,
        seconds: f64,
        is_drawn: bool,
        body: Option<&Bound<'_, PyBytes>>,
    ) {
        self.cache_output(memo, call, output, (seconds, is_drawn), body);
    }

    /// Forgets a result in memory.
    fn forget(&self, py: Python<'_>, call: &Call) {
        if let Some(memory) = &self.memory {
            memory.forget(py, call.current.get().section, &call.encoded);
        }
    }

    /// Notes that Python code begins to run the function. Returns the number of the run for
    /// `end_run`.
    #[pyo3(signature = (call))]
    fn begin_run(&self, py: Python<'_>, call: Option<&Call>) -> u64 {
        changed_state::begun(py, self.function.as_any(), self.definitions(py, call), !self.is_async)
    }

    /// Notes which state behind the definition a run has changed.
    #[staticmethod]
    fn end_run(py: Python<'_>, run: u64) -> PyResult<()> {
        changed_state::ended(py, run)
    }

    /// Counts a miss.
    fn count_miss(&self) {
        self.counters.miss();
    }

    /// Counts the computation time of a miss.
    fn count_seconds(&self, seconds: f64) {
        self.counters.computed(seconds);
    }

    /// Returns hits in memory, hits on disk, misses; seconds computed and saved; bytes in memory.
    fn statistics(&self) -> (u64, u64, u64, f64, f64, i64) {
        self.counters.numbers()
    }

    /// Forgets all results in memory, and the statistics.
    fn clear(&self, py: Python<'_>) {
        self.forget_all(py);
        self.usage.reset();
    }

    /// Returns the store, opened if it is not open.
    #[pyo3(name = "store")]
    fn opened_store(&self, memo: &Bound<'_, PyAny>) -> PyResult<Py<Store>> {
        self.store(memo)
    }

    /// Returns the cache folder, if the store is open.
    fn root(&self, py: Python<'_>) -> Option<OsString> {
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

    /// Returns whether a call has a seed, and the seed.
    #[pyo3(signature = (args, kwargs))]
    fn seed<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<(bool, Option<Bound<'py, PyAny>>)> {
        let bound =
            CallArgs::with(args, kwargs, |call_args| self.signature.bind(self.function.bind(args.py()), call_args))?;
        let seed = bound.and_then(|arguments| self.signature.seed(&arguments));
        Ok((seed.is_some(), seed))
    }

    /// Returns the keyword arguments that the undecorated function takes.
    #[pyo3(signature = (kwargs))]
    #[pyo3(name = "without_seed")]
    fn kwargs_without_seed<'py>(&self, kwargs: Option<&Bound<'py, PyDict>>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.without_seed(kwargs.cloned())
    }

    /// Returns the present definition digest.
    fn definition(&self, memo: &Bound<'_, PyAny>) -> PyResult<String> {
        let current = self.current_definition(memo).map_err(|stop| stop.into_error(memo.py(), "the definition"))?;
        Ok(current.get().hex.clone())
    }

    /// Returns the third-party modules that the definition refers to; empty if the definition has
    /// no digest.
    fn modules<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyFrozenSet>> {
        let current = self.current_definition(memo).ok();
        let modules = current.map(|current| current.get().rests_on.get().modules.clone());
        PyFrozenSet::new(memo.py(), modules.unwrap_or_default())
    }

    /// Returns which parts of other code the code of the definition reads, in bits of
    /// `funes._code.read_parts`.
    fn reading(&self, memo: &Bound<'_, PyAny>) -> PyResult<Reading> {
        let current = self.current_definition(memo).map_err(|stop| stop.into_error(memo.py(), "the definition"))?;
        Ok(current.get().reading())
    }

    /// Returns a number that changes whenever earlier results may have been found: on disk, or
    /// because the function returned to an earlier definition.
    fn reuse_count(&self, py: Python<'_>) -> u64 {
        self.counters.numbers().1 + self.former.with(py, |former| former.returns)
    }

    /// Returns the nodes of the definition in readable form.
    fn graph<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let current = self.current_definition(memo).map_err(|stop| stop.into_error(memo.py(), "the definition"))?;
        report::as_objects(memo.py(), &current.get().rests_on.get().nodes)
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
        self.definition
            .try_with(py, |current| current.as_ref().map_or(Ok(()), |current| visit.call(current)))
            .unwrap_or(Ok(()))?;
        self.required
            .try_with(py, |required| required.as_ref().map_or(Ok(()), |required| visit.call(required)))
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        let _cleared = self.definition.try_with(py, Option::take);
        let _expected = self.required.try_with(py, Option::take);
    }
}

/// Converts the seed to an int, or raises. 7, True and numpy.int64(7) seed alike, so they have one
/// key.
fn normalise_seed(arguments: &mut Arguments<'_>) -> PyResult<()> {
    if let Some(seed) = arguments.seed.take() {
        arguments.seed = Some(hooks::NORMALIZE_SEED.get(seed.py())?.call1((seed,))?);
    }
    Ok(())
}

/// Runs `work` with PyO3 informed that the thread is attached; see [`Core::call`].
fn attached<R>(_: Python<'_>, work: impl FnOnce() -> R) -> R {
    // SAFETY: the thread is attached. PyO3 does not check by itself: at the interpreter's end its
    // check would say no.
    unsafe { Python::attach_unchecked(|_| work()) }
}
