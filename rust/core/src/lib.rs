//! The formats of funes: the canonical encoding of values, definition graphs, and entries on disk.
//!
//! This crate does not depend on Python: the extension crate walks Python objects and calls the
//! [`encode::Encoder`]. `docs/format.md` describes every byte.

#![forbid(unsafe_code)]

pub mod digest;
pub mod domain;
pub mod encode;
pub mod error;
pub mod file_stamp;
pub mod graph;
pub mod inline;
pub mod lock;
mod parallel;
pub mod pickle;
pub mod process;
pub mod reads;
pub mod snapshot;
pub mod store;
pub mod tags;
pub mod throttle;
pub mod value;
