//! Puts rows into events, in the order of the events.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use serde_json::Value;
use sluicebox_core::{CacheTally, Context, ErrorClass, Event, LookupStatus, Outputs, Result, Transform};
use sluicebox_lookups::{
    Answers, Ending, Failed, Found, Gate, Keys, Patience, Portions, Unavailable, key_text,
};
use sluicebox_rules::RuleError;

use crate::database::{Database, Line};
use crate::distribute::Choice;
use crate::spec::SqlLookup;

/// The running look-up.
pub(crate) struct Enricher {
    database: Database,
    keys: Keys,
    choice: Choice,
    patience: Patience,
    gate: Gate,
    answers: Answers,
    ending: Ending,
    connections: usize,
    /// Most keys of one query, where many are asked for at once.
    max_keys: Option<usize>,
}

impl Enricher {
    pub(crate) fn new(options: &SqlLookup, keys: Keys, database: Database, cx: &Context) -> Self {
        let patience = Patience::new(cx);
        Self {
            database,
            keys,
            choice: Choice::new(options),
            gate: patience.gate(),
            patience,
            answers: Answers::new(&options.cache, Arc::clone(&cx.environment.clock)),
            ending: Ending::new(&cx.component, options.into.as_deref(), options.on_error),
            connections: options.connections.max(1),
            max_keys: options.batch.as_ref().map(|batch| batch.max_keys),
        }
    }

    /// How often the answer was known.
    pub(crate) fn tally(&self) -> Arc<CacheTally> {
        Arc::clone(self.answers.tally())
    }

    async fn look_up(&self, event: &Event) -> Result<Found, RuleError> {
        let values = self.keys.values(event)?;
        let key = Value::from(values.clone()).to_string();
        let fetch = || {
            async move {
                let end = self.ask(&values, 1).await?;
                let found = end.map_or_else(|found| found, |lines| self.choice.of(&lines));
                self.patience.note(&found);
                Ok(found)
            }
            .boxed()
        };
        let found = self.answers.get(key, fetch).await;
        Ok(found.unwrap_or_else(|unavailable| Found::from((*unavailable).clone())))
    }

    /// The rows for these parameters; or that they cannot be used, which is final.
    async fn ask(&self, values: &[Value], keys: usize) -> Result<Result<Vec<Line>, Found>, Unavailable> {
        let limit = self.choice.limit(keys);
        let attempt = || async move {
            match self.database.ask(values, limit).await {
                Ok(lines) => Ok(Ok(lines)),
                Err(error) if error.class() == ErrorClass::State => {
                    Ok(Err(Found::nothing(LookupStatus::Unavailable, &error.chain())))
                }
                Err(error) => Err(Failed::from(error)),
            }
        };
        self.patience.ask(&self.gate, attempt).await
    }

    /// The answers for several keys at once. One value that the query cannot take must not spoil the others: then each
    /// half is asked by itself.
    fn ask_many<'a>(
        &'a self,
        keys: Vec<String>,
        values: &'a HashMap<String, Value>,
    ) -> BoxFuture<'a, Vec<(String, Result<Found, Unavailable>)>> {
        async move {
            let list: Vec<Value> = keys.iter().filter_map(|key| values.get(key).cloned()).collect();
            match self.ask(&[Value::Array(list)], keys.len()).await {
                Err(unavailable) => keys.into_iter().map(|key| (key, Err(unavailable.clone()))).collect(),
                // One that the query cannot take, or more rows than were asked for: nobody knows whose they are.
                Ok(end) if keys.len() > 1 && self.is_spoilt(&end, keys.len()) => {
                    let (left, right) = keys.split_at(keys.len() / 2);
                    let mut ends = self.ask_many(left.to_vec(), values).await;
                    ends.extend(self.ask_many(right.to_vec(), values).await);
                    ends
                }
                Ok(end) => {
                    let found = match end {
                        Ok(lines) => self.choice.distribute(&keys, lines),
                        Err(refused) => keys.into_iter().map(|key| (key, refused.clone())).collect(),
                    };
                    for (_, found) in &found {
                        self.patience.note(found);
                    }
                    found.into_iter().map(|(key, found)| (key, Ok(found))).collect()
                }
            }
        }
        .boxed()
    }

    /// Whether nothing can be said of each key by itself.
    fn is_spoilt(&self, end: &Result<Vec<Line>, Found>, keys: usize) -> bool {
        end.as_ref().map_or(true, |lines| lines.len() >= self.choice.limit(keys))
    }

    async fn apply_at_once(&self, batch: Vec<Event>, max_keys: usize, out: &mut Outputs) {
        let mut values: HashMap<String, Value> = HashMap::new();
        let mut keyed = Vec::with_capacity(batch.len());
        for event in batch {
            let key = self.keys.values(&event).map(|mut one| {
                let value = one.pop().unwrap_or_default();
                let key = key_text(&value).map(Cow::into_owned);
                if let Some(key) = &key {
                    values.entry(key.clone()).or_insert(value);
                }
                key
            });
            keyed.push((event, key));
        }
        let portions = Portions { keys: max_keys, at_once: self.connections };
        let keys: Vec<String> = values.keys().cloned().collect();
        let landed = self.answers.get_many(keys, portions, |keys| self.ask_many(keys, &values)).await;
        for (index, (event, key)) in keyed.into_iter().enumerate() {
            let found = key.map(|key| match key.and_then(|key| landed.get(&key)) {
                Some(Ok(found)) => found.clone(),
                Some(Err(unavailable)) => Found::from((**unavailable).clone()),
                None => Found::nothing(LookupStatus::NotFound, "the event has no value for the key"),
            });
            self.ending.settle(index, event, found, out);
        }
    }
}

#[async_trait]
impl Transform for Enricher {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        if let Some(max_keys) = self.max_keys {
            self.apply_at_once(batch, max_keys, out).await;
            return Ok(());
        }
        let look_ups = batch.into_iter().map(|event| async move {
            let found = self.look_up(&event).await;
            (event, found)
        });
        let mut settled = futures::stream::iter(look_ups).buffered(self.connections).enumerate();
        while let Some((index, (event, found))) = settled.next().await {
            self.ending.settle(index, event, found, out);
        }
        Ok(())
    }
}
