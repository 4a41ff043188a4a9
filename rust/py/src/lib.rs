//! `funes._funes`: everything of funes that touches a Python object.

mod at_once;
mod attached;
mod containers;
mod counters;
mod definition;
mod errors;
mod frozen;
mod given;
mod guard;
mod hash;
mod known;
mod mapping;
mod memo;
mod memo_type;
mod memory;
mod objects;
mod once;
mod plan;
mod readings;
mod recall;
mod record;
mod refusal;
mod scalars;
mod signature;
mod steps;
mod store;
mod tier;
mod walk;
mod watch;

#[pyo3::pymodule]
mod _funes {
    #[pymodule_export]
    use crate::hash::{definition_graph, encode_value, hash_definition, hash_value};
    #[pymodule_export]
    use crate::memo::{Call, Core};
    #[pymodule_export]
    use crate::memo_type::memo_type;
    #[pymodule_export]
    use crate::memory::Raw;
    #[pymodule_export]
    use crate::once::KeyLock;
    #[pymodule_export]
    use crate::plan::forget_plans;
    #[pymodule_export]
    use crate::readings::{Collector, InBand, Spans};
    #[pymodule_export]
    use crate::store::{Entry, Store};

    /// The version, from Cargo.toml, where it is written once.
    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "the name that Python has for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// Whether this is a release build: benchmarks refuse anything else.
    #[pymodule_export]
    const IS_RELEASE: bool = !cfg!(debug_assertions);
}
