//! The parameters of a function, or of the function behind a wrapper.

mod arguments;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyString};

pub(crate) use crate::call::signature::arguments::{Arguments, defaults, keyword_defaults};
use crate::lazy::{Lazy, intern};

/// The keyword that every memorious function accepts.
pub(crate) const SEED: &str = "global_seed";

/// `co_flags` of a function with `*args`, and of a function with `**kwargs`.
const VARIABLE: u32 = 0x04;
const KEYWORDS: u32 = 0x08;

/// Limit of the number of wrappers that are followed to a function: they may form a cycle.
const WRAPPER_LIMIT: usize = 100;

/// The function behind a wrapper with the signature ``(*args, **kwargs)``.
struct Source {
    function: Py<PyFunction>,
    /// Number of positional parameters, without those that a partial or method gives.
    positional: usize,
    /// Keyword arguments that a partial gives.
    fixed: Option<Py<PyDict>>,
    /// The wrapper's names for its positional and keyword arguments.
    raw: [Py<PyString>; 2],
}

/// The parameters of a Python function, or of the function behind it if it is a wrapper that
/// accepts any arguments.
pub(crate) struct Signature {
    /// Parameters that take one value: positional-only, positional, keyword-only.
    names: Vec<Py<PyString>>,
    pub(crate) positional_only: usize,
    pub(crate) positional: usize,
    /// The name of `*args`.
    variable: Option<Py<PyString>>,
    /// The name of `**kwargs`.
    keywords: Option<Py<PyString>>,
    /// The index of the parameter `global_seed`, if there is one.
    seed: Option<usize>,
    /// The function behind the wrapper, if there is one.
    source: Option<Source>,
    /// True if each parameter takes one value, and a partial gives none of them.
    is_plain: bool,
}

impl Signature {
    pub(crate) fn of(function: &Bound<'_, PyFunction>) -> PyResult<Self> {
        let own = Self::of_code(function)?;
        let (Some(variable), Some(keywords)) = (&own.variable, &own.keywords) else { return Ok(own) };
        if !own.names.is_empty() {
            return Ok(own);
        }
        let raw = || [variable.clone_ref(function.py()), keywords.clone_ref(function.py())];
        Ok(Self::behind(function, raw)?.unwrap_or(own))
    }

