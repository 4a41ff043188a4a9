//! Calls that do not take the usual way: in a mode, or with `f.refresh`.

use std::time::{Duration, SystemTime};

use pyo3::prelude::*;

use crate::call::call_args::CallArgs;
use crate::call::core::{Core, attached};
use crate::call::files::AcceptsForCall;
use crate::call::keyed_call::{Call, Sought, normalise_seed};
use crate::call::machine::Outcome;
use crate::call::mode::Mode;
use crate::hooks;
use crate::store::disk_hit::{ReadHint, recall};

/// Returns whether an entry with this time stamp is not expired. A stamp so far in the future is no more trusted than one
/// in the past, since a clock was wrong.
pub(crate) fn is_fresh(stored: Option<SystemTime>, max_age: f64) -> bool {
    let now = SystemTime::now();
    let age = |stored: SystemTime| now.duration_since(stored).unwrap_or_else(|ahead| ahead.duration());
    stored.is_some_and(|stored| age(stored).as_secs_f64() < max_age)
}

impl Core {
    /// Counts a call whose result is not stored.
    #[cold]
    pub(super) fn count_uncached(&self, py: Python<'_>, reason: &str) {
        self.uncached.with(py, |uncached| *uncached.entry(reason.to_owned()).or_default() += 1);
    }

    /// Calls the function in a mode. Looks neither into the direct table nor into memory: the state
    /// machine decides what is looked for.
    #[cold]
    pub(super) fn call_in_mode<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call_args: &CallArgs<'_, 'py>,
        is_awaited: bool,
        mode: Mode,
    ) -> PyResult<Outcome<'py>> {
        let py = memo.py();
        let Some(mut arguments) = self.signature.bind(self.function.bind(py), call_args)? else {
            return attached(py, || self.call_unbound(memo, call_args, is_awaited));
        };
        if !is_awaited && self.is_async {
            return self.coroutine(memo, call_args);
        }
        normalise_seed(&mut arguments)?;
        let mut subject = String::new();
        let key = if mode == Mode::Off { None } else { Some(self.keyed(memo, &arguments, &mut subject)) };
        attached(py, || self.machine_beyond_memory(memo, call_args, &arguments, key, &subject, mode)?.go_on(py, None))
    }

    /// Returns the coroutine of a call of a coroutine function. The rest happens when it is awaited.
    pub(super) fn coroutine<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call_args: &CallArgs<'_, 'py>,
    ) -> PyResult<Outcome<'py>> {
        match hooks::CALL_IN_COROUTINE.get(memo.py()) {
            Ok(function) => function.call1((memo, call_args.tuple()?, call_args.dict()?)).map(Outcome::Done),
            Err(_) => self.call_plainly(memo.py(), call_args).map(Outcome::Done),
        }
    }

    /// Calls the function with arguments that do not fit it.
    pub(super) fn call_unbound<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call_args: &CallArgs<'_, 'py>,
        is_awaited: bool,
    ) -> PyResult<Outcome<'py>> {
        if is_awaited {
            return self.machine(memo, call_args, None, None, Mode::Usual)?.go_on(memo.py(), None);
        }
        self.call_plainly(memo.py(), call_args).map(Outcome::Done)
    }

    /// Returns the result of a computation of another call that began after a time, if it is stored.
    pub(super) fn recall_newer<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
        call: &Call,
        since: SystemTime,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = memo.py();
        let (Ok(store), Some(stored)) = (self.store(memo), self.time_stored(memo, &call.sought())) else {
            return Ok(None);
        };
        let function = (self.function.bind(py).as_any(), self.name(py)?.bind(py).clone());
        let accepts = AcceptsForCall { core: self, memo, is_silent: false, is_latest_only: true };
        let found = recall(store.bind(py), (function.0, &function.1), call.key(), ReadHint::Refresh, &accepts)?;
        let Ok(found) = found else { return Ok(None) };
        let took = Duration::try_from_secs_f64(found.seconds).unwrap_or_default();
        if stored.checked_sub(took).is_none_or(|began| began < since) {
            return Ok(None);
        }
        self.counters.disk_hit(found.seconds);
        self.forget_replaced(py, call);
        Ok(Some(found.output))
    }

    /// Returns the time stamp of the entry of a call.
    pub(super) fn time_stored(&self, memo: &Bound<'_, PyAny>, sought: &Sought<'_>) -> Option<SystemTime> {
        let py = memo.py();
        let name = self.name(py).ok()?;
        self.store(memo).ok()?.get().time(py, name.bind(py), &sought.current.hex, sought.arguments).ok()?
    }

    /// Forgets a result in memory whose entry was replaced. Other results of the folder are compared with their entries
    /// at their next use: another thread may have read this entry before, and keep it now.
    pub(super) fn forget_replaced(&self, py: Python<'_>, call: &Call) {
        let current = call.current.get();
        if let Some(memory) = &self.memory {
            memory.forget(py, current.partition, &call.encoded);
        }
        current.watch.renew();
    }
}
