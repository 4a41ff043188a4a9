//! Records the files that a function reads.
//!
//! An audit hook (PEP 578) sees the files that Python code opens. A recording gets those of one
//! call: of its thread or task, and of the threads that these start.

pub(crate) mod audit;
mod origin;
pub(crate) mod recording;
pub(crate) mod running;
mod settings;
mod threads;
