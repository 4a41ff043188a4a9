//! Builds the graph of a definition from the descriptions of `funes._code.describe`, and hashes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use funes_core::digest::Digest;
use funes_core::domain::Domain;
use funes_core::encode::{Mark, Sealed, Snapshot};
use funes_core::graph::NodeId;
use funes_core::tags;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyFunction, PyList, PyString, PyTuple, PyType};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::definition::changed_state::{self, Counted, Difference};
use crate::definition::classes::Classes;
use crate::definition::definition_cache;
use crate::definition::guard::{self, Before, Guard, Shape, has_no_attributes, is_fixed};
use crate::definition::namespace::{Namespace, Namespaces};
use crate::definition::patched_classes::Patched;
use crate::definition::report::{self, Record, Reference};
use crate::definition::source;
use crate::definition::stand_ins;
use crate::errors::{self, quietly};
use crate::hash::containers::shown;
use crate::hash::objects::{kind_of, stands_in};
use crate::hash::walk::{Address, Definitions, Digests, Reading, Walk, address_of, entangled};
use crate::hash::walk_error::{Culprit, WalkError, Walked};
use crate::hooks;
use crate::lazy::{field, intern};

/// A function or class of user code that has been described but not encoded yet.
pub(crate) struct Described<'py> {
    object: Bound<'py, PyAny>,
    description: Description<'py>,
    node: NodeId,
    before: Before<'py>,
}

/// A `funes._code.node.Description`, where the fields are documented.
struct Description<'py> {
    kind: String,
    name: String,
    content: Bound<'py, PyAny>,
    references: Bound<'py, PyDict>,
    reads: Bound<'py, PyList>,
    modules: Bound<'py, PyAny>,
    source: String,
    changes: Bound<'py, PyAny>,
    opaque: Bound<'py, PyDict>,
    attributes: Vec<Attributes<'py>>,
    computed: Vec<Computed<'py>>,
    reading: Reading,
    watched: Vec<Watched<'py>>,
}

impl<'py> Description<'py> {
    /// Reads the fields. A derived implementation would keep their names in cells that hang in a child of a fork.
    fn of(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        Ok(Self {
            kind: field(object, intern!(py, "kind"))?,
            name: field(object, intern!(py, "name"))?,
            content: field(object, intern!(py, "content"))?,
            references: field(object, intern!(py, "references"))?,
            reads: field(object, intern!(py, "reads"))?,
            modules: field(object, intern!(py, "modules"))?,
            source: field(object, intern!(py, "source"))?,
            changes: field(object, intern!(py, "changes"))?,
            opaque: field(object, intern!(py, "opaque"))?,
            attributes: field(object, intern!(py, "attributes"))?,
            computed: field(object, intern!(py, "computed"))?,
            reading: field(object, intern!(py, "reading"))?,
            watched: field(object, intern!(py, "watched"))?,
        })
    }
}

/// A dict of attributes, and the names in it that do not count.
pub(crate) type Attributes<'py> = (Bound<'py, PyDict>, Vec<Py<PyString>>);

/// A library class, the attributes that code reads from any object, and true if other attributes count too.
type Watched<'py> = (Bound<'py, PyType>, (Bound<'py, PyFrozenSet>, bool));

/// A function that computes a value, and the attributes that determine this value.
pub(crate) type Computed<'py> = (Bound<'py, PyAny>, Vec<source::Described<'py>>);

/// The maximal number of functions and classes in a definition. More are not written by hand: some objects create
/// further objects at each access, without end.
const NODE_LIMIT: usize = 30_000;

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
    pub(crate) doubts: Vec<String>,
    /// The warning about a container with weak references to its keys, if there is one.
    weakly: Option<String>,
    /// The number of distrusted helpers when those of this definition were trusted; `None` if it has none.
    trusted: Option<u64>,
    /// The names that statements of the code change.
    pub(crate) changes: FxHashSet<String>,
    /// The functions and classes in it, the root first, for display.
    pub(crate) nodes: Vec<Record>,
    namespaces: Vec<Namespace>,
    guards: Vec<Guard>,
    classes: Classes,
    /// The digest of every function and class in it, by address; `kept` keeps them alive.
    pub(crate) known: Digests,
    /// The parts of other code that this code reads, and those that the code which receives it reads.
    pub(crate) reading: Reading,
    kept: Vec<Py<PyAny>>,
}

