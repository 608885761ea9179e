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
    failures: AtomicU64,
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

    /// Fetching gave no answer, or a table that changed could not be read again.
    pub fn failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Hits, misses and failures so far, by the label `result`.
    pub fn totals(&self) -> [(&'static str, u64); 3] {
        let total = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [("hit", total(&self.hits)), ("miss", total(&self.misses)), ("failed", total(&self.failures))]
    }
}
