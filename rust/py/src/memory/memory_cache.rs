//! Caches results in memory, in front of the store. If they exceed a limit in bytes, it evicts the
//! results that are used least.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use funes_core::reads::CheckedReads;
use funes_core::store::ContentId;
use pyo3::prelude::*;
use quick_cache::unsync::Cache;
use quick_cache::{DefaultHashBuilder, Equivalent, Lifecycle, OptionsBuilder, Weighter};
use smallvec::SmallVec;

use crate::gil_cell::GilCell;
use crate::hooks;
use crate::lazy::Lazy;
use crate::memory::cached_value::CachedValue;
use crate::memory::counters::Counters;
use crate::memory::direct_table::{DirectTable, Listed};

/// The default of the maximum size of the results of all functions. `FUNES_MEMORY` overrides it.
const DEFAULT_BOUND_BYTES: u64 = 256 << 20;

/// The memory that a result takes in addition to its key and value: in the cache, in its index, and
/// by the allocator. `tests/call/test_memory.py` measures it.
const OVERHEAD_BYTES: usize = 320;

/// The number of parts of the cache, each with its own bound. Without the GIL, several parts keep
/// threads from waiting for each other.
const SHARDS: usize = if cfg!(Py_GIL_DISABLED) { 16 } else { 1 };

/// A cache of results with a bound in bytes.
pub(crate) struct MemoryCache {
    shards: [GilCell<Results>; SHARDS],
    bound: u64,
}

type Results = Cache<Key, Arc<Slot>, Weigh, DefaultHashBuilder, DropLater>;

/// Identifies the results of one memorious function under one definition. If an earlier definition
/// becomes current again, the results of that definition are found again unless they were evicted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partition {
    owner: u64,
    /// 128 bits of the definition hash.
    definition: u128,
}

/// The key of a result: its partition and the encoded arguments, or their digest if they are long.
struct Key {
    partition: Partition,
    arguments: Box<[u8]>,
}

/// A key that borrows the arguments, for lookups.
struct BorrowedKey<'a> {
    partition: Partition,
    arguments: &'a [u8],
}

/// Stands for the state of a result that has left the memory cache. No folder has this state.
const WITHDRAWN: u64 = u64::MAX;

/// A result in memory.
pub(crate) struct Slot {
    pub(crate) result: CachedValue,
    /// The run time of the call in seconds.
    pub(crate) seconds: f64,
    /// True if the result was drawn from the global random generators.
    pub(crate) is_drawn: bool,
    /// The files that the computation read, if it read any. Each hit checks them.
    pub(crate) reads: Option<Arc<CheckedReads>>,
    /// The number of its entry, by which a replaced entry is noticed.
    pub(crate) content_id: ContentId,
    /// The time stamp of its entry, if the function has a maximum age.
    pub(crate) stored: Option<SystemTime>,
    /// The state of the definition's folder when the entry was last seen on disk, see `FolderWatch`; [`WITHDRAWN`] if
    /// the result has left the memory cache.
    pub(crate) seen: AtomicU64,
    size: u64,
    counters: Arc<Counters>,
    /// Its place in the direct table of the function.
    pub(super) listed: Listed,
}

/// What is known of a result, besides its value.
pub(crate) struct About {
    /// The run time of the call in seconds.
    pub(crate) seconds: f64,
    /// True if the result was drawn from the global random generators.
    pub(crate) is_drawn: bool,
    /// The number of its entry.
    pub(crate) content_id: ContentId,
    /// The state of the folder before the entry was read or written.
    pub(crate) state: u64,
    /// The files that the computation read, if it read any.
    pub(crate) reads: Option<Arc<CheckedReads>>,
    /// The time stamp of the entry, if the function has a maximum age.
    pub(crate) stored: Option<SystemTime>,
}

impl MemoryCache {
    /// Returns the cache that functions share by default; `None` if `FUNES_MEMORY` is 0.
    pub(crate) fn shared(py: Python<'_>) -> PyResult<Option<Arc<Self>>> {
        static SHARED: Lazy<Option<Arc<MemoryCache>>> = Lazy::new();
        let make = || {
            let is_set = std::env::var_os("FUNES_MEMORY").is_some_and(|text| !text.is_empty());
            let bound: Option<u64> =
                if is_set { hooks::SETTING.get(py)?.call1(("FUNES_MEMORY",))?.extract()? } else { None };
            Ok(MemoryCache::bounded(bound.unwrap_or(DEFAULT_BOUND_BYTES)))
        };
        SHARED.get_or_try_init(py, make).cloned()
    }

    /// Makes a cache with a bound in bytes; `None` for 0.
    pub(crate) fn bounded(bound: u64) -> Option<Arc<Self>> {
        if bound == 0 {
            return None;
        }
        let mut options = OptionsBuilder::new();
        options.shards(1).estimated_items_capacity(64).weight_capacity(bound / SHARDS as u64);
        let options = options.build().ok()?;
        let shard = |_| Results::with_options(options.clone(), Weigh, DefaultHashBuilder::default(), DropLater);
        Some(Arc::new(Self { shards: std::array::from_fn(|index| GilCell::new(shard(index))), bound }))
    }

    /// Calls `look` with a result, if the result is cached. `look` must not run Python code.
    pub(crate) fn look_up<R>(
        &self,
        py: Python<'_>,
        partition: Partition,
        arguments: &[u8],
        look: impl FnOnce(&Arc<Slot>) -> R,
    ) -> Option<R> {
        self.shard(arguments).with(py, |results| results.get(&BorrowedKey { partition, arguments }).map(look))
    }

