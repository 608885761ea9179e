//! Reads lines as they come, and hands them out again if they were lost on their way.
//!
//! Invariant: what a dropped poll had read is still there for the next one.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use sluicebox_core::{
    Batch, Committer, Context, Cursor, DeadLetterError, Environment, Error, Event, Reason, Reject, Result,
    Source, Timestamp, Unread,
};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::kept::{Kept, Lines};
use crate::framing::Framing;
use crate::item::Origin;
use crate::line_event::{Line, LinePaths, reject, trimmed};
use crate::splitter::{Place, Record, Splitter};

const MOST_LINES: usize = 1000;
const READ: usize = 64 << 10;

/// Turns lines into events.
#[derive(Clone)]
struct Decoder {
    origin: Origin,
    paths: LinePaths,
    max_line: usize,
    run: i64,
}

/// An input that is read once.
pub(super) struct StdinFeed<R> {
    input: R,
    splitter: Splitter,
    decoder: Decoder,
    environment: Environment,
    kept: Kept,
    /// How many lines were read.
    read: u64,
    /// How many lines were handed out since the last start from a saved position, counted from the first one.
    given: u64,
    has_ended: bool,
}

impl<R: AsyncRead + Send + Unpin> StdinFeed<R> {
    pub(super) fn new(input: R, paths: LinePaths, max_line: usize, cx: &Context) -> Self {
        let run = cx.environment.clock.now().as_millis();
        Self {
            input,
            splitter: Splitter::new(Framing::Lines, max_line, Place::default()),
            decoder: Decoder { origin: Origin::new("stdin", cx), paths, max_line, run },
            environment: cx.environment.clone(),
            kept: Kept::new(run),
            read: 0,
            given: 0,
            has_ended: false,
        }
    }

    /// The whole lines that are at hand; waits for one. Empty at the end of the input.
    async fn records(&mut self) -> std::io::Result<Vec<Record>> {
        let mut records = Vec::new();
        loop {
            while records.len() < MOST_LINES {
                let Some(record) = self.splitter.next() else { break };
                records.push(record);
            }
            if !records.is_empty() || self.has_ended {
                return Ok(records);
            }
            // What has been read is in the buffer before anything else can happen.
            let buffer: &mut BytesMut = self.splitter.buffer();
            buffer.reserve(READ);
            if self.input.read_buf(buffer).await? == 0 {
                self.has_ended = true;
                return Ok(self.splitter.rest().into_iter().collect());
            }
        }
    }

    fn batch(&mut self, lines: Arc<Lines>) -> Batch {
        self.given = lines.before + lines.records.len() as u64;
        let mut batch = Batch::empty(Some(self.kept.cursor(self.given)));
        let (decoder, received) = (self.decoder.clone(), self.environment.clock.now());
        batch.unread = Some(Unread {
            count: lines.records.len(),
            bytes: lines.records.iter().map(|record| record.text.len()).sum(),
            read: Box::new(move || decoder.read(&lines, received)),
        });
        batch
    }
}

impl Decoder {
    fn read(&self, lines: &Lines, received: Timestamp) -> (Vec<Event>, Vec<Reject>) {
        let (mut events, mut rejects) = (Vec::with_capacity(lines.records.len()), Vec::new());
        for (number, record) in (lines.before + 1..).zip(&lines.records) {
            let id = format!("{}/{number}", self.run);
            if record.is_too_long {
                let why = format!("it is longer than {} bytes; this is its beginning", self.max_line);
                let fault = (Reason::TooLarge, DeadLetterError::new(why));
                rejects.push(reject(&self.origin, &id, &record.text, fault, received));
                continue;
            }
            let text = trimmed(&record.text);
            if text.is_empty() {
                continue;
            }
            match self.paths.event(&Line { id: &id, text }, &self.origin, received) {
                Ok(event) => events.push(event),
                Err(reject) => rejects.push(*reject),
            }
        }
        (events, rejects)
    }
}

