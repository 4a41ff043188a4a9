//! Definitions: what functions and classes are, as `funes._definitions.definition.describe` tells it, settled into digests.

use std::sync::Arc;

use funes_core::digest::Digest;
use funes_core::encode::Sealed;
use funes_core::graph::NodeId;
use funes_core::tags;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyFrozenSet, PyFunction, PyList, PyString, PyTuple};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::containers::shown;
use crate::guard::{Guard, is_fixed};
use crate::known;
use crate::namespace::{Namespace, Namespaces};
use crate::objects::{kind_of, stands_in};
use crate::record::{self, Link, Record};
use crate::refusal::{Stop, Walked};
use crate::walk::{Definitions, Digests, Walk, address_of};

/// A function or class of the user's own code that waits to be written.
pub(crate) struct Described<'py> {
    object: Bound<'py, PyAny>,
    description: Description<'py>,
    node: NodeId,
}

/// `funes._definitions.definition.Description`.
#[derive(FromPyObject)]
struct Description<'py> {
    kind: String,
    name: String,
    content: Bound<'py, PyAny>,
    links: Bound<'py, PyDict>,
    reads: Bound<'py, PyList>,
    modules: Bound<'py, PyAny>,
    source: String,
    assigned: Vec<(Bound<'py, PyAny>, String)>,
    tools: Bound<'py, PyDict>,
}

/// What a definition is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be kept: it has to be able to tell that it still holds. What a function holds that its module does not hold by
    /// name (a closure that a factory made) has to be hashed, as there may be others of its code.
    Kept,
    /// To be looked at once.
    Shown,
    /// To tell a value from others: a closure, a method of an object. There may be many of one code, and only what they
    /// hold tells them apart; so what they hold has to be hashed, where a global would count by its type. Tools too, such
    /// as locks and open files.
    Value,
}

/// A definition and what it rests on.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct Definition {
    pub(crate) digest: Digest,
    /// Names of library modules that the code refers to.
    pub(crate) modules: Vec<String>,
    /// What could not be taken in full, for a warning.
    pub(crate) doubts: Vec<String>,
    /// The functions and classes in it, the root first: for people.
    pub(crate) nodes: Vec<Record>,
    namespaces: Vec<Namespace>,
    guards: Vec<Guard>,
    /// The digest of every function and class in it, by address; `kept` holds them.
    known: Digests,
    kept: Vec<Py<PyAny>>,
}

impl Definition {
    /// Describes `root` and all that it uses; `None` if it counts by its name only.
    pub(crate) fn of<'py>(root: &Bound<'py, PyAny>, purpose: Purpose) -> Walked<Option<Bound<'py, Self>>> {
        let py = root.py();
        let mut survey = Survey::default();
        let mut root_node = None;
        let mut left_out = FxHashSet::default();
        // What one function assigns is no input of the others either, so a graph with such names is described again
        // without them; that may bring up further ones no more often than there are names.
        let walk = loop {
            let mut walk = Walk::new(py, Definitions::open(left_out.clone()));
            walk.run(|walk| {
                survey = Survey::default();
                root_node = walk.own_definition(root)?;
                survey.alone.extend(root_node.filter(|_| purpose != Purpose::Shown).map(|node| (node, String::new())));
                walk.drain(&mut survey, purpose)
            })?;
            if survey.assigned.is_subset(&left_out) {
                break walk;
            }
            left_out.extend(survey.assigned.drain());
        };
        let Definitions::Open { nodes, .. } = walk.definitions else { return Ok(None) };
        let Some(root_node) = root_node else { return Ok(None) };
        let settled = walk.encoder.settle();
        let digests = nodes.iter().filter_map(|(&address, &node)| Some((address, settled.digest(node)?)));
        let known: Digests = Arc::new(digests.collect());
        let Some(digest) = settled.digest(root_node) else { return Ok(None) };
        let (mut guards, mut records) = (survey.guards, survey.records);
        if purpose != Purpose::Value {
            for Held { value, record, link } in survey.values {
                let guard = Guard::value(&value, &known)?;
                // Known only now, if the value holds functions or classes.
                records[record].links[link].value = guard.digest().map(Digest::to_hex);
                guards.push(guard);
            }
        }
        let records = record::reachable(records, root_node);
        let definition = Self {
            digest,
            modules: survey.modules,
            doubts: survey.doubts,
            nodes: records,
            namespaces: survey.namespaces.into_vec(),
            guards,
            known,
            kept: survey.kept,
        };
        Bound::new(py, definition).map(Some).map_err(Stop::interrupted)
    }

    /// A guard of a value that is added to it.
    pub(crate) fn guard(&self, value: &Bound<'_, PyAny>) -> Walked<Guard> {
        Guard::value(value, &self.known)
    }

    /// Whether everything it rests on is as it was, and what is added to it.
    pub(crate) fn holds(&self, py: Python<'_>, added: Option<&Guard>) -> bool {
        self.namespaces.iter().all(|namespace| namespace.holds(py))
            && self.guards.iter().chain(added).all(|guard| guard.holds(py, &self.known))
    }
}

