//! Sweeps: the part that is a loop over points.

pub(crate) mod point_keys;
pub(crate) mod point_runs;
