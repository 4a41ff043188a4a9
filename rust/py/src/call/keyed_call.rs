//! Computes the cache key of a call.

use std::sync::atomic::Ordering;

use funes_core::digest::Digest;
use funes_core::domain::Domain;
use funes_core::tags;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::call::call_args::CallArgs;
use crate::call::core::Core;
use crate::call::fast_key;
use crate::call::machine::Machine;
use crate::call::mode::Mode;
use crate::call::signature::{Arguments, SEED};
use crate::definition::current_definition::CurrentDefinition;
use crate::definition::graph::Definition;
use crate::hash::walk::{Definitions, Found, ReadParts, Walk};
use crate::hash::walk_error::{WalkError, Walked};
use crate::hooks;
use crate::lazy::intern;

/// A call with its key whose result is not in memory.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct Call {
    /// Definition digest.
    #[pyo3(get)]
    pub(crate) definition: String,
    /// Argument digest.
    #[pyo3(get)]
    pub(crate) arguments: String,
    /// The input of the entry: the bound arguments, then `global_seed` if it was given.
    #[pyo3(get)]
    pub(crate) inputs: Py<PyDict>,
    pub(crate) current: Py<CurrentDefinition>,
    /// The arguments of the call as they were passed.
    pub(crate) args: Py<PyTuple>,
    pub(crate) kwargs: Option<Py<PyDict>>,
    /// The definitions of functions and classes among the arguments.
    pub(crate) found: Vec<Py<Definition>>,
    /// The encoded arguments.
    pub(crate) encoded: Vec<u8>,
}

/// The key of a call, with what the memory cache needs.
pub(crate) struct Sought<'a> {
    pub(crate) current: &'a CurrentDefinition,
    /// Argument digest.
    pub(crate) arguments: &'a str,
    /// The encoded arguments.
    pub(crate) encoded: &'a [u8],
}

impl Call {
    /// Returns what is sought.
    pub(crate) fn sought(&self) -> Sought<'_> {
        Sought { current: self.current.get(), arguments: &self.arguments, encoded: &self.encoded }
    }

    /// Returns the definition digest and the argument digest.
    pub(crate) fn key(&self) -> (&str, &str) {
        (&self.definition, &self.arguments)
    }

    /// Returns whether the last lookup on disk with this definition was a miss.
    pub(crate) fn has_missed(&self) -> bool {
        self.current.get().has_missed.load(Ordering::Relaxed)
    }

    /// Notes whether a lookup on disk was a miss.
    pub(crate) fn note_missed(&self, has_missed: bool) {
        self.current.get().has_missed.store(has_missed, Ordering::Relaxed);
    }
}

/// A call that has begun.
pub(crate) enum Begun<'py> {
    /// The result was in memory.
    Done(Bound<'py, PyAny>),
    Machine(Box<Machine>),
}

/// Prefixes the arguments of a wrapper that do not fit the function behind it, so that their key
/// differs from all keys of that function. No class or function has this name.
const RAW: &str = "*args, **kwargs";

/// Arguments in the canonical encoding, and the definitions of the functions and classes among
/// them.
pub(super) struct Encoded<'py> {
    pub(super) bytes: Vec<u8>,
    found: Found<'py>,
}

impl Core {
    /// Returns the present definition, and the arguments of a call, bound and encoded.
    ///
    /// Raises the error because of which the call has no key.
    pub(super) fn encoded<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<(Bound<'py, CurrentDefinition>, Arguments<'py>, Encoded<'py>)> {
        let py = memo.py();
        let bound = CallArgs::with(args, kwargs, |call_args| self.signature.bind(self.function.bind(py), call_args))?;
        let Some(mut arguments) = bound else {
            // `inspect` raises the error of the function without running it.
            let signature = py.import("inspect")?.call_method1("signature", (&self.function,))?;
            signature.call_method("bind", args, self.without_seed(kwargs.cloned())?.as_ref())?;
            return Err(PyValueError::new_err("these arguments do not fit the function"));
        };
        normalise_seed(&mut arguments)?;
        let current = self.raising_definition(memo)?;
        let mut subject = String::new();
        let encoded =
            self.encode(current.get(), memo, &arguments, &mut subject).map_err(|stop| stop.into_error(py, &subject))?;
        Ok((current, arguments, encoded))
    }

