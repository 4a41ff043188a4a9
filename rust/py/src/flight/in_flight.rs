//! Tracks in-flight calls: the calls that this process is computing right now, at most one per
//! cache key.
//!
//! This file is the uncontended path. `funes/_call/single_flight.py` waits for another thread, task
//! or process.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyException;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::flight::key_lock::KeyLock;
use crate::gil_cell::GilCell;
use crate::lazy::Lazy;

/// A call whose key this process computes, or expects another process to compute.
///
/// `key` is the folder of the definition's entries and the argument digest. If symbolic links give
/// the folder several names, it becomes the name by which this process opened the lock file.
/// `is_async` is true for a task of an event loop, which does not block its thread while it waits.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct InFlightCall {
    #[pyo3(get)]
    key: Py<PyTuple>,
    #[pyo3(get)]
    is_async: bool,
    /// The thread that created the call, as numbered by `threading.get_ident`.
    #[pyo3(get)]
    thread: u64,
    /// The in-flight call that made this call. It cannot end before this one.
    parent: GilCell<Option<Py<InFlightCall>>>,
    /// Excludes other processes.
    lock: Py<KeyLock>,
    /// False if another thread of this process holds the key.
    is_leader: AtomicBool,
    /// In-flight calls that must end before this one can continue.
    waits_for: Lazy<Py<PyList>>,
    /// Called once, when this call ends.
    wakers: Lazy<Py<PyList>>,
    /// Waits for the lock while another process holds it.
    lock_waiter: GilCell<Option<Py<PyAny>>>,
    is_over: AtomicBool,
    has_succeeded: AtomicBool,
}

/// Returns the number of this thread, as `threading.get_ident` does.
#[allow(clippy::useless_conversion, reason = "Windows has 32 bits here")]
fn this_thread() -> u64 {
    // SAFETY: any thread may call this function.
    unsafe { ffi::PyThread_get_thread_ident() }.into()
}

/// State that all in-flight calls of this process share.
struct InFlightCalls {
    /// The in-flight calls by key. The call that inserts itself where there is none becomes the
    /// leader: no mutex is needed, which a child could inherit locked after a fork.
    by_key: Py<PyDict>,
    /// The threads that wait for other processes, at most one per key. A call that finds one does
    /// not lock the key, since the thread would release the lock: one process has one lock.
    lock_waiters: Py<PyDict>,
    /// A context variable: the in-flight call within which the present code runs.
    current: Py<PyAny>,
}

impl InFlightCalls {
    fn get(py: Python<'_>) -> PyResult<&'static Self> {
        static CALLS: Lazy<InFlightCalls> = Lazy::new();
        CALLS.get_or_try_init(py, || {
            // SAFETY: the thread is attached; the name is a C string; null means that there is no
            // default.
            let current = unsafe {
                let variable = ffi::PyContextVar_New(c"funes_in_flight_call".as_ptr(), std::ptr::null_mut());
                Bound::from_owned_ptr_or_err(py, variable)?
            };
            Ok(Self {
                by_key: PyDict::new(py).unbind(),
                lock_waiters: PyDict::new(py).unbind(),
                current: current.unbind(),
            })
        })
    }

    /// Returns the in-flight call within which the present code runs, unless it is over.
    fn current<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, InFlightCall>>> {
        let mut value = std::ptr::null_mut();
        // SAFETY: the thread is attached, and `current` is a context variable. The value is an
        // owned reference, or null if there is none.
        let value = unsafe {
            if ffi::PyContextVar_Get(self.current.as_ptr(), std::ptr::null_mut(), &raw mut value) < 0 {
                return Err(PyErr::fetch(py));
            }
            Bound::from_owned_ptr_or_opt(py, value)
        };
        let mut flight = value.and_then(|value| value.cast_into::<InFlightCall>().ok());
        while let Some(over) = flight.as_ref().filter(|flight| flight.get().is_over()) {
            let parent = over.get().parent(py);
            flight = parent.map(|parent| parent.into_bound(py));
        }
        Ok(flight)
    }

    /// Marks the code that follows as part of an in-flight call.
    ///
    /// This is never undone: a call that is over no longer counts. A context keeps the last call
    /// until the next.
    fn set_current(&self, flight: &Bound<'_, InFlightCall>) -> PyResult<()> {
        let py = flight.py();
        // SAFETY: the thread is attached, and `current` is a context variable. The token is not
        // needed.
        let token = unsafe { ffi::PyContextVar_Set(self.current.as_ptr(), flight.as_ptr()) };
        // SAFETY: the token is an owned reference, or null with an error set.
        unsafe { Bound::from_owned_ptr_or_err(py, token) }.map(drop)
    }
}

impl InFlightCall {
    /// Returns whether the lock file lies on a disk of this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.lock.get().is_local()
    }
}