#[async_trait]
impl<R: AsyncRead + Send + Unpin> Source for StdinFeed<R> {
    /// A position of another run means nothing to this one, whose input is another.
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        self.given = saved.and_then(|cursor| self.kept.count(cursor)).unwrap_or(0);
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        if self.given < self.read {
            let lost = || Error::permanent("lines that were read and not delivered are no longer at hand");
            let lines = self.kept.after(self.given).ok_or_else(lost)?;
            return Ok(Some(self.batch(lines)));
        }
        let records = self.records().await.map_err(|error| {
            Error::permanent("standard input cannot be read").with_reason("unreadable").with_cause(error)
        })?;
        if records.is_empty() {
            return Ok(None);
        }
        let before = self.read;
        self.read += records.len() as u64;
        let lines = self.kept.keep(records, before);
        Ok(Some(self.batch(lines)))
    }

    fn committer(&self) -> Option<Box<dyn Committer>> {
        Some(Box::new(self.kept.clone()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::line_event::LineEventOptions;

    fn feed(text: &[u8]) -> StdinFeed<&[u8]> {
        let options: LineEventOptions = serde_json::from_value(json!({ "type": "t" })).unwrap();
        let paths = LinePaths::compile(&options, "stdin", &mut Vec::new());
        let cx = Context { account: "in".into(), ..sluicebox_testkit::context("p", "in") };
        StdinFeed::new(text, paths, 1024, &cx)
    }

    async fn numbers(feed: &mut StdinFeed<&[u8]>) -> (Vec<String>, Option<Cursor>) {
        let Some(batch) = feed.next().await.unwrap() else { return (Vec::new(), None) };
        let batch = batch.read();
        let number = |event: &Event| event.meta().id.rsplit('/').next().unwrap().to_owned();
        (batch.events.iter().map(number).collect(), batch.cursor)
    }

    #[tokio::test]
    async fn lines_are_numbered_and_a_last_one_needs_no_end() {
        let long = "x".repeat(2000);
        let text = format!("{{\"t\":\"a\"}}\r\n\nno\n{{\"t\":1}}\n{long}\n{{}}");
        let mut feed = feed(text.as_bytes());
        let batch = feed.next().await.unwrap().unwrap().read();
        let types: Vec<&str> = batch.events.iter().map(|event| event.meta().event_type.as_str()).collect();
        let reasons: Vec<Reason> = batch.rejects.iter().map(|reject| reject.reason).collect();
        assert_eq!((types, reasons), (vec!["a", "stdin"], vec![Reason::Parse, Reason::TooLarge]));
        let last = feed.next().await.unwrap().unwrap().read();
        assert!(last.events[0].meta().id.ends_with("/6") && last.events[0].json() == "{}");
        assert!(feed.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_not_durable_comes_again_with_its_ids() {
        let text = "{}\n".repeat(2500);
        let mut feed = feed(text.as_bytes());
        let foreign = Cursor::from("17/400");
        feed.open(Some(&foreign)).await.unwrap();
        let mut committer = feed.committer().unwrap();
        let (first, behind_first) = numbers(&mut feed).await;
        let (second, _) = numbers(&mut feed).await;
        assert_eq!((first[0].as_str(), second[0].as_str()), ("1", "1001"));
        feed.open(Some(&foreign)).await.unwrap();
        assert_eq!(numbers(&mut feed).await.0, first);
        committer.commit(&behind_first.clone().unwrap()).await.unwrap();
        feed.open(behind_first.as_ref()).await.unwrap();
        assert_eq!(numbers(&mut feed).await.0, second);
        let (third, behind_third) = numbers(&mut feed).await;
        assert_eq!(third.last().unwrap(), "2500");
        assert_eq!(numbers(&mut feed).await.0.len(), 0);
        committer.commit(&behind_third.unwrap()).await.unwrap();
        assert!(feed.kept.after(0).is_none() && feed.kept.after(2000).is_none());
    }
}
