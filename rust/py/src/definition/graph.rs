//! Builds the graph of a definition from the descriptions of `funes._code.describe`, and hashes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use funes_core::digest::Digest;
use funes_core::domain::Domain;
use funes_core::encode::Sealed;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rustc_hash::FxHashSet;

use crate::definition::changed_state::{self, Counted, Difference};
use crate::definition::changing::Changing;
use crate::definition::classes::Classes;
use crate::definition::description::describe;
pub(crate) use crate::definition::description::{Attributes, Described};
use crate::definition::findings::{Findings, Way};
use crate::definition::guard::{self, Guard};
use crate::definition::guards::Guards;
use crate::definition::namespace::Namespaces;
use crate::definition::nodes::watch;
use crate::definition::report::{self, Record};
use crate::definition::state_changes::is_stated;
use crate::errors::quietly;
use crate::hash::reduction::stands_in;
use crate::hash::walk::{Address, Definitions, Digests, ReadParts, Walk, address_of, entangled};
use crate::hash::walk_error::{Culprit, WalkError, Walked};
use crate::hooks;
use crate::lazy::intern;

/// The number of attempts to describe something while other threads change what it depends on. Few, since each call
/// describes it again in the meantime.
const UNCERTAIN_ATTEMPTS: usize = 10;

/// The use of a definition.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The definition is cached: it needs guards. If the module of a function does not have it by name (a closure from
    /// a factory), the objects that it holds must be hashable, since there may be other functions with the same code.
    Kept,
    /// The definition is used once.
    Shown,
    /// The definition distinguishes values: closures, methods of objects. Many of them may have the same code, and only
    /// the objects that they hold distinguish them. So these objects must be hashable, even opaque resources such as
    /// locks and open files, which would count by type as globals.
    Value,
}

/// A definition, with the guards that check that it is still valid.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct Definition {
    pub(crate) digest: Digest,
    /// The names of the library modules to which the code refers.
    pub(crate) modules: Vec<String>,
    /// Warnings about values that count by type only.
    pub(crate) warnings: Vec<String>,
    /// The warning about a container with weak references to its keys, if there is one.
    pub(crate) weak_container: Option<String>,
    /// The number of distrusted helpers when those of this definition were trusted; `None` if it has none.
    trusted: Option<u64>,
    /// The names that statements of the code change.
    pub(crate) changes: FxHashSet<String>,
    /// The functions and classes in it, the root first, for display.
    pub(crate) nodes: Vec<Record>,
    guards: Guards,
    /// The digest of every function and class in it, by address; `kept` keeps them alive.
    pub(crate) known: Digests,
    /// The parts of other code that this code reads, and those that the code which receives it reads.
    pub(crate) read_parts: ReadParts,
    kept: Vec<Py<PyAny>>,
}

