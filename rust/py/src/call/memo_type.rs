//! The type of memorious functions: a callable with the vectorcall protocol, which PyO3 cannot
//! create.
//!
//! It is made by hand for one reason: a call arrives with its arguments on the interpreter's stack,
//! without a tuple, a dict or a bound method. The call itself is in [`Core`]. The other methods are
//! Python code, in the class from which the type is derived. Each instance has the core, a
//! `__dict__` and weak references.

use std::ffi::{CString, c_int, c_void};
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use pyo3::Borrowed;
use pyo3::exceptions::{PySystemError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::call::call_args::CallArgs;
use crate::call::core::Core;
use crate::call::trampoline;

/// The memory layout of an instance.
#[repr(C)]
struct Object {
    base: ffi::PyObject,
    vectorcall: ffi::vectorcallfunc,
    /// A [`Core`]; null only while the object is created and after it was cleared.
    core: *mut ffi::PyObject,
    dict: *mut ffi::PyObject,
    weak_references: *mut ffi::PyObject,
}

/// Creates the type. `base` has its Python methods, and no attributes of its own (`__slots__ =
/// ()`).
///
/// A call `type(*args, **kwargs)` passes them to `base._make_core`, whose result is the core, and
/// then to `__init__`.
#[pyfunction]
pub(crate) fn memo_type<'py>(base: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyType>> {
    let member = |name: &'static std::ffi::CStr, kind: c_int, offset: usize| ffi::PyMemberDef {
        name: name.as_ptr(),
        type_code: kind,
        offset: offset.cast_signed(),
        flags: ffi::Py_READONLY,
        doc: ptr::null(),
    };
    // The tables must live as long as the type, which lives as long as the process.
    let members = Box::leak(Box::new([
        member(c"__vectorcalloffset__", ffi::Py_T_PYSSIZET, offset_of!(Object, vectorcall)),
        member(c"__dictoffset__", ffi::Py_T_PYSSIZET, offset_of!(Object, dict)),
        member(c"__weaklistoffset__", ffi::Py_T_PYSSIZET, offset_of!(Object, weak_references)),
        ffi::PyMemberDef::default(),
    ]));
    let attributes = Box::leak(Box::new([
        ffi::PyGetSetDef {
            name: c"_core".as_ptr(),
            get: Some(core_of),
            set: Some(set_core),
            doc: ptr::null(),
            closure: ptr::null_mut(),
        },
        ffi::PyGetSetDef {
            name: c"__dict__".as_ptr(),
            get: Some(ffi::PyObject_GenericGetDict),
            set: Some(ffi::PyObject_GenericSetDict),
            doc: ptr::null(),
            closure: ptr::null_mut(),
        },
        ffi::PyGetSetDef::default(),
    ]));
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_new, new as ffi::newfunc as *mut c_void),
        slot(ffi::Py_tp_call, ffi::PyVectorcall_Call as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as ffi::destructor as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as ffi::traverseproc as *mut c_void),
        slot(ffi::Py_tp_clear, clear as ffi::inquiry as *mut c_void),
        slot(ffi::Py_tp_members, members.as_mut_ptr().cast()),
        slot(ffi::Py_tp_getset, attributes.as_mut_ptr().cast()),
        slot(0, ptr::null_mut()),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT
        | ffi::Py_TPFLAGS_HAVE_GC
        | ffi::Py_TPFLAGS_HAVE_VECTORCALL
        // `object.method(x)` is called as `method(object, x)`.
        | ffi::Py_TPFLAGS_METHOD_DESCRIPTOR;
    let module: String = base.module()?.extract()?;
    let name = CString::new(format!("{module}.{}", base.qualname()?))?;
    let mut spec = ffi::PyType_Spec {
        name: Box::leak(name.into_boxed_c_str()).as_ptr(),
        basicsize: c_int::try_from(size_of::<Object>()).map_err(|_| PyTypeError::new_err("too large"))?,
        itemsize: 0,
        flags: flags as std::ffi::c_uint,
        slots: slots.as_mut_ptr(),
    };
    let bases = PyTuple::new(base.py(), [base])?;
    // SAFETY: the spec is complete and its slots end with a zero; each function has the type that
    // its slot requires; the members lie within `Object`, whose first field is the interpreter's.
    // `base` adds nothing to an object, so that the fields have the stated offsets.
    unsafe {
        if (*base.as_type_ptr()).tp_basicsize.cast_unsigned() != size_of::<ffi::PyObject>() {
            return Err(PyTypeError::new_err("the base must not have attributes of its own"));
        }
        let made = ffi::PyType_FromSpecWithBases(&raw mut spec, bases.as_ptr());
        let made = Bound::from_owned_ptr_or_err(base.py(), made)?.cast_into::<PyType>()?;
        made.setattr("__doc__", base.getattr("__doc__")?)?;
        Ok(made)
    }
}

