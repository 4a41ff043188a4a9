//! The id of this process, without a system call.

use std::sync::atomic::{AtomicU32, Ordering};

/// The id of this process; zero if the system is asked each time.
static ID: AtomicU32 = AtomicU32::new(0);

/// Returns the id of this process.
pub(crate) fn id() -> u32 {
    match ID.load(Ordering::Relaxed) {
        0 => std::process::id(),
        id => id,
    }
}

/// Remembers the id of this process. A program that calls this calls it again in every forked child,
/// before anything else there uses this crate.
pub fn remember_id() {
    ID.store(std::process::id(), Ordering::Relaxed);
}
