//! Kafka: a sequential loop over `rdkafka`, idempotent or transactional, against the `kafka` sink of the same promise.
//!
//! Both sides: one topic of one partition, `acks=all`, the same linger, request size, partitioner and compression. The loop
//! puts 1000 records into the queue and waits until every one is reported; in a transaction it writes one position record
//! to a topic of its own and commits. Records are counted, not awaited one by one: that would be slower.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sluicebox_services::Kafka as Server;

use super::Destination;
use super::events::{self, Prepared, Ready};
use crate::Outcome;

const WAIT: Duration = Duration::from_secs(30);

/// Longest wait for the marks of transactions, once everything before them was read.
const MARK_WAIT: Duration = Duration::from_secs(2);

/// A topic of a broker of its own.
pub(crate) struct Kafka {
    _server: Server,
    bootstrap: String,
    transactional: bool,
    compression: String,
    runs: usize,
}

/// Counts reports.
#[derive(Default)]
struct Reports {
    outstanding: AtomicUsize,
    failed: AtomicBool,
    lock: Mutex<()>,
    settled: Condvar,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        if self.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            let _held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.settled.notify_all();
        }
    }
}

impl Reports {
    fn settle(&self) -> Outcome {
        let held = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |(): &mut ()| self.outstanding.load(Ordering::Acquire) > 0;
        let waited = self.settled.wait_timeout_while(held, WAIT, is_open);
        let (_held, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() || self.failed.load(Ordering::Acquire) {
            return Err("a record was not written".into());
        }
        Ok(())
    }
}

impl Kafka {
    pub(crate) fn new(folder: &Path, transactional: bool, compression: &str) -> Outcome<Self> {
        let server = Server::private(folder, 1).ok_or("no services")?;
        let (bootstrap, compression) = (server.bootstrap(), compression.to_owned());
        Ok(Self { _server: server, bootstrap, transactional, compression, runs: 0 })
    }

    fn topic(&self) -> String {
        let promise = if self.transactional { "transactional" } else { "idempotent" };
        format!("bench-{promise}-{}", self.runs)
    }

    fn position_topic(&self) -> String {
        format!("{}-positions", self.topic())
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    fn admin<T>(
        &self,
        work: impl AsyncFnOnce(AdminClient<DefaultClientContext>) -> Outcome<T>,
    ) -> Outcome<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(work(self.client().create()?))
    }

    fn producer(&self) -> Outcome<ThreadedProducer<Reports>> {
        let mut config = self.client();
        config.set("enable.idempotence", "true");
        config.set("acks", "all");
        config.set("partitioner", "murmur2_random");
        config.set("compression.codec", &self.compression);
        config.set("linger.ms", "2");
        config.set("batch.size", "1000000");
        config.set("queue.buffering.max.messages", "0");
        if self.transactional {
            config.set("transactional.id", self.topic());
        }
        Ok(config.create_with_context(Reports::default())?)
    }
}

impl Destination for Kafka {
    fn make(&mut self) -> Outcome {
        self.runs += 1;
        let (topic, positions) = (self.topic(), self.position_topic());
        let fixed = || TopicReplication::Fixed(1);
        let mut topics = vec![NewTopic::new(&topic, 1, fixed())];
        if self.transactional {
            topics.push(NewTopic::new(&positions, 1, fixed()).set("cleanup.policy", "compact"));
        }
        self.admin(async |admin| {
            for made in admin.create_topics(&topics, &AdminOptions::new()).await? {
                made.map_err(|(topic, code)| format!("{topic}: {code}"))?;
            }
            Ok(())
        })
    }

    fn sink(&self) -> String {
        let Self { bootstrap, compression, .. } = self;
        let topic = self.topic();
        let promise = if self.transactional {
            format!(", delivery: exactly_once, position_topic: {}", self.position_topic())
        } else {
            String::new()
        };
        format!(
            "{{ type: kafka, inputs: [feed], brokers: [\"{bootstrap}\"], topic: {topic}, compression: {compression}{promise} }}"
        )
    }

    fn bare(&mut self, events: &Prepared, total: u64, note: &mut dyn FnMut(u64)) -> Outcome {
        let producer = self.producer()?;
        let reports = Arc::clone(producer.context());
        let (topic, positions) = (self.topic(), self.position_topic());
        if self.transactional {
            producer.init_transactions(WAIT)?;
        }
        for (count, window) in events.windows(total) {
            if self.transactional {
                producer.begin_transaction()?;
            }
            for event in &*window {
                send(&producer, &topic, event)?;
            }
            if self.transactional {
                let position = format!("{{\"epoch\":0,\"safe_seq\":{count},\"safe_cursor\":\"{count}\"}}");
                reports.outstanding.fetch_add(1, Ordering::AcqRel);
                let record = BaseRecord::to(&positions).partition(0).key("position").payload(&position);
                producer.send(record).map_err(|(error, _)| error)?;
            }
            reports.settle()?;
            if self.transactional {
                // What was reported is forgotten a moment later; a commit before that sleeps for 100 ms.
                while producer.in_flight_count() > 0 {
                    std::thread::sleep(Duration::from_micros(20));
                }
                producer.commit_transaction(WAIT)?;
            }
            note(count);
        }
        Ok(())
    }

    /// A transaction leaves a mark in the log that is no record, so the end of the log does not say it. The broker answers
    /// a commit before it has written that mark, so the last records may show a moment later.
    fn count(&mut self) -> Outcome<u64> {
        let mut config = self.client();
        config.set("group.id", self.topic()).set("enable.auto.commit", "false");
        config.set("isolation.level", "read_committed").set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create()?;
        let mut all = TopicPartitionList::new();
        all.add_partition_offset(&self.topic(), 0, Offset::Beginning)?;
        consumer.assign(&all)?;
        let (mut count, mut wait) = (0, WAIT);
        while let Some(polled) = consumer.poll(wait) {
            match polled {
                Ok(_) => count += 1,
                Err(KafkaError::PartitionEOF(_)) => wait = MARK_WAIT,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(count)
    }

    fn remove(&mut self) -> Outcome {
        let (topic, positions) = (self.topic(), self.position_topic());
        let mut topics = vec![topic.as_str()];
        topics.extend(self.transactional.then_some(positions.as_str()));
        self.admin(async |admin| Ok(admin.delete_topics(&topics, &AdminOptions::new()).await.map(drop)?))
    }
}

fn send(producer: &ThreadedProducer<Reports>, topic: &str, event: &Ready) -> Outcome {
    producer.context().outstanding.fetch_add(1, Ordering::AcqRel);
    let time = event.time.duration_since(std::time::UNIX_EPOCH)?.as_millis().try_into()?;
    let record = BaseRecord::to(topic).key(events::KEY).payload(event.json.get()).timestamp(time);
    producer.send(record).map_err(|(error, _)| error)?;
    Ok(())
}
