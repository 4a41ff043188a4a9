//! Single flight: of the calls that need one key at the same time, one computes.

pub(crate) mod in_flight;
pub(crate) mod key_lock;