impl Definition {
    /// Describes `root` and all code that it uses; `None` if it counts by its name only.
    ///
    /// `reading`: the parts of `root` that the code which receives it as a value reads.
    pub(crate) fn of<'py>(
        root: &Bound<'py, PyAny>,
        purpose: Purpose,
        reading: Reading,
    ) -> Walked<Option<Bound<'py, Self>>> {
        let noted = || changed_state::note_running(root.py()).map_err(WalkError::interrupted);
        // A first change by a call in another thread may have been read before it was recorded.
        for _ in 1..changed_state::ATTEMPTS {
            let before = noted()?;
            let found = Self::as_noted(root, purpose, reading);
            if noted()? == before {
                return found;
            }
        }
        Self::as_noted(root, purpose, reading)
    }

    /// Describes `root` with the changes of calls that are recorded now, see [`Self::of`].
    fn as_noted<'py>(
        root: &Bound<'py, PyAny>,
        purpose: Purpose,
        mut reading: Reading,
    ) -> Walked<Option<Bound<'py, Self>>> {
        let py = root.py();
        let mut findings = Findings::default();
        let mut root_node = None;
        // If one node reads parts of other code, such as docstrings, they count in all nodes, so the graph is described
        // again.
        let walk = loop {
            let mut walk = Walk::new(py, Definitions::open(reading));
            walk.run(|walk| {
                findings = Findings::default();
                root_node = walk.own_definition(root)?;
                findings
                    .alone
                    .extend(root_node.filter(|_| purpose != Purpose::Shown).map(|node| (node, Way::default())));
                walk.drain(&mut findings, purpose)
            })?;
            if findings.reading & !reading == 0 {
                break walk;
            }
            reading |= findings.reading;
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
            trust_memoized(&findings.memoized, &known, reading)?;
        }
        let trusted = (!findings.memoized.is_empty()).then(|| DISTRUSTED.load(Ordering::Relaxed));
        let (mut guards, mut records) = (findings.guards, findings.records);
        watch(py, &watched, &mut guards)?;
        let mut patched = Vec::with_capacity(findings.watched.len());
        for (class, names, is_named) in findings.watched.into_values() {
            let found = PyFrozenSet::new(py, names).and_then(|names| Patched::of(&class, &names, is_named));
            patched.push(found.map_err(WalkError::interrupted)?);
        }
        if purpose != Purpose::Value {
            for Changing { value, name, counted, written, digest, is_abridged, record, reference } in findings.values {
                let digest = match digest {
                    Some(digest) => digest,
                    None => match (guard::digest(&value, &known, reading), &counted) {
                        // It is changing right now, so the value from before counts.
                        (Err(WalkError::Refused(_)), Some(counted)) => counted.digest,
                        // Its library objects cannot be hashed, and count by name.
                        (Err(WalkError::Refused(_)), None) if is_abridged => continue,
                        (found, _) => found?,
                    },
                };
                let counted = counted.unwrap_or_else(|| {
                    let (snapshot, code) = written;
                    Arc::new(Counted { digest, snapshot, code: code.into_iter().map(Bound::unbind).collect() })
                });
                // The digest is known only now if the value holds functions or classes.
                records[record].references[reference].value.get_or_insert_with(|| counted.digest.to_hex());
                guards.push(Guard::counted(&value, digest, (name, counted), (&known, reading)));
            }
            for compute in findings.computed {
                guards.push(Guard::computed(&compute, &known, reading)?);
            }
        }
        let records = report::reachable(records, root_node);
        let definition = Self {
            digest,
            modules: findings.modules,
            doubts: findings.doubts,
            weakly: findings.weakly,
            trusted,
            changes: findings.changes,
            nodes: records,
            namespaces: findings.namespaces.into_vec(),
            guards,
            classes: Classes::new(py, findings.classes, patched),
            known,
            reading,
            kept: findings.kept,
        };
        Bound::new(py, definition).map(Some).map_err(WalkError::interrupted)
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
            doubts: Vec::new(),
            weakly: None,
            trusted: None,
            changes: FxHashSet::default(),
            nodes: Vec::new(),
            namespaces: namespaces.into_vec(),
            guards,
            classes: Classes::new(py, classes, Vec::new()),
            known: Digests::default(),
            reading: 0,
            kept: vec![root.clone().unbind()],
        };
        Bound::new(py, definition).map_err(WalkError::interrupted)
    }

    /// Creates a guard for a value in addition to those of the definition.
    pub(crate) fn guard(&self, value: &Bound<'_, PyAny>) -> Walked<Guard> {
        Guard::value(value, &self.known, self.reading)
    }

    /// True if the definition is still valid: all guards hold, and so does the guard `added`.
    pub(crate) fn holds(&self, py: Python<'_>, added: Option<&Guard>) -> bool {
        let holds = |guard: &Guard| guard.holds(py, &self.known, self.reading);
        self.trusted.is_none_or(|then| then == DISTRUSTED.load(Ordering::Relaxed))
            && self.namespaces.iter().all(|namespace| namespace.holds(py))
            && self.classes.hold(py)
            && self.guards.iter().all(holds)
            && added.is_none_or(holds)
    }

    /// True if it depends on a name in this namespace, class or cell, or on this value.
    pub(crate) fn rests_on(&self, py: Python<'_>, holder: Address) -> bool {
        self.namespaces.iter().any(|namespace| namespace.is_of(holder))
            || self.classes.has(py, holder)
            || self.guards.iter().any(|guard| guard.is_of(holder))
    }

    /// Returns the differences between the recorded and the current state.
    pub(crate) fn differences(&self, py: Python<'_>) -> Vec<Difference> {
        let mut found = Vec::new();
        for namespace in &self.namespaces {
            namespace.differences(py, &mut found);
        }
        for guard in &self.guards {
            guard.differences(py, &self.known, self.reading, &mut found);
        }
        self.classes.differences(py, &mut found);
        found
    }
}

