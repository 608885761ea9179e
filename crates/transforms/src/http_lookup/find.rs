//! One item in a list that comes in pages: for APIs that cannot be asked for a single thing.
//!
//! Invariant: of all who need one list at a time, one asks for it; a list that is older than an event is not believed to
//! lack its item; the lists of one look-up are bounded in number and bytes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use moka::future::Cache;
use serde_json::Value;
use sluicebox_core::{CacheTally, Clock, LookupStatus, Problem, Timestamp};
use sluicebox_http::{Call, Client};
use sluicebox_lookups::{CacheOptions, Found, Gate, Unavailable, key_text, select};
use tokio::sync::Mutex;

use super::extract::Extract;
use super::fetch::Fetcher;
use super::listing::{Listing, encoded};
use super::options::Find;

/// Most bytes of all lists together.
const MOST_BYTES: u64 = 64 << 20;

/// How items are found, and the lists that are known.
pub(super) struct Finder {
    listing: Listing,
    pages: Pages,
    extract: Extract,
    lists: Cache<String, Arc<List>>,
    ttl: Duration,
    negative_ttl: Duration,
}

/// How a list comes in pages.
pub(super) struct Pages {
    /// Path to the cursor of the next page; `None`: there is one page only.
    pub(super) next: Option<String>,
    /// The parameter that takes it.
    pub(super) cursor: String,
    /// Most pages that are asked for.
    pub(super) most: usize,
    /// How old each page but the first makes a list be before it is asked for again because it is older than an event.
    pub(super) pace: Duration,
}

/// A list, as far as it is known.
#[derive(Default)]
struct List {
    known: Mutex<Known>,
    bytes: AtomicUsize,
}

#[derive(Default)]
struct Known {
    items: HashMap<String, Found>,
    /// When the first page was asked for, by both clocks; `None`: it was not.
    begun: Option<(Duration, Timestamp)>,
    pages: usize,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
    /// Why there is no list.
    refused: Option<Found>,
}

/// A page as it was read.
struct Page {
    items: Option<Vec<(String, Found)>>,
    next: Option<String>,
}

/// Whom to ask, and for what.
pub(super) struct Asked<'a> {
    pub(super) fetcher: &'a Fetcher,
    pub(super) client: &'a Client,
    pub(super) gate: &'a Gate,
    /// Of the first page.
    pub(super) url: &'a str,
    /// What tells the lists of one account from those of another.
    pub(super) scope: &'a str,
    pub(super) tally: &'a CacheTally,
    pub(super) clock: &'a dyn Clock,
}

impl Finder {
    /// # Errors
    /// What is wrong with the options.
    pub(super) fn new(options: &Find, cache: &CacheOptions, extract: Extract) -> Result<Self, Problem> {
        let listing = Listing::new(options.items.as_deref(), &options.key, "find")?;
        if options.next.as_deref().is_some_and(|next| next.split('.').any(str::is_empty)) {
            return Err(Problem::new("find.next", "expected a path like `nextCursor`"));
        }
        if options.cursor.is_empty() {
            return Err(Problem::new("find.cursor", "expected the name of a parameter"));
        }
        if !(1..=100).contains(&options.max_pages) {
            let message = format!("expected 1 to 100, found {}", options.max_pages);
            return Err(Problem::new("find.max_pages", message));
        }
        let (next, cursor) = (options.next.clone(), options.cursor.clone());
        let pages = Pages { next, cursor, most: options.max_pages, pace: Duration::ZERO };
        Ok(Self::of(listing, pages, extract, cache))
    }

    /// One that takes this of the items of such a list.
    pub(super) fn of(listing: Listing, pages: Pages, extract: Extract, cache: &CacheOptions) -> Self {
        // One capacity bounds both: a list weighs its bytes, but never less than its share of the entries.
        let share = (MOST_BYTES / cache.max_entries.max(1)).max(1);
        let capacity = if cache.max_entries == 0 { 0 } else { share.saturating_mul(cache.max_entries) };
        let weight = move |key: &String, list: &Arc<List>| {
            let bytes = (key.len() + list.bytes.load(Ordering::Relaxed)) as u64;
            u32::try_from(bytes.max(share)).unwrap_or(u32::MAX)
        };
        Self {
            listing,
            pages,
            extract,
            lists: Cache::builder().max_capacity(capacity).weigher(weight).build(),
            ttl: cache.ttl.0,
            negative_ttl: cache.negative_ttl.0,
        }
    }

