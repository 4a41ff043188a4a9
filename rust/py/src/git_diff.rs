//! Asks git whether tracked files differ from the commit, in a thread that does not use Python.

use std::env::{self, consts::EXE_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// The time limit for git.
const LIMIT: Duration = Duration::from_secs(5);

/// The pauses between looking whether git has ended.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// The size of the thread's stack in bytes.
const STACK: usize = 1 << 18;

/// The number of answers that this process has got.
static ANSWERS: AtomicU32 = AtomicU32::new(0);

/// Returns a number that changes when git has answered.
#[inline]
pub(crate) fn answers() -> u32 {
    ANSWERS.load(Ordering::Acquire)
}

/// A question to git that runs in the background. A process that ends does not wait for it.
#[pyclass(frozen, module = "funes._funes")]
pub(crate) struct GitDiff {
    /// Zero without an answer, 1 if no file differs, 2 if files differ. No lock, which a forked child might find taken.
    answer: Arc<AtomicU8>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[pymethods]
impl GitDiff {
    /// Asks git about the repository in a folder.
    #[new]
    fn new(folder: PathBuf) -> Self {
        let answer = Arc::new(AtomicU8::new(0));
        let thread = command(&folder).and_then(|command| {
            let answer = answer.clone();
            let ask = move || {
                if let Some(is_dirty) = ask(command) {
                    answer.store(1 + u8::from(is_dirty), Ordering::Relaxed);
                    ANSWERS.fetch_add(1, Ordering::Release);
                }
            };
            thread::Builder::new().name("funes-git".into()).stack_size(STACK).spawn(ask).ok()
        });
        Self { answer, thread: Mutex::new(thread) }
    }

    /// Whether files differ from the commit; None if git cannot tell, or has not answered yet.
    #[getter]
    fn is_dirty(&self) -> Option<bool> {
        match self.answer.load(Ordering::Relaxed) {
            0 => None,
            answer => Some(answer == 2),
        }
    }

    /// Waits until the thread has ended, for at most some seconds.
    fn wait(&self, py: Python<'_>, seconds: f64) {
        py.detach(|| {
            let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            let started = Instant::now();
            while thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
                if started.elapsed().as_secs_f64() >= seconds {
                    return;
                }
                thread::sleep(FIRST_PAUSE);
            }
            // It has ended, but the system may still count it.
            drop(thread.take().map(JoinHandle::join));
        });
    }
}

/// Returns the command; None if git is not installed. The environment is read here, since the thread that attaches to
/// Python is the only one that may change it.
fn command(folder: &Path) -> Option<Command> {
    let name = format!("git{EXE_SUFFIX}");
    let program = env::split_paths(&env::var_os("PATH")?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(&name))
        .find(|program| program.is_file())?;
    let mut command = Command::new(program);
    // The user's monitor of the file system is a program that may stay.
    command.arg("-C").arg(folder).args(["-c", "core.fsmonitor=false"]);
    command.args(["diff", "--quiet", "--no-ext-diff", "HEAD", "--"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // A hook of git that has started this process may have set these for another repository.
    let others = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"];
    command.env_clear().envs(env::vars_os().filter(|(name, _)| others.iter().all(|other| name != other)));
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_LAZY_FETCH", "1");
    #[cfg(windows)]
    std::os::windows::process::CommandExt::creation_flags(&mut command, 0x0800_0000); // no window
    Some(command)
}

/// Runs git within the time limit.
fn ask(mut command: Command) -> Option<bool> {
    let mut git = command.spawn().ok()?;
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    let status = loop {
        if let Some(status) = git.try_wait().ok()? {
            break status;
        }
        if started.elapsed() > LIMIT {
            let _ = git.kill();
            break git.wait().ok()?;
        }
        thread::sleep(pause);
        pause = LONGEST_PAUSE.min(2 * pause);
    };
    match status.code() {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    }
}