#[pymethods]
impl Definition {
    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        for object in &self.kept {
            visit.call(object)?;
        }
        self.namespaces.iter().try_for_each(|namespace| namespace.traverse(&visit))?;
        self.classes.traverse(&visit)?;
        self.guards.iter().try_for_each(|guard| guard.traverse(&visit))
    }
}

/// The results of describing a graph, apart from its encoding.
#[derive(Default)]
struct Findings<'py> {
    guards: Vec<Guard>,
    classes: Vec<Shape>,
    namespaces: Namespaces,
    /// Values that may change in place.
    values: Vec<Changing<'py>>,
    /// Values that guards compute again, see `Description`.
    computed: Vec<Computed<'py>>,
    /// The parts of other code that the code reads.
    reading: Reading,
    modules: Vec<String>,
    doubts: Vec<String>,
    weakly: Option<String>,
    records: Vec<Record>,
    /// The names that statements of the code change.
    changes: FxHashSet<String>,
    /// Library classes by address, with the attributes that code reads, and true if other attributes count too.
    watched: FxHashMap<Address, (Bound<'py, PyType>, FxHashSet<String>, bool)>,
    kept: Vec<Py<PyAny>>,
    /// Helpers under `functools.lru_cache`.
    memoized: Vec<Bound<'py, PyAny>>,
    /// The root and the code that it holds, with the path to each: what these hold must be hashable, see [`Purpose`].
    alone: FxHashMap<NodeId, Way>,
}

/// The path to a node: the node before it, and the step from there.
#[derive(Clone, Default)]
struct Way {
    from: Option<NodeId>,
    step: String,
}

impl Findings<'_> {
    /// Adds the path to a node to an error. The path may be very long.
    fn at(&self, stop: WalkError, way: &Way) -> WalkError {
        let mut stop = stop.at(|| way.step.clone());
        let mut from = way.from;
        while let Some(way) = from.and_then(|node| self.alone.get(&node)) {
            stop = stop.at(|| way.step.clone());
            from = way.from;
        }
        stop
    }
}

/// A value that may change in place.
struct Changing<'py> {
    value: Bound<'py, PyAny>,
    /// The name of the value in the code.
    name: String,
    /// Its content before calls changed it, if they did.
    counted: Option<Arc<Counted>>,
    /// Its encoding, and the code to which the encoding refers.
    written: (Snapshot, Vec<Bound<'py, PyAny>>),
    /// Its digest, if that is known already.
    digest: Option<Digest>,
    /// True if it holds library objects that are encoded differently inside a definition.
    is_abridged: bool,
    /// The positions of its record, and of its reference in the record.
    record: usize,
    reference: usize,
}

