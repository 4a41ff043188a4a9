//! Claims: who in this process is about to compute a key.
//!
//! Here is what a call does that has nobody to wait for; how others wait for it is in `funes/_call/single_flight.py`.

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

/// A key that somebody in this process computes, or waits for another process to have computed.
///
/// `place` is the folder of the definition's entries, and the argument hash. Of a folder that several names lead to, behind
/// links, it becomes the one that this process knows its lock file by. `in_task` says that a task of an event loop
/// asks for it, which does not block its thread.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct InFlightCall {
    #[pyo3(get)]
    place: Py<PyTuple>,
    #[pyo3(get)]
    in_task: bool,
    /// The thread that made it, as `threading.get_ident` has it.
    #[pyo3(get)]
    thread: u64,
    /// The claim during which this one was asked for: it cannot end before.
    outer: GilCell<Option<Py<InFlightCall>>>,
    /// Among all processes.
    lock: Py<KeyLock>,
    /// Whether this one has the key among its threads, so that it may lock it.
    is_first: AtomicBool,
    /// Claims of others that have to end before this one can go on.
    awaited: Lazy<Py<PyList>>,
    /// To be called when the claim is over.
    wakers: Lazy<Py<PyList>>,
    /// What waits while another process has the lock.
    lock_waiter: GilCell<Option<Py<PyAny>>>,
    is_over: AtomicBool,
    has_succeeded: AtomicBool,
}

/// As `threading.get_ident` has it.
#[allow(clippy::useless_conversion, reason = "Windows has 32 bits here")]
fn this_thread() -> u64 {
    // SAFETY: any thread may ask for its own number.
    unsafe { ffi::PyThread_get_thread_ident() }.into()
}

/// What all claims share.
struct Claims {
    /// The claims of this process, by place. Whoever puts one in, where there is none, has it: there is no mutex that a fork
    /// could find taken.
    present: Py<PyDict>,
    /// The threads that wait for other processes, at most one for a place: a claim that finds one does not lock the key, as
    /// the thread would give that lock back.
    lock_waiter: Py<PyDict>,
    /// A context variable: the claim during which the running code runs.
    current: Py<PyAny>,
}

impl Claims {
    fn get(py: Python<'_>) -> PyResult<&'static Self> {
        static CLAIMS: Lazy<Claims> = Lazy::new();
        CLAIMS.get_or_try_init(py, || {
            // SAFETY: the thread is attached; the name is a C string; there is no default, which null says.
            let current = unsafe {
                let variable = ffi::PyContextVar_New(c"funes_claim".as_ptr(), std::ptr::null_mut());
                Bound::from_owned_ptr_or_err(py, variable)?
            };
            Ok(Self {
                present: PyDict::new(py).unbind(),
                lock_waiter: PyDict::new(py).unbind(),
                current: current.unbind(),
            })
        })
    }

    /// The claim during which the running code runs, if there is one that is not over.
    fn current<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, InFlightCall>>> {
        let mut value = std::ptr::null_mut();
        // SAFETY: the thread is attached; it is a context variable; the value is the caller's own, or null for none.
        let value = unsafe {
            if ffi::PyContextVar_Get(self.current.as_ptr(), std::ptr::null_mut(), &raw mut value) < 0 {
                return Err(PyErr::fetch(py));
            }
            Bound::from_owned_ptr_or_opt(py, value)
        };
        let mut claim = value.and_then(|value| value.cast_into::<InFlightCall>().ok());
        while let Some(over) = claim.as_ref().filter(|claim| claim.get().is_over()) {
            let outer = over.get().outer(py);
            claim = outer.map(|outer| outer.into_bound(py));
        }
        Ok(claim)
    }

    /// It need not be undone: a claim that is over is none. A context holds the last one until the next.
    fn set_current(&self, claim: &Bound<'_, InFlightCall>) -> PyResult<()> {
        let py = claim.py();
        // SAFETY: the thread is attached; it is a context variable. The token is not needed.
        let token = unsafe { ffi::PyContextVar_Set(self.current.as_ptr(), claim.as_ptr()) };
        // SAFETY: it is the caller's own, or null with an error set.
        unsafe { Bound::from_owned_ptr_or_err(py, token) }.map(drop)
    }
}

impl InFlightCall {
    /// Whether the key was locked in a file on a disk of this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.lock.get().is_local()
    }
}

