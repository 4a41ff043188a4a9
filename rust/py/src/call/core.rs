//! A memorious function: what happens at a call before Python code runs.

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

/// Stands before the arguments of a wrapper that do not fit the function behind it, so that they are no others of it. No
/// class or function has this name.
const RAW: &str = "*args, **kwargs";

/// Arguments in the canonical encoding, and the definitions of what they bring along.
struct Encoded<'py> {
    bytes: Vec<u8>,
    found: Found<'py>,
}

/// What a `funes.Memo` does at each call. Everything that a hit does not need is Python, in the class itself, which the
/// functions here get as `memo`.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct Core {
    function: Py<PyFunction>,
    signature: Signature,
    /// The signature's own name objects, so that a pointer tells.
    ignored: Vec<Py<PyString>>,
    pub(crate) options: fast_miss::Options,
    /// Whether it is a coroutine function.
    #[pyo3(get)]
    is_async: bool,
    definition: GilCell<Option<Py<CurrentDefinition>>>,
    /// Its number in the tier.
    owner: u64,
    tier: Option<Arc<MemoryCache>>,
    counters: Arc<Counters>,
    savings: Arc<Usage>,
    store: GilCell<Option<Py<Store>>>,
    former: GilCell<Former>,
    /// Of a function whose code another process sent by value.
    expected: GilCell<Option<Py<Expected>>>,
}

/// The definitions that a function had in this process.
#[derive(Default)]
struct Former {
    known: FxHashSet<String>,
    last: String,
    /// How often it had one again that it had had before.
    returns: u64,
}

impl Former {
    fn note(&mut self, hex: &str) {
        if hex != self.last {
            hex.clone_into(&mut self.last);
            self.returns += u64::from(!self.known.insert(hex.to_owned()));
        }
    }
}

/// What a function must be to run in this process.
#[pyclass(frozen)]
struct Expected {
    /// The digest that the code must have with the state that it was sent with.
    as_sent: String,
    /// The digest by which it counts: that of the sender, where calls may have changed this state.
    definition: String,
    /// Whether arguments must not hold functions or classes of the user: this process has others than the sender.
    refuses_code: bool,
    /// Makes the error for a function that is not so, from the word "definition" or "arguments".
    mismatch: Py<PyAny>,
}

impl Expected {
    #[cold]
    fn refused(&self, py: Python<'_>, what: &str) -> WalkError {
        let made = self.mismatch.call1(py, (what,));
        WalkError::Raised(Box::new(made.map_or_else(|error| error, |made| PyErr::from_value(made.into_bound(py)))))
    }
}

