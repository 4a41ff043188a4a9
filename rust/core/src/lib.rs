//! The formats of funes: the canonical encoding of values, the graph of definitions, and entries on disk.
//!
//! Nothing here knows of Python: the extension crate walks objects and tells the [`encode::Encoder`] what it sees.
//! `docs/format.md` describes every byte.

#![forbid(unsafe_code)]

pub mod digest;
pub mod domain;
pub mod encode;
pub mod error;
pub mod graph;
pub mod inline;
pub mod lock;
mod parallel;
pub mod pickle;
pub mod store;
pub mod tags;
pub mod throttle;
pub mod value;
