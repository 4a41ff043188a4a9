//! Binding arguments to parameters, as the interpreter does it.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyString, PyTuple};
use smallvec::SmallVec;

use crate::given::Given;
use crate::lazy::intern;

/// The keyword that every memorious function accepts.
pub(crate) const SEED: &str = "global_seed";

/// `co_flags` of a function with `*args`, and of one with `**kwargs`.
const VARIABLE: u32 = 0x04;
const KEYWORDS: u32 = 0x08;

/// The parameters of a Python function.
pub(crate) struct Signature {
    /// Those that take one value: positional-only, positional, keyword-only.
    names: Vec<Py<PyString>>,
    pub(crate) positional_only: usize,
    pub(crate) positional: usize,
    /// The name of `*args`.
    variable: Option<Py<PyString>>,
    /// The name of `**kwargs`.
    keywords: Option<Py<PyString>>,
    /// The parameter that is called `global_seed`, if there is one.
    seed: Option<usize>,
}

/// As many values as most functions have parameters.
type Values<T> = SmallVec<[T; 8]>;

/// The arguments of one call, bound to the parameters.
pub(crate) struct Arguments<'py> {
    /// A value for each parameter that takes one.
    values: Values<Bound<'py, PyAny>>,
    variable: Option<Bound<'py, PyTuple>>,
    keywords: Option<Bound<'py, PyDict>>,
    /// The seed of a function that does not declare it: a part of the key and of the stored input all the same.
    pub(crate) seed: Option<Bound<'py, PyAny>>,
}

