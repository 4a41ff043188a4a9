//! Finds the result of a call in memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use funes_core::domain::Domain;
use pyo3::prelude::*;

use crate::call::call_args::CallArgs;
use crate::call::core::Core;
#[cfg(not(Py_GIL_DISABLED))]
use crate::call::mode;
use crate::call::switched_call::is_fresh;
use crate::call::{fast_key, random_draws};
use crate::definition::current_definition::CurrentDefinition;
use crate::memory::cached_value::CachedValue;
use crate::memory::memory_cache::Slot;

impl Core {
    /// False if no call has an entry in the direct table, or calls may have a mode.
    #[cfg(not(Py_GIL_DISABLED))]
    #[inline]
    pub(crate) fn has_direct_results(&self) -> bool {
        self.direct.is_filled() && !mode::are_set()
    }

    /// Returns the result if the direct table has an entry for the call.
    #[cfg(not(Py_GIL_DISABLED))]
    #[inline]
    pub(crate) fn recall_directly<'py>(&self, call_args: &CallArgs<'_, 'py>) -> Option<Bound<'py, PyAny>> {
        enum Found<'py> {
            Output(Bound<'py, PyAny>),
            Slot(Arc<Slot>),
        }
        let py = call_args.py();
        let place = self.direct.find(call_args, self.function.bind(py))?;
        let current = self.valid_definition(py)?;
        let state = current.get().watch.checked_state()?;
        let found = self.direct.look_up(py, place, current.get().partition, |slot| {
            (slot.seen.load(Ordering::Relaxed) == state).then(|| match &slot.result {
                CachedValue::Shared(output) => {
                    self.counters.memory_hit(slot.seconds);
                    Found::Output(output.bind(py).clone())
                }
                _ => Found::Slot(slot.clone()),
            })
        });
        match found?? {
            Found::Output(output) => Some(output),
            Found::Slot(slot) => self.for_caller(py, &slot),
        }
    }

    /// Returns a copy of a result in memory, for one caller.
    #[inline(never)]
    fn for_caller<'py>(&self, py: Python<'py>, slot: &Slot) -> Option<Bound<'py, PyAny>> {
        let output = slot.result.for_caller(py).ok()?;
        self.counters.memory_hit(slot.seconds);
        Some(output)
    }

    /// Returns the result if it is in memory and the fast key covers the call.
    pub(super) fn recall_by_fast_key<'py>(
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
        #[cfg(Py_GIL_DISABLED)]
        return self.recall_without_locks(memo, encoded.bytes());
        #[cfg(not(Py_GIL_DISABLED))]
        {
            let scalars = Some(call_args).filter(|_| !self.is_async && self.max_age.is_none());
            self.recall_from_memory(memo, self.valid_definition(py)?.get(), encoded.bytes(), scalars)
        }
    }

    /// Returns the result if it is in the table of this thread or in memory.
    #[cfg(Py_GIL_DISABLED)]
    fn recall_without_locks<'py>(&self, memo: &Bound<'py, PyAny>, encoded: &[u8]) -> Option<Bound<'py, PyAny>> {
        let py = memo.py();
        let keep = match self.tables.recall(py, encoded, &self.counters) {
            Ok(output) => return Some(output),
            Err(keep) => keep,
        };
        let current = self.valid_definition(py)?;
        let output = self.recall_from_memory(memo, current.get(), encoded, None)?;
        if keep
            && self.max_age.is_none()
            && let Some(slot) = self.memory.as_ref()?.peek(py, current.get().partition, encoded)
            && slot.reads.is_none()
        {
            self.tables.keep(&current, encoded, slot);
        }
        Some(output)
    }

    /// Returns the result if it is in memory.
    ///
    /// `scalars`: the arguments if the fast key covers them. The result then gets an entry in the direct table. A hit by
    /// that entry makes no other checks than its definition and the state of the folder; a result of which more must be
    /// checked at each hit gets none.
    pub(super) fn recall_from_memory<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        current: &CurrentDefinition,
        encoded: &[u8],
        scalars: Option<&CallArgs<'_, 'py>>,
    ) -> Option<Bound<'py, PyAny>> {
        enum Found<'py> {
            Output(Bound<'py, PyAny>),
            Slot(Arc<Slot>),
            /// The result was drawn without a seed: Python code decides whether a seeded run may
            /// use it.
            Drawn,
        }
        let py = memo.py();
        let memory = self.memory.as_ref()?;
        if let Some(max_age) = self.max_age
            && memory.peek(py, current.partition, encoded).is_none_or(|slot| !is_fresh(slot.stored, max_age))
        {
            return None;
        }
        let state = current.watch.state(|| self.folder(memo, current));
        let found = memory.look_up(py, current.partition, encoded, |slot| {
            let is_seen = slot.seen.load(Ordering::Relaxed) == state;
            if let Some(call_args) = scalars
                && is_seen
                && !slot.is_drawn
                && slot.reads.is_none()
                && let Some(defaults) = self.signature.defaults_used(self.function.bind(py), call_args)
            {
                self.direct.keep(call_args, defaults, current.partition, slot);
            }
            match &slot.result {
                _ if slot.is_drawn && random_draws::is_seeded() => Found::Drawn,
                CachedValue::Shared(output) if is_seen && slot.reads.is_none() => {
                    self.counters.memory_hit(slot.seconds);
                    Found::Output(output.bind(py).clone())
                }
                _ => Found::Slot(slot.clone()),
            }
        });
        let slot = match found? {
            Found::Output(output) => return Some(output),
            Found::Slot(slot) => slot,
            Found::Drawn => return None,
        };
        if slot.seen.load(Ordering::Relaxed) != state && !self.is_still_there(memo, current, encoded, &slot, state) {
            memory.forget(py, current.partition, encoded);
            return None;
        }
        if let Some(reads) = &slot.reads {
            let is_accepted = self.accepts_in_memory(py, reads);
            if is_accepted == Some(false) {
                memory.forget(py, current.partition, encoded);
            }
            is_accepted.filter(|is_accepted| *is_accepted)?;
        }
        self.for_caller(py, &slot)
    }

    /// Returns whether the entry of a result in memory still exists on disk, and was not replaced.
    #[cold]
    pub(super) fn is_still_there(
        &self,
        memo: &Bound<'_, PyAny>,
        current: &CurrentDefinition,
        encoded: &[u8],
        slot: &Slot,
        state: u64,
    ) -> bool {
        let py = memo.py();
        let before = slot.seen.load(Ordering::Relaxed);
        let hex = Domain::Arguments.hash(encoded).to_hex();
        let found = self.store(memo).and_then(|store| {
            let name = self.name(py)?;
            store.get().content_id(py, name.bind(py), &current.hex, &hex)
        });
        found.is_ok_and(|found| found == Some(slot.content_id)) && slot.see(before, state)
    }
}