impl Definition {
    /// Describes `root` and all code that it uses; `None` if it counts by its name only.
    ///
    /// `read_parts`: the parts of `root` that the code which receives it as a value reads.
    pub(crate) fn of<'py>(
        root: &Bound<'py, PyAny>,
        purpose: Purpose,
        read_parts: ReadParts,
    ) -> Walked<Option<Bound<'py, Self>>> {
        let noted = || changed_state::note_running(root.py()).map_err(WalkError::interrupted);
        let (mut earlier, mut uncertain): (Option<Bound<'py, Self>>, _) = (None, 0);
        // A first change by a call in another thread may have been read before it was recorded.
        for _ in 1..changed_state::ATTEMPTS {
            let before = noted()?;
            let found = Self::as_noted(root, purpose, read_parts);
            if noted()? != before {
                continue;
            }
            let Some((found, is_certain)) = found? else { return Ok(None) };
            if is_certain {
                return Ok(Some(found));
            }
            // The guards of the earlier one were made between two equal descriptions.
            if let Some(earlier) = earlier.filter(|earlier| earlier.get().digest == found.get().digest) {
                return Ok(Some(earlier));
            }
            uncertain += 1;
            if uncertain == UNCERTAIN_ATTEMPTS {
                return Err(WalkError::refused("what it depends on changes while it is described"));
            }
            earlier = Some(found);
        }
        Self::as_noted(root, purpose, read_parts).map(|found| found.map(|(found, _)| found))
    }

    /// Describes `root` with the changes of calls that are recorded now, see [`Self::of`]. Returns with the definition
    /// whether its guards certainly compare what was described: a value may change before its guard is made.
    fn as_noted<'py>(
        root: &Bound<'py, PyAny>,
        purpose: Purpose,
        mut read_parts: ReadParts,
    ) -> Walked<Option<(Bound<'py, Self>, bool)>> {
        let py = root.py();
        let mut findings = Findings::default();
        let mut root_node = None;
        // If one node reads parts of other code, such as docstrings, they count in all nodes, so the graph is described
        // again.
        let walk = loop {
            let mut walk = Walk::new(py, Definitions::open(read_parts));
            walk.run(|walk| {
                findings = Findings::default();
                root_node = walk.own_definition(root)?;
                findings
                    .alone
                    .extend(root_node.filter(|_| purpose != Purpose::Shown).map(|node| (node, Way::default())));
                walk.drain(&mut findings, purpose)
            })?;
            if findings.read_parts & !read_parts == 0 {
                break walk;
            }
            read_parts |= findings.read_parts;
        };
        let Definitions::Open { nodes, watched, .. } = walk.definitions else { return Ok(None) };
        let Some(root_node) = root_node else { return Ok(None) };
        let settled = walk.encoder.settle();
        if !settled.is_complete() {
            return Err(entangled());
        }
        let digests = nodes.iter().filter_map(|(&address, &node)| Some((address, settled.digest(node)?)));
        let known: Digests = Arc::new(digests.collect());
        let Some(digest) = settled.digest(root_node) else { return Ok(None) };
        if purpose != Purpose::Shown {
            trust_memoized(&findings.memoized, &known, read_parts)?;
        }
        let trusted = (!findings.memoized.is_empty()).then(|| DISTRUSTED.load(Ordering::Relaxed));
        let (mut guards, mut records) = (findings.guards, findings.records);
        watch(py, &watched, &mut guards)?;
        let mut is_certain = true;
        let mut patched = Vec::with_capacity(findings.watched.len());
        for watched in findings.watched.into_values() {
            let (found, is_same) = watched.recorded().map_err(WalkError::interrupted)?;
            patched.push(found);
            is_certain &= is_same;
        }
        if purpose != Purpose::Value {
            for changing in findings.values {
                let compared = changing.compared((&known, read_parts), |node| settled.digest(node))?;
                let Some((digest, is_same)) = compared else { continue };
                is_certain &= is_same;
                let Changing { value, name, counted, written, record, reference, .. } = changing;
                let counted = counted.unwrap_or_else(|| {
                    let (snapshot, code) = written;
                    Arc::new(Counted { digest, snapshot, code: code.into_iter().map(Bound::unbind).collect() })
                });
                // The digest is known only now if the value holds functions or classes.
                records[record].references[reference].value.get_or_insert_with(|| counted.digest.to_hex());
                guards.push(Guard::counted(&value, digest, (name, counted), (&known, read_parts)));
            }
            for compute in findings.computed {
                let (guard, is_same) = Guard::computed(&compute, &known, read_parts)?;
                guards.push(guard);
                is_certain &= is_same;
            }
        }
        let records = report::reachable(records, root_node);
        let definition = Self {
            digest,
            modules: findings.modules,
            warnings: findings.warnings,
            weak_container: findings.weak_container,
            trusted,
            changes: findings.changes,
            nodes: records,
            guards: Guards::new(
                py,
                findings.namespaces.into_vec(),
                Classes::new(py, findings.classes, patched),
                guards,
            ),
            known,
            read_parts,
            kept: findings.kept,
        };
        let definition = Bound::new(py, definition).map_err(WalkError::interrupted)?;
        Ok(Some((definition, is_certain)))
    }

    /// Creates the definition of a library function, which counts by its name.
    pub(crate) fn named<'py>(root: &Bound<'py, PyAny>) -> Walked<Bound<'py, Self>> {
        let py = root.py();
        let raised = |error| noting(py, error);
        let mut before = Guard::before(root).map_err(raised)?;
        let description = describe(root, 0)?;
        let mut walk = Walk::new(py, Definitions::settled(None, 0));
        walk.named(&description.name);
        let (mut namespaces, mut guards, mut classes) = (Namespaces::default(), Vec::new(), Vec::new());
        Guard::of(&mut before, &description.reads, &mut namespaces, (&mut guards, &mut classes)).map_err(raised)?;
        let modules = description.modules.try_iter().into_iter().flatten().flatten();
        let definition = Self {
            digest: walk.finish(Domain::Value),
            modules: modules.filter_map(|module| module.extract().ok()).collect(),
            warnings: Vec::new(),
            weak_container: None,
            trusted: None,
            changes: FxHashSet::default(),
            nodes: Vec::new(),
            guards: Guards::new(py, namespaces.into_vec(), Classes::new(py, classes, Vec::new()), guards),
            known: Digests::default(),
            read_parts: 0,
            kept: vec![root.clone().unbind()],
        };
        Bound::new(py, definition).map_err(WalkError::interrupted)
    }

    /// True if the definition is still valid: all guards hold, and so does the guard `added`.
    pub(crate) fn holds(&self, py: Python<'_>, added: Option<&Guard>) -> bool {
        self.trusted.is_none_or(|then| then == DISTRUSTED.load(Ordering::Relaxed))
            && self.guards.hold(py, &self.known, self.read_parts)
            && added.is_none_or(|guard| guard.holds(py, &self.known, self.read_parts))
    }

    /// True if it depends on a name in this namespace, class or cell, or on this value.
    pub(crate) fn depends_on(&self, py: Python<'_>, holder: Address) -> bool {
        self.guards.are_of(py, holder)
    }

    /// Returns the functions and classes in it.
    pub(crate) fn code(&self) -> &[Py<PyAny>] {
        &self.kept
    }

    /// Returns whether statements of this code change all state that differs from the recorded one; none if nothing
    /// differs. The state is that which calls left behind.
    pub(crate) fn changes_what_differs(&self, py: Python<'_>) -> Option<bool> {
        let differences = changed_state::as_it_is(|| self.differences(py));
        (!differences.is_empty()).then(|| differences.iter().all(|difference| is_stated(py, difference, self)))
    }

    /// Returns the differences between the recorded and the current state.
    pub(crate) fn differences(&self, py: Python<'_>) -> Vec<Difference> {
        let mut found = Vec::new();
        self.guards.differences(py, &self.known, self.read_parts, &mut found);
        found
    }
}

