//! Messages that were published and what became of each: confirmed, refused, returned, or unknown.
//!
//! The client library hands a returned message to whichever confirmation comes next, and counts the returned message
//! itself as acknowledged. So returns are gathered over the whole flight and matched by message id and routing key
//! once every confirmation is in. Invariant: a message counts as written only if it was confirmed, not returned, and
//! nothing before it with the same key has to be sent again.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use lapin::message::BasicReturnMessage;
use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{Channel, Confirmation, ErrorKind};
use sluicebox_core::{Error, Rejected, Result};
use smol_str::SmolStr;

use super::message::Message;
use crate::link::{classify, is_too_large, refused_size};

/// The messages of one call, in order.
pub(crate) struct Flight {
    entries: Vec<Entry>,
    /// Entries before this one are settled.
    settled: usize,
    returned: Vec<Returned>,
}

struct Entry {
    /// Where its event stands in the batch of the call.
    index: usize,
    message: Message,
    state: State,
}

enum State {
    /// Published; the answer is awaited. Kept outside of any call, so that a call may be given up.
    Pending(BoxFuture<'static, lapin::Result<Confirmation>>),
    Confirmed,
    Refused,
    Lost(lapin::Error),
}

struct Returned {
    id: String,
    routing_key: String,
    text: String,
}

/// Where messages go, as far as it is the same for all.
pub(crate) struct Route {
    pub(crate) channel: Arc<Channel>,
    pub(crate) exchange: ShortString,
    pub(crate) mandatory: bool,
}

impl Flight {
    /// Publishes messages in order without waiting in between.
    pub(crate) async fn launch(route: &Route, messages: Vec<(usize, Message)>) -> Self {
        let mut entries = Vec::with_capacity(messages.len());
        for (index, message) in messages {
            let mut published = publish(route, message.clone());
            // The first poll queues the message, so the order of first polls is the order on the wire.
            let state = match futures::poll!(&mut published) {
                std::task::Poll::Pending => State::Pending(published),
                std::task::Poll::Ready(outcome) => State::of(outcome, &mut Vec::new()),
            };
            entries.push(Entry { index, message, state });
        }
        Self { entries, settled: 0, returned: Vec::new() }
    }

    /// Waits until every message is settled. May be given up and called again.
    pub(crate) async fn settle(&mut self) {
        while let Some(entry) = self.entries.get_mut(self.settled) {
            if let State::Pending(answer) = &mut entry.state {
                let outcome = answer.await;
                entry.state = State::of(outcome, &mut self.returned);
            }
            self.settled += 1;
        }
    }

    /// How many messages are settled, in order.
    pub(crate) fn settled(&self) -> usize {
        self.settled
    }

    /// Gives up waiting: what has no answer by now is lost.
    pub(crate) async fn abandon(&mut self, why: std::io::ErrorKind) {
        for entry in &mut self.entries {
            if let State::Pending(answer) = &mut entry.state {
                entry.state = match futures::poll!(answer) {
                    std::task::Poll::Ready(outcome) => State::of(outcome, &mut self.returned),
                    std::task::Poll::Pending => State::Lost(std::io::Error::from(why).into()),
                };
            }
        }
        self.settled = self.entries.len();
    }

