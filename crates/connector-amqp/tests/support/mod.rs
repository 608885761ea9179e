//! What the tests of this crate share: components built as the engine builds them, events, and a plain client that
//! looks at the broker from the side.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test binary uses a part of it, and what goes wrong here fails the test that asked"
)]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use sluicebox_connector_amqp::{AmqpSinkSpec, AmqpSourceSpec};
use sluicebox_core::{
    Batch, BuiltSink, Context, Event, Meta, Probe, Sink, SinkSpec, Source, SourceSpec, Timestamp,
};
use sluicebox_testkit::still_environment;

/// Longest wait for something that has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A name that no other test uses.
pub(crate) fn unique(what: &str) -> String {
    format!("test-{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What a component is built with.
pub(crate) fn context(folder: &Path) -> Context {
    Context {
        account: "main".into(),
        folder: folder.to_owned(),
        environment: still_environment(),
        ..sluicebox_testkit::context("tests", "amqp-under-test")
    }
}

pub(crate) async fn sink(options: serde_json::Value) -> Box<dyn Sink> {
    let spec: AmqpSinkSpec = serde_json::from_value(options).unwrap();
    let BuiltSink::Plain(sink) = SinkSpec::build(spec, &context(Path::new("."))).await.unwrap() else {
        panic!("the sink is not plain")
    };
    sink
}

pub(crate) async fn source(options: serde_json::Value) -> Box<dyn Source> {
    let spec: AmqpSourceSpec = serde_json::from_value(options).unwrap();
    let built = SourceSpec::build(spec, &context(Path::new("."))).await.unwrap();
    let mut source = built.into_single().unwrap();
    source.open(None).await.unwrap();
    source
}

pub(crate) async fn probe_sink(options: serde_json::Value) -> Probe {
    let spec: AmqpSinkSpec = serde_json::from_value(options).unwrap();
    SinkSpec::probe(&spec, &context(Path::new("."))).await
}

pub(crate) async fn probe_source(options: serde_json::Value) -> Probe {
    let spec: AmqpSourceSpec = serde_json::from_value(options).unwrap();
    SourceSpec::probe(&spec, &context(Path::new("."))).await
}

/// An event with an id, an ordering key, and fields.
pub(crate) fn event(id: &str, key: &str, fields: &serde_json::Value) -> Event {
    let meta = Meta {
        event_type: "order.created".into(),
        time: Timestamp::from_millis(1_781_258_404_120),
        key: key.into(),
        received: Timestamp::from_millis(1_781_258_405_000),
        ..Meta::new("feed", "a", id)
    };
    Event::parse(&Bytes::from(fields.to_string()), meta).unwrap()
}

/// Events `e-0`, `e-1`, … with their number as `n`, one key.
pub(crate) fn events(numbers: std::ops::Range<usize>) -> Vec<Event> {
    numbers.map(|n| event(&format!("e-{n}"), "k", &serde_json::json!({ "n": n }))).collect()
}

/// The next page with something in it.
pub(crate) async fn page(source: &mut dyn Source) -> Batch {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let batch = source.next().await.unwrap().expect("a queue never ends");
        if !batch.is_empty() {
            return batch;
        }
        assert!(Instant::now() < deadline, "no message came");
    }
}

/// Waits until `state` holds.
pub(crate) async fn wait_for<F: Future<Output = bool>>(what: &str, mut state: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !state().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A client of its own that looks at the broker from the side.
pub(crate) struct Aside {
    pub(crate) connection: Connection,
    pub(crate) channel: Channel,
}

impl Aside {
    pub(crate) async fn new(url: &str) -> Self {
        let deadline = Instant::now() + PATIENCE;
        let connection = loop {
            match Connection::connect(url, ConnectionProperties::default()).await {
                Ok(connection) => break connection,
                Err(error) => assert!(Instant::now() < deadline, "no connection: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self { connection, channel }
    }

    /// A durable classic queue.
    pub(crate) async fn queue(&self, name: &str, arguments: &[(&str, AMQPValue)]) {
        let mut table = FieldTable::default();
        for (name, value) in arguments {
            table.insert((*name).into(), value.clone());
        }
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        self.channel.queue_declare(name.into(), options, table).await.unwrap();
    }

    pub(crate) async fn exchange(&self, name: &str, kind: ExchangeKind) {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        self.channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await.unwrap();
    }

    pub(crate) async fn bind(&self, queue: &str, exchange: &str, key: &str) {
        let options = QueueBindOptions::default();
        let table = FieldTable::default();
        self.channel.queue_bind(queue.into(), exchange.into(), key.into(), options, table).await.unwrap();
    }

    pub(crate) async fn publish(&self, queue: &str, properties: BasicProperties, body: &str) {
        let options = BasicPublishOptions::default();
        let publishing =
            self.channel.basic_publish("".into(), queue.into(), options, body.as_bytes(), properties);
        assert!(publishing.await.unwrap().await.unwrap().is_ack());
    }

    /// Takes one message out of a queue.
    pub(crate) async fn take(&self, queue: &str) -> Option<BasicGetMessage> {
        self.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap()
    }

    /// The ids of everything in a queue, taken out in order.
    pub(crate) async fn take_ids(&self, queue: &str) -> Vec<String> {
        let mut ids = Vec::new();
        while let Some(message) = self.take(queue).await {
            ids.push(message.properties.message_id().as_ref().unwrap().as_str().to_owned());
        }
        ids
    }

    /// How many messages wait in a queue.
    pub(crate) async fn ready(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let declared = self.channel.queue_declare(queue.into(), options, FieldTable::default());
        declared.await.unwrap().message_count()
    }
}
