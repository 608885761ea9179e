//! Questions about topics and groups, and what refusals of them mean.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use sluicebox_core::{Error, Result};

use super::member::Member;
use crate::fault::{Fault, call_error};

/// Whether this is a pattern instead of the name of a topic, as librdkafka tells them apart.
pub(super) fn is_pattern(topic: &str) -> bool {
    topic.starts_with('^')
}

/// Looks at the brokers and at each topic that is named in full; returns those with the number of their partitions.
///
/// # Errors
/// `Config` if a topic is not there, `Auth` if we may not see it; retryable if nobody answers.
pub(super) fn topics(
    consumer: &BaseConsumer<Member>,
    topics: &[String],
    patience: Duration,
) -> Result<Vec<(String, usize)>> {
    let named: Vec<&String> = topics.iter().filter(|topic| !is_pattern(topic)).collect();
    if named.is_empty() {
        // The topic of nobody: an answer is all that is wanted.
        return one(consumer, None, patience).map(|_| Vec::new());
    }
    let count = |topic: &String| one(consumer, Some(topic), patience).map(|count| (topic.clone(), count));
    named.into_iter().map(count).collect()
}

fn one(consumer: &BaseConsumer<Member>, topic: Option<&str>, patience: Duration) -> Result<usize> {
    let answer = consumer.client().fetch_metadata(topic, patience);
    let metadata = answer.map_err(|error| explain(consumer, &error, "ask the brokers for their topics"))?;
    consumer.context().trouble.clear();
    let Some(topic) = topic else { return Ok(0) };
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Err(no_topic(topic));
    };
    match found.error().map(RDKafkaErrorCode::from) {
        None => Ok(found.partitions().len()),
        Some(code) if Fault::of(code) == Fault::UnknownTopic => Err(no_topic(topic)),
        Some(code) if Fault::of(code) == Fault::Auth => Err(group_error(&KafkaError::MetadataFetch(code))),
        Some(code) => Err(call_error(&KafkaError::MetadataFetch(code), &format!("read the topic `{topic}`"))),
    }
}

fn no_topic(topic: &str) -> Error {
    Error::config(format!("there is no topic `{topic}`"))
        .with_help(format!("check the name, or make it: `kafka-topics.sh --create --topic {topic} …`"))
}

/// The error of a call, or what librdkafka said by itself if that is the reason.
pub(super) fn explain(consumer: &BaseConsumer<Member>, error: &KafkaError, attempt: &str) -> Error {
    // Errors of connections wait in the queue of events until somebody polls.
    while consumer.poll(Duration::from_millis(10)).is_some() {}
    match Fault::of(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)) {
        Fault::Transient => consumer.context().trouble.explain(&format!("cannot {attempt}")),
        Fault::Auth => group_error(error),
        _ => call_error(error, attempt),
    }
}

/// The brokers do not let us.
pub(super) fn group_error(error: &KafkaError) -> Error {
    let what = match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::GroupAuthorizationFailed) => "we may not read with this consumer group",
        Some(RDKafkaErrorCode::TopicAuthorizationFailed) => "we may not read the topics",
        _ => "the brokers refuse us",
    };
    Error::auth(what)
        .with_help("the user needs Read and Describe on the topics, and Read on the group")
        .with_cause(error.clone())
}
