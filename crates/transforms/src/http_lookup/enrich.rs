//! Puts answers into events, several look-ups at a time, in the order of the events.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use sluicebox_core::{
    CacheTally, DeadLetterError, DiscardReason, Event, LookupStatus, Outputs, Reason, Result, Transform,
};
use sluicebox_rules::{RuleError, Template};
use smol_str::SmolStr;

use super::cache::Answers;
use super::fetch::{Fetcher, Found};
use super::gate::Gate;
use super::{HttpLookup, OnError};

/// The running look-up.
pub(super) struct Enricher {
    url: Template,
    fetcher: Fetcher,
    answers: Answers,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
    component: SmolStr,
    into: SmolStr,
    on_error: OnError,
    concurrency: usize,
}

impl Enricher {
    pub(super) fn new(options: &HttpLookup, url: Template, fetcher: Fetcher) -> Self {
        let component = SmolStr::new(&fetcher.component);
        Self {
            url,
            answers: Answers::new(&options.cache, Arc::clone(&fetcher.environment.clock)),
            gates: Mutex::default(),
            into: options.into.as_ref().map_or_else(|| component.clone(), SmolStr::new),
            component,
            on_error: options.on_error,
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
        let unavailable = |reason: &str| Found::Nothing(LookupStatus::Unavailable, reason.into());
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
        let gate = Arc::new(self.fetcher.gate());
        gates.insert(scope.to_owned(), Arc::clone(&gate));
        gate
    }

    fn settle(&self, index: usize, mut event: Event, found: Result<Found, RuleError>, out: &mut Outputs) {
        let (status, reason) = match found {
            Err(error) => return out.dead_letter(index, event, error.reason(), error.into()),
            Ok(Found::Answer(json)) => {
                event.append(self.into.clone(), json);
                event.meta_mut().lookups.insert(self.component.clone(), LookupStatus::Ok);
                return out.emit(index, event);
            }
            Ok(Found::Nothing(status, reason)) => (status, reason),
        };
        event.meta_mut().lookups.insert(self.component.clone(), status);
        match self.on_error {
            OnError::Pass => out.emit(index, event),
            OnError::Drop => out.discard(index, DiscardReason::Filtered),
            OnError::DeadLetter => {
                let message = format!("the look-up `{}` ended {}: {reason}", self.component, status.as_str());
                out.dead_letter(index, event, Reason::Lookup, DeadLetterError::new(message));
            }
        }
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
            self.settle(index, event, found, out);
        }
        Ok(())
    }
}
