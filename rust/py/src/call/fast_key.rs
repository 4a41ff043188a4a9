//! The way of most calls: a few numbers or short texts as arguments, and a result in memory that cannot change.
//!
//! Nothing is allocated, no Python code runs, and nothing is decided that the longer way in `memo.rs` does not decide the
//! same: whatever is out of the ordinary is left to it.

use funes_core::inline::InlineEncoder;
use funes_core::tags;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyFunction, PyInt, PyString};

use crate::call::call_args::CallArgs;
use crate::call::signature::{self, Signature};
use crate::hash::scalars::small;

/// The arguments as [`Signature::visit`] would have them encoded; `None` if one of them is no scalar, if they do not
/// fit the signature, or if there is a seed.
pub(crate) fn encode<'py>(
    signature: &Signature,
    function: &Bound<'py, PyFunction>,
    given: &CallArgs<'_, 'py>,
) -> Option<InlineEncoder> {
    let names = signature.plain_names()?;
    let function = signature.function(function);
    let mut short = InlineEncoder::begin(tags::ARGUMENTS, names.len() + 1);
    let (positional, first_named) = (given.positional, given.positional.len());
    if first_named > signature.positional {
        return None;
    }
    for value in positional {
        scalar(&mut short, value)?;
    }
    if first_named < names.len() {
        let mut defaults = None;
        let mut used = 0;
        for (index, name) in names.iter().enumerate().skip(first_named) {
            // The names at a call and those of the parameters are the same objects, as a rule.
            let by_name = given.names.iter().position(|given| given.is(name) && index >= signature.positional_only);
            if let Some(place) = by_name {
                used += 1;
                scalar(&mut short, &given.values[place])?;
            } else if index < signature.positional {
                let defaults = defaults.get_or_insert_with(|| signature::defaults(function)).as_ref()?.as_slice();
                let place = (index + defaults.len()).checked_sub(signature.positional)?;
                scalar(&mut short, &defaults[place])?;
            } else {
                let default = signature::keyword_defaults(function)?.get_item(name).ok()??;
                scalar(&mut short, &default)?;
            }
        }
        if used != given.names.len() {
            return None;
        }
    } else if !given.names.is_empty() {
        return None;
    }
    short.atom(tags::ABSENT).then_some(short)
}

#[inline]
fn scalar(short: &mut InlineEncoder, value: &Bound<'_, PyAny>) -> Option<()> {
    let fits = if let Ok(int) = value.cast_exact::<PyInt>() {
        short.int(small(int)?)
    } else if let Ok(float) = value.cast_exact::<PyFloat>() {
        short.float(float.value())
    } else if let Ok(text) = value.cast_exact::<PyString>() {
        short.blob(tags::STR, text.to_str().ok()?.as_bytes())
    } else if let Ok(truth) = value.cast_exact::<PyBool>() {
        short.atom(if truth.is_true() { tags::TRUE } else { tags::FALSE })
    } else if value.is_none() {
        short.atom(tags::NONE)
    } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        short.blob(tags::BYTES, bytes.as_bytes())
    } else {
        false
    };
    fits.then_some(())
}
