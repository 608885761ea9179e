//! Scripted components and a harness for engine tests: real tasks, real time kept short, no network.

#![allow(dead_code, reason = "each test file uses its part of the harness")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sluicebox_checkpoints::MemoryStore;
use sluicebox_config::{
    AccountPlan, DeadLetterPolicy, Input, LocatedProblem, Plan, SinkPlan, SourcePlan, TransformPlan,
};
use sluicebox_core::{
    AnySink, AnySource, AnyTransform, Batch, BatchOptions, BufferOptions, BuiltSink, BuiltSource,
    CheckContext, CheckpointStore, Committed, Committer, Context, Cursor, Delivery, DeliverySupport,
    Discovered, Error, Event, Located, Meta, Opened, Outputs, Pace, PartitionedSource, Period, Position,
    Problem, Result, RetryOptions, ScriptFiles, Shard, Shared, Sink, Source, SourceClass, Stopped, Timestamp,
    TransactionalSink, Transform, Window, Written,
};
use sluicebox_engine::{Failure, Metrics, Outcome, RunOptions, Running, Surroundings, start, system};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// An event of the scripted feed.
pub(crate) fn event(source: &str, number: u64, key: &str) -> Event {
    let text = format!(r#"{{"n":{number},"key":"{key}"}}"#);
    let meta = Meta {
        event_type: "test".into(),
        time: Timestamp::from_millis(i64::try_from(number).unwrap()),
        key: key.into(),
        ..Meta::new(source, source, format!("test:{source}:{number}"))
    };
    Event::parse(&Bytes::from(text), meta).unwrap()
}

/// What a scripted feed does.
pub(crate) struct Feed {
    pub(crate) name: &'static str,
    pub(crate) total: u64,
    pub(crate) page: u64,
    pub(crate) class: SourceClass,
    pub(crate) keys: u64,
    /// Errors to give before the poll of that number, counted from 1.
    pub(crate) failures: BTreeMap<u64, Vec<Error>>,
    pub(crate) polls: Arc<AtomicUsize>,
    /// Cursors that the source was opened with.
    pub(crate) opened: Arc<Mutex<Vec<Option<String>>>>,
    /// Names of partitions that come while it runs; none: the feed is one partition.
    pub(crate) partitions: Vec<&'static str>,
    /// Cursors that were confirmed upstream; `None`: it does not want to hear.
    pub(crate) confirmed: Option<Arc<Mutex<Vec<String>>>>,
    /// How long it rests once it is caught up, and what wakes it.
    pub(crate) rest: Duration,
    pub(crate) bell: Arc<Notify>,
    /// Work that it leaves to the engine: waits for this, and fails.
    pub(crate) background: Option<Arc<Notify>>,
}

impl Feed {
    pub(crate) fn new(name: &'static str, total: u64, page: u64) -> Self {
        Self {
            name,
            total,
            page,
            class: SourceClass::RetainedFeed,
            keys: 1,
            failures: BTreeMap::new(),
            polls: Arc::default(),
            opened: Arc::default(),
            partitions: Vec::new(),
            confirmed: None,
            rest: Duration::from_millis(20),
            bell: Arc::default(),
            background: None,
        }
    }
}

#[async_trait]
impl AnySource for Feed {
    fn class(&self) -> SourceClass {
        self.class
    }
    fn check(&self, _: &CheckContext<'_>) -> Vec<Problem> {
        Vec::new()
    }
    async fn build(self: Box<Self>, cx: &Context) -> Result<BuiltSource> {
        if let Some(signal) = self.background.clone() {
            cx.leave_to_background(async move {
                signal.notified().await;
                Err(Error::permanent("the listener fell over"))
            });
        }
        if self.partitions.is_empty() {
            return Ok(BuiltSource::single(FeedSource { feed: *self, at: 0, poll: 0 }));
        }
        Ok(BuiltSource::Partitioned(Box::new(Topic { feed: *self, handed_out: 0, told: false })))
    }
}

/// A source that finds its partitions one by one.
struct Topic {
    feed: Feed,
    handed_out: usize,
    told: bool,
}

#[async_trait]
impl PartitionedSource for Topic {
    async fn discover(&mut self) -> Result<Discovered> {
        let Some(name) = self.feed.partitions.get(self.handed_out) else {
            if std::mem::replace(&mut self.told, true) {
                std::future::pending::<()>().await;
            }
            return Ok(Discovered::AllForNow);
        };
        self.handed_out += 1;
        let feed = Feed {
            polls: Arc::clone(&self.feed.polls),
            opened: Arc::clone(&self.feed.opened),
            confirmed: self.feed.confirmed.clone(),
            ..Feed::new(name, self.feed.total, self.feed.page)
        };
        Ok(Discovered::Partition((*name).into(), Box::new(FeedSource { feed, at: 0, poll: 0 })))
    }
}

struct Confirmations(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Committer for Confirmations {
    async fn commit(&mut self, cursor: &Cursor) -> Result<()> {
        self.0.lock().unwrap().push(cursor.to_text());
        Ok(())
    }
}

struct FeedSource {
    feed: Feed,
    at: u64,
    poll: u64,
}

#[async_trait]
impl Source for FeedSource {
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        let text = saved.map(Cursor::to_text);
        self.at = text.as_deref().map_or(0, |text| text.parse().unwrap());
        self.feed.opened.lock().unwrap().push(text);
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        self.feed.polls.fetch_add(1, Ordering::SeqCst);
        if let Some(error) = self.feed.failures.get_mut(&(self.poll + 1)).and_then(Vec::pop) {
            return Err(error);
        }
        self.poll += 1;
        tokio::task::yield_now().await;
        let end = (self.at + self.feed.page).min(self.feed.total);
        let events =
            (self.at + 1..=end).map(|n| event(self.feed.name, n, &format!("k{}", n % self.feed.keys)));
        let events: Vec<Event> = events.collect();
        self.at = end;
        let caught_up = end == self.feed.total;
        let pace = if caught_up { Pace::After(self.feed.rest) } else { Pace::Immediately };
        Ok(Some(Batch { events, pace, caught_up, ..Batch::empty(Some(Cursor::from(end.to_string()))) }))
    }

    async fn woken(&mut self) {
        self.feed.bell.notified().await;
    }

    fn committer(&self) -> Option<Box<dyn Committer>> {
        let confirmed = self.feed.confirmed.clone()?;
        Some(Box::new(Confirmations(confirmed)))
    }
}

/// What a scripted destination holds; survives a restart of the pipeline.
#[derive(Default)]
pub(crate) struct Destination {
    pub(crate) rows: Mutex<Vec<String>>,
    pub(crate) positions: Mutex<BTreeMap<(String, String), Position>>,
    pub(crate) dead_letters: Mutex<Vec<String>>,
    pub(crate) epoch: Mutex<u64>,
    pub(crate) writes: AtomicUsize,
    /// Asked before each write with the numbers in it.
    pub(crate) gate: Mutex<Option<Gate>>,
}

/// Decides over a write: what to answer instead of writing.
pub(crate) type Gate = Box<dyn FnMut(&[Event]) -> Verdict + Send>;

/// What a gate says.
pub(crate) enum Verdict {
    Write,
    Fail(Error),
    Reject(Vec<(usize, Error)>),
    /// Writes what comes before this index and stops there.
    Stop(usize, Option<Error>),
    Hang,
    Panic,
}

impl Destination {
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.rows.lock().unwrap().iter().map(|row| number(row)).collect()
    }

    fn ask(&self, events: &[Event]) -> Verdict {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.gate.lock().unwrap().as_mut().map_or(Verdict::Write, |gate| gate(events))
    }
}

