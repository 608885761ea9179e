//! Asks an API with what a look-up has: the credentials of each account, a cache, and patience with what is down.
//!
//! Invariant: answers of one account are never given to another.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use parking_lot::Mutex;
use sluicebox_core::{CacheTally, Clock, Context, LookupStatus, Timestamp};
use sluicebox_http::Client;
use sluicebox_lookups::{Answers, CacheOptions, Found, Gate};

use super::extract::Extract;
use super::fetch::Fetcher;
use super::find::{Asked, Finder};

/// What asks.
pub(super) struct Asker {
    pub(super) fetcher: Fetcher,
    pub(super) answers: Answers,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
    clock: Arc<dyn Clock>,
}

/// An API as one account reaches it.
pub(super) struct Service<'a> {
    pub(super) client: Arc<Client>,
    pub(super) gate: Arc<Gate>,
    /// What tells the answers for one account from those for another.
    pub(super) scope: &'a str,
}

impl Asker {
    pub(super) fn new(fetcher: Fetcher, cache: &CacheOptions, cx: &Context) -> Self {
        let clock = &cx.environment.clock;
        Self {
            fetcher,
            answers: Answers::new(cache, Arc::clone(clock)),
            gates: Mutex::default(),
            clock: Arc::clone(clock),
        }
    }

    /// How often the answer was known.
    pub(super) fn tally(&self) -> &Arc<CacheTally> {
        self.answers.tally()
    }

    /// The API as an account reaches it; `None`: the source whose credentials are used has no such account.
    pub(super) fn service<'a>(&self, account: &'a str) -> Option<Service<'a>> {
        let client = self.fetcher.credentials.client(account)?;
        let scope = self.fetcher.credentials.scope(account);
        Some(Service { client, gate: self.gate(scope), scope })
    }

    /// One thing; what was asked for before `since` does not count as known.
    pub(super) async fn one(
        &self,
        service: &Service<'_>,
        url: &str,
        extract: &Extract,
        since: Option<Timestamp>,
    ) -> Found {
        let fetch = || self.fetcher.fetch((&service.client, &service.gate), url, extract).boxed();
        let found = self.answers.get_since(format!("{} {url}", service.scope), since, fetch).await;
        found.unwrap_or_else(|error| Found::from((*error).clone()))
    }

    /// An item of a list; one that was asked for before `since` is not believed to lack it.
    pub(super) async fn find(
        &self,
        service: &Service<'_>,
        finder: &Finder,
        url: &str,
        (wanted, since): (&str, Timestamp),
    ) -> Found {
        let Service { client, gate, scope } = service;
        let (clock, tally) = (&*self.clock, &**self.tally());
        let asked = Asked { fetcher: &self.fetcher, client, gate, url, scope, tally, clock };
        finder.find(&asked, wanted, since).await.unwrap_or_else(Found::from)
    }

    fn gate(&self, scope: &str) -> Arc<Gate> {
        let mut gates = self.gates.lock();
        if let Some(gate) = gates.get(scope) {
            return Arc::clone(gate);
        }
        let gate = Arc::new(self.fetcher.patience.gate());
        gates.insert(scope.to_owned(), Arc::clone(&gate));
        gate
    }
}

/// There is nobody to ask.
pub(super) fn no_client() -> Found {
    let reason = "the source named by `same_as` has no client for this account";
    Found::nothing(LookupStatus::Unavailable, reason)
}