impl Core {
    /// A call of the function.
    ///
    /// PyO3 is told that the thread is attached (which takes as long as a look-up) where more is to be done than to find
    /// a result in memory: so that objects that are let go of go at once.
    pub(crate) fn call<'py>(&self, memo: &Bound<'py, PyAny>, given: &CallArgs<'_, 'py>) -> PyResult<Outcome<'py>> {
        let py = memo.py();
        if !self.is_async
            && let Some(output) = self.recall_given(memo, given)
        {
            return Ok(Outcome::Done(output));
        }
        let Some(mut arguments) = self.signature.bind(self.function.bind(py), given)? else {
            return attached(py, || self.call_plainly(py, given).map(Outcome::Done));
        };
        if self.is_async {
            // Nothing more is done before it is awaited, as with any coroutine function.
            let args = (memo, given.tuple()?, given.dict()?).into_pyobject(py)?;
            return Ok(match hooks::CALL_ASYNC.get(py) {
                Ok(function) => Outcome::call(function.clone(), args),
                Err(_) => Outcome::Done(self.call_plainly(py, given)?),
            });
        }
        normalise_seed(&mut arguments)?;
        let settled = match self.settled(memo) {
            Ok(settled) => settled,
            Err(stop) => return self.call_uncached(memo, given, &arguments, stop, "the definition"),
        };
        let mut subject = String::new();
        let encoded = match self.encode(settled.get(), memo, &arguments, &mut subject) {
            Ok(encoded) => encoded,
            Err(stop) => return self.call_uncached(memo, given, &arguments, stop, &subject),
        };
        if let Some(output) = self.recall_from_memory(memo, settled.get(), &encoded.bytes) {
            return Ok(Outcome::Done(output));
        }
        attached(py, || self.call_beyond_memory(memo, given, settled, &arguments, encoded))
    }

    /// A call whose result is not in memory.
    #[cold]
    fn call_beyond_memory<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        given: &CallArgs<'_, 'py>,
        settled: Bound<'py, CurrentDefinition>,
        arguments: &Arguments<'py>,
        encoded: Encoded<'py>,
    ) -> PyResult<Outcome<'py>> {
        let py = memo.py();
        let is_seeded = self.signature.seed(arguments).is_some();
        if is_stack_used_up() {
            return Err(PyRecursionError::new_err("maximum recursion depth exceeded: the thread's stack is used up"));
        }
        if !is_seeded && is_finalizing(py) {
            return Ok(self.plain_call(py, given, None)?.run(py));
        }
        let given_args = (given.tuple()?, given.dict()?);
        let call = Bound::new(py, self.described(&settled, arguments, encoded, given_args)?)?;
        // After a miss another one is likely: then it is looked for once, when it is claimed.
        let is_claimed_first =
            self.options.single_flight && !is_seeded && settled.get().has_missed.load(Ordering::Relaxed);
        if is_claimed_first && let Some(fast_miss) = self.fast_miss(memo, &call)? {
            return fast_miss.take_up(py, self.plain_call(py, given, Some(call.get()))?);
        }
        let look = if is_claimed_first { ReadHint::ExpectMiss } else { ReadHint::ExpectHit };
        if let Some(output) = self.look(memo, call.get(), look)? {
            return Ok(Outcome::Done(output));
        }
        if call.get().is_absent()
            && !is_seeded
            && !is_claimed_first
            && let Some(fast_miss) = self.fast_miss(memo, &call)?
        {
            return fast_miss.take_up(py, self.plain_call(py, given, Some(call.get()))?);
        }
        let steps = (&hooks::CALL_SEEDED, &hooks::BEGIN_MISS);
        self.hand_over(memo, given, is_seeded, steps, call.into_any())
    }

    /// Looks for the result of a call where it would be, and takes note if it is absent.
    pub(crate) fn look<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call: &Call,
        look: ReadHint,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(match self.recall_from_disk(memo, call, call.place(), look)? {
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
        given: &CallArgs<'_, 'py>,
        arguments: &Arguments<'py>,
        stop: WalkError,
        subject: &str,
    ) -> PyResult<Outcome<'py>> {
        let py = memo.py();
        let is_seeded = self.signature.seed(arguments).is_some();
        if !is_seeded && is_finalizing(py) {
            return Ok(self.plain_call(py, given, None)?.run(py));
        }
        let error = match stop {
            WalkError::Raised(error) => return Err(*error),
            stop => stop.into_error(py, subject),
        };
        let steps = (&hooks::CALL_SEEDED_UNCACHED, &hooks::BEGIN_UNCACHED);
        self.hand_over(memo, given, is_seeded, steps, error.into_value(py).into_bound(py).into_any())
    }

    /// Leaves a call to Python code: all of it if there is a seed, else what comes before the function, which is then run
    /// with nothing of ours on the stack. `about`: the call, or the error for which it has no key.
    fn hand_over<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        given: &CallArgs<'_, 'py>,
        is_seeded: bool,
        (seeded, before): (&Hook, &Hook),
        about: Bound<'py, PyAny>,
    ) -> PyResult<Outcome<'py>> {
        let py = memo.py();
        if is_seeded {
            let args = (memo, given.tuple()?, given.dict()?, about).into_pyobject(py)?;
            return Ok(Outcome::call(seeded.get(py)?.clone(), args));
        }
        let plain = self.plain_call(py, given, about.cast::<Call>().ok().map(Bound::get))?;
        Ok(fast_miss::begin_by_python(before, (memo, about).into_pyobject(py)?, plain))
    }

    /// The call of the plain function with the same arguments.
    fn plain_call<'py>(
        &self,
        py: Python<'py>,
        given: &CallArgs<'_, 'py>,
        call: Option<&Call>,
    ) -> PyResult<FunctionCall> {
        Ok(FunctionCall {
            function: self.function.clone_ref(py).into_any(),
            args: given.tuple()?.unbind(),
            kwargs: self.without_seed(given.dict()?)?.map(Bound::unbind),
            counters: self.counters.clone(),
            definitions: self.definitions(py, call),
        })
    }

    /// The result of a call if it is in memory and nothing is out of the ordinary.
    fn recall_given<'py>(&self, memo: &Bound<'py, PyAny>, given: &CallArgs<'_, 'py>) -> Option<Bound<'py, PyAny>> {
        let py = memo.py();
        if !self.ignored.is_empty() {
            return None;
        }
        self.tier.as_ref()?;
        let encoded = fast_key::encode(&self.signature, self.function.bind(py), given)?;
        let settled = self.present_definition(py)?;
        self.recall_from_memory(memo, settled.get(), encoded.bytes())
    }

    fn recall_from_memory<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        settled: &CurrentDefinition,
        encoded: &[u8],
    ) -> Option<Bound<'py, PyAny>> {
        enum Found<'py> {
            Output(Bound<'py, PyAny>),
            Kept(Arc<Slot>),
            /// Python code decides whether it may be taken.
            Drawn,
        }
        let py = memo.py();
        let tier = self.tier.as_ref()?;
        let state = settled.watch.state(|| self.folder(memo, settled));
        let found = tier.look_up(py, settled.section, encoded, |kept| match &kept.result {
            _ if kept.is_drawn && random_draws::is_seeded() => Found::Drawn,
            CachedValue::Shared(output) if kept.seen.load(Ordering::Relaxed) == state => {
                self.counters.memory_hit(kept.seconds);
                Found::Output(output.bind(py).clone())
            }
            _ => Found::Kept(kept.clone()),
        });
        let kept = match found? {
            Found::Output(output) => return Some(output),
            Found::Kept(kept) => kept,
            Found::Drawn => return None,
        };
        if kept.seen.load(Ordering::Relaxed) != state && !self.is_still_there(memo, settled, encoded, &kept, state) {
            tier.forget(py, settled.section, encoded);
            return None;
        }
        let output = kept.result.thaw(py).ok()?;
        self.counters.memory_hit(kept.seconds);
        Some(output)
    }

    /// Whether the entry of a result in memory has not been deleted by hand.
    #[cold]
    fn is_still_there(
        &self,
        memo: &Bound<'_, PyAny>,
        settled: &CurrentDefinition,
        encoded: &[u8],
        kept: &Slot,
        state: u64,
    ) -> bool {
        let py = memo.py();
        let hex = Domain::Arguments.hash(encoded).to_hex();
        let path = self.store(memo).and_then(|store| store.get().path(self.name(py)?.bind(py), &settled.hex, &hex));
        let is_there = path.is_ok_and(|path| py.detach(|| std::fs::symlink_metadata(path).is_ok()));
        if is_there {
            kept.seen.store(state, Ordering::Relaxed);
        }
        is_there
    }

    fn folder(&self, memo: &Bound<'_, PyAny>, settled: &CurrentDefinition) -> Option<PathBuf> {
        let py = memo.py();
        let name = self.name(py).ok()?;
        Some(self.store(memo).ok()?.get().folder(name.bind(py), &settled.hex).ok()?.into())
    }

    /// `place`: the definition hash and argument hash of the entry to look at.
    pub(crate) fn recall_from_disk<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call: &Call,
        place: (&str, &str),
        look: ReadHint,
    ) -> PyResult<Recalled<'py>> {
        let py = memo.py();
        let Ok(store) = self.store(memo) else { return Ok(Recalled::NeedsPython) };
        let function = (self.function.bind(py).as_any(), self.name(py)?.bind(py).clone());
        let found = match recall(store.bind(py), (function.0, &function.1), place, look)? {
            Ok(found) => found,
            Err(outcome) => return Ok(outcome),
        };
        self.counters.disk_hit(found.seconds);
        self.keep(memo, call, &found.output, (found.seconds, found.is_drawn), found.body.as_ref());
        Ok(Recalled::Output(found.output))
    }

    /// Keeps a result in memory that is in the store.
    fn keep(
        &self,
        memo: &Bound<'_, PyAny>,
        call: &Call,
        output: &Bound<'_, PyAny>,
        about: (f64, bool),
        body: Option<&Bound<'_, PyBytes>>,
    ) {
        if self.tier.is_some()
            && let Some(result) = CachedValue::of(output, body)
        {
            self.keep_frozen(memo, call, result, about);
        }
    }

    /// `about`: the seconds that the function ran, and whether it drew from the global random generators.
    pub(crate) fn keep_frozen(&self, memo: &Bound<'_, PyAny>, call: &Call, result: CachedValue, about: (f64, bool)) {
        if let Some(tier) = &self.tier {
            let (settled, encoded) = (call.settled.get(), &call.encoded);
            let state = settled.watch.state(|| self.folder(memo, settled));
            tier.keep(memo.py(), (settled.section, encoded), result, about, state, &self.counters);
        }
    }

    fn described(
        &self,
        settled: &Bound<'_, CurrentDefinition>,
        arguments: &Arguments<'_>,
        encoded: Encoded<'_>,
        (args, kwargs): (Bound<'_, PyTuple>, Option<Bound<'_, PyDict>>),
    ) -> PyResult<Call> {
        let py = settled.py();
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
            definition: settled.get().hex.clone(),
            arguments: hex,
            inputs: inputs.unbind(),
            is_seeded: seed.is_some(),
            seed: seed.map_or_else(|| py.None(), Bound::unbind),
            is_absent: AtomicBool::new(false),
            settled: settled.clone().unbind(),
            args: args.unbind(),
            kwargs: kwargs.map(Bound::unbind),
            found: encoded.found.into_iter().map(Bound::unbind).collect(),
            encoded: encoded.bytes,
        })
    }

    /// The arguments in the canonical encoding if it is short, else the digest that stands for them.
    fn encode<'py>(
        &self,
        settled: &CurrentDefinition,
        memo: &Bound<'py, PyAny>,
        arguments: &Arguments<'py>,
        subject: &mut String,
    ) -> Walked<Encoded<'py>> {
        let py = memo.py();
        let reading = settled.reading();
        let mut walk = Walk::new(py, Definitions::settled(None, reading));
        self.write(&mut walk, arguments, subject)?;
        if walk.reads & !reading != 0 {
            self.write_again(reading, &mut walk, arguments, subject)?;
        }
        if let Some(rare) = &walk.rare {
            Self::doubt(memo, &rare.doubts)?;
        }
        Ok(Encoded { found: walk.found, bytes: walk.encoder.into_bytes() })
    }

    /// Writes the arguments again because a function among them reads the code of another one, which then counts.
    #[cold]
    fn write_again<'py>(
        &self,
        mut reading: Reading,
        walk: &mut Walk<'py>,
        arguments: &Arguments<'py>,
        subject: &mut String,
    ) -> Walked {
        while walk.reads & !reading != 0 {
            reading |= walk.reads;
            *walk = Walk::new(walk.py, Definitions::settled(None, reading));
            self.write(walk, arguments, subject)?;
        }
        Ok(())
    }

    /// Warns of what could not be taken in full.
    #[cold]
    fn doubt(memo: &Bound<'_, PyAny>, doubts: &[String]) -> Walked {
        let name = intern!(memo.py(), "_doubt");
        doubts.iter().try_for_each(|doubt| memo.call_method1(name, (doubt,)).map(drop)).map_err(WalkError::interrupted)
    }

    /// Writes the arguments.
    #[inline]
    fn write<'py>(&self, walk: &mut Walk<'py>, arguments: &Arguments<'py>, subject: &mut String) -> Walked {
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
                    for doubt in &mut rare.doubts[known..] {
                        doubt.insert_str(0, &format!("argument '{}' -> ", name.bind(py)));
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
            && let Some(expected) = self.expected(py)
            && expected.get().refuses_code
        {
            return Err(expected.get().refused(py, "arguments"));
        }
        Ok(())
    }

    fn expected<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Expected>> {
        self.expected.with(py, |expected| Some(expected.as_ref()?.bind(py).clone()))
    }

    /// Arguments as a wrapper gets them are no parameters that could be named, though a name may be the same.
    fn is_ignored(&self, arguments: &Arguments<'_>, name: &Py<PyString>) -> bool {
        !arguments.is_raw && self.ignored.iter().any(|ignored| ignored.is(name))
    }

    /// Finds the definition, or finds it again because something that it rests on has changed.
    #[cold]
    fn settle<'py>(&self, memo: &Bound<'py, PyAny>) -> Walked<Bound<'py, CurrentDefinition>> {
        let py = memo.py();
        changed_state::note_running(py).map_err(WalkError::interrupted)?;
        if let Some(settled) = self.present_definition(py) {
            return Ok(settled);
        }
        if !self.signature.is_of(self.function.bind(py)).map_err(WalkError::interrupted)? {
            return Err(WalkError::refused("it has other parameters than when it was decorated; decorate it again"));
        }
        let (definition, extras, mut hex) = self.describe(memo)?;
        if let Some(expected) = self.expected(py) {
            let expected = expected.get();
            // What calls did here before may look like what the sender's calls left behind.
            if expected.as_sent != hex && self.digest_as_it_is(memo)? != expected.as_sent {
                return Err(expected.refused(py, "definition"));
            }
            hex.clone_from(&expected.definition);
        }
        let extras = if is_constant(&extras) { None } else { Some(definition.get().guard(&extras)?) };
        Self::doubt(memo, &definition.get().doubts)?;
        let settled = Bound::new(py, CurrentDefinition::new(self.owner, hex, definition.unbind(), extras))
            .map_err(WalkError::interrupted)?;
        self.replace(settled.clone());
        Ok(settled)
    }

    /// The definitions that say what a call may change: the function's, and those of what the arguments bring along.
    fn definitions(&self, py: Python<'_>, call: Option<&Call>) -> Vec<Py<Definition>> {
        let own = match call {
            Some(call) => Some(call.settled.get().rests_on.clone_ref(py)),
            None if is_finalizing(py) => None,
            // One that does not hold would take an edit before the call for the call's.
            None => self.present_definition(py).map(|settled| settled.get().rests_on.clone_ref(py)),
        };
        let found = call.into_iter().flat_map(|call| &call.found);
        own.into_iter().chain(found.map(|found| found.clone_ref(py))).collect()
    }

    /// The digest of the definition with state as it is, whatever it counts as.
    #[cold]
    fn digest_as_it_is(&self, memo: &Bound<'_, PyAny>) -> Walked<String> {
        changed_state::as_it_is(|| self.describe(memo)).map(|(_, _, hex)| hex)
    }

    /// Describes the function: its definition, what it is said to depend on besides, and the digest of both.
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

    /// The definition as it is now.
    fn settled<'py>(&self, memo: &Bound<'py, PyAny>) -> Walked<Bound<'py, CurrentDefinition>> {
        self.present_definition(memo.py()).map_or_else(|| attached(memo.py(), || self.settle(memo)), Ok)
    }

    /// The definition that was found, if it still holds.
    fn present_definition<'py>(&self, py: Python<'py>) -> Option<Bound<'py, CurrentDefinition>> {
        let settled = self.definition.with(py, |settled| Some(settled.as_ref()?.bind(py).clone()))?;
        settled.get().holds(py).then_some(settled)
    }

    fn replace(&self, settled: Bound<'_, CurrentDefinition>) {
        self.former.with(settled.py(), |former| former.note(&settled.get().hex));
        let _replaced = self.definition.with(settled.py(), |present| present.replace(settled.clone().unbind()));
        self.turn_savings(settled.py());
    }

    /// Lets hits from now on count as saved by the present definition in the present store.
    fn turn_savings(&self, py: Python<'_>) {
        let root = self.root(py).map(PathBuf::from);
        let definition = self.definition.with(py, |settled| Some(settled.as_ref()?.clone_ref(py)));
        let folder = root.zip(definition).and_then(|(root, definition)| {
            let name = self.name(py).ok()?;
            let name = name.bind(py).to_string_lossy();
            Some(store::Definition::new(&name, &definition.get().hex).ok()?.folder(&root))
        });
        self.savings.turn_to(folder);
    }

    /// The store of the results, opened at the first call that needs it.
    pub(crate) fn store(&self, memo: &Bound<'_, PyAny>) -> PyResult<Py<Store>> {
        let py = memo.py();
        let opened = |store: &mut Option<Py<Store>>| store.as_ref().map(|store| store.clone_ref(py));
        if let Some(store) = self.store.with(py, opened) {
            return Ok(store);
        }
        let store: Py<Store> = memo.call_method0(intern!(py, "_open"))?.extract()?;
        let _replaced = self.store.with(py, |present| present.replace(store.clone_ref(py)));
        self.turn_savings(py);
        Ok(store)
    }

    /// Forgets all results in memory.
    fn forget_all(&self, py: Python<'_>) {
        if let Some(tier) = &self.tier {
            tier.clear(py, self.owner);
        }
    }

    /// The function's name, which names the folder of its results.
    pub(crate) fn name(&self, py: Python<'_>) -> PyResult<Py<PyString>> {
        Ok(self.function.bind(py).getattr(intern!(py, "__name__"))?.extract()?)
    }

    /// Lets the plain function raise its own error for arguments that do not fit it.
    fn call_plainly<'py>(&self, py: Python<'py>, given: &CallArgs<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let kwargs = self.without_seed(given.dict()?)?;
        self.function.bind(py).call(given.tuple()?, kwargs.as_ref())
    }

    fn without_seed<'py>(&self, kwargs: Option<Bound<'py, PyDict>>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(kwargs) = kwargs else { return Ok(None) };
        if self.signature.declares_seed() || !kwargs.contains(SEED)? {
            return Ok(Some(kwargs));
        }
        let plain = kwargs.copy()?;
        plain.del_item(SEED)?;
        Ok(Some(plain))
    }
}

