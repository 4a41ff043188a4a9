//! The canonical encoding and digests of Python values.

mod attributes;
pub(crate) mod buffer;
pub(crate) mod containers;
pub(crate) mod functions;
pub(crate) mod objects;
pub(crate) mod reduction;
pub(crate) mod scalars;
pub(crate) mod strategy;
pub(crate) mod walk;
pub(crate) mod walk_error;
