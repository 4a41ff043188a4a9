//! The states of a call whose result is not in memory.

use pyo3::prelude::*;

/// The states of a call, in their usual order. A state that asks for Python code remains until that
/// has returned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Looks for the entry.
    Look,
    /// Becomes the in-flight call of its key, if there is none.
    TakeKey,
    /// Waits for the in-flight call of its key.
    Wait,
    /// Computes the key again: arguments and globals may have changed during a wait.
    Rekey,
    /// Looks for the entry again: another call may have stored it.
    LookAgain,
    /// Looks for a remembered error, since there is no result.
    LookForError,
    /// Looks for the entry in the remote cache.
    AskRemote,
    /// Raises the error for a miss in the offline mode.
    Refuse,
    /// Reports that an expired entry is used.
    WarnExpired,
    /// Computes a hit again, and compares.
    Recheck,
    /// Reports that the call has no key, so that it runs uncached.
    Uncached,
    /// Logs the miss.
    Log,
    /// Copies the arguments, which the function may change.
    Snapshot,
    /// Notes the states of the random generators.
    NoteGenerators,
    /// Runs the function.
    Run,
    /// Detects that the function drew random numbers without a seed.
    DetectDraws,
    /// Computes the key again: the function may have changed its inputs.
    Check,
    /// Asks the user's predicate whether to store the result.
    Approve,
    /// Pickles and writes the entry, and keeps the result in memory.
    Store,
    /// Writes the definition file.
    Describe,
    /// Hands the entry to the queue of the remote cache.
    Offer,
    /// Loads a result that shares memory, so that the first caller gets what later callers get.
    Reload,
    /// Reports why the result is not stored.
    Report,
}

/// The arguments before the run.
pub(super) enum Snapshot {
    /// They could not be copied, so that the result is not stored.
    Failed,
    /// They are immutable.
    NotNeeded,
    /// A `funes._call.argument_snapshot.ArgumentSnapshot`.
    Taken(Py<PyAny>),
}

impl Snapshot {
    /// Returns the copies of the arguments, if some were taken.
    pub(super) fn taken(&self) -> Option<&Py<PyAny>> {
        if let Self::Taken(snapshot) = self { Some(snapshot) } else { None }
    }
}
