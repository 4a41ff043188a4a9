//! Accepts entries of unchanged files for sweeps, which read the results of many points.

use std::path::PathBuf;

use funes_core::reads::{CheckedReads, Verdict};
use pyo3::prelude::*;

use crate::call::files::{pass_on, project_of};
use crate::call::switched_call::is_fresh;
use crate::store::disk_hit::{Accepts, Which};

/// Accepts entries whose files are all as they were, for code that has no function at hand.
pub(crate) struct AcceptsUnchanged {
    project: Vec<PathBuf>,
    max_age: Option<f64>,
}

impl AcceptsUnchanged {
    /// `max_age`: the age in seconds from which an earlier entry is expired. Of the latest entry, the
    /// caller knows that it is not.
    pub(crate) fn new(function: &Bound<'_, PyAny>, max_age: Option<f64>) -> Self {
        Self { project: project_of(function), max_age }
    }
}

impl Accepts for AcceptsUnchanged {
    fn accepts(&self, py: Python<'_>, reads: &CheckedReads, which: Which, _: bool) -> PyResult<bool> {
        if let (Which::Earlier { stored }, Some(max_age)) = (which, self.max_age)
            && !is_fresh(stored, max_age)
        {
            return Ok(false);
        }
        let project = self.project.first().map(PathBuf::as_path);
        let holds = py.detach(|| reads.check(project)) == Verdict::Holds;
        if holds {
            pass_on(py, reads, project);
        }
        Ok(holds)
    }
}
