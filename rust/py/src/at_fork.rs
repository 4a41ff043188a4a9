//! Tells the core that this process was forked.

/// Lets the core remember the id of the process, if the system reports forks.
#[cfg(unix)]
pub(crate) fn register() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(watch_forks);
}

#[cfg(unix)]
fn watch_forks() {
    unsafe extern "C" {
        fn pthread_atfork(
            prepare: Option<unsafe extern "C" fn()>,
            parent: Option<unsafe extern "C" fn()>,
            child: Option<unsafe extern "C" fn()>,
        ) -> std::ffi::c_int;
    }

    unsafe extern "C" fn in_child() {
        funes_core::process::remember_id();
    }

    // SAFETY: the function has the type that POSIX states. In the child it asks for the process id and
    // stores a number, which is allowed there. The extension is never unloaded.
    if unsafe { pthread_atfork(None, None, Some(in_child)) } == 0 {
        funes_core::process::remember_id();
    }
}

/// Lets the core remember the id of the process, which does not fork on this system.
#[cfg(not(unix))]
pub(crate) fn register() {
    funes_core::process::remember_id();
}