#[pymethods]
impl Definition {
    fn __traverse__(&self, visit: pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        for object in &self.kept {
            visit.call(object)?;
        }
        self.namespaces.iter().try_for_each(|namespace| namespace.traverse(&visit))?;
        self.guards.iter().try_for_each(|guard| guard.traverse(&visit))
    }
}

/// A value that a definition refers to, with the positions of its record and of its link there.
struct Held<'py> {
    value: Bound<'py, PyAny>,
    record: usize,
    link: usize,
}

/// What the description of a definition brings up beside its encoding.
#[derive(Default)]
struct Survey<'py> {
    guards: Vec<Guard>,
    namespaces: Namespaces,
    /// Values that may change in place.
    values: Vec<Held<'py>>,
    modules: Vec<String>,
    doubts: Vec<String>,
    records: Vec<Record>,
    /// Names that the code assigns, each with the address of its namespace.
    assigned: FxHashSet<(usize, String)>,
    kept: Vec<Py<PyAny>>,
    /// What has to be hashed whole, see [`Purpose`], with the way to it: the root, and the code that it holds.
    alone: FxHashMap<NodeId, String>,
}

impl<'py> Walk<'py> {
    /// Writes a function, a class, or what else counts by its definition.
    pub(crate) fn definition(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        match &mut self.definitions {
            Definitions::Open { .. } => self.own_definition(object).map(drop),
            Definitions::Settled { known, met, last } => {
                let address = address_of(object);
                let found = last.filter(|(last, _)| *last == address).map(|(_, digest)| digest);
                let found = found.or_else(|| met.get(&address).copied());
                if let Some(digest) = found.or_else(|| known.as_ref()?.get(&address).copied()) {
                    self.encoder.put(Sealed::Digest(digest));
                    return Ok(());
                }
                let definition = known::definition(object)?;
                self.settled_definition(object, definition)
            }
        }
    }

    /// Writes the digest of a definition that was found, or else the name of `object`.
    pub(crate) fn settled_definition(
        &mut self,
        object: &Bound<'py, PyAny>,
        found: Option<Bound<'py, Definition>>,
    ) -> Walked {
        let Some(definition) = found else {
            self.named(&describe(object, &FxHashSet::default())?.name);
            return Ok(());
        };
        let digest = definition.get().digest;
        if let Definitions::Settled { met, last, .. } = &mut self.definitions {
            met.extend(last.replace((address_of(object), digest)));
        }
        self.keep(object.clone());
        self.encoder.put(Sealed::Digest(digest));
        Ok(())
    }

    /// Leaves a hole for the user's own, to be described later; writes the name of anything else.
    fn own_definition(&mut self, object: &Bound<'py, PyAny>) -> Walked<Option<NodeId>> {
        let Definitions::Open { nodes, queue, left_out } = &mut self.definitions else { return Ok(None) };
        if let Some(&node) = nodes.get(&address_of(object)) {
            self.encoder.put(Sealed::Node(node));
            return Ok(Some(node));
        }
        let description = describe(object, left_out)?;
        if description.kind == "name" {
            self.named(&description.name);
            return Ok(None);
        }
        if description.kind == "function" && !object.is_instance_of::<PyFunction>() {
            // A memorious function is its function, which is what can be watched.
            let function = object
                .getattr(intern!(self.py, "__wrapped__"))
                .map_err(|error| Stop::raised(self.py, &format!("describing {}", kind_of(object)), error))?;
            return self.own_definition(&function);
        }
        let node = self.encoder.reserve();
        nodes.insert(address_of(object), node);
        queue.push_back(Described { object: object.clone(), description, node });
        self.encoder.put(Sealed::Node(node));
        Ok(Some(node))
    }

