//! Where partitions stand: asked of the brokers for many at once, when they are assigned to us.
//!
//! Invariant: `start: now` is where a partition ended when the group first had it; one that joins a topic which the group
//! already reads begins at its beginning, so that nothing between is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sluicebox_core::Timestamp;

use super::lane::{Name, Place};
use super::member::Member;
use super::spec::Start;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

type Offsets = BTreeMap<Name, Offset>;

/// Where each of these partitions stands.
///
/// # Errors
/// Those of librdkafka, for a request or for one of the partitions.
pub(super) fn ask(
    consumer: &BaseConsumer<Member>,
    names: &[Name],
    start: &Start,
) -> KafkaResult<BTreeMap<Name, Place>> {
    let committed = read(&consumer.committed_offsets(super::member::listed(names), PATIENCE)?)?;
    let low = find(consumer, names, Offset::Beginning)?;
    let end = find(consumer, names, Offset::End)?;
    let of = |offsets: &Offsets, name: &Name| match offsets.get(name) {
        Some(Offset::Offset(offset)) => Some(*offset),
        _ => None,
    };
    let fresh: Vec<Name> = names.iter().filter(|name| of(&committed, name).is_none()).cloned().collect();
    let known = match start {
        Start::Now => known_topics(consumer, &fresh)?,
        _ => BTreeSet::new(),
    };
    let timed = match start {
        Start::Time(text) if !fresh.is_empty() => {
            let time = Timestamp::parse(text).unwrap_or_default().as_millis().max(0);
            find(consumer, &fresh, Offset::Offset(time))?
        }
        _ => Offsets::new(),
    };
    let place = |name: &Name| {
        let missing = || KafkaError::OffsetFetch(rdkafka::error::RDKafkaErrorCode::NoOffset);
        let low = of(&low, name).ok_or_else(missing)?;
        let end = of(&end, name).ok_or_else(missing)?;
        let start = match start {
            Start::Beginning => low,
            Start::Now if known.contains(&name.0) => low,
            Start::Now => end,
            Start::Time(_) => of(&timed, name).unwrap_or(end),
        };
        Ok((name.clone(), Place { committed: of(&committed, name), start, low, end }))
    };
    names.iter().map(place).collect()
}

/// Those topics of `fresh` partitions of which the group has committed other partitions before.
fn known_topics(consumer: &BaseConsumer<Member>, fresh: &[Name]) -> KafkaResult<BTreeSet<String>> {
    let mut all = Vec::new();
    for topic in fresh.iter().map(|(topic, _)| topic).collect::<BTreeSet<_>>() {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
        let partitions = metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions);
        all.extend(partitions.map(|partition| (topic.clone(), partition.id())));
    }
    if all.is_empty() {
        return Ok(BTreeSet::new());
    }
    let committed = read(&consumer.committed_offsets(super::member::listed(&all), PATIENCE)?)?;
    let known = committed.into_iter().filter(|(_, offset)| matches!(offset, Offset::Offset(_)));
    Ok(known.map(|((topic, _), _)| topic).collect())
}

/// The offsets that `what` stands for: `Beginning`, `End`, or a time in milliseconds as an offset.
fn find(consumer: &BaseConsumer<Member>, names: &[Name], what: Offset) -> KafkaResult<Offsets> {
    let mut list = TopicPartitionList::with_capacity(names.len());
    for (topic, partition) in names {
        list.add_partition_offset(topic, *partition, what)?;
    }
    read(&consumer.offsets_for_times(list, PATIENCE)?)
}

/// The offsets of a list; the first error of a partition is the error of all.
fn read(list: &TopicPartitionList) -> KafkaResult<Offsets> {
    let mut offsets = Offsets::new();
    for element in list.elements() {
        element.error()?;
        offsets.insert((element.topic().to_owned(), element.partition()), element.offset());
    }
    Ok(offsets)
}
