//! Entries on disk, wrapped for Python.

pub(crate) mod description_watch;
pub(crate) mod disk_hit;
pub(crate) mod entry;
pub(crate) mod entry_buffer;
pub(crate) mod error;
pub(crate) mod folder_watch;
pub(crate) mod growth;
pub(crate) mod handle;
pub(crate) mod incoming;
pub(crate) mod listing;
pub(crate) mod names;
pub(crate) mod out_of_band;
pub(crate) mod packed;
pub(crate) mod pickled_names;
pub(crate) mod run;
