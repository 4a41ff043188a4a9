//! Why a walk stopped, and where in the value it was.

use std::fmt::Write as _;

use pyo3::exceptions::{PyException, PyRecursionError};
use pyo3::prelude::*;

use crate::hooks;

use crate::errors;

/// The result of a step of the walk.
pub(crate) type Walked<T = ()> = Result<T, WalkError>;

/// What ends a walk early.
pub(crate) enum WalkError {
    /// The value cannot be hashed.
    Refused(Box<Refusal>),
    /// Something that is no business of the walk, such as `KeyboardInterrupt`.
    ///
    /// In a box, as a refusal is: a step of the walk then gives its outcome in two registers.
    Raised(Box<PyErr>),
    /// Deep enough that a cycle is possible: walk again, looking for them.
    Deep,
}

/// A value that cannot be hashed.
pub(crate) struct Refusal {
    /// What sits there and why it cannot be hashed.
    pub(crate) reason: String,
    /// The way to it, innermost step first, as Python would write it: `.name`, `['key']`, `[3]`.
    steps: Vec<String>,
    /// The exception that the object raised, if that was the reason.
    cause: Option<PyErr>,
    pub(crate) culprit: Culprit,
}

/// What cannot be hashed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Culprit {
    Other,
    /// A lock, thread or handler: something that code works with, and that is no input of it.
    Tool,
    /// A container that knows its elements or keys weakly: attributes of other objects may be kept there.
    Weak,
    /// What a definition must not hold either, in place of counting it by its type.
    Final,
}

impl WalkError {
    pub(crate) fn refused(reason: impl Into<String>) -> Self {
        Self::refused_as(Culprit::Other, reason)
    }

    pub(crate) fn refused_as(culprit: Culprit, reason: impl Into<String>) -> Self {
        Self::Refused(Box::new(Refusal { reason: reason.into(), steps: Vec::new(), cause: None, culprit }))
    }

    /// Says the way to a part of what the rule `name` gave in the terms of the object that it was given for.
    #[cold]
    pub(crate) fn within(mut self, object: &Bound<'_, PyAny>, name: &str, part: usize) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.steps.reverse();
            let told = hooks::STEPS_TO_REFUSED_PART
                .get(object.py())
                .and_then(|steps| steps.call1((object, name, part, &refusal.steps))?.extract());
            if let Ok(told) = told {
                refusal.steps = told;
            }
            refusal.steps.reverse();
        }
        self
    }

    /// Whether the object itself, and no part of it, is a tool.
    pub(crate) fn is_tool(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.culprit == Culprit::Tool && refusal.steps.is_empty())
    }

    /// Refuses a value, and every definition that meets it.
    pub(crate) fn forbidden(reason: impl Into<String>) -> Self {
        Self::refused_as(Culprit::Final, reason)
    }

    /// An exception out of the object's own code refuses the value; `KeyboardInterrupt` and `SystemExit` go through.
    pub(crate) fn raised(py: Python<'_>, doing: &str, error: PyErr) -> Self {
        if !error.is_instance_of::<PyException>(py) {
            return Self::interrupted(error);
        }
        // What was hashed within is refused for the reason that was found there.
        let reason = errors::reason_of(py, &error).unwrap_or_else(|| {
            let deep = if error.is_instance_of::<PyRecursionError>(py) { "it is nested too deep: " } else { "" };
            format!("{deep}{doing} raised {}", errors::one_line(py, &error))
        });
        Self::Refused(Box::new(Refusal { reason, steps: Vec::new(), cause: Some(error), culprit: Culprit::Other }))
    }

    /// An exception that is no business of the walk.
    pub(crate) fn interrupted(error: PyErr) -> Self {
        Self::Raised(Box::new(error))
    }

    /// The exception that the user sees; `subject` is what the walk was over.
    pub(crate) fn into_error(self, py: Python<'_>, subject: &str) -> PyErr {
        let refusal = match self {
            Self::Refused(refusal) => refusal,
            Self::Raised(error) => return *error,
            // `Walk::run` walks deep values a second time, and that walk does not end like this.
            Self::Deep => return errors::unhashable(py, format!("{subject}: it is nested too deeply")),
        };
        let error = errors::unhashable(py, format!("{}. {}", refusal.text(subject), errors::ADVICE));
        if let Some(cause) = refusal.cause {
            error.set_cause(py, Some(cause));
        }
        error
    }

    /// The same, one step further out.
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
    /// `argument 'model' -> .cache['lock']: a lock cannot be part of a key`.
    pub(crate) fn text(&self, subject: &str) -> String {
        let mut text = subject.to_owned();
        if !self.steps.is_empty() {
            text.push_str(" -> ");
            // A path of a thousand steps helps nobody.
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
