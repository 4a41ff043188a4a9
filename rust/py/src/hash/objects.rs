//! Hashes objects whose type has no tag: by a type rule, by attributes, or by reduction.

use funes_core::encode::Sealed;
use funes_core::tags;
use pyo3::prelude::*;
use pyo3::types::{PyNotImplemented, PyTuple, PyType};

use crate::hash::strategy::{AttributeRules, Strategy, strategy};
use crate::hash::walk::{Composite, Definitions, Walk, address_of};
use crate::hash::walk_error::{WalkError, Walked};
use crate::hooks;

impl<'py> Walk<'py> {
    pub(crate) fn object(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        let strategy = strategy(&object.get_type())
            .map_err(|error| WalkError::raised(self.py, "looking up the rule of its type", error))?;
        let strategy = &strategy.get().0;
        match strategy {
            // The usual case, without the calls of the general one.
            Strategy::Attributes(rules) if rules.is_user_code => self.attributed(object, rules),
            _ => self.apply_strategy(object, strategy),
        }
    }

    /// Writes an object as its class and its attributes.
    #[inline]
    fn attributed(&mut self, object: &Bound<'py, PyAny>, rules: &AttributeRules) -> Walked {
        self.nested(object, |walk| {
            let mark = walk.encoder.begin(tags::OBJECT, 2);
            walk.class_of(object)?;
            walk.attributes(object, rules)?;
            Ok(mark.into())
        })
    }

    #[inline(never)]
    fn apply_strategy(&mut self, object: &Bound<'py, PyAny>, strategy: &Strategy) -> Walked {
        let py = self.py;
        match strategy {
            Strategy::PerhapsDefinition { is_code, otherwise } => {
                let is_code = is_code
                    .call1(py, (object,))
                    .and_then(|answer| answer.is_truthy(py))
                    .map_err(|error| WalkError::raised(py, "asking whether it is code", error))?;
                if is_code { self.definition(object) } else { self.apply_strategy(object, otherwise) }
            }
            Strategy::Definition => self.definition(object),
            Strategy::Refuse { culprit, reason } => Err(WalkError::refused_as(*culprit, reason.clone())),
            Strategy::Attributes(rules) | Strategy::Reduce(rules) | Strategy::Set { rules, .. }
                if !rules.is_user_code && matches!(self.definitions, Definitions::Open { .. }) =>
            {
                self.third_party(object, strategy)
            }
            _ => self.decompose(object, strategy),
        }
    }

    /// Writes a third-party object in a definition. If another third-party object contains it and a
    /// module of the library has it under a name, the name is written.
    fn third_party(&mut self, object: &Bound<'py, PyAny>, strategy: &Strategy) -> Walked {
        if self.third_party_depth > 0 {
            let name: Option<String> = hooks::NAME_IN_ITS_LIBRARY
                .get(self.py)
                .and_then(|name| name.call1((object,))?.extract())
                .map_err(|error| WalkError::raised(self.py, "looking for its name", error))?;
            if let Some(name) = name {
                self.named(&name);
                self.is_abridged = true;
                return Ok(());
            }
        }
        self.third_party_depth += 1;
        let walked = self.decompose(object, strategy);
        self.third_party_depth -= 1;
        walked
    }

    fn decompose(&mut self, object: &Bound<'py, PyAny>, strategy: &Strategy) -> Walked {
        let py = self.py;
        match strategy {
            Strategy::PerhapsDefinition { .. } | Strategy::Definition | Strategy::Refuse { .. } => {
                self.apply_strategy(object, strategy)
            }
            Strategy::Rule { name, reduce } => self.nested(object, |walk| walk.ruled(name, reduce.bind(py), object)),
            Strategy::Attributes(rules) => self.attributed(object, rules),
            Strategy::Set { tag, rules } => self.nested(object, |walk| {
                let mark = walk.encoder.begin(tags::OBJECT, 3);
                walk.class_of(object)?;
                walk.attributes(object, rules)?;
                let set = walk.elements(object, *tag)?;
                walk.end(set, None);
                Ok(mark.into())
            }),
            Strategy::Reduce(rules) => self.nested(object, |walk| walk.reduced(object, rules)),
        }
    }

    fn ruled(&mut self, name: &str, reduce: &Bound<'py, PyAny>, object: &Bound<'py, PyAny>) -> Walked<Composite> {
        let simpler = reduce
            .call1((object,))
            .map_err(|error| WalkError::raised(self.py, &format!("the rule for {name}"), error))?;
        if simpler.is(PyNotImplemented::get(self.py)) {
            // The rule does not apply to this object, so its reduction counts.
            return self.reduced(object, &AttributeRules::default());
        }
        // The elements of a tuple become children of the rule's node, so that the path in an error
        // message has no steps that the user does not know.
        let Ok(parts) = simpler.cast_exact::<PyTuple>() else {
            let mark = self.encoder.begin(tags::RULE, 2);
            self.encoder.blob(tags::STR, name.as_bytes());
            self.walk(&simpler).map_err(|stop| stop.within(object, name, 0))?;
            return Ok(mark.into());
        };
        let mark = self.encoder.begin(tags::RULE, 1 + parts.len());
        self.encoder.blob(tags::STR, name.as_bytes());
        for (index, part) in parts.iter().enumerate() {
            self.walk(&part).map_err(|stop| stop.within(object, name, index))?;
        }
        Ok(mark.into())
    }

    #[inline]
    pub(super) fn class_of(&mut self, object: &Bound<'py, PyAny>) -> Walked {
        let class = object.get_type();
        self.definition(class.as_any())?;
        if self.rare.is_some() { self.refuse_weak_state(class.as_any()) } else { Ok(()) }
    }

    /// Refuses an object if its class has a weak container, which may hold attributes of the
    /// object.
    #[cold]
    fn refuse_weak_state(&self, class: &Bound<'py, PyAny>) -> Walked {
        match self.rare.as_ref().and_then(|rare| rare.weak_containers.get(&address_of(class))) {
            None => Ok(()),
            Some(reason) => {
                Err(WalkError::refused(format!("its class may store attributes of it elsewhere: {reason}")))
            }
        }
    }

    /// Writes the qualified name of an object that counts by its name.
    pub(crate) fn named(&mut self, name: &str) -> Sealed {
        if matches!(self.definitions, Definitions::Open { .. }) {
            self.rare().names.push(name.to_owned());
        }
        let mark = self.encoder.begin(tags::NAME, 1);
        self.encoder.blob(tags::STR, name.as_bytes());
        self.encoder.end(mark, None)
    }
}

/// Returns the name of an object's type for an error message.
pub(crate) fn kind_of(object: &Bound<'_, PyAny>) -> String {
    name_of_type(&object.get_type())
}

pub(crate) fn name_of_type(kind: &Bound<'_, PyType>) -> String {
    kind.fully_qualified_name().map_or_else(|_| "?".to_owned(), |name| name.to_string_lossy().into_owned())
}
