//! Calls in flight: of those that need one key, one computes.

pub(crate) mod in_flight;
pub(crate) mod key_lock;