#[pymethods]
impl InFlightCall {
    /// A claim of the running code, which has nothing yet.
    #[new]
    pub(crate) fn new(place: Bound<'_, PyTuple>, in_task: bool) -> PyResult<Self> {
        let py = place.py();
        let (folder, arguments): (PathBuf, Bound<'_, PyString>) = place.extract()?;
        let lock = KeyLock::new(folder, arguments.to_str()?)?;
        let place = match lock.other_name() {
            Some(folder) => (folder.into_os_string(), arguments).into_pyobject(py)?,
            None => place,
        };
        Ok(Self {
            outer: GilCell::new(Claims::get(py)?.current(py)?.map(Bound::unbind)),
            place: place.unbind(),
            in_task,
            thread: this_thread(),
            lock: Py::new(py, lock)?,
            is_first: AtomicBool::new(false),
            awaited: Lazy::new(),
            wakers: Lazy::new(),
            lock_waiter: GilCell::new(None),
            is_over: AtomicBool::new(false),
            has_succeeded: AtomicBool::new(false),
        })
    }

    /// The claims of this process, by place.
    #[classattr]
    fn present(py: Python<'_>) -> PyResult<Py<PyDict>> {
        Ok(Claims::get(py)?.present.clone_ref(py))
    }

    /// The threads that wait for other processes, by place.
    #[classattr]
    fn waiting_on_lock(py: Python<'_>) -> PyResult<Py<PyDict>> {
        Ok(Claims::get(py)?.lock_waiter.clone_ref(py))
    }

    /// Takes the key: whether there is nobody to wait for, as nearly always.
    pub(crate) fn take(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let (py, claim) = (slf.py(), slf.get());
        let claims = Claims::get(py)?;
        let place = claim.place.bind(py);
        let mut outer = claim.outer(py);
        while let Some(other) = outer {
            if place.eq(&other.get().place)? {
                return Ok(true); // what is being computed asks for itself
            }
            outer = other.get().outer(py);
        }
        let mut present = std::ptr::null_mut();
        // SAFETY: the thread is attached; it is a dict, a key and a value; what comes out is the caller's own, or null with
        // an error set.
        let present = unsafe {
            ffi::compat::PyDict_SetDefaultRef(claims.present.as_ptr(), place.as_ptr(), slf.as_ptr(), &raw mut present);
            Bound::from_owned_ptr_or_err(py, present)?
        };
        if !present.is(slf) || claims.lock_waiter.bind(py).contains(place)? {
            return Ok(false);
        }
        claim.is_first.store(true, Ordering::Relaxed);
        Ok(claim.lock.get().acquire(py) != Some(false))
    }

    /// Lets the code that runs from now on count as running during this claim.
    pub(crate) fn enter(slf: &Bound<'_, Self>) -> PyResult<()> {
        Claims::get(slf.py())?.set_current(slf)
    }

    /// Ends the claim, unless it is over, and lets others go on; `has_succeeded`: there may be a result now.
    pub(crate) fn end(slf: &Bound<'_, Self>, has_succeeded: bool) -> PyResult<()> {
        let (py, claim) = (slf.py(), slf.get());
        if claim.is_over() {
            return Ok(());
        }
        claim.has_succeeded.store(has_succeeded, Ordering::Relaxed);
        claim.lock.get().release(py);
        let claims = Claims::get(py)?;
        let present = claims.present.bind(py);
        if present.get_item(&claim.place)?.is_some_and(|other| other.is(slf)) {
            present.del_item(&claim.place)?;
        }
        claim.is_over.store(true, Ordering::Release);
        let mut interrupted = None;
        if let Some(wakers) = claim.wakers.get() {
            // One by one: who waits may leave just now. Who cannot be woken, as when a recursion is too deep or an event
            // loop is closed, looks from time to time.
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
    fn outer(&self, py: Python<'_>) -> Option<Py<Self>> {
        self.outer.with(py, |outer| outer.as_ref().map(|outer| outer.clone_ref(py)))
    }

    #[getter]
    fn lock(&self, py: Python<'_>) -> Option<Py<KeyLock>> {
        self.is_first.load(Ordering::Relaxed).then(|| self.lock.clone_ref(py))
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
    fn awaited(&self, py: Python<'_>) -> Py<PyList> {
        self.awaited.get_or_init(py, || PyList::empty(py).unbind()).clone_ref(py)
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
        // SAFETY: the collector runs in a thread that is attached.
        let py = unsafe { Python::assume_attached() };
        self.outer.try_with(py, |outer| visit.call(&*outer)).unwrap_or(Ok(()))?;
        for list in [&self.awaited, &self.wakers] {
            list.get().map_or(Ok(()), |list| visit.call(list))?;
        }
        self.lock_waiter
            .try_with(py, |lock_waiter| lock_waiter.as_ref().map_or(Ok(()), |lock_waiter| visit.call(lock_waiter)))
            .unwrap_or(Ok(()))
    }
}

impl Drop for InFlightCall {
    /// Lets go of the outer claims one by one: a deep recursion that a context outlived has more of them than the stack has
    /// room for, if each let go of the next.
    fn drop(&mut self) {
        thread_local! {
            /// What this thread has yet to let go of, while it is at that.
            static LEFT: RefCell<Option<Vec<Py<InFlightCall>>>> = const { RefCell::new(None) };
        }
        // SAFETY: the interpreter lets go of an object in a thread that is attached.
        let py = unsafe { Python::assume_attached() };
        let mut outer = self.outer.with(py, Option::take);
        if outer.is_none() {
            return;
        }
        // At the very end of a thread there is no list, and nothing deep either.
        let is_outermost = LEFT.try_with(|left| {
            let mut left = left.borrow_mut();
            let is_outermost = left.is_none();
            left.get_or_insert_default().extend(outer.take());
            is_outermost
        });
        if is_outermost == Ok(true) {
            while let Some(claim) = LEFT.with_borrow_mut(|left| left.as_mut().and_then(Vec::pop)) {
                drop(claim); // which puts its own outer claim there
            }
            LEFT.set(None);
        }
    }
}
