//! Remembers answers: bounded in entries and bytes, one flight per key, each answer good for its time.
//!
//! Times are those of the pipeline's clock, so that a simulated one works too; moka only bounds and joins flights.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use moka::future::Cache;
use moka::ops::compute::Op;
use sluicebox_core::{CacheTally, Clock};

use super::CacheOptions;
use super::fetch::{Found, Unavailable};

/// Most bytes of all answers together.
const MOST_BYTES: u64 = 64 << 20;

#[derive(Clone)]
struct Entry {
    found: Found,
    /// Until when it is good.
    until: Duration,
}

/// The answers of one look-up.
pub(super) struct Answers {
    entries: Cache<String, Entry>,
    clock: Arc<dyn Clock>,
    ttl: Duration,
    negative_ttl: Duration,
    tally: Arc<CacheTally>,
}

impl Answers {
    pub(super) fn new(options: &CacheOptions, clock: Arc<dyn Clock>) -> Self {
        // One capacity bounds both: an entry weighs its bytes, but never less than its share of the entries.
        let share = (MOST_BYTES / options.max_entries.max(1)).max(1);
        let capacity = if options.max_entries == 0 { 0 } else { share.saturating_mul(options.max_entries) };
        let entries = Cache::builder()
            .max_capacity(capacity)
            .weigher(move |key: &String, entry: &Entry| {
                let bytes = (key.len() + entry.found.size()) as u64;
                u32::try_from(bytes.max(share)).unwrap_or(u32::MAX)
            })
            .build();
        Self {
            entries,
            clock,
            ttl: options.ttl.0,
            negative_ttl: options.negative_ttl.0,
            tally: Arc::default(),
        }
    }

    /// How often the answer was known.
    pub(super) fn tally(&self) -> &Arc<CacheTally> {
        &self.tally
    }

    /// What is known under `key`, or what `fetch` finds; of all who ask for one key at a time, one fetches.
    ///
    /// # Errors
    /// What the one fetch gave; errors are not remembered.
    pub(super) async fn get<'a>(
        &self,
        key: String,
        fetch: impl FnOnce() -> BoxFuture<'a, Result<Found, Unavailable>>,
    ) -> Result<Found, Arc<Unavailable>> {
        if let Some(entry) = self.entries.get(&key).await {
            if self.clock.elapsed() < entry.until {
                self.tally.hit();
                return Ok(entry.found);
            }
            self.forget_if_stale(&key).await;
        }
        let mut fetched = false;
        let remember = async {
            fetched = true;
            let found = fetch().await?;
            let good_for = if found.is_answer() { self.ttl } else { self.negative_ttl };
            Ok(Entry { found, until: self.clock.elapsed().saturating_add(good_for) })
        };
        let entry = Box::pin(self.entries.try_get_with(key, remember)).await;
        if fetched {
            self.tally.miss();
        } else {
            self.tally.hit();
        }
        entry.map(|entry| entry.found)
    }

    /// Only a stale entry: another task may have put a fresh one there meanwhile.
    async fn forget_if_stale(&self, key: &str) {
        let now = self.clock.elapsed();
        let decide = |entry: Option<moka::Entry<String, Entry>>| {
            let stale = entry.is_some_and(|entry| entry.value().until <= now);
            std::future::ready(if stale { Op::Remove } else { Op::Nop })
        };
        Box::pin(self.entries.entry_by_ref(key).and_compute_with(decide)).await;
    }

    /// How many answers are remembered.
    #[cfg(test)]
    pub(super) async fn len(&self) -> u64 {
        self.entries.run_pending_tasks().await;
        self.entries.entry_count()
    }
}