    /// Returns the present definition and the argument digest of a call, which `key` would return.
    pub(crate) fn digest<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<(Bound<'py, CurrentDefinition>, Digest)> {
        let py = memo.py();
        if kwargs.is_none() && self.ignored.is_empty() {
            let fast = CallArgs::with(args, None, |call_args| {
                fast_key::encode(&self.signature, self.function.bind(py), call_args)
            });
            if let Some(encoded) = fast {
                return Ok((self.raising_definition(memo)?, Domain::Arguments.hash(encoded.bytes())));
            }
        }
        let (current, _, encoded) = self.encoded(memo, args, kwargs)?;
        Ok((current, Domain::Arguments.hash(&encoded.bytes)))
    }

    /// Begins a call that another process has sent with its key; none if the call has another key
    /// here.
    ///
    /// `arguments`: the first bytes of the argument digest.
    pub(crate) fn begin_sent<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        (args, kwargs): (&Bound<'py, PyTuple>, Option<&Bound<'py, PyDict>>),
        (definition, digest): (&str, &[u8]),
    ) -> PyResult<Option<Begun<'py>>> {
        let (current, arguments, encoded) = self.encoded(memo, args, kwargs)?;
        if current.get().hex != definition || !Domain::Arguments.hash(&encoded.bytes).0.starts_with(digest) {
            return Ok(None);
        }
        let mode = Mode::now(memo.py())?;
        if mode.is_usual()
            && let Some(output) = self.recall_from_memory(memo, current.get(), &encoded.bytes, None)
        {
            return Ok(Some(Begun::Done(output)));
        }
        let key = Some(Ok((current, encoded)));
        let machine = CallArgs::with(args, kwargs, |call_args| {
            self.machine_beyond_memory(memo, call_args, &arguments, key, "", mode)
        })?;
        Ok(Some(Begun::Machine(machine)))
    }

    pub(super) fn keyed_call(
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
        Ok(Call {
            definition: current.get().hex.clone(),
            arguments: hex,
            inputs: inputs.unbind(),
            current: current.clone().unbind(),
            args: args.unbind(),
            kwargs: kwargs.map(Bound::unbind),
            found: encoded.found.into_iter().map(Bound::unbind).collect(),
            encoded: encoded.bytes,
        })
    }

    /// Returns the canonical encoding of the arguments if it is short, else the digest in its
    /// place.
    pub(super) fn encode<'py>(
        &self,
        current: &CurrentDefinition,
        memo: &Bound<'py, PyAny>,
        arguments: &Arguments<'py>,
        subject: &mut String,
    ) -> Walked<Encoded<'py>> {
        let py = memo.py();
        let read_parts = current.read_parts();
        let mut walk = Walk::new(py, Definitions::settled(None, read_parts));
        self.write_arguments(&mut walk, arguments, subject)?;
        if walk.read_parts & !read_parts != 0 {
            self.encode_again(read_parts, &mut walk, arguments, subject)?;
        }
        if let Some(rare) = &walk.rare {
            Self::warn_of(memo, &rare.warnings)?;
        }
        Ok(Encoded { found: walk.found, bytes: walk.encoder.into_bytes() })
    }

    /// Encodes the arguments again, because a function among them reads the code of another one,
    /// whose docstrings or annotations then count.
    #[cold]
    fn encode_again<'py>(
        &self,
        mut read_parts: ReadParts,
        walk: &mut Walk<'py>,
        arguments: &Arguments<'py>,
        subject: &mut String,
    ) -> Walked {
        while walk.read_parts & !read_parts != 0 {
            read_parts |= walk.read_parts;
            *walk = Walk::new(walk.py, Definitions::settled(None, read_parts));
            self.write_arguments(walk, arguments, subject)?;
        }
        Ok(())
    }

    /// Warns of values that count by their type only.
    #[cold]
    pub(super) fn warn_of(memo: &Bound<'_, PyAny>, warnings: &[String]) -> Walked {
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
                let known = walk.rare.as_ref().map_or(0, |rare| rare.warnings.len());
                walk.whole(value).inspect_err(|_| *subject = format!("argument '{}'", name.bind(py)))?;
                if let Some(rare) = &mut walk.rare {
                    for warning in &mut rare.warnings[known..] {
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

    /// Returns whether a parameter is left out of the key. Arguments that only the wrapper accepts
    /// have no parameters, even if a name is the same.
    fn is_ignored(&self, arguments: &Arguments<'_>, name: &Py<PyString>) -> bool {
        !arguments.is_raw && self.ignored.iter().any(|ignored| ignored.is(name))
    }
}

/// Converts the seed to an int, or raises. 7, True and numpy.int64(7) seed alike, so they have one
/// key.
pub(super) fn normalise_seed(arguments: &mut Arguments<'_>) -> PyResult<()> {
    if let Some(seed) = arguments.seed.take() {
        arguments.seed = Some(hooks::NORMALIZE_SEED.get(seed.py())?.call1((seed,))?);
    }
    Ok(())
}
