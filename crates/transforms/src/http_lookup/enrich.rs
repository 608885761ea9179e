//! Puts answers into events, several look-ups at a time, in the order of the events.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use serde_json::Value;
use sluicebox_core::{CacheTally, Clock, Context, Event, LookupStatus, Outputs, Result, Transform};
use sluicebox_http::Client;
use sluicebox_lookups::{Answers, Ending, Found, Gate, Portions, Unavailable};
use sluicebox_rules::{RuleError, Template};

use super::HttpLookup;
use super::batch::Batch;
use super::fetch::Fetcher;
use super::find::{Asked, Finder};

/// How the answer for an event is come by.
pub(super) enum Mode {
    /// A request for each.
    Each(Template),
    /// A list, in which the item is looked for.
    Find(Box<Finder>, Template),
    /// A request for many keys.
    Batch(Box<Batch>),
}

/// The running look-up.
pub(super) struct Enricher {
    mode: Mode,
    fetcher: Fetcher,
    answers: Answers,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
    ending: Ending,
    concurrency: usize,
    clock: Arc<dyn Clock>,
}

/// An event with its key and the value of it, once they are known.
type Keyed = (Event, Result<Option<(String, Value)>, RuleError>);

impl Enricher {
    pub(super) fn new(options: &HttpLookup, mode: Mode, fetcher: Fetcher, cx: &Context) -> Self {
        Self {
            mode,
            answers: Answers::new(&options.cache, Arc::clone(&cx.environment.clock)),
            gates: Mutex::default(),
            ending: Ending::new(&cx.component, options.into.as_deref(), options.on_error),
            concurrency: options.concurrency.max(1),
            clock: Arc::clone(&cx.environment.clock),
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
    /// The event gives no URL, or no key.
    async fn look_up(
        &self,
        event: &Event,
        url: &Template,
        finder: Option<&Finder>,
    ) -> Result<Found, RuleError> {
        let url = url.render(event)?;
        let account = &*event.meta().account;
        let Some(client) = self.fetcher.credentials.client(account) else { return Ok(no_client()) };
        let scope = self.fetcher.credentials.scope(account);
        let gate = self.gate(scope);
        let Some(finder) = finder else {
            let fetch = || self.fetcher.fetch(&client, &gate, &url).boxed();
            let found = self.answers.get(format!("{scope} {url}"), fetch).await;
            return Ok(found.unwrap_or_else(|error| Found::from((*error).clone())));
        };
        let Some(wanted) = finder.key(event)? else { return Ok(no_key()) };
        let (clock, tally) = (&*self.clock, &**self.tally());
        let asked =
            Asked { fetcher: &self.fetcher, client: &client, gate: &gate, url: &url, scope, tally, clock };
        let found = finder.find(&asked, &wanted, event.meta().received).await;
        Ok(found.unwrap_or_else(Found::from))
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

    /// Asks for the keys of all events, those of each account apart.
    async fn apply_at_once(&self, batch: &Batch, events: Vec<Event>, out: &mut Outputs) {
        let keyed: Vec<Keyed> = events
            .into_iter()
            .map(|event| {
                let key = batch.key(&event);
                (event, key)
            })
            .collect();
        let mut values: BTreeMap<String, HashMap<String, Value>> = BTreeMap::new();
        for (event, key) in &keyed {
            if let Ok(Some((key, value))) = key {
                let account = values.entry(event.meta().account.to_string()).or_default();
                account.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        let mut landed = HashMap::new();
        for (account, values) in &values {
            for (key, found) in self.ask_at_once(batch, account, values).await {
                landed.insert((account.as_str(), key), found);
            }
        }
        for (index, (event, key)) in keyed.into_iter().enumerate() {
            let found = key.map(|key| match key {
                Some((key, _)) => {
                    landed.get(&(&*event.meta().account, key)).cloned().unwrap_or_else(no_client)
                }
                None => no_key(),
            });
            self.ending.settle(index, event, found, out);
        }
    }

    /// The answers for keys of one account.
    async fn ask_at_once(
        &self,
        batch: &Batch,
        account: &str,
        values: &HashMap<String, Value>,
    ) -> Vec<(String, Found)> {
        let Some(client) = self.fetcher.credentials.client(account) else { return Vec::new() };
        let scope = self.fetcher.credentials.scope(account);
        let gate = self.gate(scope);
        let prefix = format!("{scope} ");
        let names = values.keys().map(|key| format!("{prefix}{key}")).collect();
        let portions = Portions { keys: batch.max_keys(), at_once: self.concurrency };
        let fetch = |names: Vec<String>| {
            let keys = names.iter().filter_map(|name| {
                let key = name.strip_prefix(&prefix)?;
                Some((key.to_owned(), values.get(key)?.clone()))
            });
            let keys: Vec<(String, Value)> = keys.collect();
            self.portion(batch, (&client, &gate), keys, &prefix).boxed()
        };
        let landed = self.answers.get_many(names, portions, fetch).await;
        let found = |(name, found): (String, Result<Found, Arc<Unavailable>>)| {
            let found = found.unwrap_or_else(|error| Found::from((*error).clone()));
            (name.strip_prefix(&prefix).unwrap_or(&name).to_owned(), found)
        };
        landed.into_iter().map(found).collect()
    }

    async fn portion(
        &self,
        batch: &Batch,
        service: (&Client, &Gate),
        keys: Vec<(String, Value)>,
        prefix: &str,
    ) -> Vec<(String, Result<Found, Unavailable>)> {
        let ends = batch.fetch(&self.fetcher, service, &keys).await;
        ends.into_iter().map(|(key, end)| (format!("{prefix}{key}"), end)).collect()
    }
}

fn no_client() -> Found {
    let reason = "the source named by `same_as` has no client for this account";
    Found::nothing(LookupStatus::Unavailable, reason)
}

fn no_key() -> Found {
    Found::nothing(LookupStatus::NotFound, "the event has no value for the key")
}

#[async_trait]
impl Transform for Enricher {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        let (url, finder) = match &self.mode {
            Mode::Each(url) => (url, None),
            Mode::Find(finder, url) => (url, Some(&**finder)),
            Mode::Batch(keys) => {
                self.apply_at_once(keys, batch, out).await;
                return Ok(());
            }
        };
        let look_ups = batch.into_iter().map(|event| async move {
            let found = self.look_up(&event, url, finder).await;
            (event, found)
        });
        let mut settled = futures::stream::iter(look_ups).buffered(self.concurrency).enumerate();
        while let Some((index, (event, found))) = settled.next().await {
            self.ending.settle(index, event, found, out);
        }
        Ok(())
    }
}
