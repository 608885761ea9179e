//! The thread that owns the consumer: it joins the group, serves it without pause, and begins to read what is wanted.
//!
//! It polls whatever else happens, so the group never takes us for stuck while sinks are slow. Invariant: all that changes
//! what is assigned happens on this thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use sluicebox_core::{Clock, Environment, Error, Result};

use super::lane::{Hold, Lane, Name, Place};
use super::look;
use super::member::{Hub, Member, listed};
use super::place;
use super::spec::Start;
use crate::fault::{Fault, call_error};

/// How long one poll waits: the longest time until something that is wanted begins.
const TICK: Duration = Duration::from_millis(50);
/// How long to wait after a failure before asking again.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for what is there at the beginning.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the others of a group may take to hand partitions over before there are none for us.
const HANDING_OVER: Duration = Duration::from_secs(10);

/// Serves a consumer until its sources are gone.
pub(super) struct Keeper {
    pub(super) consumer: Arc<BaseConsumer<Member>>,
    pub(super) hub: Arc<Hub>,
    clock: Arc<dyn Clock>,
    topics: Vec<String>,
    start: Start,
    /// Not to ask again before this time.
    pause: Duration,
    /// When the first assignment came that gave us nothing.
    empty_since: Option<Duration>,
}

impl Keeper {
    pub(super) fn new(
        consumer: Arc<BaseConsumer<Member>>,
        hub: Arc<Hub>,
        environment: &Environment,
        (topics, start): (Vec<String>, Start),
    ) -> Self {
        let clock = Arc::clone(&environment.clock);
        Self { consumer, hub, clock, topics, start, pause: Duration::ZERO, empty_since: None }
    }

    /// Serves until the end, waits for the last commits, then leaves the group.
    pub(super) fn run(mut self, clerk: &JoinHandle<()>) {
        if self.join() {
            while !self.hub.has_ended() {
                self.poll(TICK);
                self.place();
                self.read();
                self.tell();
            }
        }
        while !clerk.is_finished() {
            self.poll(TICK);
        }
        // Queues hold the consumer: it leaves the group when the last of them is gone.
        for lane in self.hub.lanes() {
            lane.set(Hold::Away { settled: false });
        }
    }

    /// Waits until the topics are there, and subscribes; false if that cannot be.
    fn join(&mut self) -> bool {
        while let Err(error) = self.subscribe() {
            let lasting = !error.class().is_retryable();
            self.hub.tell(error);
            let from = self.clock.elapsed();
            while lasting || self.clock.elapsed() < from + PAUSE {
                if self.hub.has_ended() {
                    return false;
                }
                self.poll(TICK);
            }
        }
        !self.hub.has_ended()
    }

    fn subscribe(&self) -> Result<()> {
        look::topics(&self.consumer, &self.topics, PATIENCE)?;
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        self.consumer.subscribe(&topics).map_err(|error| call_error(&error, "subscribe to the topics"))
    }

    fn poll(&self, wait: Duration) {
        match self.consumer.poll(wait) {
            None => {}
            Some(Ok(message)) => {
                // It cannot come here: the queue of its partition was made before. If it did, it must not be lost.
                let name = (message.topic().to_owned(), message.partition());
                tracing::warn!(topic = %name.0, partition = name.1, "a record came astray; reading its partition again");
                self.hub
                    .lanes()
                    .iter()
                    .filter(|lane| (&lane.topic, lane.partition) == (&name.0, name.1))
                    .for_each(|lane| lane.restart());
            }
            Some(Err(error)) => self.complain(&error),
        }
    }

