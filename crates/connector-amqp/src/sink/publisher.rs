//! The `amqp` sink at work: one batch, one flight.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::options::ConfirmSelectOptions;
use sluicebox_core::{Clock, Error, Event, Rejected, Result, Sink, Written};

use super::flight::{Flight, Route};
use super::message::{Message, Recipe};
use crate::link::{Client, Declare, Link};

/// How often a wait looks whether the broker blocks, or is gone.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a call waits while the broker blocks, before it says so.
const BLOCKED_PATIENCE: Duration = Duration::from_secs(10);
/// How long confirmations may stay out once the connection is gone.
const GONE_PATIENCE: Duration = Duration::from_secs(2);
/// How long the next confirmation may stay out on a connection that stands. A channel of the broker can hang while its
/// connection lives: RabbitMQ 3.10, whose channel waits for a quorum queue that was killed and does not answer again.
const CONFIRM_PATIENCE: Duration = Duration::from_secs(30);

/// Publishes to one exchange.
pub(crate) struct Publisher {
    client: Client,
    recipe: Recipe,
    declare: Option<Declare>,
    clock: Arc<dyn Clock>,
    line: Option<Line>,
    /// What a call has published whose end nobody heard: it was given up, or the broker blocked for too long.
    unheard: Option<Flight>,
}

/// A connection with its channel in confirm mode.
struct Line {
    link: Link,
    route: Route,
}

impl Publisher {
    pub(crate) fn new(
        client: Client,
        recipe: Recipe,
        declare: Option<Declare>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { client, recipe, declare, clock, line: None, unheard: None }
    }

    /// Connects unless a connection stands, and waits while the broker blocks.
    async fn ready(&mut self) -> Result<()> {
        let is_usable = |line: &Line| line.link.is_connected() && line.route.channel.status().connected();
        if !self.line.as_ref().is_some_and(is_usable) {
            self.hang_up();
            self.line = Some(connect(&self.client, self.declare.as_ref(), &self.recipe).await?);
        }
        let mut waited = Duration::ZERO;
        while let Some(line) = &mut self.line {
            let Some(reason) = line.link.blocked() else { break };
            if waited >= BLOCKED_PATIENCE {
                return Err(blocked(self.client.place(), reason));
            }
            self.clock.sleep(LOOK_EVERY).await;
            waited += LOOK_EVERY;
        }
        Ok(())
    }

    /// Lets go of a connection that cannot be used any more: what it may still hold must not arrive after what comes.
    fn hang_up(&mut self) {
        if let Some(line) = self.line.take() {
            line.link.cut();
        }
    }

    /// Waits until the flight is settled.
    ///
    /// # Errors
    /// Retryable if the broker blocks for long: the flight goes on, and the next call hears how it ends.
    async fn settle(&mut self) -> Result<()> {
        let (mut blocked_for, mut gone_for, mut silent_for) =
            (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        while let Some(flight) = &mut self.unheard {
            let settled = flight.settled();
            tokio::select! {
                biased;
                () = flight.settle() => return Ok(()),
                () = self.clock.sleep(LOOK_EVERY) => {}
            }
            silent_for = if flight.settled() > settled { Duration::ZERO } else { silent_for + LOOK_EVERY };
            let Some(line) = self.line.as_mut().filter(|line| line.link.is_connected()) else {
                gone_for += LOOK_EVERY;
                if gone_for >= GONE_PATIENCE {
                    flight.abandon(ErrorKind::ConnectionAborted).await;
                }
                continue;
            };
            if let Some(reason) = line.link.blocked() {
                (blocked_for, silent_for) = (blocked_for + LOOK_EVERY, Duration::ZERO);
                if blocked_for >= BLOCKED_PATIENCE {
                    return Err(blocked(self.client.place(), reason));
                }
            } else {
                blocked_for = Duration::ZERO;
                if silent_for >= CONFIRM_PATIENCE {
                    flight.abandon(ErrorKind::TimedOut).await;
                }
            }
        }
        Ok(())
    }

    /// Hears how an earlier call ended. Returns the messages of it that are durable, in order.
    async fn hear_earlier(&mut self) -> Result<VecDeque<Message>> {
        self.settle().await?;
        let Some(flight) = self.unheard.take() else { return Ok(VecDeque::new()) };
        if flight.has_losses() {
            self.hang_up();
        }
        Ok(flight.into_written(self.recipe.exchange.as_str(), self.recipe.routes_by_event).into())
    }

    /// The messages of a batch by the index of their event, and the events that can have none.
    fn messages(&self, events: &[Event]) -> (Vec<(usize, Message)>, Vec<Rejected>) {
        let mut messages = Vec::with_capacity(events.len());
        let mut rejected = Vec::new();
        for (index, event) in events.iter().enumerate() {
            match self.recipe.message(event) {
                Ok(message) => messages.push((index, message)),
                Err(error) => rejected.push(Rejected { index, error }),
            }
        }
        (messages, rejected)
    }
}

#[async_trait]
impl Sink for Publisher {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let mut written = self.hear_earlier().await?;
        let (mut messages, mut rejected) = self.messages(events);
        // The same batch comes again after a call that was given up: what is durable of it is not sent twice.
        messages.retain(|(_, message)| {
            let known = written.iter().position(|earlier| earlier == message);
            known.and_then(|at| written.remove(at)).is_none()
        });
        if messages.is_empty() {
            return Ok(Written::but(rejected));
        }
        self.ready().await?;
        let Some(line) = &self.line else {
            return Err(Error::transient("the connection to the broker was lost"));
        };
        self.unheard = Some(Flight::launch(&line.route, messages).await);
        self.settle().await?;
        if let Some(flight) = self.unheard.take() {
            if flight.has_losses() {
                self.hang_up();
            }
            rejected.extend(flight.verdict(self.recipe.exchange.as_str(), self.recipe.routes_by_event)?);
        }
        Ok(Written::but(rejected))
    }

    async fn close(&mut self) -> Result<()> {
        if let Some(line) = self.line.take() {
            line.link.close().await;
        }
        Ok(())
    }
}

async fn connect(client: &Client, declare: Option<&Declare>, recipe: &Recipe) -> Result<Line> {
    let link = client.connect().await?;
    let channel = link.channel().await?;
    if let Some(declare) = declare {
        declare.make(&link, &channel).await?;
    }
    let asking = channel.confirm_select(ConfirmSelectOptions::default());
    link.answer(asking, "ask for confirmations of what is published").await?;
    let (exchange, mandatory) = (recipe.exchange.clone(), recipe.fixed.mandatory);
    Ok(Line { link, route: Route { channel: Arc::new(channel), exchange, mandatory } })
}

fn blocked(place: &str, reason: &str) -> Error {
    Error::transient(format!("the broker at {place} takes nothing from publishers at present: {reason}"))
        .with_help("it is short of memory or disk; writing goes on by itself once it is not")
}