impl<'py> Walk<'py> {
    /// Encodes a function, a class, or another object that counts by its definition.
    pub(crate) fn definition(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        match &mut self.definitions {
            Definitions::Open { .. } => self.own_definition(object).map(drop),
            Definitions::Settled { known, met, last, reading } => {
                let address = address_of(object);
                let reading = *reading;
                let found = last.filter(|(last, _)| *last == address).map(|(_, digest)| digest);
                let found = found.or_else(|| met.get(&address).copied());
                if let Some(digest) = found.or_else(|| known.as_ref()?.get(&address).copied()) {
                    self.encoder.put(Sealed::Digest(digest));
                    return Ok(());
                }
                let definition = definition_cache::definition(object, reading)?;
                self.settled_definition(object, definition)
            }
        }
    }

    /// Encodes the digest of a definition, or the name of `object` if it has none.
    pub(crate) fn settled_definition(
        &mut self,
        object: &Bound<'py, PyAny>,
        found: Option<Bound<'py, Definition>>,
    ) -> Walked {
        let Some(definition) = found else {
            self.named(&describe(object, 0)?.name);
            return Ok(());
        };
        let Definition { digest, doubts, weakly, reading, .. } = definition.get();
        if !doubts.is_empty() || weakly.is_some() {
            let rare = self.rare();
            rare.doubts.extend_from_slice(doubts);
            rare.weakly.extend(weakly.iter().map(|weakly| (address_of(object), weakly.clone())));
        }
        self.reads |= reading;
        let digest = *digest;
        if let Definitions::Settled { met, last, .. } = &mut self.definitions
            && let Some((address, digest)) = last.replace((address_of(object), digest))
        {
            met.insert(address, digest);
        }
        self.keep(object.clone());
        self.found.push(definition);
        self.encoder.put(Sealed::Digest(digest));
        Ok(())
    }

    /// Encodes a reference to the node of user code, which is described later; encodes other code by its name.
    fn own_definition(&mut self, object: &Bound<'py, PyAny>) -> Walked<Option<NodeId>> {
        let Definitions::Open { nodes, queue, objects, reading, watched, .. } = &mut self.definitions else {
            return Ok(None);
        };
        if let Some(&node) = nodes.get(&address_of(object)) {
            self.encoder.put(Sealed::Node(node));
            return Ok(Some(node));
        }
        if nodes.len() >= NODE_LIMIT {
            return Err(WalkError::forbidden(format!("a definition has more than {NODE_LIMIT} functions and classes")));
        }
        let before = Guard::before(object);
        let description = describe(object, *reading)?;
        if description.kind == "name" {
            self.named(&description.name);
            return Ok(None);
        }
        if description.kind == "function" && !object.is_instance_of::<PyFunction>() {
            // A memorious function counts as the function that it wraps, which has guards.
            watched.extend(description.attributes);
            let function = object
                .getattr(intern!(self.py, "__wrapped__"))
                .map_err(|error| WalkError::raised(self.py, &format!("describing {}", kind_of(object)), error))?;
            return self.own_definition(&function);
        }
        let before = before.map_err(|error| noting(self.py, error))?;
        let node = self.encoder.reserve();
        nodes.insert(address_of(object), node);
        objects.insert(node, object.clone());
        queue.push_back(Described { object: object.clone(), description, node, before });
        self.encoder.put(Sealed::Node(node));
        Ok(Some(node))
    }

    /// Returns the encoding since `start`, and the code to which it refers.
    fn snapshot(&self, start: &Mark) -> (Snapshot, Vec<Bound<'py, PyAny>>) {
        let snapshot = self.encoder.snapshot_since(start);
        let Definitions::Open { objects, .. } = &self.definitions else { return (snapshot, Vec::new()) };
        let code = snapshot.definitions().iter().filter_map(|node| objects.get(node).cloned()).collect();
        (snapshot, code)
    }

