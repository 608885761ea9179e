//! Counts that only a component can make, published through [`Shared`](crate::Shared) for the engine's metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// How full the inbox of a source is (`sluicebox_inbox_bytes`, `sluicebox_inbox_limit_bytes`).
///
/// A source publishes one under its own name and account when it is built.
#[derive(Debug)]
pub struct InboxFill {
    bytes: AtomicU64,
    limit_bytes: u64,
}

impl InboxFill {
    /// An inbox that holds so many bytes now, and so many at most.
    pub fn new(bytes: u64, limit_bytes: u64) -> Self {
        Self { bytes: AtomicU64::new(bytes), limit_bytes }
    }

    /// So many bytes are kept now that some sink does not have yet.
    pub fn set(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that are kept now.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes that are kept at most; beyond, senders are refused.
    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }
}

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
