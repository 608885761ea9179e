//! Looks on the broker without making anything: is it there, and how full?

use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use sluicebox_core::{Error, ErrorClass, Probe, Result};

use super::{Client, Link, short};

/// What a look found.
pub(crate) enum Look {
    /// It is there; a queue with its ready messages and consumers.
    There {
        /// Messages that wait; 0 for an exchange.
        messages: u32,
        /// Consumers; 0 for an exchange.
        consumers: u32,
    },
    /// It is not there; the error says so.
    Missing(Error),
}

/// Connects for `check --connect` and says how that went; none if nothing more can be asked.
pub(crate) async fn enter(client: Result<Client>, probe: &mut Probe) -> Option<Link> {
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            probe.wrong("configuration", error);
            return None;
        }
    };
    match client.connect().await {
        Ok(link) => {
            let secured = if client.is_encrypted() { "TLS" } else { "not encrypted" };
            probe.fine("broker", format!("{}, {secured}, the user may enter", client.place()));
            Some(link)
        }
        Err(error) => {
            probe.wrong("broker", where_to_look(error));
            None
        }
    }
}

/// An error of a connection that did not come about, with what to do if it does not say so itself.
fn where_to_look(error: Error) -> Error {
    if error.help().is_some() {
        return error;
    }
    error.with_help("check the host and port in `url`, and that the broker is up")
}

/// Looks for a queue on a channel of its own: a channel does not survive the answer "not there".
///
/// # Errors
/// Everything but "not there".
pub(crate) async fn look_for_queue(link: &Link, queue: &str) -> Result<Look> {
    let name = short(queue).ok_or_else(|| Error::config("a queue's name has at most 255 bytes"))?;
    let channel = link.channel().await?;
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let looking = channel.queue_declare(name, options, FieldTable::default());
    let found = link.answer(looking, &format!("look at the queue `{queue}`")).await;
    missing(
        found.map(|queue| Look::There { messages: queue.message_count(), consumers: queue.consumer_count() }),
    )
}

/// Looks for an exchange on a channel of its own.
///
/// # Errors
/// Everything but "not there".
pub(crate) async fn look_for_exchange(link: &Link, exchange: &str) -> Result<Look> {
    let name = short(exchange).ok_or_else(|| Error::config("an exchange's name has at most 255 bytes"))?;
    let channel = link.channel().await?;
    let options = ExchangeDeclareOptions { passive: true, ..Default::default() };
    let looking = channel.exchange_declare(name, ExchangeKind::Direct, options, FieldTable::default());
    let found = link.answer(looking, &format!("look at the exchange `{exchange}`")).await;
    missing(found.map(|()| Look::There { messages: 0, consumers: 0 }))
}

fn missing(found: Result<Look>) -> Result<Look> {
    match found {
        Err(error) if error.class() == ErrorClass::Config => Ok(Look::Missing(error)),
        found => found,
    }
}
