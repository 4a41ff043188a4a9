//! A call of a memorious function: its key, the lookup of its result, the run of the function.

pub(crate) mod async_call;
pub(crate) mod call_args;
pub(crate) mod core;
pub(crate) mod fast_key;
pub(crate) mod files;
pub(crate) mod keyed_call;
pub(crate) mod limits;
pub(crate) mod machine;
mod memo_definition;
mod memo_methods;
pub(crate) mod memo_type;
mod memory_hit;
pub(crate) mod mode;
pub(crate) mod quick_leaves;
pub(crate) mod random_draws;
pub(crate) mod signature;
pub(crate) mod switched_call;
#[cfg(Py_GIL_DISABLED)]
mod thread_tables;
pub(crate) mod trampoline;
pub(crate) mod unchanged_files;