#[pymethods]
impl Core {
    /// `options`: those of the function, as `funes._memo.options` has them.
    #[new]
    fn new(function: Bound<'_, PyFunction>, options: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = function.py();
        // A bound of its own for its results in memory, in bytes, or a share in that of all.
        let memory: Option<u64> = options.getattr("memory")?.extract()?;
        let signature = Signature::of(&function)?;
        let counters = Arc::default();
        let flags: u32 = function.getattr(intern!(py, "__code__"))?.getattr("co_flags")?.extract()?;
        Ok(Self {
            ignored: signature.own_names(py, &options.getattr("ignore")?)?,
            options: options.extract()?,
            signature,
            // CO_COROUTINE and CO_ITERABLE_COROUTINE.
            is_async: flags & 0x180 != 0,
            function: function.unbind(),
            definition: GilCell::new(None),
            owner: next_owner(),
            tier: memory.map_or_else(MemoryCache::shared, MemoryCache::bounded),
            savings: Usage::new(&counters),
            counters,
            store: GilCell::new(None),
            former: GilCell::default(),
            expected: GilCell::new(None),
        })
    }

    /// The key of a call; raises the error for which it has none.
    #[pyo3(signature = (memo, args, kwargs))]
    fn key<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Call> {
        let py = memo.py();
        let bound = CallArgs::with(args, kwargs, |given| self.signature.bind(self.function.bind(py), given))?;
        let Some(mut arguments) = bound else {
            // `inspect` words the error as the function would, without running it.
            let signature = py.import("inspect")?.call_method1("signature", (&self.function,))?;
            signature.call_method("bind", args, self.without_seed(kwargs.cloned())?.as_ref())?;
            return Err(PyValueError::new_err("these arguments do not fit the function"));
        };
        normalise_seed(&mut arguments)?;
        let settled = self.settled(memo).map_err(|stop| stop.into_error(py, "the definition"))?;
        let mut subject = String::new();
        let encoded =
            self.encode(settled.get(), memo, &arguments, &mut subject).map_err(|stop| stop.into_error(py, &subject))?;
        self.described(&settled, &arguments, encoded, (args.clone(), kwargs.cloned()))
    }