    /// Looks up a result like `look_up`, but does not count as a use for eviction. It shares no
    /// code with `look_up`, since the compiler inlines `look_up` into a hit only if that is the
    /// only caller.
    #[cold]
    pub(crate) fn peek(&self, py: Python<'_>, partition: Partition, arguments: &[u8]) -> Option<Arc<Slot>> {
        self.shard(arguments).with(py, |results| results.peek(&BorrowedKey { partition, arguments }).cloned())
    }

    /// Stores a result, unless it is so large that it would evict too many results.
    pub(crate) fn keep(
        &self,
        py: Python<'_>,
        (partition, arguments): (Partition, &[u8]),
        result: CachedValue,
        about: About,
        (counters, table): (&Arc<Counters>, &Arc<DirectTable>),
    ) {
        let size = (OVERHEAD_BYTES + arguments.len() + result.size(py)) as u64;
        if size > self.bound / 8 / SHARDS as u64 {
            return;
        }
        counters.held(size.cast_signed());
        let (counters, listed) = (counters.clone(), Listed::new(table));
        let About { seconds, is_drawn, content_id, state, reads, stored } = about;
        let seen = AtomicU64::new(state);
        let slot = Slot { result, seconds, is_drawn, reads, content_id, stored, seen, size, counters, listed };
        let key = Key { partition, arguments: arguments.into() };
        // These results are dropped after the shard can be used again, since dropping a result may
        // run any code.
        let mut evicted = SmallVec::new();
        self.shard(arguments).with(py, |results| results.insert_with_lifecycle(key, Arc::new(slot), &mut evicted));
        for (_, slot) in &evicted {
            slot.withdraw(py);
        }
    }

    /// Removes a result.
    pub(crate) fn forget(&self, py: Python<'_>, partition: Partition, arguments: &[u8]) {
        // The result is dropped after the shard can be used again, see `keep`.
        let removed = self.shard(arguments).with(py, |results| results.remove(&BorrowedKey { partition, arguments }));
        if let Some((_, slot)) = &removed {
            slot.withdraw(py);
        }
    }

    /// Removes all results of one function.
    pub(crate) fn clear(&self, py: Python<'_>, owner: u64) {
        for shard in &self.shards {
            // The results are dropped after the shard can be used again, see `keep`.
            let removed: Vec<Arc<Slot>> = shard.with(py, |results| {
                let is_owned = |key: &Key| key.partition.owner == owner;
                let removed = results.iter().filter(|(key, _)| is_owned(key)).map(|(_, slot)| slot.clone()).collect();
                results.retain(|key, _| !is_owned(key));
                removed
            });
            for slot in &removed {
                slot.withdraw(py);
            }
        }
    }

    #[cfg(not(Py_GIL_DISABLED))]
    fn shard(&self, _: &[u8]) -> &GilCell<Results> {
        &self.shards[0]
    }

    #[cfg(Py_GIL_DISABLED)]
    fn shard(&self, arguments: &[u8]) -> &GilCell<Results> {
        let mut hasher = rustc_hash::FxHasher::default();
        hasher.write(arguments);
        &self.shards[(hasher.finish() >> 32) as usize % SHARDS]
    }
}

/// Returns a number for a memorious function that is unique in this process.
pub(crate) fn next_owner() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Partition {
    /// `definition`: the definition hash, of which the first 32 hexadecimal digits are used.
    pub(crate) fn new(owner: u64, definition: &str) -> Self {
        let digits = definition.get(..32).unwrap_or_default();
        Self { owner, definition: u128::from_str_radix(digits, 16).unwrap_or_default() }
    }
}

impl Slot {
    /// Marks a result that has left the memory cache, for threads that still have it, and removes it from the direct
    /// table.
    #[inline]
    fn withdraw(&self, py: Python<'_>) {
        self.seen.store(WITHDRAWN, Ordering::Relaxed);
        self.leave_direct_table(py);
    }

    /// Records that the entry was seen on disk in this state of the folder, unless that was recorded differently since
    /// `before`. Returns false if the result has left the memory cache.
    pub(crate) fn see(&self, before: u64, state: u64) -> bool {
        let then = self.seen.compare_exchange(before, state, Ordering::Relaxed, Ordering::Relaxed);
        then.unwrap_or_else(|other| other) != WITHDRAWN
    }

    /// Returns the estimated size of the result in bytes.
    #[cfg(Py_GIL_DISABLED)]
    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.counters.held(-self.size.cast_signed());
    }
}

impl Hash for BorrowedKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.partition.owner ^ self.partition.definition as u64);
        state.write(self.arguments);
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        BorrowedKey { partition: self.partition, arguments: &self.arguments }.hash(state);
    }
}

impl Equivalent<Key> for BorrowedKey<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.partition == key.partition && *self.arguments == *key.arguments
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        BorrowedKey { partition: self.partition, arguments: &self.arguments }.equivalent(other)
    }
}

impl Eq for Key {}

#[derive(Clone)]
struct Weigh;

impl Weighter<Key, Arc<Slot>> for Weigh {
    fn weight(&self, _: &Key, slot: &Arc<Slot>) -> u64 {
        slot.size
    }
}

/// Collects evicted results, so that they are dropped after the cache has been unlocked.
#[derive(Clone)]
struct DropLater;

impl Lifecycle<Key, Arc<Slot>> for DropLater {
    type RequestState = SmallVec<[(Key, Arc<Slot>); 2]>;

    fn on_evict(&self, evicted: &mut Self::RequestState, key: Key, slot: Arc<Slot>) {
        evicted.push((key, slot));
    }
}