    /// Encodes the counted content of a value.
    pub(crate) fn replay(&mut self, counted: &Counted) -> Walked {
        let mut nodes = Vec::with_capacity(counted.code.len());
        for code in &counted.code {
            let start = self.encoder.mark();
            let node = self.own_definition(code.bind(self.py))?;
            self.encoder.abandon(&start);
            let Some(node) = node else { return Err(WalkError::refused("its class now counts by its name")) };
            nodes.push(node);
        }
        self.encoder.replay(&counted.snapshot, &nodes);
        Ok(())
    }

    fn is_code(&self, object: &Bound<'py, PyAny>) -> Walked<bool> {
        hooks::IS_CODE
            .get(self.py)
            .and_then(|is_code| is_code.call1((object,))?.is_truthy())
            .map_err(|error| WalkError::raised(self.py, "asking whether it is code", error))
    }

    fn drain(&mut self, findings: &mut Findings<'py>, purpose: Purpose) -> Walked {
        while let Definitions::Open { queue, .. } = &mut self.definitions
            && let Some(mut described) = queue.pop_front()
        {
            self.py.check_signals().map_err(WalkError::interrupted)?;
            self.described(&mut described, findings, purpose)?;
        }
        Ok(())
    }

    fn described(&mut self, described: &mut Described<'py>, findings: &mut Findings<'py>, purpose: Purpose) -> Walked {
        let Described { object, description, node, .. } = &*described;
        let mark = self.encoder.begin(tags::DEFINITION, 4);
        self.encoder.blob(tags::STR, description.kind.as_bytes());
        self.encoder.blob(tags::STR, description.name.as_bytes());
        self.walk(&description.content)?;
        let own = self.encoder.digest_since(&mark);
        let way = findings.alone.get(node).filter(|_| !is_reachable(object)).cloned();
        if let Some(way) = &way
            && purpose == Purpose::Value
        {
            self.check_opaque(description).map_err(|stop| findings.at(stop, way))?;
        }
        let references = self.references(described, way.as_ref(), findings)?;
        self.encoder.define(mark, *node);
        findings.records.push(Record {
            node: *node,
            kind: description.kind.clone(),
            name: display_name(object, &description.name),
            own: own.map(Digest::to_hex).unwrap_or_default(),
            source: description.source.clone(),
            references,
        });

        findings.kept.push(object.clone().unbind());
        if description.kind == "wrapper" && description.name == "functools._lru_cache_wrapper" {
            findings.memoized.push(object.clone());
        }
        for name in description.changes.try_iter().into_iter().flatten().flatten() {
            if let Ok(name) = name.extract::<String>() {
                findings.changes.insert(name);
            }
        }
        let Described { description, before, .. } = described;
        watch(self.py, &description.attributes, &mut findings.guards)?;
        findings.reading |= description.reading;
        findings.computed.extend_from_slice(&description.computed);
        for (class, (names, is_named)) in &description.watched {
            let watched = findings.watched.entry(address_of(class));
            let watched = watched.or_insert_with(|| (class.clone(), FxHashSet::default(), false));
            watched.2 |= is_named;
            watched.1.extend(names.iter().filter_map(|name| name.extract::<String>().ok()));
        }
        Guard::of(before, &description.reads, &mut findings.namespaces, (&mut findings.guards, &mut findings.classes))
            .map_err(|error| noting(self.py, error))?;
        for module in description.modules.try_iter().into_iter().flatten().flatten() {
            if let Ok(module) = module.extract::<String>()
                && !findings.modules.contains(&module)
            {
                findings.modules.push(module);
            }
        }
        Ok(())
    }

    /// Refuses opaque resources that a value holds and that cannot be hashed.
    ///
    /// A global would count by its type. But two values with two open files behave differently.
    fn check_opaque(&mut self, description: &Description<'py>) -> Walked {
        for (label, resource) in description.opaque.iter() {
            let label = label.to_string();
            if is_held(&label) {
                let start = self.encoder.mark();
                self.whole(&resource).map_err(|stop| stop.at(|| step_to(&description.kind, &label)))?;
                self.encoder.abandon(&start);
            }
        }
        Ok(())
    }

