//! The callbacks that Python registers: the only way from the extension to Python code of funes.
//!
//! The table is in `python/funes/_hooks.py`. Each of its methods imports and returns one function,
//! class or constant, so that a process imports only what it needs. The results are kept here.

use pyo3::prelude::*;

use crate::lazy::Lazy;

static TABLE: Lazy<Py<PyAny>> = Lazy::new();

/// One entry of the table.
pub(crate) struct Hook {
    name: &'static str,
    found: Lazy<Py<PyAny>>,
}

impl Hook {
    const fn new(name: &'static str) -> Self {
        Self { name, found: Lazy::new() }
    }

    /// Returns the function, class or constant of the entry.
    ///
    /// # Errors
    ///
    /// The import failed, for instance because too many files are open. A later use tries again.
    pub(crate) fn get<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyAny>> {
        Ok(self.found.get_or_try_init(py, || self.loader(py)?.call0(py))?.bind(py))
    }

    /// Returns what `get` has returned before.
    pub(crate) fn kept<'py>(&self, py: Python<'py>) -> Option<&Bound<'py, PyAny>> {
        self.found.get().map(|found| found.bind(py))
    }

    /// Returns the method of the table, whose result `keep` keeps. A call calls it without a frame
    /// of the extension on the stack, since importing may take long.
    pub(crate) fn loader(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let table = TABLE.get().expect("the package registers its table before the extension can be used");
        table.getattr(py, self.name)
    }

    pub(crate) fn keep(&self, found: Bound<'_, PyAny>) {
        self.found.get_or_init(found.py(), || found.clone().unbind());
    }
}

macro_rules! hooks {
    ($($(#[$doc:meta])* $hook:ident = $name:literal;)*) => {
        $($(#[$doc])* pub(crate) static $hook: Hook = Hook::new($name);)*

        const NAMES: &[&str] = &[$($name),*];
    };
}

hooks! {
    // Leaves of a call.
    CALL_IN_COROUTINE = "call_in_coroutine";
    READ_ENTRY = "read_entry";
    WAIT = "wait";
    WAIT_IN_TASK = "wait_in_task";
    READ_ERROR = "read_error";
    LOG_MISS = "log_miss";
    TAKE_SNAPSHOT = "take_snapshot";
    STATES_INSIDE = "states_inside";
    WARN_UNCACHED = "warn_uncached";
    RUN_SEEDED = "run_seeded";
    RUN_SEEDED_IN_TASK = "run_seeded_in_task";
    DRAWN_INSIDE = "drawn_inside";
    REPORT_CHANGE = "report_change";
    DUMP = "dump";
    DUMP_ERROR = "dump_error";
    RECORD_DEFINITION = "record_definition";
    REPORT_UNSTORED = "report_unstored";
    /// Raises the error for a miss in the offline mode.
    WARN_EXPIRED = "warn_expired";
    RECHECK = "recheck";
    MAY_STORE = "may_store";
    REFUSE_MISS = "refuse_miss";
    ASK_REMOTE = "ask_remote";
    ASK_REMOTE_IN_TASK = "ask_remote_in_task";
    OFFER_TO_REMOTE = "offer_to_remote";
    APPLY_ENVIRONMENT = "apply_environment";
    // Other parts of a call.
    LOAD_ENTRY = "load_entry";
    NORMALIZE_SEED = "normalize_seed";
    SAVE_OTHER_GENERATORS = "save_other_generators";
    HAVE_SAME_STATES = "have_same_states";
    /// The name under which the program's main module could be imported, or None.
    MAIN_MODULE_NAME = "main_module_name";
    /// The folders whose files do not count.
    READ_SETTINGS = "read_settings";
    /// The folders to which the paths of a function's files are relative.
    PROJECT_FOLDERS = "project_folders";
    /// Reads an environment variable of funes.
    SETTING = "setting";
    /// Begins to find out under which commit this process computes results.
    BEGIN_RUN = "begin_run";
    /// Writes the record of this process, unless it is there, and returns its id.
    RECORD_RUN = "record_run";
    /// Warns if a result was computed under another major version of a library.
    CHECK_RUN = "check_run";
    // Definitions.
    DESCRIBE = "describe";
    IS_CODE = "is_code";
    REASON_FOR_DISTRUST = "reason_for_distrust";
    IS_USER_CODE = "is_user_code";
    RESOLVE_LAZY_IMPORTS = "resolve_lazy_imports";
    /// The marker of a missing name.
    MISSING = "missing";
    /// Attributes of classes that do not count.
    CLASS_NOISE = "class_noise";
    /// Functions that find and read the state of a value which differs between threads or contexts.
    STATE_OF = "state_of";
    HOLDS_GENERATOR = "holds_generator";
    WARN_OF_CHANGES = "warn_of_changes";
    /// Attributes that the user set on a third-party class and its bases.
    SET_BY_USER = "set_by_user";
    /// Attributes of a third-party object, without orders that come from a set.
    WITHOUT_ORDERS = "without_orders";
    /// The name under which a third-party module has an object.
    NAME_IN_ITS_LIBRARY = "name_in_its_library";
    // Values.
    STRATEGY = "strategy";
    EXCEPTION_STATE = "exception_state";
    WITHOUT_CACHES = "without_caches";
    STEPS_TO_REFUSED_PART = "steps_to_refused_part";
    UNHASHABLE_ARGUMENT_ERROR = "unhashable_argument_error";
}

/// Returns the table, for Python modules that must not import what the table imports.
#[pyfunction]
pub(crate) fn hooks(py: Python<'_>) -> Option<Py<PyAny>> {
    TABLE.get().map(|table| table.clone_ref(py))
}

/// Registers the table. Keeps the first one if the package is loaded again.
#[pyfunction]
pub(crate) fn register_hooks(table: Bound<'_, PyAny>) -> PyResult<()> {
    for name in NAMES {
        table.getattr(*name)?;
    }
    TABLE.get_or_init(table.py(), || table.clone().unbind());
    Ok(())
}
