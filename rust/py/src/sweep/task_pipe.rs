//! The pipe by which an own worker gets its tasks.

use std::fs::File;
use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

unsafe extern "C" {
    /// Ends the process at once, without handlers. The C libraries of POSIX and of Windows have it.
    fn _exit(code: std::ffi::c_int) -> !;
}

/// Reads tasks from the standard input, in a thread that never needs the GIL.
///
/// When the other end of the pipe is closed, the process of the sweep has died or needs this process no more. A point may
/// keep the GIL in C code for any time, so the thread ends this process, unless it ends by itself in time.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct TaskPipe {
    tasks: Mutex<Receiver<Vec<u8>>>,
    #[cfg(unix)]
    descriptor: std::os::fd::RawFd,
}

#[pymethods]
impl TaskPipe {
    /// Begins to read a copy of the standard input, which may be redirected then.
    ///
    /// Args:
    ///     grace: The time in seconds that this process has to end by itself.
    #[new]
    fn new(grace: f64) -> PyResult<Self> {
        let file = standard_input()?;
        #[cfg(unix)]
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&file);
        let (sender, receiver) = channel();
        let grace = Duration::try_from_secs_f64(grace).unwrap_or_default();
        let work = move || {
            read(file, &sender);
            drop(sender);
            std::thread::sleep(grace);
            // SAFETY: it takes any number, and nothing of this process is used afterwards.
            unsafe { _exit(1) }
        };
        std::thread::Builder::new().name("funes-tasks".into()).spawn(work)?;
        Ok(Self {
            tasks: Mutex::new(receiver),
            #[cfg(unix)]
            descriptor,
        })
    }

    /// Waits for the next task. Returns its bytes; None if the pipe is closed.
    fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let task = py.detach(|| self.tasks.lock().unwrap_or_else(PoisonError::into_inner).recv()).ok()?;
        Some(PyBytes::new(py, &task))
    }

    /// Returns the file descriptor of the pipe, which a forked child must not keep open.
    #[cfg(unix)]
    fn fileno(&self) -> i32 {
        self.descriptor
    }
}

#[cfg(unix)]
fn standard_input() -> std::io::Result<File> {
    use std::os::fd::AsFd;
    Ok(File::from(std::io::stdin().as_fd().try_clone_to_owned()?))
}

#[cfg(windows)]
fn standard_input() -> std::io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(File::from(std::io::stdin().as_handle().try_clone_to_owned()?))
}

/// Passes tasks on until the pipe is closed. Before each task stands its length in 8 bytes.
fn read(mut file: File, tasks: &Sender<Vec<u8>>) {
    let mut length = [0; 8];
    while file.read_exact(&mut length).is_ok() {
        let length = u64::from_be_bytes(length);
        let mut task = Vec::new();
        let is_whole = file.by_ref().take(length).read_to_end(&mut task).is_ok() && task.len() as u64 == length;
        if !is_whole || tasks.send(task).is_err() {
            return;
        }
    }
}