    fn is_code(&self, object: &Bound<'py, PyAny>) -> Walked<bool> {
        static IS_CODE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        IS_CODE
            .import(self.py, "funes._definitions.definition", "is_code")
            .and_then(|is_code| is_code.call1((object,))?.is_truthy())
            .map_err(|error| Stop::raised(self.py, "asking whether it is code", error))
    }

    fn drain(&mut self, survey: &mut Survey<'py>, purpose: Purpose) -> Walked {
        while let Definitions::Open { queue, .. } = &mut self.definitions
            && let Some(described) = queue.pop_front()
        {
            self.described(&described, survey, purpose)?;
        }
        Ok(())
    }

    fn described(&mut self, described: &Described<'py>, survey: &mut Survey<'py>, purpose: Purpose) -> Walked {
        let Described { object, description, node } = described;
        let mark = self.encoder.begin(tags::DEFINITION, 4);
        self.encoder.blob(tags::STR, description.kind.as_bytes());
        self.encoder.blob(tags::STR, description.name.as_bytes());
        self.walk(&description.content)?;
        let own = self.encoder.digest_since(&mark);
        let way = survey.alone.get(node).filter(|_| !is_reachable(object)).cloned();
        if let Some(way) = &way
            && purpose == Purpose::Value
        {
            self.tools(description).map_err(|stop| stop.at(|| way.clone()))?;
        }
        let links = self.links(description, way.as_deref(), survey)?;
        self.encoder.define(mark, *node);
        survey.records.push(Record {
            node: *node,
            kind: description.kind.clone(),
            name: display_name(object, &description.name),
            own: own.map(Digest::to_hex).unwrap_or_default(),
            source: description.source.clone(),
            links,
        });

        survey.kept.push(object.clone().unbind());
        for (namespace, name) in &description.assigned {
            survey.assigned.insert((address_of(namespace), name.clone()));
            survey.kept.push(namespace.clone().unbind());
        }
        let nothing = FxHashSet::default();
        let left_out = if let Definitions::Open { left_out, .. } = &self.definitions { left_out } else { &nothing };
        Guard::of(object, &description.reads, left_out, &mut survey.namespaces, &mut survey.guards)
            .map_err(|error| Stop::raised(self.py, "noting what a definition rests on", error))?;
        for module in description.modules.try_iter().into_iter().flatten().flatten() {
            if let Ok(module) = module.extract::<String>()
                && !survey.modules.contains(&module)
            {
                survey.modules.push(module);
            }
        }
        Ok(())
    }

    /// Sees to it that what an object holds has a value, where a global would count by its type: two locks do the same,
    /// two open files do not.
    fn tools(&mut self, description: &Description<'py>) -> Walked {
        for (label, tool) in description.tools.iter() {
            let label = label.to_string();
            if is_held(&label) {
                let start = self.encoder.mark();
                self.walk(&tool).map_err(|stop| stop.at(|| step_to(&description.kind, &label)))?;
                self.encoder.abandon(&start);
            }
        }
        Ok(())
    }

