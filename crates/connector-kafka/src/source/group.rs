//! The source of a group: hands out partitions as they are assigned, and commits what is durable.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sluicebox_core::{Clock, Committer, Cursor, Discovered, Environment, Error, PartitionedSource, Result};
use smol_str::SmolStr;

use super::clerk::{self, Request};
use super::decode::Form;
use super::keeper::Keeper;
use super::lane::Lane;
use super::member::Hub;
use super::reading::{Pages, PartitionSource};
use super::spec::{Format, Part};

/// How long leaving the group may take.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long to wait for the answer to a commit.
const ANSWER: Duration = Duration::from_secs(5);

/// Our place in the group, which lasts as long as anything that reads or commits.
pub(super) struct Membership {
    hub: Arc<Hub>,
    /// To the clerk, who stops when this is gone; `None` before the start.
    requests: OnceLock<Sender<Request>>,
    /// Hears when the group has been left.
    left: Mutex<Option<Receiver<()>>>,
}

impl Membership {
    fn new(hub: Arc<Hub>) -> Self {
        Self { hub, requests: OnceLock::new(), left: Mutex::new(None) }
    }

    fn start(&self, keeper: Keeper) -> Result<()> {
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(work);
            spawned
                .map_err(|error| Error::transient("cannot start a thread for the consumer").with_cause(error))
        };
        let (sender, requests) = channel();
        let consumer = Arc::downgrade(&keeper.consumer);
        let clerk = spawn("kafka-commits", Box::new(move || clerk::run(&consumer, &requests)))?;
        let (farewell, left) = channel();
        let serve = move || {
            keeper.run(&clerk);
            // Nobody may be left to hear it.
            let _ = farewell.send(());
        };
        spawn("kafka-source", Box::new(serve))?;
        self.requests.get_or_init(|| sender);
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
        Ok(())
    }
}

impl Drop for Membership {
    /// Waits a moment for the farewell: a group that has not heard it keeps our partitions from everybody, the next run
    /// included, until the session times out.
    fn drop(&mut self) {
        drop(self.requests.take());
        self.hub.end();
        let left = self.left.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(left) = left
            && left.recv_timeout(FAREWELL).is_err()
        {
            tracing::debug!("the brokers did not hear that we leave the group");
        }
    }
}

/// Finds partitions.
pub(super) struct GroupSource {
    /// Until the first question.
    keeper: Option<Keeper>,
    hub: Arc<Hub>,
    membership: Arc<Membership>,
    making: Making,
    has_told_all: bool,
}

/// What the source of a partition is made with.
pub(super) struct Making {
    pub(super) source: Arc<str>,
    pub(super) account: Arc<str>,
    pub(super) format: Format,
    pub(super) include: Vec<Part>,
    pub(super) pages: Pages,
    pub(super) environment: Environment,
}

impl GroupSource {
    pub(super) fn new(keeper: Keeper, making: Making) -> Self {
        let hub = Arc::clone(&keeper.hub);
        let membership = Arc::new(Membership::new(Arc::clone(&hub)));
        Self { keeper: Some(keeper), hub, membership, making, has_told_all: false }
    }

    fn source(&self, lane: Arc<Lane>) -> PartitionSource {
        let Making { source, account, format, include, pages, environment } = &self.making;
        let form = Form {
            source: Arc::clone(source),
            account: Arc::clone(account),
            topic: lane.topic.clone(),
            partition: lane.partition,
            format: *format,
            include: include.clone(),
        };
        PartitionSource::new(Arc::clone(&self.membership), lane, form, *pages, environment.clone())
    }

    fn news(&mut self) -> Result<Option<Discovered>> {
        let mut news = self.hub.news();
        if let Some(lane) = news.lanes.pop_front() {
            drop(news);
            let name = SmolStr::from(lane.name());
            return Ok(Some(Discovered::Partition(name, Box::new(self.source(lane)))));
        }
        if let Some(error) = news.error.take() {
            return Err(error);
        }
        let is_all = news.all && !std::mem::replace(&mut self.has_told_all, news.all);
        Ok(is_all.then_some(Discovered::AllForNow))
    }
}

#[async_trait]
impl PartitionedSource for GroupSource {
    async fn discover(&mut self) -> Result<Discovered> {
        if let Some(keeper) = self.keeper.take() {
            self.membership.start(keeper)?;
        }
        loop {
            if let Some(found) = self.news()? {
                return Ok(found);
            }
            self.hub.told.notified().await;
        }
    }
}

/// Commits the positions of one partition to the group.
pub(super) struct GroupCommitter {
    membership: Arc<Membership>,
    lane: Arc<Lane>,
    clock: Arc<dyn Clock>,
}

impl GroupCommitter {
    pub(super) fn new(membership: Arc<Membership>, lane: Arc<Lane>, clock: Arc<dyn Clock>) -> Self {
        Self { membership, lane, clock }
    }
}

#[async_trait]
impl Committer for GroupCommitter {
    /// What fails here is told to nobody: the checkpoint holds the position too, and a later commit repairs it.
    async fn commit(&mut self, cursor: &Cursor) -> Result<()> {
        let Some(offset) = cursor.as_str().and_then(|text| text.parse::<i64>().ok()) else { return Ok(()) };
        let mut answers = self.lane.answers();
        let asked = self.membership.requests.get().map(|clerk| clerk.send((Arc::clone(&self.lane), offset)));
        if !matches!(asked, Some(Ok(()))) {
            return Ok(());
        }
        tokio::select! {
            _ = answers.wait_for(|answered| *answered >= offset) => {}
            () = self.clock.sleep(ANSWER) => {
                tracing::debug!(partition = self.lane.name(), "the group has not answered a commit");
            }
        }
        Ok(())
    }
}