pub(crate) fn number(json: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(json).unwrap()["n"].as_u64().unwrap()
}

fn text(event: &Event) -> String {
    String::from_utf8(event.json().to_vec()).unwrap()
}

/// A sink over a [`Destination`].
pub(crate) struct To {
    pub(crate) destination: Arc<Destination>,
    pub(crate) transactional: bool,
}

#[async_trait]
impl AnySink for To {
    fn delivery(&self) -> DeliverySupport {
        DeliverySupport { default: Delivery::AtLeastOnce, exactly_once: self.transactional, why: "test" }
    }
    fn check(&self, _: &CheckContext<'_>) -> Vec<Problem> {
        Vec::new()
    }
    async fn build(self: Box<Self>, _: &Context) -> Result<BuiltSink> {
        let writer = Writer { destination: self.destination, epoch: 0 };
        Ok(if self.transactional {
            BuiltSink::Transactional(Box::new(writer))
        } else {
            BuiltSink::Plain(Box::new(writer))
        })
    }
}

struct Writer {
    destination: Arc<Destination>,
    epoch: u64,
}

#[async_trait]
impl Sink for Writer {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let mut refused = Vec::new();
        let mut stopped = None;
        match self.destination.ask(events) {
            Verdict::Write => {}
            Verdict::Stop(at, error) => stopped = Some(Stopped { at, error }),
            Verdict::Fail(error) => return Err(error),
            Verdict::Reject(list) => refused = list,
            Verdict::Hang => std::future::pending().await,
            Verdict::Panic => panic!("the sink fell over"),
        }
        let mut rows = self.destination.rows.lock().unwrap();
        let end = stopped.as_ref().map_or(events.len(), |stopped| stopped.at);
        for (index, event) in events[..end].iter().enumerate() {
            if !refused.iter().any(|(refused, _)| *refused == index) {
                rows.push(text(event));
            }
        }
        let rejected = refused.into_iter().map(|(index, error)| sluicebox_core::Rejected { index, error });
        Ok(Written { rejected: rejected.collect(), stopped })
    }
}

