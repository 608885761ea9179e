//! Puts answers into events, several look-ups at a time, in the order of the events.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use sluicebox_core::{CacheTally, Context, Event, LookupStatus, Outputs, Result, Transform};
use sluicebox_lookups::{Answers, Ending, Found, Gate};
use sluicebox_rules::{RuleError, Template};

use super::HttpLookup;
use super::fetch::Fetcher;

/// The running look-up.
pub(super) struct Enricher {
    url: Template,
    fetcher: Fetcher,
    answers: Answers,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
    ending: Ending,
    concurrency: usize,
}

impl Enricher {
    pub(super) fn new(options: &HttpLookup, url: Template, fetcher: Fetcher, cx: &Context) -> Self {
        Self {
            url,
            answers: Answers::new(&options.cache, Arc::clone(&cx.environment.clock)),
            gates: Mutex::default(),
            ending: Ending::new(&cx.component, options.into.as_deref(), options.on_error),
            concurrency: options.concurrency.max(1),
            fetcher,
        }
    }

    /// How often the answer was known.
    pub(super) fn tally(&self) -> &Arc<CacheTally> {
        self.answers.tally()
    }

    /// The answer for one event.
    ///
    /// # Errors
    /// The event gives no URL.
    async fn look_up(&self, event: &Event) -> Result<Found, RuleError> {
        let url = self.url.render(event)?;
        let account = &*event.meta().account;
        let unavailable = |reason: &str| Found::nothing(LookupStatus::Unavailable, reason);
        let Some(client) = self.fetcher.credentials.client(account) else {
            return Ok(unavailable("the source named by `same_as` has no client for this account"));
        };
        let scope = self.fetcher.credentials.scope(account);
        let gate = self.gate(scope);
        let fetch = || self.fetcher.fetch(&client, &gate, &url).boxed();
        let found = self.answers.get(format!("{scope} {url}"), fetch).await;
        Ok(found.unwrap_or_else(|error| unavailable(&error.0)))
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

#[async_trait]
impl Transform for Enricher {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        let look_ups = batch.into_iter().map(|event| async move {
            let found = self.look_up(&event).await;
            (event, found)
        });
        let mut settled = futures::stream::iter(look_ups).buffered(self.concurrency).enumerate();
        while let Some((index, (event, found))) = settled.next().await {
            self.ending.settle(index, event, found, out);
        }
        Ok(())
    }
}