/// Returns true for the type of memorious functions and its subclasses.
#[pyfunction]
pub(crate) fn is_memo_type(kind: &Bound<'_, PyType>) -> bool {
    // SAFETY: a type outlives its reference, and its slots are set before Python code sees it.
    let made_by = unsafe { (*kind.as_type_ptr()).tp_new };
    made_by.is_some_and(|made_by| ptr::fn_addr_eq(made_by, new as ffi::newfunc))
}

/// Implements `type.__new__`: creates an object with its core.
unsafe extern "C" fn new(
    kind: *mut ffi::PyTypeObject,
    args: *mut ffi::PyObject,
    kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    guarded(|py| {
        // SAFETY: the interpreter calls this with a type, a tuple, and a dict or null. The new
        // object has this module's layout, is zeroed by the allocator, and is not yet visible to
        // other code. The transmute only declares that a thread may be ended within `vectorcall`,
        // which its caller, the interpreter, supports.
        unsafe {
            let args = Bound::from_borrowed_ptr(py, args).cast_into::<PyTuple>()?;
            let kwargs = Bound::from_borrowed_ptr_or_opt(py, kwargs).map(Bound::cast_into::<PyDict>).transpose()?;
            let class = Bound::from_borrowed_ptr(py, kind.cast());
            let core = class.call_method("_make_core", args, kwargs.as_ref())?.cast_into::<Core>()?;
            let allocate = (*kind).tp_alloc.ok_or_else(|| PySystemError::new_err("a type that cannot be made"))?;
            let object = Bound::from_owned_ptr_or_err(py, allocate(kind, 0))?;
            let fields = object.as_ptr().cast::<Object>();
            (&raw mut (*fields).vectorcall)
                .write(std::mem::transmute::<*const (), ffi::vectorcallfunc>(vectorcall as *const ()));
            #[cfg(all(Py_3_14, Py_GIL_DISABLED))]
            if !core.get().is_nested(py)? {
                crate::interpreter::PyUnstable_Object_EnableDeferredRefcount(object.as_ptr());
            }
            (&raw mut (*fields).core).write(core.into_ptr());
            Ok(object)
        }
    })
}

/// Returns the core of a memorious function, which the caller holds, for the time of a call.
///
/// # Safety
///
/// The object is of this type.
#[cfg(not(Py_GIL_DISABLED))]
#[inline]
unsafe fn core_of_call(py: Python<'_>, memo: *mut ffi::PyObject) -> Option<Bound<'_, PyAny>> {
    // SAFETY: guaranteed by the caller.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, (*memo.cast::<Object>()).core) }
}

/// Returns the core of a memorious function, which the caller holds, for the time of a call. References to the core are
/// not counted: all threads that call the function would wait for each other. The core lives as long as the function, see
/// `set_core`.
///
/// # Safety
///
/// The object is of this type.
#[cfg(Py_GIL_DISABLED)]
#[inline]
unsafe fn core_of_call<'a>(py: Python<'_>, memo: *mut ffi::PyObject) -> Option<Borrowed<'a, '_, PyAny>> {
    use std::sync::atomic::{AtomicPtr, Ordering};

    // SAFETY: guaranteed by the caller. `set_core` writes the field atomically.
    unsafe {
        let core = AtomicPtr::from_ptr(&raw mut (*memo.cast::<Object>()).core).load(Ordering::Acquire);
        Borrowed::from_ptr_or_opt(py, core)
    }
}

unsafe extern "C-unwind" fn vectorcall(
    memo: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with an object of this type, and with arguments as in PEP
    // 590, and holds both during the call. The object holds the core as long, unless a collection
    // clears it, which leaves null. A `Py` is a pointer to an object and nothing more. This frame has
    // only copies of pointers.
    unsafe {
        #[cfg(not(Py_GIL_DISABLED))]
        {
            let core = &*(&raw const (*memo.cast::<Object>()).core).cast::<Option<Py<Core>>>();
            if core.as_ref().is_some_and(|core| core.get().has_direct_results()) {
                return call_directly(memo, arguments, count, names);
            }
        }
        call(memo, arguments, count, names)
    }
}

/// Runs a call whose result the direct table may have.
///
/// # Safety
///
/// As for [`vectorcall`].
#[cfg(not(Py_GIL_DISABLED))]
#[inline(never)]
unsafe extern "C-unwind" fn call_directly(
    memo: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: guaranteed by the caller. This frame has only copies of pointers.
    unsafe {
        let output = trampoline::attempt(|py| {
            let core = Bound::from_borrowed_ptr_or_opt(py, (*memo.cast::<Object>()).core)?;
            let call_args = CallArgs::of_vectorcall(py, arguments, count, names);
            core.cast_unchecked::<Core>().get().recall_directly(&call_args)
        });
        if output.is_null() { call(memo, arguments, count, names) } else { output }
    }
}

