//! Puts answers into events, several look-ups at a time, in the order of the events.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use serde_json::Value;
use sluicebox_core::{Event, LookupStatus, Outputs, Result, Transform};
use sluicebox_lookups::{Ending, Found, Portions, Unavailable, key_text};
use sluicebox_rules::{Expression, RuleError, Template};

use super::asker::{Asker, Service, no_client};
use super::batch::Batch;
use super::extract::Extract;
use super::find::Finder;

/// How the answer for an event is come by.
pub(super) enum Mode {
    /// A request for each, and what is taken of the answer.
    Each(Template, Extract),
    /// A list, in which the item of this key is looked for.
    Find(Box<Finder>, Template, Box<Expression>),
    /// A request for many keys.
    Batch(Box<Batch>),
}

/// The running look-up.
pub(super) struct Enricher {
    mode: Mode,
    asker: Asker,
    ending: Ending,
    concurrency: usize,
}

/// What becomes of the URL of one event.
enum How<'a> {
    Take(&'a Extract),
    Find(&'a Finder, &'a Expression),
}

/// An event with its key and the value of it, once they are known.
type Keyed = (Event, Result<Option<(String, Value)>, RuleError>);

impl Enricher {
    pub(super) fn new(mode: Mode, asker: Asker, ending: Ending, concurrency: usize) -> Self {
        Self { mode, asker, ending, concurrency: concurrency.max(1) }
    }

    /// The answer for one event.
    ///
    /// # Errors
    /// The event gives no URL, or no key.
    async fn look_up(&self, event: &Event, url: &Template, how: &How<'_>) -> Result<Found, RuleError> {
        let url = url.render(event)?;
        let Some(service) = self.asker.service(&event.meta().account) else { return Ok(no_client()) };
        match how {
            How::Take(extract) => Ok(self.asker.one(&service, &url, extract, None).await),
            How::Find(finder, by) => {
                let value = by.evaluate(event)?;
                let Some(wanted) = key_text(&value) else { return Ok(no_key()) };
                Ok(self.asker.find(&service, finder, &url, (&wanted, event.meta().received)).await)
            }
        }
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
        let Some(service) = self.asker.service(account) else { return Vec::new() };
        let prefix = format!("{} ", service.scope);
        let names = values.keys().map(|key| format!("{prefix}{key}")).collect();
        let portions = Portions { keys: batch.max_keys(), at_once: self.concurrency };
        let fetch = |names: Vec<String>| {
            let keys = names.iter().filter_map(|name| {
                let key = name.strip_prefix(&prefix)?;
                Some((key.to_owned(), values.get(key)?.clone()))
            });
            let keys: Vec<(String, Value)> = keys.collect();
            self.portion(batch, &service, keys, &prefix).boxed()
        };
        let landed = self.asker.answers.get_many(names, portions, fetch).await;
        let found = |(name, found): (String, Result<Found, Arc<Unavailable>>)| {
            let found = found.unwrap_or_else(|error| Found::from((*error).clone()));
            (name.strip_prefix(&prefix).unwrap_or(&name).to_owned(), found)
        };
        landed.into_iter().map(found).collect()
    }

    async fn portion(
        &self,
        batch: &Batch,
        service: &Service<'_>,
        keys: Vec<(String, Value)>,
        prefix: &str,
    ) -> Vec<(String, Result<Found, Unavailable>)> {
        let ends = batch.fetch(&self.asker.fetcher, (&service.client, &service.gate), &keys).await;
        ends.into_iter().map(|(key, end)| (format!("{prefix}{key}"), end)).collect()
    }
}

fn no_key() -> Found {
    Found::nothing(LookupStatus::NotFound, "the event has no value for the key")
}

#[async_trait]
impl Transform for Enricher {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        let (url, how) = match &self.mode {
            Mode::Each(url, extract) => (url, How::Take(extract)),
            Mode::Find(finder, url, by) => (url, How::Find(finder, by)),
            Mode::Batch(keys) => {
                self.apply_at_once(keys, batch, out).await;
                return Ok(());
            }
        };
        let how = &how;
        let look_ups = batch.into_iter().map(|event| async move {
            let found = self.look_up(&event, url, how).await;
            (event, found)
        });
        let mut settled = futures::stream::iter(look_ups).buffered(self.concurrency).enumerate();
        while let Some((index, (event, found))) = settled.next().await {
            self.ending.settle(index, event, found, out);
        }
        Ok(())
    }
}
