//! `funes._funes`: everything of funes that touches a Python object.

mod at_once;
mod attached;
mod call;
mod changes;
mod claim;
mod classes;
mod containers;
mod counters;
mod definition;
mod draws;
mod end;
mod errors;
mod frozen;
mod given;
mod guard;
mod hash;
mod known;
mod lazy;
mod listing;
mod mapping;
mod memo;
mod memo_type;
mod memory;
mod miss;
mod namespace;
mod objects;
mod once;
mod patched;
mod plan;
mod readings;
mod recall;
mod record;
mod refusal;
mod savings;
mod scalars;
mod settled;
mod signature;
mod stand_ins;
mod steps;
mod store;
mod survey;
mod tier;
mod walk;
mod watch;

#[pyo3::pymodule]
mod _funes {
    #[pymodule_export]
    use crate::call::Call;
    #[pymodule_export]
    use crate::changes::{count_attributes, counted};
    #[pymodule_export]
    use crate::claim::Claim;
    #[pymodule_export]
    use crate::draws::{Draws, set_seeded};
    #[pymodule_export]
    use crate::hash::{definition_graph, encode_value, hash_arguments, hash_definition, hash_value, shown};
    #[pymodule_export]
    use crate::listing::Listing;
    #[pymodule_export]
    use crate::memo::Core;
    #[pymodule_export]
    use crate::memo_type::memo_type;
    #[pymodule_export]
    use crate::memory::Raw;
    #[pymodule_export]
    use crate::once::KeyLock;
    #[pymodule_export]
    use crate::patched::class_version;
    #[pymodule_export]
    use crate::plan::forget_plans;
    #[pymodule_export]
    use crate::readings::{Collector, InBand, Spans};
    #[pymodule_export]
    use crate::savings::{forget_savings, take_savings};
    #[pymodule_export]
    use crate::signature::parameters_of;
    #[pymodule_export]
    use crate::store::{Entry, Store, safe_name};

    /// The folder of large arguments in a cache folder.
    #[pymodule_export]
    const OBJECTS: &str = funes_core::store::OBJECTS;

    /// The folder of damaged files beside entries.
    #[pymodule_export]
    const DAMAGED: &str = funes_core::store::DAMAGED;

    /// What the name of an entry's file ends with.
    #[pymodule_export]
    const EXTENSION: &str = funes_core::store::EXTENSION;

    /// The pickle protocol of entries.
    #[pymodule_export]
    const PROTOCOL: u8 = funes_core::pickle::PROTOCOL;

    /// From how many characters or bytes on a text within an argument is looked at for its size.
    #[pymodule_export]
    const LONG: usize = crate::miss::LONG;

    /// The file that describes a definition, beside its entries.
    #[pymodule_export]
    const DESCRIPTION: &str = crate::survey::DESCRIPTION;

    /// The version, from Cargo.toml, where it is written once.
    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "the name that Python has for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// Whether this is a release build: benchmarks refuse anything else.
    #[pymodule_export]
    const IS_RELEASE: bool = !cfg!(debug_assertions);
}
