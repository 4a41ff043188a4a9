//! Finds the calls that are computing, and to which of them the code that runs belongs.
//!
//! Calls of plain functions in one thread end in the opposite order of their beginning, so that a
//! list of each thread names them. Calls of coroutine functions take turns in a thread, so that a
//! context variable names them. While no such call is around a plain one, the context variable has
//! the list of the thread, and stays as it is: setting it costs more than all the rest. Code of the
//! call that runs in another thread with a copy of the context then finds this list.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::ffi;
use pyo3::prelude::*;

use crate::gil_cell::GilCell;
use crate::lazy::Lazy;
use crate::reads::recording::Recording;
use crate::reads::{audit, threads};

/// The number of recordings in progress. While it is zero, the audit hook does nothing.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The recordings in progress.
static IN_PROGRESS: GilCell<Vec<Arc<Recording>>> = GilCell::new(Vec::new());

/// The context variable, whose value is a [`Scope`].
static VARIABLE: Lazy<Py<PyAny>> = Lazy::new();

thread_local! {
    /// The recordings of the plain functions that this thread computes.
    static OF_THREAD: Arc<OfThread> = Arc::default();
}

/// The recordings of the plain functions that one thread computes, the innermost last.
///
/// Locked by attached threads only, which neither wait nor run Python code meanwhile.
#[derive(Default)]
struct OfThread(Mutex<Vec<Arc<Recording>>>);

/// The recordings to which code may belong: a value of the context variable.
#[pyclass(frozen, module = "funes._funes")]
struct Scope(Within);

#[derive(Clone)]
enum Within {
    /// The call of a coroutine function.
    Task(Arc<Recording>),
    /// The innermost call of a plain function in a thread.
    Thread(Arc<OfThread>),
}

/// A recording in progress, and what resets the context variable.
pub(crate) struct Running {
    recording: Arc<Recording>,
    token: Option<Py<PyAny>>,
}

/// Returns whether a recording is in progress.
#[inline]
pub(super) fn are_any() -> bool {
    COUNT.load(Ordering::Relaxed) > 0
}

/// Returns the recordings to which the code that runs belongs: usually one or none. A thread that an
/// earlier call has started and that goes on, such as that of a pool, may work for any call.
pub(crate) fn current(py: Python<'_>) -> Vec<Arc<Recording>> {
    if !are_any() {
        return Vec::new();
    }
    let plain = OF_THREAD.try_with(|own| own.innermost()).ok().flatten();
    let (task, elsewhere) = match of_context(py).map(|scope| scope.get().0.clone()) {
        Some(Within::Task(recording)) => (in_progress(recording), None),
        Some(Within::Thread(other)) => (None, other.innermost()),
        None => (None, None),
    };
    match (task, plain) {
        // An event loop within the plain call resumes the task of another call.
        (Some(task), Some(plain)) if !plain.is_within(&task) && !task.is_within(&plain) => return vec![task, plain],
        (Some(task), Some(plain)) => return vec![if plain.is_within(&task) { plain } else { task }],
        (Some(only), None) | (None, Some(only)) => return vec![only],
        (None, None) => {}
    }
    if let Some(plain) = elsewhere {
        return vec![plain];
    }
    let all = || IN_PROGRESS.with(py, |all| all.clone());
    match threads::Origin::of_thread(py, all) {
        threads::Origin::Call(recording) => in_progress(recording).map_or_else(all, |recording| vec![recording]),
        threads::Origin::OneOf(recordings) => recordings,
    }
}

/// Returns a recording, or the innermost one around it that is in progress.
fn in_progress(recording: Arc<Recording>) -> Option<Arc<Recording>> {
    let mut recording = recording;
    while !recording.is_in_progress.load(Ordering::Relaxed) {
        recording = recording.parent.clone()?;
    }
    Some(recording)
}

