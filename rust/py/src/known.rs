//! Definitions of functions and classes that come up as values, kept from one call to the next.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use rustc_hash::FxHashMap;

use crate::definition::{Definition, is_reachable};
use crate::refusal::Walked;

/// How many definitions are kept. Only what its module holds by name is kept, so a program rarely has more.
const LIMIT: usize = 4096;

struct Known {
    /// `None` for what counts by its name only.
    definition: Option<Arc<Definition>>,
    _object: Py<PyAny>,
}

/// An address, as a number: it is compared only.
type Address = usize;

static KNOWN: Mutex<Option<FxHashMap<Address, Known>>> = Mutex::new(None);

/// The definition of `object`, or `None` if it counts by its name only.
pub(crate) fn definition(object: &Bound<'_, PyAny>) -> Walked<Option<Arc<Definition>>> {
    let py = object.py();
    let address = object.as_ptr() as Address;
    let found = locked(|known| known.get(&address).map(|known| known.definition.clone()));
    match found {
        Some(None) => return Ok(None),
        Some(Some(definition)) if definition.holds(py) => return Ok(Some(definition)),
        _ => {}
    }
    let is_reachable = is_reachable(object);
    let definition = Definition::of(object, is_reachable)?;
    if is_reachable {
        let known = Known { definition: definition.clone(), _object: object.clone().unbind() };
        // What is replaced is dropped outside the lock: dropping may run the user's code.
        let _replaced = locked(|all| {
            let cleared = if all.len() >= LIMIT { std::mem::take(all) } else { FxHashMap::default() };
            (all.insert(address, known), cleared)
        });
    }
    Ok(definition)
}

/// No Python code runs inside `work`, so nobody waits long and nobody waits for himself.
fn locked<T>(work: impl FnOnce(&mut FxHashMap<Address, Known>) -> T) -> T {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    work(known.get_or_insert_default())
}
