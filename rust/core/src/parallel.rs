//! Hashing large buffers on every core.
//!
//! Why not rayon's global pool: its threads do not survive `fork`, and a child that hashes a large array would wait
//! for them for ever. The pool here belongs to the process that made it; a child makes its own.

use std::sync::{Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// From here on several threads beat one: BLAKE3's own advice is 128 KiB, but waking the pool costs tens of microseconds,
/// and more where other processes have the cores.
pub const PARALLEL_SIZE: usize = 1 << 20;

struct OwnedPool {
    process: u32,
    pool: &'static ThreadPool,
}

static POOL: Mutex<Option<OwnedPool>> = Mutex::new(None);

/// Feeds `bytes` to `hasher`, in parallel where that pays.
pub fn update(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    if bytes.len() < PARALLEL_SIZE {
        hasher.update(bytes);
        return;
    }
    match pool() {
        Some(pool) => pool.install(|| {
            hasher.update_rayon(bytes);
        }),
        None => {
            hasher.update(bytes);
        }
    }
}

/// The pool of this process, or none while it cannot be had at once: another thread may have held the lock when the
/// process forked, and then nobody is left to release it.
fn pool() -> Option<&'static ThreadPool> {
    let mut guard = match POOL.try_lock() {
        Ok(guard) => guard,
        Err(std::sync::TryLockError::Poisoned(error)) => PoisonError::into_inner(error),
        Err(std::sync::TryLockError::WouldBlock) => return None,
    };
    let process = std::process::id();
    if let Some(owned) = guard.as_ref().filter(|owned| owned.process == process) {
        return Some(owned.pool);
    }
    let pool = ThreadPoolBuilder::new().thread_name(|_| "funes-hash".to_owned()).build().ok()?;
    // Leaked on purpose: dropping the parent's pool in a child would wait for threads that are not there.
    let pool: &'static ThreadPool = Box::leak(Box::new(pool));
    *guard = Some(OwnedPool { process, pool });
    Some(pool)
}