/// Returns the value of the context variable, if it has one.
fn of_context(py: Python<'_>) -> Option<Bound<'_, Scope>> {
    let variable = VARIABLE.get()?;
    let mut value = ptr::null_mut();
    // SAFETY: the variable is a context variable; the pointer to the result is valid. The result is
    // an owned reference, or null if the variable has no value.
    let found = unsafe {
        if ffi::PyContextVar_Get(variable.as_ptr(), ptr::null_mut(), &raw mut value) < 0 {
            drop(PyErr::take(py));
            return None;
        }
        Bound::from_owned_ptr_or_opt(py, value)
    };
    found?.cast_into().ok()
}

/// Sets the context variable. Returns what resets it.
fn set_context(py: Python<'_>, within: Within) -> PyResult<Py<PyAny>> {
    let variable = VARIABLE.get_or_try_init(py, || {
        // SAFETY: the name is a C string, and there is no default value.
        unsafe {
            let made = ffi::PyContextVar_New(c"funes.recording".as_ptr(), ptr::null_mut());
            Bound::from_owned_ptr_or_err(py, made).map(Bound::unbind)
        }
    })?;
    let value = Bound::new(py, Scope(within))?;
    // SAFETY: both are objects of the right kinds. The result is an owned reference, or null with an
    // error.
    unsafe {
        let token = ffi::PyContextVar_Set(variable.as_ptr(), value.as_ptr());
        Bound::from_owned_ptr_or_err(py, token).map(Bound::unbind)
    }
}

impl OfThread {
    fn all(&self) -> MutexGuard<'_, Vec<Arc<Recording>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn innermost(&self) -> Option<Arc<Recording>> {
        self.all().last().cloned()
    }

    /// Removes a recording. If calls took turns nevertheless, as in greenlets, what those that began
    /// later have found counts for it too.
    fn remove(&self, recording: &Arc<Recording>) {
        let mut all = self.all();
        let Some(position) = all.iter().rposition(|each| Arc::ptr_eq(each, recording)) else { return };
        let removed = all.remove(position);
        let later: Vec<_> = all.get(position..).unwrap_or_default().to_vec();
        drop(all);
        for each in later {
            each.pass_on(&removed);
        }
    }
}

impl Running {
    /// Begins to record. `ignores`: the files do not count. `is_async`: the function is a coroutine
    /// function.
    #[inline(never)] // so that a test can count its instructions
    pub(crate) fn begin(py: Python<'_>, ignores: bool, is_async: bool) -> PyResult<Self> {
        audit::register(py)?;
        let parent = current(py).pop();
        let recording = Recording::new(
            parent,
            ignores,
            #[cfg(not(Py_3_12))]
            threads::running(py)?,
        );
        let token = if is_async {
            Some(set_context(py, Within::Task(recording.clone()))?)
        } else {
            OF_THREAD.with(|own| {
                let before = of_context(py);
                let before = before.as_ref().map(|scope| &scope.get().0);
                let is_own = matches!(before, Some(Within::Thread(each)) if Arc::ptr_eq(each, own));
                let token = if is_own { None } else { Some(set_context(py, Within::Thread(own.clone()))?) };
                own.all().push(recording.clone());
                // Without a value before, the list may stay.
                PyResult::Ok(token.filter(|_| before.is_some()))
            })?
        };
        IN_PROGRESS.with(py, |all| all.push(recording.clone()));
        COUNT.fetch_add(1, Ordering::Relaxed);
        Ok(Self { recording, token })
    }

    /// Ends the recording, and passes it on to the call from which this one was made.
    #[inline(never)] // so that a test can count its instructions
    pub(crate) fn end(mut self, py: Python<'_>) -> Arc<Recording> {
        let recording = self.recording.clone();
        recording.is_in_progress.store(false, Ordering::Relaxed);
        COUNT.fetch_sub(1, Ordering::Relaxed);
        let _ended = IN_PROGRESS.with(py, |all| {
            let position = all.iter().rposition(|each| Arc::ptr_eq(each, &recording));
            position.map(|position| all.swap_remove(position))
        });
        #[cfg(not(Py_3_12))]
        if let Some(threads) = &recording.threads {
            threads.bind(py).clear();
        }
        OF_THREAD.with(|own| own.remove(&recording));
        if let (Some(variable), Some(token)) = (VARIABLE.get(), self.token.take()) {
            // SAFETY: the token is that of the variable. It fails if a coroutine goes on in another
            // context; then the value stays there, and is ignored since the recording has ended.
            if unsafe { ffi::PyContextVar_Reset(variable.as_ptr(), token.as_ptr()) } < 0 {
                drop(PyErr::take(py));
            }
        }
        if let Some(parent) = recording.parent.clone().and_then(in_progress) {
            recording.pass_on(&parent);
        }
        recording
    }
}

/// Notes that the working directory of the process is about to change.
pub(super) fn leave_folder(py: Python<'_>) {
    for recording in IN_PROGRESS.with(py, |all| all.clone()) {
        recording.leave_folder();
    }
}
