//! The seal of a definition: what is compared at a hit instead of the guards, as long as nothing has changed.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::definition::dict_watch::{self, Watch};
use crate::definition::function_parts::ATTRIBUTES;
use crate::definition::guard::Guard;
use crate::definition::namespace::Namespace;
use crate::definition::plain_contents::PlainContents;
use crate::gil_cell::GilCell;
use crate::hash::walk::Address;

/// A field of a live object, and the address that it must hold.
pub(crate) struct Pin {
    /// The address of the field.
    field: Address,
    then: Address,
}

impl Pin {
    /// `field`: a field of an object that the definition keeps alive.
    pub(crate) fn new(field: *const *mut ffi::PyObject, then: *mut ffi::PyObject) -> Self {
        Self { field: field.addr(), then: then.addr() }
    }

    /// Returns the pin of the class of an object.
    pub(crate) fn class_of(object: &Py<PyAny>, class: &Py<PyType>) -> Self {
        // SAFETY: the object is alive.
        let field = unsafe { &raw const (*object.as_ptr()).ob_type };
        Self::new(field.cast(), class.as_ptr())
    }

    #[inline]
    fn holds(&self) -> bool {
        // SAFETY: see `new`. Without the GIL the interpreter writes the field as a whole. The address is only compared.
        unsafe { AtomicUsize::from_ptr(self.field as *mut Address) }.load(Ordering::Relaxed) == self.then
    }
}

/// A function, and the addresses that its fields must hold.
pub(crate) struct FunctionPin {
    /// The address of the function, which the definition keeps alive.
    pub(crate) function: Address,
    /// Name, qualified name, code, defaults, keyword defaults and closure, which lie side by side.
    pub(crate) then: [Address; ATTRIBUTES],
    pub(crate) attributes: Address,
}

impl FunctionPin {
    #[inline]
    fn holds(&self) -> bool {
        let function = self.function as *const ffi::PyFunctionObject;
        let holds = |field: *const *mut ffi::PyObject, then: Address| {
            // SAFETY: a field of a live object. Without the GIL the interpreter writes it as a whole. The address is only
            // compared.
            unsafe { AtomicUsize::from_ptr(field.cast_mut().cast()) }.load(Ordering::Relaxed) == then
        };
        // SAFETY: the function is alive, and has the layout of this struct.
        let (fields, attributes) = unsafe { (&raw const (*function).func_name, &raw const (*function).func_dict) };
        // One by one: as a block they would be copied first, which takes 7 ns.
        self.then.iter().enumerate().all(|(part, &then)| holds(fields.wrapping_add(part), then))
            && holds(attributes, self.attributes)
    }
}

/// The watched names and the compared fields, by which changes are noticed.
#[derive(Default)]
pub(crate) struct Signs {
    pub(crate) watch: Watch,
    pub(crate) functions: Vec<FunctionPin>,
    pub(crate) pins: Vec<Pin>,
    /// Objects whose addresses must not be reused.
    pub(crate) kept: Vec<Py<PyAny>>,
}

/// The state that a hit compares instead of the guards.
pub(crate) struct Seal {
    /// The epoch under which all guards held; 0 for none.
    epoch: AtomicU64,
    signs: Signs,
    /// The contents of containers with constants when all guards held.
    contents: GilCell<PlainContents>,
    has_contents: bool,
    /// The positions of the namespaces that are not watched, and are compared each time.
    pub(crate) other_namespaces: Box<[usize]>,
    /// The positions of the guards that are compared each time.
    pub(crate) other_guards: Box<[usize]>,
    /// The positions of the guards of containers with constants.
    plain: Box<[usize]>,
}

impl Seal {
    /// Begins to watch everything that the guards compare.
    pub(crate) fn new(py: Python<'_>, namespaces: &[Namespace], guards: &[Guard]) -> Self {
        let (mut signs, mut plain) = (Signs::default(), Vec::new());
        let other_namespaces =
            (0..namespaces.len()).filter(|&position| !namespaces[position].watch(py, &mut signs)).collect();
        let other_guards = (0..guards.len())
            .filter(|&position| {
                let guard = &guards[position];
                let is_plain = guard.record(py, &mut PlainContents::default());
                if is_plain {
                    plain.push(position);
                }
                !is_plain && !guard.watch(py, &mut signs)
            })
            .collect();
        Self {
            epoch: AtomicU64::new(0),
            signs,
            contents: GilCell::default(),
            has_contents: !plain.is_empty(),
            other_namespaces,
            other_guards,
            plain: plain.into(),
        }
    }

    /// True if nothing that is watched, pinned or recorded has changed since all guards held.
    #[inline]
    pub(crate) fn is_whole(&self, py: Python<'_>) -> bool {
        self.epoch.load(Ordering::Relaxed) == dict_watch::epoch()
            && self.signs.functions.iter().all(FunctionPin::holds)
            && self.signs.pins.iter().all(Pin::holds)
            && (!self.has_contents || self.contents.with(py, |contents| contents.hold(py)))
    }

    /// Records what is compared from now on, before the guards are compared; None if a container holds other things than
    /// constants.
    pub(crate) fn record(&self, py: Python<'_>, guards: &[Guard]) -> Option<(u64, PlainContents)> {
        let epoch = dict_watch::epoch_before();
        let mut contents = PlainContents::default();
        self.plain.iter().all(|&position| guards[position].record(py, &mut contents)).then_some((epoch, contents))
    }

    /// Seals the definition after all guards held.
    pub(crate) fn renew(&self, py: Python<'_>, (epoch, contents): (u64, PlainContents)) {
        let _dropped = self.contents.with(py, |present| std::mem::replace(present, contents));
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        self.signs.kept.iter().try_for_each(|object| visit.call(object))?;
        // SAFETY: the collector runs in an attached thread.
        let py = unsafe { Python::assume_attached() };
        self.contents.try_with(py, |contents| contents.traverse(visit)).unwrap_or(Ok(()))
    }
}
