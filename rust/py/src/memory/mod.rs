//! The memory cache, and counters of hits and misses.

pub(crate) mod cached_value;
pub(crate) mod counters;
pub(crate) mod memory_cache;
pub(crate) mod usage;