#[pymethods]
impl Definition {
    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        for object in &self.kept {
            visit.call(object)?;
        }
        self.guards.traverse(&visit)
    }
}

/// The number of times that a helper was distrusted. Its later results may come from any code, so all definitions with
/// such helpers are described again.
static DISTRUSTED: AtomicU64 = AtomicU64::new(0);

/// Refuses a definition if a helper in it would answer with results of earlier code.
fn trust_memoized(memoized: &[Bound<'_, PyAny>], known: &Digests, read_parts: ReadParts) -> Walked {
    for helper in memoized {
        let Some(digest) = known.get(&address_of(helper)) else { continue };
        let reason: Option<String> = hooks::REASON_FOR_DISTRUST
            .get(helper.py())
            .and_then(|reason| reason.call1((helper, digest.to_hex(), read_parts))?.extract())
            .map_err(|error| WalkError::raised(helper.py(), "asking what a helper has kept", error))?;
        if let Some(reason) = reason {
            DISTRUSTED.fetch_add(1, Ordering::Relaxed);
            return Err(WalkError::refused_as(Culprit::Final, reason));
        }
    }
    Ok(())
}

/// Returns the digest of a definition together with the values of `depends_on=`, and the guard of these values if they
/// can change.
pub(crate) fn with_extras(definition: &Definition, extras: Bound<'_, PyAny>) -> Walked<(Digest, Option<Guard>)> {
    let mut walk = Walk::new(extras.py(), Definitions::settled(Some(definition.known.clone()), definition.read_parts));
    let is_empty = extras.cast::<PyTuple>().is_ok_and(PyTupleMethods::is_empty);
    let mut mark = None;
    walk.run(|walk| {
        walk.encoder.put(Sealed::Digest(definition.digest));
        mark = Some(walk.encoder.mark());
        if is_empty { Ok(()) } else { walk.whole(&extras) }
    })?;
    // The digest of this encoding, since a value may change before the next one.
    let digest = mark.and_then(|mark| walk.encoder.digest_since(&mark)).filter(|_| !guard::is_constant(&extras));
    let guard = digest.map(|digest| Guard::value(extras, digest));
    Ok((walk.finish(Domain::Definition), guard))
}

/// True if the module of `object` has it under its qualified name.
pub(crate) fn is_reachable(object: &Bound<'_, PyAny>) -> bool {
    let py = object.py();
    let text = |attribute| quietly(py, object.getattr(attribute)).and_then(|text| text.extract::<String>().ok());
    match (text(intern!(py, "__module__")), text(intern!(py, "__qualname__"))) {
        (Some(module), Some(name)) => stands_in(object, &module, &name),
        _ => false,
    }
}

pub(crate) fn noting(py: Python<'_>, error: PyErr) -> WalkError {
    WalkError::raised(py, "noting what a definition rests on", error)
}
