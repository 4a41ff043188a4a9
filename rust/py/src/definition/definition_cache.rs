//! Caches the definitions of functions and classes that occur in values, such as arguments.

use pyo3::prelude::*;
use rustc_hash::FxHashMap;

use crate::definition::changed_state;
use crate::definition::graph::{Definition, Purpose, is_reachable};
use crate::gil_cell::GilCell;
use crate::hash::walk::{Address, ReadParts, address_of};
use crate::hash::walk_error::Walked;

/// The maximum number of cached definitions. Only objects that their module has by name are cached,
/// so a program rarely has more.
const LIMIT: usize = 4096;

struct CachedDefinition {
    /// `None` if the object counts by its name only.
    definition: Option<Py<Definition>>,
    _object: Py<PyAny>,
}

/// The cache, by address and by the parts of code that are read.
static KNOWN: GilCell<Option<FxHashMap<(Address, ReadParts), CachedDefinition>>> = GilCell::new(None);

/// Returns the definition of `object`, or `None` if it counts by its name only.
///
/// `read_parts`: the parts of `object` that the code which receives it reads.
pub(crate) fn definition<'py>(
    object: &Bound<'py, PyAny>,
    read_parts: ReadParts,
) -> Walked<Option<Bound<'py, Definition>>> {
    let py = object.py();
    let key = (address_of(object), read_parts);
    let found = KNOWN.with(py, |known| {
        let definition = &known.as_ref()?.get(&key)?.definition;
        Some(definition.as_ref().map(|definition| definition.bind(py).clone()))
    });
    match found {
        Some(None) => return Ok(None),
        Some(Some(definition)) if definition.get().holds(py, None) => return Ok(Some(definition)),
        _ => {}
    }
    let is_reachable = is_reachable(object);
    let purpose = if is_reachable { Purpose::Kept } else { Purpose::Value };
    let definition = Definition::of(object, purpose, read_parts)?;
    if is_reachable && !changed_state::is_passing() {
        let known =
            CachedDefinition { definition: definition.clone().map(Bound::unbind), _object: object.clone().unbind() };
        // The replaced entries are dropped outside: dropping objects may run code that uses the table.
        let _replaced = KNOWN.with(py, |all| {
            let all = all.get_or_insert_default();
            let cleared = if all.len() >= LIMIT { std::mem::take(all) } else { FxHashMap::default() };
            (all.insert(key, known), cleared)
        });
    }
    Ok(definition)
}
