//! The functions that run after a cache miss, which may change state of their definitions.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, ThreadId};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::definition::changed_state::{NOTED, is_as_it_is};
use crate::definition::graph::Definition;
use crate::definition::state_changes::note;
use crate::gil_cell::GilCell;
use crate::hash::walk::Address;
use crate::hooks;
use crate::lazy::{Lazy, intern};

/// A function that runs after a cache miss.
struct Running {
    number: u64,
    function: Py<PyAny>,
    /// The definitions of the function and of the user code in its arguments.
    definitions: Vec<Py<Definition>>,
    thread: ThreadId,
    /// Set if the call changes state of its definitions.
    changes_state: Arc<AtomicBool>,
    /// True if no other code runs during the call: it is no coroutine, and there is no other
    /// thread.
    is_alone: bool,
    /// The number of users of this record: the call itself, and each thread that records what the
    /// call has changed. Written under the lock of [`RUNNING`].
    users: AtomicUsize,
}

/// The number of attempts to describe or record state while calls in other threads change it.
pub(crate) const ATTEMPTS: usize = 100;

static RUNNING: GilCell<Vec<Arc<Running>>> = GilCell::new(Vec::new());

thread_local! {
    /// True while this thread records changes.
    static NOTING: Cell<bool> = const { Cell::new(false) };
    /// True while this thread records the changes of a finished call, which include those since the last record.
    static ENDING: Cell<bool> = const { Cell::new(false) };
}

/// True while a function runs whose definition contains this holder or value, and whose statements change one of the
/// names.
///
/// The value may change at any moment, so the recorded value counts.
pub(crate) fn is_being_changed(py: Python<'_>, holder: &Py<PyAny>, names: &[String]) -> bool {
    let is_changed_by = |definition: &Py<Definition>| {
        let definition = definition.get();
        names.iter().any(|name| definition.changes.contains(name))
            && definition.depends_on(py, holder.as_ptr() as Address)
    };
    !ENDING.get() && RUNNING.with(py, |all| all.iter().any(|running| running.definitions.iter().any(is_changed_by)))
}

/// True while this thread records the changes of a finished call.
pub(crate) fn is_ending() -> bool {
    ENDING.get()
}

/// Records that a function starts to run; returns the number for [`ended`].
///
/// `changes_state`: set if the call changes state of its definitions. `is_whole`: the function runs to its end without
/// interruption, unlike a coroutine.
pub(crate) fn begun(
    py: Python<'_>,
    function: &Py<PyAny>,
    definitions: Vec<Py<Definition>>,
    changes_state: &Arc<AtomicBool>,
    is_whole: bool,
) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let is_alone = is_whole && is_only_thread(py).unwrap_or(false);
    let function = function.clone_ref(py);
    let (thread, users) = (thread::current().id(), AtomicUsize::new(1));
    let changes_state = changes_state.clone();
    let running = Arc::new(Running { number, function, definitions, thread, changes_state, is_alone, users });
    RUNNING.with(py, |all| all.push(running));
    number
}

/// Records the changes of a function that has finished.
pub(crate) fn ended(py: Python<'_>, number: u64) -> PyResult<()> {
    let find = |all: &Vec<Arc<Running>>| all.iter().rposition(|running| running.number == number);
    let Some(running) = RUNNING.with(py, |all| find(all).map(|position| all[position].clone())) else { return Ok(()) };
    let noted = running.note_at_end(py);
    running.leave(py, true).and(noted)
}

/// Records the changes so far of the functions that are running, before something is described or compared.
///
/// Returns the number of recorded changes.
pub(crate) fn note_running(py: Python<'_>) -> PyResult<u64> {
    if !NOTING.get() && !is_as_it_is() {
        let entered = RUNNING.with(py, |all| {
            for running in all.iter() {
                running.users.fetch_add(1, Ordering::Relaxed);
            }
            all.clone()
        });
        let mut noted = Ok(());
        for running in entered {
            noted = noted.and_then(|()| running.note(py));
            noted = running.leave(py, false).and(noted);
        }
        noted?;
    }
    Ok(NOTED.load(Ordering::Relaxed))
}

impl Running {
    /// Removes one user.
    ///
    /// A call that has returned counts as running until its last user is removed. Another thread
    /// may record an outdated state for it; if the call were over by then, its real result would
    /// look like an edit.
    ///
    /// `is_noted`: true if this thread has recorded what the call left behind.
    fn leave(&self, py: Python<'_>, mut is_noted: bool) -> PyResult<()> {
        let mut noted = Ok(());
        loop {
            let (is_over, _removed) = RUNNING.with(py, |all| {
                let is_last = self.users.load(Ordering::Relaxed) == 1;
                if is_last && !is_noted {
                    return (false, None);
                }
                self.users.fetch_sub(1, Ordering::Relaxed);
                let position = all.iter().rposition(|running| running.number == self.number).filter(|_| is_last);
                (true, position.map(|position| all.remove(position)))
            });
            if is_over {
                return noted;
            }
            noted = self.note_at_end(py);
            is_noted = true;
        }
    }

    /// Records what the call left behind.
    fn note_at_end(&self, py: Python<'_>) -> PyResult<()> {
        let was_ending = ENDING.replace(true);
        let noted = self.note(py);
        ENDING.set(was_ending);
        noted
    }

    fn note(&self, py: Python<'_>) -> PyResult<()> {
        let is_alone = self.is_alone && self.thread == thread::current().id();
        for definition in &self.definitions {
            let was_noting = NOTING.replace(true);
            let definition = definition.bind(py);
            let mut names = Vec::new();
            // Repeated until the definition is valid: a change by another thread between the comparison and the record
            // would be an edit.
            for _ in 0..ATTEMPTS {
                if definition.get().holds(py, None) {
                    break;
                }
                let (noted, is_changing) = note(definition, is_alone);
                if noted.is_empty() && !is_changing {
                    break;
                }
                names.extend(noted);
            }
            NOTING.set(was_noting);
            if !names.is_empty() {
                self.changes_state.store(true, Ordering::Relaxed);
                hooks::WARN_OF_CHANGES.get(py)?.call1((&self.function, names))?;
            }
        }
        Ok(())
    }
}

/// True if no other thread runs Python code, as far as `threading` knows. Then all changes come from the call.
///
/// Reads the tables of `threading` directly, since this runs at every miss and `threading.active_count` takes a lock.
fn is_only_thread(py: Python<'_>) -> PyResult<bool> {
    static TABLES: Lazy<[Py<PyDict>; 2]> = Lazy::new();
    let [running, starting] = TABLES.get_or_try_init(py, || {
        let threading = py.import(intern!(py, "threading"))?;
        let table = |name| -> PyResult<_> { Ok(threading.getattr(name)?.cast_into::<PyDict>()?.unbind()) };
        Ok([table(intern!(py, "_active"))?, table(intern!(py, "_limbo"))?])
    })?;
    Ok(running.bind(py).len() == 1 && starting.bind(py).is_empty())
}
