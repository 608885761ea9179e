//! `check --connect` for the source: reach, credentials, and the queue.

use sluicebox_core::Probe;

use super::spec::AmqpSourceSpec;
use crate::link::{Client, Look, look_for_queue, where_to_look};

/// Looks, consumes nothing and makes nothing.
pub(crate) async fn look(client: &Client, spec: &AmqpSourceSpec) -> Probe {
    let mut probe = Probe::new();
    let link = match client.connect().await {
        Ok(link) => link,
        Err(error) => {
            probe.wrong("broker", where_to_look(error));
            return probe;
        }
    };
    let secured = if client.is_encrypted() { "TLS" } else { "not encrypted" };
    probe.fine("broker", format!("{}, {secured}, the user may enter", client.place()));
    let subject = format!("queue `{}`", spec.queue);
    let is_declared = spec.declare.as_ref().is_some_and(|declare| declare.queue.is_some());
    match look_for_queue(&link, &spec.queue).await {
        Ok(Look::There { messages, consumers: 0 }) => {
            probe.fine(subject, format!("{messages} messages wait, nobody consumes it"));
        }
        Ok(Look::There { messages, consumers }) => probe.doubtful(
            subject,
            format!("{messages} messages wait, and {consumers} others consume it"),
            "consumers share the messages of a queue: each gets a part, and the order between them is lost",
        ),
        Ok(Look::Missing(_)) if is_declared => {
            probe.doubtful(subject, "it is not there yet", "it is made at the first start");
        }
        Ok(Look::Missing(error)) | Err(error) => probe.wrong(subject, error),
    }
    link.close().await;
    probe
}
