//! Hashes the content of files, each state of a file once per process.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::SystemTime;

use crate::digest::Digest;
use crate::file_stamp::{FileStamp, LOCAL_RESOLUTION, RESOLUTION};
use crate::parallel;
use crate::store::filesystem::is_local;

/// The number of bytes that are read at a time.
const BLOCK: usize = 4 << 20;

/// The maximum number of files whose hashes are remembered. Beyond that, files are hashed again.
const MAX_KNOWN: usize = 1 << 14;

/// Hashes of files in settled states. No thread waits for this lock: after a fork the lock may stay
/// locked, and hashing a file again is correct too.
static KNOWN: LazyLock<Mutex<HashMap<(PathBuf, FileStamp), Digest>>> = LazyLock::new(Mutex::default);

/// A file that was hashed.
#[derive(Clone, Copy)]
pub(super) struct Hashed {
    pub(super) content: Digest,
    pub(super) stamp: FileStamp,
    /// True if every change since the file was hashed has changed its stamp.
    pub(super) is_settled: bool,
}

/// Returns the hash of a file in this state, if it is known without reading the file.
pub(super) fn known(path: &Path, stamp: FileStamp) -> Option<Hashed> {
    let known = KNOWN.try_lock().ok()?;
    let content = *known.get(&(absolute(path), stamp))?;
    Some(Hashed { content, stamp, is_settled: true })
}

/// Hashes a regular file. Returns none for anything else, and if the file changes meanwhile.
pub(super) fn hash(path: &Path) -> io::Result<Option<Hashed>> {
    let mut file = File::open(path)?;
    let (before, now) = (file.metadata()?, SystemTime::now());
    if !before.is_file() {
        return Ok(None);
    }
    let stamp = FileStamp::of(&before);
    if let Some(known) = known(path, stamp) {
        return Ok(Some(known));
    }
    let mut content = blake3::Hasher::new();
    let mut block = vec![0; BLOCK.min(before.len() as usize + 1)];
    loop {
        let length = fill(&mut file, &mut block)?;
        parallel::update(&mut content, &block[..length]);
        if length < block.len() {
            break;
        }
    }
    if FileStamp::of(&file.metadata()?) != stamp {
        return Ok(None);
    }
    let resolution = if is_local(&file) { LOCAL_RESOLUTION } else { RESOLUTION };
    let hashed =
        Hashed { content: Digest(content.finalize().into()), stamp, is_settled: stamp.is_settled(now, resolution) };
    if hashed.is_settled
        && let Ok(mut known) = KNOWN.try_lock()
    {
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert((absolute(path), stamp), hashed.content);
    }
    Ok(Some(hashed))
}

/// Fills the buffer, or its start if the file ends before.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Returns the path under which a file is remembered. Where stamps do not identify a file, the same
/// relative path is another file in another working directory.
pub(super) fn absolute(path: &Path) -> PathBuf {
    if cfg!(unix) { path.to_owned() } else { std::path::absolute(path).unwrap_or_else(|_| path.to_owned()) }
}
