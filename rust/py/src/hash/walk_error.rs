//! The error that ends a walk, with the path to the refused part of the value.

use std::fmt::Write as _;

use pyo3::exceptions::{PyException, PyRecursionError};
use pyo3::prelude::*;

use crate::hooks;

use crate::errors;

/// The result of a step of the walk.
pub(crate) type Walked<T = ()> = Result<T, WalkError>;

/// The reason why a walk ended early.
pub(crate) enum WalkError {
    /// The value cannot be hashed.
    Refused(Box<Refusal>),
    /// An exception that must propagate, such as `KeyboardInterrupt`.
    ///
    /// Boxed like a refusal, so that the result of a step fits into two registers.
    Raised(Box<PyErr>),
    /// The value is deep enough that it may have a cycle: walk again and track open objects.
    Deep,
}

/// A value that cannot be hashed.
pub(crate) struct Refusal {
    /// Why the part cannot be hashed.
    pub(crate) reason: String,
    /// The path to the part, innermost step first, in Python syntax: `.name`, `['key']`, `[3]`.
    steps: Vec<String>,
    /// The exception that the object raised, if that is the reason.
    cause: Option<PyErr>,
    pub(crate) culprit: Culprit,
}

/// The kind of a value that cannot be hashed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Culprit {
    Other,
    /// An opaque resource: a lock, thread or handler, which code uses but which is not an input.
    Opaque,
    /// A container with weak references to its elements or keys, which may store attributes of
    /// other objects.
    Weak,
    /// A value that a definition refuses too, instead of using its type.
    Final,
}

impl WalkError {
    pub(crate) fn refused(reason: impl Into<String>) -> Self {
        Self::refused_as(Culprit::Other, reason)
    }

    pub(crate) fn refused_as(culprit: Culprit, reason: impl Into<String>) -> Self {
        Self::Refused(Box::new(Refusal { reason: reason.into(), steps: Vec::new(), cause: None, culprit }))
    }

    /// Translates the path within the value of the type rule `name` into a path within the object.
    #[cold]
    pub(crate) fn within(mut self, object: &Bound<'_, PyAny>, name: &str, part: usize) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.steps.reverse();
            let steps = hooks::STEPS_TO_REFUSED_PART
                .get(object.py())
                .and_then(|steps| steps.call1((object, name, part, &refusal.steps))?.extract());
            if let Ok(steps) = steps {
                refusal.steps = steps;
            }
            refusal.steps.reverse();
        }
        self
    }

    /// Returns whether the object itself, not a part of it, is opaque.
    pub(crate) fn is_opaque(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.culprit == Culprit::Opaque && refusal.steps.is_empty())
    }

    /// Refuses a value, and every definition that contains it.
    pub(crate) fn forbidden(reason: impl Into<String>) -> Self {
        Self::refused_as(Culprit::Final, reason)
    }

    /// Refuses a value whose code raised an exception; `KeyboardInterrupt` and `SystemExit`
    /// propagate.
    pub(crate) fn raised(py: Python<'_>, doing: &str, error: PyErr) -> Self {
        if !error.is_instance_of::<PyException>(py) {
            return Self::interrupted(error);
        }
        // A nested `hash_value` has found the reason already.
        let reason = errors::reason_of(py, &error).unwrap_or_else(|| {
            let deep = if error.is_instance_of::<PyRecursionError>(py) { "it is nested too deep: " } else { "" };
            format!("{deep}{doing} raised {}", errors::one_line(py, &error))
        });
        Self::Refused(Box::new(Refusal { reason, steps: Vec::new(), cause: Some(error), culprit: Culprit::Other }))
    }

    /// Makes an error for an exception that must propagate.
    pub(crate) fn interrupted(error: PyErr) -> Self {
        Self::Raised(Box::new(error))
    }

    /// Makes the exception for the user; `subject` names the value that was walked.
    pub(crate) fn into_error(self, py: Python<'_>, subject: &str) -> PyErr {
        let refusal = match self {
            Self::Refused(refusal) => refusal,
            Self::Raised(error) => return *error,
            // `Walk::run` walks deep values a second time; that walk does not return this variant.
            Self::Deep => return errors::unhashable(py, format!("{subject}: it is nested too deeply")),
        };
        let error = errors::unhashable(py, format!("{}. {}", refusal.text(subject), errors::ADVICE));
        if let Some(cause) = refusal.cause {
            error.set_cause(py, Some(cause));
        }
        error
    }

    /// Prepends a step to the path.
    pub(crate) fn at(mut self, step: impl FnOnce() -> String) -> Self {
        if let Self::Refused(refusal) = &mut self {
            let step = step();
            if !step.is_empty() {
                refusal.steps.push(step);
            }
        }
        self
    }
}

impl Refusal {
    /// Returns the message, such as `argument 'model' -> .cache['lock']: a lock cannot be part of a
    /// key`.
    pub(crate) fn text(&self, subject: &str) -> String {
        let mut text = subject.to_owned();
        if !self.steps.is_empty() {
            text.push_str(" -> ");
            // A long path is shortened to its first and last ten steps.
            let (shown, left_out) = match self.steps.len().checked_sub(20) {
                Some(more) if more > 0 => (10, more),
                _ => (self.steps.len(), 0),
            };
            for (index, step) in self.steps.iter().rev().take(shown).enumerate() {
                text.push_str(if index == 0 { step.trim_start() } else { step });
            }
            if left_out > 0 {
                let _ = write!(text, " ... ({} steps left out) ... ", self.steps.len() - 20);
                for step in self.steps[..10].iter().rev() {
                    text.push_str(step);
                }
            }
        }
        let _ = write!(text, ": {}", self.reason);
        text
    }
}
