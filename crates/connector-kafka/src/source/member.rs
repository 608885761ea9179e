//! A member of a consumer group: what the group says, kept for those who wait for it.
//!
//! librdkafka calls it from the thread that polls. Invariant: a partition that is taken away gives no further page, and
//! the group never waits for us: partitions are read only once their source has said from where.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use sluicebox_core::Error;
use tokio::sync::Notify;

use super::lane::{Hold, Lane, Name};
use crate::client::{Trouble, log_line};

/// What the group has told, shared by the keeper and the sources.
#[derive(Default)]
pub(super) struct Hub {
    lanes: Mutex<BTreeMap<Name, Arc<Lane>>>,
    news: Mutex<News>,
    /// There is news.
    pub(super) told: Notify,
    /// Nobody reads any more.
    ended: AtomicBool,
}

/// What is still to be handed to the engine.
#[derive(Default)]
pub(super) struct News {
    pub(super) lanes: VecDeque<Arc<Lane>>,
    /// Every partition of the first assignment was handed out.
    pub(super) all: bool,
    /// The newest error that belongs to no partition.
    pub(super) error: Option<Error>,
    /// How many assignments the group has made.
    pub(super) assignments: usize,
}

impl Hub {
    pub(super) fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every partition that was ever ours.
    pub(super) fn lanes(&self) -> Vec<Arc<Lane>> {
        self.locked().values().cloned().collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Name, Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, name: &Name) -> Option<Arc<Lane>> {
        self.locked().get(name).cloned()
    }

    /// Reports an error that belongs to no partition.
    pub(super) fn tell(&self, error: Error) {
        self.news().error = Some(error);
        self.told.notify_one();
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The group has given us these partitions, beside those that we have.
    fn granted(&self, names: Vec<Name>) {
        for name in names {
            let lane =
                Arc::clone(self.locked().entry(name.clone()).or_insert_with(|| Arc::new(Lane::new(name))));
            lane.set(Hold::Granted);
        }
        for lane in self.lanes() {
            let mut state = lane.state();
            if let Hold::Away { settled } = &mut state.hold {
                *settled = true;
                lane.changed.notify_one();
            }
        }
        self.news().assignments += 1;
    }

    /// The group has taken these away; returns those that librdkafka reads.
    fn taken(&self, names: &[Name]) -> Vec<Name> {
        let mut read = Vec::new();
        for name in names {
            let Some(lane) = self.find(name) else { continue };
            let mut state = lane.state();
            state.hold = Hold::Away { settled: false };
            if std::mem::take(&mut state.assigned) {
                read.push(name.clone());
            }
            drop(state);
            lane.changed.notify_one();
        }
        read
    }

    /// librdkafka reads nothing any more; what is ours is placed again.
    fn begin_anew(&self) {
        for lane in self.lanes() {
            lane.state().assigned = false;
            lane.restart();
        }
    }
}

/// The context of the consumer.
pub(super) struct Member {
    pub(super) hub: Arc<Hub>,
    pub(super) trouble: Trouble,
    /// Pipeline and source, for log lines.
    pub(super) owner: (Arc<str>, Arc<str>),
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        use RDKafkaErrorCode as C;
        // What concerns one partition is said by the queue of that partition.
        let own = [C::PartitionEOF, C::AutoOffsetReset];
        if !error.rdkafka_error_code().is_some_and(|code| own.contains(&code)) {
            self.trouble.note(&error, reason);
        }
    }
}

impl ConsumerContext for Member {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let names = names(list);
        let ((pipeline, component), count) = (&self.owner, names.len());
        let result = if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            tracing::info!(%pipeline, %component, "the group has given us {count} more partitions");
            // Nothing is read yet: whoever reads a partition has yet to say from where.
            let done = consumer.incremental_assign(&TopicPartitionList::new());
            self.trouble.clear();
            self.hub.granted(names);
            done
        } else {
            // At the end we give them back.
            if !names.is_empty() && !self.hub.has_ended() {
                tracing::info!(%pipeline, %component, "the group has taken {count} partitions away");
            }
            let read = self.hub.taken(&names);
            consumer.incremental_unassign(&listed(&read)).or_else(|_| {
                // The group waits for an answer: give up everything, and begin anew with what is left to us.
                self.hub.begin_anew();
                consumer.unassign()
            })
        };
        if let Err(error) = result {
            tracing::warn!(%pipeline, %component, %error, "the client does not follow the group");
        }
    }
}

fn names(list: &TopicPartitionList) -> Vec<Name> {
    list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}

/// The names as librdkafka takes them, without offsets.
pub(super) fn listed(names: &[Name]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(names.len());
    for (topic, partition) in names {
        list.add_partition(topic, *partition);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(partition: i32) -> Name {
        ("orders".to_owned(), partition)
    }

    #[test]
    fn what_is_away_after_the_next_assignment_is_elsewhere() {
        let hub = Hub::default();
        hub.granted(vec![name(0), name(1)]);
        let lane = hub.find(&name(0)).unwrap();
        assert!(lane.is_ours());
        assert!(hub.taken(&[name(0)]).is_empty(), "nothing is read before a source asks for it");
        assert!(matches!(lane.state().hold, Hold::Away { settled: false }));
        hub.granted(Vec::new());
        assert!(matches!(lane.state().hold, Hold::Away { settled: true }));
        assert!(hub.find(&name(1)).unwrap().is_ours());
        hub.granted(vec![name(0)]);
        assert!(matches!(lane.state().hold, Hold::Granted));
        assert_eq!(hub.news().assignments, 3);
    }

    #[test]
    fn only_what_librdkafka_reads_is_unassigned() {
        let hub = Hub::default();
        hub.granted(vec![name(0), name(1)]);
        hub.find(&name(1)).unwrap().state().assigned = true;
        assert_eq!(hub.taken(&[name(0), name(1), name(7)]), [name(1)]);
        assert!(hub.taken(&[name(1)]).is_empty());
    }
}
