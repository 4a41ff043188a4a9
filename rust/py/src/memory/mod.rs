//! The memory cache and what it counts.

pub(crate) mod cached_value;
pub(crate) mod counters;
pub(crate) mod memory_cache;
pub(crate) mod usage;