    /// Encodes the references of a node.
    ///
    /// `way`: the path to the node in a value, if the objects that it holds must be hashable.
    fn references(
        &mut self,
        described: &Described<'py>,
        way: Option<&Way>,
        findings: &mut Findings<'py>,
    ) -> Walked<Vec<Reference>> {
        let Described { object, description, .. } = described;
        let mut records = Vec::with_capacity(description.references.len());
        let references = self.encoder.begin(tags::DICT, description.references.len());
        let mut boundaries = Vec::with_capacity(description.references.len() + 1);
        for (label, value) in description.references.iter() {
            let label = label.cast::<PyString>().map_err(|_| WalkError::refused("a reference without a label"))?;
            boundaries.push(self.encoder.boundary());
            self.text(label)?;
            let start = self.encoder.mark();
            self.rare().names.clear();
            self.is_abridged = false;
            let mut warning = None;
            let shown = shown(&value);
            let held = way.filter(|_| is_held(&label.to_string_lossy()));
            let way_on = || step_to(&description.kind, &label.to_string_lossy());
            let counted = changed_state::counted_value(&value);
            let written = match &counted {
                Some(counted) => self.replay(counted),
                None => self.whole(&value),
            };
            match written {
                // Code and its references have their own guards.
                Ok(()) if is_fixed(&value) || self.is_code(&value)? => {}
                Ok(()) => {
                    // The digest of this encoding, since the value may change before its guard is created. Only if the
                    // encoding has no nodes, and the guard would encode the value in the same way.
                    let is_whole = counted.is_none() && !self.is_abridged;
                    let digest = is_whole.then(|| self.encoder.digest_since(&start)).flatten();
                    let written = self.snapshot(&start);
                    let name = last_name(&label.to_string_lossy()).to_owned();
                    let (record, reference) = (findings.records.len(), records.len());
                    let is_abridged = self.is_abridged;
                    findings.values.push(Changing {
                        value,
                        name,
                        counted,
                        written,
                        digest,
                        is_abridged,
                        record,
                        reference,
                    });
                }
                Err(stop) if held.is_some() => {
                    return Err(findings.at(stop.at(way_on), &held.cloned().unwrap_or_default()));
                }
                Err(WalkError::Refused(refusal)) if refusal.culprit == Culprit::Final => {
                    return Err(WalkError::Refused(refusal).at(|| format!(" ({} uses '{label}')", description.name)));
                }
                // A global that cannot be hashed counts by its type, with a warning.
                Err(WalkError::Refused(refusal)) => {
                    self.encoder.abandon(&start);
                    let kind = kind_of(&value);
                    let place = format!("{} {label} {kind}", display_name(object, &description.name));
                    match stand_ins::replacement(&place, &value) {
                        None => drop(self.named(&kind)),
                        Some(number) => {
                            let mark = self.encoder.begin(tags::TUPLE, 2);
                            self.named(&kind);
                            self.encoder.blob(tags::STR, number.as_bytes());
                            self.encoder.end(mark, None);
                        }
                    }
                    let subject = format!("'{label}', which {} uses", description.name);
                    let text = refusal.text(&subject);
                    findings.doubts.push(text.clone());
                    if refusal.culprit == Culprit::Weak {
                        findings.weakly.get_or_insert_with(|| text.clone());
                    }
                    warning = Some(text);
                }
                Err(stop) => return Err(stop),
            }
            let nodes = self.encoder.definitions_since(&start);
            if held.is_some() {
                for &node in &nodes {
                    findings.alone.entry(node).or_insert_with(|| Way { from: Some(described.node), step: way_on() });
                }
            }
            records.push(Reference {
                label: label.to_string_lossy().into_owned(),
                value: self.encoder.digest_since(&start).map(Digest::to_hex),
                shown,
                names: std::mem::take(&mut self.rare().names),
                warning,
                nodes,
                positions: Vec::new(),
            });
        }
        boundaries.push(self.encoder.boundary());
        self.encoder.end_unordered(references, &boundaries, None);
        Ok(records)
    }
}

/// The number of times that a helper was distrusted. Its later results may come from any code, so all definitions with
/// such helpers are described again.
static DISTRUSTED: AtomicU64 = AtomicU64::new(0);

