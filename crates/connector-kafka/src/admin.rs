//! Questions about topics, and making our own. All functions block and belong beside the runtime.

use std::time::Duration;

use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use sluicebox_core::{Error, Result};

use crate::client::{Listener, creation_error};
use crate::fault::{Fault, call_error};

/// Asks about topics, and makes them.
pub(crate) struct Admin {
    config: ClientConfig,
    /// Asks without a group, and sees records of open transactions.
    asker: BaseConsumer<Listener>,
    listener: Listener,
    /// Longest wait for an answer.
    patience: Duration,
}

impl Admin {
    /// A client of its own for the connection of `config`.
    ///
    /// # Errors
    /// `Config` if librdkafka refuses a setting.
    pub(crate) fn new(config: &ClientConfig, patience: Duration) -> Result<Self> {
        let listener = Listener::default();
        let mut asking = config.clone();
        asking.set("isolation.level", "read_uncommitted");
        let asker = asking.create_with_context(listener.clone()).map_err(creation_error)?;
        Ok(Self { config: config.clone(), asker, listener, patience })
    }

    /// A setting of a topic; `None` if it cannot be asked for, or has none.
    pub(crate) fn setting(&self, topic: &str, name: &str) -> Option<String> {
        self.setting_of(&ResourceSpecifier::Topic(topic), name)
    }

    /// A setting of a broker; `None` if it cannot be asked for, or has none.
    pub(crate) fn broker_setting(&self, broker: i32, name: &str) -> Option<String> {
        self.setting_of(&ResourceSpecifier::Broker(broker), name)
    }

    fn setting_of(&self, resource: &ResourceSpecifier<'_>, name: &str) -> Option<String> {
        let administrator = self.administrator().ok()?;
        let answer = block_on(administrator.describe_configs([resource], &self.options())).ok()?;
        let resource: ConfigResource = answer.into_iter().next()?.ok()?;
        resource.get(name)?.value.clone()
    }

    /// A topic as the brokers know it; `None` if there is no such topic.
    ///
    /// # Errors
    /// Retryable if nobody answers; `Auth` or `Config` if nobody ever will.
    pub(crate) fn topic(&self, topic: &str) -> Result<Option<TopicShape>> {
        let metadata = self.metadata(Some(topic))?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let Some(found) = found else { return Ok(None) };
        match found.error().map(RDKafkaErrorCode::from) {
            None | Some(RDKafkaErrorCode::LeaderNotAvailable) => Ok(Some(TopicShape {
                partitions: found.partitions().len(),
                replicas: found.partitions().iter().map(|it| it.replicas().len()).min().unwrap_or_default(),
            })),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
            Some(code) => {
                Err(call_error(&KafkaError::MetadataFetch(code), &format!("use the topic `{topic}`")))
            }
        }
    }

    /// Makes a topic with one partition and the replication that the brokers like best; or only asks whether it could.
    ///
    /// # Errors
    /// `Auth` if we may not; retryable if nobody answers. A topic that is there already is none.
    pub(crate) fn create(&self, topic: &str, settings: &[(&str, &str)], only_ask: bool) -> Result<()> {
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(-1));
        let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
        let attempt = format!("make the topic `{topic}`");
        let options = self.options().validate_only(only_ask);
        let made = block_on(self.administrator()?.create_topics([&new], &options));
        match made.map_err(|error| self.explain(&error, &attempt))?.into_iter().next() {
            Some(Err((_, code))) if code != RDKafkaErrorCode::TopicAlreadyExists => {
                Err(call_error(&KafkaError::AdminOp(code), &attempt))
            }
            _ => Ok(()),
        }
    }

    /// What the brokers say of themselves and of a topic (of all, without one).
    ///
    /// # Errors
    /// Retryable if nobody answers; `Auth` or `Config` if nobody ever will.
    pub(crate) fn metadata(&self, topic: Option<&str>) -> Result<Metadata> {
        let attempt =
            topic.map_or("ask the brokers".to_owned(), |topic| format!("ask for the topic `{topic}`"));
        let answer = self.asker.client().fetch_metadata(topic, self.patience);
        answer.map_err(|error| self.explain(&error, &attempt))
    }

    /// The offset after the last record of the only partition of a topic, whatever became of its transaction.
    ///
    /// # Errors
    /// Retryable if nobody answers.
    pub(crate) fn end_of(&self, topic: &str) -> Result<i64> {
        let answer = self.asker.fetch_watermarks(topic, 0, self.patience);
        let (_, end) =
            answer.map_err(|error| self.explain(&error, &format!("ask for the end of `{topic}`")))?;
        Ok(end)
    }

    /// An error of a call, or what librdkafka said by itself if that is the reason.
    fn explain(&self, error: &KafkaError, attempt: &str) -> Error {
        hear(&self.asker);
        match Fault::of(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)) {
            Fault::Transient => self.listener.trouble.explain(&format!("cannot {attempt}")),
            _ => call_error(error, attempt),
        }
    }

    fn administrator(&self) -> Result<AdminClient<Listener>> {
        self.config.create_with_context(self.listener.clone()).map_err(creation_error)
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.patience)).operation_timeout(Some(self.patience))
    }
}

/// Lets the context of a consumer hear what went wrong with its connections: events wait until somebody polls.
pub(crate) fn hear(consumer: &BaseConsumer<Listener>) {
    for _ in 0..20 {
        if consumer.poll(Duration::from_millis(20)).is_none() {
            return;
        }
    }
}

/// How large a topic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicShape {
    pub(crate) partitions: usize,
    /// Of the partition that has the fewest.
    pub(crate) replicas: usize,
}
