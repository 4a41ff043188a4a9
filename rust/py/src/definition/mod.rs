//! Definitions: graphs of functions and classes, and the guards that check that they are still valid.

pub(crate) mod changed_names;
pub(crate) mod changed_state;
pub(crate) mod changing;
pub(crate) mod class_shape;
pub(crate) mod classes;
pub(crate) mod current_definition;
pub(crate) mod definition_cache;
pub(crate) mod description;
#[cfg(Py_3_12)]
pub(crate) mod dict_watch;
pub(crate) mod findings;
pub(crate) mod function_parts;
pub(crate) mod graph;
pub(crate) mod guard;
pub(crate) mod guards;
pub(crate) mod namespace;
pub(crate) mod nodes;
pub(crate) mod patched_classes;
#[cfg(Py_3_12)]
pub(crate) mod plain_contents;
pub(crate) mod report;
pub(crate) mod running_calls;
#[cfg(Py_3_12)]
pub(crate) mod seal;
pub(crate) mod source;
pub(crate) mod stand_ins;
pub(crate) mod state_changes;
