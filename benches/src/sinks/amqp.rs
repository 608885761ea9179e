//! RabbitMQ: a sequential loop over `lapin` with publisher confirms, against the `amqp` sink.
//!
//! Both sides: a durable classic queue behind the default exchange, persistent and mandatory messages with the same
//! properties. The loop publishes 1000 messages and waits for every confirmation.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use sluicebox_services::RabbitMq as Server;
use tokio::runtime::Runtime;

use super::events::{self, Prepared, Ready};
use super::{Destination, WINDOW};
use crate::Outcome;

/// Longest wait until the queue tells of all messages: it counts them a little later than it confirms them.
const PATIENCE: Duration = Duration::from_secs(20);

/// A queue of a broker of its own.
pub(crate) struct Amqp {
    _server: Server,
    url: String,
    queue: String,
    runtime: Runtime,
}

impl Amqp {
    pub(crate) fn new(folder: &Path) -> Outcome<Self> {
        let server = Server::private(folder).ok_or("no services")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(Self { url: server.url(), queue: "bench".to_owned(), runtime, _server: server })
    }

    async fn connect(&self) -> Outcome<(Connection, Channel)> {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        Ok((connection, channel))
    }

    async fn declare(&self, passive: bool) -> Outcome<u32> {
        let (connection, channel) = self.connect().await?;
        let options = QueueDeclareOptions { durable: true, passive, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare(self.queue.as_str().into(), options, FieldTable::default()).await?;
        connection.close(200, "OK".into()).await?;
        Ok(queue.message_count())
    }

    async fn publish(&self, (events, total): (&Prepared, u64), note: &mut dyn FnMut(u64)) -> Outcome {
        let (connection, channel) = self.connect().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        for (count, window) in events.windows(total) {
            let mut confirms = Vec::with_capacity(WINDOW);
            for event in &*window {
                let (exchange, key) = (ShortString::default(), self.queue.as_str().into());
                let body = event.json.get().as_bytes();
                confirms.push(channel.basic_publish(exchange, key, options, body, properties(event)?).await?);
            }
            for confirm in confirms {
                if !matches!(confirm.await?, Confirmation::Ack(None)) {
                    return Err("a message was refused or returned".into());
                }
            }
            note(count);
        }
        connection.close(200, "OK".into()).await?;
        Ok(())
    }
}

fn properties(event: &Ready) -> Outcome<BasicProperties> {
    Ok(BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_message_id(event.id.as_str().into())
        .with_type(events::EVENT_TYPE.into())
        .with_timestamp(event.time.duration_since(UNIX_EPOCH)?.as_secs()))
}

impl Destination for Amqp {
    fn make(&mut self) -> Outcome {
        self.runtime.block_on(self.declare(false)).map(drop)
    }

    fn sink(&self) -> String {
        let Self { url, queue, .. } = self;
        format!("{{ type: amqp, inputs: [feed], url: \"{url}\", routing_key: {queue} }}")
    }

    fn bare(&mut self, events: &Prepared, total: u64, note: &mut dyn FnMut(u64)) -> Outcome {
        self.runtime.block_on(self.publish((events, total), note))
    }

    fn count(&mut self) -> Outcome<u64> {
        let start = std::time::Instant::now();
        let mut last = None;
        loop {
            let count = self.runtime.block_on(self.declare(true))?;
            if last == Some(count) || start.elapsed() > PATIENCE {
                return Ok(count.into());
            }
            last = Some(count);
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    fn remove(&mut self) -> Outcome {
        self.runtime.block_on(async {
            let (connection, channel) = self.connect().await?;
            channel.queue_delete(self.queue.as_str().into(), QueueDeleteOptions::default()).await?;
            connection.close(200, "OK".into()).await?;
            Ok(())
        })
    }
}
