//! Components for these tests alone: numbers out of nothing, and lines in a file.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    AccountRow, AccountsSpec, Batch, BuiltSink, BuiltSource, Context, Cursor, Delivery, DeliverySupport,
    Error, Event, Meta, Pace, Result, Sink, SinkSpec, Source, SourceClass, SourceSpec, Written,
};

/// The numbers from 1 on, one a page.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Numbers {
    /// How many; unset: without end.
    #[serde(default)]
    count: Option<u64>,
    /// After so many there are no more for now.
    #[serde(default)]
    pauses_after: Option<u64>,
    /// After so many it panics.
    #[serde(default)]
    panics_after: Option<u64>,
    /// After so many the credentials are refused.
    #[serde(default)]
    refused_after: Option<u64>,
}

#[async_trait]
impl SourceSpec for Numbers {
    const TYPE: &'static str = "numbers";

    fn class(&self) -> SourceClass {
        SourceClass::RetainedFeed
    }

    fn ends(&self) -> bool {
        self.count.is_some()
    }

    async fn build(self, cx: &Context) -> Result<BuiltSource> {
        Ok(BuiltSource::single(Counter { options: self, account: cx.account.clone(), last: 0 }))
    }
}

struct Counter {
    options: Numbers,
    account: Arc<str>,
    last: u64,
}

#[async_trait]
impl Source for Counter {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        let last = saved.map_or(Some(0), |cursor| cursor.as_str()?.parse().ok());
        self.last = last.ok_or_else(|| Error::config("no number"))?;
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        if self.options.count == Some(self.last) {
            return Ok(None);
        }
        if self.options.refused_after == Some(self.last) {
            return Err(Error::auth(format!("no more than {}", self.last)));
        }
        assert_ne!(self.options.panics_after, Some(self.last), "the component has a bug");
        if self.options.pauses_after == Some(self.last) {
            let cursor = Some(Cursor::from(self.last.to_string()));
            return Ok(Some(Batch { caught_up: true, ..Batch::empty(cursor) }));
        }
        self.last += 1;
        let meta =
            Meta::new("numbers", self.account.clone(), format!("numbers:{}:{}", self.account, self.last));
        let json = Bytes::from(format!("{{\"number\":{}}}", self.last));
        let mut batch = Batch::empty(Some(Cursor::from(self.last.to_string())));
        batch
            .events
            .push(Event::parse(&json, meta).map_err(|error| Error::permanent("no event").with_cause(error))?);
        batch.pace = Pace::After(Duration::from_millis(1));
        Ok(Some(batch))
    }
}

/// The numbers of events as lines of a file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lines {
    /// The file.
    path: PathBuf,
}

#[async_trait]
impl SinkSpec for Lines {
    const TYPE: &'static str = "lines";

    fn delivery(&self) -> DeliverySupport {
        DeliverySupport { default: Delivery::AtLeastOnce, exactly_once: false, why: "a test" }
    }

    async fn build(self, _cx: &Context) -> Result<BuiltSink> {
        let opened = OpenOptions::new().create(true).append(true).open(&self.path);
        let file = opened.map_err(|error| Error::config("cannot open the file").with_cause(error))?;
        Ok(BuiltSink::Plain(Box::new(Writer(file))))
    }
}

struct Writer(File);

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let number = |event: &Event| event.meta().id.rsplit(':').next().unwrap().to_owned() + "\n";
        let text: String = events.iter().map(number).collect();
        self.0
            .write_all(text.as_bytes())
            .map_err(|error| Error::transient("cannot write").with_cause(error))?;
        Ok(Written::default())
    }
}

/// Accounts as a database would give them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    /// Their ids; none: the database is away.
    ids: Vec<String>,
}

#[async_trait]
impl AccountsSpec for Listed {
    const TYPE: &'static str = "listed";

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn read(&self, _cx: &Context) -> Result<Vec<AccountRow>> {
        if self.ids.is_empty() {
            return Err(Error::transient("the database is away"));
        }
        let row = |id: &String| AccountRow { columns: [("id".to_owned(), Some(id.clone()))].into() };
        Ok(self.ids.iter().map(row).collect())
    }
}
