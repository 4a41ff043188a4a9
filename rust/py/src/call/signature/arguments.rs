//! Binds the arguments of a call to the parameters, as the interpreter does.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFunction, PyString, PyTuple};
use smallvec::SmallVec;

use crate::call::call_args::CallArgs;
use crate::call::signature::{SEED, Signature};

/// Values that are stored inline for up to 8 parameters, which most functions have.
type Values<T> = SmallVec<[T; 8]>;

/// The arguments of one call, bound to the parameters.
pub(crate) struct Arguments<'py> {
    /// One value for each parameter that takes one.
    values: Values<Bound<'py, PyAny>>,
    variable: Option<Bound<'py, PyTuple>>,
    keywords: Option<Bound<'py, PyDict>>,
    /// The seed of a function that does not declare it, which is part of the key and of the stored
    /// input.
    pub(crate) seed: Option<Bound<'py, PyAny>>,
    /// True if the arguments do not fit the function behind the wrapper, which may add or remove
    /// some. Then only `variable` and `keywords` have values.
    pub(crate) is_raw: bool,
}

impl Signature {
    /// Returns the arguments as the function will see them; `None` if the call would raise a
    /// `TypeError`, which the function itself then raises.
    pub(crate) fn bind<'py>(
        &self,
        function: &Bound<'py, PyFunction>,
        given: &CallArgs<'_, 'py>,
    ) -> PyResult<Option<Arguments<'py>>> {
        if self.is_plain
            && given.names.is_empty()
            && given.positional.len() == self.positional
            && self.names.len() == self.positional
        {
            let values = given.positional.iter().cloned().collect();
            return Ok(Some(Arguments { values, variable: None, keywords: None, seed: None, is_raw: false }));
        }
        let bound = self.bind_by_name(self.function(function), given)?;
        if bound.is_none() && self.source.is_some() {
            return self.bind_raw(given).map(Some);
        }
        Ok(bound)
    }

    /// Returns the arguments as a wrapper will see them.
    fn bind_raw<'py>(&self, given: &CallArgs<'_, 'py>) -> PyResult<Arguments<'py>> {
        let keywords = given.dict()?.unwrap_or_else(|| PyDict::new(given.py()));
        let seed = if self.seed.is_none() { keywords.get_item(SEED)? } else { None };
        if seed.is_some() {
            keywords.del_item(SEED)?;
        }
        let variable = Some(given.tuple()?);
        Ok(Arguments { values: Values::new(), variable, keywords: Some(keywords), seed, is_raw: true })
    }

    fn bind_by_name<'py>(
        &self,
        function: &Bound<'py, PyFunction>,
        given: &CallArgs<'_, 'py>,
    ) -> PyResult<Option<Arguments<'py>>> {
        let py = function.py();
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
            is_raw: false,
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

    /// Returns the index of a parameter, if it can be given by name.
    fn position(&self, name: &Bound<'_, PyAny>) -> Option<usize> {
        let named = &self.names[self.positional_only..];
        let index = named
            .iter()
            .position(|own| own.is(name))
            .or_else(|| named.iter().position(|own| name.eq(own.bind(name.py())).unwrap_or(false)))?;
        Some(self.positional_only + index)
    }

    /// Returns the defaults if a call uses some of them, and else `Some(None)`. None if the call may use a default
    /// that can be changed in place.
    #[expect(
        clippy::option_option,
        reason = "two questions: whether the defaults are known, and whether the call uses some"
    )]
    pub(crate) fn defaults_used<'py>(
        &self,
        function: &Bound<'py, PyFunction>,
        given: &CallArgs<'_, 'py>,
    ) -> Option<Option<Bound<'py, PyTuple>>> {
        if given.positional.len() + given.values.len() == self.names.len() {
            return Some(None);
        }
        if self.source.is_some() || self.names.len() > self.positional {
            return None;
        }
        defaults(function).map(Some)
    }

    fn fill_in_defaults<'py>(
        &self,
        function: &Bound<'py, PyFunction>,
        values: &mut [Option<Bound<'py, PyAny>>],
    ) -> PyResult<()> {
        let own_positional = self.source.as_ref().map_or(self.positional, |source| source.positional);
        if let Some(fixed) = self.source.as_ref().and_then(|source| source.fixed.as_ref()) {
            for (name, value) in self.names.iter().zip(values.iter_mut()) {
                if value.is_none() {
                    *value = fixed.bind(function.py()).get_item(name)?;
                }
            }
        }
        let (positional, keyword_only) = values.split_at_mut(own_positional);
        if let Some(defaults) = defaults(function) {
            // The last default belongs to the last parameter.
            for (value, default) in positional.iter_mut().rev().zip(defaults.as_slice().iter().rev()) {
                value.get_or_insert_with(|| default.clone());
            }
        }
        if let Some(defaults) = keyword_defaults(function) {
            for (name, value) in self.names[own_positional..].iter().zip(keyword_only) {
                if value.is_none() {
                    *value = defaults.get_item(name)?;
                }
            }
        }
        Ok(())
    }

    /// Visits the arguments in the order of the signature. The values of `*args` come as a tuple,
    /// those of `**kwargs` as a dict.
    pub(crate) fn visit<'py, E>(
        &self,
        arguments: &Arguments<'py>,
        mut visit: impl FnMut(&Py<PyString>, &Bound<'py, PyAny>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.is_plain && !arguments.is_raw {
            return self.names.iter().zip(&arguments.values).try_for_each(|(name, value)| visit(name, value));
        }
        if let (true, Some(source)) = (arguments.is_raw, &self.source) {
            let [variable, keywords] = &source.raw;
            arguments.variable.iter().try_for_each(|rest| visit(variable, rest.as_any()))?;
            return arguments.keywords.iter().try_for_each(|rest| visit(keywords, rest.as_any()));
        }
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

    /// Returns the seed: the undeclared `global_seed`, or the declared one unless it is `None`.
    pub(crate) fn seed<'py>(&self, arguments: &Arguments<'py>) -> Option<Bound<'py, PyAny>> {
        match self.seed {
            None => arguments.seed.clone(),
            Some(_) if arguments.is_raw => {
                let keywords = arguments.keywords.as_ref()?;
                keywords.get_item(SEED).ok().flatten().filter(|seed| !seed.is_none())
            }
            Some(index) => Some(arguments.values[index].clone()).filter(|seed| !seed.is_none()),
        }
    }
}

/// Returns the defaults of the last positional parameters.
pub(crate) fn defaults<'py>(function: &Bound<'py, PyFunction>) -> Option<Bound<'py, PyTuple>> {
    // SAFETY: the argument is a function. The result is borrowed or null, and held before other
    // code can run.
    let found =
        unsafe { Bound::from_borrowed_ptr_or_opt(function.py(), ffi::PyFunction_GetDefaults(function.as_ptr())) };
    found?.cast_into().ok()
}

/// Returns the defaults of keyword-only parameters.
pub(crate) fn keyword_defaults<'py>(function: &Bound<'py, PyFunction>) -> Option<Bound<'py, PyDict>> {
    // SAFETY: the argument is a function. The result is borrowed or null, and held before other
    // code can run.
    let found =
        unsafe { Bound::from_borrowed_ptr_or_opt(function.py(), ffi::PyFunction_GetKwDefaults(function.as_ptr())) };
    found?.cast_into().ok()
}