    /// `way`: where in a value this is, if what it holds has to be hashed whole.
    fn links(
        &mut self,
        description: &Description<'py>,
        way: Option<&str>,
        survey: &mut Survey<'py>,
    ) -> Walked<Vec<Link>> {
        let mut records = Vec::with_capacity(description.links.len());
        let links = self.encoder.begin(tags::DICT, description.links.len());
        let mut boundaries = Vec::with_capacity(description.links.len() + 1);
        for (label, value) in description.links.iter() {
            let label = label.cast::<PyString>().map_err(|_| Stop::refused("a link without a label"))?;
            boundaries.push(self.encoder.boundary());
            self.text(label)?;
            let start = self.encoder.mark();
            self.names.clear();
            let mut doubt = None;
            let shown = shown(&value);
            let held = way.filter(|_| is_held(&label.to_string_lossy()));
            let way_on = || step_to(&description.kind, &label.to_string_lossy());
            match self.walk(&value) {
                // Code has guards of its own, and what it refers to has.
                Ok(()) if is_fixed(&value) || self.is_code(&value)? => {}
                Ok(()) => {
                    survey.values.push(Held { value, record: survey.records.len(), link: records.len() });
                }
                Err(stop) if held.is_some() => return Err(stop.at(way_on).at(|| held.unwrap_or_default().to_owned())),
                // A global that cannot be hashed costs the function nothing but certainty.
                Err(Stop::Refused(refusal)) => {
                    self.encoder.abandon(&start);
                    self.named(&kind_of(&value));
                    let subject = format!("'{label}', which {} uses", description.name);
                    let text = refusal.text(&subject);
                    survey.doubts.push(text.clone());
                    doubt = Some(text);
                }
                Err(stop) => return Err(stop),
            }
            let nodes = self.encoder.definitions_since(&start);
            if let Some(way) = held {
                survey.alone.extend(nodes.iter().map(|&node| (node, format!("{way}{}", way_on()))));
            }
            records.push(Link {
                label: label.to_string_lossy().into_owned(),
                value: self.encoder.digest_since(&start).map(Digest::to_hex),
                shown,
                names: std::mem::take(&mut self.names),
                doubt,
                nodes,
                positions: Vec::new(),
            });
        }
        boundaries.push(self.encoder.boundary());
        self.encoder.end_unordered(links, &boundaries, None);
        Ok(records)
    }
}

/// Whether a link leads to what one object holds, and not to what every piece of code in its place would find.
fn is_held(label: &str) -> bool {
    !["builtin ", "global ", "imported "].iter().any(|found| label.starts_with(found))
}

/// How an error shows the way along a link.
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

/// `module.qualname` as the object itself says; what it is called where it has none.
fn display_name(object: &Bound<'_, PyAny>, name: &str) -> String {
    let py = object.py();
    let text = |attribute| object.getattr(attribute).ok().and_then(|text| text.extract::<String>().ok());
    match (text(intern!(py, "__module__")), text(intern!(py, "__qualname__"))) {
        (Some(module), Some(qualname)) => format!("{module}.{qualname}"),
        _ => name.to_owned(),
    }
}

fn describe<'py>(object: &Bound<'py, PyAny>, left_out: &FxHashSet<(usize, String)>) -> Walked<Description<'py>> {
    static DESCRIBE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = object.py();
    DESCRIBE
        .import(py, "funes._definitions.definition", "describe")
        .and_then(|describe| describe.call1((object, PyFrozenSet::new(py, left_out)?)))
        .and_then(|description| description.extract())
        .map_err(|error| Stop::raised(py, &format!("describing {}", kind_of(object)), error))
}

/// The definition hash of `function`, together with the values that it is said to depend on.
pub(crate) fn with_extras(
    definition: &Definition,
    py: Python<'_>,
    extras: Option<&Bound<'_, PyTuple>>,
) -> Walked<Digest> {
    let mut walk = Walk::new(py, Definitions::settled(Some(definition.known.clone())));
    walk.run(|walk| {
        walk.encoder.put(Sealed::Digest(definition.digest));
        match extras {
            Some(extras) if !extras.is_empty() => walk.walk(extras.as_any()),
            _ => Ok(()),
        }
    })?;
    Ok(walk.finish(funes_core::domain::Domain::Definition))
}

/// The name by which `object` can be found again: not a local, and what the module holds under this name now.
pub(crate) fn is_reachable(object: &Bound<'_, PyAny>) -> bool {
    let py = object.py();
    let text = |attribute| object.getattr(attribute).and_then(|text| text.extract::<String>());
    match (text(intern!(py, "__module__")), text(intern!(py, "__qualname__"))) {
        (Ok(module), Ok(name)) => stands_in(object, &module, &name),
        _ => false,
    }
}
