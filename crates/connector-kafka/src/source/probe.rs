//! What `check --connect` asks for the `kafka` source: brokers and credentials, topics, group. Joins no group and commits
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sluicebox_core::{Context, Error, Probe, Result};

use super::look;
use super::member::{Hub, Member, listed};
use super::spec::KafkaSourceSpec;
use crate::probe::WHERE_TO_LOOK;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks everything, on a thread that may block.
pub(super) async fn probe(spec: &KafkaSourceSpec, cx: &Context) -> Probe {
    let mut probe = Probe::new();
    let consumer = match spec.consumer(cx, Arc::new(Hub::default())) {
        Ok(consumer) => consumer,
        Err(error) => {
            probe.wrong("client", error);
            return probe;
        }
    };
    let (group, named) = (spec.group(cx), spec.topics.clone());
    let address = spec.cluster().address();
    let asked = tokio::task::spawn_blocking(move || ask(&consumer, &named, (&group, &address)));
    asked.await.unwrap_or_else(|error| {
        probe.wrong("brokers", Error::transient("the questions were interrupted").with_cause(error));
        probe
    })
}

fn ask(consumer: &BaseConsumer<Member>, named: &[String], (group, address): (&str, &str)) -> Probe {
    let mut probe = Probe::new();
    if let Err(error) = look::topics(consumer, &["^".to_owned()], PATIENCE) {
        let error = if error.help().is_some() { error } else { error.with_help(WHERE_TO_LOOK) };
        probe.wrong("brokers", error);
        return probe;
    }
    probe.fine("brokers", format!("{address} answer"));
    let mut partitions = Vec::new();
    for topic in named {
        if look::is_pattern(topic) {
            probe.fine("topic", format!("`{topic}` is a pattern: what matches is read, now and later"));
            continue;
        }
        match readable(consumer, topic) {
            Ok(count) => {
                probe.fine("topic", format!("`{topic}` has {count} partitions and can be read"));
                partitions.push((topic.clone(), 0));
            }
            Err(error) => probe.wrong("topic", error),
        }
    }
    if !partitions.is_empty() {
        match consumer.committed_offsets(listed(&partitions), PATIENCE) {
            Ok(_) => probe.fine("group", format!("`{group}` can be used")),
            Err(error) => {
                let attempt = format!("use the group `{group}`");
                probe.wrong("group", look::explain(consumer, &error, &attempt));
            }
        }
    }
    probe
}

/// Looks whether a topic is there, and reads at the end of it, where there is nothing.
fn readable(consumer: &BaseConsumer<Member>, topic: &str) -> Result<usize> {
    let found = look::topics(consumer, &[topic.to_owned()], PATIENCE)?;
    let count = found.first().map_or(0, |(_, count)| *count);
    let attempt = format!("read the topic `{topic}`");
    let mut list = TopicPartitionList::new();
    let assigned = list.add_partition_offset(topic, 0, Offset::End).and_then(|()| consumer.assign(&list));
    assigned.map_err(|error| look::explain(consumer, &error, &attempt))?;
    let mut answer =
        Err(Error::transient(format!("cannot {attempt}: no answer within {} s", PATIENCE.as_secs())));
    for _ in 0..PATIENCE.as_millis() / 100 {
        match consumer.poll(Duration::from_millis(100)) {
            None => continue,
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => answer = Ok(count),
            Some(Err(error)) => answer = Err(look::explain(consumer, &error, &attempt)),
        }
        break;
    }
    let _ = consumer.unassign();
    answer
}