    /// The item of this key. A list that was asked for before `since` is not believed to lack it.
    ///
    /// # Errors
    /// No page could be had in time.
    pub(super) async fn find(
        &self,
        asked: &Asked<'_>,
        wanted: &str,
        since: Timestamp,
    ) -> Result<Found, Unavailable> {
        let wanted = self.listing.bare(wanted);
        let name = format!("{} {}", asked.scope, asked.url);
        let list = self.lists.get_with(name.clone(), async { Arc::default() }).await;
        let mut known = list.known.lock().await;
        let pages_before = known.pages;
        let found = self.find_in(asked, &mut known, (wanted, since)).await;
        if known.pages == pages_before && found.is_ok() && known.begun.is_some() {
            asked.tally.hit();
        } else {
            asked.tally.miss();
            let bytes = known.items.iter().map(|(key, item)| key.len() + item.size()).sum();
            list.bytes.store(bytes, Ordering::Relaxed);
            // Again, with the weight that it has now.
            self.lists.insert(name, Arc::clone(&list)).await;
        }
        if found.is_err() {
            asked.tally.failure();
        }
        found
    }

    async fn find_in(
        &self,
        asked: &Asked<'_>,
        known: &mut Known,
        (wanted, since): (&str, Timestamp),
    ) -> Result<Found, Unavailable> {
        let mut is_new = false;
        loop {
            let now = asked.clock.elapsed();
            if !is_new && known.is_outdated(now, self, (wanted, since)) {
                *known = Known::default();
            }
            if let Some(item) = known.items.get(wanted) {
                return Ok(item.clone());
            }
            if let Some(refused) = &known.refused {
                return Ok(refused.clone());
            }
            if known.begun.is_some() && (known.next.is_none() || known.pages >= self.pages.most) {
                let within = if known.next.is_none() { "" } else { " within `max_pages`" };
                let reason = format!("the list has no item `{wanted}`{within}");
                return Ok(Found::nothing(LookupStatus::NotFound, &reason));
            }
            is_new |= known.begun.is_none();
            self.ask(asked, known).await?;
        }
    }

    /// Asks for the first page, or the next one.
    async fn ask(&self, asked: &Asked<'_>, known: &mut Known) -> Result<(), Unavailable> {
        let begun = known.begun.unwrap_or_else(|| (asked.clock.elapsed(), asked.clock.now()));
        let url = match &known.next {
            Some(cursor) => {
                let joint = if asked.url.contains('?') { '&' } else { '?' };
                Cow::Owned(format!("{}{joint}{}={}", asked.url, encoded(&self.pages.cursor), encoded(cursor)))
            }
            None => Cow::Borrowed(asked.url),
        };
        let call = Call::new(Method::GET, url);
        let page = asked.fetcher.ask(asked.client, asked.gate, &call, |body| self.page(body)).await?;
        match page {
            Err(refused) => known.refused = Some(refused),
            Ok(Page { items: None, .. }) => known.refused = Some(self.listing.absence()),
            Ok(Page { items: Some(items), next }) => {
                // What is on two pages, because the list moved meanwhile, is newer on the first.
                for (key, item) in items {
                    known.items.entry(key).or_insert(item);
                }
                // A cursor that does not move would lead nowhere.
                known.next = next.filter(|next| known.next.as_ref() != Some(next));
            }
        }
        known.pages += 1;
        known.begun = Some(begun);
        Ok(())
    }

    fn page(&self, body: &[u8]) -> Result<Page, serde_json::Error> {
        let next = match &self.pages.next {
            Some(path) => select(body, Some(path))?,
            None => None,
        };
        let next: Option<Value> = next.map(|json| serde_json::from_slice(&json)).transpose()?;
        let next = next.as_ref().and_then(key_text).map(Cow::into_owned).filter(|text| !text.is_empty());
        let Some(items) = self.listing.of(body)? else { return Ok(Page { items: None, next }) };
        // What is not shown is not even kept.
        let taken = items.into_iter().map(|(key, item)| Ok((key, self.extract.read(&item)?)));
        Ok(Page { items: Some(taken.collect::<Result<_, serde_json::Error>>()?), next })
    }
}

impl Known {
    /// Whether it has to be asked for again: it is too old, or it lacks the item and is older than the event.
    fn is_outdated(&self, now: Duration, finder: &Finder, (wanted, since): (&str, Timestamp)) -> bool {
        let Some((begun, at)) = self.begun else { return false };
        let age = now.saturating_sub(begun);
        let lacks = !self.items.contains_key(wanted);
        if self.refused.is_some() {
            return age >= finder.negative_ttl;
        }
        let further = u32::try_from(self.pages.saturating_sub(1)).unwrap_or(u32::MAX);
        let is_rested = age >= finder.pages.pace.saturating_mul(further);
        age >= finder.ttl || (lacks && (age >= finder.negative_ttl || (at < since && is_rested)))
    }
}
