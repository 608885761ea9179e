//! The `amqp` source at work: pages of what the broker has delivered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use sluicebox_core::{Batch, Clock, Committer, Cursor, Error, Pace, Result, Source};

use super::delivery::{Origin, read};
use super::session::{Acknowledger, Shared, cursor};
use crate::link::{Client, Declare, classify, short};

/// Most messages of one page.
const PAGE_MESSAGES: usize = 500;
/// Most bytes of one page; a single larger message still passes.
const PAGE_BYTES: usize = 1 << 20;
/// How long a page waits for more once it has its first message.
const LINGER: Duration = Duration::from_millis(5);
/// How long nothing has to come before the queue is asked whether it is empty.
const QUIET: Duration = Duration::from_millis(250);
/// The same, once it was known to be empty.
const LONG_QUIET: Duration = Duration::from_secs(5);

/// What is consumed, and under which names.
pub(crate) struct Consumed {
    pub(crate) queue: String,
    pub(crate) prefetch: u16,
    pub(crate) declare: Option<Declare>,
    pub(crate) source: Arc<str>,
    pub(crate) account: Arc<str>,
}

/// Consumes one queue.
pub(crate) struct QueueSource {
    client: Client,
    consumed: Consumed,
    clock: Arc<dyn Clock>,
    shared: Shared,
    session: Option<Session>,
    /// Where the last page ended, or what was saved.
    position: Option<Cursor>,
    /// Whether the queue was empty when it was last asked.
    is_quiet: bool,
}

/// The consuming half of a session.
struct Session {
    name: String,
    consumer: Consumer,
    channel: lapin::Channel,
    /// Delivered and not yet handed out; kept outside of `next`, which may be given up at any time.
    page: VecDeque<Delivery>,
    bytes: usize,
}

impl QueueSource {
    pub(crate) fn new(client: Client, consumed: Consumed, clock: Arc<dyn Clock>) -> Self {
        let shared = Shared::default();
        Self { client, consumed, clock, shared, session: None, position: None, is_quiet: false }
    }

    /// Connects and starts to consume.
    async fn start(&self) -> Result<Session> {
        let link = self.client.connect().await?;
        let channel = link.channel().await?;
        if let Some(declare) = &self.consumed.declare {
            declare.make(&link, &channel).await?;
        }
        let queue = &self.consumed.queue;
        let attempt = format!("consume the queue `{queue}`");
        let limiting = channel.basic_qos(self.consumed.prefetch, BasicQosOptions::default());
        link.answer(limiting, &attempt).await?;
        let name = short(queue).ok_or_else(|| Error::config("a queue's name has at most 255 bytes"))?;
        let consuming = channel.basic_consume(
            name,
            lapin::types::ShortString::default(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = link.answer(consuming, &attempt).await?;
        // Made up by the broker at random, so no other session has it, in this process or another.
        let name = consumer.tag().as_str().to_owned();
        self.shared.begin(name.clone(), channel.clone(), link);
        Ok(Session { name, consumer, channel, page: VecDeque::new(), bytes: 0 })
    }

    fn hang_up(&mut self) {
        if self.session.take().is_some() {
            self.shared.end();
        }
    }

    /// Waits for messages: `None` if nothing came for a while.
    async fn gather(&mut self) -> Result<Option<Batch>> {
        let quiet = if self.is_quiet { LONG_QUIET } else { QUIET };
        let clock = Arc::clone(&self.clock);
        let Some(session) = &mut self.session else { return Ok(None) };
        if session.page.is_empty() {
            tokio::select! {
                biased;
                more = session.consumer.next() => session.take(more, &self.consumed.queue)?,
                () = clock.sleep(quiet) => return Ok(None),
            }
        }
        let linger = clock.sleep(LINGER);
        tokio::pin!(linger);
        while session.page.len() < PAGE_MESSAGES && session.bytes < PAGE_BYTES {
            tokio::select! {
                biased;
                more = session.consumer.next() => {
                    if let Err(error) = session.take(more, &self.consumed.queue) {
                        tracing::debug!(%error, "the session ended behind a page");
                        break;
                    }
                }
                () = &mut linger => break,
            }
        }
        Ok(Some(self.page()))
    }

    /// The page of what was gathered.
    fn page(&mut self) -> Batch {
        let received = self.clock.now();
        let Some(session) = &mut self.session else { return Batch::empty(self.position.clone()) };
        let Consumed { source, account, queue, .. } = &self.consumed;
        let origin = Origin { source, account, queue };
        let last = session.page.back().map(|delivery| delivery.delivery_tag);
        let position = last.map(|tag| cursor(&session.name, tag)).or_else(|| self.position.clone());
        let mut batch = Batch::empty(position.clone());
        self.shared.with_identities(|identities| {
            for delivery in session.page.drain(..) {
                match read(delivery, &origin, identities, received) {
                    Ok(event) => batch.events.push(event),
                    Err(reject) => batch.rejects.push(*reject),
                }
            }
        });
        session.bytes = 0;
        self.position = position;
        self.is_quiet = false;
        batch.pace = Pace::Immediately;
        batch
    }

    /// Whether no message waits in the queue. What is on its way to us, or to other consumers, does not wait.
    async fn is_empty(&self) -> Result<bool> {
        let Some(session) = &self.session else { return Ok(false) };
        let queue = &self.consumed.queue;
        let name = short(queue).unwrap_or_default();
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let asked = session.channel.queue_declare(name, options, FieldTable::default()).await;
        let found = asked.map_err(|error| classify(error, &format!("look at the queue `{queue}`")))?;
        Ok(found.message_count() == 0)
    }
}

impl Session {
    fn take(&mut self, more: Option<lapin::Result<Delivery>>, queue: &str) -> Result<()> {
        let delivery = match more {
            Some(Ok(delivery)) => delivery,
            Some(Err(error)) => return Err(classify(error, &format!("consume the queue `{queue}`"))),
            None => {
                let message = format!("the broker has ended our consuming of the queue `{queue}`");
                return Err(Error::transient(message).with_help("it was deleted, or its node is away"));
            }
        };
        self.bytes += delivery.data.len();
        self.page.push_back(delivery);
        Ok(())
    }
}

#[async_trait]
impl Source for QueueSource {
    /// A saved cursor names a delivery of a session that is gone, and the queue itself knows what was acknowledged: it
    /// is only kept so that pages without events do not change what is saved.
    async fn open(&mut self, saved: Option<&Cursor>) -> Result<()> {
        self.hang_up();
        self.position = saved.cloned();
        self.is_quiet = false;
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        let is_over = |session: &Session| session.page.is_empty() && !self.shared.is_live(&session.name);
        if self.session.as_ref().is_some_and(is_over) {
            self.hang_up();
        }
        if self.session.is_none() {
            self.session = Some(self.start().await?);
        }
        let gathered = match self.gather().await {
            Ok(None) => self.is_empty().await.map(|is_empty| {
                self.is_quiet = is_empty;
                Batch { caught_up: is_empty, ..Batch::empty(self.position.clone()) }
            }),
            Ok(Some(batch)) => Ok(batch),
            Err(error) => Err(error),
        };
        gathered.map(Some).inspect_err(|_| self.hang_up())
    }

    fn committer(&self) -> Option<Box<dyn Committer>> {
        Some(Box::new(Acknowledger(self.shared.clone())))
    }
}
