//! The extension module `funes._funes`: the code of funes that works with Python objects on a hot
//! path.

mod at_fork;
mod call;
mod class_version;
mod definition;
mod errors;
mod flight;
mod gil_cell;
mod git_diff;
mod hash;
mod hooks;
mod interpreter;
mod lazy;
mod memory;
mod reads;
mod store;
mod sweep;
#[cfg(Py_GIL_DISABLED)]
mod thread_number;

#[pyo3::pymodule]
mod _funes {
    #[pymodule_export]
    use crate::call::async_call::AsyncCall;
    #[pymodule_export]
    use crate::call::core::Core;
    #[pymodule_export]
    use crate::call::keyed_call::Call;
    #[pymodule_export]
    use crate::call::memo_type::{is_memo_type, memo_type};
    #[pymodule_export]
    use crate::call::mode::{set_environment_mode, set_recheck_share, watch_modes};
    #[pymodule_export]
    use crate::call::random_draws::set_seeded;
    #[pymodule_export]
    use crate::call::signature::parameters_of;
    #[pymodule_export]
    use crate::definition::changed_state::{count_attributes, counted};
    #[pymodule_export]
    use crate::definition::patched_classes::class_version;
    #[pymodule_export]
    use crate::flight::in_flight::InFlightCall;
    #[pymodule_export]
    use crate::flight::key_lock::KeyLock;
    #[pymodule_export]
    use crate::git_diff::GitDiff;
    #[pymodule_export]
    use crate::hash::buffer::ArrayBytes;
    #[pymodule_export]
    use crate::hash::functions::{definition_graph, encode_value, hash_arguments, hash_definition, hash_value, shown};
    #[pymodule_export]
    use crate::hash::strategy::forget_strategies;
    #[pymodule_export]
    use crate::hooks::{hooks, register_hooks};
    #[pymodule_export]
    use crate::memory::usage::{collect_usage, forget_usage, skip_usage, take_usage};
    #[pymodule_export]
    use crate::store::entry::Entry;
    #[pymodule_export]
    use crate::store::growth::{Growth, size_of};
    #[pymodule_export]
    use crate::store::handle::Store;
    #[pymodule_export]
    use crate::store::incoming::Incoming;
    #[pymodule_export]
    use crate::store::listing::Listing;
    #[pymodule_export]
    use crate::store::names::{earlier_files, run_in_file, runs_not_in, safe_name};
    #[pymodule_export]
    use crate::store::out_of_band::{BufferCollector, BufferSpans, InlinedPickle};
    #[pymodule_export]
    use crate::store::packed::{close_segments, finished_packed, pack, unpack, verify_packed};
    #[pymodule_export]
    use crate::store::pickled_names::pickled_names;
    #[pymodule_export]
    use crate::sweep::changed_keys::changed_keys;
    #[pymodule_export]
    use crate::sweep::point_keys::PointKeys;
    #[pymodule_export]
    use crate::sweep::point_runs::PointRuns;
    #[pymodule_export]
    use crate::sweep::task_pipe::TaskPipe;

    /// Name of the folder of large arguments in a cache folder.
    #[pymodule_export]
    const OBJECTS: &str = funes_core::store::OBJECTS;

    /// Name of the folder of run records in a cache folder.
    #[pymodule_export]
    const RUNS: &str = funes_core::store::RUNS;

    /// Name of the folder of segments and packs beside entries.
    #[pymodule_export]
    const PACKED: &str = funes_core::store::packed::FOLDER;

    /// Name of the folder of damaged files beside entries.
    #[pymodule_export]
    const DAMAGED: &str = funes_core::store::DAMAGED;

    /// File name extension of entries.
    #[pymodule_export]
    const EXTENSION: &str = funes_core::store::EXTENSION;
    #[pymodule_export]
    const ERROR_EXTENSION: &str = funes_core::store::ERROR_EXTENSION;

    /// The pickle protocol of entries.
    #[pymodule_export]
    const PROTOCOL: u8 = funes_core::pickle::PROTOCOL;

    /// The length in characters or bytes above which the size of a string in an argument is
    /// measured.
    #[pymodule_export]
    const LONG: usize = crate::call::quick_leaves::LONG;

    /// Name of the file that describes a definition, beside its entries.
    #[pymodule_export]
    const DESCRIPTION: &str = crate::store::description_watch::DESCRIPTION;

    /// Parts of names that mark a value as a secret.
    #[pymodule_export]
    const SECRET_WORDS: [&str; 5] = crate::definition::report::SECRET_WORDS;

    /// The version in Cargo.toml.
    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "the conventional name in Python")]
    const __version__: &str = env!("CARGO_PKG_VERSION");

    /// True for a release build. Benchmarks refuse other builds.
    #[pymodule_export]
    const IS_RELEASE: bool = !cfg!(debug_assertions);

    #[pymodule_init]
    #[allow(clippy::unnecessary_wraps, reason = "what PyO3 expects")]
    #[cfg_attr(not(Py_3_12), allow(unused_variables))]
    fn init(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        crate::at_fork::register();
        #[cfg(Py_3_12)]
        crate::definition::dict_watch::register(module.py());
        Ok(())
    }
}
