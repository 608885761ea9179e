//! Remembers answers: bounded in entries and bytes, one flight per key, each answer good for its time.
//!
//! Times are those of the pipeline's clock, so that a simulated one works too; moka only bounds and joins flights.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use moka::future::Cache;
use moka::ops::compute::Op;
use sluicebox_core::{CacheTally, Clock, LookupStatus, Timestamp};

use crate::flights::{self, Claimed, Flights};
use crate::{CacheOptions, Found, Unavailable};

/// Most bytes of all answers together.
const MOST_BYTES: u64 = 64 << 20;

/// What a fetch gave for one key.
type Landing = Result<Found, Arc<Unavailable>>;

#[derive(Clone)]
struct Entry {
    found: Found,
    /// Until when it is good.
    until: Duration,
    /// When it was asked for.
    asked: Timestamp,
}

impl Entry {
    /// Whether it is still good, and was asked for at `since` or later.
    fn is_good(&self, now: Duration, since: Option<Timestamp>) -> bool {
        now < self.until && since.is_none_or(|since| self.asked >= since)
    }
}

/// How the keys of one batch are fetched.
#[derive(Clone, Copy, Debug)]
pub struct Portions {
    /// Most keys of one fetch.
    pub keys: usize,
    /// Most fetches at the same time.
    pub at_once: usize,
}

/// The answers of one look-up.
pub struct Answers {
    entries: Cache<String, Entry>,
    flights: Flights<Landing>,
    clock: Arc<dyn Clock>,
    ttl: Duration,
    negative_ttl: Duration,
    tally: Arc<CacheTally>,
}