    /// An error that belongs to no partition.
    fn complain(&self, error: &KafkaError) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        let fatal = matches!(error, KafkaError::MessageConsumptionFatal(_));
        if fatal || code == RDKafkaErrorCode::FencedInstanceId {
            let help = "two processes share one `group.instance.id`: give each its own, or stop one of them";
            self.hub.tell(
                Error::config("the group has given our place to another process")
                    .with_help(help)
                    .with_cause(error.clone()),
            );
        } else if Fault::of(code) == Fault::Auth {
            self.hub.tell(look::group_error(error));
        } else {
            tracing::debug!(%error, "the brokers have trouble; waiting");
        }
    }

    /// Asks where the partitions stand that are newly ours, or that are to be read anew.
    fn place(&mut self) {
        let granted: Vec<Arc<Lane>> =
            self.hub.lanes().into_iter().filter(|lane| matches!(lane.state().hold, Hold::Granted)).collect();
        if granted.is_empty() || self.clock.elapsed() < self.pause {
            return;
        }
        let names: Vec<Name> = granted.iter().map(|lane| (lane.topic.clone(), lane.partition)).collect();
        let read: Vec<Name> = granted
            .iter()
            .filter(|lane| std::mem::take(&mut lane.state().assigned))
            .map(|lane| (lane.topic.clone(), lane.partition))
            .collect();
        if !read.is_empty()
            && let Err(error) = self.consumer.incremental_unassign(&listed(&read))
        {
            tracing::debug!(%error, "the partitions were taken away already");
        }
        match place::ask(&self.consumer, &names, &self.start) {
            Ok(places) => self.settle(&granted, &places),
            Err(error) => {
                self.pause = self.clock.elapsed() + PAUSE;
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                if Fault::of(code) == Fault::Auth {
                    self.hub.tell(look::group_error(&error));
                }
                tracing::warn!(%error, "cannot ask where {} partitions stand; asking again", names.len());
            }
        }
    }

    fn settle(&self, lanes: &[Arc<Lane>], places: &BTreeMap<Name, Place>) {
        let mut news = self.hub.news();
        for lane in lanes {
            let mut state = lane.state();
            let Some(place) = places.get(&(lane.topic.clone(), lane.partition)) else { continue };
            // Only this thread takes partitions away, so it is still ours.
            if matches!(state.hold, Hold::Granted) {
                state.hold = Hold::Placed(*place);
                lane.changed.notify_one();
            }
            if !std::mem::replace(&mut state.told, true) {
                news.lanes.push_back(Arc::clone(lane));
                self.hub.told.notify_one();
            }
        }
    }

    /// Begins to read the partitions whose sources have said from where.
    fn read(&self) {
        let mut list = TopicPartitionList::new();
        for lane in self.hub.lanes() {
            let mut state = lane.state();
            let Hold::Wanted(offset) = state.hold else { continue };
            // Its queue comes first: what is fetched from now on goes there, and nowhere else.
            let queue = self.consumer.split_partition_queue(&lane.topic, lane.partition);
            let Some(mut queue) = queue else { continue };
            let waker = Arc::clone(&lane);
            queue.set_nonempty_callback(move || waker.changed.notify_one());
            if list.add_partition_offset(&lane.topic, lane.partition, Offset::Offset(offset)).is_ok() {
                state.hold = Hold::Reading(queue);
                state.assigned = true;
            }
        }
        if list.count() == 0 {
            return;
        }
        if let Err(error) = self.consumer.incremental_assign(&list) {
            tracing::warn!(%error, "cannot begin to read partitions; trying again");
            for lane in self.hub.lanes() {
                if list.find_partition(&lane.topic, lane.partition).is_some() {
                    lane.state().assigned = false;
                    lane.restart();
                }
            }
        }
    }

    /// Says when every partition of the first assignment was handed out.
    fn tell(&mut self) {
        let lanes = self.hub.lanes();
        let ours = lanes.iter().filter(|lane| lane.is_ours()).count();
        let waiting = lanes.iter().any(|lane| matches!(lane.state().hold, Hold::Granted));
        let now = self.clock.elapsed();
        let mut news = self.hub.news();
        if news.all || news.assignments == 0 || waiting {
            return;
        }
        if ours == 0 && now < *self.empty_since.get_or_insert(now) + HANDING_OVER {
            return;
        }
        news.all = true;
        self.hub.told.notify_one();
    }
}