/// Runs a call whose result the direct table does not have.
///
/// # Safety
///
/// As for [`vectorcall`].
#[inline(never)]
unsafe extern "C-unwind" fn call(
    memo: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: guaranteed by the caller. The interpreter holds the function during the call, so that it is not counted
    // here: without the GIL, the threads that call it would wait for each other. This frame has only copies of pointers.
    unsafe {
        trampoline::run(|py| {
            let Some(core) = core_of_call(py, memo) else {
                return Err(PySystemError::new_err("the function has been collected"));
            };
            let (core, memo) = (core.cast_unchecked::<Core>(), Borrowed::from_ptr(py, memo));
            let call_args = CallArgs::of_vectorcall(py, arguments, count, names);
            core.get().call::<false>(&memo, &call_args)
        })
    }
}

unsafe extern "C" fn core_of(memo: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    guarded(|py| {
        // SAFETY: the interpreter calls this with an object of this type.
        unsafe { Bound::from_borrowed_ptr_or_opt(py, (*memo.cast::<Object>()).core) }
            .ok_or_else(|| PySystemError::new_err("the function has been collected"))
    })
}

/// Replaces the core of a memorious function. A call in progress holds the core with which it
/// began.
unsafe extern "C" fn set_core(memo: *mut ffi::PyObject, value: *mut ffi::PyObject, _: *mut c_void) -> c_int {
    let done = guarded(|py| {
        // SAFETY: the interpreter calls this with an object of this type, and with a value or null.
        let core = unsafe { Bound::from_borrowed_ptr_or_opt(py, value) };
        let core = core.and_then(|core| core.cast_into::<Core>().ok());
        let core = core.ok_or_else(|| PyTypeError::new_err("the core of a memorious function is a Core"))?;
        // SAFETY: the object is of this type. The field has the new value before the old one is
        // released, which may run any code.
        unsafe {
            let field = &raw mut (*memo.cast::<Object>()).core;
            #[cfg(not(Py_GIL_DISABLED))]
            ffi::Py_XDECREF(field.replace(core.into_ptr()));
            // Another thread may be about to use the former core, so it is never released. A core is
            // replaced only when a notebook reloads the module.
            #[cfg(Py_GIL_DISABLED)]
            std::sync::atomic::AtomicPtr::from_ptr(field).store(core.into_ptr(), std::sync::atomic::Ordering::Release);
        }
        Ok(py.None().into_bound(py))
    });
    if done.is_null() {
        return -1;
    }
    // SAFETY: an owned reference from `guarded`.
    unsafe { ffi::Py_DECREF(done) };
    0
}

/// Runs a slot. A panic, which would be a bug in funes, becomes an exception.
fn guarded<'py>(work: impl FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>>) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls slots from attached threads.
    let py = unsafe { Python::assume_attached() };
    let error = match catch_unwind(AssertUnwindSafe(|| work(py))) {
        Ok(Ok(object)) => return object.into_ptr(),
        Ok(Err(error)) => error,
        Err(_) => trampoline::internal_error(),
    };
    error.restore(py);
    ptr::null_mut()
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: no reference to the object is left. It is removed from the collector before its
    // fields are released. The type, to which each of its objects refers, is released last.
    unsafe {
        let kind = ffi::Py_TYPE(object);
        ffi::PyObject_GC_UnTrack(object.cast());
        if !(*object.cast::<Object>()).weak_references.is_null() {
            ffi::PyObject_ClearWeakRefs(object);
        }
        clear(object);
        if let Some(free) = (*kind).tp_free {
            free(object.cast());
        }
        ffi::Py_DECREF(kind.cast());
    }
}

unsafe extern "C" fn traverse(object: *mut ffi::PyObject, visit: ffi::visitproc, context: *mut c_void) -> c_int {
    // SAFETY: the collector calls this with an object of this type; the visited objects are its own
    // references.
    unsafe {
        let fields = object.cast::<Object>();
        for part in [ffi::Py_TYPE(object).cast(), (*fields).core, (*fields).dict] {
            if !part.is_null() {
                let stop = visit(part, context);
                if stop != 0 {
                    return stop;
                }
            }
        }
    }
    0
}

unsafe extern "C" fn clear(object: *mut ffi::PyObject) -> c_int {
    // SAFETY: the object is alive. Each field is null before its former value is released, which
    // may run any code.
    unsafe {
        let fields = object.cast::<Object>();
        for field in [&raw mut (*fields).core, &raw mut (*fields).dict] {
            let part = field.replace(ptr::null_mut());
            ffi::Py_XDECREF(part);
        }
    }
    0
}