    /// Returns the signature of the function behind a wrapper.
    fn behind(wrapper: &Bound<'_, PyFunction>, raw: impl FnOnce() -> [Py<PyString>; 2]) -> PyResult<Option<Self>> {
        let py = wrapper.py();
        let mut thing = wrapper.clone().into_any();
        let (mut given, mut fixed) = (0, None);
        for _ in 0..WRAPPER_LIMIT {
            if let Ok(function) = thing.cast_exact::<PyFunction>() {
                let found = Self::of_code(function)?;
                let takes_all = found.names.is_empty() && found.variable.is_some() && found.keywords.is_some();
                if takes_all {
                    let attributes = thing.getattr(intern!(py, "__dict__"))?.cast_into::<PyDict>()?;
                    let Some(inner) = attributes.get_item(intern!(py, "__wrapped__"))? else { return Ok(None) };
                    thing = inner;
                    continue;
                }
                return found.without(function, given, fixed, raw());
            }
            let kind = thing.get_type();
            if kind.is(method_type(py)?) {
                given += 1;
                thing = thing.getattr(intern!(py, "__func__"))?;
            } else if kind.is(partial_type(py)?) {
                given += thing.getattr(intern!(py, "args"))?.len()?;
                let keywords = thing.getattr(intern!(py, "keywords"))?.cast_into::<PyDict>()?;
                if !keywords.is_empty() {
                    if fixed.is_some() {
                        return Ok(None);
                    }
                    fixed = Some(keywords);
                }
                thing = thing.getattr(intern!(py, "func"))?;
            } else {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Returns the signature without the positional parameters that are given already.
    fn without(
        mut self,
        function: &Bound<'_, PyFunction>,
        given: usize,
        fixed: Option<Bound<'_, PyDict>>,
        raw: [Py<PyString>; 2],
    ) -> PyResult<Option<Self>> {
        if given > self.positional {
            return Ok(None);
        }
        self.names.drain(..given);
        self.positional -= given;
        self.positional_only = self.positional_only.saturating_sub(given);
        let source = Source {
            function: function.clone().unbind(),
            positional: self.positional,
            fixed: fixed.clone().map(Bound::unbind),
            raw,
        };
        if let Some(fixed) = fixed {
            // A parameter that follows one given by name can be given by name only.
            for (index, name) in self.names[..self.positional].iter().enumerate() {
                if fixed.contains(name)? {
                    self.positional = index;
                    break;
                }
            }
            self.positional_only = self.positional_only.min(self.positional);
        }
        self.seed = self.names.iter().position(|name| name.bind(function.py()) == SEED);
        Ok(Some(Self { is_plain: self.is_plain && source.fixed.is_none(), source: Some(source), ..self }))
    }

    /// Returns whether the function still has these parameters. Its code may have been replaced.
    pub(crate) fn is_of(&self, function: &Bound<'_, PyFunction>) -> PyResult<bool> {
        let py = function.py();
        let now = Self::of(function)?;
        let named = |signature: &Self| -> Vec<String> {
            signature.all_names().map(|name| name.bind(py).to_string_lossy().into_owned()).collect()
        };
        let shape = |signature: &Self| {
            (
                signature.positional_only,
                signature.positional,
                signature.variable.is_some(),
                signature.keywords.is_some(),
            )
        };
        let source = |signature: &Self| signature.source.as_ref().map(|source| source.function.as_ptr());
        Ok(shape(&now) == shape(self) && source(&now) == source(self) && named(&now) == named(self))
    }

    /// Returns the signature of a function's code.
    fn of_code(function: &Bound<'_, PyFunction>) -> PyResult<Self> {
        let py = function.py();
        let code = function.getattr(intern!(py, "__code__"))?;
        let number = |name: &str| -> PyResult<usize> { code.getattr(name)?.extract() };
        let positional = number("co_argcount")?;
        let flags: u32 = code.getattr("co_flags")?.extract()?;
        let mut all = code
            .getattr("co_varnames")?
            .try_iter()?
            .map(|name| Ok(name?.cast_into::<PyString>()?.unbind()))
            .collect::<PyResult<Vec<_>>>()?
            .into_iter();
        let names: Vec<_> = all.by_ref().take(positional + number("co_kwonlyargcount")?).collect();
        let seed = names.iter().position(|name| name.bind(py) == SEED);
        Ok(Self {
            names,
            is_plain: flags & (VARIABLE | KEYWORDS) == 0,
            positional_only: number("co_posonlyargcount")?,
            positional,
            variable: if flags & VARIABLE == 0 { None } else { all.next() },
            keywords: if flags & KEYWORDS == 0 { None } else { all.next() },
            seed,
            source: None,
        })
    }

    /// Returns the function that has the defaults: `function`, or the function behind it.
    pub(crate) fn function<'a, 'py>(&'a self, function: &'a Bound<'py, PyFunction>) -> &'a Bound<'py, PyFunction> {
        self.source.as_ref().map_or(function, |source| source.function.bind(function.py()))
    }

    /// Returns the names of the parameters that `chosen` contains.
    pub(crate) fn own_names(&self, py: Python<'_>, chosen: &Bound<'_, PyAny>) -> PyResult<Vec<Py<PyString>>> {
        let mut own = Vec::new();
        for name in self.names.iter().chain(&self.variable).chain(&self.keywords) {
            if chosen.contains(name.bind(py))? {
                own.push(name.clone_ref(py));
            }
        }
        Ok(own)
    }

    /// Returns the names of the parameters in the order of [`Signature::visit`].
    pub(crate) fn all_names(&self) -> impl Iterator<Item = &Py<PyString>> {
        let (positional, keyword_only) = self.names.split_at(self.positional);
        positional.iter().chain(&self.variable).chain(keyword_only).chain(&self.keywords)
    }

    /// Returns the names of all parameters, if each takes one value and a partial gives none of
    /// them.
    pub(crate) fn plain_names(&self) -> Option<&[Py<PyString>]> {
        self.is_plain.then_some(&self.names)
    }

    /// Returns how many arguments [`Signature::visit`] visits.
    pub(crate) fn len(&self) -> usize {
        self.names.len() + usize::from(self.variable.is_some()) + usize::from(self.keywords.is_some())
    }

    /// Returns whether the function declares the parameter `global_seed`.
    pub(crate) fn declares_seed(&self) -> bool {
        self.seed.is_some()
    }
}

fn method_type(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static METHOD: Lazy<Py<PyAny>> = Lazy::new();
    METHOD.import(py, "types", "MethodType")
}

fn partial_type(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static PARTIAL: Lazy<Py<PyAny>> = Lazy::new();
    PARTIAL.import(py, "functools", "partial")
}

/// Returns the names of the parameters that are part of the key: those of the function, or of the
/// function behind it.
#[pyfunction]
pub(crate) fn parameters_of(function: &Bound<'_, PyFunction>) -> PyResult<Vec<Py<PyString>>> {
    Ok(Signature::of(function)?.all_names().map(|name| name.clone_ref(function.py())).collect())
}
