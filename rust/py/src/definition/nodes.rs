//! Encodes the nodes of a definition graph and their references.

use funes_core::digest::Digest;
use funes_core::encode::{Mark, Sealed};
use funes_core::graph::NodeId;
use funes_core::snapshot::Snapshot;
use funes_core::tags;
use pyo3::prelude::*;
use pyo3::types::{PyFunction, PyString};

use crate::definition::changed_state::{self, Counted};
use crate::definition::changing::Changing;
use crate::definition::definition_cache;
use crate::definition::description::{Attributes, Described, Description, describe};
use crate::definition::findings::{Findings, Way};
use crate::definition::graph::{Definition, Purpose, is_reachable, noting};
use crate::definition::guard::{Guard, is_fixed};
use crate::definition::patched_classes::Watched;
use crate::definition::report::{Record, Reference, VARIABLE};
use crate::definition::stand_ins;
use crate::errors::quietly;
use crate::hash::containers::shown;
use crate::hash::objects::kind_of;
use crate::hash::walk::{Definitions, Walk, address_of};
use crate::hash::walk_error::{Culprit, WalkError, Walked};
use crate::hooks;
use crate::lazy::intern;

/// The maximum number of functions and classes in a definition. Objects that create further objects
/// at each access would exceed any number; code written by hand does not exceed this one.
const NODE_LIMIT: usize = 30_000;

impl<'py> Walk<'py> {
    /// Encodes a function, a class, or another object that counts by its definition.
    pub(crate) fn definition(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        match &mut self.definitions {
            Definitions::Open { .. } => self.own_definition(object).map(drop),
            Definitions::Settled { known, met, last, read_parts } => {
                let address = address_of(object);
                let read_parts = *read_parts;
                let found = last.filter(|(last, _)| *last == address).map(|(_, digest)| digest);
                let found = found.or_else(|| met.get(&address).copied());
                if let Some(digest) = found.or_else(|| known.as_ref()?.get(&address).copied()) {
                    self.encoder.put(Sealed::Digest(digest));
                    return Ok(());
                }
                let definition = definition_cache::definition(object, read_parts)?;
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
        let Definition { digest, warnings, weak_container, read_parts, .. } = definition.get();
        if !warnings.is_empty() || weak_container.is_some() {
            let rare = self.rare();
            rare.warnings.extend_from_slice(warnings);
            rare.weak_containers
                .extend(weak_container.iter().map(|weak_container| (address_of(object), weak_container.clone())));
        }
        self.read_parts |= read_parts;
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
    pub(crate) fn own_definition(&mut self, object: &Bound<'py, PyAny>) -> Walked<Option<NodeId>> {
        let Definitions::Open { nodes, queue, objects, read_parts, watched, .. } = &mut self.definitions else {
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
        let description = describe(object, *read_parts)?;
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

    pub(crate) fn drain(&mut self, findings: &mut Findings<'py>, purpose: Purpose) -> Walked {
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
        findings.read_parts |= description.read_parts;
        findings.computed.extend_from_slice(&description.computed);
        for (class, (names, is_named, found)) in description.watched.drain(..) {
            let watched = findings.watched.entry(address_of(&class));
            watched.or_insert_with(|| Watched::new(class)).add(&names, is_named, found);
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
            let (counted, left) = changed_state::counted_value(&value).unzip();
            let written = match &counted {
                Some(counted) => self.replay(counted),
                None => self.whole(&value),
            };
            match written {
                // Code and its references have their own guards.
                Ok(()) if is_fixed(&value) || self.is_code(&value)? => {}
                Ok(()) => {
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
                        left: left.flatten(),
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
                    findings.warnings.push(text.clone());
                    if refusal.culprit == Culprit::Weak {
                        findings.weak_container.get_or_insert_with(|| text.clone());
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

/// Adds guards for dicts of attributes.
pub(crate) fn watch(py: Python<'_>, attributes: &[Attributes<'_>], guards: &mut Vec<Guard>) -> Walked {
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
    !["builtin ", VARIABLE, "global ", "imported "].iter().any(|found| label.starts_with(found))
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
