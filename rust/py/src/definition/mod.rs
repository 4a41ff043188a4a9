//! Definitions: what functions and classes consist of, and the guards that tell whether that still holds.

pub(crate) mod changed_state;
pub(crate) mod classes;
pub(crate) mod current_definition;
pub(crate) mod definition_cache;
pub(crate) mod graph;
pub(crate) mod guard;
pub(crate) mod namespace;
pub(crate) mod patched_classes;
pub(crate) mod report;
pub(crate) mod stand_ins;
