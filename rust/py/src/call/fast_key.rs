//! Computes the key of most calls: calls whose arguments are a few numbers or short texts, and
//! whose immutable result is in memory.
//!
//! It allocates nothing and runs no Python code. Each decision equals that of the general path in
//! `core.rs`, which handles all other calls.

use funes_core::inline::InlineEncoder;
use funes_core::tags;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyFunction, PyInt, PyString};

use crate::call::call_args::CallArgs;
use crate::call::signature::{self, Signature};
use crate::hash::scalars::{small, utf8};

/// Returns the same encoding as a walk over [`Signature::visit`]. `None` if an argument is not a
/// scalar, if the arguments do not fit the signature, or if there is a seed.
pub(crate) fn encode<'py>(
    signature: &Signature,
    function: &Bound<'py, PyFunction>,
    call_args: &CallArgs<'_, 'py>,
) -> Option<InlineEncoder> {
    let names = signature.plain_names()?;
    let function = signature.function(function);
    let mut encoder = InlineEncoder::begin(tags::ARGUMENTS, names.len() + 1);
    let (positional, first_named) = (call_args.positional, call_args.positional.len());
    if first_named > signature.positional {
        return None;
    }
    for value in positional {
        scalar(&mut encoder, value)?;
    }
    if first_named < names.len() {
        let mut defaults = None;
        let mut used = 0;
        for (index, name) in names.iter().enumerate().skip(first_named) {
            // The names at a call and those of the parameters are usually the same objects.
            let by_name =
                call_args.names.iter().position(|call_args| call_args.is(name) && index >= signature.positional_only);
            if let Some(place) = by_name {
                used += 1;
                scalar(&mut encoder, &call_args.values[place])?;
            } else if index < signature.positional {
                let defaults = defaults.get_or_insert_with(|| signature::defaults(function)).as_ref()?.as_slice();
                let place = (index + defaults.len()).checked_sub(signature.positional)?;
                scalar(&mut encoder, &defaults[place])?;
            } else {
                let default = signature::keyword_defaults(function)?.get_item(name).ok()??;
                scalar(&mut encoder, &default)?;
            }
        }
        if used != call_args.names.len() {
            return None;
        }
    } else if !call_args.names.is_empty() {
        return None;
    }
    encoder.atom(tags::ABSENT).then_some(encoder)
}

#[inline]
fn scalar(encoder: &mut InlineEncoder, value: &Bound<'_, PyAny>) -> Option<()> {
    let fits = if let Ok(int) = value.cast_exact::<PyInt>() {
        encoder.int(small(int)?)
    } else if let Ok(float) = value.cast_exact::<PyFloat>() {
        encoder.float(float.value())
    } else if let Ok(text) = value.cast_exact::<PyString>() {
        encoder.blob(tags::STR, utf8(text)?)
    } else if let Ok(truth) = value.cast_exact::<PyBool>() {
        encoder.atom(if truth.is_true() { tags::TRUE } else { tags::FALSE })
    } else if value.is_none() {
        encoder.atom(tags::NONE)
    } else if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        encoder.blob(tags::BYTES, bytes.as_bytes())
    } else {
        false
    };
    fits.then_some(())
}