#[async_trait]
impl TransactionalSink for Writer {
    async fn open(&mut self, shard: &Shard) -> Result<Opened> {
        let mut epoch = self.destination.epoch.lock().unwrap();
        *epoch = shard.epoch.max(*epoch + 1);
        self.epoch = *epoch;
        let positions = self.destination.positions.lock().unwrap().values().cloned().collect();
        Ok(Opened { epoch: *epoch, positions })
    }

    async fn commit(&mut self, window: &Window<'_>) -> Result<Committed> {
        if *self.destination.epoch.lock().unwrap() != self.epoch {
            return Err(Error::new(sluicebox_core::ErrorClass::Fenced, "taken over"));
        }
        match self.destination.ask(window.events) {
            Verdict::Write | Verdict::Stop(..) => {}
            Verdict::Fail(error) => return Err(error),
            Verdict::Reject(list) => {
                let list = list.into_iter().map(|(index, error)| sluicebox_core::Rejected { index, error });
                return Ok(Committed::Nothing(list.collect()));
            }
            Verdict::Hang => std::future::pending().await,
            Verdict::Panic => panic!("the sink fell over"),
        }
        self.destination.rows.lock().unwrap().extend(window.events.iter().map(text));
        let letters = window.dead_letters.iter().map(|letter| letter.meta.id.to_string());
        self.destination.dead_letters.lock().unwrap().extend(letters);
        for position in window.positions {
            let name = (position.source.to_string(), position.partition.to_string());
            self.destination.positions.lock().unwrap().insert(name, position.clone());
        }
        Ok(Committed::All)
    }
}

/// A transform made of a closure over one event's number.
pub(crate) struct Step(pub(crate) fn(u64, usize, Event, &mut Outputs));

#[async_trait]
impl AnyTransform for Step {
    fn check(&self, _: &CheckContext<'_>) -> Vec<Problem> {
        Vec::new()
    }
    fn outputs(&self, _: &CheckContext<'_>) -> Vec<String> {
        Vec::new()
    }
    async fn build(self: Box<Self>, _: &Context, _: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        Ok(Box::new(StepTransform(self.0)))
    }
}

struct StepTransform(fn(u64, usize, Event, &mut Outputs));

#[async_trait]
impl Transform for StepTransform {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        for (index, event) in batch.into_iter().enumerate() {
            (self.0)(number(&text(&event)), index, event, out);
        }
        Ok(())
    }
}

struct NoFiles;
impl ScriptFiles for NoFiles {
    fn read(&self, path: &str) -> std::result::Result<String, String> {
        Err(format!("{path}: not found"))
    }
}

/// Builds a plan piece by piece.
pub(crate) struct Piped(pub(crate) Plan);

impl Piped {
    pub(crate) fn new() -> Self {
        Self(Plan {
            name: "test".into(),
            name_taken: LocatedProblem::in_text("", "", (1, 1), ""),
            file: PathBuf::new(),
            folder: PathBuf::new(),
            sources: Vec::new(),
            transforms: Vec::new(),
            sinks: Vec::new(),
            routes: Vec::new(),
            warnings: Vec::new(),
            tests: Vec::new(),
        })
    }

    pub(crate) fn source(self, feed: Feed) -> Self {
        let name = feed.name;
        self.accounts(name, vec![(name, feed)])
    }

