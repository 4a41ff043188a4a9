//! The states of a function that remembers errors: `remember_errors=`.
//!
//! A remembered error is an entry beside the results, in a file with another extension. It is looked for if there is no
//! result, and is never in memory. So no part of funes that handles results can take it for one.

use funes_core::store::{self, ERROR_EXTENSION, Key, Origin, Present};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::call::core::Core;
use crate::call::keyed_call::Call;
use crate::call::machine::{Machine, Ran, State, Step, ask};
use crate::hooks;
use crate::store::error::raised;
use crate::store::handle::{HeadParts, PickleParts, Store};

impl Core {
    /// Returns the argument digest and the extension of the remembered error of a call.
    fn error_name(call: &Call) -> String {
        [&call.arguments, ERROR_EXTENSION].concat()
    }

    /// Returns whether there is a remembered error of a call, which may not be usable.
    fn has_error(&self, memo: &Bound<'_, PyAny>, call: &Call) -> PyResult<bool> {
        let py = memo.py();
        let (Ok(store), name) = (self.store(memo), self.name(py)?) else { return Ok(false) };
        let path = store.get().path(name.bind(py), &call.definition, &Self::error_name(call))?;
        Ok(py.detach(|| std::fs::symlink_metadata(path).is_ok()))
    }

    /// Deletes the remembered error of a call whose result is stored now.
    pub(super) fn forget_error(&self, memo: &Bound<'_, PyAny>, call: &Call) -> PyResult<()> {
        if self.remembered.is_none() {
            return Ok(());
        }
        let py = memo.py();
        let (store, name, arguments) = (self.store(memo)?, self.name(py)?, Self::error_name(call));
        let name = name.bind(py).to_string_lossy();
        let key = Key::new(&name, &call.definition, &arguments).map_err(raised)?;
        py.detach(|| store.get().store.remove(&key)).map_err(raised)?;
        Ok(())
    }

    /// Deletes the results of a call for the files as they are now. The latest one for other files, if there is any,
    /// becomes the result of the call.
    fn remove_result(&self, py: Python<'_>, store: &store::Store, key: &Key) -> PyResult<()> {
        let present = py.detach(|| store.reads(key));
        let others = present.map(|present| self.make_way(py, (store, key), present, true)).transpose()?;
        let removed = || {
            for each in others.iter().flatten().rev() {
                if store.restore_earlier(key, *each)? {
                    return Ok(());
                }
            }
            store.remove(key).map(drop)
        };
        py.detach(removed).map_err(raised)
    }
}

impl Machine {
    /// Returns whether the function names the type of an exception that it raised, and the call has a key.
    pub(super) fn may_remember(&self, py: Python<'_>, error: &PyErr) -> bool {
        let types = self.core.get().remembered.as_ref().filter(|_| self.call.is_some());
        types.is_some_and(|types| error.is_instance_of::<PyException>(py) && error.matches(py, types).unwrap_or(false))
    }

    /// Returns what follows if there is no result that can be used.
    pub(super) fn after_no_result<'py>(&mut self, py: Python<'py>) -> PyResult<Step<'py>> {
        let core = self.core.get();
        if core.remembered.is_some() && core.has_error(self.memo.bind(py), self.call())? {
            return Ok(Step::Go(State::LookForError));
        }
        self.after_miss(py)
    }

    /// Raises the remembered error. `answer`: the exception and its run time, or None if it cannot be used.
    pub(super) fn look_for_error<'py>(
        &mut self,
        py: Python<'py>,
        answer: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Step<'py>> {
        let Some(found) = answer else { return ask(py, &hooks::READ_ERROR, (&self.memo, &self.call)) };
        if found.is_none() {
            return self.after_miss(py);
        }
        let (error, seconds) = found.cast::<PyTuple>()?.extract::<(Bound<'py, PyAny>, f64)>()?;
        self.call().note_missed(false);
        self.core.get().counters.disk_hit(seconds);
        Ok(Step::Raise(PyErr::from_value(error)))
    }

    /// Stores the exception that the function raised. `dumped`: its pickles, or None if it is never stored.
    pub(super) fn store_error<'py>(
        &mut self,
        py: Python<'py>,
        dumped: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Step<'py>> {
        type Dumped<'py> = (Bound<'py, PyAny>, Option<PickleParts<'py>>, HeadParts<'py>);
        let Self { files, call: Some(call), ran: Some(ran), .. } = self else { return Ok(self.done(py)) };
        let (core, call, memo) = (self.core.get(), call.get(), self.memo.bind(py));
        let Ran { output, seconds, is_drawn, .. } = &*ran;
        let is_durable = *seconds >= core.durability;
        let Some(dumped) = dumped else {
            let ran = (output, *seconds, *is_drawn, is_durable);
            return ask(py, &hooks::DUMP_ERROR, (memo, &self.call, self.snapshot.taken(), ran));
        };
        if dumped.is_none() {
            return Ok(self.done(py));
        }
        let (body, fast, head) = dumped.extract::<Dumped<'py>>()?;
        let (store, name, arguments) = (core.store(memo)?, core.name(py)?, Core::error_name(call));
        let name = name.bind(py).to_string_lossy();
        let key = Key::new(&name, &call.definition, &arguments).map_err(raised)?;
        let reads = files.note(memo, core, store.get().store.root(), *seconds)?;
        let origin = Origin { reads: reads.as_ref(), max_age: core.max_age, run: Store::run_id(store.bind(py))? };
        let pickles = (fast, Some(head), origin);
        store.get().put(py, &key, &body, pickles, (is_durable, Present::IsReplaced))?;
        if self.present == Present::IsReplaced {
            let key = Key::new(&name, &call.definition, &call.arguments).map_err(raised)?;
            core.remove_result(py, &store.get().store, &key)?;
            core.forget_replaced(py, call);
        }
        self.ran.as_mut().expect("the function has run").is_stored = true;
        Ok(Step::Go(State::Describe))
    }
}
