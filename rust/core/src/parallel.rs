//! Hashes large buffers on every core.
//!
//! This module does not use the global pool of rayon. The threads of that pool do not survive
//! `fork`, and a child that hashes a large array would wait for them forever. Here, each process
//! makes a pool of its own.

use std::sync::{Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// The size in bytes from which several threads are faster than one. BLAKE3 recommends 128 KiB, but
/// waking the pool takes tens of microseconds, and more if other processes use the cores.
pub const PARALLEL_SIZE: usize = 1 << 20;

struct OwnedPool {
    process: u32,
    pool: &'static ThreadPool,
}

static POOL: Mutex<Option<OwnedPool>> = Mutex::new(None);

/// Feeds `bytes` to `hasher`, in parallel if there are enough.
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

/// Returns the pool of this process, or none if the lock of the pool is taken. Never waits: another
/// thread may have held the lock when the process forked, and then no thread releases it.
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
    // Leak the pool on purpose: dropping the parent's pool in a child would wait for threads that
    // do not exist in the child.
    let pool: &'static ThreadPool = Box::leak(Box::new(pool));
    *guard = Some(OwnedPool { process, pool });
    Some(pool)
}