impl Answers {
    /// An empty memory.
    pub fn new(options: &CacheOptions, clock: Arc<dyn Clock>) -> Self {
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
            flights: Flights::default(),
            clock,
            ttl: options.ttl.0,
            negative_ttl: options.negative_ttl.0,
            tally: Arc::default(),
        }
    }

    /// How often the answer was known.
    pub fn tally(&self) -> &Arc<CacheTally> {
        &self.tally
    }

    /// What is known under `key`, or what `fetch` finds; of all who ask for one key at a time, one fetches.
    ///
    /// # Errors
    /// What the one fetch gave; errors are not remembered.
    pub async fn get<'a>(
        &self,
        key: String,
        fetch: impl FnOnce() -> BoxFuture<'a, Result<Found, Unavailable>>,
    ) -> Result<Found, Arc<Unavailable>> {
        self.get_since(key, None, fetch).await
    }

    /// As [`Answers::get`], but what was asked for before `since` does not count as known.
    ///
    /// # Errors
    /// As there.
    pub async fn get_since<'a>(
        &self,
        key: String,
        since: Option<Timestamp>,
        fetch: impl FnOnce() -> BoxFuture<'a, Result<Found, Unavailable>>,
    ) -> Result<Found, Arc<Unavailable>> {
        if let Some(entry) = self.entries.get(&key).await {
            if entry.is_good(self.clock.elapsed(), since) {
                self.tally.hit();
                return Ok(entry.found);
            }
            self.forget_if_stale(&key, since).await;
        }
        let mut fetched = false;
        let remember = async {
            fetched = true;
            let asked = self.clock.now();
            let found = fetch().await?;
            Ok(self.entry(found, asked))
        };
        let entry = Box::pin(self.entries.try_get_with(key, remember)).await;
        if fetched {
            self.tally.miss();
        } else {
            self.tally.hit();
        }
        if fetched && entry.is_err() {
            self.tally.failure();
        }
        entry.map(|entry| entry.found)
    }

    /// What is known under each of `keys`, which are distinct, or what `fetch` finds for those that are not, some at a
    /// time; of all who ask for one key at a time, one fetches it. What `fetch` does not mention was not found.
    ///
    /// Not to be mixed with [`Answers::get`], whose flights are others.
    pub async fn get_many<'a>(
        &'a self,
        keys: Vec<String>,
        portions: Portions,
        fetch: impl Fn(Vec<String>) -> BoxFuture<'a, Vec<(String, Result<Found, Unavailable>)>> + Send + Sync,
    ) -> HashMap<String, Landing> {
        let mut landed = HashMap::with_capacity(keys.len());
        let mut open = self.take_known(keys, &mut landed).await;
        while !open.is_empty() {
            let Claimed { claim, mine, theirs } = self.flights.claim(std::mem::take(&mut open));
            // Somebody may have brought one in between looking and claiming.
            let mine_before = mine.clone();
            let mine = self.take_known(mine, &mut landed).await;
            for key in mine_before {
                if let Some(end) = landed.get(&key) {
                    claim.land(&key, end.clone());
                }
            }
            for _ in &mine {
                self.tally.miss();
            }
            let chunks: Vec<Vec<String>> = mine.chunks(portions.keys.max(1)).map(<[_]>::to_vec).collect();
            let fetches = chunks.into_iter().map(|chunk| {
                let fetching = fetch(chunk.clone());
                async move { (chunk, fetching.await) }
            });
            let mut ended = futures::stream::iter(fetches).buffer_unordered(portions.at_once.max(1));
            while let Some((chunk, ends)) = ended.next().await {
                for (key, end) in self.remember(chunk, ends).await {
                    claim.land(&key, end.clone());
                    landed.insert(key, end);
                }
            }
            drop(claim);
            for (key, waiting) in theirs {
                match flights::wait(waiting).await {
                    Some(end) => {
                        self.tally.hit();
                        landed.insert(key, end);
                    }
                    None => open.push(key),
                }
            }
        }
        landed
    }

    /// Moves what is known to `landed`; what remains has to be fetched.
    async fn take_known(&self, keys: Vec<String>, landed: &mut HashMap<String, Landing>) -> Vec<String> {
        let now = self.clock.elapsed();
        let mut unknown = Vec::new();
        for key in keys {
            match self.entries.get(&key).await {
                Some(entry) if entry.is_good(now, None) => {
                    self.tally.hit();
                    landed.insert(key, Ok(entry.found));
                }
                _ => unknown.push(key),
            }
        }
        unknown
    }

    /// The end of every key of a chunk, remembered where it is final.
    async fn remember(
        &self,
        chunk: Vec<String>,
        ends: Vec<(String, Result<Found, Unavailable>)>,
    ) -> Vec<(String, Landing)> {
        let mut ends: HashMap<String, Result<Found, Unavailable>> = ends.into_iter().collect();
        let mut landings = Vec::with_capacity(chunk.len());
        let asked = self.clock.now();
        for key in chunk {
            let absent = || Ok(Found::nothing(LookupStatus::NotFound, "the answer has nothing for this key"));
            let end = ends.remove(&key).unwrap_or_else(absent).map_err(Arc::new);
            match &end {
                Ok(found) => self.entries.insert(key.clone(), self.entry(found.clone(), asked)).await,
                Err(_) => self.tally.failure(),
            }
            landings.push((key, end));
        }
        landings
    }

    fn entry(&self, found: Found, asked: Timestamp) -> Entry {
        let good_for = if found.is_answer() { self.ttl } else { self.negative_ttl };
        Entry { found, until: self.clock.elapsed().saturating_add(good_for), asked }
    }

    /// Only a stale entry: another task may have put a fresh one there meanwhile.
    async fn forget_if_stale(&self, key: &str, since: Option<Timestamp>) {
        let now = self.clock.elapsed();
        let decide = |entry: Option<moka::Entry<String, Entry>>| {
            let stale = entry.is_some_and(|entry| !entry.value().is_good(now, since));
            std::future::ready(if stale { Op::Remove } else { Op::Nop })
        };
        Box::pin(self.entries.entry_by_ref(key).and_compute_with(decide)).await;
    }

    /// How many answers are remembered.
    #[cfg(test)]
    pub(crate) async fn len(&self) -> u64 {
        self.entries.run_pending_tasks().await;
        self.entries.entry_count()
    }
}