    /// Whether a message was lost with its channel or connection, which cannot be used any more then.
    pub(crate) fn has_losses(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.state, State::Lost(_)))
    }

    /// What was not written, of a flight that is settled.
    ///
    /// # Errors
    /// Nothing counts as written: the broker refuses everything, or a person has to do something first.
    pub(crate) fn verdict(&self, exchange: &str, routes_by_event: bool) -> Result<Vec<Rejected>> {
        self.refuse_whole(exchange, routes_by_event)?;
        let mut held_back: HashSet<&SmolStr> = HashSet::new();
        let mut rejected = Vec::new();
        let size = self.refused_size();
        for entry in &self.entries {
            let Entry { index, message, state } = entry;
            let error = match state {
                State::Confirmed => self.returned_error(message, exchange),
                State::Refused => Some(refused(exchange)),
                State::Lost(error) if is_too_large(error) && size == Some(message.body.len()) => {
                    Some(too_large(error.clone(), message.body.len()))
                }
                State::Lost(error) => Some(lost(error.clone())),
                State::Pending(_) => Some(Error::transient("the broker has not answered yet")),
            };
            let error = match error {
                None if held_back.contains(&message.key) => {
                    Error::transient("an earlier event of the same key was not written")
                }
                None => continue,
                Some(error) => error,
            };
            if error.class().is_retryable() {
                held_back.insert(&message.key);
            }
            rejected.push(Rejected { index: *index, error });
        }
        match rejected.first() {
            // Nothing at all was written, and waiting can help: one failure instead of many.
            Some(_) if rejected.len() == self.entries.len() && all_retryable(&rejected) => {
                Err(rejected.swap_remove(0).error)
            }
            _ => Ok(rejected),
        }
    }

    /// The messages that are durable, in order, of a flight whose call was given up.
    pub(crate) fn into_written(self, exchange: &str, routes_by_event: bool) -> Vec<Message> {
        let Ok(rejected) = self.verdict(exchange, routes_by_event) else { return Vec::new() };
        let rejected: HashSet<usize> = rejected.into_iter().map(|rejected| rejected.index).collect();
        let written = self.entries.into_iter().filter(|entry| !rejected.contains(&entry.index));
        written.map(|entry| entry.message).collect()
    }

    /// What concerns every message and needs a person, or the engine's halving.
    fn refuse_whole(&self, exchange: &str, routes_by_event: bool) -> Result<()> {
        let lost = || {
            self.entries.iter().filter_map(|entry| match &entry.state {
                State::Lost(error) => Some(error),
                _ => None,
            })
        };
        for error in lost() {
            let classified = classify(error.clone(), &format!("publish to {}", place(exchange)));
            let is_guilty_known = is_too_large(error)
                && self.refused_size().is_some_and(|size| {
                    self.entries.iter().any(|entry| {
                        matches!(entry.state, State::Lost(_)) && entry.message.body.len() == size
                    })
                });
            if !classified.class().is_retryable() && !is_guilty_known {
                return Err(classified);
            }
        }
        match self.returned.first() {
            Some(returned) if !routes_by_event => Err(Error::config(format!(
                "{} routes the key `{}` to no queue: {}",
                place(exchange),
                returned.routing_key,
                returned.text
            ))
            .with_help("bind a queue to it (nothing is lost until then), or set `mandatory: false` to drop")),
            _ => Ok(()),
        }
    }

    fn refused_size(&self) -> Option<usize> {
        self.entries.iter().find_map(|entry| match &entry.state {
            State::Lost(error) if is_too_large(error) => refused_size(error),
            _ => None,
        })
    }

    fn returned_error(&self, message: &Message, exchange: &str) -> Option<Error> {
        let routing_key = message.routing_key.as_str();
        let returned = self
            .returned
            .iter()
            .find(|returned| returned.id == message.id() && returned.routing_key == routing_key)?;
        let text =
            format!("{} routes the key `{routing_key}` to no queue: {}", place(exchange), returned.text);
        Some(Error::permanent(text).with_help("bind a queue for it, or set `mandatory: false`"))
    }
}

impl State {
    fn of(outcome: lapin::Result<Confirmation>, returned: &mut Vec<Returned>) -> Self {
        let (state, message) = match outcome {
            Ok(Confirmation::Ack(message)) => (Self::Confirmed, message),
            Ok(Confirmation::Nack(message)) => (Self::Refused, message),
            // Never happens on a channel in confirm mode; nothing is known then.
            Ok(Confirmation::NotRequested) => (Self::Lost(ErrorKind::FutureCompleted.into()), None),
            Err(error) => (Self::Lost(error), None),
        };
        returned.extend(message.map(Returned::from));
        state
    }
}

impl From<BasicReturnMessage> for Returned {
    fn from(message: BasicReturnMessage) -> Self {
        let id = message.properties.message_id().as_ref();
        Self {
            id: id.map(|id| id.as_str().to_owned()).unwrap_or_default(),
            routing_key: message.routing_key.as_str().to_owned(),
            text: format!("{} {}", message.reply_code, message.reply_text),
        }
    }
}

fn publish(route: &Route, message: Message) -> BoxFuture<'static, lapin::Result<Confirmation>> {
    let channel = Arc::clone(&route.channel);
    let exchange = route.exchange.clone();
    let options = BasicPublishOptions { mandatory: route.mandatory, immediate: false };
    Box::pin(async move {
        let Message { routing_key, properties, body, .. } = message;
        channel.basic_publish(exchange, routing_key, options, &body, properties).await?.await
    })
}

fn all_retryable(rejected: &[Rejected]) -> bool {
    rejected.iter().all(|rejected| rejected.error.class().is_retryable())
}

/// An exchange, as messages name it.
pub(crate) fn place(exchange: &str) -> String {
    if exchange.is_empty() { "the default exchange".to_owned() } else { format!("the exchange `{exchange}`") }
}

fn refused(exchange: &str) -> Error {
    Error::transient(format!("a queue behind {} did not take the message (nack)", place(exchange)))
        .with_help("it is full and rejects what comes, or its node is away")
}

fn lost(error: lapin::Error) -> Error {
    Error::transient("the broker has not confirmed the message").with_cause(error)
}

fn too_large(error: lapin::Error, bytes: usize) -> Error {
    let message = format!("the message of {bytes} bytes is larger than the broker takes");
    Error::permanent(message).with_reason("too_large").with_cause(error)
}

#[cfg(test)]
#[path = "flight_tests.rs"]
mod tests;