    pub(crate) fn accounts(mut self, name: &str, feeds: Vec<(&str, Feed)>) -> Self {
        self.0.sources.push(SourcePlan {
            name: name.into(),
            component_type: "feed",
            class: feeds[0].1.class,
            accounts_listed: feeds.len() > 1,
            accounts_from: None,
            accounts: feeds
                .into_iter()
                .map(|(id, feed)| AccountPlan { id: id.into(), config: Box::new(feed) })
                .collect(),
            when: None,
            key: None,
            prefetch: false,
            dead_letter: DeadLetterPolicy::Store,
        });
        self
    }

    pub(crate) fn transform(mut self, name: &str, input: &str, when: Option<&str>, step: Step) -> Self {
        self.0.transforms.push(TransformPlan {
            name: name.into(),
            component_type: "step",
            inputs: vec![Input { component: input.into(), output: None }],
            when: when.map(Located::from),
            when_discards: false,
            outputs: Vec::new(),
            retry: RetryOptions::default(),
            dead_letter: DeadLetterPolicy::Store,
            config: Box::new(step),
        });
        self
    }

    /// Where the dead letters of a component go.
    pub(crate) fn letters(mut self, component: &str, sink: &str) -> Self {
        let policy = DeadLetterPolicy::Sink(sink.into());
        for transform in self.0.transforms.iter_mut().filter(|transform| transform.name == component) {
            transform.dead_letter = policy.clone();
        }
        for sink in self.0.sinks.iter_mut().filter(|sink| sink.name == component) {
            sink.dead_letter = policy.clone();
        }
        self
    }

    pub(crate) fn sink(
        mut self,
        name: &str,
        inputs: &[&str],
        destination: &Arc<Destination>,
        transactional: bool,
    ) -> Self {
        let inputs = inputs.iter().map(|input| {
            let (component, output) =
                input.split_once('.').map_or((*input, None), |(name, port)| (name, Some(port)));
            Input { component: component.into(), output: output.map(Into::into) }
        });
        self.0.sinks.push(SinkPlan {
            name: name.into(),
            component_type: "destination",
            inputs: inputs.collect(),
            when: None,
            batch: BatchOptions { max_wait: Period::from_millis(50), ..BatchOptions::default() },
            buffer: BufferOptions::default(),
            retry: RetryOptions::default(),
            delivery: Delivery::AtLeastOnce,
            dead_letter: DeadLetterPolicy::Store,
            config: Box::new(To { destination: Arc::clone(destination), transactional }),
        });
        self
    }

    fn surroundings(store: Arc<dyn CheckpointStore>, once: bool) -> Surroundings {
        let mut options = RunOptions::new(system());
        options.once = once;
        options.drain_limit = Duration::from_secs(2);
        Surroundings {
            store,
            files: Arc::new(NoFiles),
            metrics: Arc::new(Metrics::new()),
            shared: Shared::default(),
            options,
            drain: CancellationToken::new(),
        }
    }

    pub(crate) async fn start<S: CheckpointStore + 'static>(
        self,
        store: &Arc<S>,
        once: bool,
    ) -> (Running, CancellationToken) {
        let surroundings = Self::surroundings(Arc::clone(store) as Arc<dyn CheckpointStore>, once);
        let drain = surroundings.drain.clone();
        (start(self.0, surroundings).await.unwrap(), drain)
    }

    pub(crate) async fn run_over(self, store: Arc<dyn CheckpointStore>) -> Outcome {
        start(self.0, Self::surroundings(store, false)).await.unwrap().wait().await
    }

    pub(crate) async fn try_start(self, store: &Arc<MemoryStore>) -> std::result::Result<(), Failure> {
        start(self.0, Self::surroundings(Arc::clone(store) as Arc<dyn CheckpointStore>, true))
            .await
            .map(|_| ())
    }

    pub(crate) async fn run_once(self, store: &Arc<MemoryStore>) -> Outcome {
        self.start(store, true).await.0.wait().await
    }
}

/// Waits until `done` says so; fails the test after ten seconds.
pub(crate) async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        pause(5).await;
    }
    panic!("waited ten seconds for {what}");
}

/// Waits so many milliseconds.
pub(crate) async fn pause(milliseconds: u64) {
    system().clock.sleep(Duration::from_millis(milliseconds)).await;
}
