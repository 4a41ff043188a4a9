//! The seal of a definition: what is compared at a hit instead of the guards, as long as nothing has changed.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyType};

use crate::definition::dict_watch::{self, Watch};
use crate::definition::function_parts::{ATTRIBUTES, attributes_given, part_addresses};
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
    /// The dict of attributes. A function without attributes may get an empty one at any time.
    pub(crate) attributes: AtomicUsize,
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
            && holds(attributes, self.attributes.load(Ordering::Relaxed))
    }

    /// Returns the dict of attributes, if the function has got another one.
    fn other_attributes<'py>(&self, py: Python<'py>) -> Option<PyResult<Bound<'py, PyDict>>> {
        // SAFETY: the address is that of a function that the definition keeps alive.
        let function = unsafe { Bound::from_borrowed_ptr(py, self.function as *mut ffi::PyObject) };
        // SAFETY: see `new` of the pins; the object is a function.
        let function = unsafe { function.cast_into_unchecked::<PyFunction>() };
        let now = part_addresses(&function)[ATTRIBUTES].addr();
        (now != self.attributes.load(Ordering::Relaxed))
            .then(|| attributes_given(&function)?.ok_or_else(|| PyTypeError::new_err("a function lost its attributes")))
    }
}

/// The dicts of attributes that functions have got since the seal was made, with the positions of their pins.
type OtherAttributes = Vec<(usize, Watch, Py<PyDict>)>;

/// What is compared from now on, recorded before the guards are compared.
pub(crate) struct Recorded {
    epoch: u64,
    contents: PlainContents,
    attributes: OtherAttributes,
}

/// The number of dicts of attributes that functions may get. More are compared at each hit.
const MAX_ATTRIBUTES: usize = 64;

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
    /// None is dropped before the seal is: another thread may be about to pin a dict again.
    attributes: GilCell<OtherAttributes>,
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
            attributes: GilCell::default(),
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
    /// constants, or a dict cannot be watched.
    pub(crate) fn record(&self, py: Python<'_>, guards: &[Guard]) -> Option<Recorded> {
        let epoch = dict_watch::epoch_before();
        let mut contents = PlainContents::default();
        if !self.plain.iter().all(|&position| guards[position].record(py, &mut contents)) {
            return None;
        }
        let mut attributes = Vec::new();
        for (position, pin) in self.signs.functions.iter().enumerate() {
            if let Some(dict) = pin.other_attributes(py) {
                let (mut watch, dict) = (Watch::default(), dict.ok()?);
                if !watch.add(&dict, None) {
                    return None;
                }
                attributes.push((position, watch, dict.unbind()));
            }
        }
        Some(Recorded { epoch, contents, attributes })
    }

    /// Seals the definition after all guards held.
    pub(crate) fn renew(&self, py: Python<'_>, Recorded { epoch, contents, attributes }: Recorded) {
        let _dropped = self.contents.with(py, |present| std::mem::replace(present, contents));
        if !attributes.is_empty() {
            let _refused = self.attributes.with(py, |present| {
                if present.len() + attributes.len() > MAX_ATTRIBUTES {
                    return Some(attributes);
                }
                for (position, watch, dict) in attributes {
                    self.signs.functions[position].attributes.store(dict.as_ptr().addr(), Ordering::Relaxed);
                    present.push((position, watch, dict));
                }
                None
            });
        }
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    pub(crate) fn traverse(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        self.signs.kept.iter().try_for_each(|object| visit.call(object))?;
        // SAFETY: the collector runs in an attached thread.
        let py = unsafe { Python::assume_attached() };
        self.attributes
            .try_with(py, |all| all.iter().try_for_each(|(_, _, dict)| visit.call(dict)))
            .unwrap_or(Ok(()))?;
        self.contents.try_with(py, |contents| contents.traverse(visit)).unwrap_or(Ok(()))
    }
}