    /// Computes the key of a call again, as after a wait, or when the function has run: the call as it is now, or None if
    /// its key is the same.
    ///
    /// Raises the error for which it has none any more.
    fn again(&self, memo: &Bound<'_, PyAny>, call: &Call) -> PyResult<Option<Call>> {
        let py = memo.py();
        let now = self.key(memo, call.args.bind(py), call.kwargs.as_ref().map(|kwargs| kwargs.bind(py)))?;
        Ok(Some(now).filter(|now| now.place() != call.place()))
    }

    /// What the definition of one call refers to that another one does not, or that is another value there; None if
    /// nothing tells.
    #[staticmethod]
    fn difference(py: Python<'_>, then: &Call, now: &Call) -> Option<String> {
        let graph = |call: &Call| call.settled.get().rests_on.clone_ref(py);
        report::difference(&graph(then).get().nodes, &graph(now).get().nodes)
    }

    /// The result of a call as `(output,)` if it is in memory and nothing is out of the ordinary, else None.
    #[pyo3(signature = (memo, args, kwargs))]
    fn recall_at_once<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> Option<(Bound<'py, PyAny>,)> {
        CallArgs::with(args, kwargs, |given| self.recall_given(memo, given)).map(|output| (output,))
    }

    /// The remembered result of a call as `(output,)`; `()` if there is none; None if Python must see to it.
    fn recall<'py>(&self, memo: &Bound<'py, PyAny>, call: &Call) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let py = memo.py();
        if let Some(output) = self.recall_from_memory(memo, call.settled.get(), &call.encoded) {
            return PyTuple::new(py, [output]).map(Some);
        }
        match self.recall_from_disk(memo, call, call.place(), ReadHint::Refresh)? {
            Recalled::Output(output) => PyTuple::new(py, [output]).map(Some),
            Recalled::Absent => Ok(Some(PyTuple::empty(py))),
            Recalled::NeedsPython => Ok(None),
        }
    }

    /// Whether the result of a call is in memory, to be found by the next call.
    fn is_in_memory(&self, memo: &Bound<'_, PyAny>, call: &Call) -> bool {
        let settled = call.settled.get();
        let Some(tier) = &self.tier else { return false };
        let Some(kept) = tier.peek(memo.py(), settled.section, &call.encoded) else { return false };
        let state = settled.watch.state(|| self.folder(memo, settled));
        kept.seen.load(Ordering::Relaxed) == state || self.is_still_there(memo, settled, &call.encoded, &kept, state)
    }

    /// Keeps a result in memory that has just been stored. `body`: its entry, if that can be loaded by pickle alone.
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
        self.keep(memo, call, output, (seconds, is_drawn), body);
    }

    /// Forgets a result in memory.
    fn forget(&self, py: Python<'_>, call: &Call) {
        if let Some(tier) = &self.tier {
            tier.forget(py, call.settled.get().section, &call.encoded);
        }
    }

    /// Notes that Python code begins to run the function; the number is for `run_ended`.
    #[pyo3(signature = (call))]
    fn run_begun(&self, py: Python<'_>, call: Option<&Call>) -> u64 {
        changed_state::begun(py, self.function.as_any(), self.definitions(py, call), !self.is_async)
    }

    /// Notes what the run of this number changed of what the function's definition rests on.
    #[staticmethod]
    fn run_ended(py: Python<'_>, run: u64) -> PyResult<()> {
        changed_state::ended(py, run)
    }

    /// Counts a call that was not remembered.
    fn count_miss(&self) {
        self.counters.miss();
    }

    /// Counts the time that the function took.
    fn count_seconds(&self, seconds: f64) {
        self.counters.computed(seconds);
    }

    /// Hits in memory, hits on disk, misses; seconds computed and saved; bytes held.
    fn numbers(&self) -> (u64, u64, u64, f64, f64, i64) {
        self.counters.numbers()
    }

    /// Forgets all results in memory, and the numbers.
    fn clear(&self, py: Python<'_>) {
        self.forget_all(py);
        self.savings.reset();
    }

    /// The store of the results, opened if it is not open.
    #[pyo3(name = "store")]
    fn opened_store(&self, memo: &Bound<'_, PyAny>) -> PyResult<Py<Store>> {
        self.store(memo)
    }

    /// The cache folder, if the store is open.
    fn root(&self, py: Python<'_>) -> Option<OsString> {
        self.store.with(py, |store| Some(store.as_ref()?.get().store.root().into()))
    }

    /// Lets go of the store and of what is in memory of it: the next call opens it anew.
    fn close(&self, py: Python<'_>) {
        let _closed = self.store.with(py, Option::take);
        if let Some(settled) = self.definition.with(py, |settled| Some(settled.as_ref()?.clone_ref(py))) {
            // In another folder it is not.
            settled.get().description_watch.note(false);
        }
        self.turn_savings(py);
        self.forget_all(py);
    }

    /// The seed of a call: whether there is one, and which.
    #[pyo3(signature = (args, kwargs))]
    fn seed<'py>(
        &self,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<(bool, Option<Bound<'py, PyAny>>)> {
        let bound = CallArgs::with(args, kwargs, |given| self.signature.bind(self.function.bind(args.py()), given))?;
        let seed = bound.and_then(|arguments| self.signature.seed(&arguments));
        Ok((seed.is_some(), seed))
    }

    /// `kwargs` as the plain function takes them.
    #[pyo3(signature = (kwargs))]
    fn plain<'py>(&self, kwargs: Option<&Bound<'py, PyDict>>) -> PyResult<Option<Bound<'py, PyDict>>> {
        self.without_seed(kwargs.cloned())
    }

    /// The definition hash of the function as it is now.
    fn definition(&self, memo: &Bound<'_, PyAny>) -> PyResult<String> {
        let settled = self.settled(memo).map_err(|stop| stop.into_error(memo.py(), "the definition"))?;
        Ok(settled.get().hex.clone())
    }

    /// Library modules that the definition refers to; empty if the definition has no digest.
    fn modules<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyFrozenSet>> {
        let settled = self.settled(memo).ok();
        let modules = settled.map(|settled| settled.get().rests_on.get().modules.clone());
        PyFrozenSet::new(memo.py(), modules.unwrap_or_default())
    }

    /// What the code of the definition reads of other code, in bits of `funes._code.read_parts`.
    fn reading(&self, memo: &Bound<'_, PyAny>) -> PyResult<Reading> {
        let settled = self.settled(memo).map_err(|stop| stop.into_error(memo.py(), "the definition"))?;
        Ok(settled.get().reading())
    }

    /// Returns a number that becomes another one when results that were stored earlier may have been found: on disk, or
    /// because the definition became one again that it had been.
    fn finds(&self, py: Python<'_>) -> u64 {
        self.counters.numbers().1 + self.former.with(py, |former| former.returns)
    }

    /// The nodes of the definition, for people.
    fn graph<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        let settled = self.settled(memo).map_err(|stop| stop.into_error(memo.py(), "the definition"))?;
        report::as_objects(memo.py(), &settled.get().rests_on.get().nodes)
    }

    /// The digest of the definition with the state that calls left behind, as code by value takes it along.
    fn definition_as_it_is(&self, memo: &Bound<'_, PyAny>) -> PyResult<String> {
        let found = if changed_state::are_any() {
            self.digest_as_it_is(memo)
        } else {
            self.settled(memo).map(|settled| settled.get().hex.clone())
        };
        found.map_err(|stop| stop.into_error(memo.py(), "the definition"))
    }

    /// Lets calls run only as long as the definition has the digest `as_sent`: another process sent the code, for which it
    /// has the digest `definition`. Otherwise, or where arguments hold functions or classes of the user and
    /// `refuses_code`, they raise what `mismatch` returns.
    fn expect(
        &self,
        py: Python<'_>,
        as_sent: String,
        definition: String,
        refuses_code: bool,
        mismatch: Py<PyAny>,
    ) -> PyResult<()> {
        let expected = Py::new(py, Expected { as_sent, definition, refuses_code, mismatch })?;
        let _replaced = self.expected.with(py, |present| present.replace(expected));
        Ok(())
    }

    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        // SAFETY: the collector runs in a thread that is attached.
        let py = unsafe { Python::assume_attached() };
        visit.call(&self.function)?;
        self.definition
            .try_with(py, |settled| settled.as_ref().map_or(Ok(()), |settled| visit.call(settled)))
            .unwrap_or(Ok(()))?;
        self.expected
            .try_with(py, |expected| expected.as_ref().map_or(Ok(()), |expected| visit.call(expected)))
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        let _cleared = self.definition.try_with(py, Option::take);
        let _expected = self.expected.try_with(py, Option::take);
    }
}

/// 7, True and numpy.int64(7) seed alike, so they are one key; what is no seed raises.
fn normalise_seed(arguments: &mut Arguments<'_>) -> PyResult<()> {
    if let Some(seed) = arguments.seed.take() {
        arguments.seed = Some(hooks::NORMALIZE_SEED.get(seed.py())?.call1((seed,))?);
    }
    Ok(())
}

/// Does something with PyO3 told that the thread is attached, see [`Core::call`].
fn attached<R>(_: Python<'_>, work: impl FnOnce() -> R) -> R {
    // SAFETY: it is attached. PyO3 is not asked to see for itself: it says no at the interpreter's end.
    unsafe { Python::attach_unchecked(|_| work()) }
}