#[pymethods]
impl InFlightCall {
    /// Creates a call of the present code, which does not hold the key yet.
    #[new]
    pub(crate) fn new(key: Bound<'_, PyTuple>, is_async: bool) -> PyResult<Self> {
        let py = key.py();
        let (folder, arguments): (PathBuf, Bound<'_, PyString>) = key.extract()?;
        let lock = KeyLock::new(folder, arguments.to_str()?)?;
        let key = match lock.other_name() {
            Some(folder) => (folder.into_os_string(), arguments).into_pyobject(py)?,
            None => key,
        };
        Ok(Self {
            parent: GilCell::new(InFlightCalls::get(py)?.current(py)?.map(Bound::unbind)),
            key: key.unbind(),
            is_async,
            thread: this_thread(),
            lock: Py::new(py, lock)?,
            is_leader: AtomicBool::new(false),
            waits_for: Lazy::new(),
            wakers: Lazy::new(),
            lock_waiter: GilCell::new(None),
            is_over: AtomicBool::new(false),
            has_succeeded: AtomicBool::new(false),
        })
    }

    /// The in-flight calls of this process, by key.
    #[classattr]
    fn by_key(py: Python<'_>) -> PyResult<Py<PyDict>> {
        Ok(InFlightCalls::get(py)?.by_key.clone_ref(py))
    }

    /// The threads that wait for other processes, by key.
    #[classattr]
    fn lock_waiters(py: Python<'_>) -> PyResult<Py<PyDict>> {
        Ok(InFlightCalls::get(py)?.lock_waiters.clone_ref(py))
    }

    /// Takes the key, and returns whether the call may proceed without waiting, as it nearly always
    /// may.
    pub(crate) fn take(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let (py, flight) = (slf.py(), slf.get());
        let calls = InFlightCalls::get(py)?;
        let key = flight.key.bind(py);
        let mut parent = flight.parent(py);
        while let Some(other) = parent {
            if key.eq(&other.get().key)? {
                return Ok(true); // recursion with the same arguments
            }
            parent = other.get().parent(py);
        }
        let mut present = std::ptr::null_mut();
        // SAFETY: the thread is attached; the arguments are a dict, a key and a value. The result
        // is an owned reference, or null with an error set.
        let present = unsafe {
            ffi::compat::PyDict_SetDefaultRef(calls.by_key.as_ptr(), key.as_ptr(), slf.as_ptr(), &raw mut present);
            Bound::from_owned_ptr_or_err(py, present)?
        };
        if !present.is(slf) || calls.lock_waiters.bind(py).contains(key)? {
            return Ok(false);
        }
        flight.is_leader.store(true, Ordering::Relaxed);
        Ok(flight.lock.get().acquire(py) != Some(false))
    }

    /// Marks the code that follows as part of this call.
    pub(crate) fn enter(slf: &Bound<'_, Self>) -> PyResult<()> {
        InFlightCalls::get(slf.py())?.set_current(slf)
    }

    /// Ends the call, unless it is over, and wakes the waiting calls.
    ///
    /// `has_succeeded` tells them that there may be a result now.
    pub(crate) fn end(slf: &Bound<'_, Self>, has_succeeded: bool) -> PyResult<()> {
        let (py, flight) = (slf.py(), slf.get());
        if flight.is_over() {
            return Ok(());
        }
        flight.has_succeeded.store(has_succeeded, Ordering::Relaxed);
        flight.lock.get().release(py);
        let calls = InFlightCalls::get(py)?;
        let by_key = calls.by_key.bind(py);
        if by_key.get_item(&flight.key)?.is_some_and(|other| other.is(slf)) {
            by_key.del_item(&flight.key)?;
        }
        flight.is_over.store(true, Ordering::Release);
        let mut interrupted = None;
        if let Some(wakers) = flight.wakers.get() {
            // They are woken one by one, since a waiting call may remove its waker meanwhile. A
            // call that cannot be woken, for instance because its recursion is too deep or its
            // event loop is closed, checks from time to time.
            while let Ok(waker) = wakers.bind(py).call_method0("pop") {
                if let Err(error) = waker.call0()
                    && !error.is_instance_of::<PyException>(py)
                {
                    interrupted.get_or_insert(error);
                }
            }
        }
        interrupted.map_or(Ok(()), Err)
    }

    #[getter]
    fn parent(&self, py: Python<'_>) -> Option<Py<Self>> {
        self.parent.with(py, |parent| parent.as_ref().map(|parent| parent.clone_ref(py)))
    }

    #[getter]
    fn lock(&self, py: Python<'_>) -> Option<Py<KeyLock>> {
        self.is_leader.load(Ordering::Relaxed).then(|| self.lock.clone_ref(py))
    }

    #[getter]
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    #[getter]
    fn has_succeeded(&self) -> bool {
        self.has_succeeded.load(Ordering::Relaxed)
    }

    #[getter]
    fn waits_for(&self, py: Python<'_>) -> Py<PyList> {
        self.waits_for.get_or_init(py, || PyList::empty(py).unbind()).clone_ref(py)
    }

    #[getter]
    fn wakers(&self, py: Python<'_>) -> Py<PyList> {
        self.wakers.get_or_init(py, || PyList::empty(py).unbind()).clone_ref(py)
    }

    #[getter]
    fn lock_waiter(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.lock_waiter.with(py, |lock_waiter| lock_waiter.as_ref().map(|lock_waiter| lock_waiter.clone_ref(py)))
    }

    #[setter]
    fn set_lock_waiter(&self, py: Python<'_>, lock_waiter: Option<Py<PyAny>>) {
        let _before = self.lock_waiter.with(py, |present| std::mem::replace(present, lock_waiter));
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: the collector runs in an attached thread.
        let py = unsafe { Python::assume_attached() };
        self.parent.try_with(py, |parent| visit.call(&*parent)).unwrap_or(Ok(()))?;
        for list in [&self.waits_for, &self.wakers] {
            list.get().map_or(Ok(()), |list| visit.call(list))?;
        }
        self.lock_waiter
            .try_with(py, |lock_waiter| lock_waiter.as_ref().map_or(Ok(()), |lock_waiter| visit.call(lock_waiter)))
            .unwrap_or(Ok(()))
    }
}

impl Drop for InFlightCall {
    /// Drops the chain of parents iteratively. A deep recursion whose context outlives it leaves a
    /// chain longer than the stack could drop recursively.
    fn drop(&mut self) {
        thread_local! {
            /// The calls that this thread still has to drop, while it drops a chain.
            static PENDING: RefCell<Option<Vec<Py<InFlightCall>>>> = const { RefCell::new(None) };
        }
        // SAFETY: the interpreter frees an object in an attached thread.
        let py = unsafe { Python::assume_attached() };
        let mut parent = self.parent.with(py, Option::take);
        if parent.is_none() {
            return;
        }
        // When a thread ends, there is no list any more, and no long chain.
        let is_first = PENDING.try_with(|pending| {
            let mut pending = pending.borrow_mut();
            let is_first = pending.is_none();
            pending.get_or_insert_default().extend(parent.take());
            is_first
        });
        if is_first == Ok(true) {
            while let Some(flight) = PENDING.with_borrow_mut(|pending| pending.as_mut().and_then(Vec::pop)) {
                drop(flight); // pushes its parent
            }
            PENDING.set(None);
        }
    }
}
