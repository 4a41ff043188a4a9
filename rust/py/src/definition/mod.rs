//! Definitions: graphs of functions and classes, and the guards that check that they are still valid.

pub(crate) mod changed_state;
pub(crate) mod classes;
pub(crate) mod current_definition;
pub(crate) mod definition_cache;
pub(crate) mod graph;
pub(crate) mod guard;
pub(crate) mod namespace;
pub(crate) mod patched_classes;
pub(crate) mod report;
pub(crate) mod source;
pub(crate) mod stand_ins;
