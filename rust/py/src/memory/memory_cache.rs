//! Results in memory, in front of the store: bounded in bytes, the least used go first.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use pyo3::prelude::*;
use quick_cache::unsync::Cache;
use quick_cache::{DefaultHashBuilder, Equivalent, Lifecycle, OptionsBuilder, Weighter};
use smallvec::SmallVec;

use crate::gil_cell::GilCell;
use crate::memory::cached_value::CachedValue;
use crate::memory::counters::Counters;

/// How many bytes the results of all functions together may take, without `FUNES_MEMORY`.
const DEFAULT_BOUND: u64 = 256 << 20;

/// What a result costs beside its key and itself: its place in the cache and in the index, and what the allocator adds;
/// measured by `tests/call/test_memory.py`.
const OVERHEAD: usize = 320;

/// Into how many parts the results are divided, each with a bound of its own: where there is no interpreter's lock,
/// threads should not have to wait for one another.
const SHARDS: usize = if cfg!(Py_GIL_DISABLED) { 16 } else { 1 };

/// A bounded number of results.
pub(crate) struct MemoryCache {
    shards: [GilCell<Results>; SHARDS],
    bound: u64,
}

type Results = Cache<Key, Arc<Slot>, Weigh, DefaultHashBuilder, DropLater>;

/// The part of a tier that one memorious function has while its definition is what it is. When the old definition comes
/// back, so do its results, unless others have pushed them out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partition {
    owner: u64,
    /// 128 bits of the definition hash.
    definition: u128,
}

/// What a result is kept under: its section, and the encoded arguments, or the digest that stands for them if they are
/// long.
struct Key {
    section: Partition,
    arguments: Box<[u8]>,
}

/// The same to look for.
struct Wanted<'a> {
    section: Partition,
    arguments: &'a [u8],
}

/// A result in memory.
pub(crate) struct Slot {
    pub(crate) result: CachedValue,
    /// How long it took to compute.
    pub(crate) seconds: f64,
    /// Whether it was drawn from the global random generators.
    pub(crate) is_drawn: bool,
    /// The state of the definition's folder in which the entry was last known to be there; see `FolderWatch`.
    pub(crate) seen: AtomicU64,
    size: u64,
    counters: Arc<Counters>,
}

impl MemoryCache {
    /// The tier that functions share that ask for none of their own; `None` if `FUNES_MEMORY` is 0.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        static SHARED: LazyLock<Option<Arc<MemoryCache>>> = LazyLock::new(|| {
            let bound = std::env::var("FUNES_MEMORY").ok().and_then(|text| bytes_of(&text));
            MemoryCache::bounded(bound.unwrap_or(DEFAULT_BOUND))
        });
        SHARED.clone()
    }

    /// A tier of so many bytes; `None` for 0.
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

    /// Looks at a result. `look` must run no Python code.
    pub(crate) fn look_up<R>(
        &self,
        py: Python<'_>,
        section: Partition,
        arguments: &[u8],
        look: impl FnOnce(&Arc<Slot>) -> R,
    ) -> Option<R> {
        self.shard(arguments).with(py, |results| results.get(&Wanted { section, arguments }).map(look))
    }

    /// The same for whoever only asks, which is no use of the result. It must not share code with a hit, whose look-up is
    /// compiled into it as long as there is no other.
    #[cold]
    pub(crate) fn peek(&self, py: Python<'_>, section: Partition, arguments: &[u8]) -> Option<Arc<Slot>> {
        self.shard(arguments).with(py, |results| results.peek(&Wanted { section, arguments }).cloned())
    }

    /// Keeps a result, unless it would push out too many others.
    pub(crate) fn keep(
        &self,
        py: Python<'_>,
        (section, arguments): (Partition, &[u8]),
        result: CachedValue,
        (seconds, is_drawn): (f64, bool),
        seen: u64,
        counters: &Arc<Counters>,
    ) {
        let size = (OVERHEAD + arguments.len() + result.size(py)) as u64;
        if size > self.bound / 8 / SHARDS as u64 {
            return;
        }
        counters.held(size.cast_signed());
        let kept = Slot { result, seconds, is_drawn, seen: AtomicU64::new(seen), size, counters: counters.clone() };
        let key = Key { section, arguments: arguments.into() };
        let mut pushed_out = SmallVec::new();
        self.shard(arguments).with(py, |results| results.insert_with_lifecycle(key, Arc::new(kept), &mut pushed_out));
    }

    pub(crate) fn forget(&self, py: Python<'_>, section: Partition, arguments: &[u8]) {
        // Dropped by the caller of `with`, not within it.
        let _forgotten = self.shard(arguments).with(py, |results| results.remove(&Wanted { section, arguments }));
    }

    /// Forgets all results of one function.
    pub(crate) fn clear(&self, py: Python<'_>, owner: u64) {
        for shard in &self.shards {
            // Held until the shard can be used again: letting go of a result may run any code.
            let _forgotten: Vec<_> = shard.with(py, |results| {
                let is_meant = |key: &Key| key.section.owner == owner;
                let forgotten = results.iter().filter(|(key, _)| is_meant(key)).map(|(_, kept)| kept.clone()).collect();
                results.retain(|key, _| !is_meant(key));
                forgotten
            });
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

/// A number for a memorious function, different from those of all others of this process.
pub(crate) fn next_owner() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Partition {
    /// `definition`: the hash, of which 32 hexadecimal digits are taken.
    pub(crate) fn new(owner: u64, definition: &str) -> Self {
        let digits = definition.get(..32).unwrap_or_default();
        Self { owner, definition: u128::from_str_radix(digits, 16).unwrap_or_default() }
    }
}

/// `1000000`, `512K`, `256M`, `2G`: a number of bytes.
fn bytes_of(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, shift) = match text.as_bytes().last()?.to_ascii_uppercase() {
        b'K' => (&text[..text.len() - 1], 10),
        b'M' => (&text[..text.len() - 1], 20),
        b'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    number.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.counters.held(-self.size.cast_signed());
    }
}

impl Hash for Wanted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.section.owner ^ self.section.definition as u64);
        state.write(self.arguments);
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Wanted { section: self.section, arguments: &self.arguments }.hash(state);
    }
}

impl Equivalent<Key> for Wanted<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.section == key.section && *self.arguments == *key.arguments
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        Wanted { section: self.section, arguments: &self.arguments }.equivalent(other)
    }
}

impl Eq for Key {}

#[derive(Clone)]
struct Weigh;

impl Weighter<Key, Arc<Slot>> for Weigh {
    fn weight(&self, _: &Key, kept: &Arc<Slot>) -> u64 {
        kept.size
    }
}

/// What is pushed out is dropped after the cache has been unlocked.
#[derive(Clone)]
struct DropLater;

impl Lifecycle<Key, Arc<Slot>> for DropLater {
    type RequestState = SmallVec<[(Key, Arc<Slot>); 2]>;

    fn on_evict(&self, pushed_out: &mut Self::RequestState, key: Key, kept: Arc<Slot>) {
        pushed_out.push((key, kept));
    }
}