impl Signature {
    pub(crate) fn of(function: &Bound<'_, PyFunction>) -> PyResult<Self> {
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
            positional_only: number("co_posonlyargcount")?,
            positional,
            variable: if flags & VARIABLE == 0 { None } else { all.next() },
            keywords: if flags & KEYWORDS == 0 { None } else { all.next() },
            seed,
        })
    }

    /// The arguments as the function will see them; `None` if it would raise a `TypeError`, which it shall do itself.
    pub(crate) fn bind<'py>(
        &self,
        function: &Bound<'py, PyFunction>,
        given: &Given<'_, 'py>,
    ) -> PyResult<Option<Arguments<'py>>> {
        let py = function.py();
        if given.names.is_empty()
            && given.positional.len() == self.positional
            && self.plain_names().is_some_and(|names| names.len() == self.positional)
        {
            let values = given.positional.iter().cloned().collect();
            return Ok(Some(Arguments { values, variable: None, keywords: None, seed: None }));
        }
        let (named, rest) = given.positional.split_at(self.positional.min(given.positional.len()));
        if !rest.is_empty() && self.variable.is_none() {
            return Ok(None);
        }
        let mut values: Values<_> = named.iter().cloned().map(Some).collect();
        values.resize(self.names.len(), None);
        let mut arguments = Arguments {
            values: Values::new(),
            variable: self.variable.as_ref().map(|_| PyTuple::new(py, rest)).transpose()?,
            keywords: self.keywords.as_ref().map(|_| PyDict::new(py)),
            seed: None,
        };
        for (name, value) in given.names.iter().zip(given.values) {
            if let Some(index) = self.position(name) {
                if values[index].replace(value.clone()).is_some() {
                    return Ok(None);
                }
            } else if self.seed.is_none() && name.eq(SEED)? {
                arguments.seed = Some(value.clone());
            } else if let Some(rest) = &arguments.keywords {
                rest.set_item(name, value)?;
            } else {
                return Ok(None);
            }
        }
        if values.iter().any(Option::is_none) {
            self.fill_in_defaults(function, &mut values)?;
        }
        let Some(values) = values.into_iter().collect() else { return Ok(None) };
        Ok(Some(Arguments { values, ..arguments }))
    }

    /// Where the parameter of this name is, if it can be given by name.
    fn position(&self, name: &Bound<'_, PyAny>) -> Option<usize> {
        let named = &self.names[self.positional_only..];
        let index = named
            .iter()
            .position(|own| own.is(name))
            .or_else(|| named.iter().position(|own| name.eq(own.bind(name.py())).unwrap_or(false)))?;
        Some(self.positional_only + index)
    }

    fn fill_in_defaults<'py>(
        &self,
        function: &Bound<'py, PyFunction>,
        values: &mut [Option<Bound<'py, PyAny>>],
    ) -> PyResult<()> {
        let (positional, keyword_only) = values.split_at_mut(self.positional);
        if let Some(defaults) = defaults(function) {
            // The last default belongs to the last parameter.
            for (value, default) in positional.iter_mut().rev().zip(defaults.as_slice().iter().rev()) {
                value.get_or_insert_with(|| default.clone());
            }
        }
        if let Some(defaults) = keyword_defaults(function) {
            for (name, value) in self.names[self.positional..].iter().zip(keyword_only) {
                if value.is_none() {
                    *value = defaults.get_item(name)?;
                }
            }
        }
        Ok(())
    }

    /// Visits the arguments in the order of the signature. What is given to `*args` comes as a tuple, to `**kwargs` as
    /// a dict.
    pub(crate) fn visit<'py, E>(
        &self,
        arguments: &Arguments<'py>,
        mut visit: impl FnMut(&Py<PyString>, &Bound<'py, PyAny>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut named = self.names.iter().zip(&arguments.values);
        for (name, value) in named.by_ref().take(self.positional) {
            visit(name, value)?;
        }
        if let (Some(name), Some(rest)) = (&self.variable, &arguments.variable) {
            visit(name, rest.as_any())?;
        }
        for (name, value) in named {
            visit(name, value)?;
        }
        match (&self.keywords, &arguments.keywords) {
            (Some(name), Some(rest)) => visit(name, rest.as_any()),
            _ => Ok(()),
        }
    }

    /// Those of the parameters' names that `chosen` contains.
    pub(crate) fn own_names(&self, py: Python<'_>, chosen: &Bound<'_, PyAny>) -> PyResult<Vec<Py<PyString>>> {
        let mut own = Vec::new();
        for name in self.names.iter().chain(&self.variable).chain(&self.keywords) {
            if chosen.contains(name.bind(py))? {
                own.push(name.clone_ref(py));
            }
        }
        Ok(own)
    }

    /// The names of all parameters, if each takes one value.
    pub(crate) fn plain_names(&self) -> Option<&[Py<PyString>]> {
        (self.variable.is_none() && self.keywords.is_none()).then_some(&self.names)
    }

    /// How many arguments [`Signature::visit`] visits.
    pub(crate) fn len(&self) -> usize {
        self.names.len() + usize::from(self.variable.is_some()) + usize::from(self.keywords.is_some())
    }

    /// What to seed with: the undeclared `global_seed`, or the declared one unless it is `None`.
    pub(crate) fn seed<'py>(&self, arguments: &Arguments<'py>) -> Option<Bound<'py, PyAny>> {
        match self.seed {
            None => arguments.seed.clone(),
            Some(index) => Some(arguments.values[index].clone()).filter(|seed| !seed.is_none()),
        }
    }

    /// Whether `global_seed` is a parameter of the function itself.
    pub(crate) fn declares_seed(&self) -> bool {
        self.seed.is_some()
    }
}

/// The defaults of the last positional parameters.
pub(crate) fn defaults<'py>(function: &Bound<'py, PyFunction>) -> Option<Bound<'py, PyTuple>> {
    // SAFETY: it is a function; the result is borrowed or null, and held before anything else can run.
    let found =
        unsafe { Bound::from_borrowed_ptr_or_opt(function.py(), ffi::PyFunction_GetDefaults(function.as_ptr())) };
    found?.cast_into().ok()
}

/// The defaults of keyword-only parameters.
pub(crate) fn keyword_defaults<'py>(function: &Bound<'py, PyFunction>) -> Option<Bound<'py, PyDict>> {
    // SAFETY: as above.
    let found =
        unsafe { Bound::from_borrowed_ptr_or_opt(function.py(), ffi::PyFunction_GetKwDefaults(function.as_ptr())) };
    found?.cast_into().ok()
}
