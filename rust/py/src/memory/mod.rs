//! The memory cache, and counters of hits and misses.

pub(crate) mod cached_value;
pub(crate) mod counters;
mod direct_key;
#[cfg_attr(Py_GIL_DISABLED, expect(dead_code, reason = "builds without the GIL have `thread_tables` instead"))]
pub(crate) mod direct_table;
pub(crate) mod memory_cache;
pub(crate) mod usage;
