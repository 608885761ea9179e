//! Counts that only a component can make, published through [`Shared`](crate::Shared) for the engine's metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often a look-up knew the answer already (`sluicebox_lookup_cache_total`).
///
/// A component publishes one under its own name and no account when it is built; the engine reads it when metrics are
/// asked for.
#[derive(Debug, Default)]
pub struct CacheTally {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl CacheTally {
    /// The answer was known, or somebody else was fetching it.
    pub fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// The answer had to be fetched.
    pub fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Hits and misses so far, by the label `result`.
    pub fn totals(&self) -> [(&'static str, u64); 2] {
        [("hit", self.hits.load(Ordering::Relaxed)), ("miss", self.misses.load(Ordering::Relaxed))]
    }
}
