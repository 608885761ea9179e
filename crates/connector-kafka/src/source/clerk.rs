//! The thread that commits positions to the group, as many as wait in one request.
//!
//! librdkafka tells nobody how an asynchronous commit ended, and a synchronous one blocks: neither the thread that serves
//! the group nor a task may wait for it. Invariant: whoever asks for a commit hears when it is over, however it ended.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::lane::Lane;
use super::member::Member;

/// A position to commit.
pub(super) type Request = (Arc<Lane>, i64);

/// Commits until nobody asks any more.
pub(super) fn run(consumer: &Weak<BaseConsumer<Member>>, requests: &Receiver<Request>) {
    while let Ok(first) = requests.recv() {
        let mut newest = BTreeMap::new();
        for (lane, offset) in std::iter::once(first).chain(requests.try_iter()) {
            newest.insert(lane.name(), (lane, offset));
        }
        // Who has a partition now knows better than who had it.
        let ours = newest.values().filter(|(lane, _)| lane.is_ours());
        let mut list = TopicPartitionList::with_capacity(newest.len());
        let added = ours.clone().try_for_each(|(lane, offset)| {
            list.add_partition_offset(&lane.topic, lane.partition, Offset::Offset(*offset))
        });
        let committed = match consumer.upgrade().filter(|_| list.count() > 0) {
            Some(consumer) => added.and_then(|()| consumer.commit(&list, CommitMode::Sync)),
            None => added,
        };
        if let Err(error) = committed {
            tracing::debug!(%error, "the group has not taken {} positions; later ones will do", list.count());
        }
        for (lane, offset) in newest.values() {
            lane.answer(*offset);
        }
    }
}
