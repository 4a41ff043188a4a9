//! Sweeps: the parts that are loops over points, and the pipe of a worker.

pub(crate) mod changed_keys;
pub(crate) mod point_keys;
pub(crate) mod point_runs;
pub(crate) mod task_pipe;
