//! The definition of a memorious function, computed again when a guard fails.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use funes_core::store;
use pyo3::prelude::*;
use rustc_hash::FxHashSet;

use crate::call::core::{Core, attached};
use crate::call::keyed_call::Call;
use crate::call::limits::is_finalizing;
use crate::definition::changed_state;
use crate::definition::current_definition::CurrentDefinition;
use crate::definition::graph::{Definition, Purpose, with_extras};
use crate::definition::guard::Guard;
use crate::hash::walk_error::{WalkError, Walked};
use crate::lazy::intern;

/// The definitions that a function has had in this process.
#[derive(Default)]
pub(super) struct FormerDefinitions {
    known: FxHashSet<String>,
    last: String,
    /// How often the function returned to an earlier definition.
    pub(super) returns: u64,
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
pub(super) struct RequiredDefinition {
    /// The digest that the code must have together with the state that was sent with it.
    pub(super) as_sent: String,
    /// The digest that is part of the key: that of the sender, even if calls have changed the state
    /// since.
    pub(super) definition: String,
    /// True if arguments must not contain functions or classes of the user, because this process
    /// has other code than the sender.
    pub(super) refuses_code: bool,
    /// Creates the error for a mismatch, from the word "definition" or "arguments".
    pub(super) mismatch: Py<PyAny>,
}

impl RequiredDefinition {
    #[cold]
    pub(super) fn refused(&self, py: Python<'_>, what: &str) -> WalkError {
        let made = self.mismatch.call1(py, (what,));
        WalkError::Raised(Box::new(made.map_or_else(|error| error, |made| PyErr::from_value(made.into_bound(py)))))
    }
}

impl Core {
    pub(super) fn required<'py>(&self, py: Python<'py>) -> Option<Bound<'py, RequiredDefinition>> {
        self.required.with(py, |required| Some(required.as_ref()?.bind(py).clone()))
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
        let (definition, extras, mut hex) = self.describe_as_it_counts(memo)?;
        if let Some(required) = self.required(py) {
            let required = required.get();
            // Earlier calls in this process may have left state that equals the state of the
            // sender.
            if required.as_sent != hex && self.digest_as_it_is(memo)? != required.as_sent {
                return Err(required.refused(py, "definition"));
            }
            hex.clone_from(&required.definition);
        }
        Self::warn_of(memo, &definition.get().warnings)?;
        let current = CurrentDefinition::new(self.owner, hex, definition.unbind(), extras, self.changes_state.clone());
        let current = Bound::new(py, current).map_err(WalkError::interrupted)?;
        self.replace(current.clone());
        Ok(current)
    }

    /// Returns the definitions whose state a call may change: those of the function, and of
    /// functions and classes among the arguments.
    pub(super) fn definitions(&self, py: Python<'_>, call: Option<&Call>) -> Vec<Py<Definition>> {
        let own = match call {
            Some(call) => Some(call.current.get().definition.clone_ref(py)),
            None if is_finalizing(py) => None,
            // With an outdated definition, an edit before the call would look like a change by the
            // call.
            None => self.valid_definition(py).map(|current| current.get().definition.clone_ref(py)),
        };
        let found = call.into_iter().flat_map(|call| &call.found);
        own.into_iter().chain(found.map(|found| found.clone_ref(py))).collect()
    }

    /// Returns the digest of the definition with the present state instead of the counted state.
    #[cold]
    pub(super) fn digest_as_it_is(&self, memo: &Bound<'_, PyAny>) -> Walked<String> {
        changed_state::as_it_is(|| self.describe(memo)).map(|(_, _, hex)| hex)
    }

    /// Describes the function like [`Self::describe`]. State that only calls of other functions change counts as it is.
    fn describe_as_it_counts<'py>(
        &self,
        memo: &Bound<'py, PyAny>,
    ) -> Walked<(Bound<'py, Definition>, Option<Guard>, String)> {
        let described = self.describe(memo)?;
        if self.changes_state.load(Ordering::Relaxed) || !changed_state::are_recorded() {
            return Ok(described);
        }
        match described.0.get().changes_what_differs(memo.py()) {
            None => Ok(described),
            Some(true) => {
                self.changes_state.store(true, Ordering::Relaxed);
                Ok(described)
            }
            Some(false) => changed_state::as_it_is(|| self.describe(memo)),
        }
    }

    /// Describes the function: returns its definition, the guard of the values of `depends_on=` if they can change, and
    /// the digest of both.
    fn describe<'py>(&self, memo: &Bound<'py, PyAny>) -> Walked<(Bound<'py, Definition>, Option<Guard>, String)> {
        let py = memo.py();
        let function = self.function.bind(py).as_any();
        let definition = match Definition::of(function, Purpose::Kept, 0)? {
            Some(definition) => definition,
            None => Definition::named(function)?,
        };
        let extras = memo
            .call_method0(intern!(py, "_extras"))
            .map_err(|error| WalkError::raised(py, "looking at what it depends on", error))?;
        let (digest, extras) = with_extras(definition.get(), extras)?;
        Ok((definition, extras, digest.to_hex()))
    }

    /// Returns the present definition.
    pub(super) fn current_definition<'py>(&self, memo: &Bound<'py, PyAny>) -> Walked<Bound<'py, CurrentDefinition>> {
        self.valid_definition(memo.py()).map_or_else(|| attached(memo.py(), || self.find_definition(memo)), Ok)
    }

    /// Returns the present definition, or the error that prevents it from being computed.
    pub(super) fn raising_definition<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, CurrentDefinition>> {
        self.current_definition(memo).map_err(|stop| stop.into_error(memo.py(), "the definition"))
    }

    /// Returns the last definition, if its guards still hold.
    pub(super) fn valid_definition<'py>(&self, py: Python<'py>) -> Option<Bound<'py, CurrentDefinition>> {
        let current = self.definition.with(py, |current| Some(current.as_ref()?.bind(py).clone()))?;
        current.get().holds(py).then_some(current)
    }

    fn replace(&self, current: Bound<'_, CurrentDefinition>) {
        self.former.with(current.py(), |former| former.note(&current.get().hex));
        let _replaced = self.definition.with(current.py(), |present| present.replace(current.clone().unbind()));
        self.update_usage_folder(current.py());
    }

    /// Assigns the hits from now on to the present definition in the present store.
    pub(super) fn update_usage_folder(&self, py: Python<'_>) {
        let root = self.root(py).map(PathBuf::from);
        let definition = self.definition.with(py, |current| Some(current.as_ref()?.clone_ref(py)));
        let folder = root.zip(definition).and_then(|(root, definition)| {
            let name = self.name(py).ok()?;
            let name = name.bind(py).to_string_lossy();
            Some(store::Definition::new(&name, &definition.get().hex).ok()?.folder(&root))
        });
        self.usage.turn_to(folder);
    }
}
