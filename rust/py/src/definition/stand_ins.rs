//! Distinguishes objects that count by type only from the objects that replace them in the same process.
//!
//! A global that cannot be hashed counts by its type. If another object of the same type replaces it, results may
//! differ. So each replacement counts by its type and a number that is unique among processes.

use std::hash::{BuildHasher, Hasher, RandomState};

use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use rustc_hash::FxHashMap;

use crate::gil_cell::GilCell;
use crate::lazy::Lazy;

/// A reference to an object: weak, or strong if the type does not support weak references.
enum Reference {
    Weak(Py<PyWeakrefReference>),
    Strong(Py<PyAny>),
}

impl Reference {
    fn to(object: &Bound<'_, PyAny>) -> Self {
        PyWeakrefReference::new(object)
            .map_or_else(|_| Self::Strong(object.clone().unbind()), |weak| Self::Weak(weak.unbind()))
    }

    fn is_to(&self, object: &Bound<'_, PyAny>) -> bool {
        match self {
            Self::Weak(weak) => weak.bind(object.py()).upgrade().is_some_and(|referent| referent.is(object)),
            Self::Strong(strong) => strong.is(object),
        }
    }

    fn is_dead(&self, py: Python<'_>) -> bool {
        matches!(self, Self::Weak(weak) if weak.bind(py).upgrade().is_none())
    }
}

/// The objects that were found in one place, with their numbers.
#[derive(Default)]
struct Met {
    objects: Vec<(usize, Reference)>,
    next: usize,
}

static PLACES: GilCell<Option<FxHashMap<String, Met>>> = GilCell::new(None);

/// Returns the unique number of a replacement; `None` for the first object that was found in a place.
///
/// `place`: a text of the code that refers to the object, the label of the reference, and the type.
pub(crate) fn replacement(place: &str, object: &Bound<'_, PyAny>) -> Option<String> {
    let py = object.py();
    // Removed from the table while weak references are followed, which may run code.
    let mut met = PLACES.with(py, |places| places.get_or_insert_default().remove(place)).unwrap_or_default();
    let known = met.objects.iter().find(|(_, reference)| reference.is_to(object)).map(|(number, _)| *number);
    let number = known.unwrap_or(met.next);
    if known.is_none() {
        met.objects.retain(|(_, reference)| !reference.is_dead(py));
        met.objects.push((number, Reference::to(object)));
        met.next += 1;
    }
    let _replaced = PLACES.with(py, |places| places.get_or_insert_default().insert(place.to_owned(), met));
    (number > 0).then(|| format!("{} {number}", process(py)))
}

/// Returns a random number that identifies this process.
fn process(py: Python<'_>) -> &String {
    static PROCESS: Lazy<String> = Lazy::new();
    PROCESS.get_or_init(py, || {
        let random = || RandomState::new().build_hasher().finish();
        format!("{:016x}{:016x}", random(), random())
    })
}