/// Refuses a definition if a helper in it would answer with results of earlier code.
fn trust_memoized(memoized: &[Bound<'_, PyAny>], known: &Digests, reading: Reading) -> Walked {
    for helper in memoized {
        let Some(digest) = known.get(&address_of(helper)) else { continue };
        let reason: Option<String> = hooks::REASON_FOR_DOUBT
            .get(helper.py())
            .and_then(|reason| reason.call1((helper, digest.to_hex(), reading))?.extract())
            .map_err(|error| WalkError::raised(helper.py(), "asking what a helper has kept", error))?;
        if let Some(reason) = reason {
            DISTRUSTED.fetch_add(1, Ordering::Relaxed);
            return Err(WalkError::refused_as(Culprit::Final, reason));
        }
    }
    Ok(())
}

/// Adds guards for dicts of attributes.
fn watch(py: Python<'_>, attributes: &[Attributes<'_>], guards: &mut Vec<Guard>) -> Walked {
    for attributes in attributes {
        let guard = Guard::attributes(attributes)
            .map_err(|error| WalkError::raised(py, "noting what a definition rests on", error))?;
        guards.push(guard);
    }
    Ok(())
}

/// Returns the last name in a label: `seen` for `global log.seen`.
fn last_name(label: &str) -> &str {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    label.trim_end_matches(|letter| !is_part(letter)).rsplit(|letter| !is_part(letter)).next().unwrap_or(label)
}

/// True if the object itself holds the value of a reference; false for globals, which all code of the module shares.
fn is_held(label: &str) -> bool {
    !["builtin ", "global ", "imported "].iter().any(|found| label.starts_with(found))
}

/// Returns the text of one step of a path in an error message.
fn step_to(kind: &str, label: &str) -> String {
    match (kind, label) {
        ("method", "self") => ".__self__".to_owned(),
        ("partial", "function") => ".func".to_owned(),
        ("partial", _) => format!(".{label}"),
        _ => match label.split_once(' ') {
            Some(("attribute", name)) => format!(".{name}"),
            Some(("captured", name)) => format!(" (the captured variable '{name}')"),
            Some(("default", name)) => format!(" (the default of '{name}')"),
            _ => format!(" ({label})"),
        },
    }
}

/// Returns `module.qualname` of an object; `name` if it has no qualified name.
fn display_name(object: &Bound<'_, PyAny>, name: &str) -> String {
    let py = object.py();
    let text = |attribute| quietly(py, object.getattr(attribute)).and_then(|text| text.extract::<String>().ok());
    match (text(intern!(py, "__module__")), text(intern!(py, "__qualname__"))) {
        (Some(module), Some(qualname)) => format!("{module}.{qualname}"),
        _ => name.to_owned(),
    }
}

fn noting(py: Python<'_>, error: PyErr) -> WalkError {
    WalkError::raised(py, "noting what a definition rests on", error)
}

fn describe<'py>(object: &Bound<'py, PyAny>, reading: Reading) -> Walked<Description<'py>> {
    let py = object.py();
    let is_bare = object.cast::<PyFunction>().is_ok_and(has_no_attributes);
    hooks::RESOLVE_LAZY_IMPORTS
        .get(py)
        .and_then(|resolve| resolve.call1((object,)))
        .map_err(|error| WalkError::raised(py, &format!("resolving what {} imports", kind_of(object)), error))?;
    hooks::DESCRIBE
        .get(py)
        .and_then(|describe| describe.call1((object, reading, is_bare)))
        .and_then(|description| Description::of(&description))
        .map_err(|error| {
            if errors::is_unhashable(py, &error) {
                return WalkError::forbidden(error.value(py).to_string());
            }
            WalkError::raised(py, &format!("describing {}", kind_of(object)), error)
        })
}

/// Returns the digest of a definition together with the values of `depends_on=`.
pub(crate) fn with_extras(
    definition: &Definition,
    py: Python<'_>,
    extras: Option<&Bound<'_, PyTuple>>,
) -> Walked<Digest> {
    let mut walk = Walk::new(py, Definitions::settled(Some(definition.known.clone()), definition.reading));
    walk.run(|walk| {
        walk.encoder.put(Sealed::Digest(definition.digest));
        match extras {
            Some(extras) if !extras.is_empty() => walk.whole(extras.as_any()),
            _ => Ok(()),
        }
    })?;
    Ok(walk.finish(Domain::Definition))
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
